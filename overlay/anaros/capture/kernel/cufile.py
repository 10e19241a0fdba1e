# SPDX-License-Identifier: Apache-2.0
"""Attaches the probes of cuFile to the library, once a process of the target has mapped it.

Until then nothing of it is loaded, and nothing is slower: the kernel tells what is mapped.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence

from anaros import artifacts
from anaros.capture.kernel.following import Following
from anaros.capture.kernel.more import share
from anaros.errors import AnarosError, KernelPlaneError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WORD = "libcufile"
_OTHERS = ("libcufile_",)  # helpers of the library, which move nothing for the program

#: Providers under which releases of the library have the probes.
_PROVIDERS = ("cufio", "cufio_core")
_WRITE, _DIRECT, _RDMA, _BOUNCED = 1, 2, 4, 8
#: ``enum anaros_storage`` of what each probe tells of.
PROBES = {
    "cufio_px_read": 0,
    "cufio_px_write": _WRITE,
    "cufio_gds_read": _DIRECT,
    "cufio_gds_write": _DIRECT | _WRITE,
    "cufio_gds_unaligned_write": _DIRECT | _WRITE,
    "cufio_gds_read_async": _DIRECT,
    "cufio_gds_write_async": _DIRECT | _WRITE,
    "cufio_rdma_read": _RDMA,
    "cufio_rdma_write": _RDMA | _WRITE,
}
#: Where a call begins on the thread that made it.
_CALLS = {
    "cuFileRead": "cufile_begin",
    "cuFileWrite": "cufile_begin",
    "cuFileReadv": "cufile_begin_vector",
    "cuFileWritev": "cufile_begin_vector",
}
_PROGRAMS = ("cufile_done", "cufile_begin", "cufile_begin_vector")


class CuFile:
    """Follows the target's processes until one has the library; to be stopped once.

    Args:
        libbpf: What loaded the kernel plane.
        plane: Its ``struct bpf_object *``, which lives longer than this.
        pids: The roots of the target, which may have the library already.
    """

    def __init__(self, libbpf: Any, plane: Any, pids: Sequence[int]) -> None:
        self._libbpf = libbpf
        self._object: Any = None
        self._links: list[Any] = []
        self._seen: set[tuple[int, int]] = set()
        #: Path of each library that is followed, and since when in ns.
        self.libraries: dict[str, int] = {}
        #: Why a library is not followed, one sentence.
        self.problem: str | None = None
        self._target = Following(libbpf, plane, WORD.encode())
        if self._target.refused is not None:
            self.problem = f"no gpu.storage of what is loaded later: {self._target.refused}"
        self._target.start("anaros-cufile", lambda: self._look(_all(pids)), self._look_again)

    def _look_again(self, found: list[tuple[int, str]], lost: bool) -> None:
        self._look(found + _all(self._target.processes()) if lost else found)

    def _look(self, mapped: list[tuple[int, str]]) -> None:
        for pid, path in mapped:
            name = path.rpartition("/")[2]
            if WORD not in name or name.startswith(_OTHERS) or not self._target.ours(pid):
                continue
            for reached in (f"/proc/{pid}/root{path}", path):
                with contextlib.suppress(OSError):
                    status = os.stat(reached)
                    break
            else:
                self.problem = f"no gpu.storage of pid {pid}: {path} cannot be reached"
                continue
            if (status.st_dev, status.st_ino) in self._seen:
                continue
            self._seen.add((status.st_dev, status.st_ino))
            try:
                self._follow(reached)
                self.libraries[path] = time.monotonic_ns()
            except AnarosError as problem:
                self.problem = f"no gpu.storage from {path}: {problem.fact}"

    def _load(self) -> None:
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        path = artifacts.built("ebpf", "cufile.bpf.o")
        loaded = lib.bpf_object__open_file(os.fsencode(path), ffi.NULL)
        if loaded == ffi.NULL:
            raise KernelPlaneError(f"{path} is not a BPF object", "build or install it again")
        share(self._libbpf, loaded, self._target.maps, path)
        result = lib.bpf_object__load(loaded)
        if result:
            lib.bpf_object__close(loaded)
            raise KernelPlaneError(f"the kernel refuses its probes: {os.strerror(-result)}")
        self._object = loaded

    def _follow(self, path: str) -> None:
        """All probes that this release of the library has."""
        if self._object is None:
            self._load()
        ffi, lib = self._libbpf.ffi, self._libbpf.lib
        raw, done = os.fsencode(path), self._program("cufile_done")
        options = ffi.new("struct bpf_usdt_opts *", {"sz": ffi.sizeof("struct bpf_usdt_opts")})
        attached = len(self._links)
        for name, flags in PROBES.items():
            options.usdt_cookie = flags
            for provider in _PROVIDERS:
                args = (done, -1, raw, provider.encode(), name.encode(), options)
                link = lib.bpf_program__attach_usdt(*args)
                if link != ffi.NULL:
                    self._links.append(link)
                    break
        if len(self._links) == attached:
            reason = "it has none of the probes" if ffi.errno == 2 else os.strerror(ffi.errno)
            raise KernelPlaneError(reason)
        for function, program in _CALLS.items():
            name_text = ffi.new("char[]", function.encode())
            where = ffi.new(
                "struct bpf_uprobe_opts *",
                {"sz": ffi.sizeof("struct bpf_uprobe_opts"), "func_name": name_text},
            )
            link = lib.bpf_program__attach_uprobe_opts(self._program(program), -1, raw, 0, where)
            if link != ffi.NULL:
                self._links.append(link)

    def _program(self, name: str) -> Any:
        return self._libbpf.lib.bpf_object__find_program_by_name(self._object, name.encode())

    def programs(self) -> Iterator[int]:
        """Descriptors of the programs that are loaded."""
        if self._object is not None:
            for name in _PROGRAMS:
                yield int(self._libbpf.lib.bpf_program__fd(self._program(name)))

    def stop(self) -> None:
        """Detaches. ``free`` gives the programs back."""
        self._target.stop()
        while self._links:
            self._libbpf.lib.bpf_link__destroy(self._links.pop())

    def free(self) -> None:
        """Frees what was loaded; after ``stop``."""
        if self._object is not None:
            self._libbpf.lib.bpf_object__close(self._object)
            self._object = None


def _all(pids: Sequence[int]) -> list[tuple[int, str]]:
    return [(pid, path) for pid in pids for path in _mapped(pid)]


def _mapped(pid: int) -> list[str]:
    """The files with the word in their name that a process has mapped."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            lines = [line for line in file if WORD.encode() in line]
    except OSError:
        return []
    return sorted({os.fsdecode(line.split(None, 5)[5].rstrip(b"\n")) for line in lines})
