"""The consent prompt in a shop's checkout: a customer answers once, in their language, and can pay meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.clients.killable import Killable
from tests.browser.origins import origin
from tests.browser.test_experiment_pages import is_accessible
from tests.sdks.conftest import killable_server, package  # noqa: F401  fixtures

pytestmark = pytest.mark.browser
CONSENTS = "/v1/personalize/consents"
CUSTOMER = {"customer_id": "anna@example.com"}
CHECKOUT = """<!doctype html><html lang=en><meta http-equiv=content-security-policy content="style-src 'none'">
<title>Checkout</title><main><h1>Pay</h1><label>Card <input></label></main>"""
PAGE = "/checkout?customer=17"


class Shop:
    """The page of the checkout, and the server's side."""

    def __init__(self, page: Page, api: httpx.Client, options: dict[str, Any]) -> None:
        self.page = page
        self._api, self._options = api, options

    def request_prompt(self, **more: Any) -> None:
        """Ask for consent; `answer` of the page is then a promise."""
        options = json.dumps(self._options | more)
        self.page.evaluate(f"() => {{ window.answer = tap2Consent.promptConsent({options}); }}")

    def answer(self) -> Any:
        return self.page.evaluate("answer")

    def history(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._api.post(f"{CONSENTS}/history", json=CUSTOMER).json()["items"]
        return items


@pytest.fixture
def shop(chromium: Browser, package: Path, killable_server: Killable) -> Iterator[Shop]:  # noqa: F811
    headers = {"authorization": f"Bearer {killable_server.key}"}
    script = (package / "dist" / "consent.min.js").read_text()
    with (
        httpx.Client(base_url=killable_server.url, headers=headers, timeout=20) as api,
        origin({PAGE: f"{CHECKOUT}<script>{script}</script>"}) as base_url,
    ):
        key = api.post("/v1/keys", json={"kind": "publishable", "name": "Web"}).json()["key"]
        token = api.post("/v1/personalize/customer-tokens", json=CUSTOMER).json()["customer_token"]
        assert api.put(f"{CONSENTS}/policy", json={"prompt": True}).status_code == 200
        context = chromium.new_context(base_url=base_url, viewport={"width": 390, "height": 844})
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(PAGE)
        options = {
            "url": killable_server.url,
            "key": key,
            "customerId": CUSTOMER["customer_id"],
            "customerToken": token,
        }
        yield Shop(page, api, options)
        context.close()


def test_customer_accepts_some_purposes_and_sees_no_prompt_again(shop: Shop):
    shop.page.get_by_label("Card").fill("4111")
    shop.request_prompt(language="de-AT")
    expect(shop.page.get_by_role("heading", name="Ihre Wahl bei")).to_be_visible()
    expect(shop.page.get_by_label("Card")).to_be_focused()
    is_accessible(shop.page)
    boxes = shop.page.get_by_role("checkbox")
    assert [boxes.nth(number).is_checked() for number in range(boxes.count())] == [False] * 3
    shop.page.get_by_role("checkbox", name="Statistik").check()
    shop.page.get_by_role("button", name="Auswahl speichern").click()
    states = {each["purpose"]: each["state"] for each in shop.answer()["purposes"]}
    assert states == {"personalization": "refused", "analytics": "accepted", "cross_merchant": "refused"}
    [entry] = shop.history()
    assert (entry["method"], entry["source"]) == ("save", "customer")
    assert entry["served_at"].endswith("/checkout")
    assert "Statistik" in entry["notice"]["text"]
    shop.request_prompt()
    assert shop.answer() is None
    shop.request_prompt(again=True)
    expect(shop.page.get_by_role("checkbox", name="Statistics")).to_be_checked()
    shop.page.get_by_role("button", name="Allow all").click()
    assert shop.answer()["personalized"] is True


def test_closing_stores_no_consent_and_arabic_is_right_to_left(shop: Shop):
    shop.request_prompt(language="ar")
    dialog = shop.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert dialog.evaluate("each => getComputedStyle(each).direction") == "rtl"
    is_accessible(shop.page)
    shop.page.get_by_role("button", name="إغلاق دون اختيار").focus()
    shop.page.keyboard.press("Escape")
    assert {each["state"] for each in shop.answer()["purposes"]} == {"unknown"}
    assert [entry["method"] for entry in shop.history()] == ["dismiss"]
    expect(dialog).to_have_count(0)


def test_checkout_continues_without_the_server(shop: Shop, killable_server: Killable):  # noqa: F811
    killable_server.process.freeze()
    shop.request_prompt(timeoutMs=200)
    assert shop.answer() is None
    expect(shop.page.get_by_role("dialog")).to_have_count(0)
    killable_server.process.thaw()
