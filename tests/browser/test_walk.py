"""The way of a merchant through the product, from the log-in to the proof that an answer can be trusted."""

from __future__ import annotations

import json
import re
import time

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, save_screenshot, scroll_to_chart

pytestmark = pytest.mark.browser
PATIENCE = 90
RULE = "Klarna not for carts under 30"
CONTEXT = {"geo": {"country": "DE"}, "device": {"type": "mobile"}, "cart": {"total": 2500, "currency": "EUR"}}


def test_merchant_watches_arms_publishes_a_rule_and_replays_a_decision(demo: Page, site: Site) -> None:
    demo.get_by_role("link", name="Placements", exact=True).click()
    demo.get_by_role("link", name="Payment methods").click()
    expect(demo.get_by_role("heading", name="Payment methods", level=1)).to_be_visible()
    _arms_move(demo)
    key = _make_key(demo)
    assert "klarna" in _ranking(site, key)
    _write_rule(demo)
    decision = _decide(site, key)
    assert "klarna" not in [item["id"] for item in decision["ranking"]]
    assert {"id": "klarna", "reason": f"hidden by rule “{RULE}”"} in decision["excluded"]
    _explained_and_replayed(demo, decision["decision_id"])
    _rule_off(demo)
    assert "klarna" in _ranking(site, key)


def _arms_move(page: Page) -> None:
    verdict = page.locator("#arms .block-head p")
    before = verdict.inner_text()
    page.evaluate("window.sameDocument = true")
    expect(verdict).not_to_have_text(before)
    assert page.evaluate("window.sameDocument"), "the page was not loaded again"
    # A group is offered once it has enough decisions, which a server that has just started may not have.
    until = time.monotonic() + PATIENCE
    while page.locator("#bucket option[value=DE]").count() == 0 and time.monotonic() < until:
        page.wait_for_timeout(1_000)
        page.reload()
    page.get_by_label("Customers").select_option("DE")
    expect(page).to_have_url(re.compile("bucket=DE"))
    scroll_to_chart(page.locator("#chart-estimates"))
    save_screenshot(page, "walk-placement")


def _make_key(page: Page) -> str:
    page.get_by_role("link", name="Keys").click()
    page.get_by_label("Name").fill("Walk")
    page.get_by_role("button", name="Make a key").click()
    return page.locator("#plain-key").inner_text()


def _write_rule(page: Page) -> None:
    page.get_by_role("link", name="Rules", exact=True).click()
    page.get_by_role("link", name="New rule").click()
    page.get_by_label("Name", exact=True).fill(RULE)
    page.get_by_label("Condition", exact=True).fill('{"<": [{"var": "cart.totl"}, 3000]}')
    expect(page.locator("#rule-builder")).to_contain_text("did you mean cart.total?")
    page.get_by_label("Condition", exact=True).fill('{"<": [{"var": "cart.total"}, 3000]}')
    page.get_by_label("Effects", exact=True).fill('[{"exclude": ["klarna"]}]')
    expect(page.locator("#rule-said")).to_contain_text("Cart total is under €30.00 → Klarna is hidden")
    save_screenshot(page, "walk-rule")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("status").first).to_contain_text("It takes effect when the changes are published.")
    _publish(page)


def _publish(page: Page) -> None:
    page.get_by_role("link", name=re.compile("^Review")).click()
    page.get_by_role("button", name="Publish now").click()
    expect(page.get_by_role("status").first).to_contain_text("is in force.")


def _explained_and_replayed(page: Page, decision_id: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(decision_id)
    page.keyboard.press("Enter")
    fired = page.get_by_role("region", name=re.compile("rules? fired"))
    expect(fired).to_contain_text(RULE)
    expect(fired).to_contain_text("€25.00")
    expect(page.get_by_role("row", name=re.compile("Klarna")).first).to_contain_text(f"Hidden by rule “{RULE}”")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#replay")).to_contain_text("Replay: identical.")
    save_screenshot(page, "walk-decision")


def _rule_off(page: Page) -> None:
    page.get_by_role("link", name="Rules", exact=True).click()
    switch = page.get_by_role("switch", name=f"Rule {RULE}")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    page.reload()
    _publish(page)


def _decide(site: Site, key: str) -> dict[str, object]:
    body = {"placement": "payment_methods", "customer_id": "walker", "context": CONTEXT}
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx.post(f"{site.url}/v1/personalize/decisions", json=body, headers=headers, timeout=20)
    assert answer.status_code == 200, answer.text
    result: dict[str, object] = json.loads(answer.text)
    return result


def _ranking(site: Site, key: str) -> list[str]:
    ranking = _decide(site, key)["ranking"]
    assert isinstance(ranking, list)
    return [ranked["id"] for ranked in ranking]
