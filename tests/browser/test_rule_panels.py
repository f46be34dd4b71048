"""Beside a rule: a customer to try, by mouse and by keyboard, and how often the rule fires."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import save_screenshot
from tests.browser.test_access import _fits as fits
from tests.browser.test_access import _is_accessible as is_accessible
from tests.browser.test_rule_story import Keys, UserActions

pytestmark = pytest.mark.browser
RULE = "/admin/rules/payment_methods/no-pay-later-above-500"


def start_from_examples(user_actions: UserActions, panel: Locator) -> None:
    """Leave the newest decision, whose cart may be in another currency than the rule's amounts."""
    user_actions.choose(panel.get_by_label("Start from"), "Examples of the fields")
    expect(panel.get_by_label("Cart total", exact=True)).to_have_value("129.00")


@pytest.mark.parametrize("user_actions", [UserActions, Keys], ids=["mouse", "keyboard"])
def test_a_customer_is_tried_while_facts_and_rule_are_typed(demo: Page, user_actions: type[UserActions]) -> None:
    user = user_actions(demo)
    demo.goto(RULE)
    panel = demo.locator("#try")
    total = panel.get_by_label("Cart total", exact=True)
    start_from_examples(user, panel)
    user.write(total, "400")
    expect(panel).to_contain_text("Cart total would have to be over €500.00; it is €400.00")
    expect(total).to_be_focused()
    user.write(total, "600")
    expect(panel.get_by_role("heading", name="It fires")).to_be_visible()
    expect(panel.locator(".try-hidden")).to_contain_text("Klarna")
    user.write(total, "a lot")
    expect(panel).to_contain_text("Must be an amount in EUR, such as 50.00. It is treated as not sent.")
    expect(panel.get_by_role("heading", name="It does not fire: a fact is missing")).to_be_visible()
    user.write(total, "600")
    user.write(demo.get_by_label("Cart total, value"), "700")
    expect(panel).to_contain_text("Cart total would have to be over €700.00; it is €600.00")
    user.choose(panel.get_by_label("Start from"), "No facts but the time")
    expect(total).to_have_value("")
    expect(panel.get_by_role("heading", name="It does not fire: a fact is missing")).to_be_visible()
    save_screenshot(demo, f"try-{user.name}")
    is_accessible(demo)


@pytest.mark.parametrize("user_actions", [UserActions, Keys], ids=["mouse", "keyboard"])
def test_trial_is_saved_as_a_scenario(demo: Page, user_actions: type[UserActions]) -> None:
    user = user_actions(demo)
    demo.goto(RULE)
    panel = demo.locator("#try")
    start_from_examples(user, panel)
    user.write(panel.get_by_label("Cart total", exact=True), "900")
    expect(panel.get_by_role("heading", name="It fires")).to_be_visible()
    user.press(panel.get_by_text("Save as scenario"))
    user.write(panel.get_by_label("Name of the scenario"), f"No pay-later for 900, by {user.name}")
    user.press(panel.get_by_role("button", name="Save", exact=True))
    user.press(panel.get_by_role("link", name=f"No pay-later for 900, by {user.name}"))
    expect(demo.get_by_text("It passes with the rules in force.")).to_be_visible()
    # A scenario that stays keeps other tests from switching its methods off.
    user.press(demo.get_by_role("button", name="Delete this scenario"))
    expect(demo.get_by_role("link", name="No pay-later for 900")).to_have_count(0)


def test_fact_of_a_new_row_is_added_to_the_panel(demo: Page) -> None:
    demo.goto(RULE)
    panel = demo.locator("#try")
    expect(panel.get_by_label("Cart total", exact=True)).to_be_visible()
    expect(panel.get_by_label("Risk score")).not_to_be_visible()
    demo.get_by_label("Condition", exact=True).fill(
        '{"and": [{">": [{"var": "cart.total"}, 50000]}, {">": [{"var": "risk.score"}, 80]}]}'
    )
    expect(panel.get_by_label("Risk score")).to_be_visible()
    panel.get_by_label("Risk score").fill("90")
    expect(panel).to_contain_text("Risk score is over 80")


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_the_panels_can_be_used_by_everyone(demo: Page, scheme: str) -> None:
    demo.emulate_media(color_scheme=scheme)
    for width in (1280, 768, 320):
        demo.set_viewport_size({"width": width, "height": 900})
        demo.goto(RULE)
        expect(demo.locator("#uses-title")).to_be_visible()
        expect(demo.locator("#try-verdict")).to_be_visible()
        demo.get_by_text("More facts").click()
        is_accessible(demo)
        fits(demo)
    demo.goto("/admin/fields")
    expect(demo.get_by_role("columnheader", name="Sent")).to_be_visible()
    is_accessible(demo)
