"""Inactive customers are deleted after their period; their refusals are kept."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, text

from engine.clock import now_ms, simulated_time
from engine.customers import inactivity
from engine.customers.changes import Changer
from engine.model.documents.consent import ConsentRecord
from engine.model.documents.preferences import PreferenceChange
from engine.model.documents.retention import RetentionPolicy
from engine.model.timestamps import DAY
from engine.store.tables import metadata
from tests.marks import SQLITE
from tests.shop import Shop

pytestmark = pytest.mark.anyio

SERVER = Changer("server", "key 1")
NINETY = RetentionPolicy(inactive_customers=90)


async def ago(days: int, act: Any) -> Any:
    """Do something as if it were so many days ago."""
    then = now_ms() - days * DAY
    with simulated_time(lambda: then):
        return await act()


async def set_preferences(shop: Shop, customer: str, **change: Any) -> None:
    await shop.engine.preferences.change(shop.id, customer, PreferenceChange(**change), SERVER)


async def consent(shop: Shop, customer: str, **purposes: bool) -> None:
    await shop.engine.consents.record(shop.id, customer, ConsentRecord(method="save", purposes=purposes), SERVER)


async def visit(shop: Shop, customer: str) -> Any:
    answer = await shop.decide(customer)
    await shop.engine.visits.flush()
    return answer


async def rows(shop: Shop, table: str, customer: str) -> int:
    t = metadata.tables[table]
    own = t.c.customer == shop.engine.hasher(shop.id, customer)
    async with shop.engine.database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(t).where(own))).scalar_one())


async def stored_preferences(shop: Shop, customer: str) -> dict[str, str]:
    """Return the active consents of a customer."""
    in_force = await shop.engine.consents.get(shop.id, customer)
    return {each.purpose: each.state for each in in_force.purposes if each.state != "unknown"}


async def forget(shop: Shop, policy: RetentionPolicy = NINETY) -> None:
    await shop.engine.retention.replace(shop.actor(), policy, confirmed=True)
    await shop.engine.inactive_customers.forget(now=now_ms())


async def test_only_inactive_customers_are_deleted(shop: Shop):
    for customer in ("anna", "ben"):
        await ago(120, lambda customer=customer: set_preferences(shop, customer, language="de"))
        await ago(119, lambda customer=customer: set_preferences(shop, customer, language="fr"))
    await ago(50, lambda: visit(shop, "ben"))
    [preview] = await shop.engine.retention.preview(shop.id, NINETY)
    assert (preview.rows, preview.parts.keys()) == (1, {"customers"})
    assert round((now_ms() - preview.oldest_at) / DAY) in (119, 120)
    await forget(shop)
    assert [await rows(shop, name, "anna") for name in ("customer_settings", "customer_setting_versions")] == [0, 0]
    assert (await shop.engine.preferences.get(shop.id, "ben")).preferences.language == "fr"
    assert len(await shop.engine.preferences.versions(shop.id, "ben", limit=10)) == 2


@SQLITE
async def test_no_customer_is_deleted_before_the_period_ends(shop: Shop):
    # The visit six days after the first is not noted, so that the first one counts a week longer.
    await ago(96, lambda: set_preferences(shop, "anna", language="de"))
    await ago(91, lambda: visit(shop, "anna"))
    await forget(shop)
    assert (await shop.engine.preferences.get(shop.id, "anna")).preferences.language == "de"


@SQLITE
async def test_the_server_forgets_after_18_months_without_a_policy(shop: Shop):
    await ago(560, lambda: set_preferences(shop, "anna", language="de"))
    await ago(540, lambda: set_preferences(shop, "ben", language="de"))
    await shop.engine.purge()
    assert (await shop.engine.preferences.get(shop.id, "anna")).preferences.language is None
    assert (await shop.engine.preferences.get(shop.id, "ben")).preferences.language == "de"


async def test_a_refusal_stays_and_is_all_that_stays(shop: Shop):
    await ago(120, lambda: set_preferences(shop, "anna", language="de", personalization_enabled=False))
    await ago(120, lambda: consent(shop, "ben", analytics=False, cross_merchant=True))
    await ago(120, lambda: set_preferences(shop, "ben", excluded=("klarna",)))
    await forget(shop)
    assert not (await shop.decide("anna")).is_personal
    assert (await shop.engine.preferences.get(shop.id, "anna")).preferences.language is None
    assert await stored_preferences(shop, "ben") == {"analytics": "refused"}
    assert (await shop.engine.preferences.get(shop.id, "ben")).preferences.excluded == ()
    assert await rows(shop, "customer_setting_versions", "anna") == 0
    # The proof that ben was asked is younger than three years.
    assert await rows(shop, "customer_consents", "ben") == 1


@SQLITE
async def test_consents_stay_as_proof_for_three_years(shop: Shop):
    await ago(inactivity.DAYS_OF_PROOF + 1, lambda: consent(shop, "anna", analytics=True))
    await ago(inactivity.DAYS_OF_PROOF - 1, lambda: consent(shop, "ben", analytics=True))
    await forget(shop)
    assert [await rows(shop, "customer_consents", name) for name in ("anna", "ben")] == [0, 1]
    assert [await rows(shop, "customer_settings", name) for name in ("anna", "ben")] == [0, 1]
    # A customer who returns starts again; the next consent is stored beside the proof.
    assert await stored_preferences(shop, "ben") == {}
    await consent(shop, "ben", analytics=False)
    assert await rows(shop, "customer_consents", "ben") == 2


async def test_linked_ids_are_deleted_with_their_customer(shop: Shop):
    await ago(120, lambda: shop.engine.aliases.link(shop.id, "anna", "device"))
    await ago(120, lambda: shop.engine.aliases.link(shop.id, "ben", "phone"))
    await ago(10, lambda: visit(shop, "ben"))
    await ago(10, lambda: visit(shop, "phone"))
    await forget(shop)
    assert [await rows(shop, "customer_aliases", name) for name in ("anna", "ben")] == [0, 1]


@SQLITE
async def test_unrecorded_visits_count_from_now(shop: Shop):
    await ago(1_000, lambda: set_preferences(shop, "anna", language="de"))
    async with shop.engine.database.write() as connection:
        await connection.execute(text("UPDATE customer_settings SET seen_day = 0"))
    await forget(shop)
    assert (await shop.engine.preferences.get(shop.id, "anna")).preferences.language == "de"
    assert await shop.engine.retention.preview(shop.id, NINETY)
    await shop.engine.inactive_customers.forget(now=now_ms() + 98 * DAY)
    assert (await shop.engine.preferences.get(shop.id, "anna")).preferences.language is None


@SQLITE
async def test_opted_out_customer_has_no_recorded_visit(shop: Shop):
    await ago(120, lambda: set_preferences(shop, "anna", personalization_enabled=False))

    async def seen() -> int:
        async with shop.engine.database.read() as connection:
            return int((await connection.execute(text("SELECT seen_day FROM customer_settings"))).scalar_one())

    before = await seen()
    await visit(shop, "anna")
    assert await seen() == before


@SQLITE
async def test_customer_who_returns_during_deletion_is_kept(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    await ago(120, lambda: set_preferences(shop, "anna", language="de"))
    service, reduce = shop.engine.inactive_customers, shop.engine.inactive_customers._reduce

    async def come_back_first(*given: Any) -> int:
        await set_preferences(shop, "anna", theme="dark")
        return await reduce(*given)

    monkeypatch.setattr(service, "_reduce", come_back_first)
    await forget(shop)
    assert (await shop.engine.preferences.get(shop.id, "anna")).preferences.language == "de"
