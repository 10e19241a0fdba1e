# SPDX-License-Identifier: Apache-2.0
"""A program of cuda-python: launches, copies and fills, and what it knows of them.

usage: cuda_python.py IMAGE
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from cuda.bindings import driver as cu

COUNT = 65536
ROUNDS = 30


def ok(result: tuple[Any, ...]) -> Any:
    """The values of a call, which must have succeeded."""
    if int(result[0]):
        raise SystemExit(f"a call returned {result[0]}")
    return result[1] if len(result) == 2 else result[1:]


def main() -> None:
    """Does the work on device 0."""
    ok(cu.cuInit(0))
    ok(cu.cuCtxSetCurrent(ok(cu.cuDevicePrimaryCtxRetain(ok(cu.cuDeviceGet(0))))))
    module = ok(cu.cuModuleLoadData(Path(sys.argv[1]).read_bytes() + b"\0"))
    kernel = ok(cu.cuModuleGetFunction(module, b"saxpy"))
    stream = ok(cu.cuStreamCreate(1))
    x = np.arange(COUNT, dtype=np.float32) % np.float32(1021)
    y = np.zeros(COUNT, dtype=np.float32)
    on_device_x, on_device_y = ok(cu.cuMemAlloc(x.nbytes)), ok(cu.cuMemAlloc(y.nbytes))
    ok(cu.cuMemcpyHtoD(on_device_x, x.ctypes.data, x.nbytes))
    ok(cu.cuMemsetD32Async(on_device_y, 0, COUNT, stream))
    types = (ctypes.c_float, None, None, ctypes.c_uint32)
    copy_bytes = x.nbytes
    for index in range(ROUNDS):
        values = (1 / (index + 1), on_device_x, on_device_y, COUNT)
        ok(cu.cuLaunchKernel(kernel, COUNT // 256, 1, 1, 256, 1, 1, 0, stream, (values, types), 0))
        size = 1000 * (index + 1)
        ok(cu.cuMemcpyHtoDAsync(on_device_x, x.ctypes.data, size, stream))
        copy_bytes += size
    ok(cu.cuStreamSynchronize(stream))
    ok(cu.cuMemcpyDtoH(y.ctypes.data, on_device_y, y.nbytes))
    told = {
        "launches": ROUNDS,
        "graphs": 0,
        "copies": ROUNDS + 2,
        "copy_bytes": copy_bytes + y.nbytes,
        "fills": 1,
        "kernels": ROUNDS,
        "transfers": ROUNDS + 3,
        "digest": hashlib.sha256(y.tobytes()).hexdigest()[:16],
    }
    print(json.dumps(told))


main()
