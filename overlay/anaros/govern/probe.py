# SPDX-License-Identifier: Apache-2.0
"""Asks the device runtimes which devices there are; prints JSON. Run as a program of its own.

A driver that is asked keeps memory, threads and now and then a crash: none of that belongs in
the process that supervises a workload.
"""

from __future__ import annotations

import ctypes
import json
import sys
import uuid
from typing import Any

_PLATFORM_NAME = 0x0902
_DEVICE_NAME = 0x102B
_DEVICE_UUID = 0x106A
_ALL_DEVICES = 0xFFFFFFFF
_MANY = 64


def cuda() -> list[dict[str, Any]] | None:
    """The devices in the runtime's order, None without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return []
    found = []
    for ordinal in range(count.value):
        name = ctypes.create_string_buffer(256)
        bus = ctypes.create_string_buffer(32)
        raw = ctypes.create_string_buffer(16)
        handle = ctypes.c_int()
        driver.cuDeviceGet(ctypes.byref(handle), ordinal)
        driver.cuDeviceGetName(name, len(name), handle)
        driver.cuDeviceGetPCIBusId(bus, len(bus), handle)
        driver.cuDeviceGetUuid(raw, handle)
        found.append(
            {
                "name": name.value.decode(errors="replace"),
                "bus": bus.value.decode(errors="replace").lower(),
                "uuid": f"GPU-{uuid.UUID(bytes=raw.raw)}",
            }
        )
    return found


def opencl() -> list[dict[str, Any]] | None:
    """The devices of all platforms in the loader's order, None without a loader."""
    try:
        return _opencl_by_loader(ctypes.CDLL("libOpenCL.so.1"))
    except OSError:
        pass
    try:
        import pyopencl
    except ImportError:
        return None
    try:
        platforms = pyopencl.get_platforms()
        return [
            {"name": device.name, "platform": platform.name, "uuid": ""}
            for platform in platforms
            for device in platform.get_devices()
        ]
    except pyopencl.Error:
        return []


def _opencl_by_loader(loader: ctypes.CDLL) -> list[dict[str, Any]]:
    platforms = (ctypes.c_void_p * _MANY)()
    platform_count = ctypes.c_uint()
    if loader.clGetPlatformIDs(_MANY, platforms, ctypes.byref(platform_count)):
        return []
    found = []
    for platform in platforms[: platform_count.value]:
        name = _text(loader.clGetPlatformInfo, platform, _PLATFORM_NAME)
        devices = (ctypes.c_void_p * _MANY)()
        count = ctypes.c_uint()
        if loader.clGetDeviceIDs(
            ctypes.c_void_p(platform),
            ctypes.c_uint64(_ALL_DEVICES),
            _MANY,
            devices,
            ctypes.byref(count),
        ):
            continue
        for device in devices[: count.value]:
            raw = ctypes.create_string_buffer(16)
            failed = loader.clGetDeviceInfo(
                ctypes.c_void_p(device), _DEVICE_UUID, ctypes.c_size_t(16), raw, None
            )
            found.append(
                {
                    "name": _text(loader.clGetDeviceInfo, device, _DEVICE_NAME),
                    "platform": name,
                    "uuid": "" if failed else f"GPU-{uuid.UUID(bytes=raw.raw)}",
                }
            )
    return found


def _text(ask: Any, handle: int | None, what: int) -> str:
    buffer = ctypes.create_string_buffer(1024)
    size = ctypes.c_size_t(len(buffer))
    if ask(ctypes.c_void_p(handle), what, size, buffer, None):
        return ""
    return buffer.value.decode(errors="replace").strip()


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"cuda": cuda, "opencl": opencl}[sys.argv[1]]()))
