# SPDX-License-Identifier: Apache-2.0
"""Follows what the processes of a target map, on a thread of its own."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

from anaros.capture.kernel.mappings import Mappings
from anaros.capture.kernel.more import SHARED
from anaros.errors import AnarosError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Mappings that come within this time are looked at together.
_REST_S = 0.01


class Following:
    """Tells whoever follows libraries what was mapped; to be stopped once.

    Args:
        libbpf: What loaded the kernel plane.
        plane: Its ``struct bpf_object *``, which lives longer than this.
        word: What the name of a file must have in it.
    """

    def __init__(self, libbpf: Any, plane: Any, word: bytes) -> None:
        self._libbpf = libbpf
        find, fd = libbpf.lib.bpf_object__find_map_by_name, libbpf.lib.bpf_map__fd
        #: Descriptors of the plane's maps.
        self.maps = {name: int(fd(find(plane, name.encode()))) for name in SHARED}
        self._task_bytes = int(libbpf.lib.bpf_map__value_size(find(plane, b"tasks")))
        self._mappings: Mappings | None = None
        self._thread: threading.Thread | None = None
        #: Why the kernel does not tell what is mapped from now on.
        self.refused: str | None = None
        self._wake, self._waker = os.pipe2(os.O_CLOEXEC)
        try:
            self._mappings = Mappings(libbpf, word)
        except AnarosError as refused:
            self.refused = refused.fact

    def start(
        self,
        name: str,
        first: Callable[[], None],
        then: Callable[[list[tuple[int, str]], bool], None],
    ) -> None:
        """Begins.

        Args:
            name: Of the thread that calls the two.
            first: Looks at what is mapped already.
            then: Looks at what was mapped since, as `Mappings.take` tells it.
        """
        self._thread = threading.Thread(
            target=self._run, args=(first, then), name=name, daemon=True
        )
        self._thread.start()

    def _run(
        self, first: Callable[[], None], then: Callable[[list[tuple[int, str]], bool], None]
    ) -> None:
        first()
        mappings = self._mappings
        while mappings is not None:
            mappings.wait(self._wake)
            if self.stopping():
                break
            time.sleep(_REST_S)
            then(*mappings.take())

    def stopping(self) -> bool:
        """Whether ``stop`` was called."""
        return bool(select.select([self._wake], [], [], 0)[0])

    def processes(self) -> list[int]:
        """The target's, as far as they can be seen here."""
        pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
        return [pid for pid in pids if self.ours(pid)]

    def ours(self, pid: int) -> bool:
        """Whether a process is the target's."""
        ffi = self._libbpf.ffi
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            key, value = ffi.new("int *", pidfd), ffi.new("char[]", self._task_bytes)
            return bool(self._libbpf.lib.bpf_map_lookup_elem(self.maps["tasks"], key, value) == 0)
        finally:
            os.close(pidfd)

    def stop(self) -> None:
        """Waits for the thread and asks no more; a second call does nothing."""
        if self._waker >= 0:
            os.write(self._waker, b".")
            if self._thread is not None:
                self._thread.join()
            os.close(self._waker)
            os.close(self._wake)
            self._waker = -1
        if self._mappings is not None:
            self._mappings.close()
            self._mappings = None
