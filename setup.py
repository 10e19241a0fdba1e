# SPDX-License-Identifier: Apache-2.0
"""Builds the one distribution: two Python roots, two cffi modules, three folders of data.

What is fixed stands in pyproject.toml. Here stands what a table cannot say: `make` builds
the shim and the BPF objects, and they ship as data beside the package.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from setuptools import Command, Distribution, find_packages, setup
from setuptools.command.build import build

ROOT = Path(__file__).resolve().parent

#: Folders without Python that ship inside the package, and what of each ships.
DATA = {
    "shim": ["libanaros.so", "include/anaros/*.h"],
    "ebpf": ["*.bpf.o"],
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


class NativeDistribution(Distribution):
    """Tied to a platform, for the preload library as much as for the cffi module."""

    def has_ext_modules(self) -> bool:
        """True: the wheel carries a platform tag."""
        return True


build.sub_commands.insert(0, ("build_artifacts", None))

setup(
    distclass=NativeDistribution,
    cmdclass={"build_artifacts": BuildArtifacts},
    packages=[
        *find_packages("overlay"),
        *find_packages("cli"),
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
        "overlay/anaros/capture/libbpf_build.py:ffi",
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
    zip_safe=False,
)
