# SPDX-License-Identifier: Apache-2.0
"""A part of a run that fails: nothing is left behind, and a program that runs goes on."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'overlay'}:{ROOT / 'cli'}"}

#: What tells the runs of these tests from others in /dev/shm.
MARK = b"\0" + os.urandom(5)

#: Runs `anaros` with one function that raises, once a file is there if one is named; beside it the
#: modules' usual code.
BROKEN = """
import importlib, os, sys, time
place, error, mark, awaited = sys.argv[1:5]
module, _, path = place.partition(":")
*owners, name = path.split(".")
holder = importlib.import_module(module)
for owner in owners:
    holder = getattr(holder, owner)
def fail(*_, **__):
    until = time.monotonic() + 30
    while awaited and not os.path.exists(awaited) and time.monotonic() < until:
        time.sleep(0.001)
    raise eval(error)
setattr(holder, name, fail)
random = os.urandom
os.urandom = lambda size: bytes.fromhex(mark) if size == 6 else random(size)
from anaros_cli.main import main
sys.exit(main(sys.argv[5:]))
"""

BEFORE = (
    "anaros.capture.program.cgroup:Leaf.create",
    "anaros.capture.program.child:Child.enter",
    "anaros.govern.rewrites:decide",
    "anaros.store.rundir:RunDirectory.create",
    "anaros.capture.rings.arena:Arena.create",
    "anaros.capture.rings.arena:Segment.create",
    "anaros.capture.rings.arena:Arena.start_clock",
    "anaros.capture.rings.recorder:Recorder.__init__",
    "anaros.capture.program.child:Child.entered",
)
WRITER = (
    "anaros.capture.rings.recorder:_import_ahead",
    "anaros.capture.rings.recorder:SegmentWriter.write",
    "anaros.store.segments:write_clustered",
)
AFTER = (
    "anaros.capture.rings.recorder:Recorder.start",
    "anaros.capture.program.child:Child.wait",
    "anaros.capture.rings.recorder:Recorder.finish",
    "anaros.session.meta:at_end",
    "anaros.capture.rings.arena:Arena.drops",
    "anaros.store.rundir:RunDirectory.update_meta",
    "anaros.capture.program.cgroup:Leaf.processes",
    "anaros.capture.rings.arena:Segment.close",
    "anaros.capture.rings.arena:Arena.close",
)


def anaros(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "anaros_cli.main", *words],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def broken(
    place: str, error: str, *words: str, awaited: Path | str = ""
) -> subprocess.CompletedProcess[str]:
    """`anaros` with a function of it that fails; no file of its shared memory is left."""
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, place, error, MARK.hex(), str(awaited), *words],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not list(Path("/dev/shm").glob(f"anaros-*-{MARK.hex()}"))
    return done


@pytest.mark.parametrize("place", BEFORE)
def test_what_fails_before_the_program_leaves_nothing(place: str, tmp_path: Path) -> None:
    output, ran = tmp_path / "run", tmp_path / "ran"
    words = ("run", "--no-kernel", "--output", str(output), "--", "touch", str(ran))
    done = broken(place, "OSError(24, os.strerror(24))", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("anaros: Too many open files"), done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()
    assert not ran.exists()


@pytest.mark.parametrize("place", AFTER)
def test_what_fails_while_the_program_runs_is_one_line(place: str, tmp_path: Path) -> None:
    output = tmp_path / "run"
    words = ("run", "--no-kernel", "--output", str(output), "--", "sh", "-c", "echo done; exit 7")
    done = broken(place, "ValueError('it broke')", *words)
    assert (done.returncode, done.stdout) == (7, "done\n")
    lines = [line for line in done.stderr.splitlines() if line.startswith("anaros: ")]
    assert lines, done.stderr
    assert all(line.endswith("ValueError: it broke") for line in lines), done.stderr
    assert "Traceback" not in done.stderr
    state = json.loads((output / "meta.json").read_text())
    if "update_meta" not in place:
        assert (state["state"] != "running", state["exit_code"]) == (True, 7)


@pytest.mark.parametrize("error", ["MemoryError()", "TypeError('it broke')"])
@pytest.mark.parametrize("place", WRITER)
def test_records_that_cannot_be_written_cut_the_run_short(
    place: str, error: str, tmp_path: Path
) -> None:
    # What is made ready while the program starts may fail before it makes its first call.
    output, recorded = tmp_path / "run", tmp_path / "recorded"
    script = f"echo done; : >{recorded}; exit 7"
    words = ("run", "--no-kernel", "--output", str(output), "--", "sh", "-c", script)
    done = broken(place, error, *words, awaited=recorded)
    assert (done.returncode, done.stdout) == (7, "done\n")
    why = "there is no memory" if "Memory" in error else "TypeError: it broke"
    fact = f"the records could not be written: {why}"
    assert done.stderr == f"anaros: {fact}\n  what was written before is safe\n"
    told = json.loads((output / "meta.json").read_text())
    assert (told["state"], told["cut_short"], told["exit_code"]) == ("cut short", fact, 7)
    assert told["drops"]["shim"] > 0
    assert told["overhead"]["records"] == 0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it mounts a small tmpfs")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_on_which_nothing_more_can_be_written(small: Path) -> None:
    """Not even meta.json: it says later that the run has no end, and that all is lost."""
    output, rest = small / "run", small / "rest"
    words = ("run", "--no-kernel", "--output", str(output), "--")
    fill = f"head -c 2m /dev/zero >{rest} 2>/dev/null; echo done; exit 7"
    done = anaros(*words, "sh", "-c", fill)
    assert (done.returncode, done.stdout) == (7, "done\n")
    lines = [line for line in done.stderr.splitlines() if line.startswith("anaros: ")]
    assert [line.partition(str(output))[2] for line in lines] == [
        "/names.parquet: No space left on device",
        "/meta.json: No space left on device",
    ]
    assert "Traceback" not in done.stderr
    assert not [name for _, _, names in os.walk(output) for name in names if "tmp" in name]
    full = anaros("report", str(output), "--json")
    assert (full.returncode, full.stdout) == (1, "")
    assert full.stderr.startswith(f"anaros: cannot write {output}")
    rest.unlink()
    told = anaros("report", str(output))
    assert told.returncode == 0, told.stderr
    meta = json.loads((output / "meta.json").read_text())
    assert (meta["state"], meta["lost_shared_memory"]) == ("recovered", True)


def test_a_run_directory_that_is_removed_meanwhile(tmp_path: Path) -> None:
    output = tmp_path / "run"
    words = ("run", "--no-kernel", "--output", str(output), "--")
    done = subprocess.run(
        [sys.executable, "-m", "anaros_cli.main", *words, "sh", "-c", f"rm -r {output}; exit 7"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 7
    assert done.stderr.startswith("anaros: ")
    assert "Traceback" not in done.stderr
    assert not output.exists()


@pytest.mark.parametrize("most", [6, 8, 10, 12, 16, 24])
def test_few_descriptors_are_no_traceback(most: int, tmp_path: Path) -> None:
    """With fewer Python itself does not start."""
    output = tmp_path / "run"
    words = ("run", "--no-kernel", "--output", str(output), "--", "sh", "-c", "exit 7")
    done = subprocess.run(
        [sys.executable, "-m", "anaros_cli.main", *words],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)),
    )
    assert done.returncode in (1, 7)
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode == 1:
        assert done.stderr.startswith("anaros: "), done.stderr
        assert not output.exists()
