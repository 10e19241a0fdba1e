# SPDX-License-Identifier: Apache-2.0
"""Targets to attach to, and what the tests of `anaros attach` ask of a run."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anaros.kinds import Kind
from anaros.records import Columns
from anaros.store.rundir import RunDirectory
from anaros.store.segments import load

ROOT = Path(__file__).resolve().parents[2]
Command = Callable[..., list[str]]
Follow = Callable[..., int]

NEEDS = [
    pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs takes root"),
    pytest.mark.skipif(
        not Path("/sys/kernel/btf/vmlinux").exists(), reason="this kernel has no BTF"
    ),
    pytest.mark.skipif(
        not (ROOT / "ebpf/syscalls.bpf.o").exists(), reason="ebpf/syscalls.bpf.o is not built"
    ),
]

SERVER = """
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            with open(DATA, "rb") as file:
                body = file.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
"""

#: Reads the same again and again, by itself: no library is loaded.
STATIC = """
    #include <fcntl.h>
    #include <unistd.h>

    int main(void)
    {
        char buffer[300];
        int fd;

        for (;;) {
            fd = open("/proc/self/stat", O_RDONLY);
            if (read(fd, buffer, 123) != 123)
                return 1;
            close(fd);
            usleep(5000);
        }
    }
"""


class Server:
    """A threaded Python server with connections that are open already, under load."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "answer"
        self.data.write_bytes(os.urandom(20_000))
        code = f"DATA = {str(self.data)!r}\n" + textwrap.dedent(SERVER)
        self.process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.answers = 0
        self.wrong = 0
        self._stop = threading.Event()
        self._clients = [threading.Thread(target=self._ask) for _ in range(3)]
        for client in self._clients:
            client.start()
        try:
            self.more(10)
        except AssertionError:
            self.close()
            raise

    @property
    def pid(self) -> int:
        return self.process.pid

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        expected = self.data.read_bytes()
        while not self._stop.wait(0.005):
            connection.request("GET", "/")
            self.wrong += connection.getresponse().read() != expected
            self.answers += 1
        connection.close()

    def more(self, answers: int) -> None:
        """Waits until it has answered so many more."""
        wanted, deadline = self.answers + answers, time.monotonic() + 60
        while self.answers < wanted:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.01)

    def rest(self) -> None:
        self._stop.set()
        for client in self._clients:
            client.join()

    def close(self) -> None:
        self.rest()
        self.process.kill()
        self.process.communicate()


def attached(command: list[str], **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, **more)  # type: ignore[call-overload]


def ours() -> set[str]:
    """BPF programs of attachments on this machine."""
    shown = subprocess.run(["bpftool", "prog"], capture_output=True, text=True, check=True)
    return set(
        re.findall(r"^(\d+): .*name (?:call_enter|call_exit|seed_files)\b", shown.stdout, re.M)
    )


def left(before: set[str]) -> set[str]:
    """Of the programs that came since, those that stay; others' attachments come and go."""
    new = ours() - before
    deadline = time.monotonic() + 60
    while new and time.monotonic() < deadline:
        time.sleep(0.05)
        new &= ours()
    return new


def records(path: Path, *kinds: Kind) -> Columns:
    return load(RunDirectory.open(path), kinds=kinds or None)


def reads_of(run: Path, size: int) -> Columns:
    reads = records(run, Kind.FILE_READ)
    return reads.take(np.flatnonzero(reads.size_bytes == size))


def wait_for(path: Path, process: subprocess.Popen[str], key: str = "shm") -> dict[str, object]:
    """meta.json of a run that begins."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (path / "meta.json").exists():
            meta: dict[str, object] = json.loads((path / "meta.json").read_text())
            if meta.get(key):
                return meta
        time.sleep(0.02)
    raise AssertionError(f"the attachment did not begin: {process.communicate()}")


@contextmanager
def running(*words: str | Path, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([*map(str, words)], **more)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until_called(pid: int, name: str) -> None:
    """Waits until the program that it is to be has begun."""
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}/comm").read_text() != f"{name}\n":
        assert time.monotonic() < deadline, f"{pid} does not become {name}"
        time.sleep(0.02)
