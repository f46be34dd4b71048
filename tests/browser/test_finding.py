"""Finding with the keyboard: the palette, and lists; focus that stays; text that survives the end of a session."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import DEMO, PROJECT, Site, log_in

pytestmark = pytest.mark.browser
AXE = PROJECT / "node_modules" / "axe-core" / "axe.min.js"


def faults_of(page: Page) -> list[str]:
    page.evaluate(AXE.read_text())
    return [violation["id"] for violation in page.evaluate("axe.run()")["violations"]]


def test_command_palette_works_with_the_keyboard(demo: Page) -> None:
    page = demo
    page.goto("/admin/live/keys")
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Page, thing or action")
    expect(box).to_be_focused()
    options = page.locator("#palette [role=option]")
    expect(options.first).to_be_visible()
    assert faults_of(page) == []
    page.keyboard.type("klarna")
    first, second = options.nth(0), options.nth(1)
    expect(first).to_have_attribute("aria-selected", "true")
    expect(first).to_contain_text("Klarna")
    page.keyboard.press("ArrowDown")
    expect(second).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", second.get_attribute("id") or "")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(options.last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(box).to_have_value("")
    page.keyboard.type("audit log")
    expect(options.filter(has_text="Audit log")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/admin/live/audit$"))


def test_help_leads_to_the_documentation_and_the_palette(demo: Page) -> None:
    page = demo
    page.goto("/admin/live/methods")
    page.get_by_role("button", name="Help").click()
    expect(page.get_by_role("link", name="API documentation")).to_have_attribute("href", "/docs")
    page.get_by_role("button", name="Go to a page or an action").click()
    expect(page.get_by_role("combobox", name="Page, thing or action")).to_be_focused()


def test_pause_is_previewed_with_two_clicks(demo: Page) -> None:
    page = demo
    page.goto("/admin/live/methods")
    page.get_by_role("link", name="What if Klarna were paused").click()
    expect(page.get_by_role("heading", name="What if Klarna were paused?")).to_be_visible()
    expect(page.locator("#preview-verdict")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Put it in the draft").click()
    expect(page.get_by_text("Klarna is paused in the draft.")).to_be_visible()
    reach = page.locator(".change-reach").first
    expect(reach).to_contain_text(re.compile(r"Changes [\d,]+ of [\d,]+ answers of the last week|no decisions"))
    # The page must not close before the server has discarded it: other tests publish this merchant's draft.
    with page.expect_response(lambda response: response.request.method == "POST" and "/changes" in response.url):
        page.get_by_role("button", name=re.compile("^Discard")).first.click()
    expect(page.get_by_text("Klarna is paused in the draft.")).to_be_hidden()


def test_an_unfinished_condition_takes_no_focus_from_a_pill(demo: Page) -> None:
    page = demo
    page.goto("/admin/live/rules/new?placement=payment_methods")
    expect(page.locator("#field-name")).to_be_focused()
    page.get_by_role("button", name="Condition", exact=True).first.click()
    expect(page.get_by_label(re.compile(r"What condition \d is about")).last).to_be_focused()
    pill = page.locator(".pill input").first
    pill.focus()
    with page.expect_response(lambda response: response.request.method == "POST" and "/rules/" in response.url):
        page.keyboard.press("Space")
    expect(page.locator("#rule-said")).to_contain_text("Card")
    expect(page.locator(".pill input").first).to_be_focused()


def test_typed_values_are_restored_after_a_login(demo: Page) -> None:
    page = demo
    address = "/admin/live/rules/new?placement=payment_methods"
    page.goto(address)
    page.locator("#field-name").fill("Typed before the end")
    cookies = page.context.cookies()
    page.wait_for_timeout(600)
    page.context.clear_cookies()
    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(re.compile(r"/admin/login\?next="))
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    page.goto(address)
    expect(page.locator("#field-name")).to_have_value("Typed before the end")


def end_session_elsewhere(page: Page, *, log_in_as: str = "") -> None:
    """Log out in another tab, and in again there if a password is given."""
    tab = page.context.new_page()
    tab.goto("/admin/live/lists")
    tab.evaluate("document.querySelector('form[action$=\"/logout\"]').requestSubmit()")
    expect(tab.get_by_label("Email")).to_be_visible()
    if log_in_as:
        log_in(tab, DEMO, log_in_as)
    tab.close()


def test_any_form_survives_the_end_of_a_session(demo: Page, site: Site) -> None:
    page = demo
    page.goto("/admin/live/offers/ten-percent")
    languages = page.locator(".language")
    before = languages.count()
    page.get_by_role("button", name="Add a language").click()
    expect(languages).to_have_count(before + 1)
    page.get_by_label("Name", exact=True).fill("Typed before the end")
    end_session_elsewhere(page)
    # The card beside the form asks the server too, and may lead to the log-in first.
    page.evaluate("document.getElementById('offer-form')?.requestSubmit()")
    expect(page).to_have_url(re.compile(r"/admin/login\?next="))
    page.get_by_label("Email").fill(DEMO)
    page.get_by_label("Password").fill(site.demo_password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Typed before the end")
    expect(languages).to_have_count(before + 1)
    expect(page.get_by_text("Your last change is not saved yet.")).to_be_visible()


def test_a_form_opened_before_the_last_login_keeps_its_text(demo: Page, site: Site) -> None:
    page = demo
    page.goto("/admin/live/methods/klarna")
    page.get_by_label("Name", exact=True).fill("Klarna, later")
    end_session_elsewhere(page, log_in_as=site.demo_password)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your last change is not saved yet.")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Klarna, later")
    page.goto("/admin/profile")
    page.get_by_label("Name", exact=True).fill("Somebody")
    end_session_elsewhere(page, log_in_as=site.demo_password)
    page.get_by_role("button", name="Save").first.click()
    page.get_by_role("link", name="Back to the page").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Somebody")


def test_a_double_click_sends_a_form_once(demo: Page) -> None:
    page = demo
    page.goto("/admin/test/webhooks")
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    page.get_by_role("button", name="Add").last.dblclick()
    expect(page.get_by_text("Choose at least one event.")).to_be_visible()
    assert len(sent) == 1
