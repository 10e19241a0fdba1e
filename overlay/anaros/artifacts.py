# SPDX-License-Identifier: Apache-2.0
"""Finds what is not Python: the shim, the BPF objects, the shipped policies.

In a wheel they lie in folders beside this file; in a checkout (editable or not installed)
they lie in the folders of the same name at its root.
"""

from __future__ import annotations

from pathlib import Path

from anaros.errors import AnarosError

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent.parent


def folder(name: str) -> Path:
    """The folder ``shim``, ``ebpf`` or ``policies``.

    Raises:
        AnarosError: It is neither beside the package nor in the checkout.
    """
    for candidate in (_PACKAGE / name, _CHECKOUT / name):
        if candidate.is_dir():
            return candidate
    raise AnarosError(f"the folder {name}/ of this installation is missing", "install anaros again")


def _built(path: Path) -> Path:
    if not path.is_file():
        raise AnarosError(f"{path} has not been built", "run scripts/setup, or install the wheel")
    return path


def shim_library() -> Path:
    """The preload library.

    Raises:
        AnarosError: It has not been built.
    """
    return _built(folder("shim") / "libanaros.so")


def bpf_object(probe: str) -> Path:
    """The CO-RE object of a probe, e.g. ``sched``.

    Raises:
        AnarosError: It has not been built.
    """
    return _built(folder("ebpf") / f"{probe}.bpf.o")


def policy_folder() -> Path:
    """The shipped policy files."""
    return folder("policies")
