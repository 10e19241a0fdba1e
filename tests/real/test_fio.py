# SPDX-License-Identifier: Apache-2.0
"""fio: a file read and written in four ways, with fio's own figures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from real_harness import Gate, Seen, Watched, needs

pytestmark = needs("fio")

BYTES, BLOCK = 16 << 20, 16 << 10


class Figures(NamedTuple):
    """What fio says of itself."""

    read_bytes: int
    reads: int
    written_bytes: int
    writes: int


def fio(watched: Watched, folder: Path, engine: str, *options: str) -> tuple[Seen, Figures]:
    """Each block of a file that is not in memory once, in any order."""
    data, told, gate = folder / "data", folder / "told", Gate(folder)
    with data.open("wb") as file:
        file.write(os.urandom(BYTES))
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    command = ["fio", "--name=job", f"--filename={data}", f"--size={BYTES}", f"--bs={BLOCK}"]
    command += [f"--ioengine={engine}", "--thread", "--output-format=json", f"--output={told}"]
    command.append(f"--exec_prerun=sh -c '{gate.wait}'")
    watched.start(*command, *options, ready=gate.reached, more=True, cwd=folder)
    gate.open()
    seen = watched.end()
    text = told.read_text()
    job = json.loads(text[text.index("{") :])["jobs"][0]
    assert job["error"] == 0
    read, written = job["read"], job["write"]
    return seen, Figures(
        read["io_bytes"], read["total_ios"], written["io_bytes"], written["total_ios"]
    )


def of_data(seen: Seen, kind: str) -> list[int]:
    """Number and bytes of the records of a kind that are about the file."""
    ((count, size),) = seen.ask(
        "SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT FROM records"
        f" WHERE kind = '{kind}' AND name LIKE '%/data'"
    )
    return [count, size]


def test_system_calls(watched: Watched, tmp_path: Path) -> None:
    seen, figures = fio(watched, tmp_path, "sync", "--rw=randrw")
    assert figures.read_bytes + figures.written_bytes == BYTES
    for what, theirs, kind in (
        ("read", figures[:2], "file.read"),
        ("written", figures[2:], "file.write"),
    ):
        ours = of_data(seen, kind)
        watched.same(f"bytes {what}", theirs[0], ours[1], within=0)
        watched.same(f"blocks {what}", theirs[1], ours[0], within=0)
    assert seen.share("file_bytes") >= 0.999


def test_io_uring(watched: Watched, tmp_path: Path) -> None:
    seen, figures = fio(watched, tmp_path, "io_uring", "--rw=randrw", "--direct=1", "--iodepth=8")
    assert figures.read_bytes + figures.written_bytes == BYTES
    count, size = of_data(seen, "file.uring")
    watched.same("bytes", BYTES, size, within=0)
    watched.same("blocks", figures.reads + figures.writes, count, within=0)
    if watched.way == "attach":
        assert seen.share("file_bytes") >= 0.999
    else:
        # All of it went past the shim.
        assert seen.named("read", "written") >= 0.999


def test_libaio(watched: Watched, tmp_path: Path) -> None:
    seen, figures = fio(watched, tmp_path, "libaio", "--rw=randrw", "--direct=1", "--iodepth=8")
    assert figures.read_bytes + figures.written_bytes == BYTES
    # A block that lies in two extents of the disk is two requests. What fio itself is loaded from
    # comes before it opens the file.
    ((size,),) = seen.ask(
        "WITH opened AS (SELECT pid, min(start_ns) AS since_ns FROM records"
        " WHERE kind = 'file.open' AND name LIKE '%/data' GROUP BY pid)"
        " SELECT sum(size_bytes)::BIGINT FROM records JOIN opened USING (pid)"
        " WHERE kind = 'block.io' AND start_ns >= since_ns"
    )
    watched.same("bytes, of block.io", BYTES, size)
    if watched.way == "attach":
        both = [figures.reads + figures.writes, figures.read_bytes + figures.written_bytes]
        assert of_data(seen, "file.aio") == both


def test_mmap(watched: Watched, tmp_path: Path) -> None:
    seen, figures = fio(watched, tmp_path, "mmap", "--rw=randread")
    assert figures.read_bytes == BYTES
    filled = of_data(seen, "file.fill")[1] + of_data(seen, "file.readahead")[1]
    watched.same("bytes read, filled", BYTES, filled)


def test_latency(watched: Watched, tmp_path: Path) -> None:
    # What is read at once takes long enough for a per cent to be more than fio's way to its clock.
    logged = f"--write_lat_log={tmp_path / 'latency'}"
    seen, _ = fio(watched, tmp_path, "sync", "--rw=randread", "--direct=1", "--bs=1M", logged)
    (log,) = tmp_path.glob("latency_clat*.log")
    each = np.array([int(line.split(",")[1]) / 1e3 for line in log.read_text().splitlines()])
    ours = seen.ask(
        "SELECT duration_ns / 1e3 FROM records WHERE kind = 'file.read' AND name LIKE '%/data'"
        " ORDER BY start_ns"
    )
    watched.same("reads", len(each), len(ours), within=0)
    # Attached, the probes stand between: 2 us, and 20 on a busy machine.
    watched.each_as_long("a read of 1 MiB", each, np.array(ours)[:, 0], near=50)
