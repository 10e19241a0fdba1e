# SPDX-License-Identifier: Apache-2.0
"""The tables of HIP and Level Zero agree with themselves, and with the headers' lists."""

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
SHIM = ROOT / "shim/src"
FAMILIES = ("hip", "level_zero")

#: Exported, but in no header that the generator reads: of later releases, or of the compiler.
BESIDE_THE_HEADERS = {
    "hip": {
        "__hipGetPCH",
        "hipChooseDevice",
        "hipExtDisableLogging",
        "hipExtEnableLogging",
        "hipExtSetLoggingParams",
        "hipGetCmdName",
        "hipGetDeviceProperties",
        "hipGetProcAddress_spt",
        "hipKernelGetAttribute",
        "hipKernelGetFunction",
        "hipKernelGetLibrary",
        "hipKernelGetName",
        "hipKernelGetParamInfo",
        "hipKernelSetAttribute",
        "hipLibraryEnumerateKernels",
        "hipLibraryGetGlobal",
        "hipLibraryGetManaged",
        "hipMemGetDefaultMemPool",
        "hipMemGetMemPool",
        "hipMemSetMemPool",
        "hipOccupancyAvailableDynamicSMemPerBlock",
        "hipRegisterTracerCallback",
    },
    "level_zero": set(),
}


def rows(family: str) -> list[str]:
    """Every function that the headers declare."""
    return re.findall(r"^\tROW\((\w+)\)", (SHIM / family / "abi.h").read_text(), re.M)


def listed(family: str) -> list[tuple[str, str, str]]:
    """How each known function is taken, the reason where it passes, and its name."""
    text = (SHIM / family / "hooks.h").read_text()
    found = re.findall(r"^\t(HOOK|GETTER|PASS)\((?:(\w+), )?(\w+)\)", text, re.M)
    return [(how, reason, name) for how, reason, name in found]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_function_is_recorded_or_passes_for_a_reason(family: str) -> None:
    names = [name for _, _, name in listed(family)]
    assert set(names) - set(rows(family)) == BESIDE_THE_HEADERS[family]
    assert set(rows(family)) - set(names) == set()
    # Searched by halves.
    assert [name.encode() for name in names] == sorted({name.encode() for name in names})
    text = (SHIM / family / "hooks.h").read_text()
    reasons = set(re.findall(r'REASON\((\w+), "[^"]{20,}"\)', text))
    assert {reason for how, reason, _ in listed(family) if how == "PASS"} == reasons


@pytest.mark.parametrize("family", FAMILIES)
def test_every_recorded_function_has_a_prototype_of_neutral_types(family: str) -> None:
    text = (SHIM / family / "abi.h").read_text()
    prototype = re.compile(r"^#define \w+_ABI_(\w+) \(([^()]*)\), \(([^()]*)\)$", re.M)
    found = {name: (typed, names) for name, typed, names in prototype.findall(text)}
    for how, _, name in listed(family):
        base = name.removesuffix("_spt")
        assert how == "PASS" or base in found or name == "__hipRegisterFunction", name
    neutral = re.compile(
        r"(?:const )?(?:void|char|bool|int|unsigned (?:int|char|short)|float|size_t"
        r"|u?int(?:32|64)_t|struct (?:hip|ze)_\w+) ?(?:\*|\*const \*)*(\w+)"
    )
    for name, (typed, names) in found.items():
        matches = [neutral.fullmatch(each) for each in typed.split(", ") if each != "void"]
        assert all(matches), name
        assert [match[1] for match in matches if match] == [n for n in names.split(", ") if n], name


WORK = {
    "hip": r"(hip(Ext|Hcc)?(Module)?Launch|hipMemcpy|hipMemset|hipMalloc|hipFree|hipHost(Alloc"
    r"|Malloc|Free|Register|Unregister)|hipMem(Create|Release|Map|Unmap|Prefetch"
    r"|Pool(Create|Destroy|Trim))|hipGraph(Launch|Instantiate|ExecUpdate|ExecDestroy)|hipStream(Synchronize|Wait|Write"
    r"|BeginC|EndC|BatchMem)|hipEvent(Record|Synchronize)|hipDeviceSynchronize|hipArray3?D?(Create|Destroy))",
    "level_zero": r"ze(CommandListAppend(Launch|Memory|Image|Barrier|Signal|Wait(On|Ext)|Host|Graph"
    r")|CommandQueue(Execute|Sync)|MemAlloc|MemFree|VirtualMem(Map|Unmap|Reserve|Free)|PhysicalMem"
    r"(Create|Destroy)|\w+HostSynchronize|DeviceSynchronize|Get\w+ProcAddrTable|CommandList\w*Append"
    r"CommandLists)",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_what_moves_memory_or_work_is_recorded(family: str) -> None:
    recorded = {name for how, _, name in listed(family) if how != "PASS"}
    work = re.compile(WORK[family])
    assert [name for name in rows(family) if work.match(name) and name not in recorded] == []


def test_every_member_of_a_table_is_known_and_comes_after_those_before_it() -> None:
    text = (SHIM / "level_zero/tables.h").read_text()
    fields = re.findall(r"FIELD\((\w+), (\d+), (\w+), (\d+), (\d+)\)", text)
    getters = set(re.findall(r"GETTER\((\w+)\)", text.split("FIELDS")[0]))
    assert (
        getters
        == {getter for getter, *_ in fields}
        == set(re.findall(r"^\tGETTER\((\w+)\)", (SHIM / "level_zero/hooks.h").read_text(), re.M))
    )
    names = set(rows("level_zero"))
    newest = int(re.search(r"KNOWN (0x\w+)u", text)[1], 16)  # type: ignore[index]
    for getter in getters:
        mine = [field for field in fields if field[0] == getter]
        assert [int(field[1]) for field in mine] == list(range(len(mine)))
        assert {field[2] for field in mine} <= names
        versions = [int(field[3]) << 16 | int(field[4]) for field in mine]
        assert max(versions) <= newest


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    if shutil.which("clang") is None:
        pytest.skip("needs clang")
    loader = importlib.machinery.SourceFileLoader("devices", str(ROOT / "scripts/generate-devices"))
    spec = importlib.util.spec_from_loader("devices", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    # dataclass looks the module up by its name.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "devices", module)
        loader.exec_module(module)
    return module


RUNTIME = """
typedef enum hipError_t { hipSuccess } hipError_t;
typedef struct ihipStream_t *hipStream_t;
typedef struct dim3 { unsigned x, y, z; } dim3;
typedef struct hipPlace { int kind, id; } hipPlace;
typedef enum hipWay { hipThere } hipWay;
typedef struct textureReference { int x; } textureReference;
static inline hipError_t hipInline(void) { return hipSuccess; }
const char *hipWord(int which);
hipError_t hipMove(void *dst, const hipPlace *from, hipPlace to, hipWay way, hipStream_t *streams);
"""
TRACE = """
typedef hipError_t (*t_hipMove_spt)(void *dst, const hipPlace *from, hipPlace to, hipWay way,
                                    hipStream_t *streams);
typedef hipError_t (*t_hipRun)(const void *f, dim3 grid, void (*done)(int), bool wait);
"""


def test_the_generator_reads_hip(generator: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "hip/amd_detail").mkdir(parents=True)
    (tmp_path / "hip/hip_runtime_api.h").write_text(RUNTIME)
    (tmp_path / "hip/hip_gl_interop.h").write_text("")
    (tmp_path / "hip/amd_detail/hip_api_trace.hpp").write_text(TRACE)
    (tmp_path / "hip/hip_version.h").write_text("#define HIP_VERSION_MAJOR 7\n")
    with pytest.raises(generator.HeaderError, match="version"):
        generator.hip(tmp_path, None)
    (tmp_path / "hip/hip_version.h").write_text(
        "#define HIP_VERSION_MAJOR 7\n#define HIP_VERSION_MINOR 9\n"
    )
    text = generator.hip(tmp_path, None)[SHIM / "hip/abi.h"]
    assert re.findall(r"ROW\((hip\w+)\)", text) == ["hipMove", "hipMove_spt", "hipRun", "hipWord"]
    assert "/* Of HIP 7.9. */" in text
    assert (
        "#define HIP_ABI_hipMove (void *dst, const void *from, struct hip_value_1 to, int way,"
        " void **streams), (dst, from, to, way, streams)\n" in text
    )
    assert "hipMove_spt (" not in text
    assert (
        "#define HIP_ABI_hipRun (const void *f, struct hip_dim3 grid, void *done, bool wait),"
        in text
    )


DEVICE = """
typedef enum _ze_result_t { ZE_OK } ze_result_t;
typedef enum _ze_api_version_t { ZE_ONE, ZE_API_VERSION_CURRENT = ZE_MAKE_VERSION( 1, 3 ) }
    ze_api_version_t;
typedef struct _ze_list_handle_t *ze_list_handle_t;
ze_result_t zeListRun(ze_list_handle_t hList, unsigned count);
ze_result_t zeListStop(ze_list_handle_t hList);
"""
TABLES = """
typedef ze_result_t (*ze_pfnListRun_t)(ze_list_handle_t, unsigned);
typedef ze_result_t (*ze_pfnListStop_t)(ze_list_handle_t);
typedef struct _ze_list_dditable_t { ze_pfnListRun_t pfnRun; ze_pfnListStop_t pfnStop; }
    ze_list_dditable_t;
ze_result_t zeGetListProcAddrTable(ze_api_version_t version, ze_list_dditable_t *pDdiTable);
"""
LOADER = """
zeGetListProcAddrTable(
    ze_api_version_t version, ze_list_dditable_t* pDdiTable)
{
    if (version >= ZE_API_VERSION_1_0) {
        pDdiTable->pfnRun = loader::zeListRun;
    }
    if (version >= ZE_API_VERSION_1_3) {
        pDdiTable->pfnStop = loader_driver_ddi::zeListStop;
    }
}
"""


def test_the_generator_reads_level_zero(generator: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "ze_api.h").write_text("#define ZE_MAKE_VERSION(a, b) ((a) << 16 | (b))\n" + DEVICE)
    (tmp_path / "ze_ddi.h").write_text(TABLES)
    loader = tmp_path / "ze_ldrddi.cpp"
    loader.write_text(LOADER)
    made = generator.level_zero(tmp_path, loader)
    text = made[SHIM / "level_zero/tables.h"]
    assert "\tFIELD(zeGetListProcAddrTable, 0, zeListRun, 1, 0) \\\n" in text
    assert "\tFIELD(zeGetListProcAddrTable, 1, zeListStop, 1, 3)\n" in text
    assert "KNOWN 0x10003u" in text
    assert (
        "#define ZE_ABI_zeListRun (void *hList, unsigned int count), (hList, count)\n"
        in (made[SHIM / "level_zero/abi.h"])
    )
    loader.write_text(LOADER.replace("zeListStop", "zeListHalt"))
    with pytest.raises(generator.HeaderError, match="zeListStop"):
        generator.level_zero(tmp_path, loader)
    with pytest.raises(generator.HeaderError, match="--loader"):
        generator.level_zero(tmp_path, None)
