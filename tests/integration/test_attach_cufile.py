# SPDX-License-Identifier: Apache-2.0
"""cuFile in a process that is attached to: its library is found in what it has mapped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from anaros.kinds import Kind
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

ROOT = Path(__file__).resolve().parents[2]
SOURCES = Path(__file__).parent / "kernel_plane"
WAIT_S = 60
Command = Callable[..., list[str]]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs takes root"),
    pytest.mark.skipif(
        not (ROOT / "ebpf/cufile.bpf.o").exists(), reason="ebpf/cufile.bpf.o is not built"
    ),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a program and a library that has cuFile's probes."""
    folder = tmp_path_factory.mktemp("cufile")
    common = ("gcc", "-std=gnu11", "-O2", "-pthread", "-o")
    library = ("libcufile.so.0", "-shared", "-fPIC", str(SOURCES / "cufile_library.c"))
    program = ("program", str(SOURCES / "cufile_program.c"), "-ldl")
    for words in (library, program):
        subprocess.run([*common, *words], check=True, cwd=folder)
    return folder


def followed(
    anaros: Command, built: Path, folder: Path, rest_s: float
) -> tuple[RunDirectory, dict[str, int]]:
    """A run of a program that moves its bytes after so long, and what it said."""
    folder.mkdir()
    library = built / "libcufile.so.0"
    target = subprocess.Popen(
        [built / "program", library, folder / "data", folder / "go"],
        stdout=subprocess.PIPE,
        text=True,
    )
    process = subprocess.Popen(anaros("attach", "--output", folder / "run", target.pid))
    try:
        time.sleep(rest_s)
        (folder / "go").touch()
        out, _ = target.communicate(timeout=WAIT_S)
        assert process.wait(WAIT_S) == 0
    finally:
        target.kill()
        target.communicate(timeout=WAIT_S)
        process.send_signal(signal.SIGKILL)
        process.wait(WAIT_S)
    said = {line.split()[0]: int(line.split()[1]) for line in out.splitlines()}
    return RunDirectory.open(folder / "run"), said


def test_what_it_moves_is_told(anaros: Command, built: Path, tmp_path: Path) -> None:
    # The library is looked for beside the start, and nobody says when it was found.
    for rest_s in (1.5, 5, 12):
        run, said = followed(anaros, built, tmp_path / f"after-{rest_s}", rest_s)
        libraries = run.meta()["kernel_plane"]["cufile"]
        if libraries:
            break
    assert [one["path"] for one in libraries] == [str(built / "libcufile.so.0")]
    told = load(run, kinds=[Kind.GPU_STORAGE])
    assert len(told) > 0
    assert said["read"] in told.size_bytes.tolist() or int(told.size_bytes.sum()) > said["read"]
    (one,) = run.meta()["attached"]
    assert set(told.pid.tolist()) == {one["pid"]}
