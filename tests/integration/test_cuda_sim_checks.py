# SPDX-License-Identifier: Apache-2.0
"""The simulated CUDA driver's own checks, and the names by which it is found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

SIM = Path(__file__).resolve().parents[1] / "native" / "cuda_sim"
CHECKS = sorted(path.stem for path in (SIM / "checks").glob("*.c"))

PRELUDE = """
import ctypes, json, os
driver = ctypes.CDLL("libcuda.so.1")

def ask(base, version, flags):
    function, status = ctypes.c_void_p(), ctypes.c_int(-1)
    code = driver.cuGetProcAddress_v2(base.encode(), ctypes.byref(function), version,
                                      ctypes.c_uint64(flags), ctypes.byref(status))
    return code, function.value, status.value
"""


@pytest.fixture(scope="module")
def checks() -> Path:
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make or a C compiler is missing: install build-essential")
    subprocess.run(["make", "-s", "-j2", "-C", SIM, "all", "checks"], check=True)
    return SIM / "build"


def environment(build: Path, **more: str) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CUDA_", "ANAROS_"))}
    return env | {"LD_LIBRARY_PATH": str(build), "SIM": str(SIM), "ANAROS_SIM_SPEED": "0", **more}


def run(build: Path, program: str, **more: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(program)],
        env=environment(build, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", CHECKS)
def test_check(checks: Path, name: str) -> None:
    done = subprocess.run(
        [checks / f"check_{name}"],
        env=environment(checks),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_function_of_the_driver_answers(checks: Path) -> None:
    """All symbols resolve by base name; those that cannot do their work say so."""
    rows, unknown, refused, too_old = run(
        checks,
        """
        import re
        def read(name):
            text = open(os.environ["SIM"] + "/" + name).read()
            return re.findall(r"^SIM_API\\((\\w+), (\\w+), (\\d+), (\\d)\\)", text, re.M)
        rows, unknown = read("exports.def") + read("refused.def"), []
        for base, symbol, version, per_thread in rows:
            wanted = ctypes.cast(getattr(driver, symbol), ctypes.c_void_p).value
            if ask(base, int(version), 2 * int(per_thread)) != (0, wanted, 0):
                unknown.append(symbol)
        print(json.dumps([len(rows), unknown, driver.cuTexObjectDestroy(ctypes.c_uint64(1)),
                          ask("cuLogsCurrent", 11000, 0)]))
        """,
    )
    assert rows > 650
    assert unknown == []
    assert refused == 801
    assert too_old == [0, None, 2]


@pytest.mark.parametrize(("version", "status"), [("12000", 1), ("12080", 0)])
def test_an_older_driver_lacks_what_is_newer(checks: Path, version: str, status: int) -> None:
    program = """
        version = int(os.environ["ANAROS_SIM_VERSION"])
        print(json.dumps([ask(base, version, 0)[2]
                          for base in ("cuMemcpyBatchAsync", "cuMemcpy3DBatchAsync")]))
        """
    assert run(checks, program, ANAROS_SIM_VERSION=version) == [status, status]
