# SPDX-License-Identifier: Apache-2.0
"""Probes that are taken away while those of others stay on the same tracepoints."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest
from kernel_harness import NEEDS, Samples, kernel, stopped

from anaros.capture.kernel import release
from anaros.kinds import Kind

pytestmark = NEEDS


def links() -> list[str]:
    """What of this process's descriptors are BPF links, with what each is on."""
    told = []
    for path in Path("/proc/self/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # that of the folder itself
            told.append(path.read_text())
    return [text for text in told if "link_type:" in text]


@pytest.fixture
def pair() -> tuple[Samples, Samples]:
    return Samples(), Samples()


def test_who_came_later_goes_on(
    monkeypatch: pytest.MonkeyPatch, pair: tuple[Samples, Samples]
) -> None:
    """Whether the kernel waited or not: here it is taken to have done so after each probe."""
    monkeypatch.setattr(release, "_WAITED_S", -1.0)
    child = stopped(["/bin/sh", "-c", "/bin/true; exit 7"])
    target = kernel.Target(child.pid)
    first = kernel.KernelPlane.start(target, pair[0].address, 0)
    second = kernel.KernelPlane.start(target, pair[1].address, 0)
    try:
        both = len(links())
        first.detach()
        assert len(links()) == both // 2, "its own, and none of those that did nothing"
        os.kill(child.pid, signal.SIGCONT)
        assert child.wait(60) == 7
        first.consume()
        second.consume()
    finally:
        first.stop()
        second.stop()
        child.kill()
        child.communicate(timeout=60)
    assert not links()
    assert Kind.PROC_EXIT not in pair[0].columns().kind
    ended = pair[1].columns()
    assert set(ended.pid[ended.kind == Kind.PROC_EXIT].tolist()) >= {child.pid}
