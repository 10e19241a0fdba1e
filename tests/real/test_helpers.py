# SPDX-License-Identifier: Apache-2.0
"""Programs that cannot carry the shim: static ones, and those of another user."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from real_harness import Gate, Watched, needs

pytestmark = needs("gcc")

NOBODY = 65534
BYTES, PIECE = 16 << 20, 64 << 10
KERNEL = 0x8000  # the flag of records that the kernel tells

#: Copies one file into another, in pieces, and tells how much.
COPY = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char piece[65536];

int main(int count, char **words)
{
    int from = open(words[1], O_RDONLY);
    int to = open(words[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    long bytes = 0, size;

    if (from < 0 || to < 0)
        return 1;
    while ((size = read(from, piece, sizeof(piece))) > 0 && write(to, piece, size) == size)
        bytes += size;
    printf("%ld\n", bytes);
    return size != 0;
}
"""


@pytest.fixture(scope="module")
def helpers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same program as a static one, as one of another user's, and as any other."""
    folder = tmp_path_factory.mktemp("helpers")
    source = folder / "copy.c"
    source.write_text(COPY)
    made = {}
    for name, options in (("static", ["-static"]), ("setuid", []), ("plain", [])):
        made[name] = folder / f"{name}-helper"
        command = ["gcc", "-O1", *options, "-o", str(made[name]), str(source)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip(f"gcc cannot make a {name} program")
    return made


def test_what_a_static_and_a_setuid_helper_moved(
    watched: Watched, helpers: dict[str, Path], public: Path
) -> None:
    data, gate = public / "data", Gate(public)
    data.write_bytes(os.urandom(BYTES))
    # Where the file system takes no notice of setuid, there is nothing to see.
    setuid = Path(shutil.copy(helpers["setuid"], public))
    os.chown(setuid, NOBODY, NOBODY)
    setuid.chmod(0o4755)
    theirs = public / "theirs"
    theirs.mkdir()
    os.chown(theirs, NOBODY, NOBODY)
    copies = {"static": public / "static", "setuid": theirs / "setuid", "plain": public / "plain"}
    programs = {**helpers, "setuid": setuid}
    steps = [f"{programs[name]} {data} {copies[name]} || exit" for name in copies]
    watched.start("sh", "-c", "\n".join([gate.wait, *steps]), ready=gate.reached)
    gate.open()
    seen = watched.end()
    assert watched.said() == f"{BYTES}\n" * 3
    assert copies["setuid"].stat().st_uid == NOBODY
    # Under `anaros run` the kernel tells of these too where they live long: on a slow machine.
    filled = KERNEL if watched.way == "run" else 0
    found = seen.ask(
        "SELECT kind, count(DISTINCT pid), count(*), sum(size_bytes)::BIGINT FROM records"
        f" WHERE kind IN ('file.read', 'file.write') AND size_bytes = {PIECE}"
        f" AND flags & {filled} = 0 GROUP BY ALL ORDER BY ALL"
    )
    told = 3 if watched.way == "attach" else 1
    pieces = told * BYTES // PIECE
    assert [row[:3] for row in found] == [("file.read", told, pieces), ("file.write", told, pieces)]
    watched.same("bytes read call by call", told * BYTES, found[0][3], within=0)
    watched.same("bytes written call by call", told * BYTES, found[1][3], within=0)
    if watched.way == "attach":
        assert seen.share("file_bytes") >= 0.999
        return
    missed = {row["reason"]: row for row in seen.coverage["without_shim"]}
    assert set(missed) == {"static", "setuid"}
    for reason, row in missed.items():
        assert row["program"] == str(programs[reason])
        watched.same(f"{reason}, bytes read", BYTES, row["read_bytes"], within=0.001)
        watched.same(f"{reason}, bytes written", BYTES, row["written_bytes"], within=0.001)
    assert seen.named("read", "written") >= 0.999
