"""Candidates reported as unavailable are excluded with their reason, and every answer replays."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.clock import now_ms, simulated_time
from engine.decisions.requests.constant_answer import constant_answer
from engine.model.documents.availability import Availability, UnavailableCandidate
from engine.model.errors import Invalid, NotFound, Stale
from engine.model.placement import Candidate, Fixed, Placement
from engine.model.resource_kinds import KINDS
from engine.model.timestamps import MINUTE, rfc3339
from tests.marks import SQLITE
from tests.shop import Shop

pytestmark = pytest.mark.anyio

METHODS = "payment_methods"


async def report_unavailable(shop: Shop, *ids: str, reason: str = "gateway down", until: int | None = None) -> None:
    moment = None if until is None else rfc3339(until)
    document = Availability({id: UnavailableCandidate(reason, moment) for id in ids})
    await shop.engine.availability.replace(shop.actor("monitor"), METHODS, document)


def excluded(answer: Any) -> dict[str, str]:
    return {each.id: each.reason for each in answer.decision.excluded}


async def test_unavailable_candidate_is_excluded_until_available(shop: Shop):
    await report_unavailable(shop, "card")
    answer = await shop.decide("anna")
    assert excluded(answer) == {"card": "not available: gateway down"}
    assert "card" not in {ranked.id for ranked in answer.decision.ranking}
    assert (await shop.engine.logbook.replay(shop.id, answer.decision.decision_id)).same
    await report_unavailable(shop)
    assert excluded(await shop.decide("anna")) == {}
    assert (await shop.engine.logbook.replay(shop.id, answer.decision.decision_id)).same


async def test_every_process_applies_the_report(shop: Shop, start_engine):
    other = await start_engine()
    await report_unavailable(shop, "card")
    await other.follow()
    for engine in (other, await start_engine()):
        assert excluded(await Shop(engine, shop.merchant).decide()) == {"card": "not available: gateway down"}


@SQLITE
async def test_new_plan_keeps_the_report(shop: Shop):
    await report_unavailable(shop, "card")
    await shop.create("candidate", Candidate(id="twint", label="TWINT"))
    answer = await shop.decide()
    assert "twint" in {ranked.id for ranked in answer.decision.ranking}
    assert "card" in excluded(answer)


@SQLITE
async def test_report_expires(shop: Shop):
    end = now_ms() + 10 * MINUTE
    await report_unavailable(shop, "card", until=end)
    assert "card" in excluded(await shop.decide())
    with simulated_time(lambda: end):
        await shop.engine.follow()
        assert excluded(await shop.decide()) == {}


@SQLITE
async def test_fallbacks_and_opted_out_customers_exclude_the_candidate(shop: Shop, monkeypatch):
    await report_unavailable(shop, "card")
    [refused] = await shop.engine.decider.decide(shop.id, [METHODS], "anna", {}, personal=False)
    assert "card" in excluded(refused)

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("engine.decisions.decide.answer_to", fail)
    fallen = await shop.decide()
    assert fallen.decision.fallback
    assert "card" in excluded(fallen)


@SQLITE
async def test_a_checkout_cannot_report(shop: Shop):
    answer = await shop.decide(availability_reported={"card": "out"}, availability_unavailable={"card": "out"})
    assert excluded(answer) == {}


@SQLITE
async def test_static_values_exclude_the_candidate(empty_shop: Shop):
    shop = empty_shop
    fixed = Placement(key=METHODS, name="Methods", policy=Fixed())
    await shop.add_placement(
        fixed, Candidate(id="card", label="Card"), Candidate(id="paypal", label="PayPal", position=1)
    )
    await report_unavailable(shop, "card")
    active = shop.engine.live.get(shop.id, METHODS)
    assert active is not None
    assert constant_answer(active).ranking == ["paypal"]


@SQLITE
async def test_invalid_report_is_refused_and_changes_nothing(shop: Shop):
    reports = shop.engine.availability
    wrong = {
        "nobody": UnavailableCandidate("out"),
        "card": UnavailableCandidate("out", "2020-01-01T00:00:00Z"),
        "paypal": UnavailableCandidate("out", "2026-02-30T00:00:00Z"),
    }
    with pytest.raises(Invalid) as refused:
        await reports.replace(shop.actor(), METHODS, Availability(wrong))
    fields = {problem.field for problem in refused.value.problems}
    assert fields == {"unavailable/nobody", "unavailable/card/until", "unavailable/paypal/until"}
    with pytest.raises(NotFound):
        await reports.replace(shop.actor(), "nowhere", Availability())
    assert (await reports.get(shop.id, METHODS)).version == 0


@SQLITE
@pytest.mark.parametrize(
    ("reason", "until", "problem"),
    [
        ("out", "2099-02-30T00:00:00Z", "unavailable/card/until: must be a time of the calendar, before the year 9999"),
        ("out", "9999-12-31T23:59:59Z", "unavailable/card/until: must be a time of the calendar, before the year 9999"),
        ("out", "2020-01-01T00:00:00Z", "unavailable/card/until: must be a time in the future"),
        (" \n", None, "unavailable/card/reason: must not be blank"),
    ],
)
async def test_refused_report_explains_the_mistake(shop: Shop, reason: str, until: str | None, problem: str):
    with pytest.raises(Invalid) as caught:
        await shop.engine.availability.replace(
            shop.actor(), METHODS, Availability({"card": UnavailableCandidate(reason, until)})
        )
    assert caught.value.detail == problem


def test_all_candidates_of_the_largest_placement_can_be_reported():
    most = KINDS["candidate"].most
    report = {"unavailable": {f"c{number}": {"reason": "out"} for number in range(most)}}
    assert len(msgspec.convert(report, Availability).unavailable) == most


@SQLITE
async def test_two_monitors_do_not_overwrite_each_other(shop: Shop):
    reports, document = shop.engine.availability, Availability({"card": UnavailableCandidate("out")})
    assert (await reports.replace(shop.actor(), METHODS, document, version=0)).version == 1
    with pytest.raises(Stale):
        await reports.replace(shop.actor(), METHODS, Availability(), version=0)
    entries = await shop.engine.catalogue.audit(shop.id)
    assert [entry.subject for entry in entries][:1] == ["availability of payment_methods"]
    # Saying the same again is no change.
    assert (await reports.replace(shop.actor(), METHODS, document)).version == 1
    assert await shop.engine.catalogue.audit(shop.id) == entries


@SQLITE
async def test_recreated_placement_has_no_reports(shop: Shop):
    await report_unavailable(shop, "card")
    await shop.engine.catalogue.delete(shop.actor(), "placement", "", METHODS, version=None)
    await shop.add_placement()
    assert excluded(await shop.decide()) == {}
