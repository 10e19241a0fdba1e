# SPDX-License-Identifier: Apache-2.0
"""The budget of the probes: which are given up, which come back, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anaros.capture.kernel import more, probes
from anaros.capture.kernel.budget import (
    AWAY_MAX_S,
    AWAY_S,
    MARGIN,
    NEVER,
    PATIENCE,
    UNITS,
    Budget,
    Step,
    parse,
)
from anaros.errors import UsageError

WITNESSES = {unit.witness for unit in UNITS.values()}
BUSY = dict.fromkeys(WITNESSES, 1000.0)
QUIET = dict.fromkeys(WITNESSES, 0.0)

COSTS = st.dictionaries(
    st.sampled_from([*UNITS, "process"]), st.floats(0, 0.1, allow_subnormal=False)
)


class Machine:
    """Probes that cost what they are told to, under a budget."""

    def __init__(self, share: float) -> None:
        self.budget = Budget(share)
        self.now_s = 0.0
        self.gone: list[str] = []
        self.steps: list[tuple[float, Step]] = []

    def reading(
        self, costs: dict[str, float], activity: dict[str, float] = BUSY, apart_s: float = 1.0
    ) -> list[Step]:
        self.now_s += apart_s
        at_work = {probe: cost for probe, cost in costs.items() if probe not in self.gone}
        taken = list(self.budget.step(self.now_s, at_work, activity))
        for step in taken:
            if step.shed:
                assert step.probe not in self.gone
                self.gone.append(step.probe)
            else:
                assert self.gone.pop() == step.probe, "the last one comes back first"
            self.steps.append((self.now_s, step))
        assert tuple(self.gone) == self.budget.away
        for probe, unit in UNITS.items():
            assert unit.needs not in self.gone or probe in self.gone
        return taken


@given(st.floats(0.001, 0.5), st.lists(COSTS, max_size=30))
def test_nothing_is_shed_below_the_budget(share: float, readings: list[dict[str, float]]) -> None:
    machine = Machine(share)
    for costs in readings:
        spent = sum(cost for probe, cost in costs.items() if probe not in machine.gone)
        taken = machine.reading(costs)
        if spent <= share:
            assert not any(step.shed for step in taken)


@given(st.floats(0.001, 0.5), COSTS)
def test_it_ends_below_the_budget_or_with_all_shed(share: float, costs: dict[str, float]) -> None:
    machine = Machine(share)
    for _ in range(PATIENCE):
        machine.reading(costs)
    left = {probe: cost for probe, cost in costs.items() if probe not in machine.gone}
    may_go = [cost for probe, cost in left.items() if probe in UNITS]
    assert sum(left.values()) <= share + 1e-12 or not any(may_go)


@given(st.floats(0.001, 0.5), COSTS)
def test_the_dearest_goes_first(share: float, costs: dict[str, float]) -> None:
    machine = Machine(share)
    for _ in range(PATIENCE):
        machine.reading(costs)
    alone = [step for _, step in machine.steps if UNITS[step.probe].needs not in machine.gone]
    assert [step.cost for step in alone] == sorted((step.cost for step in alone), reverse=True)
    if alone:
        kept = [
            cost for probe, cost in costs.items() if probe in UNITS and probe not in machine.gone
        ]
        assert alone[-1].cost >= max(kept, default=0.0)


@given(st.lists(st.tuples(COSTS, st.floats(0, 2000)), max_size=200))
def test_it_does_not_flap(readings: list[tuple[dict[str, float], float]]) -> None:
    """Between two returns of a probe lies more and more time, unless it stayed long."""
    machine = Machine(0.02)
    for costs, activity in readings:
        machine.reading(costs, dict.fromkeys(WITNESSES, activity), apart_s=3.0)
    for probe in UNITS:
        mine = [(when_s, step.shed) for when_s, step in machine.steps if step.probe == probe]
        assert [shed for _, shed in mine] == [place % 2 == 0 for place in range(len(mine))]
        away = AWAY_S
        for place in range(1, len(mine), 2):
            gone_s, back_s = mine[place - 1][0], mine[place][0]
            if place >= 3:
                stayed_s = gone_s - mine[place - 2][0]
                away = AWAY_S if stayed_s >= 8 * away else min(2 * away, AWAY_MAX_S)
            assert back_s - gone_s >= away


def test_one_dear_reading_is_not_enough() -> None:
    machine = Machine(0.01)
    for _ in range(20):
        assert not machine.reading({"sched": 0.05})
        assert not machine.reading({"sched": 0.001})


def test_a_load_that_goes_on_keeps_it_away_longer_and_longer() -> None:
    machine = Machine(0.01)
    for _ in range(3600):
        machine.reading({"sched": 0.03, "net": 0.002})
    shed = [when_s for when_s, step in machine.steps if step.shed]
    back = [when_s for when_s, step in machine.steps if not step.shed]
    assert {step.probe for _, step in machine.steps} == {"sched"}
    away = [later - earlier for earlier, later in zip(shed, back, strict=False)]
    assert away == sorted(away)
    assert len(back) < 40, "an hour; in each of them it costs too much for two seconds"


def test_it_comes_back_when_the_load_is_over() -> None:
    machine = Machine(0.01)
    for _ in range(PATIENCE):
        machine.reading({"sched": 0.03, "irq": 0.02, "process": 0.001})
    assert machine.gone == ["sched", "irq"]
    for _ in range(int(AWAY_S) + 2):
        machine.reading({"process": 0.001}, QUIET)
    assert machine.gone == []
    assert [step.probe for _, step in machine.steps if not step.shed] == ["irq", "sched"]


def test_it_comes_back_only_where_it_fits_with_a_margin() -> None:
    machine = Machine(0.01)
    for _ in range(PATIENCE):
        machine.reading({"sched": 0.02})
    half = {**BUSY, "switches": 500.0}
    while machine.gone:
        assert not machine.reading({"net": 0.0}, half, apart_s=1.0) or not machine.gone
    waited_s = machine.now_s - PATIENCE
    assert 0.02 / 2 * 0.5 ** (waited_s / 60) <= MARGIN * 0.01


def test_a_probe_that_cannot_be_attached_stays_away() -> None:
    budget = Budget(0.01)
    for now_s in range(PATIENCE):
        budget.step(now_s, {"net": 0.02}, BUSY)
    (step,) = budget.step(AWAY_S + PATIENCE, {}, QUIET)
    assert not step.shed
    budget.refused("net", AWAY_S + PATIENCE)
    assert budget.away == ("net",)
    assert not budget.step(AWAY_S + PATIENCE + 1.5 * AWAY_S, {}, QUIET)


def test_every_program_belongs_to_a_probe_or_stays() -> None:
    by_probe = {
        program.name: program.probe
        for program in (*probes.PROGRAMS, *more.PROGRAMS)
        if program.name not in NEVER
    }
    told = {name: probe for probe, unit in UNITS.items() for name in unit.programs}
    assert {name: probe for name, probe in told.items() if probe != "calls"} == by_probe


@pytest.mark.parametrize(("word", "share"), [("1%", 0.01), ("0.5%", 0.005), ("100%", 1.0)])
def test_a_budget(word: str, share: float) -> None:
    assert parse(word) == pytest.approx(share)


@pytest.mark.parametrize(
    "word",
    ["", "%", "1", "0%", "0.0%", "-1%", "101%", "1 %", "one%", "1%%", "1e0%", "nan%", "1.2.3%"],
)
def test_what_is_no_budget(word: str) -> None:
    with pytest.raises(UsageError, match="no budget") as refused:
        parse(word)
    assert "1%" in refused.value.remedy
