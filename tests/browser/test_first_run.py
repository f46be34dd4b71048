"""A new merchant follows the guide from an empty account to a first rule, with a checkout that speaks HTTP."""

from __future__ import annotations

import re
import shlex
import subprocess
import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Site, save_screenshot
from tests.browser.test_access import _fits as fits
from tests.browser.test_access import _is_accessible as is_accessible

pytestmark = pytest.mark.browser
PATIENCE = 60
WITHIN_SECONDS = 180


def send(page: Page, key: str) -> None:
    """Send the request that the guide shows, as a terminal would, until the server takes the new key."""
    request = page.get_by_label("The request to send").inner_text().replace("YOUR_KEY", key)
    until = time.monotonic() + PATIENCE
    while True:
        command = [*shlex.split(request.replace("\\\n", "")), "--silent", "--fail"]
        if subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False).returncode == 0:
            return
        assert time.monotonic() < until, "the request of the guide was refused"
        time.sleep(0.2)


def sign_up(page: Page, site: Site) -> None:
    """Open an account as a stranger does, without a command."""
    page.goto(f"{site.url}/admin/login")
    page.get_by_role("link", name="Sign up").click()
    for label, text in {
        "E-mail address": "robin@bakery.example",
        "Your name": "Robin",
        "Shop or company": "Bakery",
    }.items():
        page.get_by_label(label).fill(text)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Country").select_option("DE")
    page.get_by_label("Currency").select_option("EUR")
    save_screenshot(page, "sign-up")
    is_accessible(page)
    page.get_by_role("button", name="Open the account").click()


def progress(page: Page, steps: int) -> None:
    expect(page.get_by_text(f"{steps} of 6 steps done")).to_be_visible()


def test_the_guide_leads_to_a_first_rule(page: Page, site: Site) -> None:
    began = time.monotonic()
    sign_up(page, site)
    progress(page, 0)
    save_screenshot(page, "first-run-empty")
    is_accessible(page)

    page.get_by_role("link", name="Set up payment methods").click()
    page.get_by_role("button", name="Create").click()
    expect(page).not_to_have_url(re.compile("/placements/-/new"))
    page.get_by_role("link", name="Overview").click()
    progress(page, 1)

    page.get_by_role("link", name="Add methods").click()
    for name in ("Klarna", "Card", "PayPal", "iDEAL"):
        page.get_by_role("checkbox", name=re.compile(f"^{name}")).check()
    save_screenshot(page, "method-picker")
    is_accessible(page)
    page.get_by_role("button", name="Add the picked methods").click()
    expect(page.get_by_text("4 methods are added and in force.")).to_be_visible()
    page.get_by_role("link", name="Overview").click()
    progress(page, 2)

    page.get_by_role("link", name="Make a key").click()
    page.get_by_label("Name").fill("Checkout")
    page.get_by_label("Kind", exact=True).select_option("secret")
    page.get_by_role("button", name="Make a key").click()
    key = page.locator("#plain-key").inner_text()
    page.get_by_role("link", name="Overview").click()
    progress(page, 3)
    save_screenshot(page, "first-run-request")
    page.set_viewport_size({"width": 390, "height": 800})
    fits(page)
    save_screenshot(page, "first-run-narrow")
    page.set_viewport_size({"width": 1280, "height": 860})

    send(page, key)
    progress(page, 4)
    send(page, key)
    progress(page, 5)

    page.get_by_role("link", name="Write a rule").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("rule")
    assert time.monotonic() - began < WITHIN_SECONDS
