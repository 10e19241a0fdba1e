# SPDX-License-Identifier: Apache-2.0
"""Programs of a device on a machine that has no driver: they get what they get without us."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from anaros import report
from anaros.store import sql
from anaros.store.rundir import RunDirectory

#: Looks for a library and a function of it by each way that there is, and says what it got.
PROGRAM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

static void look(const char *what, void *found)
{
	const char *why = dlerror();

	printf("%s: %s, %s\n", what, found != NULL ? "there" : "not there", why ? why : "no message");
}

int main(int argc, char **argv)
{
	static const int ways[] = {RTLD_NOW, RTLD_LAZY | RTLD_GLOBAL, RTLD_NOW | RTLD_NOLOAD,
		RTLD_NOW | RTLD_DEEPBIND};
	void *libc = dlopen("libc.so.6", RTLD_NOW);

	for (int library = 1; library < argc - 1; library++)
		for (int i = 0; i < 4; i++) {
			errno = 77;
			look(argv[library], dlopen(argv[library], ways[i]));
			printf("errno %d\n", errno);
		}
	look("default", dlsym(RTLD_DEFAULT, argv[argc - 1]));
	look("next", dlsym(RTLD_NEXT, argv[argc - 1]));
	look("libc", dlsym(libc, argv[argc - 1]));
	look("version", dlvsym(RTLD_DEFAULT, argv[argc - 1], "GLIBC_2.2.5"));
	return 35;
}
"""

#: Libraries that no machine has, and a function that the shim exports.
MISSING = {
    "CUDA": ("libcuda.so.1", "/nowhere/libcuda.so.1", "cuInit"),
    "CUDA's runtime": ("libcudart.so.99", "/nowhere/libcudart.so.13", "cudaLaunchKernel"),
    "CUPTI": ("libcupti.so.99", "/nowhere/libcupti.so.13", "cuptiSubscribe"),
    "HIP": ("libamdhip64.so.99", "/nowhere/libamdhip64.so.7", "hipInit"),
    "Level Zero": ("libze_loader.so.99", "/nowhere/libze_loader.so.1", "zeInit"),
    "OpenCL": ("libOpenCL.so.99", "/nowhere/libOpenCL.so.1", "clEnqueueNDRangeKernel"),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("a C compiler is missing")
    path = tmp_path_factory.mktemp("missing") / "program"
    words = ["cc", "-x", "c", "-", "-o", str(path), "-ldl"]
    subprocess.run(words, input=PROGRAM, text=True, check=True)
    return path


def asked_by_the_program(output: str, program: Path) -> str:
    """Where all libraries are searched, the loader's message names who asked: that is the shim."""
    return re.sub(r"\S+/libanaros\.so(?=: undefined symbol: )", str(program), output)


@pytest.mark.parametrize("name", MISSING)
def test_a_driver_that_is_not_there_is_not_there_with_us(
    program: Path, tmp_path: Path, name: str
) -> None:
    if name == "CUDA" and Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this host has a driver")
    words = [str(program), *MISSING[name]]
    environment = {k: v for k, v in os.environ.items() if k not in {"LD_LIBRARY_PATH"}}
    bare = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=60, env=environment
    )
    out = tmp_path / "run"
    ours = ["run", "--no-kernel", "--device-time", "kernel", "--output", str(out), "--"]
    done = subprocess.run(
        [sys.executable, "-m", "anaros_cli", *ours, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert bare.returncode == 35
    assert "not there" in bare.stdout
    assert (done.returncode, done.stderr) == (35, bare.stderr)
    assert asked_by_the_program(done.stdout, program) == bare.stdout
    run = RunDirectory.open(out)
    assert sql.query(run, "SELECT count(*) FROM records WHERE kind LIKE 'gpu.%'").rows == [(0,)]
    assert report.build(run)["device_time"]["outcomes"] == []
