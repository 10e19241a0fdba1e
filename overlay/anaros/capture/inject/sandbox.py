# SPDX-License-Identifier: Apache-2.0
"""Whether a seccomp filter lets a thread do what the loader and the shim do.

A filter is a small program without loops that sees a call's number and its arguments. It is run
here for each call that is needed; where it asks for an argument that is not known, both ways are
gone.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


def _calls(text: str) -> dict[str, int]:
    words = text.split()
    return {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}


#: What the loader needs to open a library, and how a thread comes back.
_NEEDED = _calls(
    "openat 257 read 0 pread64 17 fstat 5 newfstatat 262 mmap 9 mprotect 10 munmap 11 close 3"
    " rt_sigreturn 15 restart_syscall 219"
)
#: What the shim can go without, but not end for.
_WISHED = _calls(
    "write 1 brk 12 sched_yield 24 mincore 27 madvise 28 nanosleep 35 getpid 39 getsockname 51"
    " getpeername 52 getsockopt 55 readlink 89 geteuid 107 getppid 110 capget 125 gettid 186"
    " futex 202 clock_gettime 228 readlinkat 267 faccessat 269 getcpu 309 statx 332 faccessat2 439"
)
#: The protections that are asked for: by the place of the argument.
_ARGUMENTS: dict[str, dict[int, tuple[int, ...]]] = {
    "mmap": {2: (0, 1, 3, 5)},
    "mprotect": {2: (0, 1, 3)},
}
_ARCH = 0xC000003E
_ALLOW, _LOG, _ERRNO = 0x7FFF0000, 0x7FFC0000, 0x00050000
_LOADER_MAY = frozenset({_ALLOW, _LOG})
_SHIM_MAY = frozenset({_ALLOW, _LOG, _ERRNO})
_MOST_STEPS = 100_000
_WORD = 0xFFFFFFFF

_LD, _LDX, _ST, _STX, _ALU, _JMP, _RET, _MISC = range(8)
_IMM, _ABS, _MEM, _LEN = 0x00, 0x20, 0x60, 0x80
_DATA_BYTES = 64
_OPERATIONS: dict[int, Callable[[int, int], int]] = {
    0x00: operator.add,
    0x10: operator.sub,
    0x20: operator.mul,
    0x30: lambda a, b: a // b if b else 0,
    0x40: operator.or_,
    0x50: operator.and_,
    0x60: lambda a, b: a << min(b, 32),
    0x70: lambda a, b: a >> min(b, 32),
    0xA0: operator.xor,
}
_COMPARISONS: dict[int, Callable[[int, int], bool]] = {
    0x10: operator.eq,
    0x20: operator.gt,
    0x30: operator.ge,
    0x40: lambda a, b: bool(a & b),
}


class Step(NamedTuple):
    """One instruction of a filter."""

    code: int
    if_true: int
    if_false: int
    number: int


class _State(NamedTuple):
    """Where a filter is; None is a value that is not known."""

    at: int
    a: int | None
    x: int | None
    memory: tuple[int | None, ...]


def filters(words: Sequence[int]) -> list[tuple[Step, ...]]:
    """The filters of a thread.

    Args:
        words: Each filter's instructions as the kernel has them, behind their count.
    """
    found, at = [], 0
    while at < len(words):
        count = words[at]
        raw = struct.pack(f"={count}Q", *words[at + 1 : at + 1 + count])
        found.append(tuple(Step(*row) for row in struct.iter_unpack("=HBBI", raw)))
        at += 1 + count
    return found


def forbidden(programs: Sequence[tuple[Step, ...]]) -> list[str]:
    """Calls that loading takes, and that a filter may answer with an error or an end.

    Args:
        programs: All filters of a thread.
    """
    return [
        name
        for calls, may in ((_NEEDED, _LOADER_MAY), (_WISHED, _SHIM_MAY))
        for name, number in calls.items()
        if not all(
            answers(program, number, _ARGUMENTS.get(name, {})) <= may for program in programs
        )
    ]


def answers(
    program: tuple[Step, ...], number: int, arguments: Mapping[int, tuple[int, ...]]
) -> set[int]:
    """What a filter may say of a call: actions, without their data.

    Args:
        program: The filter.
        number: Of the call.
        arguments: The values that some of its arguments may have.
    """
    cases: list[dict[int, int]] = [{0: number, 4: _ARCH}]
    for place, values in arguments.items():
        low = 16 + 8 * place
        cases = [{**case, low: value, low + 4: 0} for case in cases for value in values]
    return set().union(*(_run(program, case) for case in cases))


def _run(program: tuple[Step, ...], data: Mapping[int, int]) -> set[int]:
    first = _State(0, 0, 0, (0,) * 16)
    waiting, seen, said = [first], {first}, set()
    while waiting:
        state = waiting.pop()
        step = program[state.at]
        if step.code & 7 == _RET:
            value = step.number if step.code & 0x18 == 0 else state.a
            said.add(-1 if value is None else value & 0xFFFF0000)
            continue
        following = _next(step, state, data)
        new = [one for one in following if one not in seen]
        seen.update(new)
        waiting += new
        if len(seen) > _MOST_STEPS:
            return {-1}
    return said


def _next(step: Step, state: _State, data: Mapping[int, int]) -> list[_State]:
    kind, after = step.code & 7, state.at + 1
    if kind == _JMP:
        return [state._replace(at=place) for place in _targets(step, state)]
    state = state._replace(at=after)
    if kind in (_ST, _STX):
        memory = list(state.memory)
        memory[step.number] = state.a if kind == _ST else state.x
        return [state._replace(memory=tuple(memory))]
    if kind == _MISC:
        return [state._replace(a=state.x) if step.code & 0x80 else state._replace(x=state.a)]
    if kind == _ALU:
        return [state._replace(a=_computed(step, state))]
    value = _loaded(step, state, data)
    return [state._replace(a=value) if kind == _LD else state._replace(x=value)]


def _loaded(step: Step, state: _State, data: Mapping[int, int]) -> int | None:
    way = step.code & 0xE0
    if way == _ABS:
        return data.get(step.number)
    if way == _MEM:
        return state.memory[step.number]
    return _DATA_BYTES if way == _LEN else step.number


def _computed(step: Step, state: _State) -> int | None:
    if step.code & 0xF0 == 0x80:
        return None if state.a is None else -state.a & _WORD
    other = state.x if step.code & 8 else step.number
    if state.a is None or other is None:
        return None
    return _OPERATIONS[step.code & 0xF0](state.a, other) & _WORD


def _targets(step: Step, state: _State) -> list[int]:
    after = state.at + 1
    if step.code & 0xF0 == 0:
        return [after + step.number]
    other = state.x if step.code & 8 else step.number
    if state.a is None or other is None:
        return [after + step.if_true, after + step.if_false]
    holds = _COMPARISONS[step.code & 0xF0](state.a, other)
    return [after + (step.if_true if holds else step.if_false)]
