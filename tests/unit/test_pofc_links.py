# SPDX-License-Identifier: Apache-2.0
"""What was read and the copy that moved it, measured against programs of which the truth is known.

Addresses are compared with a loop over bytes. Copies through the processor are played by programs
of many sorts; what is told of them has to be right as often as it says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anaros.kinds import Kind
from anaros.pofc import PROBABILITY, Evidence, analyse
from anaros.pofc.links import posterior
from anaros.pofc.links.buffers import by_address
from anaros.pofc.links.joins import links_of
from anaros.pofc.links.model import Links
from anaros.pofc.memory.allocations import memory_map
from anaros.records import FLAG_CAPTURE, FLAG_PEEK, RECORD_DTYPE, Columns

ACTS = (Kind.FILE_READ, Kind.NET_RECV, Kind.FILE_MMAP, Kind.FILE_MUNMAP, Kind.GPU_COPY_D2H)
US = 1000
FILE, PID = 5, 100
REGULAR = 1


@st.composite
def touches(draw: st.DrawFn) -> Columns:
    """Reads, copies and mappings, one after the other, in a small room of addresses."""
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from((*ACTS, *[Kind.GPU_COPY_H2D] * 4)),
                st.integers(7, 8),
                st.integers(1, 200),
                st.integers(0, 90),
                st.sampled_from([0, 0, 0, 0, FLAG_CAPTURE, FLAG_PEEK]),
                st.sampled_from([0, 0, 0, 0, -5, 2]),
            ),
            max_size=40,
        )
    )
    records = np.zeros(len(rows), RECORD_DTYPE)
    for at, (kind, pid, address, size, flags, status) in enumerate(rows):
        records[at] = (at * 10, 5, pid, pid, kind, flags, status, 1, size, address, 0)
    return Columns.from_records(records)


def bytes_one_by_one(columns: Columns) -> dict[tuple[int, int], tuple[int, bool]]:
    """For each pair of a copy and a read the bytes from there, and whether most were old."""
    last: dict[tuple[int, int], list[int]] = {}
    pairs: dict[tuple[int, int], list[int]] = {}
    for at in range(len(columns)):
        kind, size = int(columns.kind[at]), int(columns.size_bytes[at])
        on_device = kind >> 8 == 4
        flags = int(columns.flags[at]) & (FLAG_CAPTURE if on_device else FLAG_PEEK)
        status = int(columns.status[at])
        if flags or status < 0 or (on_device and status):
            continue
        for byte in range(int(columns.address[at]), int(columns.address[at]) + size):
            place = int(columns.pid[at]), byte
            if kind in (Kind.GPU_COPY_D2H, Kind.FILE_MUNMAP):
                last.pop(place, None)
            elif kind != Kind.GPU_COPY_H2D:
                last[place] = [at, 0]
            elif place in last:
                pair = pairs.setdefault((at, last[place][0]), [0, 0])
                pair[0] += 1
                pair[1] += last[place][1]
                last[place][1] = 1
    return {pair: (size, old * 2 > size) for pair, (size, old) in pairs.items()}


@settings(max_examples=60, deadline=None)
@given(touches())
def test_addresses_agree_with_a_loop_over_bytes(columns: Columns) -> None:
    found = by_address(columns, columns.pid.astype(np.int32))
    names = ("copy", "source", "size_bytes", "again")
    rows = zip(*(getattr(found, name).tolist() for name in names), strict=True)
    told = {(copy, source): (size, again) for copy, source, size, again in rows}
    assert told == bytes_one_by_one(columns)
    assert ((found.probability > 0) & (found.probability < 1)).all()


def test_addresses_agree_with_a_loop_where_there_are_many() -> None:
    random, count = np.random.default_rng(1), 12_000
    records = np.zeros(count, RECORD_DTYPE)
    records["start_ns"] = np.arange(count) * 10
    records["kind"] = random.choice([*ACTS[:2], Kind.GPU_COPY_H2D, Kind.GPU_COPY_D2H], count)
    records["address"] = 1 + random.integers(0, 300_000, count)
    records["size_bytes"] = random.integers(1, 20, count)
    columns = Columns.from_records(records)
    found = by_address(columns, columns.pid.astype(np.int32))
    rows = zip(found.copy.tolist(), found.source.tolist(), found.size_bytes.tolist(), strict=True)
    expected = {(*pair, size) for pair, (size, _) in bytes_one_by_one(columns).items()}
    assert set(rows) == expected
    assert len(expected) > 500


WILD = st.one_of(st.integers(0, 300), st.integers(2**64 - 300, 2**64 - 1), st.just(2**63))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from((*ACTS, Kind.GPU_COPY_H2D, Kind.PROC_SHIM)), *[WILD] * 5),
        max_size=30,
    )
)
def test_records_that_no_sane_program_makes(rows: list[tuple[int, ...]]) -> None:
    records = np.zeros(len(rows), RECORD_DTYPE)
    for at, (kind, start, took, thing, size, address) in enumerate(rows):
        records[at] = (start, took, 7, 7, kind, 0, 0, thing, size, address, 0)
    columns = Columns.from_records(records[np.argsort(records["start_ns"], kind="stable")])
    nobody = np.full(len(rows), -1, np.int32)
    links = links_of(columns, nobody, np.zeros(len(rows), np.uint8))
    assert ((links.probability >= 0.5) & (links.probability < 1)).all()
    assert (links.size_bytes <= np.minimum(links.read_bytes, links.copy_bytes)).all()
    memory_map(columns)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), max_size=30),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=1, max_size=60),
)
def test_candidates_are_the_latest_before(
    copies: list[tuple[int, int]], payloads: list[tuple[int, int]]
) -> None:
    process, time = np.array(copies, np.int64).reshape(-1, 2).T
    theirs, ended = np.array(payloads, np.int64).reshape(-1, 2).T
    found = posterior.band(process.astype(np.int32), time, theirs.astype(np.int32), ended)
    for row, (mine, begun) in zip(found.tolist(), copies, strict=True):
        before = [(e, i) for i, (p, e) in enumerate(payloads) if p == mine and e <= begun]
        before.sort(reverse=True)
        assert [i for i in row if i >= 0] == [i for _, i in before[: posterior.CANDIDATES]]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.01, 50), min_size=1, max_size=7))
def test_a_chain_is_matched_exactly(odds: list[float]) -> None:
    """Copy 0 - payload 0 - copy 1 - payload 1 ...: the sum over all matchings is known."""
    edges = [(n // 2 + n % 2, n // 2) for n in range(len(odds))]
    total, each = 0.0, np.zeros(len(odds))
    for chosen in range(1 << len(odds)):
        some = [n for n in range(len(odds)) if chosen >> n & 1]
        if any(b == a + 1 for a, b in pairwise(some)):
            continue
        weight = float(np.prod([odds[n] for n in some]))
        total += weight
        each[some] += weight
    copies = max(copy for copy, _ in edges) + 1
    score, payload = np.zeros((copies, 2)), np.full((copies, 2), -1)
    for n, (copy, its) in enumerate(edges):
        score[copy, n % 2], payload[copy, n % 2] = odds[n], its
    found = posterior.match(score, payload, copies)
    told = [found[copy, n % 2] for n, (copy, _) in enumerate(edges)]
    assert told == pytest.approx((each / total).tolist(), rel=1e-3, abs=1e-4)


@dataclass
class Program:
    """What a program did, and which reads each of its copies is made of."""

    random: Random
    rows: list[tuple[int, ...]] = field(default_factory=list)
    truth: list[tuple[int, int]] = field(default_factory=list)
    room: int = 1 << 20

    def add(self, when: int, tid: int, kind: Kind, size: int, address: int, **more: int) -> int:
        flags = more.get("flags", REGULAR if kind >> 8 == 1 else 0)
        took = more.get("took", 2 * US)
        thing = more.get("object", FILE)
        self.rows.append((when, took, PID, tid, kind, flags, 0, thing, size, address, 0))
        return len(self.rows) - 1

    def fresh(self) -> int:
        """An address that nobody had."""
        self.room += 1 << 20
        return self.room

    def links(self) -> tuple[Links, set[tuple[int, int]]]:
        """What is told, and what is true: starts of copies with ends of reads."""
        records = np.array(self.rows, RECORD_DTYPE)
        columns = Columns.from_records(records[np.argsort(records["start_ns"], kind="stable")])
        timeline = analyse(columns)
        start, end = records["start_ns"], records["start_ns"] + records["duration_ns"]
        true = {(int(start[copy]), int(end[read])) for copy, read in self.truth}
        return links_of(columns, timeline.owner, timeline.evidence), true


STAGING = 1 << 19
ROUNDS = 300


def in_place(random: Random) -> Program:
    """Reads into one of a few buffers, decodes there, copies; sometimes only a part."""
    made, now = Program(random), 0
    buffers = [made.fresh() for _ in range(4)]
    for _ in range(ROUNDS):
        buffer, size = random.choice(buffers), random.randrange(1, 64) * 256
        read = made.add(now, 1, Kind.FILE_READ, size, buffer)
        part = size if random.random() < 0.8 else size // 2
        at = buffer if random.random() < 0.9 else buffer + size - part
        copy = made.add(now + 50 * US, 2, Kind.GPU_COPY_H2D, part, at)
        made.truth.append((copy, read))
        now += 100 * US
    return made


def same_thread(random: Random) -> Program:
    """Reads, decodes into another buffer, copies that; sizes change by a factor, logs are read."""
    made, now = Program(random), 0
    for _ in range(ROUNDS):
        size = random.randrange(100, 5000)
        read = made.add(now, 1, Kind.FILE_READ, size, made.fresh())
        if random.random() < 0.2:
            made.add(now + 5 * US, 3, Kind.FILE_READ, random.randrange(50, 400), made.fresh())
        copy = made.add(
            now + random.randrange(10, 90) * US, 1, Kind.GPU_COPY_H2D, 4 * size, STAGING
        )
        made.truth.append((copy, read))
        now += 100 * US
    return made


def batches(random: Random) -> Program:
    """Several reads make one copy."""
    made, now = Program(random), 0
    for _ in range(ROUNDS):
        sizes = [random.randrange(20, 900) for _ in range(random.randrange(1, 6))]
        reads = [
            made.add(now + n * 3 * US, 1, Kind.FILE_READ, size, made.fresh())
            for n, size in enumerate(sizes)
        ]
        copy = made.add(now + 40 * US, 1, Kind.GPU_COPY_H2D, sum(sizes), STAGING)
        made.truth += [(copy, read) for read in reads]
        now += 60 * US
    return made


def queue(random: Random, *, decoded: float, jitter: int, order: str = "fifo") -> Program:
    """One thread reads, others copy: in order or not, with equal sizes or others."""
    made, now, waiting = Program(random), 0, []
    for _ in range(ROUNDS):
        size = random.randrange(64, 4000) if decoded else 4096
        read = made.add(now, 1, Kind.FILE_READ, size, made.fresh())
        waiting.append((read, round(size * (decoded or 1))))
        if len(waiting) > random.randrange(0, 6):
            count = len(waiting)
            for n in range(count):
                at = {"fifo": 0, "lifo": -1}.get(order, random.randrange(len(waiting)))
                its, copied = waiting.pop(at)
                when = now + (20 + 9 * n) * US + random.randrange(jitter)
                copy = made.add(when, 2 + n % 3, Kind.GPU_COPY_H2D, copied, STAGING)
                made.truth.append((copy, its))
        now += 80 * US
    return made


def unrelated(random: Random) -> Program:
    """Copies what it computed, and reads what it never copies."""
    made, now = Program(random), 0
    for _ in range(ROUNDS):
        made.add(
            now, random.choice([1, 2]), Kind.FILE_READ, random.randrange(20, 9000), made.fresh()
        )
        when = now + random.randrange(70) * US
        made.add(
            when, random.choice([2, 3]), Kind.GPU_COPY_H2D, random.randrange(20, 9000), STAGING
        )
        now += random.randrange(50, 150) * US
    return made


def counters(random: Random) -> Program:
    """Asks a database for its counter before each copy of what it computed."""
    made, now = Program(random), 0
    for _ in range(ROUNDS):
        made.add(now, 1, Kind.FILE_READ, random.choice([16, 100]), made.fresh())
        made.add(now + random.randrange(10, 90) * US, 1, Kind.GPU_COPY_H2D, 192 << 10, STAGING)
        now += 100 * US
    return made


def stale(random: Random) -> Program:
    """Reads into a buffer once, then copies from it again and again what it computes there."""
    made, now, buffer = Program(random), 0, 1 << 30
    for n in range(ROUNDS):
        if n % 4 == 0:
            read = made.add(now, 1, Kind.FILE_READ, 4096, buffer)
        copy = made.add(now + 50 * US, 1, Kind.GPU_COPY_H2D, 4096, buffer)
        if n % 4 == 0 or random.random() < 0.5:
            made.truth.append((copy, read))
        now += 100 * US
    return made


Play = Callable[[Random], Program]
PLAYS: dict[str, Play] = {
    "in place": in_place,
    "same thread": same_thread,
    "batches": batches,
    "queue, sizes kept": lambda random: queue(random, decoded=1.0, jitter=40 * US),
    "queue, sizes grow": lambda random: queue(random, decoded=3.0, jitter=40 * US),
    "stack, sizes kept": lambda random: queue(random, decoded=1.0, jitter=9 * US, order="lifo"),
    "any order": lambda random: queue(random, decoded=1.0, jitter=9 * US, order="any"),
    "equal sizes": lambda random: queue(random, decoded=0, jitter=40 * US),
    "equal sizes, any order": lambda random: queue(random, decoded=0, jitter=9 * US, order="any"),
    "unrelated": unrelated,
    "counters": counters,
    "stale": stale,
}


@dataclass(frozen=True)
class Score:
    """Links that are right and wrong, and true ones of which nothing is told, of how many."""

    right: int
    wrong: int
    silent: int
    trust: np.ndarray
    good: np.ndarray


@cache
def score(name: str, seed: int) -> Score:
    """Plays a program and compares what is told with what is true."""
    links, true = PLAYS[name](Random(seed)).links()
    pairs = list(zip(links.start_ns.tolist(), links.read_ns.tolist(), strict=True))
    good = np.array([pair in true for pair in pairs], np.bool_)
    silent = len(true - set(pairs))
    return Score(int(good.sum()), int((~good).sum()), silent, links.probability, good)


@pytest.mark.parametrize("name", PLAYS)
def test_what_is_surely_told_is_right(name: str) -> None:
    told = score(name, 1)
    sure = told.trust >= 0.9
    assert told.good[sure].sum() >= 0.9 * sure.sum()
    assert told.wrong <= 0.01 * ROUNDS or name == "stale"


@pytest.mark.parametrize(
    "name",
    [
        "in place",
        "same thread",
        "batches",
        "queue, sizes kept",
        "stack, sizes kept",
        "any order",
    ],
)
def test_most_is_told_where_addresses_threads_or_sizes_tell(name: str) -> None:
    told = score(name, 2)
    assert told.right >= 0.95 * (told.right + told.silent)


@pytest.mark.parametrize("name", ["equal sizes", "equal sizes, any order"])
def test_nothing_is_told_of_an_even_queue(name: str) -> None:
    told = score(name, 2)
    assert told.wrong == 0
    assert told.silent >= 0.95 * ROUNDS


def test_nothing_is_told_of_what_cannot_have_become_a_copy() -> None:
    assert score("counters", 1).wrong == 0


def test_probabilities_are_as_often_right_as_they_say() -> None:
    """The error of calibration over all plays, and that nobody is surer than right."""
    scores = [score(name, seed) for name in PLAYS for seed in (1, 2)]
    trust = np.concatenate([each.trust for each in scores])
    good = np.concatenate([each.good for each in scores])
    error = 0.0
    for low, high in ((0.0, 0.55), (0.55, 0.7), (0.7, 0.9), (0.9, 0.95), (0.95, 1.0)):
        some = (trust >= low) & (trust < high)
        if some.sum() < 20:
            continue
        assert good[some].mean() >= trust[some].mean() - 0.05
        error += some.mean() * abs(good[some].mean() - trust[some].mean())
    assert error < 0.08


def test_a_request_joins_what_its_threads_did() -> None:
    """One read and one copy in each request; sizes and delays are of no help."""
    made, now, random = Program(Random(4)), 0, Random(4)
    for n in range(60):
        cookie, begin = 1000 + n % 4, now
        made.add(begin, 1, Kind.NET_ACCEPT, 0, 0, object=cookie, flags=3)
        made.add(begin + 4 * US, 1, Kind.NET_RECV, 40, 99, object=cookie, flags=3)
        read = made.add(begin + 10 * US, 1, Kind.FILE_READ, 4096, made.fresh())
        made.add(begin + 30 * US, 1, Kind.SYNC_WAKE, 0, 0, object=7)
        made.add(begin + 2 * US, 2, Kind.SYNC_WAIT, 0, 0, object=7, took=30 * US)
        delay = random.randrange(40, 60) * US
        copy = made.add(begin + delay, 2, Kind.GPU_COPY_H2D, 4096, STAGING)
        made.truth.append((copy, read))
        made.add(begin + 80 * US, 1, Kind.NET_SEND, 10, 99, object=cookie, flags=3)
        now += 100 * US
    links, true = made.links()
    pairs = list(zip(links.start_ns.tolist(), links.read_ns.tolist(), strict=True))
    reads = links.kind == Kind.FILE_READ
    assert set(np.array(pairs)[reads][:, 0]) <= {copy for copy, _ in true}
    assert sum(pair in true for pair in pairs) >= 50
    assert {int(each) for each in links.evidence} <= {Evidence.SEMAPHORE, Evidence.ALONE}
    assert (links.probability <= max(PROBABILITY[Evidence.SEMAPHORE], 0.99)).all()
