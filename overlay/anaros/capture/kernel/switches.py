# SPDX-License-Identifier: Apache-2.0
"""The rings into which sched_switch writes, one for each CPU (``anaros/switch.h``)."""

from __future__ import annotations

import os
from typing import Any

from anaros import natives
from anaros.errors import KernelPlaneError

ffi, lib = natives.native()


class Switches:
    """Reads the rings; they are mapped, so no system call is needed.

    Args:
        ends_fd: BPF map of the rings' ends.
        slots_fd: BPF map of their slots.
        cpus: How many rings there are.
        slots: Slots of each, a power of two.

    Raises:
        KernelPlaneError: They cannot be mapped.
    """

    def __init__(self, ends_fd: int, slots_fd: int, cpus: int, slots: int) -> None:
        error = ffi.new("int *")
        self._rings: Any = lib.anaros_switches_open(ends_fd, slots_fd, cpus, slots, error)
        if self._rings == ffi.NULL:
            raise KernelPlaneError(
                f"the scheduler's rings cannot be mapped: {os.strerror(error[0])}"
            )

    @property
    def handle(self) -> Any:
        """``struct switches *``."""
        return self._rings

    def consume(self, sample: int, context: int) -> int:
        """Hands all records that the rings hold to ``sample``, and returns how many there were."""
        function = ffi.cast("anaros_sample_fn", sample)
        data = ffi.cast("void *", context)
        return int(lib.anaros_switches_consume(self._rings, 2**63, function, data))

    def close(self) -> None:
        """Unmaps them; a second call does nothing."""
        if self._rings != ffi.NULL:
            lib.anaros_switches_close(self._rings)
            self._rings = ffi.NULL
