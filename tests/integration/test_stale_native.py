# SPDX-License-Identifier: Apache-2.0
"""Native modules that were built for other sources: the names are there, the layout is another."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NATIVE = Path("overlay/anaros/native")
LIBBPF = Path("overlay/anaros/capture/kernel/libbpf_build.py")
CONTROL = Path("shim/include/anaros/control.h")

BUILD = """
import runpy, sys
ffi = runpy.run_path(sys.argv[1])["ffi"]
ffi.emit_c_code(sys.argv[2]) if sys.argv[2].endswith(".c") else ffi.emit_python_code(sys.argv[2])
"""
FOREIGN = "was not built for these sources of Anaros"
REMEDY = "run ./scripts/setup, or install anaros again"


def swapped(file: Path, one: str, other: str) -> None:
    """Lets two fields that lie beside each other change places."""
    text = file.read_text()
    assert text.count(one) == text.count(other) == 1
    file.write_text(text.replace(one, "\0").replace(other, one).replace("\0", other))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both modules, built for sources that lay out two fields the other way round."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("other")
    shutil.copytree(ROOT / NATIVE, folder / NATIVE, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "shim/include", folder / "shim/include")
    (folder / LIBBPF).parent.mkdir(parents=True)
    shutil.copy(ROOT / LIBBPF, folder / LIBBPF)
    swapped(folder / CONTROL, "anaros_u32 recording;", "anaros_u32 hide_names;")
    swapped(folder / LIBBPF, "uint32_t switch_slots;", "uint32_t backlog_min;")
    for words in ((NATIVE / "build.py", "_native.c"), (LIBBPF, "_libbpf.py")):
        subprocess.run([sys.executable, "-c", BUILD, *words], cwd=folder, check=True)
    includes = [f"-I{path}" for path in (sysconfig.get_path("include"), NATIVE, "shim/include")]
    sources = sorted(path.relative_to(folder) for path in (folder / NATIVE).glob("*.c"))
    words = ["gcc", "-shared", "-fPIC", "-std=gnu11", "-DPy_LIMITED_API=0x03020000", *includes]
    words += ["_native.c", *map(str, sources), "-o", "_native.abi3.so", "-lpthread"]
    subprocess.run(words, cwd=folder, check=True)
    return folder


@pytest.fixture
def today(tmp_path: Path) -> Path:
    """A copy of the sources as they are, with modules that were built for them."""
    shutil.copytree(
        ROOT / "overlay", tmp_path / "overlay", ignore=shutil.ignore_patterns("__pycache__")
    )
    for folder in ("shim", "ebpf"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    return tmp_path


def anaros(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "anaros_cli", *words],
        env={**os.environ, "PYTHONPATH": f"{checkout / 'overlay'}:{ROOT / 'cli'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_native_module_of_another_layout(other: Path, today: Path) -> None:
    output = today / "run"
    run = ("run", "--no-kernel", "--output", str(output), "--")
    assert anaros(today, *run, "true").returncode == 0
    shutil.copy(other / "_native.abi3.so", today / "overlay/anaros")
    said = f"anaros: anaros._native {FOREIGN}\n  {REMEDY}\n"
    again = today / "again"
    done = anaros(today, "run", "--no-kernel", "--output", str(again), "--", "touch", f"{again}!")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
    assert list(today.glob("again*")) == []
    assert anaros(today, "report", str(output)).stderr == said
    told = anaros(today, "doctor", "--json")
    assert told.stdout, told.stderr
    checks = json.loads(told.stdout)["checks"]
    (drain,) = (check for check in checks if check["name"] == "drain")
    assert (drain["state"], drain["fact"]) == ("missing", f"anaros._native {FOREIGN}")


def test_a_native_module_that_does_not_load(today: Path) -> None:
    (today / "overlay/anaros/_native.abi3.so").write_bytes(b"")
    for words in (
        ("run", "--no-kernel", "--output", str(today / "run"), "--", "true"),
        ("doctor",),
    ):
        done = anaros(today, *words)
        assert done.returncode == 1
        told = " ".join((done.stdout + done.stderr).split())
        assert "anaros._native cannot be loaded" in told
        assert REMEDY in told
        assert "Traceback" not in done.stderr


def test_a_libbpf_module_of_another_layout(other: Path, today: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: without it there is no kernel plane anyway")
    shutil.copy(other / "_libbpf.py", today / "overlay/anaros")
    done = anaros(today, "run", "--output", str(today / "run"), "--", "true")
    assert done.returncode == 0
    first, second = done.stderr.splitlines()
    assert first == f"anaros: no kernel plane: anaros._libbpf {FOREIGN}"
    assert second.endswith(REMEDY)


def test_the_numbers_are_those_of_the_sources() -> None:
    """After a change of layout: build, which writes abi.py, and commit it."""
    layout = runpy.run_path(str(ROOT / NATIVE / "layout.py"))
    assert (ROOT / "overlay/anaros/abi.py").read_text() == layout["text"]()
