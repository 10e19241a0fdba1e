# SPDX-License-Identifier: Apache-2.0
"""Every OpenCL function is recorded or passed with a reason: the lists and the entry points."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "shim/src/opencl"


def names(file: str, pattern: str) -> list[str]:
    return re.findall(pattern, (SOURCE / file).read_text())


RECORDED = names("hooks.h", r"\b(?:HOOK|EXTENSION)\([\w *]+?, (cl\w+), \(")
USED = names("hooks.h", r"\bUSED\([\w *]+?, (cl\w+), \(")
PASSED = names("passed.h", r"\bPASS\(\w+, (cl\w+)\)")
DISPATCH = names("dispatch.h", r"\bENTRY\((cl\w+), \d+\)")


def test_no_function_is_in_two_lists() -> None:
    known = RECORDED + USED + PASSED
    assert len(known) == len(set(known))
    assert len(RECORDED) > 100


def test_each_entry_of_the_drivers_table_is_in_a_list() -> None:
    assert len(DISPATCH) == len(set(DISPATCH)) == 149
    assert set(DISPATCH) <= {*RECORDED, *USED, *PASSED}


def test_each_reason_is_one_of_those_that_are_explained() -> None:
    reasons = set(names("passed.h", r"\bREASON\((\w+), "))
    assert set(names("passed.h", r"\bPASS\((\w+), ")) == reasons


def test_each_name_that_a_real_loader_exports_is_in_a_list() -> None:
    pyopencl = pytest.importorskip("pyopencl", reason="pyopencl is not installed")
    if shutil.which("nm") is None:
        pytest.skip("needs nm")
    libraries = list((Path(pyopencl.__file__).parent / ".libs").glob("libOpenCL*"))
    if not libraries:
        pytest.skip("pyopencl has no loader of its own")
    output = subprocess.check_output(["nm", "-D", "--defined-only", libraries[0]], text=True)
    exported = {line.split()[2].split("@")[0] for line in output.splitlines()}
    assert {name for name in exported if re.match("cl[A-Z]", name)} <= {*RECORDED, *USED, *PASSED}
