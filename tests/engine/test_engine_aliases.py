"""Data of an anonymous visitor is joined to the customer at a login, in one direction, and erased with it."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.customers.changes import Changer
from engine.decisions import rebuild
from engine.model.documents.consent import ConsentRecord
from engine.model.documents.joined_settings import joined
from engine.model.documents.preferences import CustomerSettings, PreferenceChange, Preferences
from engine.model.errors import Conflict, Invalid
from tests.engine.test_engine_erasure import contents, differing, open_shop, shop_around, tidy_contents
from tests.shop import Shop

BROWSER = Changer("customer", "the customer's browser")
METHODS = st.sampled_from(("card", "paypal", "klarna"))
PREFERENCES = st.builds(
    Preferences,
    default_method=st.none() | METHODS,
    favorites=st.lists(METHODS, unique=True, max_size=2).map(tuple),
    excluded=st.lists(METHODS, unique=True, max_size=2).map(tuple),
    language=st.none() | st.sampled_from(("de", "ar")),
    personalization_enabled=st.none() | st.booleans(),
    notifications=st.dictionaries(st.sampled_from(("email", "sms")), st.booleans()),
).filter(lambda preferences: not {preferences.default_method, *preferences.favorites} & set(preferences.excluded))
SETTINGS = st.builds(
    CustomerSettings,
    preferences=PREFERENCES,
    consents=st.dictionaries(st.sampled_from(("personalization", "analytics")), st.booleans()),
    prompt_answered=st.booleans(),
)


async def link(shop: Any, customer: str = "anna", anonymous: str = "device") -> Any:
    return await shop.engine.aliases.link(shop.id, customer, anonymous)


async def buys(shop: Any, customer: str, candidate: str = "paypal", *, times: int = 4) -> None:
    for _ in range(times):
        await shop.report(await shop.decide(customer), "converted", candidate)


async def says(shop: Any, customer: str, **purposes: bool) -> None:
    record = ConsentRecord(method="save", purposes=purposes)
    await shop.engine.consents.record(shop.id, customer, record, BROWSER)


async def purchases(shop: Any, customer: str) -> dict[str, int]:
    sections = await shop.engine.customer_export.sections(shop.id, customer)
    (rows,) = [section.rows for section in sections if section.name == "affinities"]
    return {row["candidate"]: row["purchases"] for row in rows if row["purchases"]}


# Joined preferences


@given(SETTINGS, SETTINGS)
def test_joined_preferences_are_consistent(own: CustomerSettings, other: CustomerSettings):
    both = joined(own, other)
    preferences = both.preferences
    assert not {preferences.default_method, *preferences.favorites} & set(preferences.excluded)
    pairs = [(own.consents, other.consents, both.consents)]
    pairs.append(tuple({"all": each.preferences.personalization_enabled} for each in (own, other, both)))
    for mine, theirs, result in pairs:
        for name in mine.keys() | theirs.keys():
            values = {mine.get(name), theirs.get(name)} - {None}
            assert result.get(name) is (None if not values else False not in values)
    assert joined(own, own) == own
    assert joined(both, other) == both


@given(SETTINGS)
def test_customer_without_preferences_inherits_those_of_the_device(other: CustomerSettings):
    assert joined(CustomerSettings(), other) == other
    assert joined(other, CustomerSettings()) == other


# Linking

pytestmark = pytest.mark.anyio


async def test_later_events_of_the_device_are_joined(shop):
    await buys(shop, "device")
    open_answer = await shop.decide("device")
    assert await purchases(shop, "anna") == {}
    assert (await link(shop)).is_new
    assert await purchases(shop, "anna") == {"paypal": 4}
    reasons = {each.id: each.reasons for each in (await shop.decide("anna")).decision.ranking}
    assert "last 4 purchases" in str(reasons["paypal"])
    # A guest decides, logs in and pays: the purchase is the customer's.
    await shop.report(open_answer, "converted", "paypal")
    assert await purchases(shop, "anna") == {"paypal": 5}
    # One direction only: the next user of the device does not see Anna's other data.
    await buys(shop, "anna", "card", times=1)
    assert await purchases(shop, "device") == {"paypal": 5}
    assert await purchases(shop, "anna") == {"paypal": 5, "card": 1}
    assert await rebuild.compare(shop.engine.database) == []


async def test_two_devices_of_a_customer_add_up(shop):
    await buys(shop, "phone", times=1)
    await buys(shop, "laptop", times=2)
    await link(shop, anonymous="phone")
    await link(shop, anonymous="laptop")
    assert await purchases(shop, "anna") == {"paypal": 3}
    assert await purchases(shop, "ben") == {}


async def test_a_repeated_link_changes_nothing(shop):
    first = await link(shop)
    before = await contents(shop.engine.database)
    again = await link(shop)
    assert (again.linked_at, again.is_new) == (first.linked_at, False)
    assert await contents(shop.engine.database) == before


async def test_two_identified_customers_are_never_joined(shop):
    await link(shop, "anna", "device")
    for customer, anonymous in (("ben", "device"), ("ben", "anna"), ("device", "phone")):
        with pytest.raises(Conflict):
            await link(shop, customer, anonymous)
    with pytest.raises(Invalid):
        await link(shop, "anna", "anna")
    assert (await link(shop, "anna", "device")).is_new is False


async def test_only_one_of_concurrent_links_succeeds(shop):
    pairs = [("anna", "device"), ("ben", "device"), ("device", "anna"), ("device", "ben")]
    for customer, anonymous in itertools.permutations(("anna", "ben", "clara"), 2):
        pairs.append((customer, anonymous))
    results = await asyncio.gather(*(link(shop, *pair) for pair in pairs), return_exceptions=True)
    linked = {pair for pair, result in zip(pairs, results, strict=True) if not isinstance(result, BaseException)}
    assert linked
    assert all(isinstance(result, Conflict) for result in results if isinstance(result, BaseException))
    aliases, customers = [anonymous for _, anonymous in linked], {customer for customer, _ in linked}
    assert len(aliases) == len(set(aliases))
    assert not customers & set(aliases)


async def test_another_merchants_link_is_unknown(shop):
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    other_shop = Shop(shop.engine, other)
    await buys(shop, "device")
    await other_shop.engine.aliases.link(other_shop.id, "anna", "device")
    assert await purchases(shop, "anna") == {}
    await link(shop, "ben", "device")
    assert await purchases(shop, "ben") == {"paypal": 4}


# Stated preferences


async def test_consents_and_preferences_are_joined_with_their_history(shop):
    await says(shop, "device", analytics=False, personalization=True)
    change = PreferenceChange(default_method="card", language="de")
    await shop.engine.preferences.change(shop.id, "device", change, BROWSER)
    await shop.engine.preferences.change(shop.id, "anna", PreferenceChange(language="ar"), BROWSER)
    await link(shop)
    in_force = await shop.engine.preferences.get(shop.id, "anna")
    assert (in_force.preferences.default_method, in_force.preferences.language) == ("card", "ar")
    (entry,) = await shop.engine.consents.history(shop.id, "anna", limit=10)
    assert entry.record.purposes == {"analytics": False, "personalization": True}
    assert (entry.changer.name, entry.record.served_at) == ("log-in", "log-in")


async def test_later_withdrawal_is_kept(shop):
    await says(shop, "device", analytics=False)
    await link(shop)
    await says(shop, "anna", analytics=True)
    await link(shop)
    states = {state.purpose: state.allowed for state in (await shop.engine.consents.get(shop.id, "anna")).purposes}
    assert states["analytics"] is True
    await says(shop, "device", cross_merchant=False)
    await link(shop)
    states = {state.purpose: state.allowed for state in (await shop.engine.consents.get(shop.id, "anna")).purposes}
    assert states["cross_merchant"] is False


async def test_refusal_of_the_customer_applies_to_the_device(shop):
    await says(shop, "anna", personalization=False)
    await link(shop)
    assert (await shop.decide("device")).is_personal is False
    other = await link(shop, "ben", "phone")
    assert other.is_new
    assert (await shop.decide("phone")).is_personal is True


# Rights


async def test_export_contains_data_from_before_the_link(shop):
    await shop.decide("device")
    await shop.decide("anna")
    await says(shop, "device", analytics=False)
    await link(shop)
    sections = {each.name: each.rows for each in await shop.engine.customer_export.sections(shop.id, "anna")}
    assert len(sections["decisions"]) == 2
    assert [sorted(row) for row in sections["aliases"]] == [["linked_at"]]
    assert len(sections["consent_history"]) == 2
    assert "not readable" not in str(sections)


async def test_an_erasure_takes_the_devices_along(empty_shop):
    shop = empty_shop
    await open_shop(shop)
    await shop_around(shop, "ben")
    before = await tidy_contents(shop)
    await shop_around(shop, "anna", "device")
    await link(shop)
    receipt = await shop.engine.eraser.erase(shop.id, "anna", suppress=False)
    assert receipt.decisions == 8
    await shop.engine.supervisor.add_up()
    assert differing(before, await contents(shop.engine.database)) == {}
    assert await rebuild.compare(shop.engine.database) == []


async def test_an_erasure_that_suppresses_suppresses_the_devices(shop):
    await shop.decide("device")
    await link(shop)
    await shop.engine.eraser.erase(shop.id, "anna")
    assert [(await shop.decide(name)).is_personal for name in ("anna", "device", "ben")] == [False, False, True]
    assert len(list(shop.engine.eraser._file.lines())) == 2


async def test_erasing_a_device_removes_its_data_from_the_customer(shop):
    await buys(shop, "device")
    await link(shop)
    await shop.engine.eraser.erase(shop.id, "device")
    assert await purchases(shop, "anna") == {}
    assert (await shop.decide("anna")).is_personal is True
