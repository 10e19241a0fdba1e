# SPDX-License-Identifier: Apache-2.0
"""The run directory: made, refused, found and changed."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from anaros.errors import RunDirectoryError
from anaros.store import rundir
from anaros.store.rundir import FORMAT_VERSION, RunDirectory, default_run_path, resolve_run


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def inside(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "runs"
    monkeypatch.setenv(rundir.ROOT_VARIABLE, str(root))
    return root


@pytest.fixture
def any_umask() -> Iterator[None]:
    before = os.umask(0o777)
    yield
    os.umask(before)


def test_create_writes_meta_and_keeps_others_out(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        run = RunDirectory.create(tmp_path / "run", {"start_ns": 7, "command": ["a", "b"]})
    finally:
        os.umask(before)
    assert run.meta() == {"start_ns": 7, "command": ["a", "b"], "format": FORMAT_VERSION}
    assert [mode(path) for path in (run.path, run.records, run.derived)] == [0o700] * 3
    assert mode(run.path / "meta.json") == 0o600
    assert inside(run.path) == ["derived", "meta.json", "records"]


def test_create_does_not_depend_on_the_umask(tmp_path: Path, any_umask: None) -> None:
    run = RunDirectory.create(tmp_path / "run", {})
    assert [mode(path) for path in (run.path, run.records, run.derived)] == [0o700] * 3
    assert mode(run.path / "meta.json") == 0o600


def test_create_takes_an_empty_directory_and_makes_parents(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir(mode=0o755)
    assert mode(RunDirectory.create(tmp_path / "empty", {}).path) == 0o700
    assert RunDirectory.create(tmp_path / "a/b/c", {}).meta()["format"] == FORMAT_VERSION


def test_create_refuses_what_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunDirectoryError, match="exists and is not empty") as full:
        RunDirectory.create(tmp_path / "full", {})
    assert "--output" in full.value.remedy
    with pytest.raises(RunDirectoryError, match="is not a directory"):
        RunDirectory.create(tmp_path / "file", {})
    with pytest.raises(RunDirectoryError, match=r"cannot write .*: (Not a directory|File exists)"):
        RunDirectory.create(tmp_path / "file/run", {})
    assert (tmp_path / "full/file").read_text() == (tmp_path / "file").read_text() == "mine"
    assert inside(tmp_path / "full") == ["file"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to drop its rights")
def test_create_says_that_it_may_not(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from anaros.errors import RunDirectoryError\n"
        "from anaros.store.rundir import RunDirectory\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try:\n    RunDirectory.create(Path(sys.argv[1]) / 'run', {})\n"
        "except RunDirectoryError as error:\n    print(error.fact, error.remedy, sep='|')\n"
    )
    tmp_path.chmod(0o755)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    environment = {**os.environ, "PYTHONPATH": str(Path(rundir.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program, str(closed)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    fact, remedy = done.stdout.strip().split("|")
    assert fact.startswith("cannot write ")
    assert fact.endswith(": Permission denied")
    assert "--output" in remedy


def test_create_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from anaros.store.rundir import RunDirectory\n"
        "RunDirectory.create(Path(sys.argv[1]), {})\n"
        "print(sorted({'numpy', 'duckdb', 'psutil', 'difflib'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(rundir.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "run")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_open_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="there is no run directory"):
        RunDirectory.open(tmp_path / "none")
    with pytest.raises(RunDirectoryError, match=r"is not a run directory: it has no meta\.json"):
        RunDirectory.open(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="is a file, not a run directory"):
        RunDirectory.open(tmp_path / "file")
    run = RunDirectory.create(tmp_path / "run", {})
    for text, words in (
        ("{", "is damaged"),
        ("\xff", "is damaged"),
        ("[" * 100_000, "is damaged"),
        ("[]", "holds no JSON object"),
        ("{}", "names no format"),
        ('{"format": "1"}', "names no format"),
    ):
        (run.path / "meta.json").write_text(text, encoding="latin-1")
        with pytest.raises(RunDirectoryError, match=words):
            RunDirectory.open(run.path)


def test_open_refuses_a_newer_format(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {})
    (run.path / "meta.json").write_text(json.dumps({"format": 7}))
    with pytest.raises(RunDirectoryError) as caught:
        RunDirectory.open(run.path)
    assert f"made by a newer anaros (format 7, this one reads {FORMAT_VERSION})" in (
        caught.value.fact
    )
    assert caught.value.remedy == "upgrade anaros to read it"


def test_update_meta_changes_entries_and_leaves_no_temporary(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {"a": 1, "b": 2})
    run.update_meta({"b": 3, "path": tmp_path, "format": 99})
    assert run.meta() == {"a": 1, "b": 3, "path": str(tmp_path), "format": FORMAT_VERSION}
    assert inside(run.path) == ["derived", "meta.json", "records"]
    assert mode(run.path / "meta.json") == 0o600


def test_meta_holds_what_is_no_character_and_refuses_what_is_no_number(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {"name": "caf\xe9 \udcff"})
    assert run.meta()["name"] == "caf\xe9 \udcff"
    assert "caf\xe9 \\udcff" in (run.path / "meta.json").read_text()
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.update_meta({"cost_ns": float("nan")})
    assert "cost_ns" not in run.meta()


def test_replacing_leaves_the_old_file_when_the_writer_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(ZeroDivisionError), rundir.replacing(tmp_path / "file") as temporary:
        temporary.write_text("new")
        raise ZeroDivisionError
    assert (tmp_path / "file").read_text() == "old"
    assert inside(tmp_path) == ["file"]


def test_latest_is_the_last_default_path(runs: Path) -> None:
    path = default_run_path()
    assert path.parent == runs
    assert path.name.endswith(f"-{os.getpid()}")
    RunDirectory.create(path, {})
    assert resolve_run(None) == path.resolve()
    assert resolve_run("latest") == path.resolve()
    assert (runs / "latest").readlink() == Path(path.name)
    assert inside(runs) == sorted(["latest", path.name])


def test_latest_falls_back_on_the_newest_run(runs: Path) -> None:
    with pytest.raises(RunDirectoryError, match="no run has been recorded under"):
        resolve_run(None)
    RunDirectory.create(runs / "20260101-000000-1", {})
    RunDirectory.create(runs / "20260102-000000-1", {})
    (runs / "latest").symlink_to("gone")
    assert resolve_run(None) == runs / "20260102-000000-1"
    assert resolve_run("latest") == runs / "20260102-000000-1"


def test_a_run_is_found_by_directory_and_by_name(runs: Path, tmp_path: Path) -> None:
    elsewhere = RunDirectory.create(tmp_path / "elsewhere", {}).path
    named = RunDirectory.create(runs / "20260101-000000-1", {}).path
    assert resolve_run(str(elsewhere)) == elsewhere
    assert resolve_run("20260101-000000-1") == named


def test_an_unknown_run_names_the_nearest(runs: Path) -> None:
    with pytest.raises(RunDirectoryError) as none:
        resolve_run("20260101")
    assert none.value.fact == "there is no run 20260101"
    assert "there are no runs under" in none.value.remedy
    for day in range(1, 7):
        RunDirectory.create(runs / f"2026010{day}-120000-11", {})
    with pytest.raises(RunDirectoryError) as near:
        resolve_run("20260104-120000-1")
    assert "20260104-120000-11" in near.value.remedy
    assert near.value.remedy.count("2026010") <= 3
    with pytest.raises(RunDirectoryError) as far:
        resolve_run("zzz")
    assert far.value.remedy.endswith("20260106-120000-11, 20260105-120000-11, 20260104-120000-11")


def test_what_others_may_not_read_is_told_with_a_remedy() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: it becomes another user")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        run = RunDirectory.create(Path(folder) / "run", {}).path
        os.seteuid(65534)
        try:
            with pytest.raises(RunDirectoryError) as caught:
                RunDirectory.open(resolve_run(str(run)))
        finally:
            os.seteuid(0)
    assert caught.value.fact == f"cannot read {run}/meta.json: Permission denied"
    assert "its owner" in caught.value.remedy


@pytest.mark.parametrize("text", ["[]", "1", "{", ""])
def test_a_damaged_meta_says_what_can_still_be_read(tmp_path: Path, text: str) -> None:
    run = RunDirectory.create(tmp_path / "run", {})
    (run.path / "meta.json").write_text(text)
    with pytest.raises(RunDirectoryError, match="is damaged") as caught:
        RunDirectory.open(run.path)
    assert "Parquet" in caught.value.remedy


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for path in (file / "run", file / "more" / "run"):
        with pytest.raises(RunDirectoryError, match="Not a directory") as caught:
            RunDirectory.create(path, {})
        assert "a part of this path is a file" in caught.value.remedy
