# SPDX-License-Identifier: Apache-2.0
"""The parts of `anaros attach` that need no kernel: words, processes, symbols, entry points."""

from __future__ import annotations

import errno
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anaros.capture.attach import targets
from anaros.capture.attach.calls import Calls
from anaros.capture.attach.elf import Elf
from anaros.capture.attach.entries import FAMILIES, Ends
from anaros.errors import CaptureError, KernelPlaneError
from anaros.kinds import Kind
from anaros_cli import follow

CUDA, OPENCL, NCCL = FAMILIES


def test_plain_words_need_no_click() -> None:
    asked = follow.parse(
        ["attach", "--duration", "1.5", "12", "--hide-names", "7", "--output", "x"]
    )
    assert asked is not None
    assert (asked.pids, asked.output, asked.duration_s) == ((12, 7), "x", 1.5)
    assert (asked.hide_names, asked.live) == (True, False)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["run", "7"],
        ["attach"],
        ["attach", "0"],
        ["attach", "-1"],
        ["attach", "²"],
        ["attach", "--help"],
        ["attach", "7", "--duration"],
        ["attach", "7", "--duration", "0"],
        ["attach", "7", "--duration", "."],
        ["attach", "7", "--duration", "1e3"],
        ["attach", "7", "--out", "x"],
        ["attach", "7", "--output"],
    ],
)
def test_what_click_has_to_judge(words: list[str]) -> None:
    assert follow.parse(words) is None


def test_a_kernel_without_the_probes_of_calls_is_told_with_a_remedy() -> None:
    calls = Calls.__new__(Calls)
    library = SimpleNamespace(bpf_object__load=lambda _: -errno.ESRCH)
    vars(calls).update(_libbpf=SimpleNamespace(lib=library), _object=None)
    with pytest.raises(KernelPlaneError) as told:
        calls.load()
    assert told.value.fact.endswith(os.strerror(errno.ESRCH))
    assert "CONFIG_FTRACE_SYSCALLS" in told.value.remedy


def test_a_process_is_described() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        while (process := targets.describe(child.pid)) is None or "60" not in process.command:
            pass
        assert targets.check([child.pid, child.pid]) == [process]
    finally:
        child.kill()
        child.wait()
    assert (process.command, process.threads) == (("sleep", "60"), 1)
    assert process.program.endswith(("sleep", "coreutils", "busybox"))
    assert process.uid == os.getuid()
    assert process.bits == struct.calcsize("P") * 8
    assert targets.describe(child.pid) is None
    with pytest.raises(CaptureError, match=f"there is no process {child.pid}"):
        targets.check([child.pid])


def test_ourselves_and_above_are_refused() -> None:
    with pytest.raises(CaptureError, match="anaros itself"):
        targets.check([os.getpid()])
    with pytest.raises(CaptureError, match="descends from"):
        targets.check([os.getppid()])


SOURCE = """
    int cuLaunchKernel(void) { return 1; }
    int cuMemcpyHtoD_v2(void) { return 2; }
    int cuMemFree_v2;
    static int cuMemcpy(void) { return 3; }
    int other(void) { return cuMemcpy() + clFinish_there(); }
    int clFinish(void);
    int calls(void) { return clFinish(); }
"""


@pytest.fixture(scope="module", params=["gnu", "sysv", "both"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None or shutil.which("nm") is None:
        pytest.skip("a C compiler is missing: install build-essential")
    folder = tmp_path_factory.mktemp(str(request.param))
    (folder / "a.c").write_text(SOURCE.replace("clFinish_there()", "0"))
    made = folder / "a.so"
    style = f"-Wl,--hash-style={request.param}"
    subprocess.run(["cc", "-shared", "-fPIC", "-s", style, "-o", made, folder / "a.c"], check=True)
    return made


def test_functions_of_a_stripped_library(library: Path) -> None:
    elf = Elf(str(library))
    names = ["cuLaunchKernel", "cuMemcpyHtoD_v2", "cuMemFree_v2", "cuMemcpy", "clFinish", "none"]
    found = elf.functions(names)
    elf.close()
    shown = subprocess.run(["nm", "-D", library], capture_output=True, text=True, check=True)
    there = {name: int(at, 16) for at, name in re.findall(r"^(\w+) T (\w+)$", shown.stdout, re.M)}
    sections = subprocess.run(
        ["readelf", "-lW", library], capture_output=True, text=True, check=True
    ).stdout
    loads = [
        [int(word, 16) for word in line.split()[1:5]]
        for line in sections.splitlines()
        if line.split()[:1] == ["LOAD"]
    ]

    def in_file(address: int) -> int:
        return next(
            address - at + offset for offset, at, _, size in loads if at <= address < at + size
        )

    assert found == {name: [in_file(there[name])] for name in ("cuLaunchKernel", "cuMemcpyHtoD_v2")}


@settings(deadline=None)
@given(place=st.integers(0, 0x3000), raw=st.binary(min_size=1, max_size=16))
def test_a_damaged_library_is_read_without_harm(
    tmp_path_factory: pytest.TempPathFactory, place: int, raw: bytes
) -> None:
    source = tmp_path_factory.getbasetemp() / "sound.so"
    if not source.exists():
        if shutil.which("cc") is None:
            pytest.skip("a C compiler is missing: install build-essential")
        (source.parent / "s.c").write_text("int cuLaunchKernel(void) { return 1; }")
        words = ["cc", "-shared", "-fPIC", "-s", "-o", source, source.parent / "s.c"]
        subprocess.run(words, check=True)
    data = bytearray(source.read_bytes())
    data[place : place + len(raw)] = raw
    damaged = source.parent / "damaged.so"
    damaged.write_bytes(data)
    try:
        elf = Elf(str(damaged))
    except CaptureError:
        return
    found = elf.functions(["cuLaunchKernel", "cuMemcpy"])
    elf.close()
    assert set(found) <= {"cuLaunchKernel", "cuMemcpy"}


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\n" + 100 * b"x"])
def test_what_is_no_library(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(CaptureError):
        Elf(str(tmp_path / "file"))


def test_entries_are_what_the_kernel_reads() -> None:
    for family in FAMILIES:
        assert family.mark in family.entries
        for symbol, entry in family.entries.items():
            assert len(entry.packed(symbol)) == 56
            assert max(entry.object, entry.address, entry.size) <= 12
            if entry.ends & (Ends.MADE | Ends.GIVEN):
                assert entry.ends & Ends.RETURNS
    assert sum(len(family.entries) for family in FAMILIES) < 1024


def test_variants_of_a_function_are_alike_but_for_the_null_stream() -> None:
    legacy, per_thread = (
        CUDA.entries[symbol].packed(symbol) for symbol in ("cuLaunchKernel", "cuLaunchKernel_ptsz")
    )
    assert (legacy[:8], per_thread[:8]) == (struct.pack("<Q", 1), struct.pack("<Q", 2))
    assert legacy[8:] == per_thread[8:]
    assert {entry.kind for entry in NCCL.entries.values()} == {Kind.GPU_COLLECTIVE}
    assert OPENCL.entries["clEnqueueReadBuffer"].kind == Kind.GPU_COPY_D2H
