"""The floor of a placement that learns from choices: divided by evidence, kept in the version, replayed exactly."""

from __future__ import annotations

import numpy as np
import pytest

import bandits
from engine.kernel.beliefs import ArmBelief
from engine.kernel.spread import ProbeShares, Spread
from engine.model.placement import Thompson
from engine.statistics.evidence import DayRow
from engine.statistics.probing import probe_shares
from tests.factories import candidate, order, placement

pytestmark = pytest.mark.anyio

IDS = ("card", "paypal", "klarna")
TODAY = 20_000


def days(visits, **rates):
    return [
        DayRow(name, 0, TODAY - ago, visits, round(rates[name] * visits), 0, 0) for ago in range(1, 6) for name in IDS
    ]


def shares_for(visits, klarna):
    arms = {"card": ArmBelief(9_000, 900), "paypal": ArmBelief(2_000, 100), "klarna": ArmBelief(2_000, 40)}
    return probe_shares(IDS, arms, days(visits, card=0.1, paypal=0.05, klarna=klarna), today=TODAY, length=3)


def test_an_improved_candidate_gets_more_of_the_floor():
    improved, steady = (shares_for(100, klarna).shares["klarna"] for klarna in (0.15, 0.02))
    assert improved > steady + 0.05


def test_the_floor_follows_the_visits_of_full_days():
    assert shares_for(450, 0.02).multiple == 1.0
    assert shares_for(50, 0.02).multiple == 6.0
    assert probe_shares((), {}, [], today=TODAY, length=0) is None


def test_candidate_without_a_share_gets_the_average():
    probes = ProbeShares(2.0, {"card": 0.6, "paypal": 0.2})
    spread = Spread.of(IDS, (), 0.01, probes)
    assert spread.floor == 0.02
    assert spread.shares.tolist() == pytest.approx([0.6, 0.2, 1 / 3])


def test_unavailable_candidates_are_probed_and_others_keep_their_floor():
    candidates = _candidates()
    spread = Spread.of(IDS, ("klarna",), 0.03, ProbeShares(1.0, {"card": 0.2, "paypal": 0.4, "klarna": 0.4}))
    applied = spread.applied(candidates, (0, 1, 2))
    assert applied.suspended.tolist() == [False, False, True]
    assert applied.shares[:2].tolist() == pytest.approx([0.006, 0.012])


def _candidates():
    return bandits.Candidates.of(IDS, np.zeros((3, 8)), floor=0.03)


async def test_answers_with_a_divided_floor_replay(empty_shop):
    await empty_shop.add_placement(
        placement(credit="choice", policy=Thompson(floor=0.05)),
        *(candidate(name, position=number) for number, name in enumerate(IDS)),
    )
    for _ in range(20):
        answer = await empty_shop.decide()
        await empty_shop.report(answer, "converted", order(answer.decision)[0])
    await empty_shop.engine.live.refresh(at_once=True)
    active = empty_shop.engine.live.get(empty_shop.id, "payment_methods")
    probes = active.snapshots[""].knowledge.probes
    assert probes.multiple == 6.0
    answer = await empty_shop.decide()
    assert active.beliefs_for("").spread.floor == pytest.approx(0.3)
    assert min(active.beliefs_for("").first_chances((0, 1, 2))) >= 0.3 * min(probes.shares.values())
    assert (await empty_shop.engine.logbook.replay(empty_shop.id, answer.decision.decision_id)).same


async def test_new_candidate_starts_from_its_siblings(empty_shop):
    setup = placement(credit="choice")
    await empty_shop.add_placement(setup, *(candidate(name, position=number) for number, name in enumerate(IDS)))
    for number in range(60):
        answer = await empty_shop.decide()
        await empty_shop.report(answer, "converted" if number % 2 else "abandoned", "card" if number % 2 else None)
    await empty_shop.create("candidate", candidate("ideal", position=9))
    await empty_shop.engine.live.refresh(at_once=True)
    belief = empty_shop.engine.live.get(empty_shop.id, "payment_methods").beliefs_for("").belief
    utilities = belief.utilities([*IDS, "ideal"], "")
    assert utilities[3] == pytest.approx(utilities[:3].mean(), abs=0.15)
