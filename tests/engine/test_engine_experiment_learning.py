"""Learning during an experiment: by variant, shared, or from the control only."""

from __future__ import annotations

from collections import Counter

import pytest

from engine.decisions import rebuild
from engine.decisions.replay import replay
from engine.kernel.contextual_beliefs import ContextualBeliefs
from engine.model.experiment import Experiment, Variant
from engine.model.placement import Contextual
from engine.model.scope import Scope, track_of
from engine.store import folds
from tests import factories
from tests.marks import SQLITE_FIRST
from tests.shop import Shop

PLACEMENT = "payment_methods"
TWO = factories.candidates("card", "paypal")
CONTROL = Variant(id="control", name="As it is")
OTHER = Variant(id="other", name="Other", values={"badge": "new"})

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]


@pytest.fixture
async def shop(empty_shop: Shop) -> Shop:
    await empty_shop.add_placement(factories.placement(), *TWO)
    return empty_shop


async def start(shop: Shop, learning: str, **changes: object) -> None:
    setup: dict[str, object] = {"id": "e", "name": "E", "variants": (CONTROL, OTHER), "minimum_days": 0}
    document = Experiment(learning=learning, **(setup | changes))  # type: ignore[arg-type]
    await shop.engine.experiments.create(shop.actor(), PLACEMENT, document)
    await shop.engine.experiments.start(shop.actor(), PLACEMENT, document.id)


async def buy(shop: Shop, count: int, *, only: str | None = None) -> Counter[str]:
    """Decide for customers, who buy with the first method; return purchases by variant, "" for none."""
    bought: Counter[str] = Counter()
    for number in range(count):
        answer = await shop.decide(f"customer {number}", device_type="mobile", cart_total=5_000)
        variant = "".join(each["variant"] for each in answer.decision.experiments)
        if only in (None, variant):
            await shop.report(answer, "converted", answer.decision.ranking[0].id)
            bought[variant] += 1
    await shop.engine.live.refresh(at_once=True)
    return bought


def learned(shop: Shop) -> dict[str, float]:
    """Return the successes that each learner knows of, by the variant that it decides for."""
    active = shop.engine.live.get(shop.id, PLACEMENT)
    assert active is not None
    return {
        learner.partition("=")[2]: round(sum(arm.successes for arm in stream.snapshots[""].knowledge.arms.values()), 3)
        for learner, stream in active.streams.items()
    }


async def test_each_variant_learns_from_its_own_outcomes_only(shop: Shop) -> None:
    await start(shop, "apart")
    bought = await buy(shop, 30)
    assert min(bought["control"], bought["other"]) > 5
    assert learned(shop) == {"control": bought["control"], "other": bought["other"], "": 30}


async def test_a_variant_begins_with_what_was_learned_before(shop: Shop) -> None:
    await shop.update_state(card=(50, 20), paypal=(50, 10))
    await start(shop, "apart")
    assert learned(shop) == {"control": 30, "other": 30, "": 30}
    bought = await buy(shop, 20)
    assert learned(shop) == {"control": 30 + bought["control"], "other": 30 + bought["other"], "": 50}


async def test_customers_outside_the_experiment_do_not_update_variants(shop: Shop) -> None:
    await start(shop, "apart", share=0.4)
    bought = await buy(shop, 40)
    assert bought[""] > 10
    assert learned(shop) == {"control": bought["control"], "other": bought["other"], "": 40}


async def test_control_only_learning_ignores_variants(shop: Shop) -> None:
    await start(shop, "control_only", share=0.8)
    bought = await buy(shop, 40)
    assert bought["other"] > 5
    assert learned(shop) == {"control": bought["control"] + bought[""]}


async def test_shared_learning_makes_one_set_of_beliefs(shop: Shop) -> None:
    await start(shop, "shared")
    await buy(shop, 10)
    assert learned(shop) == {"": 10}


@SQLITE_FIRST
@pytest.mark.parametrize("learning", ["apart", "control_only"])
async def test_after_the_end_learning_uses_all_variants(shop: Shop, learning: str) -> None:
    await start(shop, learning)
    await buy(shop, 10)
    await shop.engine.experiments.conclude(shop.actor(), PLACEMENT, "e", winner="control", reason="no gain")
    await buy(shop, 5)
    assert learned(shop) == {"": 15}


@SQLITE_FIRST
@pytest.mark.parametrize("learning", ["apart", "shared", "control_only"])
async def test_rebuild_and_replay_give_the_same_results(shop: Shop, learning: str) -> None:
    await start(shop, learning, share=0.7)
    await buy(shop, 12)
    answers = [await shop.decide(f"customer {number}") for number in range(12)]
    assert await rebuild.compare(shop.engine.database) == []
    await rebuild.rebuild(shop.engine.database)
    assert await rebuild.compare(shop.engine.database) == []
    for answer in answers:
        logged = await shop.engine.logbook.get(shop.id, answer.decision.decision_id)
        assert (await replay(shop.engine.database, logged.row)).same


async def test_variants_answer_by_their_own_beliefs(shop: Shop) -> None:
    await start(shop, "apart")
    await buy(shop, 30, only="other")
    versions: dict[str, set[int]] = {}
    for number in range(30):
        decision = (await shop.decide(f"customer {number}")).decision
        versions.setdefault(decision.experiments[0]["variant"], set()).add(decision.beliefs_version)
    assert versions["other"].isdisjoint(versions["control"])


async def test_beliefs_from_facts_are_learned_apart_too(empty_shop: Shop) -> None:
    await empty_shop.add_placement(factories.placement(policy=Contextual(("device.type", "cart.total"))), *TWO)
    before = await buy(empty_shop, 10)
    await start(empty_shop, "apart")
    assert trials(empty_shop) == {"control": 10, "other": 10, "": 10}
    bought = await buy(empty_shop, 20, only="other")
    assert trials(empty_shop) == {"control": before[""], "other": 10 + bought["other"], "": 10 + bought["other"]}
    assert await rebuild.compare(empty_shop.engine.database) == []


def trials(shop: Shop) -> dict[str, int]:
    """Return the trials with known outcomes behind each learner's weights."""
    active = shop.engine.live.get(shop.id, PLACEMENT)
    assert active is not None
    result = {}
    for learner, stream in active.streams.items():
        beliefs = stream.members[0].beliefs_for("")
        assert isinstance(beliefs, ContextualBeliefs)
        result[learner.partition("=")[2]] = round(sum(each.trials for each in beliefs.evidence.factors.values()))
    return result


async def test_sums_are_read_by_the_groups_of_their_track(shop: Shop) -> None:
    sums = folds.Sums()
    for number, groups in enumerate(((), (("a", "x"),), (("a", ""),), (("a", "x"), ("b", "y")), (("A", "x"),))):
        cell = folds.Cell(shop.id, PLACEMENT, track_of("converted", groups), "", "card", 0, 20_000)
        sums.add(folds.STATISTICS, cell, 10**number, 0, 0, 0)
    async with shop.engine.database.write() as connection:
        await folds.add(connection, sums)

    async def read(learner: str) -> int:
        async with shop.engine.database.read() as connection:
            rows = await folds.days(connection, Scope(shop.id, PLACEMENT, learner), bucket=None, since_day=0)
        return sum(row.trials for row in rows)

    assert await read("converted") == 11_111
    assert await read("converted|a=x") == 11_011
    assert await read("converted|a=x|b=z") == 10_011
    assert await read("selected") == 0
