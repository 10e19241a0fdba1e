# SPDX-License-Identifier: Apache-2.0
"""What the kernel plane says of fio's four ways to read a file, against fio's own figures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from kernel_harness import NEEDS, Run, direct_or_skip, record
from test_kernel_files import forget, number

from anaros.kinds import Kind

pytestmark = [
    *NEEDS,
    pytest.mark.skipif(shutil.which("fio") is None, reason="fio is not installed"),
]

BYTES, BLOCK = 8 << 20, 16 << 10
READ = 0  # the status of a block.io

#: Whose records the figures are compared with.
PROBES = ("block", "file", "queue", "uring")


class Figures(NamedTuple):
    """What fio says of itself."""

    bytes: int
    calls: int


def under_fio(folder: Path, engine: str, *options: str) -> tuple[Run, Path, Figures]:
    """Each block of a file that is not in memory once, in any order, by one engine."""
    direct_or_skip(folder / "other")
    data, told = folder / "data", folder / "told"
    data.write_bytes(bytes(BYTES))
    forget(data)
    command = ["fio", "--name=job", f"--filename={data}", f"--size={BYTES}", f"--bs={BLOCK}"]
    command += ["--rw=randread", f"--ioengine={engine}", "--output-format=json"]
    run = record([*command, f"--output={told}", "--thread", *options], more=True)
    assert run.status == 0
    text = told.read_text()
    read = json.loads(text[text.index("{") :])["jobs"][0]["read"]
    lost = {probe: run.drops[probe] for probe in PROBES if run.drops[probe]}
    assert not lost
    return run, data, Figures(read["io_bytes"], read["total_ios"])


def filled(run: Run, data: Path) -> int:
    fills = run.of(Kind.FILE_FILL, Kind.FILE_READAHEAD)
    return int(fills.take(fills.object == number(data)).size_bytes.sum())


@pytest.mark.parametrize("engine", ["psync", "mmap"])
def test_reads_through_the_page_cache(tmp_path: Path, engine: str) -> None:
    run, data, figures = under_fio(tmp_path, engine)
    assert figures.bytes == BYTES
    assert filled(run, data) == pytest.approx(figures.bytes, rel=0.01)


@pytest.mark.parametrize("engine", ["psync", "libaio", "io_uring"])
def test_reads_past_the_page_cache(tmp_path: Path, engine: str) -> None:
    run, data, figures = under_fio(tmp_path, engine, "--direct=1", "--iodepth=8")
    assert figures.bytes == BYTES
    assert filled(run, data) == 0
    # What the program itself and its libraries read from the disk is in here too.
    own = run.of(Kind.BLOCK_IO)
    own = own.take((own.pid == run.pid) & (own.status == READ) & (own.size_bytes == BLOCK))
    assert int(own.size_bytes.sum()) == pytest.approx(figures.bytes, rel=0.01)
    operations = run.of(Kind.FILE_URING)
    of_data = operations.take(operations.object == number(data))
    if engine == "io_uring":
        assert len(of_data) == figures.calls
        assert int(of_data.size_bytes.sum()) == figures.bytes
    else:
        assert len(operations) == 0


def test_a_depth_is_the_program_s_own(tmp_path: Path) -> None:
    run, _, _ = under_fio(tmp_path, "libaio", "--direct=1", "--iodepth=8")
    found = run.of(Kind.BLOCK_ISSUE)
    found = found.take(found.pid == run.pid)
    others = found.context >> 32 & 0xFFFF
    # The seven others of its own, and whatever the rest of the machine has under way.
    assert int((found.status - others.astype("i4")).max()) <= 8 + int(others.max())
    assert int(found.status.max()) >= 4
