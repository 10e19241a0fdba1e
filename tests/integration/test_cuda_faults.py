# SPDX-License-Identifier: Apache-2.0
"""CUDA programs in which something goes wrong, from `anaros run` to the report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NATIVE = Path(__file__).resolve().parents[1] / "native"

MEMORY = r"""
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CALL(name, ...) ((int (*)(__VA_ARGS__))dlsym(driver, name))

int main(void)
{
	void *driver = dlopen(getenv("DRIVER"), RTLD_NOW), *context, *host = NULL;
	uint64_t pointer[4] = {0};
	int results[12], n = 0;

	if (driver == NULL)
		return 9;
	results[n++] = CALL("cuInit", unsigned int)(0);
	results[n++] = CALL("cuDevicePrimaryCtxRetain", void **, int)(&context, 0);
	results[n++] = CALL("cuCtxSetCurrent", void *)(context);
	for (int i = 0; i < 4; i++)
		results[n++] = CALL("cuMemAlloc_v2", uint64_t *, size_t)(&pointer[i], 1 << 20);
	results[n++] = CALL("cuMemHostAlloc", void **, size_t, unsigned int)(&host, 4096, 0);
	results[n++] = CALL("cuMemFree_v2", uint64_t)(pointer[0]);
	results[n++] = CALL("cuMemFree_v2", uint64_t)(pointer[1]);
	for (int i = 0; i < n; i++)
		printf("%d ", results[i]);
	return 0;
}
"""

UNKNOWN = r"""
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

int main(void)
{
	void *driver = dlopen(getenv("DRIVER"), RTLD_NOW), *function;
	int (*ask)(const char *, void **, int, uint64_t, int *);

	if (driver == NULL)
		return 9;
	*(void **)&ask = dlsym(driver, "cuGetProcAddress_v2");
	for (int i = 0; i < 3; i++)
		ask("cuFromTheFuture", &function, 13080, 0, 0);
	ask("cuLaunchKernel", &function, 99000, 0, 0);
	return dlsym(driver, "cuFromTheFuture") == 0;
}
"""


def compiled(folder: Path, text: str) -> Path:
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make or a C compiler is missing: install build-essential")
    source = folder / "program.c"
    source.write_text(text)
    program = folder / "program"
    subprocess.run(["cc", "-O1", "-w", "-o", program, source, "-ldl"], check=True)
    return program


def environment(**more: object) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CUDA_", "ANAROS_"))}
    return kept | {"ANAROS_SIM_SPEED": "0"} | {k: str(v) for k, v in more.items()}


def report_of(
    anaros: Callable[..., list[str]], run: Path, program: Path, env: dict[str, str]
) -> tuple[str, dict[str, Any]]:
    words = anaros("run", "--no-kernel", "--output", run, "--", program)
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    words = anaros("report", run, "--json")
    told = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout, json.loads(told.stdout)


def test_memory_that_was_refused_is_not_held(
    tmp_path: Path, anaros: Callable[..., list[str]]
) -> None:
    """Of four allocations the second and third are refused; the page-locked one, too.

    To free what was refused is to free nothing.
    """
    subprocess.run(["make", "-s", "-C", NATIVE / "cuda_sim"], check=True)
    program = compiled(tmp_path, MEMORY)
    driver = NATIVE / "cuda_sim/build/libcuda.so.1"
    faults = "cuMemAlloc@2=2;cuMemAlloc@3=2;cuMemHostAlloc@1=2"
    env = environment(DRIVER=driver, ANAROS_SIM_FAULTS=faults)
    bare = subprocess.run([program], env=env, capture_output=True, text=True, check=True)
    output, found = report_of(anaros, tmp_path / "run", program, env)
    assert output == bare.stdout == "0 0 0 0 2 2 0 2 0 0 "
    memory = found["memory"]
    (process,) = memory["processes"]
    (device,) = (row for row in process["sorts"] if row["sort"] == "device")
    assert (device["allocations"], device["frees"]) == (2, 1)
    assert device["high_water_bytes"] == 2 << 20
    assert device["in_use_bytes"] == 1 << 20
    assert memory["failed"] == 3
    assert [failure["status"] for failure in memory["failures"]] == [2, 2, 2]
    assert [failure["asked_bytes"] for failure in memory["failures"]] == [1 << 20, 1 << 20, 4096]
    assert found["coverage"]["unhooked"] == 0


def test_functions_that_are_not_known_are_named(
    tmp_path: Path, anaros: Callable[..., list[str]]
) -> None:
    subprocess.run(["make", "-s", "-C", NATIVE / "cudart"], check=True)
    program = compiled(tmp_path, UNKNOWN)
    env = environment(DRIVER=NATIVE / "cudart/build/echo/libcuda.so.1")
    found = report_of(anaros, tmp_path / "run", program, env)[1]
    assert found["coverage"]["unhooked"] == 5
    assert found["coverage"]["unhooked_names"] == [
        {"name": "cuFromTheFuture", "version": 13080, "way": "resolver", "count": 3},
        {"name": "cuFromTheFuture", "version": None, "way": "dlsym", "count": 1},
        {"name": "cuLaunchKernel", "version": 99000, "way": "resolver", "count": 1},
    ]
    words = anaros("report", tmp_path / "run")
    text = subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout
    assert "5 functions resolved past the shim" in text
    assert "cuFromTheFuture of CUDA 13.8 (resolver) 3 times" in text
    assert max(map(len, text.splitlines())) <= 80
