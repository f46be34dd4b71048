"""An offer in a browser: from its form to the last unit of its budget, seen by the shop; usable by everyone."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, log_in, save_screenshot, scroll_to_chart
from tests.browser.test_experiment_pages import Shop, is_accessible

pytestmark = pytest.mark.browser
OFFERS = "/admin/live/offers"
SECOND = "second@offers.example"
CART = {"total": 10_000, "currency": "EUR"}
ANSWERED_WITHIN_MS = 40_000


class Checkout(Shop):
    """A shop whose checkout requests and redeems offers."""

    def post(self, path: str, body: object) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.key}"}
        answer = httpx.post(f"{self.site.url}{path}", json=body, headers=headers, timeout=20)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def offers(self, customer: str) -> dict[str, Any]:
        return self.post("/v1/personalize/offers", {"customer_id": customer, "context": {"cart": CART}})


def test_offer_is_created_shown_and_used_up(page: Page, site: Site) -> None:
    shop = Checkout(site, "offers")
    site.run("user", "add", SECOND, "--merchant", "offers", "--role", "admin", "--name", "Sam")
    log_in(page, shop.email)
    set_up(page)
    add_offer(page)
    for number in range(3):
        assert shop.offers(f"c{number}")["offers"] == []
    ask_the_log(page)
    send_for_review(page)
    # The page asks the server now and then; without its session, it would lead back to itself after the log-in.
    page.goto("about:blank")
    page.context.clear_cookies()
    log_in(page, SECOND)
    publish_by_keyboard(page)
    [offer] = shop.offers("anna")["offers"]
    assert (offer["title"], offer["discount"]) == ("10% off", {"amount": 1000, "currency": "EUR"})
    shop.post("/v1/redemptions/redeem", {"hold_id": offer["hold_id"], "cart": CART, "order_id": "o-1"})
    burn_down_moves(page)
    exhaust(page, shop)


def set_up(page: Page) -> None:
    """Set up the placement and a budget of 15 euros, the first with a mistake beside its field."""
    page.goto(OFFERS)
    expect(page.get_by_role("heading", name="No offers yet")).to_be_visible()
    is_accessible(page)
    page.get_by_role("link", name="Set up the placement").click()
    page.get_by_label("My own order").check()
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="No budgets yet")).to_be_visible()
    page.get_by_role("link", name="New budget").last.click()
    page.get_by_label("Name", exact=True).fill("Spring")
    page.get_by_label("Id", exact=True).fill("spring")
    page.get_by_label("Largest amount").fill("-1")
    page.get_by_role("button", name="Create").click()
    expect(page.locator(".field-error").first).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Spring")
    page.get_by_label("Largest amount").fill("15")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("cell", name="€15.00").first).to_be_visible()


def add_offer(page: Page) -> None:
    """Fill in the form while the card follows, refused once, then stored as a paused offer."""
    page.get_by_role("link", name="New offer").click()
    page.get_by_label("Name", exact=True).fill("Ten percent")
    page.get_by_label("Id", exact=True).fill("ten")
    page.get_by_label("Title", exact=True).fill("10% off")
    page.get_by_label("Percentage").fill("10")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Must be more than 0: the most that one use may cost.")).to_be_visible()
    expect(page.get_by_label("Title", exact=True)).to_have_value("10% off")
    is_accessible(page)
    page.get_by_label("At most").fill("20")
    expect(page.locator("#card-view")).to_contain_text("€90.00")
    page.get_by_role("button", name="Add a language").click()
    page.get_by_label("Language 2", exact=True).fill("de")
    page.get_by_label("Title 2", exact=True).fill("10 % Rabatt")
    page.locator("#card-locale").select_option(label="German")
    expect(page.locator("#card-view")).to_contain_text("10 % Rabatt")
    page.get_by_label("Spring").check()
    page.get_by_label("Shown to customers").uncheck()
    save_screenshot(page, "offer-form")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("row", name=re.compile("Ten percent.*Paused"))).to_be_visible()


def ask_the_log(page: Page) -> None:
    """Read what it would have cost before anybody gets it."""
    page.get_by_role("link", name="Ten percent").click()
    page.get_by_role("button", name="Ask the log").click()
    verdict = page.get_by_role("heading", name="At most €30.00 in 30 days")
    expect(verdict).to_be_visible(timeout=ANSWERED_WITHIN_MS)
    expect(page.get_by_text("It would have been shown in 3 of 3 decisions, to 3 customers.")).to_be_visible()
    is_accessible(page)
    save_screenshot(page, "offer-cost")


def send_for_review(page: Page) -> None:
    """Turn review on, so that switching the offer on goes into the draft."""
    page.goto("/admin/live/placements/offers/changes")
    page.get_by_role("button", name="Turn on review").click()
    expect(page.get_by_role("status")).to_contain_text("Review is on")
    page.goto(f"{OFFERS}/ten")
    page.get_by_label("Shown to customers").check()
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_text("Saved in the draft")).to_be_visible()
    page.goto("/admin/live/placements/offers/changes")
    page.get_by_role("button", name="Send for review").click()
    expect(page.get_by_role("button", name="Take back")).to_be_visible()


def publish_by_keyboard(page: Page) -> None:
    """Approve and publish as a second person, with the keyboard alone."""
    page.goto("/admin/live/placements/offers/changes")
    for name in ("Approve", "Publish now"):
        page.get_by_role("button", name=name, exact=True).focus()
        page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Publish now")).to_have_count(0)
    page.goto(OFFERS)
    expect(page.get_by_role("row", name=re.compile("Ten percent.*Shown"))).to_be_visible()


def burn_down_moves(page: Page) -> None:
    """See what was spent, and when nothing will be left."""
    page.goto("/admin/live/budgets/spring")
    expect(page.get_by_role("heading", name=re.compile("At this pace used up"))).to_be_visible()
    scroll_to_chart(page.locator("#chart-budget"))
    expect(page.get_by_text("Half used")).to_be_visible()
    is_accessible(page)
    save_screenshot(page, "budget")


def exhaust(page: Page, shop: Checkout) -> None:
    """Hold what is left; the next customer gets none, and the decision says why."""
    cart = {"total": 5_000, "currency": "EUR"}
    body = {"customer_id": "ben", "context": {"cart": cart}}
    assert len(shop.post("/v1/personalize/offers", body)["offers"]) == 1
    refused = shop.offers("carl")
    assert refused["offers"] == []
    assert refused["excluded"] == [{"id": "ten", "reason": "budget “spring” has too little left"}]
    page.reload()
    expect(page.get_by_text("Used up").first).to_be_visible()
    page.get_by_role("link", name="Filter the ledger").click()
    page.get_by_label("Kind").select_option(label="Redeemed")
    expect(page.get_by_role("row")).to_have_count(2)
    is_accessible(page)
    page.goto(f"/admin/live/decisions/{refused['decision_id']}")
    expect(page.get_by_text("budget “spring” has too little left").first).to_be_visible()
