# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anaros.capture.program.census import is_static, take, without_shim
from anaros.capture.rings import names as names_module
from anaros.kinds import Kind, NameClass
from anaros.records import Columns
from anaros.store.names import Names

EVENTS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 1000), st.booleans()),
    unique_by=lambda event: event[:2],
    max_size=30,
)


@given(EVENTS)
def test_a_start_without_a_shim_before_the_next_start(
    events: list[tuple[int, int, bool]],
) -> None:
    starts = [(pid, when) for pid, when, is_shim in events if not is_shim]
    shims = [(pid, when) for pid, when, is_shim in events if is_shim]
    seen = without_shim(
        np.array([pid for pid, _ in starts], np.uint32),
        np.array([when for _, when in starts], np.uint64),
        np.array([pid for pid, _ in shims], np.uint32),
        np.array([when for _, when in shims], np.uint64),
    )
    wanted = []
    for pid, when in starts:
        later = [other for who, other in starts if who == pid and other > when]
        until = min(later, default=10_000)
        wanted.append(not any(who == pid and when < other < until for who, other in shims))
    assert seen.tolist() == wanted


def test_static_programs_are_told_from_dynamic_ones(tmp_path: Path) -> None:
    assert is_static(Path(sys.executable).resolve()) is False
    text = tmp_path / "text"
    text.write_text("#!/bin/sh\n")
    assert is_static(text) is None
    assert is_static(tmp_path / "missing") is None
    # A program header table without an interpreter, and one that lies about its size.
    header = bytearray(64)
    header[:5] = b"\x7fELF\x02"
    header[32:40] = (64).to_bytes(8, "little")
    header[54:58] = (56).to_bytes(2, "little") + (1).to_bytes(2, "little")
    program = tmp_path / "static"
    program.write_bytes(bytes(header) + (1).to_bytes(4, "little") + bytes(52))
    assert is_static(program) is True
    header[56:58] = (0xFFFF).to_bytes(2, "little")
    program.write_bytes(bytes(header))
    assert is_static(program) is None


def test_what_the_user_named_is_left_out() -> None:
    told = [
        (NameClass.FILE, "/secret"),
        (NameClass.PROGRAM, "/secret/bin/sh"),
        (NameClass.SOCKET, "tcp 10.0.0.1:1 -> 10.0.0.2:2"),
        (NameClass.KERNEL, "a/b"),
        (NameClass.PROCESS, "secret"),
    ]
    names = Names(
        object=np.arange(len(told), dtype=np.uint64),
        name_class=np.array([name_class for name_class, _ in told], np.uint8),
        start_ns=np.zeros(len(told), np.uint64),
        pid=np.zeros(len(told), np.uint32),
        name=[name for _, name in told],
    )
    kept = names_module.without_private(names)
    assert kept.name == ["sh", "a/b"]
    assert kept.object.tolist() == [1, 3]
    assert names_module.without_private(kept).name == kept.name


def test_a_hidden_path_still_tells_why_there_is_no_shim(tmp_path: Path) -> None:
    program = tmp_path / "secret"
    program.write_bytes(b"")
    program.chmod(0o4755)
    fields = Columns.empty(1).as_dict()
    execs = Columns.from_mapping(
        {**fields, "kind": np.array([Kind.PROC_EXEC]), "pid": np.array([7])}
    )

    def told(name: str, *, hide_names: bool) -> object:
        names = Names(
            object=np.array([7], np.uint64),
            name_class=np.array([NameClass.PROGRAM], np.uint8),
            start_ns=np.zeros(1, np.uint64),
            pid=np.zeros(1, np.uint32),
            name=[name],
        )
        return take(execs, names, hide_names=hide_names)["without_shim"]

    path = str(program)
    assert told(path, hide_names=False) == [{"pid": 7, "program": path, "reason": "setuid"}]
    assert told(path, hide_names=True) == [{"pid": 7, "program": "secret", "reason": "setuid"}]
    # What a run directory with hidden names has of it.
    (only,) = told("secret", hide_names=False)  # type: ignore[misc]
    assert only["reason"] == "unknown: its path is hidden"


def test_a_relative_path_starts_from_where_the_command_did(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(b"")
    (tmp_path / "tool").chmod(0o4755)
    fields = Columns.empty(1).as_dict()
    execs = Columns.from_mapping(
        {**fields, "kind": np.array([Kind.PROC_EXEC]), "pid": np.array([7])}
    )

    def reason(name: str, folder: Path | None) -> object:
        names = Names(
            object=np.array([7], np.uint64),
            name_class=np.array([NameClass.PROGRAM], np.uint8),
            start_ns=np.zeros(1, np.uint64),
            pid=np.zeros(1, np.uint32),
            name=[name],
        )
        listed = take(execs, names, folder)["without_shim"]
        assert isinstance(listed, list)
        return listed[0]["reason"]

    assert reason("./tool", tmp_path) == "setuid"
    assert reason("./tool", None) == "unknown: its path is relative"
    assert reason("./other", tmp_path) == "unknown: its path is relative"
