# SPDX-License-Identifier: Apache-2.0
"""Names of kernels in words, with the C++ library and without it."""

from __future__ import annotations

import pytest

from anaros import demangle
from anaros.capture.rings import names
from anaros.kinds import NameClass

#: Such as PyTorch, CUB and CUTLASS have them.
FILL = (
    "_ZN2at6native29vectorized_elementwise_kernelILi4ENS0_11FillFunctorIfEE"
    "St5arrayIPcLm1EEEEviT0_T1_"
)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demangle, "_library", lambda: None)


@pytest.mark.parametrize(
    ("mangled", "text"),
    [
        ("_Z5saxpyfPfS_i", "saxpy(float, float*, float*, int)"),
        ("_ZN4core6reduceILi8EEEvPKf", "void core::reduce<8>(float const*)"),
        ("_ZN12_GLOBAL__N_16kernelEv", "(anonymous namespace)::kernel()"),
        ("saxpy", "saxpy"),
        ("triton_poi_fused_add_0", "triton_poi_fused_add_0"),
        ("", ""),
        ("_Z", "_Z"),
        ("_Znonsense", "_Znonsense"),
    ],
)
def test_names_in_words(mangled: str, text: str) -> None:
    if demangle._library() is None:
        pytest.skip("this machine has no libstdc++.so.6")
    assert demangle.readable(mangled) == text


@pytest.mark.parametrize(
    ("mangled", "text"),
    [
        (FILL, "at::native::vectorized_elementwise_kernel<...>"),
        (FILL[:50], "at::native::vectorized_elementwise_kernel<...>"),
        (FILL[:30], "at::native"),
        ("_Z5saxpyfPfS_i", "saxpy"),
        ("_ZN12_GLOBAL__N_16kernelEv", "(anonymous namespace)::kernel"),
        ("_Z999999999999999999x", "_Z999999999999999999x"),
        ("_Znonsense", "_Znonsense"),
    ],
)
def test_what_leads_up_to_the_first_template(without: None, mangled: str, text: str) -> None:
    assert demangle.readable(mangled) == text


def test_a_part_of_a_name_is_read_as_far_as_it_goes() -> None:
    assert demangle.readable(FILL[:60]) == "at::native::vectorized_elementwise_kernel<...>"


def test_hostile_names_change_nothing() -> None:
    deep = "_Z1f" + "P" * 100_000 + "i"
    assert demangle.readable(deep).startswith(("_Z", "f"))
    assert demangle.readable("_Z1f\0i") in ("f", "_Z1f\0i")
    assert demangle.readable("_Z" + "I" * 50_000).startswith("_Z")


def test_only_names_of_kernels_are_taken_apart() -> None:
    def entry(name_class: int, text: bytes) -> bytes:
        raw = names._ENTRY.pack(7, 1, 2, name_class, len(text)) + text
        return raw + bytes(-len(raw) % 8)

    raw = entry(NameClass.FILE, b"_Z1fv") + entry(NameClass.KERNEL, FILL[:50].encode())
    assert names.parse(raw).name == ["_Z1fv", "at::native::vectorized_elementwise_kernel<...>"]
