# SPDX-License-Identifier: Apache-2.0
"""How likely each pair of a copy and a candidate is, learned from the run itself.

Each pair has a delay, a comparison of sizes, and a relation of threads and requests. How often
each value of these comes among true pairs, and how often among all, is learned in rounds: from a
first guess follow probabilities, from these the next guess. As every copy has one payload at most
and every payload one copy, the probabilities are those of a matching; they are found by passing
messages between the two sides, either of which may stay alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anaros.pofc.model import F32, I32, I64, U8, Mask

F64 = npt.NDArray[np.float64]

#: Candidates of a copy: the latest payloads before it.
CANDIDATES = 16

#: Copies that are looked at at once, and of which the rest is learned.
_BLOCK = 1 << 14

_LEARN_ROUNDS, _MATCH_ROUNDS = 10, 12

#: Equal sizes; else ratios by quarters of a power of two.
_EQUAL, _QUARTERS, _RATIO_MAX = 65, 4, 8
_DELAYS = 32
_RELATIONS = 9

#: What is known of a value before it was seen: so many pairs that tell nothing.
_PSEUDO = 4.0

#: A size singles a candidate out that is so many times likelier by it than any other.
_SINGLES_OUT = 4.0


@dataclass(frozen=True, slots=True)
class Candidates:
    """C copies with K candidates each: ``payload`` (C, K) is a number, -1 for none.

    ``delay_ns`` and ``relation`` are (C, K), as is ``size``, that of the candidate; ``copied``
    (C, 1) is that of the copy.
    """

    payload: I64
    delay_ns: I64
    copied: I64
    size: I64
    relation: U8

    def rows(self, part: slice) -> Candidates:
        """Some of the copies."""
        return Candidates(*(getattr(self, name)[part] for name in self.__slots__))

    def features(self) -> tuple[U8, ...]:
        """The values of each pair, as numbers from 0."""
        delay = np.maximum(self.delay_ns, 1).astype(np.float64)
        delay_bin = np.clip(np.log2(delay), 0, _DELAYS - 1).astype(np.uint8)
        ratio = np.log2(np.maximum(self.copied, 1) / np.maximum(self.size, 1))
        near = np.clip(np.rint(ratio * _QUARTERS), -_RATIO_MAX * _QUARTERS, _RATIO_MAX * _QUARTERS)
        size_bin = (near + _RATIO_MAX * _QUARTERS).astype(np.uint8)
        size_bin[np.broadcast_to(self.copied, self.size.shape) == self.size] = _EQUAL
        return delay_bin, size_bin, self.relation


def band(process: I32, time: I64, payload_process: I32, payload_time: I64) -> I64:
    """(C, K) the latest of some payloads of the same process before each copy, last one first."""
    count = len(payload_time)
    both = np.concatenate([payload_process, process])
    is_copy = np.repeat([False, True], [count, len(time)])
    order = np.lexsort((is_copy, np.concatenate([payload_time, time]), both))
    mine = is_copy[order]
    line = order[~mine]
    before = np.empty(len(time), np.int64)
    before[order[mine] - count] = np.cumsum(~mine)[mine]
    first = np.searchsorted(payload_process[line], process)
    place = before[:, None] - 1 - np.arange(CANDIDATES)
    return np.where(place >= first[:, None], line[np.maximum(place, 0)], -1)


@dataclass(frozen=True, slots=True)
class _Weights:
    """For each feature how much likelier each value is in true pairs; and the odds of any pair."""

    ratios: tuple[F64, ...]
    odds: float

    def score(self, features: tuple[U8, ...], valid: Mask) -> F64:
        score = np.where(valid, self.odds, 0.0)
        for ratio, values in zip(self.ratios, features, strict=True):
            score *= ratio[values]
        return score


def best(pairs: Candidates, payloads: int) -> tuple[F32, I64, Mask]:
    """The likeliest candidate of each copy.

    Args:
        pairs: C copies with their candidates, by start.
        payloads: How many payloads there are.

    Returns:
        For each copy the probability of its best candidate, the place of that one among its
        candidates, and whether its size singles it out.
    """
    count = len(pairs.payload)
    learned = _learn(pairs.rows(slice(0, _BLOCK)), payloads)
    trust, chosen = np.zeros(count, np.float32), np.zeros(count, np.int64)
    single = np.zeros(count, np.bool_)
    for begin in range(0, count, _BLOCK):
        part = slice(begin, begin + _BLOCK)
        some = pairs.rows(part)
        features, valid = some.features(), some.payload >= 0
        found = match(learned.score(features, valid), some.payload, payloads)
        mine = np.argmax(found, axis=1)
        row = np.arange(len(mine))
        by_size = np.where(valid, learned.ratios[1][features[1]], 0.0)
        its = by_size[row, mine]
        by_size[row, mine] = 0.0
        trust[part], chosen[part] = found[row, mine], mine
        single[part] = its >= _SINGLES_OUT * np.maximum(by_size.max(axis=1), 1.0)
    return trust, chosen, single


def _learn(pairs: Candidates, payloads: int) -> _Weights:
    features, valid = pairs.features(), pairs.payload >= 0
    widths = (_DELAYS, _EQUAL + 1, _RELATIONS)
    every = [_counted(values, valid, width) for values, width in zip(features, widths, strict=True)]
    weights = _first_guess(widths)
    # While it learns each copy is taken to have one: else a timid guess finds less and less.
    hoped = min(int(valid.any(axis=1).sum()), payloads) / max(int(valid.sum()), 1)
    for n in range(_LEARN_ROUNDS):
        found = match(weights.score(features, valid), pairs.payload, payloads)
        ratios = []
        for values, width, among in zip(features, widths, every, strict=True):
            share = (among + 1e-9) / (among.sum() + 1e-9 * width)
            linked = _counted(values, found, width)
            true = linked + _PSEUDO * share
            others = np.maximum(among - linked, 0.0) + 1e-3 * share
            # Of a value that nobody has the ratio is 1.
            false = others + _PSEUDO * share * others.sum() / max(linked.sum(), 1e-9)
            ratios.append(true / true.sum() / (false / false.sum()))
        all_linked = float(found.sum() / max(valid.sum(), 1))
        if n < _LEARN_ROUNDS - 2:
            all_linked = max(all_linked, hoped)
        weights = _Weights(tuple(ratios), all_linked / max(1.0 - all_linked, 1e-3))
    return weights


def _first_guess(widths: tuple[int, ...]) -> _Weights:
    """Before anything was learned: the sooner, of equal size, of the same thread or request."""
    delay = 2.0 ** (-np.arange(widths[0]) / 4)
    size, relation = np.ones(widths[1]), np.ones(widths[2])
    size[_EQUAL] = 8.0
    relation.reshape(3, 3)[:] = np.outer([1.0, 4.0, 0.1], [1.0, 2.0, 4.0])
    return _Weights((delay / delay.max(), size, relation), 10.0)


def _counted(values: U8, weight: npt.NDArray[Any], width: int) -> F64:
    return np.bincount(values.ravel(), weight.ravel().astype(np.float64), width).astype(np.float64)


def match(score: F64, payload: I64, payloads: int) -> F64:
    """(C, K) the probability of each pair in a matching.

    ``score`` is the odds of each pair against both of its sides staying alone.
    """
    if not len(score):
        return score
    first = int(payload[payload >= 0].min(initial=payloads))
    index = np.where(payload >= 0, payload - first, 0).ravel()
    width = int(index.max(initial=0)) + 1
    to_copy = np.ones_like(score)
    to_payload = to_copy
    for _ in range(_MATCH_ROUNDS):
        asked = score * to_copy
        to_payload = 1.0 / (1.0 + np.maximum(asked.sum(axis=1, keepdims=True) - asked, 0.0))
        offered = score * to_payload
        total = np.bincount(index, offered.ravel(), width)[index].reshape(score.shape)
        to_copy = 1.0 / (1.0 + np.maximum(total - offered, 0.0))
    joint = score * to_copy * to_payload
    found: F64 = joint / (1.0 + joint)
    return found
