# SPDX-License-Identifier: Apache-2.0
"""Another preload that wraps calls of OpenCL, HIP and Level Zero, before the shim and behind it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from anaros.store import sql
from anaros.store.rundir import RunDirectory

NATIVE = Path(__file__).resolve().parents[1] / "native"
CALLS = 5

#: By name of the simulated library: what makes it ready, the call that counts, and the parameters
#: that the interposer passes on.
FAMILIES = {
    "opencl_sim/build/libOpenCL.so.1": (
        "clCreateBuffer",
        """
        void *platform, *device, *context;
        FIND(int, clGetPlatformIDs, unsigned, void **, unsigned *)(1, &platform, 0);
        FIND(int, clGetDeviceIDs, void *, uint64_t, unsigned, void **, unsigned *)(
            platform, 0xffffffff, 1, &device, 0);
        context = FIND(void *, clCreateContext, void *, unsigned, void **, void *, void *, int *)(
            0, 1, &device, 0, 0, 0);
        """,
        """
        int error = -1;
        void *made = FIND(void *, clCreateBuffer, void *, uint64_t, size_t, void *, int *)(
            context, 1, 4096, 0, &error);
        printf("%d %d\\n", error, made != 0);
        """,
    ),
    "hip_sim/build/libamdhip64.so.6": (
        "hipMalloc",
        "void *made;\nFIND(int, hipInit, unsigned)(0);",
        'printf("%d\\n", FIND(int, hipMalloc, void **, size_t)(&made, 4096));',
    ),
    "level_zero_sim/build/libze_loader.so.1": (
        "zeMemAllocHost",
        """
        void *made, *context;
        uint64_t what[4] = {0x16};
        FIND(int, zeInit, unsigned)(0);
        FIND(int, zeContextCreate, void *, const void *, void **)(0, 0, &context);
        """,
        """
        printf("%d\\n", FIND(int, zeMemAllocHost, void *, const void *, size_t, size_t, void **)(
            context, what, 4096, 64, &made));
        """,
    ),
}

PROGRAM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#ifdef LINKED
#define FIND(result, name, ...) ({ extern result name(__VA_ARGS__); name; })
#else
#define FIND(result, name, ...) ((result (*)(__VA_ARGS__))dlsym(RTLD_DEFAULT, #name))
#endif
int main(void)
{
%s
	for (int call = 0; call < %d; call++) {
%s
	}
	return 7;
}
"""

#: Six words hold the parameters of all of them.
INTERPOSER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
typedef unsigned long word;
static int count;
word %(name)s(word a, word b, word c, word d, word e, word f)
{
	static word (*real)(word, word, word, word, word, word);
	if (!real)
		real = dlsym(RTLD_NEXT, "%(name)s");
	count++;
	return real(a, b, c, d, e, f);
}
__attribute__((destructor)) static void tell(void)
{
	if (count)
		fprintf(stderr, "passed %%d\\n", count);
}
"""


def compile_c(source: str, path: Path, *words: str | Path) -> Path:
    command = ["cc", "-w", "-x", "c", "-", "-o", str(path), *map(str, words)]
    subprocess.run(command, input=source, text=True, check=True)
    return path


@pytest.mark.parametrize("way", ["linked", "asked"])
@pytest.mark.parametrize("order", ["before", "behind"])
@pytest.mark.parametrize("library", FAMILIES, ids=lambda path: Path(path).name)
def test_each_call_passes_both_once(tmp_path: Path, library: str, order: str, way: str) -> None:
    """The library is linked; the function too, or looked for in the global scope."""
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make or a C compiler is missing")
    file = NATIVE / library
    subprocess.run(["make", "-s", "-C", NATIVE / library.split("/")[0]], check=True)
    name, ready, call = FAMILIES[library]
    program = compile_c(
        PROGRAM % (ready, CALLS, call),
        tmp_path / "program",
        *(
            f"-D{way.upper()}",
            "-x",
            "none",
            "-Wl,--no-as-needed",
            file,
            f"-Wl,-rpath,{file.parent}",
        ),
    )
    other = compile_c(INTERPOSER % {"name": name}, tmp_path / "libother.so", "-shared", "-fPIC")
    bare = subprocess.run(
        [program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "LD_PRELOAD": str(other)},
    )
    assert bare.returncode == 7, bare.stderr
    assert bare.stderr == f"passed {CALLS}\n"
    both = f"{other}:$LD_PRELOAD" if order == "before" else f"$LD_PRELOAD:{other}"
    chained = f'LD_PRELOAD="{both}" exec "$0"'
    out = tmp_path / "run"
    words = ["run", "--no-kernel", "--output", str(out), "--"]
    done = subprocess.run(
        [sys.executable, "-m", "anaros_cli", *words, "sh", "-c", chained, str(program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, bare.stdout, bare.stderr)
    found = sql.query(
        RunDirectory.open(out), "SELECT count(*) FROM records WHERE kind = 'gpu.alloc'"
    )
    assert found.rows == [(CALLS,)]
