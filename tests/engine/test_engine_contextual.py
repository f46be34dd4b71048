"""A placement that learns from facts: what its lessons are, what they teach, and that nothing of it gets lost."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import delete, insert, select

from engine.clock import now_ms
from engine.decisions import rebuild
from engine.kernel.contextual_beliefs import ContextualBeliefs
from engine.learning.active import Active
from engine.model.errors import Invalid
from engine.model.placement import Contextual
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.findings import sentences
from engine.store.tables import observations
from tests.factories import candidate, candidates, order, placement
from tests.marks import SQLITE, SQLITE_FIRST

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]
LATER = 3 * 60 * MINUTE
POLICY = Contextual(("device.type", "cart.total"))
TWO = candidates("card", "paypal")
FAVOURITE = {"mobile": "paypal", "desktop": "card"}


@pytest.fixture
async def store(empty_shop):
    await empty_shop.add_placement(placement(policy=POLICY), *TWO)
    return empty_shop


async def described_effects(shop):
    """(decision, candidate, trials, successes) of all lessons in order."""
    columns = (observations.c.decision_id, observations.c.candidate, observations.c.trials, observations.c.successes)
    async with shop.engine.database.read() as connection:
        return [tuple(row) for row in await connection.execute(select(*columns).order_by(observations.c.seq))]


async def learn(shop):
    await shop.engine.live.refresh(at_once=True)


async def shoppers(shop, count, *, seed=0):
    """Phones buy with PayPal, desktops with the card, when they come first; nothing else is bought."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        device = str(rng.choice(list(FAVOURITE)))
        answer = await shop.decide(device_type=device, cart_total=5_000)
        first = order(answer.decision)[0]
        await shop.report(answer, "converted" if first == FAVOURITE[device] else "abandoned", first)
        if rng.random() < 0.3:
            await learn(shop)
    await learn(shop)


async def first_chance(shop, candidate, customer=None, **facts):
    ranking = (await shop.decide(customer, **facts)).decision.ranking
    return next(ranked.confidence for ranked in ranking if ranked.id == candidate)


def beliefs(shop, engine=None) -> ContextualBeliefs:
    active: Active = (engine or shop.engine).live.get(shop.id, "payment_methods")
    made = active.beliefs_for("")
    assert isinstance(made, ContextualBeliefs)
    return made


def trials(shop, engine=None):
    return sum(factor.trials for factor in beliefs(shop, engine).evidence.factors.values())


@SQLITE
async def test_first_candidate_depends_on_the_facts_of_the_customer(store):
    assert await first_chance(store, "paypal", device_type="mobile") == pytest.approx(0.5, abs=0.1)
    await shoppers(store, 120)
    assert await first_chance(store, "paypal", device_type="mobile") > 0.9
    assert await first_chance(store, "card", device_type="desktop") > 0.9


@SQLITE
async def test_learned_effects_are_described_in_words(empty_shop):
    store = empty_shop
    await store.add_placement(placement(policy=Contextual(POLICY.features, floor=0.5), credit="first"), *TWO)
    await shoppers(store, 200)
    result = store.engine.monitor.findings(store.id, "payment_methods")
    sentence = sentences(result, {"card": "Card", "paypal": "PayPal"})
    assert any(item.startswith("Where Device is mobile, PayPal is chosen") for item in sentence)
    assert {item.candidate for item in result if item.where == "Where Device is desktop" and item.ratio > 1} == {"card"}
    assert store.engine.monitor.findings(store.id, "elsewhere") == []


async def test_a_settled_decision_is_an_observation_for_each_examined_candidate(store):
    answer = await store.decide(device_type="mobile")
    first, second = order(answer.decision)
    id = answer.decision.decision_id
    await store.report(answer, "selected", second)
    assert await described_effects(store) == []
    await store.report(answer, "converted", second)
    assert sorted(await described_effects(store)) == sorted([(id, first, 1, 0), (id, second, 1, 1)])


async def test_later_descriptions_are_appended(store):
    answer = await store.decide()
    first, second = order(answer.decision)
    id = answer.decision.decision_id
    await store.engine.recorder.close_due(now_ms() + LATER)
    before = await described_effects(store)
    assert sorted(before) == sorted([(id, first, 1, 0), (id, second, 1, 0)])
    await store.report(answer, "converted", first)
    assert sorted((await described_effects(store))[2:]) == sorted([(id, first, 0, 1), (id, second, -1, 0)])
    await store.report(answer, "refunded", first)
    assert (await described_effects(store))[4:] == [(id, first, 0, -1)]


async def test_a_rebuild_appends_missing_observations(store):
    await shoppers(store, 20)
    assert await rebuild.compare(store.engine.database) == []
    learned = beliefs(store).evidence
    [gone, *_] = await described_effects(store)
    async with store.engine.database.write() as connection:
        await connection.execute(
            delete(observations).where(observations.c.decision_id == gone[0], observations.c.candidate == gone[1])
        )
    [difference] = await rebuild.compare(store.engine.database)
    assert (difference.fold, difference.rebuilt) == ("lessons", list(gone[2:]))
    await rebuild.rebuild(store.engine.database)
    assert await rebuild.compare(store.engine.database) == []
    assert (await described_effects(store))[-1] == gone
    assert {name: item.trials for name, item in learned.factors.items()} == {
        name: item.trials for name, item in beliefs(store).evidence.factors.items()
    }


async def test_placements_without_a_contextual_policy_keep_no_observations(shop):
    answer = await shop.decide()
    await shop.report(answer, "converted", order(answer.decision)[0])
    assert await described_effects(shop) == []


@SQLITE_FIRST
async def test_decisions_replay_exactly_after_later_learning(store):
    await shoppers(store, 15)
    answers = [await store.decide(device_type=device, cart_total=9_900) for device in ("mobile", "desktop", "fridge")]
    version = answers[0].decision.beliefs_version
    await shoppers(store, 15, seed=1)
    assert (await store.decide()).decision.beliefs_version > version
    for answer in answers:
        assert (await store.engine.logbook.replay(store.id, answer.decision.decision_id)).same


@SQLITE_FIRST
async def test_evidence_survives_a_restart_and_counts_once(store, start_engine):
    await shoppers(store, 30)
    before = trials(store)
    answer = await store.decide(device_type="mobile")
    await store.report(answer, "converted", "paypal")
    other = await start_engine()
    assert trials(store, other) == sum(observation[2] for observation in await described_effects(store)) > before
    await store.engine.follow()
    decisions = [await item.decider.decide(store.id, ["payment_methods"], None, {}) for item in (store.engine, other)]
    assert len({answers[0].decision.beliefs_version for answers in decisions}) == 1


async def test_two_processes_use_each_observation_once(store, start_engine):
    other = await start_engine()
    for number in range(6):
        answer = await store.decide(device_type="mobile")
        await store.report(answer, "converted", order(answer.decision)[0])
        await (store.engine if number % 2 else other).follow()
        other.live.add_new_trials({(store.id, "payment_methods", "converted", ""): 1})
        await other.live.refresh(at_once=True)
        await learn(store)
    await store.engine.follow()
    assert trials(store) == sum(observation[2] for observation in await described_effects(store)) >= 6


async def test_repeated_refit_changes_nothing(store):
    await shoppers(store, 5)
    version = beliefs(store).version
    store.engine.live.add_new_trials({(store.id, "payment_methods", "converted", ""): 1})
    await learn(store)
    assert beliefs(store).version == version


async def publish(shop, policy):
    catalogue = shop.engine.catalogue
    stored = await catalogue.get(shop.id, "placement", "", "payment_methods")
    changed = placement(policy=policy)
    await catalogue.update(shop.actor(), "placement", "", "payment_methods", changed, version=stored.version)
    await shop.engine.follow()


@SQLITE_FIRST
async def test_changed_features_refit_from_all_observations(store):
    await shoppers(store, 100)
    await publish(store, Contextual(("cart.total",)))
    assert beliefs(store).evidence.factors == {}
    await learn(store)
    assert trials(store) == sum(observation[2] for observation in await described_effects(store)) >= 100
    await publish(store, POLICY)
    await learn(store)
    assert await first_chance(store, "paypal", device_type="mobile") > 0.9


async def test_evidence_fades_by_day(store, monkeypatch):
    await shoppers(store, 20)
    before = trials(store)
    later = now_ms() + 90 * DAY
    monkeypatch.setattr("engine.learning.live.now_ms", lambda: later)
    store.engine.live.add_new_trials({(store.id, "payment_methods", "converted", ""): 1})
    await learn(store)
    assert trials(store) == pytest.approx(before / 2, rel=0.02)


@SQLITE
async def test_strength_of_customer_history_is_learned(store):
    for number in range(160):
        customer, favourite = f"c{number % 10}", "card" if number % 2 else "paypal"
        answer = await store.decide(customer)
        await store.report(answer, "converted", favourite)
        if number % 4 == 0:
            await learn(store)
    assert await first_chance(store, "paypal", "c2") > 0.75
    assert await first_chance(store, "card", "c3") > 0.75


async def test_new_candidates_take_part_and_removed_ones_do_not(store):
    await shoppers(store, 30)
    await store.create("candidate", *candidates("ideal"))
    answer = await store.decide(device_type="mobile")
    assert sorted(order(answer.decision)) == ["card", "ideal", "paypal"]
    assert 0.01 / 3 < await first_chance(store, "ideal", device_type="mobile") < 0.95


async def test_observations_of_purged_decisions_are_skipped(store):
    row = (store.id, "payment_methods", "converted", "dec_gone", "card", 1, 1)
    names = ("merchant_id", "placement", "reward", "decision_id", "candidate", "trials", "successes")
    async with store.engine.database.write() as connection:
        await connection.execute(insert(observations).values(dict(zip(names, row, strict=True))))
    await shoppers(store, 3)
    assert trials(store) == sum(observation[2] for observation in (await described_effects(store))[1:]) >= 3


async def bought(shop, count, amounts):
    """Every candidate that comes first is bought half of the time, for its amount."""
    for number in range(count):
        answer = await shop.decide(device_type="mobile")
        first = order(answer.decision)[0]
        money = {"amount": amounts[first], "currency": "EUR"}
        await (shop.report(answer, "converted", first, **money) if number % 2 else shop.report(answer, "abandoned"))
        if number % 10 == 9:
            await learn(shop)


@SQLITE
async def test_revenue_prefers_the_candidate_with_larger_amounts(empty_shop):
    await empty_shop.add_placement(placement(policy=POLICY, reward="revenue", credit="first"), *TWO)
    await bought(empty_shop, 100, {"card": 2_000, "paypal": 10_000})
    answer = await empty_shop.decide(device_type="mobile")
    assert answer.decision.ranking[0].id == "paypal"
    assert answer.decision.ranking[0].confidence > 0.9
    await bought(empty_shop, 20, {"card": 2_000, "paypal": 10_000})
    assert (await empty_shop.engine.logbook.replay(empty_shop.id, answer.decision.decision_id)).same


@SQLITE
async def test_minimising_revenue_prefers_the_candidate_with_smaller_amounts(empty_shop):
    await empty_shop.add_placement(placement(policy=POLICY, reward="revenue", goal="minimise", credit="first"), *TWO)
    await bought(empty_shop, 100, {"card": 2_000, "paypal": 10_000})
    assert (await empty_shop.decide(device_type="mobile")).decision.ranking[0].id == "card"


@SQLITE
async def test_a_margin_without_a_cart_uses_learned_amounts(empty_shop):
    """A card payment pays off only for large amounts, and brings in large amounts."""
    dear = (candidate("card", fee_fixed=1_000), candidate("paypal", position=1))
    policy = Contextual(POLICY.features, floor=0.5)
    rule = {"policy": policy, "reward": "margin", "credit": "first", "typical_amount": 1_000}
    await empty_shop.add_placement(placement(**rule), *dear)
    assert await first_chance(empty_shop, "card") < 0.3
    await bought(empty_shop, 100, {"card": 50_000, "paypal": 1_000})
    assert await first_chance(empty_shop, "card") > 0.7


@pytest.mark.parametrize(
    ("policy", "more", "field"),
    [
        (Contextual(("customer.segment",)), {}, "policy/features/0"),
        (Contextual(("cart.colour",)), {}, "policy/features/0"),
        (POLICY, {"buckets": ("device.type",)}, "buckets"),
        (POLICY, {"credit": "position"}, "credit"),
    ],
)
async def test_unusable_feature_is_refused_when_saved(empty_shop, policy, more, field):
    with pytest.raises(Invalid) as refusal:
        await empty_shop.create("placement", placement(policy=policy, **more))
    assert [problem.field for problem in refusal.value.problems] == [field]
