# SPDX-License-Identifier: Apache-2.0
"""The table of the CUDA driver's functions agrees with itself and with what runtimes ask for."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "shim/src/cuda/abi.h").read_text()
ROW = re.compile(r"^\tROW\((\w+), (\w+), (\d+), ([01])\)", re.M)
ROWS = [
    (base, symbol, int(version), int(twin)) for base, symbol, version, twin in ROW.findall(TEXT)
]
PROTOTYPE = re.compile(r"^#define CUDA_ABI_(cu\w+) \(([^()]*)\), \(([^()]*)\)$", re.M)
REQUEST = re.compile(r"^REQUEST\((\w+), (\d+), ([02])\)$", re.M)


def test_rows_are_sorted_for_the_search_and_no_symbol_comes_twice() -> None:
    bases = [row[0].encode() for row in ROWS]
    assert bases == sorted(bases)
    assert len({row[1] for row in ROWS}) == len(ROWS) >= 685


def test_a_request_has_one_answer() -> None:
    resolvers = {row for row in ROWS if row[0] == "cuGetProcAddress"}
    keys = [
        (base, version, twin) for base, symbol, version, twin in ROWS if symbol.startswith(base)
    ]
    assert len(set(keys)) == len(keys) - len(resolvers) // 2


def test_every_request_of_the_runtime_is_one_row() -> None:
    text = (ROOT / "tests/native/cudart/requests.def").read_text()
    requests = [
        (name, int(version), int(flags) // 2) for name, version, flags in REQUEST.findall(text)
    ]
    assert len(requests) == 439
    symbols = {(base, version, twin): symbol for base, symbol, version, twin in ROWS}
    assert [request for request in requests if request not in symbols] == []
    assert len({symbols[request] for request in requests}) == len(requests)


def test_a_symbol_is_its_base_name_and_the_number_of_its_abi() -> None:
    newest = int(re.search(r"ANAROS_CUDA_KNOWN (\d+)", TEXT)[1])  # type: ignore[index]
    for base, symbol, version, twin in ROWS:
        match = re.fullmatch(rf"{base}(_v\d)?(_pt[sd][sz])?", symbol)
        assert match, symbol
        assert bool(match[2]) == bool(twin) or base == "cuGetProcAddress"
        assert 2000 <= version <= newest


def test_every_symbol_has_a_prototype_of_neutral_types() -> None:
    prototypes = {symbol: (typed, names) for symbol, typed, names in PROTOTYPE.findall(TEXT)}
    assert {re.sub(r"_pt[sd][sz]$", "", row[1]) for row in ROWS} == set(prototypes)
    neutral = re.compile(
        r"(?:const )?(?:void|char|int|unsigned (?:int|char|short)|float|size_t|u?int(?:32|64)_t"
        r"|struct cuda_value_\d+) ?(?:\*|\*const \*)*(\w+)"
    )
    for symbol, (typed, names) in prototypes.items():
        if typed == "void":
            assert names == ""
            continue
        matches = [neutral.fullmatch(each) for each in typed.split(", ")]
        assert all(matches), symbol
        assert [match[1] for match in matches if match] == names.split(", "), symbol


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    loader = importlib.machinery.SourceFileLoader("generate", str(ROOT / "scripts/generate-cuda"))
    spec = importlib.util.spec_from_loader("generate", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    # dataclass looks the module up by its name.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "generate", module)
        loader.exec_module(module)
    return module


HEADER = """
#define CUDA_VERSION 13000
typedef enum cudaError_enum { OK = 0 } CUresult;
typedef struct CUst *CUstream;
typedef unsigned long long CUdeviceptr;
typedef struct CUplace_st { int type; int id; } CUplace;
#define cuMove __CUDA_API_PTSZ(cuMove_v2)
#define __CUDA_API_PTSZ(api) api ## _ptsz
CUresult cuMove(CUdeviceptr *out, const CUplace *where, CUstream hStream);
#undef cuMove
CUresult cuMove_v2(CUdeviceptr *out, const CUplace *where, CUstream hStream);
CUresult cuMove(CUdeviceptr *out, CUplace where);
"""
TYPEDEFS = """
typedef CUresult ( *PFN_cuMove_v8000)(CUdeviceptr *out, CUplace to);
typedef CUresult ( *PFN_cuMove_v12020)(CUdeviceptr *out, const CUplace *to, CUstream s);
typedef CUresult ( *PFN_cuMove_v12020_ptsz)(CUdeviceptr *out, const CUplace *to, CUstream s);
"""


def write(folder: Path, typedefs: str) -> Path:
    (folder / "cuda.h").write_text(HEADER)
    (folder / "cudaTypedefs.h").write_text(typedefs)
    return folder


def test_the_generator_joins_both_headers(generator: ModuleType, tmp_path: Path) -> None:
    rows = generator.Toolkit(write(tmp_path, TYPEDEFS)).rows()
    assert [(row.symbol, row.version, row.per_thread) for row in rows] == [
        ("cuMove", 8000, False),
        ("cuMove_v2", 12020, False),
        ("cuMove_v2_ptsz", 12020, True),
    ]
    assert rows[0].types == ("uint64_t *", "struct cuda_value_1")
    assert rows[1].types == ("uint64_t *", "const void *", "void *")
    assert "#define CUDA_ABI_cuMove (uint64_t *out, struct cuda_value_1 where), (out, where)\n" in (
        generator.source(13000, rows)
    )


@pytest.mark.parametrize(
    "typedefs", [TYPEDEFS.replace("CUstream s", "int s"), TYPEDEFS.split("typedef", 2)[1] * 2]
)
def test_headers_that_disagree_make_no_table(
    generator: ModuleType, tmp_path: Path, typedefs: str
) -> None:
    with pytest.raises(generator.HeaderError):
        generator.Toolkit(write(tmp_path, typedefs)).rows()


HOOKED = (ROOT / "shim/src/cuda/hooks.h").read_text()
PASSED = (ROOT / "shim/src/cuda/passed.h").read_text()


def listed(text: str, with_reason: bool) -> list[tuple[str, str]]:
    """Each symbol of a list and its reason, twins included."""
    reason = r"(\w+), " if with_reason else "()"
    entry = re.compile(rf"^\t(?:ONE\({reason}(\w+)\)|TWO\({reason}(\w+), (_pt[sd][sz])\))", re.M)
    found = []
    for one_reason, one, two_reason, two, end in entry.findall(text):
        found += [(one, one_reason)] if one else [(two, two_reason), (two + end, two_reason)]
    return found


def test_every_function_is_recorded_or_passes_for_a_reason() -> None:
    recorded, passed = listed(HOOKED, False), listed(PASSED, True)
    symbols = [symbol for symbol, _ in recorded + passed]
    assert sorted(symbols) == sorted(row[1] for row in ROWS)
    reasons = set(re.findall(r'REASON\((\w+), "[^"]{20,}"\)', PASSED))
    assert {reason for _, reason in passed} == reasons


def test_what_moves_memory_or_work_is_recorded() -> None:
    recorded = {symbol for symbol, _ in listed(HOOKED, False)}
    work = re.compile(
        r"cu(Launch|Memcpy|Memset|MemAlloc|MemFree|MemMap|MemUnmap|MemCreate|MemRelease|MemPrefetch"
        r"|MemDiscard|MemBatch|GraphLaunch|GraphInstantiate|StreamSynchronize|StreamWait|StreamWrite"
        r"|StreamBegin|StreamEnd|EventRecord|EventSynchronize|CtxSynchronize|CtxCreate|Fabric)"
    )
    assert [row[1] for row in ROWS if work.match(row[1]) and row[1] not in recorded] == []
