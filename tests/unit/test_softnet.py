# SPDX-License-Identifier: Apache-2.0
"""What the CPUs left lying of the packets that came."""

from __future__ import annotations

from pathlib import Path

from anaros.capture.host.softnet import Softnet
from anaros.kinds import Kind

Row = tuple[int, int, int, int]


def lines(*cpus: tuple[int, int, int, int]) -> str:
    """As the kernel has them: packets, dropped, squeezed, and the number of the CPU."""
    return "".join(
        " ".join(f"{value:08x}" for value in (*counts, *[0] * 9, cpu, 0, 0)) + "\n"
        for cpu, *counts in cpus
    )


def told(softnet: Softnet) -> list[Row]:
    found: list[Row] = []

    def note(kind: Kind, start_ns: int, duration_ns: int, values: Row) -> None:
        assert kind == Kind.NIC_BACKLOG
        assert start_ns > 0
        assert duration_ns >= 0
        found.append(values)

    softnet.tell(note)
    return found


def test_only_cpus_that_left_something_lying_are_told(tmp_path: Path) -> None:
    stat = tmp_path / "softnet_stat"
    stat.write_text(lines((0, 100, 1, 2), (3, 50, 0, 0xFFFFFFFE)))
    softnet = Softnet(str(stat))
    assert told(softnet) == []
    stat.write_text(lines((0, 160, 1, 2), (3, 70, 4, 3)))
    assert told(softnet) == [(3, 4, 20, 5)]  # the counters have 32 bits
    stat.write_text(lines((0, 161, 3, 2), (3, 70, 4, 3), (4, 9, 9, 9)))
    assert told(softnet) == [(0, 2, 1, 0)]  # a CPU that came meanwhile has counted before


def test_older_kernels_number_no_cpus(tmp_path: Path) -> None:
    stat = tmp_path / "softnet_stat"
    stat.write_text("00000001 00000000 00000000 0 0\n00000001 00000000 00000000 0 0\n")
    softnet = Softnet(str(stat))
    stat.write_text("00000001 00000000 00000000 0 0\n00000005 00000002 00000001 0 0\n")
    assert told(softnet) == [(1, 2, 4, 1)]


def test_a_kernel_that_does_not_tell_is_no_error(tmp_path: Path) -> None:
    assert told(Softnet(str(tmp_path / "none"))) == []
