# SPDX-License-Identifier: Apache-2.0
"""The device rewrite with the simulated CUDA driver and with PoCL: real probes, real effect."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anaros.errors import GovernError
from anaros.govern import device, devices
from anaros.policy import load, select
from anaros.policy.model import Decision

ROOT = Path(__file__).parent.parent.parent

LIST = """
import ctypes
driver = ctypes.CDLL("libcuda.so.1")
count = ctypes.c_int()
driver.cuInit(0)
driver.cuDeviceGetCount(ctypes.byref(count))
for ordinal in range(count.value):
    name = ctypes.create_string_buffer(64)
    driver.cuDeviceGetName(name, 64, ordinal)
    print(name.value.decode())
"""


def decide(tmp_path: Path, rule: str) -> Decision:
    path = tmp_path / "policy.yaml"
    path.write_text(f"version: 1\ndefault:\n  device: {{{rule}, reason: test}}\n")
    return select(load([path]), "root", Path("/bin/true"), ["true"])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with the simulated driver, which has two devices."""
    build = tmp_path_factory.mktemp("cuda")
    make = ["make", "-s", "-C", str(ROOT / "tests" / "native" / "cuda_sim"), f"BUILD={build}"]
    done = subprocess.run(make, capture_output=True, text=True, check=False, timeout=100)
    if done.returncode:
        pytest.skip(f"the simulated driver does not build: {done.stderr[-200:]}")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CUDA_")}
    return kept | {"LD_LIBRARY_PATH": str(build)}


def cuda_names(env: dict[str, str]) -> list[str]:
    done = subprocess.run([sys.executable, "-c", LIST], env=env, capture_output=True, text=True)
    return done.stdout.split("\n")[:-1]


@pytest.fixture(scope="module")
def names(simulated: dict[str, str]) -> list[str]:
    found = cuda_names(simulated)
    assert len(found) == 2
    return found


@pytest.mark.parametrize(("rule", "expected"), [("[1]", [1]), ("[1, 0]", [1, 0]), ("[0]", [0])])
def test_cuda_program_sees_what_the_rule_names(
    simulated: dict[str, str], names: list[str], tmp_path: Path, rule: str, expected: list[int]
) -> None:
    decision = decide(tmp_path, f"visible: {rule}, runtime: cuda")
    env = device.environment(decision, simulated)
    assert cuda_names(env) == [names[ordinal] for ordinal in expected]


def test_cuda_devices_are_found_by_uuid_and_by_name(
    simulated: dict[str, str], names: list[str], tmp_path: Path
) -> None:
    known = devices.cuda_devices(simulated)
    assert known is not None
    by_uuid = decide(tmp_path, f"visible: ['{known[1].uuid}'], runtime: cuda")
    env = device.environment(by_uuid, simulated)
    assert env["CUDA_VISIBLE_DEVICES"] == known[1].uuid
    assert cuda_names(env) == [names[1]]
    by_name = decide(tmp_path, f"order: ['{names[1]}'], runtime: cuda")
    assert cuda_names(device.environment(by_name, simulated)) == [names[1], names[0]]


def test_list_of_the_user_is_narrowed(
    simulated: dict[str, str], names: list[str], tmp_path: Path
) -> None:
    users = simulated | {"CUDA_VISIBLE_DEVICES": "1,0"}
    decision = decide(tmp_path, "visible: [0], runtime: cuda")
    assert cuda_names(device.environment(decision, users)) == [names[0]]
    with pytest.raises(GovernError, match="no device in common"):
        device.environment(decision, simulated | {"CUDA_VISIBLE_DEVICES": "1"})


def test_opencl_devices_are_counted_over_all_platforms(tmp_path: Path) -> None:
    pytest.importorskip("pyopencl")
    env = dict(os.environ) | {"POCL_DEVICES": "pthread pthread"}
    known = devices.opencl_devices(env)
    if not known or len(known) < 2:
        pytest.skip("PoCL does not offer two devices here")
    assert [found.index for found in known] == list(range(len(known)))
    decision = decide(tmp_path, "visible: [1, 0], runtime: opencl")
    assert device.control_map(decision, env) == (None, (1, 0))
    decision = decide(tmp_path, f"visible: ['{known[0].name[:7]}*'], order: [1], runtime: opencl")
    assert device.control_map(decision, env)[1] == (1, 0, *range(2, len(known)))


COUNT = "import pyopencl; print(sum(len(p.get_devices()) for p in pyopencl.get_platforms()))"


def test_opencl_program_under_a_run_sees_what_the_rule_names(tmp_path: Path) -> None:
    pytest.importorskip("pyopencl")
    env = dict(os.environ) | {
        "POCL_DEVICES": "pthread pthread",
        "PYTHONPATH": f"{ROOT / 'overlay'}:{ROOT / 'cli'}",
    }
    known = devices.opencl_devices(env)
    if not known or len(known) < 2:
        pytest.skip("PoCL does not offer two devices here")
    decide(tmp_path, "visible: [1], runtime: opencl")
    options = ["--no-kernel", "--policy", tmp_path / "policy.yaml", "--output", tmp_path / "run"]
    done = subprocess.run(
        [sys.executable, "-m", "anaros_cli", "run", *options, "--", sys.executable, "-c", COUNT],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
