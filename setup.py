# SPDX-License-Identifier: Apache-2.0
"""Builds the one distribution: two Python roots, two cffi modules, three folders of data.

What is fixed stands in pyproject.toml. Here stands what a table cannot say: `make` builds
the shim and the BPF objects, and they ship as data beside the package.
"""

from __future__ import annotations

import contextlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from setuptools import Command, Distribution, find_packages, setup
from setuptools.command.build import build
from setuptools.command.editable_wheel import editable_wheel

ROOT = Path(__file__).resolve().parent

#: Where `import anaros` and `import anaros_cli` lead to in a checkout.
IMPORT_ROOTS = ("overlay", "cli")

#: Folders without Python that ship inside the package, and what of each ships.
DATA = {
    "shim": ["libanaros.so", "include/anaros/*.h"],
    "ebpf": ["*.bpf.o", "config.h", "handlers/*.h", "bcc/*.c", "bcc/include/**/*.h"],
    "policies": ["*.yaml"],
}


class BuildArtifacts(Command):
    """Runs make in shim/ and ebpf/; part of every build, editable ones too."""

    description = "build the preload library and the BPF objects"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = []
    editable_mode = False
    build_lib = ""

    def initialize_options(self) -> None:
        """Nothing to set."""

    def finalize_options(self) -> None:
        """Nothing to set."""

    def get_outputs(self) -> list[str]:
        """What is built is listed by build_py, as data."""
        return []

    def get_output_mapping(self) -> dict[str, str]:
        """Nothing is mapped: the files stay where make puts them."""
        return {}

    def get_source_files(self) -> list[str]:
        """MANIFEST.in lists the sources."""
        return []

    def run(self) -> None:
        """Without clang the product works without its kernel plane, so that part may be absent."""
        if platform.system() != "Linux":
            sys.exit("anaros runs on Linux only")
        self._make("shim")
        if shutil.which("clang") is None:
            self.warn("clang is not installed: built without the kernel plane")
            return
        self._make("ebpf")

    @staticmethod
    def _make(folder: str) -> None:
        words = ["make", "--no-print-directory", "-s", "-C", folder]
        if subprocess.run(words, cwd=ROOT, check=False).returncode:
            sys.exit(f"{' '.join(words)} failed, see above")


class ImportRoots(contextlib.nullcontext[None]):
    """Makes a checkout importable by one line for each of its roots in a .pth file.

    For two roots setuptools would install a finder, which every start of Python in the
    environment pays for: it imports pathlib, re and more, 17 ms.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def __call__(self, wheel: Any, *_: object) -> None:
        """Writes the file into the wheel that stands for the checkout."""
        lines = "".join(f"{ROOT / root}\n" for root in IMPORT_ROOTS)
        wheel.writestr(f"__editable__.{self.name}.pth", lines)


class EditableWheel(editable_wheel):
    """What ``pip install -e`` builds. Where setuptools no longer asks, its own finder serves."""

    def _select_strategy(self, name: str, *_: object) -> ImportRoots:
        return ImportRoots(name)


class NativeDistribution(Distribution):
    """Tied to a platform, for the preload library as much as for the cffi module."""

    def has_ext_modules(self) -> bool:
        """True: the wheel carries a platform tag."""
        return True


build.sub_commands.insert(0, ("build_artifacts", None))

setup(
    distclass=NativeDistribution,
    cmdclass={"build_artifacts": BuildArtifacts, "editable_wheel": EditableWheel},
    packages=[
        *(package for root in IMPORT_ROOTS for package in find_packages(root)),
        *(f"anaros.{folder}" for folder in DATA),
    ],
    package_dir={
        "anaros": "overlay/anaros",
        "anaros_cli": "cli/anaros_cli",
        **{f"anaros.{folder}": folder for folder in DATA},
    },
    package_data={f"anaros.{folder}": patterns for folder, patterns in DATA.items()},
    include_package_data=False,
    cffi_modules=[
        "overlay/anaros/native/build.py:ffi",
        "overlay/anaros/native/inject/build.py:ffi",
        "overlay/anaros/capture/kernel/libbpf_build.py:ffi",
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
    zip_safe=False,
)
