# SPDX-License-Identifier: Apache-2.0
"""The entry point: help, unknown words, error lines, exit codes, and what it imports."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anaros.errors import PolicyError, QueryError, UsageError
from anaros.store.rundir import RunDirectory
from anaros_cli import errors
from anaros_cli.app import COMMANDS, cli
from anaros_cli.errors import interruptible
from anaros_cli.launch import Launch, parse
from anaros_cli.main import main

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def root() -> click.Context:
    """What `anaros` alone makes: a command keeps the names of its help from its first context."""
    return click.Context(cli, info_name="anaros", **cli.context_settings)


def commands() -> list[tuple[str, click.Command]]:
    """Every command and subcommand with its full name."""
    context = root()
    found: list[tuple[str, click.Command]] = []
    queue: list[tuple[str, click.Command | None]] = [
        (name, cli.get_command(context, name)) for name in COMMANDS
    ]
    while queue:
        name, command = queue.pop(0)
        assert command is not None, name
        found.append((name, command))
        if isinstance(command, click.Group):
            inner = click.Context(command, context, info_name=name)
            names = command.list_commands(inner)
            queue += [(f"{name} {word}", command.get_command(inner, word)) for word in names]
    return found


def example_of(command: click.Command) -> list[str]:
    """The example lines of a command's help."""
    _, heading, rest = (command.help or "").partition("Example:\n")
    assert heading, "no example in the help"
    return [line.strip() for line in rest.split("\n\n")[0].splitlines() if line.strip()]


def test_alone_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Usage: anaros")
    assert all(name in out for name in COMMANDS)
    assert err == ""


def test_a_group_alone_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Usage: anaros policy")
    assert "Say everything that is wrong in policy files." in out
    assert err == ""


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["run", "--help"], ["query", "-h"]])
def test_help_is_not_an_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert "Usage: anaros" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"anaros \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "fact", "remedy"),
    [
        (["reprot"], "there is no command 'reprot'", "did you mean report?"),
        (["zzz"], "there is no command 'zzz'", "the commands are run, attach, report"),
        (["policy", "chek"], "there is no command 'policy chek'", "did you mean check?"),
        (["policy", "zzz"], "there is no command 'policy zzz'", "the commands are check, explain"),
        (["--verbos"], "no such option '--verbos'", "see anaros --help"),
        (["report", "--jsn"], "no such option '--jsn'", "see anaros report --help"),
        (["report", "--window", "5..2"], "ends before it starts", "see anaros report --help"),
        (["report", "--window", "soon"], "'soon' is not a window", "see anaros report --help"),
        (["query", "latest"], "missing argument 'SQL'", "see anaros query --help"),
        (["query", "latest", " "], "no SQL is given", "for example"),
        (["run"], "no program is given", "anaros run -- python serve.py"),
        (["run", "--"], "no program is given", "anaros run -- python serve.py"),
        (["run", "--output"], "option '--output' requires an argument", "see anaros run --help"),
        (["policy", "check", "--zz"], "no such option '--zz'", "see anaros policy check --help"),
    ],
)
def test_usage_errors(
    words: list[str], fact: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    first, second, *rest = err.splitlines()
    assert out == ""
    assert first.startswith("anaros: ")
    assert fact in first
    assert second.startswith("  ")
    assert remedy in second
    assert rest == []


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            PolicyError("the file is not valid", "fix line 3"),
            1,
            "anaros: the file is not valid\n  fix line 3\n",
        ),
        (QueryError("no such table"), 1, "anaros: no such table\n"),
        (UsageError("wrong word", "right word"), 2, "anaros: wrong word\n  right word\n"),
        (KeyboardInterrupt(), 130, ""),
        (click.exceptions.Abort(), 130, ""),
        (click.ClickException("It did not work."), 1, "anaros: it did not work\n"),
        (
            OSError(28, "No space left on device", "/tmp/x"),
            1,
            (
                "anaros: /tmp/x: No space left on device\n"
                "  make room there, or write to another place\n"
            ),
        ),
        (
            OSError(28, "No space left on device"),
            1,
            (
                "anaros: cannot write the output: No space left on device\n"
                "  make room there, or write to another place\n"
            ),
        ),
        (OSError(5, "Input/output error", "/tmp/x"), 1, "anaros: /tmp/x: Input/output error\n"),
        (
            ModuleNotFoundError("no", name="duckdb"),
            1,
            (
                "anaros: the Python package duckdb is missing\n"
                "  run scripts/setup, or install anaros again\n"
            ),
        ),
    ],
)
def test_explain(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert errors.explain(error) == code
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize("error", [ZeroDivisionError(), ImportError(name="anaros.gone")])
def test_a_defect_keeps_its_traceback(error: BaseException) -> None:
    with pytest.raises(type(error)):
        errors.explain(error)


def test_summaries_are_those_of_the_commands() -> None:
    context = root()
    for name, entry in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(limit=200) == entry.summary


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_command_is_documented(name: str, command: click.Command) -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    assert f"## anaros {name}\n" in text
    section = text.partition(f"## anaros {name}\n")[2].partition("\n## ")[0]
    for parameter in command.params:
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert f"`{option}" in section, f"{option} is not documented"


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_example_parses(name: str, command: click.Command) -> None:
    for line in example_of(command):
        words = shlex.split(line)
        assert words[: 1 + len(name.split())] == ["anaros", *name.split()]
        command.make_context(name, words[1 + len(name.split()) :], root())


HEAVY = {"numpy", "duckdb", "rich", "psutil", "pyroute2", "yaml"}


def loaded_after(code: str) -> set[str]:
    """The top-level modules of a fresh interpreter that has run ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_a_plain_run_starts_without_click_and_dataclasses() -> None:
    code = (
        "from anaros_cli.main import launch\n"
        "assert launch.parse(['run', '--', 'true']) is not None\n"
        "from anaros import session\n"
        "from anaros.capture.kernel import plane\n"
        "from anaros.capture.program import cgroup\n"
        "from anaros.capture.rings import arena, recorder\n"
        "from anaros.govern import rewrites\n"
        "from anaros.store import rundir"
    )
    assert loaded_after(code) & (HEAVY | {"click", "dataclasses", "orjson"}) == set()


def test_the_child_and_the_probes_wait_for_no_module_that_they_do_not_need() -> None:
    code = (
        "import sys; from anaros_cli import main; from anaros import session; "
        "from anaros.capture.kernel import probes; print(*sys.modules)"
    )
    # Without site: a finder of an editable installation imports what it likes.
    words = [sys.executable, "-S", "-c", code]
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"anaros.capture.program.child", "anaros.capture.kernel.probes"} <= loaded
    assert loaded & {"pathlib", "typing", "re", "dataclasses", "json", "subprocess"} == set()


def test_a_usage_error_imports_nothing_heavy() -> None:
    loaded = loaded_after("from anaros_cli.main import main\nassert main(['run']) == 2")
    assert "click" in loaded
    assert loaded & HEAVY == set()


WORDS = st.lists(
    st.sampled_from(
        [
            "--",
            "--output",
            "--policy",
            "--no-kernel",
            "--live",
            "--hide-names",
            "--device-time",
            "--user",
            "--budget",
            "kernel",
            "1%",
            "-x",
            "a",
            "--help",
            "--output=b",
            "-",
        ]
    ),
    max_size=7,
)


@given(WORDS)
@settings(max_examples=300, deadline=None)
def test_a_plain_run_is_understood_as_click_does(words: list[str]) -> None:
    plain = parse(["run", *words])
    if plain is None:
        return
    command = cli.get_command(root(), "run")
    assert command is not None
    found = command.make_context("run", list(words), root()).params
    meant = Launch(
        found["output"],
        found["policies"],
        not found["no_kernel"],
        found["live"],
        found["command"],
        found["hide_names"],
        found["device_time"],
        found["budget"],
        found["user"],
    )
    assert vars(plain) == vars(meant)


@pytest.mark.parametrize(
    "words",
    [[], ["run"], ["run", "--"], ["run", "true"], ["run", "--help", "--", "true"], ["report"]],
)
def test_what_is_not_plain_goes_to_click(words: list[str]) -> None:
    assert parse(words) is None


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    command = [sys.executable, "-m", "anaros_cli", "--help"]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert said == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_control_c_is_130() -> None:
    code = (
        "import os, signal; from anaros_cli import app, main; "
        "app.cli.callback = lambda *a: os.kill(os.getpid(), signal.SIGINT); "
        "raise SystemExit(main.main(['doctor']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_control_c_in_a_query_is_130(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {})
    sql = "SELECT sum(hash(a.range, b.range)) FROM range(10_000_000) a, range(10_000_000) b"
    command = [sys.executable, "-m", "anaros_cli", "query", str(run.path), sql]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            # All but the query is done in a fraction of this.
            while sum(psutil.Process(process.pid).cpu_times()[:2]) < 2.5:
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, *said) == (130, b"", b"")


def test_an_interrupt_is_one_whatever_a_module_in_c_makes_of_it() -> None:
    def load() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        except KeyboardInterrupt:
            raise ImportError("Encountered an error while initializing the extension.") from None

    with pytest.raises(KeyboardInterrupt), interruptible():
        load()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(ImportError), interruptible():
        raise ImportError
