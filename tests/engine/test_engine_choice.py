"""A placement that learns from choices among what was offered."""

from __future__ import annotations

import asyncio
import random
from base64 import b64encode
from collections import Counter

import numpy as np
import pytest

from bandits.choice.model import GaussianEvidence
from engine.decisions import rebuild
from engine.kernel import choice_beliefs
from engine.model.placement import Placement
from tests.factories import candidate, order, placement, rule
from tests.marks import SQLITE_FIRST

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]

SMALL = {"card": 0.60, "paypal": 0.58, "invoice": 0.50}
LARGE = {"card": 0.20, "paypal": 0.19, "invoice": 0.0}
LIMITED = (
    candidate("card", position=0),
    candidate("paypal", position=1),
    candidate("invoice", position=2, max_amount=10_000),
)
BATCH = 100


def choosing(**changes) -> Placement:
    return placement(credit="choice", **changes)


async def shop_until_learned(shop, batches, *, context=None, customer=None, seed=1):
    """Simulate customers who select from the top; return the first candidate for small carts."""
    luck = random.Random(seed)
    firsts = Counter()
    for number in range(batches):
        totals = [luck.choice((5_000, 50_000)) for _ in range(BATCH)]
        answers = await asyncio.gather(*(shop.decide(cart_total=total, cart_currency="EUR") for total in totals))
        outcomes = []
        for total, answer in zip(totals, answers, strict=True):
            rates = SMALL if total == 5_000 else LARGE
            names = order(answer.decision)
            bought = next((name for name in names if luck.random() < rates[name]), None)
            outcomes.append(shop.outcome(answer, "converted" if bought else "abandoned", bought))
            if number >= batches // 2 and total == 5_000:
                firsts[names[0]] += 1
        await shop.engine.recorder.outcomes(outcomes)
        await shop.engine.live.refresh(at_once=True)
    return firsts


@SQLITE_FIRST
async def test_limit_on_the_worst_candidate_does_not_make_it_first(empty_shop):
    await empty_shop.add_placement(choosing(), *LIMITED)
    firsts = await shop_until_learned(empty_shop, 24)
    assert firsts["invoice"] < 0.1 * firsts.total()
    assert await rebuild.compare(empty_shop.engine.database) == []


async def test_answers_from_choices_replay(empty_shop):
    await empty_shop.add_placement(choosing(buckets=("device.type",)), *LIMITED)
    await shop_until_learned(empty_shop, 3)
    answer = await empty_shop.decide("ada", cart_total=5_000, cart_currency="EUR", device_type="mobile")
    await empty_shop.report(answer, "converted", "paypal")
    await empty_shop.engine.live.refresh(at_once=True)
    again = await empty_shop.decide("ada", cart_total=5_000, cart_currency="EUR", device_type="mobile")
    for made in (answer, again):
        assert made.decision.beliefs_version > 0
        assert (await empty_shop.engine.logbook.replay(empty_shop.id, made.decision.decision_id)).same


async def test_favourite_changes_only_its_customer(empty_shop):
    await empty_shop.add_placement(choosing(), *LIMITED)
    await shop_until_learned(empty_shop, 4)
    before = await empty_shop.decide(cart_total=5_000, cart_currency="EUR")
    for _ in range(6):
        await empty_shop.report(None, "converted", "invoice", customer="ada")
    firsts = [
        (await empty_shop.decide("ada", cart_total=5_000, cart_currency="EUR")).decision.ranking for _ in range(8)
    ]
    assert sum(ranking[0].id == "invoice" for ranking in firsts) >= 6
    after = await empty_shop.decide(cart_total=5_000, cart_currency="EUR")
    assert score_of(after, "invoice") == score_of(before, "invoice")


def score_of(answer, name):
    return next(ranked.score for ranked in answer.decision.ranking if ranked.id == name)


async def test_a_refund_takes_a_choice_back(empty_shop):
    await empty_shop.add_placement(choosing(), *LIMITED)
    answer = await empty_shop.decide(cart_total=5_000, cart_currency="EUR")
    await empty_shop.report(answer, "converted", "card")
    await empty_shop.engine.live.refresh(at_once=True)
    chosen = score_of(await empty_shop.decide(cart_total=5_000, cart_currency="EUR"), "card")
    await empty_shop.report(answer, "refunded", "card")
    await empty_shop.engine.live.refresh(at_once=True)
    assert score_of(await empty_shop.decide(cart_total=5_000, cart_currency="EUR"), "card") < chosen
    assert await rebuild.compare(empty_shop.engine.database) == []


@SQLITE_FIRST
@pytest.mark.parametrize("pinned", ["invoice"])
async def test_a_pin_does_not_become_a_merit(empty_shop, pinned):
    await empty_shop.add_placement(choosing(), *(candidate(name, position=n) for n, name in enumerate(SMALL)))
    await empty_shop.create(
        "rule",
        rule({"pin": {"candidate": pinned, "slot": 1}}, id="pin", when={">": [{"var": "cart.total"}, 10_000]}),
    )
    firsts = await shop_until_learned(empty_shop, 16)
    assert firsts["invoice"] < 0.2 * firsts.total()


def some_evidence(size: int) -> GaussianEvidence:
    """Return evidence of two strata that meet in no decision: the precision between them is zero."""
    half = np.random.default_rng(1).integers(-9_999, 9_999, (size // 2, size // 2)).astype(float)
    precision = np.kron(np.eye(2), half + half.T)
    return GaussianEvidence(np.arange(size, dtype=float), precision)


def test_stored_evidence_is_restored_exactly():
    evidence = some_evidence(200)
    numbers = np.concatenate((evidence.information, evidence.precision[np.triu_indices(200)])).astype("<f4")
    as_before = b64encode(numbers.tobytes()).decode()
    stored = choice_beliefs._pack_evidence(evidence)
    assert len(stored) < 0.6 * len(as_before)
    for packed in (stored, as_before):
        read = choice_beliefs._unpack_evidence(packed, 200)
        assert (read.information == evidence.information).all()
        assert (read.precision == evidence.precision).all()


GERMAN = {"card": 0.15, "paypal": 0.6, "invoice": 0.3}
FRENCH = {"card": 0.6, "paypal": 0.15, "invoice": 0.3}


@SQLITE_FIRST
async def test_arms_page_agrees_with_decisions_of_the_group(empty_shop):
    """A rule fires for every customer, so the stratum without rules is empty."""
    shop = empty_shop
    candidates = [candidate(name, position=number) for number, name in enumerate(("card", "paypal", "invoice", "gift"))]
    await shop.add_placement(choosing(buckets=("geo.country",)), *candidates)
    await shop.create("rule", rule({"exclude": ["gift"]}, id="no-gift", when={"var": "geo.country"}))
    luck = random.Random(4)
    for _ in range(12):
        countries = [luck.choice(("DE", "FR")) for _ in range(BATCH)]
        answers = await asyncio.gather(*(shop.decide(geo_country=country) for country in countries))
        outcomes = []
        for country, answer in zip(countries, answers, strict=True):
            rates = GERMAN if country == "DE" else FRENCH
            bought = next((name for name in order(answer.decision) if luck.random() < rates[name]), None)
            outcomes.append(shop.outcome(answer, "converted" if bought else "abandoned", bought))
        await shop.engine.recorder.outcomes(outcomes)
        await shop.engine.live.refresh(at_once=True)
    for country, best in (("DE", "paypal"), ("FR", "card")):
        page = await shop.engine.monitor.arms(shop.id, "payment_methods", bucket=country)
        arms = {arm.id: arm for arm in page.arms}
        assert max(arms, key=lambda name: arms[name].chance or 0) == best
        assert max((name for name in GERMAN), key=lambda name: arms[name].mean) == best
        answer = await shop.decide(geo_country=country)
        confidence = {ranked.id: ranked.confidence for ranked in answer.decision.ranking}
        assert {name: arms[name].chance for name in confidence} == pytest.approx(confidence, abs=0.02)
        assert arms["gift"].chance == 0
