# SPDX-License-Identifier: Apache-2.0
"""An environment of its own for the check, and the native parts. Standard library only."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from gpu_check.host import BUILD, ROOT, Gpu, Missing, find_toolkit

VENV = BUILD / "venv"
PYTHON = VENV / "bin/python"
LOG = BUILD / "prepare.log"

#: What fills a folder of wheels, with the Python of the host that has the GPU.
FILL = "python3 -m pip download -d DIR cffi click duckdb numpy orjson psutil pyroute2 pyyaml rich"

#: What the check itself cannot do without.
NEEDED = ("cffi", "click", "duckdb", "numpy", "orjson", "psutil", "pyroute2", "yaml", "rich")


@dataclass(frozen=True, slots=True)
class Source:
    """Where packages come from.

    Attributes:
        install: Nothing is installed where it is False.
        wheels: A folder of wheels instead of the package index.
    """

    install: bool
    wheels: Path | None

    @property
    def sees_host(self) -> bool:
        """Does the environment see the packages of the host's interpreter?"""
        return not self.install or self.wheels is not None


def torch_packages(gpu: Gpu) -> list[str]:
    """Requirements for PyTorch and cuda-python that this driver can run; empty: none can.

    PyTorch's wheels are built for CUDA 13 from 2.11 on, and for CUDA 12 before that; those for
    CUDA 13 have no code for devices older than capability 7.5.
    """
    if gpu.cuda < 12000:
        return []
    if gpu.cuda < 13000:
        return ["torch>=2.6,<2.11", "cuda-bindings>=12.8,<13"]
    if gpu.capability < 75:
        return ["torch>=2.6,<2.11", "cuda-bindings>=12.8,<14"]
    return ["torch>=2.11", "cuda-bindings>=13,<14"]


def compiler_packages(gpu: Gpu) -> list[str]:
    """The compiler, of the version that PyTorch brought; wheels have it for CUDA 13 and later."""
    if gpu.cuda < 13000:
        return []
    return [f"cuda-toolkit[nvcc,crt,nvvm,cudart,cupti]<{gpu.cuda // 1000 + 1}"]


def _run(words: list[str | Path], limit_s: float) -> str | None:
    """The end of the output of a command that failed; None: it did not."""
    with LOG.open("a") as log:
        log.write(f"== {' '.join(map(str, words))}\n")
        log.flush()
        try:
            done = subprocess.run(
                list(map(str, words)),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"took more than {limit_s:.0f} s"
        except OSError as error:
            return str(error)
        log.write(done.stdout + done.stderr)
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no output"]
    errors = [line for line in lines if "ERROR" in line or "error:" in line]
    return (errors or lines)[-1].strip() if done.returncode else None


def _host_folders() -> list[str]:
    """Where the host's interpreter has its packages: of a venv, those of the venv."""
    return [folder for folder in site.getsitepackages() if Path(folder).is_dir()]


def _make_venv(source: Source) -> None:
    """With the host's packages comes the host's pip: Debian's Python may have none to give."""
    has_pip = any(VENV.glob("bin/pip*"))
    if not os.access(PYTHON, os.X_OK) or not (has_pip or source.sees_host):
        more = ["--without-pip"] if source.sees_host else []
        failed = _run([sys.executable, "-m", "venv", "--clear", *more, VENV], 180)
        if failed is not None:
            raise Missing(
                f"a virtual environment (python3 -m venv: {failed})",
                f"install python3-venv; what was done is in {LOG}",
            )
    for folder in VENV.glob("lib/python*/site-packages"):
        lines = _host_folders() if source.sees_host else []
        script = "".join(f"import site; site.addsitedir({line!r})\n" for line in lines)
        (folder / "host.pth").write_text(script)


def _install(source: Source, requirements: list[str], limit_s: float) -> str | None:
    if not source.install or not requirements:
        return None
    words: list[str | Path] = [PYTHON, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    if source.wheels is not None:
        words += ["--no-index", "--find-links", source.wheels]
    return _run([*words, *requirements], limit_s)


def _own_requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed: list[str] = project["project"]["dependencies"]
    return ["setuptools>=77", "wheel", *needed]


def _native_is_fresh() -> bool:
    overlay = ROOT / "overlay/anaros"
    built = [path.stat().st_mtime for path in overlay.glob("_native*.so")]
    sources = [*overlay.glob("native/*.[ch]"), *(ROOT / "shim/include").rglob("*.h")]
    return bool(built) and max(built) > max(path.stat().st_mtime for path in sources)


def _build() -> None:
    failed = _run(["make", "-s", "-C", ROOT / "shim"], 180)
    if failed is not None:
        raise Missing(f"the shim (make -C shim: {failed})", "install make and a C compiler")
    if not _native_is_fresh():
        failed = _run([PYTHON, "setup.py", "-q", "build_ext", "--inplace"], 240)
        if failed is not None:
            raise Missing(
                f"the native part (setup.py build_ext: {failed})",
                f"install a C compiler and Python's headers; what was done is in {LOG}",
            )


def prepare(gpu: Gpu, source: Source) -> list[str]:
    """Makes the environment and builds.

    Returns:
        One sentence for each thing that could not be had; the parts that need it are left out.

    Raises:
        Missing: The check cannot run at all.
    """
    BUILD.mkdir(parents=True, exist_ok=True)
    LOG.write_text("")
    _make_venv(source)
    failed = _install(source, _own_requirements(), 300)
    script = f"import {', '.join(NEEDED)}"
    absent = _run([PYTHON, "-c", script], 120)
    if absent is not None:
        told = f"; pip: {failed}" if failed else ""
        raise Missing(
            f"the packages of Anaros ({absent}{told})",
            f"name a folder with their wheels by --wheels DIR, as after: {FILL}",
        )
    notes = []
    for what, packages in (("torch", torch_packages(gpu)), ("nvcc", compiler_packages(gpu))):
        if _has_compiler(gpu) if what == "nvcc" else source.sees_host and _has_torch():
            continue
        failed = _install(source, packages, 900)
        if failed is not None:
            notes.append(f"{what} could not be installed: {failed}")
    _build()
    return notes


def _has_torch() -> bool:
    """The host's own is the one to check: it may be of another version than we would install."""
    return _run([PYTHON, "-c", "import torch, cuda.bindings"], 120) is None


def _has_compiler(gpu: Gpu) -> bool:
    try:
        find_toolkit(gpu)
    except Missing:
        return False
    return True
