# SPDX-License-Identifier: Apache-2.0
"""Finds what is not Python: the shim, the BPF objects, the shipped policies.

In a wheel they lie in folders beside this file; in a checkout (editable or not installed)
they lie in the folders of the same name at its root.

It is on the start-up path of ``anaros run``, so pathlib, whose import takes 8 ms, has to wait.
"""

from __future__ import annotations

import os

from anaros.errors import AnarosError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

_PACKAGE = os.path.dirname(os.path.realpath(__file__))
_CHECKOUT = os.path.dirname(os.path.dirname(_PACKAGE))


def _folder(name: str) -> str:
    for root in (_PACKAGE, _CHECKOUT):
        candidate = os.path.join(root, name)
        if os.path.isdir(candidate):
            return candidate
    raise AnarosError(f"the folder {name}/ of this installation is missing", "install anaros again")


def folder(name: str) -> Path:
    """The folder ``shim``, ``ebpf`` or ``policies``.

    Raises:
        AnarosError: It is neither beside the package nor in the checkout.
    """
    from pathlib import Path

    return Path(_folder(name))


def built(name: str, file: str) -> str:
    """The path of a file that make builds, in the folder ``shim`` or ``ebpf``.

    Raises:
        AnarosError: It has not been built.
    """
    path = os.path.join(_folder(name), file)
    if not os.path.isfile(path):
        raise AnarosError(f"{path} has not been built", "run scripts/setup, or install the wheel")
    return path


def shim_library() -> Path:
    """The preload library.

    Raises:
        AnarosError: It has not been built.
    """
    from pathlib import Path

    return Path(built("shim", "libanaros.so"))


def bpf_object(probe: str) -> Path:
    """The CO-RE object of a probe, e.g. ``sched``.

    Raises:
        AnarosError: It has not been built.
    """
    from pathlib import Path

    return Path(built("ebpf", f"{probe}.bpf.o"))


def policy_folder() -> Path:
    """The shipped policy files."""
    return folder("policies")
