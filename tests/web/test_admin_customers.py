"""The page Customers: a look-up needs a reason, an erasure the id again, and requests are closed once."""

from __future__ import annotations

import io
import zipfile

import httpx
import pytest

from tests.serving import Server, Side
from tests.web.people import add_person, csrf_in
from web.openapi import examples

PAGE = "/admin/live/customers"
CUSTOMER = "anna@example.com"


@pytest.fixture
def admin(server: Server, side: Side) -> httpx.Client:
    return add_person(server, side).client


def send(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    token = csrf_in(client.get(PAGE).text)
    return client.post(f"{PAGE}/{path}", data={"csrf": token, **fields})


def live_through(side: Side) -> None:
    request = {**examples.DECISION, "customer_id": CUSTOMER}
    assert side.client.post("/v1/personalize/decisions", json=request).status_code == 200
    preferences = {"customer_id": CUSTOMER, "default_method": "card", "categories": {"gift_wrap": True}}
    assert side.client.put("/v1/personalize/preferences", json=preferences).status_code == 200
    consent = {"customer_id": CUSTOMER, "method": "save", "purposes": {"analytics": False}}
    assert side.client.post("/v1/personalize/consents", json=consent).status_code == 201


def test_empty_page_explains_its_purpose(admin: httpx.Client):
    page = admin.get(PAGE)
    assert page.status_code == 200
    assert "No requests yet" in page.text
    assert "Look up a customer" in page.text


def test_look_up_shows_the_stored_data_and_is_audited(side: Side, admin: httpx.Client):
    live_through(side)
    page = send(admin, "look-up", customer_id=CUSTOMER, reason="a call about an order")
    assert page.status_code == 200
    for words in ("Personalized", "Default method", "card", "gift_wrap: yes", "Refused", "Export as a ZIP file"):
        assert words in page.text, words
    assert CUSTOMER not in str(page.url)
    (entry, *_) = side.client.get("/v1/audit", params={"subject": "a customer"}).json()["items"]
    assert (entry["action"], entry["why"]) == ("looked up", "a call about an order")
    assert CUSTOMER not in str(entry)


def test_a_look_up_needs_a_reason_and_an_id(side: Side, admin: httpx.Client):
    page = send(admin, "look-up", customer_id="", reason="")
    assert page.status_code == 422
    assert "Say why you look this customer up" in page.text
    assert "Type the id that your shop sends" in page.text
    assert side.client.get("/v1/audit", params={"subject": "a customer"}).json()["items"] == []


def test_unknown_customer_has_a_message(admin: httpx.Client):
    page = send(admin, "look-up", customer_id="nobody", reason="test")
    assert "Nothing is stored about this customer." in page.text


def test_an_export_is_a_file(side: Side, admin: httpx.Client):
    live_through(side)
    answer = send(admin, "export", customer_id=CUSTOMER)
    assert answer.headers["content-type"] == "application/zip"
    assert "index.html" in zipfile.ZipFile(io.BytesIO(answer.content)).namelist()


def test_an_erasure_needs_the_id_again(side: Side, admin: httpx.Client):
    live_through(side)
    wrong = send(admin, "erase", customer_id=CUSTOMER, confirm="anna")
    assert (wrong.status_code, "again to confirm" in wrong.text) == (422, True)
    done = send(admin, "erase", customer_id=CUSTOMER, confirm=CUSTOMER)
    assert done.status_code == 303
    page = admin.get(PAGE).text
    assert "The customer is erased, with 1 decision." in page
    assert "Erase <small>" in page
    assert CUSTOMER not in page
    look_up = send(admin, "look-up", customer_id=CUSTOMER, reason="check").text
    assert "Not personalized" in look_up


def test_request_is_registered_and_closed_once(admin: httpx.Client):
    unknown = send(admin, "requests", request_customer="", kind="correct", identity_check="")
    assert unknown.status_code == 422
    taken = send(admin, "requests", request_customer=CUSTOMER, kind="correct", identity_check="called back")
    assert taken.status_code == 303
    page = admin.get(PAGE).text
    assert "called back" in page
    number = page.partition("/customers/requests/")[2].partition("/")[0]
    unexplained = send(admin, f"requests/{number}/close", state="refused", explanation="")
    assert (unexplained.status_code, "must say why" in unexplained.text.lower()) == (422, True)
    assert send(admin, f"requests/{number}/close", state="refused", explanation="not them").status_code == 303
    assert "not them" in admin.get(PAGE).text
    assert send(admin, f"requests/{number}/close", state="done", explanation="").status_code == 409


def test_a_link_to_the_customer_center_is_shown_once_and_audited(side: Side, admin: httpx.Client):
    live_through(side)
    assert "Make a link to the customer center" in send(admin, "look-up", customer_id=CUSTOMER, reason="a call").text
    page = send(admin, "link", customer_id=CUSTOMER)
    assert page.status_code == 200
    secret = page.text.partition("/customer-center/open#")[2].partition("<")[0]
    with side.server.client() as customer:
        assert customer.post("/customer-center/open", data={"link": secret}).status_code == 303
        assert "gift_wrap" not in customer.get("/customer-center").text
        assert "Refused: Statistics" in customer.get("/customer-center").text
        customer.post("/customer-center/export")
    (request,) = side.client.get("/v1/personalize/requests").json()["items"]
    assert request["identity_check"].startswith("link by person-")
    (entry,) = side.client.get("/v1/audit", params={"subject": "a link for a customer"}).json()["items"]
    assert (entry["action"], CUSTOMER in str(entry)) == ("created", False)
    assert secret not in admin.get(PAGE).text
    assert send(admin, "link", customer_id="").status_code == 422
