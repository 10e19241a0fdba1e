# SPDX-License-Identifier: Apache-2.0
"""fio: a file read and written in four ways, with fio's own figures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import pytest
from real_harness import Seen, Watched, needs

pytestmark = needs("fio")

BYTES, BLOCK = 16 << 20, 16 << 10


class Figures(NamedTuple):
    """What fio says of itself."""

    read_bytes: int
    reads: int
    written_bytes: int
    writes: int


class Gate:
    """Holds fio back until it is watched: it runs a command that waits for a word."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "gate"
        self._word = -1
        os.mkfifo(self._path)

    @property
    def option(self) -> str:
        """For fio."""
        return f"--exec_prerun=sh -c 'read word <{self._path}'"

    def reached(self) -> bool:
        """Whether somebody waits."""
        try:
            self._word = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        return True

    def open(self) -> None:
        """Lets it go on."""
        os.write(self._word, b"go\n")
        os.close(self._word)


def fio(watched: Watched, folder: Path, engine: str, *options: str) -> tuple[Seen, Figures]:
    """Each block of a file that is not in memory once, in any order."""
    data, told, gate = folder / "data", folder / "told", Gate(folder)
    with data.open("wb") as file:
        file.write(os.urandom(BYTES))
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    command = ["fio", "--name=job", f"--filename={data}", f"--size={BYTES}", f"--bs={BLOCK}"]
    command += [f"--ioengine={engine}", "--thread", "--output-format=json", f"--output={told}"]
    watched.start(*command, gate.option, *options, ready=gate.reached, more=True, cwd=folder)
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
    assert of_data(seen, "file.read") == [figures.reads, figures.read_bytes]
    assert of_data(seen, "file.write") == [figures.writes, figures.written_bytes]
    assert seen.share("file_bytes") >= 0.999


def test_io_uring(watched: Watched, tmp_path: Path) -> None:
    seen, figures = fio(watched, tmp_path, "io_uring", "--rw=randrw", "--direct=1", "--iodepth=8")
    assert figures.read_bytes + figures.written_bytes == BYTES
    both = [figures.reads + figures.writes, figures.read_bytes + figures.written_bytes]
    assert of_data(seen, "file.uring") == both
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
    assert size == pytest.approx(BYTES, rel=0.01)


def test_mmap(watched: Watched, tmp_path: Path) -> None:
    seen, figures = fio(watched, tmp_path, "mmap", "--rw=randread")
    assert figures.read_bytes == BYTES
    filled = of_data(seen, "file.fill")[1] + of_data(seen, "file.readahead")[1]
    assert filled == pytest.approx(BYTES, rel=0.01)
