# SPDX-License-Identifier: Apache-2.0
"""cuda-python under the shim, on the simulated driver: unchanged, and recorded call by call."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from anaros.store import sql
from anaros.store.rundir import RunDirectory

SIM = Path(__file__).resolve().parents[1] / "native" / "cuda_sim"

PROGRAM = """
import ctypes, json
import numpy as np
from cuda.bindings import driver as cu

def ok(result):
    assert result[0] == 0, result[0]
    return result[1] if len(result) == 2 else result[1:]

ok(cu.cuInit(0))
answers = []
for ordinal in range(ok(cu.cuDeviceGetCount())):
    device = ok(cu.cuDeviceGet(ordinal))
    ok(cu.cuCtxSetCurrent(ok(cu.cuDevicePrimaryCtxRetain(device))))
    module = ok(cu.cuModuleLoadData(b"anaros-sim-image\\n"))
    saxpy = ok(cu.cuModuleGetFunction(module, b"saxpy"))
    busy = ok(cu.cuModuleGetFunction(module, b"busy"))
    stream = ok(cu.cuStreamCreate(1))
    n = 10_000
    x = np.arange(n, dtype=np.float32)
    y = np.ones(n, dtype=np.float32)
    px, py = ok(cu.cuMemAlloc(x.nbytes)), ok(cu.cuMemAlloc(y.nbytes))
    ok(cu.cuMemcpyHtoDAsync(px, x.ctypes.data, x.nbytes, stream))
    ok(cu.cuMemcpyHtoDAsync(py, y.ctypes.data, y.nbytes, stream))
    ok(cu.cuLaunchKernel(busy, 1, 1, 1, 1, 1, 1, 0, stream,
                         ((100_000_000_000,), (ctypes.c_uint64,)), 0))
    for _ in range(5):
        ok(cu.cuLaunchKernel(saxpy, 40, 1, 1, 256, 1, 1, 0, stream,
                             ((2.0, px, py, n), (ctypes.c_float, None, None, ctypes.c_uint32)),
                             0))
    ok(cu.cuStreamSynchronize(stream))
    ok(cu.cuMemcpyDtoH(y.ctypes.data, py, y.nbytes))
    ok(cu.cuMemFree(px)), ok(cu.cuMemFree(py))
    ok(cu.cuStreamDestroy(stream))
    refused = int(cu.cuMemFree(4096)[0])
    answers.append([float(y.sum()), refused])
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Outcome:
    output: str
    errors: str
    counters: dict[str, dict[str, int]]

    def calls(self, *symbols: str) -> int:
        return sum(self.counters["calls"].get(symbol, 0) for symbol in symbols)


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make or a C compiler is missing: install build-essential")
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")
    subprocess.run(["make", "-s", "-C", SIM], check=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CUDA_", "ANAROS_"))}
    return env | {"LD_LIBRARY_PATH": str(SIM / "build")}


def run(command: list[str], env: dict[str, str], counters: Path) -> Outcome:
    done = subprocess.run(
        command,
        env=env | {"ANAROS_SIM_COUNTERS": str(counters)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Outcome(done.stdout, done.stderr, json.loads(counters.read_text()))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = tmp_path_factory.mktemp("program") / "program.py"
    path.write_text(PROGRAM)
    return [sys.executable, str(path)]


@pytest.fixture(scope="module")
def bare(program: list[str], environment: dict[str, str], tmp_path_factory: Any) -> Outcome:
    return run(program, environment, tmp_path_factory.mktemp("bare") / "counters.json")


@dataclass(frozen=True)
class Recorded:
    outcome: Outcome
    query: Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def recorded(
    program: list[str],
    environment: dict[str, str],
    anaros: Callable[..., list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Recorded:
    folder = tmp_path_factory.mktemp("recorded")
    words = anaros("run", "--no-kernel", "--output", folder / "run", "--", *program)
    outcome = run(words, environment, folder / "counters.json")

    run_directory = RunDirectory.open(folder / "run")

    def query(text: str) -> list[dict[str, Any]]:
        result = sql.query(run_directory, text)
        return [dict(zip(result.columns, row, strict=True)) for row in result.rows]

    return Recorded(outcome, query)


def test_the_program_does_not_notice(bare: Outcome, recorded: Recorded) -> None:
    assert recorded.outcome.output == bare.output
    assert recorded.outcome.counters == bare.counters


def test_as_many_calls_and_bytes_as_the_driver_counts(recorded: Recorded) -> None:
    rows = recorded.query(
        "select kind, count(*) n, sum(size_bytes)::bigint bytes from records"
        " where kind like 'gpu.%' group by kind"
    )
    seen = {row["kind"]: (row["n"], row["bytes"]) for row in rows}
    driver = recorded.outcome
    counted = driver.counters["bytes"]
    assert seen["gpu.launch"][0] == driver.calls("cuLaunchKernel") == 12
    assert seen["gpu.copy_h2d"] == (driver.calls("cuMemcpyHtoDAsync_v2"), counted["h2d"])
    assert seen["gpu.copy_d2h"] == (driver.calls("cuMemcpyDtoH_v2"), counted["d2h"])
    assert seen["gpu.alloc"][0] == driver.calls("cuMemAlloc_v2")
    assert seen["gpu.free"][0] == driver.calls("cuMemFree_v2")
    assert seen["gpu.sync"][0] == driver.calls("cuStreamSynchronize")
    assert seen["gpu.stream"][0] == driver.calls("cuStreamCreate", "cuStreamDestroy_v2")
    assert seen["gpu.build"][0] == driver.calls("cuModuleLoadData")


def test_launches_carry_the_names_of_their_kernels(recorded: Recorded) -> None:
    rows = recorded.query(
        "select name, count(*) n from records where kind = 'gpu.launch' group by name order by name"
    )
    assert [(row["name"], row["n"]) for row in rows] == [("busy", 2), ("saxpy", 10)]


def test_the_wait_is_in_the_synchronisation_not_in_the_launch(recorded: Recorded) -> None:
    """Device A needs 25 ms for the busy kernel and device B 100 ms."""
    rows = recorded.query(
        "select kind, max(duration_ns) longest from records"
        " where kind in ('gpu.launch', 'gpu.sync') group by kind order by kind"
    )
    launch, sync = (row["longest"] for row in rows)
    assert launch < 20_000_000
    assert sync >= 100_000_000


def test_what_the_driver_refuses_is_recorded_with_its_result(recorded: Recorded) -> None:
    rows = recorded.query(
        "select status, object from records where kind = 'gpu.free' and status <> 0"
    )
    assert [(row["status"], row["object"]) for row in rows] == [(1, 4096), (1, 4096)]
