"""The preview in a browser: started and read with the keyboard alone, found again after a reload."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PROJECT, save_screenshot

pytestmark = pytest.mark.browser
PAGE = "/admin/live/rules/payment_methods/-/preview"
AXE = PROJECT / "node_modules" / "axe-core" / "axe.min.js"


def faults_of(page: Page) -> list[str]:
    page.evaluate(AXE.read_text())
    return [violation["id"] for violation in page.evaluate("axe.run()")["violations"]]


def test_draft_is_previewed_with_the_keyboard_and_kept(demo: Page) -> None:
    page = demo
    page.goto(PAGE)
    assert faults_of(page) == []
    page.get_by_label("Decisions of").focus()
    page.keyboard.press("Tab")
    expect(page.locator("#preview-start")).to_be_focused()
    page.keyboard.press("Enter")
    verdict = page.locator("#preview-verdict")
    expect(verdict).to_be_visible(timeout=60_000)
    text = verdict.inner_text()
    assert text
    page.get_by_text("How is this computed?").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Customers read from the top")).to_be_visible()
    assert faults_of(page) == []
    page.reload()
    expect(verdict).to_have_text(text)
    save_screenshot(page, "preview")


def test_dates_are_shown_only_for_a_custom_period(demo: Page) -> None:
    page = demo
    page.goto(PAGE)
    expect(page.get_by_label("First day")).to_be_hidden()
    page.get_by_label("Decisions of").select_option("custom")
    page.get_by_label("First day").fill("2026-11-03")
    page.get_by_label("Last day").fill("2026-11-01")
    page.locator("#preview-start").click()
    expect(page.get_by_text("Must not be before the first day.")).to_be_visible()
    expect(page.get_by_label("Last day")).to_be_focused()
    expect(page.get_by_label("First day")).to_have_value("2026-11-03")
