"""An experiment in a browser: set up by the form, started, looked at, paused and concluded; usable by everyone."""

from __future__ import annotations

import re
import time

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS, PROJECT, Site, log_in, take

pytestmark = pytest.mark.browser
AXE = PROJECT / "node_modules" / "axe-core" / "axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
CUSTOMERS = 12
COUNTED_MS = 60_000


class Shop:
    """A merchant with two methods, and customers who ask for their order."""

    def __init__(self, site: Site, slug: str) -> None:
        self.site = site
        self.email = site.add_merchant(slug)
        self.key = site.output("keys", "create", "--merchant", slug, "--kind", "secret", "--json")["key"]
        self.send("/v1/placements", {"key": "payment_methods", "name": "Payment methods", "policy": {"type": "fixed"}})
        methods = [{"id": "card", "label": "Card"}, {"id": "paypal", "label": "PayPal", "position": 1}]
        self.send("/v1/placements/payment_methods/candidates", methods)

    def send(self, path: str, body: object) -> None:
        headers = {"authorization": f"Bearer {self.key}"}
        answer = httpx.post(f"{self.site.url}{path}", json=body, headers=headers, timeout=20)
        patience_ends = time.monotonic() + PATIENCE_MS / 1000
        while answer.status_code == 401 and time.monotonic() < patience_ends:
            # The server takes over keys that other processes make within some seconds.
            time.sleep(0.2)
            answer = httpx.post(f"{self.site.url}{path}", json=body, headers=headers, timeout=20)
        assert answer.status_code in (200, 201), answer.text

    def visit(self) -> None:
        for number in range(CUSTOMERS):
            context = {"cart": {"total": 5000, "currency": "EUR"}, "geo": {"country": "DE"}}
            body = {"placement": "payment_methods", "customer_id": f"c{number}", "context": context}
            self.send("/v1/personalize/decisions", body)


@pytest.fixture(scope="module")
def shop(site: Site) -> Shop:
    return Shop(site, "tester")


def is_accessible(page: Page) -> None:
    page.evaluate(AXE.read_text("utf-8"))
    violations = page.evaluate("rules => axe.run(document, rules)", RULES)["violations"]
    assert [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in violations] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_experiment_goes_from_the_form_to_its_winner(page: Page, shop: Shop) -> None:
    log_in(page, shop.email)
    page.get_by_role("link", name="Experiments").click()
    expect(page.get_by_role("heading", name="No experiments yet")).to_be_visible()
    is_accessible(page)
    page.get_by_role("link", name="New experiment").click()
    fill_in(page)
    page.get_by_role("button", name="Save as a draft").click()
    expect(page.get_by_role("heading", name="Not started yet")).to_be_visible()
    expect(page.get_by_text("Country is Germany.")).to_be_visible()
    is_accessible(page)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="Keep going")).to_be_visible()
    shop.visit()
    wait_for_units(page)
    is_accessible(page)
    take(page, "experiment")
    end(page)


def fill_in(page: Page) -> None:
    """Fill in the form: refused first, with the problem beside its field; then with an audience by rows."""
    page.get_by_label("Name", exact=True).first.fill("PayPal first")
    page.get_by_role("button", name="Save as a draft").click()
    expect(page.get_by_text("Give it a name, such as PayPal first.")).to_be_visible()
    expect(page.get_by_label("Name", exact=True).first).to_have_value("PayPal first")
    is_accessible(page)
    page.locator("#field-v1\\.name").fill("PayPal on top")
    page.get_by_label("Variant 2: position 1").select_option(label="PayPal")
    page.get_by_label("At least").fill("0")
    expect(page.locator("#size-answer")).to_contain_text("No customer came in the last 7 days")
    page.get_by_role("button", name="Condition", exact=True).click()
    page.get_by_label("What condition 1 is about").select_option("geo.country")
    page.get_by_label("Add to Country, value").fill("Germany")
    page.get_by_label("Add to Country, value").press("Tab")
    expect(page.locator("#audience-sentence")).to_have_text("Country is Germany.")
    expect(page.locator("#field-v1\\.name")).to_have_value("PayPal on top")
    take(page, "experiment-form")


def wait_for_units(page: Page) -> None:
    """Reload until a job has counted everybody."""
    enrolled = page.get_by_text(re.compile(f"^{CUSTOMERS} customers enrolled"))
    expect(page.get_by_role("heading", name="Variants")).to_be_visible()
    waited = 0
    while not enrolled.count() and waited < COUNTED_MS:
        page.wait_for_timeout(1_000)
        waited += 1_000
        page.reload()
    expect(enrolled).to_be_visible()


def end(page: Page) -> None:
    """Pause it with a reason, then conclude it."""
    page.get_by_text("Pause", exact=True).click()
    page.get_by_role("button", name="Pause now").click()
    expect(page.get_by_text("Say why: others will read it.")).to_be_visible()
    page.get_by_label("Reason to pause").fill("Support calls")
    page.get_by_role("button", name="Pause now").click()
    expect(page.get_by_text("everybody gets the control: Support calls")).to_be_visible()
    page.get_by_text("Conclude", exact=True).click()
    page.get_by_label("PayPal on top").check()
    page.get_by_label("Reason to conclude").fill("It sells more")
    page.get_by_role("button", name="Conclude now").click()
    expect(page.get_by_role("heading", name="Concluded: “PayPal on top” is in force.")).to_be_visible()
    is_accessible(page)
