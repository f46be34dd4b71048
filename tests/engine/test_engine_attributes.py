"""Attributes of candidates: informative ones are features, and new candidates start from them."""

from __future__ import annotations

import pytest

from engine.kernel.encoding.attributes import MOST_TRAITS, attributes_of, traits
from engine.kernel.encoding.scales import number_feature
from engine.model.placement import Contextual
from tests.factories import candidate, order, placement
from tests.marks import SQLITE_FIRST

WALLETS = [candidate(f"w{n}", type="wallet", attributes={"days": 1 + n}) for n in range(2)]
BANKS = [candidate(f"b{n}", type="bank", attributes={"country": "DE" if n else "NL"}) for n in range(2)]


def descriptions(*candidates):
    return [trait.where for trait in traits(candidates)]


def test_attributes_of_some_candidates_are_features():
    assert descriptions(*WALLETS, *BANKS) == ["whose days is 2", "whose type is bank", "whose type is wallet"]
    assert descriptions(*WALLETS) == ["whose days is 2"]
    assert descriptions(candidate("card"), candidate("paypal")) == []


def test_text_attributes_are_binary_and_numbers_are_scaled():
    rows = attributes_of(traits([*WALLETS, *BANKS])).matrix(["w1", "b0", "unlisted"])
    assert rows.tolist() == [[1.0, number_feature(2.0), 0.0, 1.0], [1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]]


def test_the_order_of_candidates_does_not_matter():
    assert traits([*WALLETS, *BANKS]) == traits([*BANKS[::-1], *WALLETS[::-1]])


def test_most_common_attributes_are_used():
    many = [candidate(f"c{n}", type=f"t{n // 2}", attributes={"big": "yes"} if n % 3 else {}) for n in range(90)]
    texts = descriptions(*many)
    assert len(texts) == MOST_TRAITS
    assert texts[0] == "whose big is yes"


@SQLITE_FIRST
@pytest.mark.anyio
@pytest.mark.usefixtures("reproducible_draws")
async def test_new_candidate_starts_from_similar_candidates(empty_shop):
    store = empty_shop
    policy = Contextual(("device.type",), floor=0.2)
    await store.add_placement(placement(policy=policy, credit="first"), *WALLETS, *BANKS)
    for number in range(160):
        answer = await store.decide(device_type="mobile")
        first = order(answer.decision)[0]
        await store.report(answer, "converted" if first[0] == "w" and number % 2 else "abandoned", first)
        if number % 8 == 7:
            await store.engine.live.refresh(at_once=True)
    await store.create("candidate", candidate("wallet", type="wallet"), candidate("bank", type="bank"))
    new = await store.decide(device_type="mobile")
    scores = {ranked.id: ranked.score for ranked in new.decision.ranking}
    assert scores["wallet"] > 1.5 * scores["bank"]
    begin = {start.where: start for start in store.engine.monitor.cold_starts(store.id, "payment_methods")}
    assert begin["whose type is wallet"].rate > begin[""].rate > begin["whose type is bank"].rate
    assert begin["whose type is bank"].ids == ("b0", "b1", "bank")
    assert (await store.engine.logbook.replay(store.id, new.decision.decision_id)).same
