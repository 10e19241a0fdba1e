# SPDX-License-Identifier: Apache-2.0
"""scripts/gpu-check without a GPU: what it says, and that it finds what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/gpu-check"
PAGE = "# A page\n\n<!-- gpu-check: begin -->\nold\n<!-- gpu-check: end -->\n\nIts end.\n"


@pytest.fixture(autouse=True)
def _package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests/gpu"))


@pytest.fixture
def tools() -> None:
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make or a C compiler is missing")
    if not (ROOT / "shim/libanaros.so").exists():
        pytest.skip("shim/libanaros.so is not built")
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")


def check(*words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    command = [str(SCRIPT), *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env=environment
    )


def test_a_host_without_a_gpu_is_told_so_in_one_line() -> None:
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this host has a GPU: run scripts/gpu-check itself")
    done = check()
    assert done.returncode == 77
    assert done.stdout == ""
    fact, remedy = done.stderr.splitlines()
    assert fact.startswith("gpu-check: this host lacks ")
    assert remedy.startswith("  run it on a host with an NVIDIA GPU and driver")


def test_help_has_examples_and_exit_codes() -> None:
    done = check("--help")
    assert done.returncode == 0
    assert "scripts/gpu-check --only torch_decode --only decode" in done.stdout
    assert "exit code: 0 all is equal" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--limit", "0"], "'0' is no number of seconds above 0; say 570"),
        (["--limit=-5"], "'-5' is no number of seconds above 0"),
        (["--limit", "nan"], "'nan' is no number of seconds above 0"),
        (["--limit", "inf"], "'inf' is no number of seconds above 0"),
        (["--limit", "ten"], "'ten' is no number of seconds above 0"),
        (["--only", "nothing"], "no such program: nothing; there are driver_dlsym, driver_graph,"),
        (["--simulated", "--only", "decode"], "no such program: decode; there are driver_dlsym"),
        (["--wheels", "/nowhere"], "/nowhere is no folder; fill one with: python3 -m pip download"),
        (["--wheels", "EMPTY"], "has no wheels; fill it with: python3 -m pip download"),
        (["--wheels", "EMPTY", "--no-install"], "has no wheels"),
        (["--write", "/nowhere/page.md"], "/nowhere/page.md cannot be read (No such file"),
        (["--write", "PLAIN"], "has no place for the table: put <!-- gpu-check: begin -->"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_wrong_words_are_told_before_anything_is_done(
    tmp_path: Path, words: list[str], told: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "plain.md").write_text("# A page\n")
    places = {"EMPTY": str(tmp_path / "empty"), "PLAIN": str(tmp_path / "plain.md")}
    done = check(*(places.get(word, word) for word in words))
    assert done.returncode == 2
    assert done.stdout == ""
    assert told in done.stderr
    assert (tmp_path / "plain.md").read_text() == "# A page\n"


def test_wheels_and_the_packages_that_are_there_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "one-1-py3-none-any.whl").touch()
    done = check("--wheels", tmp_path, "--no-install")
    assert done.returncode == 2
    assert "not allowed with argument" in done.stderr


@pytest.mark.parametrize("words", [(), ("--simulated",)])
def test_a_python_that_is_too_old_is_told_first(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Nothing is set up, nothing is looked for: the checkout is one with the script alone."""
    (tmp_path / "scripts").mkdir()
    script = shutil.copy(SCRIPT, tmp_path / "scripts")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        (tools / name).write_text("#!/bin/sh\nexit 1\n")
        (tools / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run(
        [script, *words], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 77
    fact, remedy = done.stderr.splitlines()
    assert fact == "gpu-check: this host lacks a python3 of 3.11 or later"
    assert remedy.startswith("  install one: ")


@pytest.mark.usefixtures("tools")
def test_the_names_are_those_of_the_programs(place: Any) -> None:
    from gpu_check import parts

    made = parts.simulated_programs(place, quick=True)
    names = [*(part.name for part in made.parts), *(loop.name for loop in made.loops)]
    assert tuple(names) == parts.SIMULATED_NAMES
    torch = parts.Programs()
    parts._torch_parts(torch, quick=True)
    assert {part.name for part in torch.parts} <= set(parts.REAL_NAMES)


@pytest.mark.usefixtures("tools")
def test_control_c_ends_the_programs_and_writes_nothing(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    results = ROOT / "build/gpu-check/results.json"
    before = results.stat().st_mtime_ns if results.exists() else None
    words = [str(SCRIPT), "--simulated", "--only", "launch", "--write", str(page)]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    program = str(ROOT / "build/gpu-check/programs/driver")
    for _ in range(600):
        running = [pid for pid in offspring(process.pid) if program in command_of(pid)]
        if running or process.poll() is not None:
            break
        time.sleep(0.05)
    assert running, process.communicate()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert output == ""
    assert "gpu-check: ended by Control-C\n  nothing was written" in errors
    assert "Traceback" not in errors
    assert page.read_text() == PAGE
    assert (results.stat().st_mtime_ns if results.exists() else None) == before
    assert not [pid for pid in running if program in command_of(pid)]
    assert not (ROOT / "build/gpu-check/scratch").exists()


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def offspring(pid: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for word in path.read_text().split():
            found += [int(word), *offspring(int(word))]
    return found


def test_nothing_simulated_goes_into_the_page_of_what_was_measured() -> None:
    done = check("--simulated", "--write")
    assert done.returncode == 2
    assert "simulated" in done.stderr


@pytest.mark.usefixtures("tools")
def test_every_path_is_accounted_for_over_the_simulated_driver(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    done = check("--simulated", "--quick", "--json", "--write", page)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((ROOT / "build/gpu-check/results.json").read_text())
    assert {part["path"] for part in told["parts"]} == set("ABCDEF") - {"G"}
    for part in told["parts"]:
        assert part["passed"], part
        assert part["identical"] and part["accounted"] == part["executed"] == 1, part
        assert part["own"]["launches"] + part["own"]["graphs"] > 0
        assert part["witness"]["kernels"] == part["own"]["kernels"] == part["seen"]["kernels"]
    for loop in told["loops"]:
        assert loop["bare_ns"] > 0
        assert loop["added_percent"].keys() == {"off", "queue", "kernel"}, loop
    text = page.read_text()
    assert text.startswith("# A page\n\n<!-- gpu-check: begin -->\nSimulated driver")
    assert text.endswith("<!-- gpu-check: end -->\n\nIts end.\n")
    assert text.count("| 100 % | 100 % | yes | equal |") == len(told["parts"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    sys.path.insert(0, str(ROOT / "tests/gpu"))
    from gpu_check import parts

    sys.path.pop(0)
    return parts.simulated()


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    from gpu_check import runs

    monkeypatch.setattr(runs, "SCRATCH", tmp_path / "scratch")
    return runs


def program(tmp_path: Path, place: Any, script: str, **more: Any) -> Any:
    """A part that runs the driver's program by way of a shell script."""
    from gpu_check import parts

    real = parts.simulated_programs(place, quick=True).parts[0]
    assert real.name == "driver_dlsym"
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\nrun() {{ {' '.join(real.command)}; }}\n{script}\n")
    path.chmod(0o755)
    return replace(real, command=(str(path),), **more)


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ('run | sed \'s/"launches": 40/"launches": 41/\'', "launches, told by the program: 41"),
        ('run | sed \'s/"copies": 82/"copies": 81/\'', "copies, told by the program: 81"),
        ("run | sed 's/2203648/2203649/'", "copy bytes, told by the program: 2,203,649"),
        (
            'case "$LD_PRELOAD" in *libanaros*) run | tr abc cab ;; *) run ;; esac',
            "the output is another when recorded",
        ),
        ("run; exit 3", "ended with 3"),
        ("sleep 60", "took more than 2 s"),
        ("echo nothing", "told nothing of itself"),
    ],
)
def test_what_is_wrong_fails(
    runs: ModuleType, place: Any, tmp_path: Path, script: str, problem: str
) -> None:
    part = program(tmp_path, place, script, limit_s=2 if "sleep" in script else 60)
    result = runs.check_part(part, replace(place, witness=None), runs.Deadline(60))
    assert result.passed is False
    assert any(told.startswith(problem) for told in result.problems), result.problems
    from gpu_check import table

    block = table.markdown(None, [result], [])
    assert "**differs**" in block or "**no**" in block
    assert f"- `driver_dlsym`: {problem}" in block


@pytest.mark.usefixtures("tools")
def test_why_there_is_no_device_time_is_told(runs: ModuleType, place: Any, tmp_path: Path) -> None:
    held = replace(place, environment={**place.environment, "ANAROS_SIM_CUPTI_HOLDER": "other"})
    result = runs.check_part(program(tmp_path, held, "run"), held, runs.Deadline(60))
    assert result.executed == 0
    assert "kernels with device time: 0 of 40 (another tool holds CUPTI)" in result.problems


@pytest.mark.usefixtures("tools")
def test_without_time_a_part_is_left_out(runs: ModuleType, place: Any, tmp_path: Path) -> None:
    result = runs.check_part(program(tmp_path, place, "run"), place, runs.Deadline(0))
    assert result.passed is None
    assert result.left_out == "no time was left"


def facts(**more: int) -> Any:
    from gpu_check.compare import Recorded

    same = {"launches": 3, "graphs": 0, "copies": 2, "copy_bytes": 20, "fills": 1}
    device = {"kernels": 3, "device_copies": 2, "device_copy_bytes": 20, "device_fills": 1}
    seen = Recorded(
        **same, **device, directions={"h2d": 2, "h2d_bytes": 20}, executed=3, transferred=3,
        dropped=0,
    )  # fmt: skip
    return replace(seen, **more)


OWN = {"launches": 3, "graphs": 0, "copies": 2, "copy_bytes": 20, "fills": 1}
WITNESS = {"kernels": 3, "copies": 2, "copy_bytes": 20, "fills": 1, "dropped": 0, "failed": 0}


def test_equal_counts_are_all_accounted_for() -> None:
    from gpu_check.compare import judge, judge_device_time

    assert judge(OWN, facts(), WITNESS, {"h2d": 1}).differences == ()
    assert judge(OWN, facts(), WITNESS, {}).accounted == 1
    assert judge_device_time(facts()).differences == ()
    assert judge({}, facts(), None, {}).accounted is None


@pytest.mark.parametrize(
    ("seen", "problem", "share"),
    [
        ({"launches": 2}, "launches, told by the program: 3, recorded 2", 2 / 3),
        ({"launches": 6}, "launches, told by the program: 3, recorded 6", 0.5),
        ({"kernels": 4}, "kernels, told by CUPTI: 3, recorded 4", 0.75),
        ({"device_copy_bytes": 19}, "copy bytes, told by CUPTI: 20, recorded 19", 0.95),
        ({"device_fills": 0}, "fills, told by CUPTI: 1, recorded 0", 0),
        ({"dropped": 7}, "7 records were dropped", 1),
        ({"directions": {"h2d": 0}}, "h2d: at least 1, recorded 0", 1),
    ],
)
def test_counts_that_differ_are_told(seen: Any, problem: str, share: float) -> None:
    from gpu_check.compare import judge

    verdict = judge(OWN, facts(**seen), WITNESS, {"h2d": 1})
    assert verdict.differences == (problem,)
    assert verdict.accounted == pytest.approx(share)


def test_device_time_that_is_missing_is_told() -> None:
    from gpu_check.compare import judge_device_time

    verdict = judge_device_time(facts(executed=2, transferred=3))
    assert verdict.differences == ("kernels with device time: 2 of 3",)
    verdict = judge_device_time(facts(executed=3, transferred=0, timing=(1, 4)))
    assert verdict.differences == (
        "copies and fills with device time: 0 of 3 (no CUPTI was found)",
    )


@pytest.mark.parametrize(
    ("cuda", "capability", "torch"),
    [(13000, 90, "torch>=2.11"), (13020, 70, "torch>=2.6,<2.11"), (12080, 90, "torch>=2.6,<2.11"),
     (11080, 80, None)],
)  # fmt: skip
def test_the_driver_chooses_what_is_installed(
    cuda: int, capability: int, torch: str | None
) -> None:
    from gpu_check.host import Gpu
    from gpu_check.prepare import compiler_packages, torch_packages

    gpu = Gpu("G", "580.95", cuda, capability)
    assert [*torch_packages(gpu), None][0] == torch
    assert bool(compiler_packages(gpu)) == (cuda >= 13000)


def test_the_environment_without_installing_has_the_host_s_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where the host's interpreter is one of a virtual environment."""
    from gpu_check import prepare

    for name, value in (("VENV", "venv"), ("PYTHON", "venv/bin/python"), ("LOG", "log")):
        monkeypatch.setattr(prepare, name, tmp_path / value)
    prepare._make_venv(prepare.Source(install=False, wheels=None))
    script = "import numpy, pip, sys; print(sys.prefix)"
    done = subprocess.run(
        [prepare.PYTHON, "-c", script], capture_output=True, text=True, check=True, env={}
    )
    assert done.stdout.strip() == str(tmp_path / "venv")


def test_the_page_says_what_was_measured_or_that_nothing_was() -> None:
    from gpu_check import table

    block = (ROOT / "docs/measured.md").read_text().split(table.BEGIN)[1].split(table.END)[0]
    assert "driver" in block or "Nothing here was measured yet" in block
    assert "Simulated" not in block
