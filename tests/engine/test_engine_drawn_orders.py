"""Orders are drawn as often as their logged propensities say, under every policy, with history, pins and boosts."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from benchmarks.checks.bandits import chi_squared_p
from benchmarks.checks.drawn_orders import FACTS, HISTORY, IDS, SETTINGS, beliefs_of, p_value, plan_of
from engine.kernel.choice_beliefs import ChoiceBeliefs
from engine.kernel.contextual_beliefs import ContextualBeliefs
from engine.kernel.kernel import decide, draw_of, limits_for
from engine.model.facts import Facts

BY_NAME = {setting.name: setting for setting in SETTINGS}


def facts_of(setting):
    return Facts(dict(FACTS), HISTORY if setting.history else {}, None)


@pytest.mark.parametrize("name", BY_NAME)
def test_frequency_of_orders_equals_their_propensity(name):
    assert p_value(BY_NAME[name], 1_500) > 1e-4


@pytest.mark.parametrize("name", BY_NAME)
def test_propensities_of_all_orders_add_up_to_one(name):
    setting = BY_NAME[name]
    plan = plan_of(setting)
    facts = facts_of(setting)
    limits = limits_for(plan, facts.values, plan.compiled.evaluate(facts.values).fired)
    drawn = draw_of(plan, beliefs_of(plan), facts, limits, "dec_1")
    pinned = set(limits.slots.pins)
    slots = [slot for slot in range(limits.slots.drawn) if slot not in pinned]
    free = [index for index in range(len(limits.eligible)) if index not in limits.slots.pins.values()]
    total = 0.0
    for filling in permutations(free, len(slots)):
        order = list(range(limits.slots.drawn))
        for slot, index in (*limits.slots.pins.items(), *zip(slots, filling, strict=True)):
            if slot < limits.slots.drawn:
                order[slot] = index
        chances = list(drawn.chances_along(order))
        total += np.prod([chances[slot][order[slot]] for slot in slots])
    assert total == pytest.approx(1.0, abs=1e-9)


def test_settings_match_their_description():
    assert len(SETTINGS) == 12
    made = {name: beliefs_of(plan_of(setting)) for name, setting in BY_NAME.items()}
    assert sum(isinstance(each, ChoiceBeliefs) for each in made.values()) == 4
    assert sum(isinstance(each, ContextualBeliefs) for each in made.values()) == 2
    for name, setting in BY_NAME.items():
        decision = decide(plan_of(setting), made[name], facts_of(setting), "dec_1", expires_at="")
        names = [ranked.id for ranked in decision.ranking]
        assert (names[1] == "ideal") or "pin" not in name
        assert ("invoice" in names) is ("exclusion" not in name)
        assert 0 < decision.propensity < 1
        assert len(names) >= len(IDS) - 1


def test_a_history_a_boost_and_a_pin_each_change_the_chances():
    def first(setting):
        plan = plan_of(setting)
        ranking = decide(plan, beliefs_of(plan), facts_of(setting), "dec_1", expires_at="").ranking
        return {ranked.id: ranked.confidence for ranked in ranking}

    both = BY_NAME["choices, history, pin and boost"]
    whole, strange = first(both), first(both._replace(history=False))
    assert whole["klarna"] > strange["klarna"]
    plain = first(both._replace(effects=both.effects[:1]))
    assert whole["paypal"] > plain["paypal"]
    assert whole["ideal"] == 0.0 < first(both._replace(effects=both.effects[1:]))["ideal"]


def test_wrong_chances_are_detected():
    counts = np.array([700.0, 500.0, 300.0])
    assert chi_squared_p(counts, np.array([700.0, 500.0, 300.0])) == pytest.approx(1.0)
    assert chi_squared_p(counts, np.array([500.0, 500.0, 500.0])) < 1e-9
    assert chi_squared_p(np.array([10.0, 1.0]), np.array([11.0, 0.0])) == 0.0
