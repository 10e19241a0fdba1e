# SPDX-License-Identifier: Apache-2.0
"""The wheel carries everything, the checkout finds everything, nothing generic is installed."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FIND = """
import importlib.util, json, sys
sys.path.insert(0, sys.argv[1])
import anaros
from anaros import artifacts
from anaros.errors import AnarosError

def found(find, *words):
    try:
        return str(find(*words))
    except AnarosError as error:
        return str(error)

print(json.dumps({
    "version": anaros.__version__,
    "package": anaros.__file__,
    "shim": found(artifacts.shim_library),
    "kernel": found(artifacts.bpf_object, "anaros"),
    "policies": found(artifacts.policy_folder),
    "native": importlib.util.find_spec("anaros._native").origin,
    "libbpf": importlib.util.find_spec("anaros._libbpf").origin,
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout; nothing but what make builds is left in the tree."""
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("needs make and a C compiler")
    folder = tmp_path_factory.mktemp("wheel")
    words = ["setup.py", "-q", "egg_info", "--egg-base", folder]
    words += ["build", "--build-base", folder / "build"]
    words += ["bdist_wheel", "--bdist-dir", folder / "bdist", "--dist-dir", folder]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return next(folder.glob("*.whl"))


def found_from(site: Path, elsewhere: Path) -> dict[str, str]:
    output = subprocess.check_output(
        [sys.executable, "-I", "-c", FIND, str(site)], cwd=elsewhere, text=True
    )
    result: dict[str, str] = json.loads(output)
    return result


def modules(root: Path) -> set[str]:
    """All but what builds native modules: that lies in folders of C and is not imported."""
    native = root / "anaros/native"
    found = (path for path in root.rglob("*.py") if native not in path.parents)
    return {str(path.relative_to(root)) for path in found}


def test_the_wheel_holds_every_module_and_every_artifact(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert modules(ROOT / "overlay") | modules(ROOT / "cli") <= names
    assert "anaros/shim/libanaros.so" in names
    assert "anaros/_native.abi3.so" in names
    assert "anaros/_inject.abi3.so" in names
    assert "anaros/_libbpf.py" in names
    sources = (
        path for folder in ("handlers", "bcc") for path in (ROOT / "ebpf" / folder).rglob("*")
    )
    assert {f"anaros/{path.relative_to(ROOT)}" for path in sources if path.is_file()} <= names
    assert "anaros/ebpf/config.h" in names
    policies = {f"anaros/policies/{path.name}" for path in (ROOT / "policies").glob("*.yaml")}
    assert policies <= names
    if shutil.which("clang"):
        assert "anaros/ebpf/anaros.bpf.o" in names


def test_the_wheel_puts_nothing_generic_into_an_environment(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"anaros", "anaros_cli"}
    assert not [name for name in names if name.endswith((".o", ".pyc")) and ".bpf." not in name]


def test_the_wheel_is_tagged_for_this_platform_and_every_later_python(wheel: Path) -> None:
    assert "-cp311-abi3-linux_" in wheel.name


def test_the_version_is_written_once(wheel: Path) -> None:
    tree = ast.parse((ROOT / "overlay/anaros/__init__.py").read_text())
    values = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    ]
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith("METADATA"))
    metadata = Parser().parsestr(archive.read(name).decode())
    assert [metadata["Version"]] == values
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version"]


def test_an_installed_wheel_finds_its_artifacts(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    found = found_from(site, tmp_path)
    assert found["shim"] == str(site / "anaros/shim/libanaros.so")
    assert found["policies"] == str(site / "anaros/policies")
    assert found["native"] == str(site / "anaros/_native.abi3.so")
    assert found["libbpf"] == str(site / "anaros/_libbpf.py")
    if shutil.which("clang"):
        assert found["kernel"] == str(site / "anaros/ebpf/anaros.bpf.o")


def test_a_checkout_finds_its_artifacts(tmp_path: Path) -> None:
    if not (ROOT / "shim/libanaros.so").is_file():
        pytest.skip("shim/libanaros.so is not built")
    found = found_from(ROOT / "overlay", tmp_path)
    assert found["package"] == str(ROOT / "overlay/anaros/__init__.py")
    assert found["shim"] == str(ROOT / "shim/libanaros.so")
    assert found["policies"] == str(ROOT / "policies")


def test_an_editable_installation_costs_a_start_of_python_nothing(tmp_path: Path) -> None:
    make = (
        "import runpy, sys, zipfile\n"
        "sys.argv = ['setup.py', '-q', '--name']\n"
        "scope = runpy.run_path('setup.py')\n"
        "command = scope['EditableWheel'](scope['Distribution']())\n"
        "roots = command._select_strategy('anaros-1', 'tag', 'lib')\n"
        f"with roots, zipfile.ZipFile({str(tmp_path / 'editable.whl')!r}, 'w') as wheel:\n"
        "    roots(wheel, [], {})\n"
    )
    subprocess.run([sys.executable, "-c", make], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    zipfile.ZipFile(tmp_path / "editable.whl").extractall(tmp_path / "site")
    start = (
        "import site, sys\n"
        "site.addsitedir(sys.argv[1])\n"
        "assert not {'pathlib', 're', 'importlib.util'} & set(sys.modules)\n"
        "import anaros, anaros_cli\n"
        "print(anaros.__file__, anaros_cli.__file__)"
    )
    words = [sys.executable, "-I", "-S", "-c", start, str(tmp_path / "site")]
    printed = subprocess.check_output(words, cwd=tmp_path, text=True).split()
    assert printed == [f"{ROOT}/overlay/anaros/__init__.py", f"{ROOT}/cli/anaros_cli/__init__.py"]


def test_the_library_never_imports_the_command_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    banned = set(project["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"])
    assert banned == {"anaros_cli", "click", "rich"}
    for path in (ROOT / "overlay").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").split(".")[0]}
            else:
                continue
            assert not names & banned, f"{path.relative_to(ROOT)}:{node.lineno}"


def test_every_source_names_its_licence() -> None:
    if shutil.which("git") is None:
        pytest.skip("needs git")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py", "*.c", "*.h", "*.S"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.split()]
    missing = [
        str(path.relative_to(ROOT))
        for path in paths
        if path.is_file() and "SPDX-License-Identifier: " not in path.read_text()[:200]
    ]
    assert not missing
