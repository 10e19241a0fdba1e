# SPDX-License-Identifier: Apache-2.0
"""The section of docs/measured.md that the check writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from gpu_check.host import Gpu
from gpu_check.page import BEGIN, END
from gpu_check.runs import LoopResult, PartResult

COLUMNS = (
    "program",
    "what",
    "path",
    "kernels",
    "copies",
    "bytes",
    "accounted",
    "device time",
    "same output",
    "counts",
)
#: Ways to run a loop, and their columns: with the bar for a launch where it has one.
WAYS = {
    "off": "off",
    "queue": "queue (≤ 1 %)",
    "kernel": "kernel (≤ 3 %)",
    "CUPTI": "CUPTI",
    "torch.profiler": "torch.profiler",
    "nsys": "nsys",
}


def heading(gpu: Gpu | None) -> str:
    """Device, driver, CUDA version and date."""
    date = dt.datetime.now(tz=dt.UTC).date()
    if gpu is None:
        return f"Simulated driver: shows that the check works, and nothing of a GPU; {date}."
    cuda = f"{gpu.cuda // 1000}.{gpu.cuda % 1000 // 10}"
    return f"{gpu.name}, driver {gpu.driver or '—'}, CUDA {cuda}; {date}."


def _number(value: object) -> str:
    return "—" if value is None else f"{value:,}"


def _percent(share: float | None) -> str:
    if share is None:
        return "—"
    return "100 %" if share == 1 else f"{min(100 * share, 99.99):.4g} %"  # never rounded to all


def _part_row(part: PartResult) -> str:
    seen = part.seen
    result = {None: "left out", True: "equal", False: "**differs**"}[part.passed]
    identical = {None: "—", True: "yes", False: "**no**"}[part.identical]
    kernels, copies, size = (
        (seen.kernels, seen.device_copies, seen.device_copy_bytes) if seen else (None,) * 3
    )
    cells = [
        f"`{part.name}`",
        part.what,
        part.path,
        _number(kernels),
        _number(copies),
        _number(size),
        _percent(part.accounted),
        _percent(part.executed),
        identical,
        result,
    ]
    return f"| {' | '.join(cells)} |"


def _time(value: float | None) -> str:
    if value is None:
        return "—"
    return f"{value / 1000:,.2f} µs" if value >= 1000 else f"{value:.0f} ns"


def _loop_row(loop: LoopResult) -> str:
    added = [
        f"{loop.added_percent[way]:+.1f} %" if way in loop.added_percent else "—" for way in WAYS
    ]
    return f"| {loop.what} | {_time(loop.bare_ns)} | {' | '.join(added)} | {loop.rounds} |"


def markdown(
    gpu: Gpu | None,
    parts: Sequence[PartResult],
    loops: Sequence[LoopResult],
    notes: Sequence[str] = (),
) -> str:
    """The block between the two marks."""
    lines = [
        BEGIN,
        heading(gpu),
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
        *map(_part_row, parts),
    ]
    if loops:
        lines += [
            "",
            f"| {' | '.join(['a call', 'bare', *WAYS.values(), 'rounds'])} |",
            "|---" * (len(WAYS) + 3) + "|",
            *map(_loop_row, loops),
        ]
    reasons = [f"- {note}" for note in notes]
    reasons += [f"- `{part.name}` left out: {part.left_out}" for part in parts if part.left_out]
    reasons += [f"- `{part.name}`: {problem}" for part in parts for problem in part.problems]
    reasons += [f"- {loop.name}: {note}" for loop in loops for note in loop.notes]
    if reasons:
        lines += ["", *(f"{reason.rstrip('.')}." for reason in reasons)]
    return "\n".join([*lines, END])
