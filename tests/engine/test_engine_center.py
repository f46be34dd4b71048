"""Links to the customer center prove one customer for a time, and each act there is the customer's."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.accounts.data_keys import SigningKeys
from engine.clock import now_ms
from engine.customers.center import CUSTOMER, SERVED_AT
from engine.customers.center_links import LONGEST_LINK_MINUTES, SESSION_MS, CenterLinks, CenterVisit
from engine.model.actor import Actor
from engine.model.documents.consent import ConsentNotice
from engine.model.documents.preferences import PreferenceChange
from engine.model.errors import Invalid
from engine.model.timestamps import MINUTE

LINKS = CenterLinks(SigningKeys(b"k" * 32))
NOTICE = ConsentNotice(version="1", text="what was read")
IDS = st.text(min_size=1, max_size=256).filter(lambda text: text.isprintable())


def visit(customer: str = "anna", merchant: int = 7) -> CenterVisit:
    return CenterVisit(
        merchant_id=merchant, customer_id=customer, language="de", made_by="tests", expires_at=now_ms() + MINUTE
    )


# Links


@given(IDS, st.integers(1, 2**31))
def test_link_contains_the_encrypted_customer(customer: str, merchant: int):
    made = visit(customer, merchant)
    text = LINKS.seal("link", made)
    assert LINKS.open("link", text) == made
    assert text.replace("-", "").replace("_", "").replace(".", "").isalnum()
    assert len(customer) < 6 or customer not in text


def test_two_links_of_a_customer_differ():
    assert LINKS.seal("link", visit()) != LINKS.seal("link", visit())


def test_changed_link_is_refused():
    text = LINKS.seal("link", visit())
    for position in range(0, len(text) - 1, 7):
        other = "A" if text[position] != "A" else "B"
        assert LINKS.open("link", text[:position] + other + text[position + 1 :]) is None
    assert LINKS.open("link", text[:-8]) is None


@pytest.mark.parametrize("text", ["", "a", "====", "ä", "\0", "A" * 40, "A" * 41, "_" * 5_000])
def test_arbitrary_text_is_refused(text: str):
    assert LINKS.open("link", text) is None
    assert LINKS.open("session", text) is None


def test_link_of_another_server_is_refused():
    assert CenterLinks(SigningKeys(b"l" * 32)).open("link", LINKS.seal("link", visit())) is None


def test_a_link_is_no_session():
    assert LINKS.open("session", LINKS.seal("link", visit())) is None
    assert LINKS.open("link", LINKS.follow(visit())) is None


def test_a_session_outlives_its_link():
    session = LINKS.open("session", LINKS.follow(msgspec.structs.replace(visit(), expires_at=now_ms() + 1)))
    assert session is not None
    assert 0 <= now_ms() + SESSION_MS - session.expires_at < MINUTE
    assert (session.customer_id, session.language, session.made_by) == ("anna", "de", "tests")


def test_link_is_audited_with_its_creator():
    issued = LINKS.issue(Actor(7, "key of the shop"), "anna", minutes=LONGEST_LINK_MINUTES)
    opened = LINKS.open("link", issued.secret)
    assert opened is not None
    assert (opened.made_by, opened.expires_at, opened.language) == ("key of the shop", issued.expires_at, "")


# Acts


@pytest.fixture
def anna(shop: Any) -> CenterVisit:
    return visit(merchant=shop.id)


@pytest.mark.anyio
async def test_all_that_the_center_shows_is_the_visitors(shop: Any, anna: CenterVisit):
    await shop.decide("anna")
    await shop.decide("ben")
    data = await shop.engine.customer_center.read(anna)
    (decisions,) = [section.rows for section in data.sections if section.name == "decisions"]
    assert (len(decisions), list(data.consents), list(data.versions)) == (1, [], [])
    assert set(shop.engine.customer_center.methods(anna)) >= {"card", "paypal"}


@pytest.mark.anyio
async def test_a_consent_is_not_shown_as_a_change_of_preferences_too(shop: Any, anna: CenterVisit):
    center = shop.engine.customer_center
    await center.save_purposes(anna, {"analytics": False}, NOTICE)
    await center.save_preferences(anna, PreferenceChange(default_method="card"))
    data = await center.read(anna)
    assert [consent.version for consent in data.consents] == [1]
    assert [version.version for version in data.versions] == [2]
    assert (data.consents[0].record.served_at, data.consents[0].record.notice) == (SERVED_AT, NOTICE)
    assert {each.changer for each in (*data.consents, *data.versions)} == {CUSTOMER}


@pytest.mark.anyio
async def test_consent_restores_personalization(shop: Any, anna: CenterVisit):
    center, customers = shop.engine.customer_center, shop.engine.customer_rights
    await customers.erase(shop.actor(), "anna", check="tests")
    assert (await center.read(anna)).consent.personalized is False
    await center.save_purposes(anna, {"personalization": True, "analytics": False}, NOTICE)
    assert (await center.read(anna)).consent.personalized is True
    await center.opt_out(anna, NOTICE)
    assert (await center.read(anna)).consent.personalized is False
    assert {state.allowed for state in (await center.read(anna)).consent.purposes} == {False}


@pytest.mark.anyio
async def test_refused_action_stores_nothing(shop: Any, anna: CenterVisit):
    with pytest.raises(Invalid):
        await shop.engine.customer_center.save_purposes(anna, {"world domination": True}, NOTICE)
    with pytest.raises(Invalid):
        await shop.engine.customer_center.save_preferences(anna, PreferenceChange(default_method="gold bars"))
    data = await shop.engine.customer_center.read(anna)
    assert (data.preferences.version, list(data.consents)) == (0, [])


@pytest.mark.anyio
async def test_each_act_is_in_the_register_and_the_audit_log(shop: Any, anna: CenterVisit):
    center = shop.engine.customer_center
    await shop.decide("anna")
    await center.opt_out(anna, NOTICE)
    await center.export(anna)
    assert (await center.erase(anna)).receipt.decisions == 1
    requests = await shop.engine.privacy_requests.page(shop.id, limit=10)
    assert [(each.kind, each.state) for each in requests] == [
        ("restrict", "done"), ("export", "done"), ("erase", "done"),
    ]  # fmt: skip
    assert {each.identity_check for each in requests} == {"link by tests"}
    entries = [each for each in await shop.engine.catalogue.audit(shop.id) if each.subject.startswith("request ")]
    assert ({each.actor for each in entries}, len(entries)) == ({CUSTOMER.name}, 6)
