# SPDX-License-Identifier: Apache-2.0
"""The report's header: what this machine is, and what is built; and an end to what hangs."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: How long before pytest's own limit a test loses the processes that it started.
EARLIER_S = 120
#: How long what a test has started may take to end after the test.
PATIENCE_S = 20
#: After so many tests that took too long there are no more.
HUNG_MOST = 2

GUARD = pytest.StashKey[subprocess.Popen[bytes]]()
HUNG = pytest.StashKey[list[str]]()


def _shim() -> str:
    library = ROOT / "shim/libanaros.so"
    if not library.is_file():
        return "not built"
    return f"built, sha256 {hashlib.sha256(library.read_bytes()).hexdigest()[:12]}"


def _gpu() -> str:
    versions = Path("/proc/driver/nvidia/version")
    return versions.read_text().splitlines()[0] if versions.is_file() else "none"


def _btf() -> str:
    return "yes" if os.access("/sys/kernel/btf/vmlinux", os.R_OK) else "no"


def _native() -> str:
    found = importlib.util.find_spec("anaros._native")
    return Path(found.origin).name if found and found.origin else "not built"


def pytest_report_header() -> list[str]:
    objects = sorted(path.name.split(".")[0] for path in (ROOT / "ebpf").glob("*.bpf.o"))
    root = "no" if os.getuid() else "yes"
    return [
        f"kernel: {platform.release()}, BTF: {_btf()}, root: {root}, GPU: {_gpu()}",
        f"shim: {_shim()}, native drain: {_native()}, BPF objects: {' '.join(objects) or 'none'}",
    ]


def _begin_as_usual() -> None:
    """Nothing of how this was started (`nohup`, `&`) reaches the programs of the tests.

    A signal that is ignored here would be ignored there; one with a handler is not, and is as
    harmless here.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.umask(0o022)


def _limit_s(config: pytest.Config) -> float:
    return float(config.getini("faulthandler_timeout")) - EARLIER_S


def pytest_sessionstart(session: pytest.Session) -> None:
    """Has somebody beside the tests who ends what they leave running; see guard.py."""
    _begin_as_usual()
    session.config.stash[HUNG] = []
    limit_s = _limit_s(session.config)
    if limit_s <= 0 or session.config.getoption("usepdb") or session.config.getoption("trace"):
        return
    mark = f"TEST_SESSION={os.urandom(8).hex()}"
    session.config.stash[GUARD] = subprocess.Popen(
        [sys.executable, "-I", "-S", Path(__file__).with_name("guard.py"), mark, str(limit_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.environ.update([mark.split("=")])


def _tell(config: pytest.Config, line: str) -> None:
    guard = config.stash.get(GUARD, None)
    if guard is not None and guard.poll() is None and guard.stdin is not None:
        os.write(guard.stdin.fileno(), f"{line}\n".encode())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _tell(item.config, item.nodeid)
    began = time.monotonic()
    try:
        return (yield)
    finally:
        _tell(item.config, "")
        hung = item.config.stash[HUNG]
        if item.config.stash.get(GUARD, None) and time.monotonic() - began > _limit_s(item.config):
            hung.append(item.nodeid)
        if len(hung) >= HUNG_MOST:
            item.session.shouldfail = f"took too long: {', '.join(hung)}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    guard = session.config.stash.get(GUARD, None)
    if guard is not None:
        guard.communicate(timeout=120)


def _children() -> set[int]:
    """Children of this process that have not ended, as far as the kernel lists them."""
    found: set[int] = set()
    for listed in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found.update(map(int, listed.read_text().split()))
    return {pid for pid in found if not _has_ended(pid)}


def _has_ended(pid: int) -> bool:
    """Whether it was waited for or not. One that has only begun may have no words yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return True
    return state in ("Z", "X")


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return words.replace(b"\0", b" ").decode(errors="replace")


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    """Ends what a test has started and not waited for, and says so."""
    before = _children()
    yield
    if not _children() - before:
        return
    until = time.monotonic() + PATIENCE_S
    while (left := _children() - before) and time.monotonic() < until:
        time.sleep(0.02)
    told = [f"{pid} {_command(pid)}" for pid in left]
    for pid in left:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    assert not told, "left running, ended now"
