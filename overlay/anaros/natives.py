# SPDX-License-Identifier: Apache-2.0
"""``anaros._native`` and ``anaros._libbpf``, of which each must have been built for these sources.

Names alone do not tell: what another version lays out otherwise would be read and written in the
wrong places. So each module says a number of what it was built for (``native/layout.py``), and
``anaros/abi.py`` has the number that it must be.
"""

from __future__ import annotations

from anaros import abi
from anaros.errors import AnarosError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_REMEDY = "run ./scripts/setup, or install anaros again"


def native() -> tuple[Any, Any]:
    """``ffi`` and ``lib`` of ``anaros._native``.

    Raises:
        AnarosError: It is missing, or was built for other sources.
    """
    try:
        from anaros._native import ffi, lib
    except ImportError as problem:
        raise AnarosError(f"anaros._native cannot be loaded: {problem}", _REMEDY) from problem
    _compare("anaros._native", getattr(lib, "ANAROS_NATIVE_ABI", None), abi.NATIVE)
    return ffi, lib


def libbpf() -> Any:
    """``ffi`` of ``anaros._libbpf``.

    Raises:
        AnarosError: It is missing, or was built for other sources.
    """
    try:
        from anaros._libbpf import ffi
    except ImportError as problem:
        raise AnarosError(f"anaros._libbpf cannot be loaded: {problem}", _REMEDY) from problem
    try:
        number = ffi.integer_const("ANAROS_LIBBPF_ABI")
    except AttributeError:
        number = None
    _compare("anaros._libbpf", number, abi.LIBBPF)
    return ffi


def _compare(module: str, number: object, wanted: int) -> None:
    if number != wanted:
        raise AnarosError(f"{module} was not built for these sources of Anaros", _REMEDY)
