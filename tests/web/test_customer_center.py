"""The customer center: who gets in, what the page says in three languages, and that every act is the customer's."""

from __future__ import annotations

import io
import json
import re
import string
import zipfile
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import pytest

from engine.customers.center_links import CenterVisit
from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from web.center.languages import ENGLISH, LANGUAGES, preferred
from web.http.rate_limits import RateLimit

LINKS, CENTER = "/v1/personalize/customer-links", "/customer-center"
OPEN = f"{CENTER}/open"
CUSTOMER = "anna@example.com"
ACTS = ("purposes", "preferences", "export", "opt-out", "erase")


@pytest.fixture
def visitor(side: Side) -> Iterator[httpx.Client]:
    """A customer's browser that followed a link."""
    with side.server.client() as client:
        assert follow(client, link_of(side)).status_code == 303
        yield client


def link_of(side: Side, customer: str = CUSTOMER, **more: Any) -> str:
    """The secret behind the # of a new link."""
    answer = side.client.post(LINKS, json={"customer_id": customer, **more})
    assert answer.status_code == 201, answer.text
    address, _, secret = answer.json()["url"].partition("#")
    assert address == f"{side.server.url}{OPEN}"
    return str(secret)


def expired_link(side: Side, language: str = "") -> str:
    visit = CenterVisit(
        merchant_id=side.merchant.id, customer_id=CUSTOMER, language=language, made_by="tests", expires_at=1
    )
    return side.server.engine.center_links.seal("link", visit)


def follow(client: httpx.Client, secret: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(OPEN, data={"link": secret}, headers=named)


def page_of(client: httpx.Client, **query: str) -> str:
    answer = client.get(CENTER, params=query)
    assert answer.status_code == 200, answer.text
    return unescape(answer.text)


def send(client: httpx.Client, act: str, **fields: str) -> httpx.Response:
    return client.post(f"{CENTER}/{act}", data=fields)


def decide(side: Side) -> dict[str, Any]:
    return side.decide(CUSTOMER)


def stored_preferences(side: Side, path: str = "", customer: str = CUSTOMER) -> Any:
    """Return the stored preferences of a customer."""
    return side.client.post(f"/v1/personalize/preferences{path}", json={"customer_id": customer}).json()


# Who gets in


def test_link_opens_the_customers_page_without_an_id(side: Side):
    secret = link_of(side)
    assert CUSTOMER not in secret
    assert re.fullmatch(r"[A-Za-z0-9._-]+", secret)
    with side.server.client() as client:
        entry = client.get(OPEN)
        assert (entry.status_code, secret in entry.text) == (200, False)
        answer = follow(client, secret)
        assert (answer.status_code, answer.headers["location"]) == (303, CENTER)
        cookie = answer.headers["set-cookie"].lower()
        for part in ("httponly", "samesite=strict", f"path={CENTER}", "max-age=1800"):
            assert part in cookie
        assert CUSTOMER not in cookie
        page = client.get(CENTER)
        assert page.status_code == 200
        assert page.headers["cache-control"] == "no-store"
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert CUSTOMER not in page.text


@CHANGES_NOTHING
@pytest.mark.parametrize("kind", ["none", "wrong", "session", "not ascii"])
def test_invalid_link_is_refused(side: Side, kind: str):
    link = link_of(side)
    visit = side.server.engine.center_links.open("link", link)
    assert visit is not None
    secrets = {
        "none": "",
        "wrong": ("B" if link[0] != "B" else "C") + link[1:],
        "session": side.server.engine.center_links.follow(visit),
        "not ascii": "ä" * 60,
    }
    with side.server.client() as client:
        answer = follow(client, secrets[kind])
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
        # A link is no session either.
        cookie = link if kind == "session" else secrets[kind]
        assert client.get(CENTER, headers=[(b"cookie", f"tap2_center={cookie}".encode())]).status_code == 403


@CHANGES_NOTHING
@pytest.mark.parametrize(("language", "accepted", "words"), [
    ("ar", "de", "لم يعد هذا الرابط صالحًا"), ("", "de-AT,en;q=0.5", "Dieser Link gilt nicht mehr"),
    ("", "fr,xx", "This link does not work any more"),
])  # fmt: skip
def test_expired_link_has_a_message_in_the_customers_language(side: Side, language: str, accepted: str, words: str):
    with side.server.client() as client:
        answer = follow(client, expired_link(side, language), accept_language=accepted)
        assert (answer.status_code, words in answer.text) == (403, True)
        assert "set-cookie" not in answer.headers


def test_actions_require_a_link(side: Side):
    decide(side)
    with side.server.client() as client:
        for act in ("", *ACTS):
            answer = client.request("POST" if act else "GET", f"{CENTER}/{act}".rstrip("/"), data={"confirm": "on"})
            assert answer.status_code == 403, act
    assert side.client.get("/v1/personalize/requests").json()["items"] == []


@pytest.mark.parametrize("headers", [
    {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"},
])  # fmt: skip
def test_form_of_another_origin_is_refused(side: Side, visitor: httpx.Client, headers: dict[str, str]):
    answer = visitor.post(f"{CENTER}/opt-out", headers=headers)
    assert answer.status_code == 403
    assert "personalized" not in decide(side)
    assert follow(visitor, link_of(side), **headers).status_code == 403
    assert visitor.post(f"{CENTER}/opt-out", headers={"origin": side.server.url}).status_code == 303


def test_customer_cannot_read_or_change_another_customer(server: Server, side: Side, visitor: httpx.Client):
    other, _ = server.sides()
    other.create_examples()
    for owner, customer in ((side, "ben"), (other, CUSTOMER)):
        preferences = {"customer_id": customer, "default_method": "card", "language": "nl"}
        owner.client.put("/v1/personalize/preferences", json=preferences)
        owner.decide(customer)
    assert 'value="nl"' not in page_of(visitor)
    send(visitor, "preferences", default_method="paypal", customer_id="ben", merchant_id=other.merchant.slug)
    send(visitor, "erase", confirm="on", customer_id="ben")
    for owner, customer in ((side, "ben"), (other, CUSTOMER)):
        assert stored_preferences(owner, customer=customer)["preferences"]["default_method"] == "card"
        assert owner.decide(customer)["ranking"][0]["id"] == "card"


def test_links_require_a_secret_key(side: Side):
    with side.server.client(side.new_key("publishable")) as browser:
        assert browser.post(LINKS, json={"customer_id": CUSTOMER}).status_code == 403
    wrong: dict[str, Any] = {"minutes": 1_441, "language": "fr", "customer_id": ""}
    for field, value in wrong.items():
        answer = side.client.post(LINKS, json={"customer_id": CUSTOMER, field: value})
        assert (answer.status_code, answer.json()["field"]) == (400, field)


# What the page shows and does


def test_consents_take_effect_at_once(side: Side, visitor: httpx.Client):
    assert "You have not chosen yet" in page_of(visitor)
    answer = send(visitor, "purposes", **{"purpose-personalization": "on"})
    assert answer.status_code == 303
    page = page_of(visitor, done="done_purposes")
    assert "Your choice counts from now on" in page
    assert "Refused: Statistics, Other shops" in page
    assert "by you" in page
    (entry,) = side.client.post("/v1/personalize/consents/history", json={"customer_id": CUSTOMER}).json()["items"]
    assert (entry["method"], entry["source"], entry["served_at"]) == ("save", "customer", "customer center")
    assert entry["notice"]["version"] == "customer center"
    assert "Statistics: Details that serve" in entry["notice"]["text"]
    send(visitor, "purposes")
    assert decide(side)["personalized"] is False
    assert "does not adapt anything to you" in page_of(visitor)
    send(visitor, "purposes", **{"purpose-personalization": "on"})
    assert "personalized" not in decide(side)


def test_preferences_change_the_next_decision(side: Side, visitor: httpx.Client):
    preferences = {"choice-card": "favorite", "choice-ideal": "excluded", "choice-paypal": "none"}
    assert send(visitor, "preferences", default_method="paypal", language="de", **preferences).status_code == 303
    decision = decide(side)
    assert [ranked["id"] for ranked in decision["ranking"]][:2] == ["paypal", "card"]
    assert decision["ranking"][0]["reasons"] == ["your default method"]
    assert "ideal" in [excluded["id"] for excluded in decision["excluded"]]
    page = page_of(visitor)
    assert "Ihre Daten bei" in page
    assert '<option value="paypal" selected>' in page
    (version,) = side.client.post("/v1/personalize/preferences/versions", json={"customer_id": CUSTOMER}).json()[
        "items"
    ]
    assert (version["source"], version["changed_by"]) == ("customer", "the customer, in the customer center")
    assert send(visitor, "preferences", language="de").status_code == 303
    stored = stored_preferences(side)["preferences"]
    assert (stored["default_method"], stored["favorites"], stored["excluded"]) == (None, ["card"], ["ideal"])


def test_a_method_cannot_come_first_and_be_hidden(side: Side, visitor: httpx.Client):
    answer = send(visitor, "preferences", default_method="card", **{"choice-card": "excluded"})
    assert (answer.status_code, "cannot come first and be hidden" in answer.text) == (422, True)
    # The typed values are kept.
    assert ('<option value="card" selected>' in answer.text, '<option value="excluded" selected>' in answer.text) == (
        True,
        True,
    )
    unknown = send(visitor, "preferences", default_method="gone")
    assert (unknown.status_code, "have changed" in unknown.text) == (422, True)
    stored = stored_preferences(side)
    assert stored["version"] == 0


def test_deleted_method_in_preferences_is_ignored(side: Side, visitor: httpx.Client):
    send(visitor, "preferences", default_method="card", **{"choice-paypal": "favorite"})
    side.client.delete("/v1/placements/payment_methods/candidates/paypal", headers={"if-match": "*"})
    assert send(visitor, "preferences", default_method="card", language="en").status_code == 303
    assert (
        send(visitor, "preferences", default_method="card", language="en", **{"choice-ideal": "favorite"}).status_code
        == 303
    )
    stored = stored_preferences(side)["preferences"]
    assert (stored["language"], stored["favorites"]) == ("en", ["ideal"])


def test_page_lists_stored_data_and_purposes(side: Side, visitor: httpx.Client):
    assert "Nothing is stored about you" in page_of(visitor)
    decision = decide(side)
    outcome = {"event_id": "o1", "decision_id": decision["decision_id"], "type": "converted", "candidate_id": "card"}
    side.client.post("/v1/personalize/feedback", json=outcome)
    page = page_of(visitor)
    for words in ("What was shown to you", "To learn what works.", "Purchases with Card: 1"):
        assert words in page, words


def test_a_copy_is_a_request_in_the_register(side: Side, visitor: httpx.Client):
    decide(side)
    answer = send(visitor, "export")
    assert answer.headers["content-type"] == "application/zip"
    assert len(json.loads(zipfile.ZipFile(io.BytesIO(answer.content)).read("decisions.json"))) == 1
    (entry,) = side.client.get("/v1/personalize/requests").json()["items"]
    assert (entry["kind"], entry["state"], entry["received_by"]) == (
        "export", "done", "the customer, in the customer center",
    )  # fmt: skip
    assert entry["identity_check"].startswith("link by key ")
    (change, *_) = side.client.get("/v1/audit", params={"subject": f"request {entry['id']}"}).json()["items"]
    assert change["who"] == "the customer, in the customer center"


def test_opt_out_refuses_all_purposes_and_can_be_reverted(side: Side, visitor: httpx.Client):
    assert send(visitor, "opt-out").status_code == 303
    assert decide(side)["personalized"] is False
    page = page_of(visitor, done="done_opt_out")
    assert "You have opted out" in page
    assert "Opt out of everything" not in page
    (entry,) = side.client.get("/v1/personalize/requests").json()["items"]
    assert (entry["kind"], entry["state"]) == ("restrict", "done")
    send(visitor, "purposes", **{"purpose-personalization": "on"})
    assert "personalized" not in decide(side)


def test_erasure_requires_confirmation_and_ends_the_session(side: Side, visitor: httpx.Client):
    decide(side)
    unsure = send(visitor, "erase")
    assert (unsure.status_code, "Tick the box to confirm" in unsure.text) == (422, True)
    done = send(visitor, "erase", confirm="on")
    assert (done.status_code, "Everything is erased" in done.text) == (200, True)
    assert 'tap2_center=""' in done.headers["set-cookie"] or "Max-Age=0" in done.headers["set-cookie"]
    assert visitor.get(CENTER).status_code == 403
    assert decide(side)["personalized"] is False
    (entry,) = side.client.get("/v1/personalize/requests").json()["items"]
    assert f"<dd>{entry['id']}</dd>" in done.text
    # Who comes back after the erasure is asked anew, and starts with nothing.
    assert follow(visitor, link_of(side)).status_code == 303
    assert send(visitor, "purposes", **{"purpose-personalization": "on"}).status_code == 303
    assert "personalized" not in decide(side)


def test_the_shops_own_words_and_purposes_are_shown(side: Side, visitor: httpx.Client):
    field = {"name": "customer.size", "type": "string", "label": "Shoe <b>size</b>", "purpose": "fitting_advice"}
    assert side.client.post("/v1/vocabulary", json=field).status_code == 201
    texts = {"en": "We advise & fit.", "de-AT": "Wir beraten."}
    policy = {"purposes": {"fitting_advice": {"allowed": False, "texts": texts}}}
    assert side.client.put("/v1/personalize/consents/policy", json=policy).status_code == 200
    answer = visitor.get(CENTER).text
    assert "Fitting advice" in answer
    assert "We advise &amp; fit." in answer
    assert "Shoe &lt;b&gt;size" in answer
    assert "Wir beraten." in page_of(visitor, language="de")
    assert "غرض خاص بهذا المتجر" in page_of(visitor, language="ar")


def test_too_many_pages_are_refused_in_the_customers_language(server: Server, visitor: httpx.Client):
    limits = server.app.state.rate_limits
    before, limits._address = limits._address, RateLimit("address", "10/minute")
    try:
        first, second = (visitor.get(CENTER, params={"language": "de"}) for _ in range(2))
    finally:
        limits._address = before
    assert (first.status_code, second.status_code, "Zu viele Anfragen" in second.text) == (200, 429, True)
    assert int(second.headers["retry-after"]) > 0


# Languages


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("code", ["de", "ar"])
def test_a_language_has_every_text_with_the_same_names_in_it(code: str):
    texts = LANGUAGES[code].texts
    assert list(texts) == list(ENGLISH.texts)
    for key, text in texts.items():
        assert placeholders(text) == placeholders(ENGLISH.texts[key]), key
        assert text != ENGLISH.texts[key] or len(text) < 12, key


def test_every_section_of_an_export_has_words(server: Server, side: Side):
    sections = server.run(server.engine.customer_export.sections(side.merchant.id, CUSTOMER))
    for section in sections:
        assert {f"part_{section.name}", f"why_{section.name}"} <= ENGLISH.texts.keys()


def test_arabic_reads_from_right_to_left(visitor: httpx.Client):
    page = page_of(visitor, language="ar")
    assert '<html lang="ar" dir="rtl"' in page
    assert "بياناتك لدى" in page
    for english in ("Save", "Your preferences", "Why"):
        assert f">{english}<" not in page


@pytest.mark.parametrize(("tags", "code"), [
    (("de-AT",), "de"), (("xx", None, "AR"), "ar"), ((), "en"), (("english",), "en"), (("de\n",), "en"),
])  # fmt: skip
def test_the_first_language_that_is_spoken_wins(tags: tuple[str | None, ...], code: str):
    assert preferred(tags).code == code
