# SPDX-License-Identifier: Apache-2.0
"""Which GPU, driver and toolkit this host has. Needs nothing but the standard library."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / "build/gpu-check"


class Missing(Exception):  # noqa: N818  # not an error: this host cannot show it
    """What this host lacks, and what helps.

    Args:
        what: In one sentence, without a full stop.
        remedy: What the user can do about it.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.remedy = remedy


class Refused(Exception):  # noqa: N818  # the caller's words
    """What the caller's words are wrong in: the fact, and what is right."""


def put(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


NO_DRIVER = "run it on a host with an NVIDIA GPU and driver; --simulated checks the check itself"


@dataclass(frozen=True, slots=True)
class Gpu:
    """The first GPU, as the driver tells.

    Attributes:
        name: Its product name.
        driver: Version of the driver, as ``580.95.05``; empty where nothing tells it.
        cuda: The newest CUDA that the driver serves, as 13000.
        capability: Of the device, as 90 for 9.0.
    """

    name: str
    driver: str
    cuda: int
    capability: int


def _driver_version() -> str:
    path = Path("/proc/driver/nvidia/version")
    if path.is_file():
        found = re.search(r"\s(\d{3}\.\d[\d.]*)\s", path.read_text(errors="replace"))
        if found:
            return found.group(1)
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    words = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.split("\n", 1)[0].strip() if done.returncode == 0 else ""


def ask_driver() -> Gpu:
    """Asks the driver, in this process.

    Raises:
        Missing: There is no driver, or it sees no GPU.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise Missing("an NVIDIA driver (libcuda.so.1 cannot be loaded)", NO_DRIVER) from error
    number = ctypes.c_int()
    result = driver.cuInit(0)
    if result:
        raise Missing(f"a GPU that works (cuInit returned {result})")
    driver.cuDeviceGetCount(ctypes.byref(number))
    if number.value == 0:
        raise Missing("a GPU (the driver sees none)")
    name = ctypes.create_string_buffer(256)
    driver.cuDeviceGetName(name, 256, 0)
    numbers = []
    for attribute in (75, 76):  # compute capability, major and minor
        driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, 0)
        numbers.append(number.value)
    driver.cuDriverGetVersion(ctypes.byref(number))
    return Gpu(
        name.value.decode(errors="replace"),
        _driver_version(),
        number.value,
        10 * numbers[0] + numbers[1],
    )


def find_gpu() -> Gpu:
    """Asks the driver, in a process of its own: it may hang, or end with the process.

    Raises:
        Missing: There is no GPU to be had.
    """
    words = [sys.executable, str(Path(__file__).resolve())]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=90, check=False)
    except subprocess.TimeoutExpired as error:
        remedy = "see what nvidia-smi and dmesg say of the driver"
        raise Missing("a driver that answers (cuInit took more than 90 s)", remedy) from error
    if done.returncode == 0:
        return Gpu(**json.loads(done.stdout))
    lines = (done.stderr or done.stdout).strip().splitlines()
    told = lines[-1] if lines else f"a driver that works (it ended with {done.returncode})"
    raise Missing(told, NO_DRIVER)


def _packages() -> list[Path]:
    """Folders of wheels' files on the import path: ``nvidia/cu13``, ``nvidia/cuda_cupti``, …"""
    found = (Path(entry) / "nvidia" for entry in sys.path)
    return [folder for parent in found if parent.is_dir() for folder in sorted(parent.iterdir())]


def _toolkits() -> list[Path]:
    named = [os.environ.get(name) for name in ("CUDA_HOME", "CUDA_PATH")]
    there = [Path(name) for name in named if name]
    tool = shutil.which("nvcc")
    if tool is not None:
        there.append(Path(tool).resolve().parents[1])
    return [*there, Path("/usr/local/cuda"), *sorted(Path("/usr/local").glob("cuda-*"))[::-1]]


@dataclass(frozen=True, slots=True)
class Toolkit:
    """A compiler for the device, with a runtime of its version.

    Attributes:
        nvcc: The compiler.
        version: As 13.0.
        libraries: The folder of ``libcudart_static.a``.
        runtime: The shared runtime in it, as ``libcudart.so.13``.
    """

    nvcc: Path
    version: str
    libraries: Path
    runtime: str


def _toolkit_at(top: Path, nvcc: Path) -> Toolkit | None:
    done = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"release (\d+\.\d+)", done.stdout)
    places = [top / "lib64", top / "lib", *top.glob("targets/*/lib"), *_packages_lib(top)]
    for place in places:
        shared = sorted(place.glob("libcudart.so.[0-9][0-9]"))
        if version and shared and (place / "libcudart_static.a").is_file():
            return Toolkit(nvcc, version.group(1), place, shared[0].name)
    return None


def _packages_lib(top: Path) -> Iterable[Path]:
    """Wheels of CUDA 12 have the compiler and the runtime in folders beside each other."""
    return [top.parent / "cuda_runtime/lib"]


def find_toolkit(gpu: Gpu) -> Toolkit:
    """The newest compiler whose programs the driver can run: its major version or an older one.

    Raises:
        Missing: There is none.
    """
    seen = []
    for top in [*_packages(), *_toolkits()]:
        nvcc = top / "bin/nvcc"
        toolkit = _toolkit_at(top, nvcc) if os.access(nvcc, os.X_OK) else None
        if toolkit is None:
            continue
        if int(toolkit.version.split(".")[0]) <= gpu.cuda // 1000:
            return toolkit
        seen.append(toolkit.version)
    if seen:
        driver = f"{gpu.cuda // 1000}.{gpu.cuda % 1000 // 10}"
        raise Missing(f"an nvcc for CUDA {driver}: there is {', '.join(sorted(set(seen)))}")
    raise Missing("nvcc with the static and the shared runtime")


def find_cupti(gpu: Gpu) -> Path:
    """CUPTI, of the driver's major version where there are several.

    Raises:
        Missing: There is none.
    """
    places = [folder / "lib" for folder in _packages()]
    for top in _toolkits():
        places += [top / "extras/CUPTI/lib64", top / "lib64", *top.glob("targets/*/lib")]
    found = [file for place in places for file in sorted(place.glob("libcupti.so.1[0-9]*"))]
    major = gpu.cuda // 1000
    for file in found:
        if file.name.startswith(f"libcupti.so.{major}"):
            return file
    if found:
        return found[0]
    raise Missing("libcupti")


def as_dict(gpu: Gpu) -> dict[str, str | int]:
    """For JSON."""
    return asdict(gpu)


if __name__ == "__main__":
    try:
        print(json.dumps(as_dict(ask_driver())))
    except Missing as error:
        sys.exit(str(error))
