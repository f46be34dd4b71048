"""Candidates that jump start anew where facts or choices are learned from; a sale, a pin or an audience moves none."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from bandits.choice.observations import NOTHING
from engine.clock import now_ms
from engine.kernel.choice_beliefs import ChoiceState, belief_of
from engine.kernel.contextual_beliefs import ContextualState
from engine.kernel.encoding.features import Encoding
from engine.learning.choice_learner import ChoiceLearner
from engine.learning.online_learner import OnlineLearner
from engine.model.placement import Contextual
from engine.model.scope import Scope
from engine.model.standard_vocabulary import STANDARD
from engine.model.timestamps import DAY, first_id_of
from engine.store import beliefs as snapshots
from engine.store import decisions, folds
from engine.store.decisions import DecisionRow
from engine.store.events import outbox
from engine.store.folds import OBSERVATIONS, STATISTICS, Cell, NewTrials, Sums
from engine.store.observations import ChoiceRow, ObservationCell, ObservationRow
from tests.factories import candidates, placement
from tests.marks import SQLITE_FIRST

NAMES = ("card", "klarna", "paypal")
RATES = {"card": 0.35, "klarna": 0.3, "paypal": 0.25}
POLICY = Contextual(("device.type",), affinity=False)
FACTS = {device: msgspec.json.encode({"device.type": device}).decode() for device in ("mobile", "desktop")}
DAYS, JUMP = range(100, 124), 112


def observed(rate_of, *, count=150, seed=0):
    """Yield (number, day, candidate, device, won): each candidate is tried `count` times a day on either device."""
    rng, number = np.random.default_rng(seed), 0
    for day in DAYS:
        for name in NAMES:
            for device in FACTS:
                for won in rng.random(count) < rate_of(day, name, device):
                    number += 1
                    yield number, day, name, device, bool(won)


def contextual_jumps(rate_of, *, seed=0):
    """Learn day by day as the engine does; return the jumps and the state."""
    encoding = Encoding(POLICY, STANDARD)
    state, settings = ContextualState(encoding.names), placement(policy=POLICY)
    by_day = {day: [] for day in DAYS}
    for number, day, name, device, won in observed(rate_of, seed=seed):
        row = ObservationRow(number, f"dec_{number}", name, 1, int(won), day * DAY, FACTS[device], "{}", None)
        by_day[day].append(row)
    for day, rows in by_day.items():
        learner = OnlineLearner(encoding, state, {}, settings)
        learner.update(rows)
        state = learner.state(day)
    return state.jumps, state


def falls(day, name, device):
    return RATES[name] * (0.4 if name == "klarna" and day >= JUMP else 1.0)


def sale(day, name, device):
    return RATES[name] * (1.6 if day >= JUMP else 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_contextual_candidate_that_falls_starts_anew(seed):
    jumps, state = contextual_jumps(falls, seed=seed)
    assert jumps == {"klarna": JUMP}
    trials = {name: factor.trials for name, factor in state.evidence().factors.items()}
    assert 300 < trials["klarna"] < 0.6 * trials["card"]


@pytest.mark.parametrize("seed", range(3))
def test_a_sale_moves_no_contextual_candidate(seed):
    assert contextual_jumps(sale, seed=seed)[0] == {}


def test_change_explained_by_facts_is_no_jump():
    """From a day on only phones are shown Klarna, and they take it more often."""

    def by_device(day, name, device):
        if name == "klarna" and day >= JUMP and device == "desktop":
            device = "mobile"
        return RATES[name] * (1.6 if device == "mobile" else 0.5)

    encoding = Encoding(POLICY, STANDARD)
    state = ContextualState(encoding.names)
    for day in DAYS:
        rows = []
        for number, of_day, name, device, won in observed(by_device):
            if of_day == day:
                shown = "mobile" if name == "klarna" and day >= JUMP else device
                rows.append(
                    ObservationRow(number, f"dec_{number}", name, 1, int(won), day * DAY, FACTS[shown], "{}", None)
                )
        learner = OnlineLearner(encoding, state, {}, placement(policy=POLICY))
        learner.update(rows)
        state = learner.state(day)
    assert state.jumps == {}


def answer_of(order):
    ranking = [{"id": name} for name in order]
    return msgspec.json.encode({"ranking": ranking, "excluded": [], "fallback": False, "experiments": []}).decode()


UTILITIES = {"card": 0.4, "klarna": 0.2, "paypal": 0.0}
SLOTS = (0.0, -0.9, -1.6)


def choice_jumps(order_on, utility_on, *, count=500, seed=0):
    rng, state, number = np.random.default_rng(seed), None, 0
    settings = placement(credit="choice")
    for day in DAYS:
        rows = []
        for _ in range(count):
            number += 1
            order = order_on(day, rng)
            attractions = np.exp([utility_on(day, name) + SLOTS[slot] for slot, name in enumerate(order)])
            picked = int(rng.choice(4, p=np.append(attractions, 3.0) / (attractions.sum() + 3.0)))
            name = (*order, "")[picked]
            rows.append(
                ChoiceRow(number, name, 1, day * DAY, "s", "{}", answer_of(order), f"dec_{number}", None)
            )  # fmt: skip
        learner = ChoiceLearner(NAMES, state, settings)
        learner.update(rows)
        state = learner.state(NOTHING, day)
    return state.jumps, state


def any_order(day, rng):
    return tuple(rng.permutation(NAMES).tolist())


def test_fallen_candidate_is_reset_and_others_are_kept():
    def falls(day, name):
        return UTILITIES[name] - (1.2 if name == "klarna" and day >= JUMP else 0.0)

    jumps, state = choice_jumps(any_order, falls)
    assert jumps == {"klarna": JUMP}
    utilities = dict(zip(NAMES, belief_of(state, NAMES).utilities(NAMES, "s"), strict=True))
    assert utilities["klarna"] < utilities["paypal"] < utilities["card"]


def test_a_pin_to_the_last_slot_is_no_jump():
    """Its share of choices falls by half, because few customers examine its slot."""

    def pinned(day, rng):
        if day < JUMP:
            return any_order(day, rng)
        return (*rng.permutation(["card", "paypal"]).tolist(), "klarna")

    assert choice_jumps(pinned, lambda day, name: UTILITIES[name])[0] == {}


def test_an_old_state_without_residuals_is_read():
    state = msgspec.json.decode(b'{"jumps": {"card": 7}}', type=ChoiceState)
    learner = ChoiceLearner(NAMES, state, placement(credit="choice"))
    assert learner.state(NOTHING, 9).jumps == {"card": 7}


# In the engine


@SQLITE_FIRST
@pytest.mark.anyio
async def test_a_version_names_the_jump_it_was_made_for(empty_shop):
    shop = empty_shop
    await shop.add_placement(placement(policy=POLICY), *candidates(*NAMES))
    today = now_ms() // DAY
    offset = today - DAYS[-1] - 1
    stored = list(observed(falls, count=70))
    for part in ([row for row in stored if row[1] < JUMP], [row for row in stored if row[1] >= JUMP]):
        await write(shop, part, offset)
        await shop.engine.live.refresh(at_once=True)
    scope = Scope(shop.id, "payment_methods", "converted")
    async with shop.engine.database.read() as connection:
        reasons = [version.reason for version in await snapshots.last_versions(connection, scope, limit=10)]
    assert reasons[0].endswith("jump of klarna")
    assert not any("jump" in reason for reason in reasons[1:])
    async with shop.engine.database.read() as connection:
        [event] = await outbox.page(connection, shop.id, after=0, type="arm.jumped", limit=10)
    assert msgspec.json.decode(event.body) == {"placement": "payment_methods", "candidate_id": "klarna"}
    insight = await shop.engine.insights.of(shop.id, "payment_methods")
    [jump] = insight.jumps
    assert (jump.candidate, jump.day) == ("klarna", JUMP + offset)
    assert jump.after < 0.6 * jump.before
    made = await shop.decide(device_type="mobile")
    assert (await shop.engine.logbook.replay(shop.id, made.decision.decision_id)).same


async def write(shop, rows, offset):
    """Store observed rows with their decisions and sums, as if they had been made on these days."""
    logged, sums = [], Sums()
    for number, day, name, device, won in rows:
        moment = (day + offset) * DAY + number
        id = f"{first_id_of(moment)}{number:020x}"
        logged.append(
            DecisionRow(
                id, shop.id, "payment_methods", None, moment, None, 1, 0, "", FACTS[device], "{}", answer_of([name])
            )
        )
        sums.add(OBSERVATIONS, ObservationCell(shop.id, "payment_methods", "converted", id, name), 1, int(won))
        cell = Cell(shop.id, "payment_methods", "converted", "", name, 0, day + offset)
        sums.add(STATISTICS, cell, 1, int(won), 0, 0)
    async with shop.engine.database.write() as connection:
        await decisions.append(connection, logged)
        await folds.add(connection, sums)
    shop.engine.live.add_new_trials(NewTrials({(shop.id, "payment_methods", "converted", ""): len(rows)}))
