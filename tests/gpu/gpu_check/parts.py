# SPDX-License-Identifier: Apache-2.0
"""The programs of the check: how each is built and run, over a GPU or over the simulated driver."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gpu_check.host import BUILD, ROOT, Gpu, Missing, find_cupti, find_toolkit

PROGRAMS = ROOT / "tests/gpu/programs"
NATIVE = ROOT / "tests/native"
BUILT = BUILD / "programs"
C_FLAGS = ("-O2", "-g", "-std=gnu11", "-fPIC")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the programs run.

    Attributes:
        gpu: The device; None for the simulated driver.
        environment: What every program needs in its environment.
        witness: Variables that let CUPTI count beside the program; None: there is no CUPTI.
        image: The module for programs of the driver's interface.
        notes: What this place lacks.
    """

    gpu: Gpu | None
    environment: Mapping[str, str]
    witness: Mapping[str, str] | None
    image: Path
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One program that is counted.

    Attributes:
        name: For people and for ``--only``.
        path: By which way its calls reach the driver: a letter, see docs/cuda.md.
        what: What it is.
        command: The words that run it; empty where it cannot be built here.
        limit_s: For one run of it.
        left_out: Why it cannot be run.
    """

    name: str
    path: str
    what: str
    command: tuple[str, ...]
    limit_s: float = 60
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Loop:
    """One program that is timed.

    Attributes:
        name: For people and for ``--only``.
        what: What a call of it is.
        command: The words that run it.
        profiled: The same under torch.profiler; empty where it has none.
        limit_s: For one run of it.
    """

    name: str
    what: str
    command: tuple[str, ...]
    profiled: tuple[str, ...] = ()
    limit_s: float = 90


@dataclass(slots=True)
class Programs:
    """What is run, and what could not be made."""

    parts: list[Part] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)


def compile_with(words: list[str | Path], limit_s: float = 180) -> None:
    """Runs a compiler.

    Raises:
        Missing: It failed; the message is the first error that it told.
    """
    BUILT.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            list(map(str, words)), capture_output=True, text=True, timeout=limit_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"a compiler that works ({error})") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        errors = [line for line in lines if "error" in line.lower() or "cannot find" in line]
        raise Missing(f"a compiler that works ({(errors or lines)[0]})")


def _c_program(name: str, *words: str | Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Missing("a C compiler")
    compile_with([compiler, *C_FLAGS, "-o", BUILT / name, *words, "-ldl"])
    return BUILT / name


def _driver_library() -> str:
    """The file of the driver, to link with; the loader may know places that ``cc`` does not."""
    script = (
        "import ctypes; ctypes.CDLL('libcuda.so.1'); "
        "print([l.split()[-1] for l in open('/proc/self/maps') if 'libcuda.so' in l][0])"
    )
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Missing("libcuda.so.1 to link with")
    return done.stdout.strip()


def _add(
    programs: Programs,
    name: str,
    path: str,
    what: str,
    make: Callable[[], Sequence[str | Path]],
    limit_s: float = 60,
) -> None:
    """Adds the part that ``make`` gives; where that lacks something, a part that is left out."""
    command: tuple[str, ...] = ()
    left_out = ""
    try:
        command = tuple(map(str, make()))
    except Missing as error:
        left_out = f"needs {error}"
    programs.parts.append(Part(name, path, what, command, limit_s, left_out))


def _python_program(words: Sequence[str | Path], *modules: str) -> list[str | Path]:
    for module in modules:
        try:
            there = importlib.util.find_spec(module) is not None
        except ModuleNotFoundError:
            there = False
        if not there:
            raise Missing(f"the Python package {module}")
    return [sys.executable, *words]


def _driver_parts(programs: Programs, place: Place, library: str | None) -> None:
    source = PROGRAMS / "driver.c"

    def by_name(mode: str) -> list[str | Path]:
        return [_c_program("driver", source), place.image, mode]

    def linked() -> list[str | Path]:
        file = library or _driver_library()
        flags: list[str | Path] = ["-DLINKED", file, "-Wl,--allow-shlib-undefined"]
        return [_c_program("driver_linked", source, *flags), place.image, "work"]

    _add(programs, "driver_dlsym", "C", "driver by dlsym", lambda: by_name("work"))
    _add(programs, "driver_graph", "C", "the same, a captured graph", lambda: by_name("graph"))
    _add(programs, "driver_linked", "F", "linked with the driver", linked)
    words = [PROGRAMS / "cuda_python.py", place.image]
    make = partial(_python_program, words, "numpy", "cuda.bindings")
    _add(programs, "cuda_python", "C", "cuda-python", make)


#: Name, path, what it is, flags: programs of the runtime.
RUNTIME_PARTS = (
    ("runtime_shared", "A", "linked with libcudart.so", ()),
    ("runtime_static", "B", "with cudart in it", ()),
    ("runtime_entry_point", "D", "cudaGetDriverEntryPoint", ("-DENTRY_POINT",)),
    ("runtime_dlsym", "E", "runtime by dlsym", ("-DTRAMPOLINE",)),
)


#: What ``--only`` takes: those of the simulated driver, and those that need a GPU.
SIMULATED_NAMES = (
    "driver_dlsym",
    "driver_graph",
    "driver_linked",
    "cuda_python",
    *(name for name, *_ in RUNTIME_PARTS),
    "start",
    "launch",
    "copy",
)
REAL_NAMES = (*SIMULATED_NAMES, "torch_eager", "torch_compile", "torch_decode", "decode")


def _loops(programs: Programs, place: Place, quick: bool) -> None:
    try:
        driver = _c_program("driver", PROGRAMS / "driver.c")
    except Missing:
        return
    start = (str(driver), str(place.image))
    programs.loops.append(Loop("start", "a start", (*start, "start")))
    calls = 20_000 if quick else 300_000
    programs.loops.append(Loop("launch", "a launch", (*start, "launch", str(calls))))
    size = 1 << 16
    copies = (*start, "copy", str(calls // 5), str(size))
    programs.loops.append(Loop("copy", f"a copy of {size >> 10} KiB", copies))


def _simulated_runtime(name: str, flags: tuple[str, ...]) -> list[Path]:
    """The same source as C, over the stub of the runtime."""
    stub = NATIVE / "cudart"
    library = stub / "build/one/libcudart-one.so.13"
    words: list[str | Path] = ["-x", "c", "-DSIMULATED", "-I", stub]
    words += ['-DTRAMPOLINE="libcudart-one.so.13"' if f == "-DTRAMPOLINE" else f for f in flags]
    words.append(PROGRAMS / "runtime.cu")
    if name == "runtime_static":
        words += ["-I", ROOT / "shim/src", stub / "runtime.c"]
    else:
        words += ["-x", "none", library, f"-Wl,-rpath,{library.parent}"]
    return [_c_program(name, *words)]


def _make(folder: Path) -> None:
    compile_with(["make", "-s", "-C", folder])


def simulated() -> Place:
    """The simulated driver, with the simulated CUPTI."""
    for name in ("cuda_sim", "cudart", "cupti_sim"):
        _make(NATIVE / name)
    BUILT.mkdir(parents=True, exist_ok=True)
    image = BUILT / "image"
    image.write_text("anaros-sim-image\n")
    cupti = str(NATIVE / "cupti_sim/build/libcupti.so.13")
    witness = _c_program("witness.so", PROGRAMS / "witness.c", "-shared")
    environment = {
        "LD_LIBRARY_PATH": str(NATIVE / "cuda_sim/build"),
        "ANAROS_SIM_SPEED": "0",
        "ANAROS_SIM_INLINE": "1",
        "ANAROS_CUPTI": cupti,
    }
    beside = {"LD_PRELOAD": str(witness), "WITNESS_PRELOADED": "1", "WITNESS_CUPTI": cupti}
    return Place(None, environment, beside, image)


def simulated_programs(place: Place, quick: bool) -> Programs:
    """The programs that the simulated driver can serve."""
    programs = Programs()
    _driver_parts(programs, place, str(NATIVE / "cuda_sim/build/libcuda.so.1"))
    for name, path, what, flags in RUNTIME_PARTS:
        _add(programs, name, path, what, partial(_simulated_runtime, name, flags))
    _loops(programs, place, quick)
    return programs


def real(gpu: Gpu) -> Place:
    """The GPU of this host, with CUPTI where there is one."""
    environment = {
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "SETTLE_MS": "1000",
        "TORCHINDUCTOR_CACHE_DIR": str(BUILD / "cache/inductor"),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "TRITON_CACHE_DIR": str(BUILD / "cache/triton"),
    }
    image = PROGRAMS / "saxpy.ptx"
    try:
        cupti = str(find_cupti(gpu))
        library = str(_c_program("witness.so", PROGRAMS / "witness.c", "-shared"))
    except Missing as error:
        return Place(gpu, environment, None, image, (f"no witness: it needs {error}",))
    environment["ANAROS_CUPTI"] = cupti
    witness = {"CUDA_INJECTION64_PATH": library, "WITNESS_CUPTI": cupti}
    return Place(gpu, environment, witness, image)


def _nvcc(gpu: Gpu, name: str, flags: tuple[str, ...]) -> list[Path]:
    toolkit = find_toolkit(gpu)
    words: list[str | Path] = [toolkit.nvcc, "-O2", "-allow-unsupported-compiler"]
    words += [f"-gencode=arch=compute_{gpu.capability},code=sm_{gpu.capability}"]
    words += [f'-DTRAMPOLINE="{toolkit.runtime}"' if f == "-DTRAMPOLINE" else f for f in flags]
    words += ["-o", BUILT / name, PROGRAMS / "runtime.cu", "-L", toolkit.libraries, "-ldl"]
    if name == "runtime_static":
        words += ["-cudart", "static"]
    else:
        words += ["-cudart", "none", f"-l:{toolkit.runtime}"]
        words += ["-Xlinker", f"-rpath={toolkit.libraries}"]
    compile_with(words)
    return [BUILT / name]


def _torch_parts(programs: Programs, quick: bool) -> None:
    for name, path, what, modules, mode in (
        ("torch_eager", "A B D", "PyTorch, call by call", ("torch",), ()),
        ("torch_compile", "C D", "torch.compile and Triton", ("torch", "triton"), ()),
        ("torch_decode", "A B D", "PyTorch, decode with CUDA graphs", ("torch",), ("work",)),
    ):
        make = partial(_python_program, [PROGRAMS / f"{name}.py", *mode], *modules)
        _add(programs, name, path, what, make, limit_s=150)
    if programs.parts[-1].left_out:
        return
    count = "200" if quick else "1000"
    loop = (sys.executable, str(PROGRAMS / "torch_decode.py"), "loop", count)
    programs.loops.append(Loop("decode", "a token", loop, (*loop, "profile"), 120))


def real_programs(place: Place, quick: bool) -> Programs:
    """All programs."""
    programs = Programs()
    gpu = place.gpu
    if gpu is None:
        return programs
    _driver_parts(programs, place, None)
    for name, path, what, flags in RUNTIME_PARTS:
        _add(programs, name, path, what, partial(_nvcc, gpu, name, flags))
    _loops(programs, place, quick)
    _torch_parts(programs, quick)
    return programs


def program_environment(place: Place, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a program: the host's, less what belongs to the check."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in {"PYTHONPATH", "LD_PRELOAD"} and not key.startswith(("ANAROS_", "WITNESS_"))
    }
    more = dict(extra or {})
    found = {**kept, **place.environment, **more}
    library_path = place.environment.get("LD_LIBRARY_PATH")
    if library_path and "LD_LIBRARY_PATH" in kept:
        found["LD_LIBRARY_PATH"] = f"{library_path}:{kept['LD_LIBRARY_PATH']}"
    return found
