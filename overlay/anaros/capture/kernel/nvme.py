# SPDX-License-Identifier: Apache-2.0
"""NVMe's tracepoints: where the fields of their events lie, and how controllers are reached.

The driver may be a module, of whose types the kernel's BTF says nothing. What a tracepoint tells is
read at the places that its format file names, whatever the release.
"""

from __future__ import annotations

import os
import re

from anaros.errors import KernelPlaneError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from anaros.capture.kernel.probes import Libbpf

_TRACING = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_CONTROLLERS = "/sys/class/nvme"

#: Of each event the program that takes it and its fields, as in ``struct nvme_layout`` of
#: ebpf/nvme.bpf.c.
_EVENTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "nvme_setup_cmd": ("nvme_setup", ("ctrl_id", "qid", "cid", "opcode")),
    "nvme_complete_rq": ("nvme_complete", ("ctrl_id", "qid", "cid", "status", "retries")),
    "nvme_sq": ("nvme_sq", ("ctrl_id", "qid", "sq_head", "sq_tail")),
}
#: Without these there is nothing to tell.
_NEEDED = ("nvme_setup_cmd", "nvme_complete_rq")
_PROGRAMS = ("nvme_setup", "nvme_issue", "nvme_sq", "nvme_complete")
#: As much of an event as the programs look at, and what they take for a number.
_EVENT_BYTES, _SIZES = 96, (1, 2, 4)
_FIELD = re.compile(r"field:.*?(\w+)(?:\[\d+\])?;\s*offset:(\d+);\s*size:(\d+);")
_TRANSPORT_BYTES = 16


class Nvme:
    """What this kernel tells of NVMe, read when made.

    Args:
        tracing: Where tracefs is mounted; None: in one of the usual places.
        controllers: The folder of controllers.
    """

    def __init__(self, tracing: str | None = None, controllers: str = _CONTROLLERS) -> None:
        self._controllers = controllers
        roots = _TRACING if tracing is None else (tracing,)
        self._fields = {
            event: _fields(roots, event, names) for event, (_, names) in _EVENTS.items()
        }

    def off(self) -> dict[str, str]:
        """Programs that cannot work here, and what is missing for it: nothing where no NVMe is."""
        without = [event for event in _NEEDED if self._fields[event] is None]
        if without:
            reason = f"no block.nvme: this kernel has no tracepoint {without[0]}"
            return dict.fromkeys(_PROGRAMS, reason if self.transports() else "")
        return {
            _EVENTS[event][0]: f"no fetched commands of block.nvme: no tracepoint {event}"
            for event, fields in self._fields.items()
            if fields is None
        }

    def layout(self) -> bytes:
        """``struct nvme_layout``: of each field its offset and size, 0 where it is missing."""
        places: list[int] = []
        for event, (_, names) in _EVENTS.items():
            places += self._fields[event] or [0] * 2 * len(names)
        return bytes(places)

    def transports(self) -> dict[int, str]:
        """Each controller, by its number: ``pcie``, ``tcp``, ``rdma``, ``fc``, ``loop``."""
        found: dict[int, str] = {}
        try:
            names = os.listdir(self._controllers)  # noqa: PTH208
        except OSError:
            return found
        for name in names:
            number = re.fullmatch(r"nvme(\d+)", name)
            text = _read(f"{self._controllers}/{name}/transport")
            if number is not None and text is not None:
                found[int(number[1])] = text.strip()
        return found

    def lay(self, libbpf: Libbpf, opened: Any) -> None:
        """Tells the programs where the fields are, before they are loaded.

        Args:
            libbpf: What opened the object.
            opened: ``struct bpf_object *``; closed where this fails.

        Raises:
            KernelPlaneError: They do not fit.
        """
        ffi, lib = libbpf.ffi, libbpf.lib
        size, layout = ffi.new("size_t *"), self.layout()
        constants = lib.bpf_object__find_map_by_name(opened, b".rodata.nvme")
        value = lib.bpf_map__initial_value(constants, size) if constants != ffi.NULL else ffi.NULL
        if value == ffi.NULL or size[0] != len(layout):
            lib.bpf_object__close(opened)
            raise KernelPlaneError(
                "more.bpf.o belongs to another version of anaros", "build or install it again"
            )
        ffi.memmove(value, layout, len(layout))

    def tell_transports(self, libbpf: Libbpf, loaded: Any) -> None:
        """Tells the programs how the controllers are reached, once they are loaded."""
        ffi, lib = libbpf.ffi, libbpf.lib
        fd = lib.bpf_map__fd(lib.bpf_object__find_map_by_name(loaded, b"nvme_transports"))
        for controller, word in self.transports().items():
            text = ffi.new(f"char[{_TRANSPORT_BYTES}]", word.encode()[: _TRANSPORT_BYTES - 1])
            lib.bpf_map_update_elem(fd, ffi.new("uint32_t *", controller), text, 0)


def _fields(roots: tuple[str, ...], event: str, names: tuple[str, ...]) -> list[int] | None:
    """Offset and size of each field; None where one of them cannot be had."""
    for root in roots:
        text = _read(f"{root}/events/nvme/{event}/format")
        if text is None:
            continue
        found = {name: (int(at), int(size)) for name, at, size in _FIELD.findall(text)}
        places = [found.get(name, (_EVENT_BYTES, 0)) for name in names]
        if all(size in _SIZES and at + size <= _EVENT_BYTES for at, size in places):
            return [number for place in places for number in place]
    return None


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return None
