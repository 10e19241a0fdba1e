# SPDX-License-Identifier: Apache-2.0
"""The page cache in the kernel plane: what was brought in, of which file, and why."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from kernel_harness import NEEDS, Run, direct_or_skip, record

from anaros.kinds import Kind

pytestmark = NEEDS

PAGE = os.sysconf("SC_PAGESIZE")
READ, FAULT, NEW = 1, 2, 3
BYTES = 300 * PAGE


def python(text: str) -> list[str]:
    return [sys.executable, "-S", "-c", text]


@pytest.fixture
def cold(tmp_path: Path) -> Path:
    """A file of which nothing is in memory."""
    if not Path("/sys/kernel/tracing/events/readahead").exists():
        pytest.skip("this kernel does not tell why it reads")
    direct_or_skip(tmp_path / "other")  # a file system in memory reads nothing
    path = tmp_path / "data"
    path.write_bytes(os.urandom(BYTES))
    forget(path)
    return path


def forget(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def number(path: Path) -> int:
    """The file as a record has it."""
    status = path.stat()
    device = status.st_dev
    folded = (device ^ device >> 16 ^ device >> 32) & 0xFFFF
    return folded << 48 | status.st_ino & 0xFFFFFFFFFFFF


def filled(run: Run, path: Path) -> dict[int, int]:
    """Pages brought in, by their offset, and why; 0 is ahead of any reader. None comes twice."""
    records = run.of(Kind.FILE_FILL, Kind.FILE_READAHEAD)
    pages: dict[int, int] = {}
    for i in range(len(records)):
        if records.object[i] != number(path):
            continue
        first, size = int(records.address[i]), int(records.size_bytes[i])
        for offset in range(first, first + size, PAGE):
            assert offset not in pages
            pages[offset] = int(records.status[i])
    return pages


def test_a_cold_read_fills_each_page_once(cold: Path) -> None:
    run = record(python(f"import os\nf = open({str(cold)!r}, 'rb')\nf.read()"), more=True)
    pages = filled(run, cold)
    assert sorted(pages) == list(range(0, BYTES, PAGE))
    assert pages[0] == READ
    assert set(pages.values()) <= {0, READ}
    fills = run.of(Kind.FILE_FILL, Kind.FILE_READAHEAD)
    assert len(fills) < len(pages) / 4
    assert run.drops["file"] == 0


def test_a_reader_that_comes_in_leaps_waits_for_each(cold: Path) -> None:
    leaps = range(0, 300, 50)
    text = f"""
import os
f = os.open({str(cold)!r}, os.O_RDONLY)
os.posix_fadvise(f, 0, 0, os.POSIX_FADV_RANDOM)
for page in {list(leaps)}:
    os.pread(f, {PAGE}, page * {PAGE})
"""
    run = record(python(text), more=True)
    assert filled(run, cold) == {page * PAGE: READ for page in leaps}
    fills = run.of(Kind.FILE_FILL)
    fills = fills.take(fills.object == number(cold))
    assert (fills.context == PAGE).all()


def test_requests_tell_whose_pages_they_carry(cold: Path) -> None:
    run = record(python(f"open({str(cold)!r}, 'rb').read()"), more=True)
    issued, requests = run.of(Kind.BLOCK_ISSUE), run.of(Kind.BLOCK_IO)
    issued = issued.take(issued.object == number(cold))
    assert len(issued)
    requests = requests.take(requests.pid == run.pid)
    by_start = dict(zip(requests.start_ns.tolist(), requests.size_bytes.tolist(), strict=True))
    carried = set()
    for start, offset in zip(issued.start_ns.tolist(), issued.address.tolist(), strict=True):
        pages = set(range(offset, offset + by_start[start], PAGE))
        assert not carried & pages
        carried |= pages
    assert carried == set(range(0, BYTES, PAGE))


def test_major_faults_name_their_file(waits: str, cold: Path) -> None:
    run = record([waits, "touch", str(cold)], more=True)
    faults = run.of(Kind.FILE_FAULT, tid=run.pid)
    faults = faults.take(faults.object == number(cold))
    assert run.said["major"] > 0
    assert len(faults) == run.said["major"]
    assert len(set(faults.address.tolist())) == len(faults)
    pages = filled(run, cold)
    assert set(pages.values()) == {FAULT}
    assert set(faults.address.tolist()) <= set(pages)
    # Each sleep in a fault that waited for the disk lies behind the beginning of one of these.
    slept = run.of(Kind.MEM_FAULT, tid=run.pid)
    slept = slept.take(slept.status == 1)
    latest = faults.start_ns.searchsorted(slept.start_ns)
    assert (latest > 0).sum() >= len(slept) - 10  # the program itself may come from the disk


def test_what_is_written_is_new(tmp_path: Path) -> None:
    path = tmp_path / "new"
    direct_or_skip(tmp_path / "other")
    run = record(["/bin/dd", "if=/dev/zero", f"of={path}", "bs=65536", "count=8"], more=True)
    assert set(filled(run, path).values()) == {NEW}
    assert len(filled(run, path)) == 8 * 65536 // PAGE


def test_what_is_in_memory_is_not_filled(cold: Path) -> None:
    cold.read_bytes()
    run = record(python(f"open({str(cold)!r}, 'rb').read()"), more=True)
    assert filled(run, cold) == {}
    assert not (run.of(Kind.FILE_FAULT).object == number(cold)).any()


def test_what_others_read_is_only_counted(cold: Path) -> None:
    run = record(["/bin/sleep", "0.2"], cold.read_bytes, more=True)
    assert filled(run, cold) == {}
    assert run.counts["file"]["others"] > 0
