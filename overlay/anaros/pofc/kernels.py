# SPDX-License-Identifier: Apache-2.0
"""How often each kernel was launched and ran, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anaros.kinds import Kind
from anaros.pofc.model import U64, Arrays
from anaros.pofc.order import as_time, numbered
from anaros.records import FLAG_CAPTURE, Columns

#: What is looked at.
ABOUT = (Kind.GPU_LAUNCH, Kind.GPU_EXECUTE)


@dataclass(frozen=True, slots=True)
class Kernels:
    """K kernels by their handles, which are not the same in calls and in what CUPTI tells.

    ``launches`` counts calls, ``runs`` what ran on the device, for ``total_ns`` in all.
    """

    address: U64
    launches: U64
    runs: U64
    total_ns: U64

    @classmethod
    def of(cls, arrays: Arrays) -> Kernels:
        """The kernels of such arrays by name."""
        return cls(**{name: np.ma.getdata(arrays[name]) for name in cls.__slots__})

    @classmethod
    def nothing(cls) -> Kernels:
        """No kernel was launched."""
        return cls(*(np.zeros(0, np.uint64) for _ in cls.__slots__))

    def as_dict(self) -> Arrays:
        """The arrays by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}


def kernels_of(columns: Columns) -> Kernels:
    """Counts launches and runs.

    Args:
        columns: N records in any order.
    """
    launch = np.flatnonzero(
        (columns.kind == Kind.GPU_LAUNCH)
        & (columns.status == 0)
        & (columns.flags & FLAG_CAPTURE == 0)
    )
    run = np.flatnonzero(columns.kind == Kind.GPU_EXECUTE)
    if not len(launch) and not len(run):
        return Kernels.nothing()
    launched, ran = numbered(columns.address[launch], columns.address[run])
    count = int(max(launched.max(initial=-1), ran.max(initial=-1))) + 1
    address = np.zeros(count, np.uint64)
    address[launched], address[ran] = columns.address[launch], columns.address[run]
    total_ns = np.zeros(count, np.uint64)
    np.add.at(total_ns, ran, as_time(columns.duration_ns[run]).view(np.uint64))
    return Kernels(
        address=address,
        launches=np.bincount(launched, minlength=count).astype(np.uint64),
        runs=np.bincount(ran, minlength=count).astype(np.uint64),
        total_ns=total_ns,
    )
