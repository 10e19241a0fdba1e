# SPDX-License-Identifier: Apache-2.0
"""C and Python agree: the record, the kinds, the names of what is wrapped."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from anaros import records
from anaros.capture.kernel.plane import PROBES
from anaros.kinds import KIND_NAMES, Kind, NameClass

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "shim/include"
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")

FLAGS = sorted(name for name in vars(records) if name.startswith("FLAG_"))


def told_by_c(folder: Path, body: str, header: str = "record.h") -> dict[str, int]:
    """Compiles a program around ``body``, which prints the members of a JSON object."""
    source = folder / "told.c"
    source.write_text(
        "#include <stddef.h>\n#include <stdio.h>\n"
        f'#include "anaros/kinds.h"\n#include "anaros/{header}"\n'
        '#define TELL(name, value) printf(",\\"%s\\": %lld", name, (long long)(value))\n'
        f'int main(void)\n{{\nprintf("{{\\"\\": 0");\n{body}\nputs("}}");\nreturn 0;\n}}\n'
    )
    program = folder / "told"
    subprocess.run(
        ["cc", "-std=gnu11", "-Wall", "-Werror", f"-I{INCLUDE}", "-o", program, source], check=True
    )
    told: dict[str, int] = json.loads(subprocess.check_output([program]))
    told.pop("")
    return told


@needs_cc
def test_every_field_of_the_record_lies_where_numpy_reads_it(tmp_path: Path) -> None:
    fields = records.RECORD_DTYPE.fields
    assert fields is not None
    told = told_by_c(
        tmp_path,
        "".join(
            f'TELL("{name}", offsetof(struct anaros_record, {name}));\n'
            f'TELL("{name} size", sizeof(((struct anaros_record *)0)->{name}));\n'
            for name, _ in records.FIELDS
        )
        + 'TELL("record", sizeof(struct anaros_record));',
    )
    assert told.pop("record") == records.RECORD_BYTES == 64
    expected = {}
    for name, (dtype, offset, *_) in fields.items():
        expected[name] = offset
        expected[f"{name} size"] = dtype.itemsize
    assert told == expected


@needs_cc
def test_the_fields_leave_no_hole_in_the_record(tmp_path: Path) -> None:
    told = told_by_c(
        tmp_path,
        "".join(
            f'TELL("{name}", sizeof(((struct anaros_record *)0)->{name}));\n'
            for name, _ in records.FIELDS
        ),
    )
    assert sum(told.values()) == records.RECORD_BYTES


@needs_cc
def test_the_control_page_has_room_for_all_probes(tmp_path: Path) -> None:
    told = told_by_c(tmp_path, 'TELL("probes", ANAROS_PROBES_MAX);', "control.h")
    assert len(PROBES) <= told["probes"]


@needs_cc
def test_flags_have_the_same_values(tmp_path: Path) -> None:
    told = told_by_c(tmp_path, "".join(f'TELL("{name}", ANAROS_{name});\n' for name in FLAGS))
    assert told == {name: getattr(records, name) for name in FLAGS}
    # A flag that is new in C must come to Python too.
    header = (INCLUDE / "anaros/record.h").read_text()
    assert header.count("\tANAROS_FLAG_") == len(FLAGS)


@needs_cc
def test_kinds_and_name_classes_have_the_same_values(tmp_path: Path) -> None:
    told = told_by_c(
        tmp_path,
        "#define ANAROS_KIND(value, symbol, name, object, text) TELL(name, value);\n"
        "ANAROS_KINDS(ANAROS_KIND)\n"
        + "".join(f'TELL("class {name.name}", ANAROS_NAME_{name.name});\n' for name in NameClass),
    )
    classes = {f"class {name.name}": int(name) for name in NameClass}
    assert told == {name: value for value, name in KIND_NAMES.items()} | classes


def test_kinds_are_unique_and_named_after_their_family() -> None:
    assert len(set(KIND_NAMES)) == len(KIND_NAMES) == len(Kind)
    assert len(set(KIND_NAMES.values())) == len(KIND_NAMES)
    families: dict[int, str] = {}
    for value, name in KIND_NAMES.items():
        assert families.setdefault(value >> 8, name.split(".")[0]) == name.split(".")[0]


def test_generated_files_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/generate-kinds", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def exported() -> set[str]:
    library = ROOT / "shim/libanaros.so"
    if not library.is_file():
        pytest.skip("shim/libanaros.so is not built")
    if shutil.which("nm") is None:
        pytest.skip("needs nm")
    output = subprocess.check_output(["nm", "-D", "--defined-only", library], text=True)
    symbols = (line.split() for line in output.splitlines())
    return {name.split("@")[0] for _, sort, name in symbols if sort != "A"}  # A: a version


@needs_cc
def test_the_shim_exports_what_its_hook_lists_name_and_nothing_else(tmp_path: Path) -> None:
    names = exported()
    words = ["-E", "-P", f"-I{INCLUDE}", f"-I{ROOT / 'shim/src'}", "-DANAROS_EXPORTS_ONLY"]
    source = ROOT / "shim/src/exports.h"
    listed = subprocess.check_output(["cc", *words, source], text=True).split()
    prefix = "ANAROS_EXPORT_"
    assert names == {word.removeprefix(prefix) for word in listed if word.startswith(prefix)}
    assert {"open", "pread64", "__read_chk", "recv", "epoll_wait", "execve"} <= names


def test_the_shim_needs_libc_alone() -> None:
    exported()
    if shutil.which("readelf") is None:
        pytest.skip("needs readelf")
    output = subprocess.check_output(["readelf", "-d", ROOT / "shim/libanaros.so"], text=True)
    needed = {line.split("[")[1].rstrip("]") for line in output.splitlines() if "(NEEDED)" in line}
    assert needed <= {"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
