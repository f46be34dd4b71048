"""A merchant who has never seen JSON makes a rule: from a template to an answer that obeys it, and back again.

Once with the mouse and once with the keyboard alone; every state on the way can be used by everyone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import PageErrors, Site, log_in, save_screenshot
from tests.browser.test_access import _fits as fits
from tests.browser.test_access import _is_accessible as is_accessible

pytestmark = pytest.mark.browser
OBEYS_WITHIN_SECONDS = 2
PREVIEWED_WITHIN_MS = 60_000
DECISIONS = 12
METHODS = (
    {"id": "card", "label": "Card", "type": "card"},
    {"id": "paypal", "label": "PayPal", "type": "paypal"},
    {"id": "klarna", "label": "Klarna", "type": "klarna"},
    {"id": "ideal", "label": "iDEAL", "type": "ideal"},
    {"id": "apple_pay", "label": "Apple Pay", "type": "apple_pay"},
)
EXPENSIVE = {"geo": {"country": "DE"}, "cart": {"total": 80_000, "currency": "EUR"}}
Act = Callable[[Locator], None]


class UserActions:
    """The actions of a person on a page."""

    name = "mouse"

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, control: Locator) -> None:
        control.click()

    def write(self, control: Locator, text: str) -> None:
        control.click()
        control.fill(text)

    def choose(self, select: Locator, label: str) -> None:
        select.select_option(label=label)

    def menu(self, part: str, act: str) -> None:
        self.page.get_by_label(f"More for {part}").click()
        self.page.get_by_role("button", name=act, exact=True).filter(visible=True).click()


class Keys(UserActions):
    """The same with the keyboard alone: controls are reached with Tab, in the order of the page."""

    name = "keyboard"

    def press(self, control: Locator) -> None:
        self._reach(control)
        box = control.get_attribute("type") == "checkbox"
        self.page.keyboard.press("Space" if box else "Enter")

    def write(self, control: Locator, text: str) -> None:
        self._reach(control)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def choose(self, select: Locator, label: str) -> None:
        self._reach(select)
        self.page.keyboard.type(label)
        expect(select.locator("option:checked")).to_have_text(label)

    def menu(self, part: str, act: str) -> None:
        self.press(self.page.get_by_label(f"More for {part}"))
        self.press(self.page.get_by_role("button", name=act, exact=True).filter(visible=True))

    def _reach(self, control: Locator) -> None:
        expect(control).to_be_visible()
        for key in ("Tab", "Shift+Tab"):
            for _ in range(160):
                if control.evaluate("one => one === document.activeElement"):
                    return
                self.page.keyboard.press(key)
        raise AssertionError(f"the keyboard does not reach {control}")


class Shop:
    """A merchant with methods, and the answers for its checkout."""

    def __init__(self, site: Site, slug: str) -> None:
        self.site, self.slug = site, slug
        self.email = site.add_merchant(slug)
        self.key = site.output("keys", "create", "--merchant", slug, "--kind", "secret", "--json")["key"]
        self.send("/v1/placements", {"key": "payment_methods", "name": "Payment methods"})
        self.send("/v1/placements/payment_methods/candidates", list(METHODS))

    def add_colleague(self) -> str:
        """Somebody else who may publish; returns the address."""
        email = f"colleague@{self.slug}.example"
        self.site.run("user", "add", email, "--merchant", self.slug, "--role", "publisher", "--name", "Sasha")
        return email

    def send(self, path: str, body: object) -> dict[str, object]:
        headers = {"authorization": f"Bearer {self.key}"}
        answer = httpx.post(f"{self.site.url}{path}", json=body, headers=headers, timeout=20)
        began = time.monotonic()
        while answer.status_code == 401 and time.monotonic() - began < 10:  # a new key is noticed within a second or so
            time.sleep(0.2)
            answer = httpx.post(f"{self.site.url}{path}", json=body, headers=headers, timeout=20)
        assert answer.status_code < 300, answer.text
        result: dict[str, object] = answer.json()
        return result

    def offered(self, context: object) -> list[str]:
        """Return the candidates that a checkout may show."""
        ranking = self.send("/v1/personalize/decisions", {"placement": "payment_methods", "context": context})[
            "ranking"
        ]
        assert isinstance(ranking, list)
        return sorted(ranked["id"] for ranked in ranking)

    def obeys(self, context: object, *, without: str = "", with_: str = "") -> None:
        """The next answers follow what was published, soon enough."""
        began = time.monotonic()
        while time.monotonic() - began < OBEYS_WITHIN_SECONDS:
            offered = self.offered(context)
            if (not without or without not in offered) and (not with_ or with_ in offered):
                return
            time.sleep(0.05)
        raise AssertionError(f"still {offered} after {OBEYS_WITHIN_SECONDS} s")


@pytest.mark.parametrize(
    "user_actions", [UserActions, pytest.param(Keys, marks=pytest.mark.long)], ids=["mouse", "keyboard"]
)
def test_rule_is_created_published_and_rolled_back(
    page: Page, colleague: Page, site: Site, user_actions: type[UserActions]
) -> None:
    shop = Shop(site, f"story-{user_actions.name}")
    log_in(page, shop.email)
    user = user_actions(page)
    for _ in range(DECISIONS - 1):
        assert "klarna" in shop.offered(EXPENSIVE)
    _starts_from_a_template(page, user)
    _edits_the_rule(page, user)
    _makes_and_corrects_a_mistake(page, user)
    _tries_a_customer(page, user)
    _saves_the_rule(page, user)
    assert "klarna" in shop.offered(EXPENSIVE), "a draft changes nothing"
    _previews_the_rule(page, user)
    _requests_a_review(page, user)
    log_in(colleague, shop.add_colleague())
    _approves_and_publishes(colleague, user_actions(colleague))
    shop.obeys(EXPENSIVE, without="klarna")
    _sees_the_published_rule(page, user)
    _rolls_back(page, user)
    shop.obeys(EXPENSIVE, with_="klarna")
    _sees_both_versions(page, user)


@pytest.fixture
def colleague(chromium: Browser, site: Site, page_errors: PageErrors) -> Iterator[Page]:
    """A page in another browser, for the second person of a review."""
    context = chromium.new_context(base_url=site.url, viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    page = context.new_page()
    page_errors.watch(page)
    yield page
    context.close()


def _looked_at(page: Page, name: str) -> None:
    fits(page)
    is_accessible(page)
    save_screenshot(page, f"story-{name}")


def _starts_from_a_template(page: Page, user: UserActions) -> None:
    page.goto("/admin/rules")
    _looked_at(page, f"{user.name}-empty")
    user.press(page.get_by_role("link", name="New rule"))
    user.press(page.get_by_role("link", name="No pay-later for large carts"))
    expect(page.get_by_label("Name", exact=True)).to_have_value("No pay-later for large carts")
    expect(page.locator("#rule-said")).to_contain_text("Cart total is over")
    _looked_at(page, f"{user.name}-template")


def _edits_the_rule(page: Page, user: UserActions) -> None:
    sentence = page.locator("#rule-said")
    user.write(page.get_by_label("Cart total, value"), "500")
    expect(sentence).to_contain_text("€500.00")
    user.press(page.get_by_role("button", name="Condition", exact=True))
    expect(page.get_by_label("What condition 2 is about")).to_be_focused()
    user.choose(page.get_by_label("What condition 2 is about"), "Country")
    user.write(page.get_by_label("Add to Country, value"), "Germany")
    page.keyboard.press("Enter")
    expect(sentence).to_contain_text("Country is Germany")
    user.menu("condition 2", "Put into a group")
    expect(page.get_by_role("group", name="Group 2")).to_be_visible()
    user.press(page.get_by_role("group", name="Group 2").get_by_role("button", name="Condition", exact=True))
    user.choose(page.get_by_label("What condition 2.2 is about"), "Device")
    user.press(page.get_by_role("group", name="Device, value").get_by_label("mobile"))
    expect(sentence).to_contain_text("mobile")
    _looked_at(page, f"{user.name}-edited")
    user.menu("group 2", "Ungroup")
    expect(page.get_by_role("group", name="Condition 3")).to_be_visible()
    user.press(page.get_by_label("Remove condition 3"))
    expect(sentence).not_to_contain_text("mobile")


def _makes_and_corrects_a_mistake(page: Page, user: UserActions) -> None:
    user.press(page.get_by_role("button", name="Condition", exact=True))
    user.choose(page.get_by_label("What condition 3 is about"), "Country")
    user.write(page.get_by_label("Add to Country, value").nth(1), "Austria")
    page.keyboard.press("Enter")
    expect(page.locator("#rule-found")).to_contain_text("never")
    _looked_at(page, f"{user.name}-mistake")
    for _ in ("Austria", "the country", "the row"):
        before = page.locator("input[name=history]").input_value()
        user.press(page.get_by_role("button", name="Undo", exact=True))
        expect(page.locator("input[name=history]")).not_to_have_value(before)
    expect(page.get_by_role("group", name="Condition 3")).to_have_count(0)
    expect(page.locator("#rule-found")).to_contain_text("No problems found")
    expect(page.locator("#rule-said")).to_contain_text("Country is Germany")


def _tries_a_customer(page: Page, user: UserActions) -> None:
    """The facts are those of the last decision; the panel names the required change while they are edited."""
    panel, answer = page.locator("#try"), page.locator("#try-answer")
    expect(answer).to_contain_text("It fires")
    user.write(panel.get_by_label(re.compile("^Cart total")), "100")
    expect(answer).to_contain_text("It does not fire")
    expect(answer).to_contain_text("Cart total would have to be over €500.00")
    _looked_at(page, f"{user.name}-tried")


def _saves_the_rule(page: Page, user: UserActions) -> None:
    user.press(page.get_by_role("button", name="Create"))
    expect(page.get_by_role("status").first).to_contain_text("It takes effect when the changes are published.")
    user.write(page.get_by_label("Cart total, value"), "600")
    expect(page.locator("#rule-said")).to_contain_text("€600.00")
    user.press(page.get_by_role("button", name="Save"))
    expect(page.get_by_text("Saved in the draft", exact=True)).to_be_visible()
    _looked_at(page, f"{user.name}-saved")


def _previews_the_rule(page: Page, user: UserActions) -> None:
    """Run to its end: every answer that was given had Klarna in it, and none would have with the draft."""
    user.press(page.get_by_role("link", name="Review changes"))
    expect(page.get_by_text("No pay-later for large carts").first).to_be_visible()
    user.press(page.get_by_role("link", name="Preview on past decisions"))
    expect(page.get_by_role("heading", name="Preview the draft on past decisions")).to_be_visible()
    _looked_at(page, f"{user.name}-preview")
    user.press(page.locator("#preview-start"))
    expect(page.locator("#preview-verdict")).to_be_visible(timeout=PREVIEWED_WITHIN_MS)
    figures = page.locator("dl.figures")
    for name in ("Decisions previewed", "Would change"):
        expect(figures.locator("div", has_text=name)).to_contain_text(f"{DECISIONS}")
    shown = page.get_by_role("region", name="Positions of each candidate").get_by_role("row", name="Klarna")
    expect(shown.get_by_role("cell").nth(-3)).to_have_text(f"{DECISIONS}")
    expect(shown.get_by_role("cell").nth(-2)).to_have_text("0")
    expect(page.get_by_role("region", name="Rules and how often they fire")).to_contain_text("No pay-later")
    _looked_at(page, f"{user.name}-previewed")


def _requests_a_review(page: Page, user: UserActions) -> None:
    page.goto("/admin/placements/payment_methods/changes")
    user.press(page.get_by_role("button", name="Turn on review"))
    expect(page.get_by_role("status").first).to_contain_text("a second person must approve")
    expect(page.get_by_role("button", name="Publish now")).to_have_count(0)
    _looked_at(page, f"{user.name}-changes")
    user.write(page.get_by_label("Why"), "Losses on large carts")
    user.press(page.get_by_role("button", name="Send for review"))
    expect(page.get_by_role("status").first).to_contain_text("Sent for review")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    _looked_at(page, f"{user.name}-asked")


def _approves_and_publishes(page: Page, user: UserActions) -> None:
    page.goto("/admin/placements/payment_methods/changes")
    expect(page.get_by_text("Cart total is over €600.00 and Country is Germany").first).to_be_visible()
    expect(page.get_by_label("Why")).to_have_value("Losses on large carts")
    _looked_at(page, f"{user.name}-review")
    user.press(page.get_by_role("button", name="Approve"))
    expect(page.get_by_role("status").first).to_contain_text("It can be published now.")
    user.press(page.get_by_role("button", name="Publish now"))
    expect(page.get_by_role("status").first).to_contain_text("is in force.")


def _sees_the_published_rule(page: Page, user: UserActions) -> None:
    page.goto("/admin/rules")
    expect(page.get_by_role("row", name="No pay-later for large carts")).to_contain_text("In force")
    _looked_at(page, f"{user.name}-list")


def _rolls_back(page: Page, user: UserActions) -> None:
    page.goto("/admin/placements/payment_methods/versions")
    user.press(page.get_by_role("link", name="Roll back").first)
    expect(page.get_by_role("heading", name="Rolling back would change")).to_be_visible()
    user.write(page.get_by_label("Why"), "Orders fell")
    user.press(page.get_by_role("button", name="Roll back to this version"))
    expect(page.get_by_role("status").first).to_contain_text("in force")


def _sees_both_versions(page: Page, user: UserActions) -> None:
    page.goto("/admin/placements/payment_methods/versions")
    expect(page.get_by_role("row", name="Losses on large carts")).to_contain_text("colleague@")
    _looked_at(page, f"{user.name}-versions")


def test_builder_and_json_stay_synchronised_after_a_reload(demo: Page) -> None:
    demo.goto("/admin/rules/payment_methods/no-pay-later-above-500")
    when = demo.get_by_label("Condition", exact=True)
    demo.get_by_label("Cart total, value").fill("120.50")
    expect(when).to_have_value('{">": [{"var": "cart.total"}, 12050]}')
    when.fill('{"and": [{">": [{"var": "cart.total"}, 700]}, {"==": [{"var": "device.type"}, "tablet"]}]}')
    expect(demo.get_by_label("Cart total, value")).to_have_value("7.00")
    expect(demo.get_by_label("Device, value")).to_have_value("tablet")
    demo.reload()
    expect(demo.get_by_label("Device, value")).to_have_value("tablet")
    when.fill("{")
    expect(demo.get_by_text("The condition below is not valid JSON.")).to_be_visible()
    demo.get_by_role("heading", name="Checks").click()
    demo.keyboard.press("Control+z")
    expect(demo.get_by_label("Device, value")).to_have_value("tablet")
    demo.keyboard.press("Control+z")
    expect(demo.get_by_label("Cart total, value")).to_have_value("120.50")
    demo.keyboard.press("Control+y")
    expect(demo.get_by_label("Device, value")).to_have_value("tablet")


def test_rows_are_dragged_and_moved_by_keys(demo: Page) -> None:
    demo.goto("/admin/rules/payment_methods/direct-debit-for-known-customers")
    first = demo.get_by_label("What condition 1 is about")
    expect(first).to_have_value("customer.returning")
    first.focus()
    demo.keyboard.press("Alt+ArrowDown")
    expect(first).to_have_value("cart.total")
    expect(demo.get_by_label("What condition 2 is about")).to_be_focused()
    grip = demo.get_by_role("group", name="Condition 2").locator("[data-grip]")
    _drag(demo, grip, demo.get_by_role("group", name="Condition 1"))
    expect(first).to_have_value("customer.returning")


def test_rules_are_dragged_in_their_list(demo: Page) -> None:
    demo.goto("/admin/rules")
    names = demo.locator("tbody th a")
    second, third = names.nth(1).inner_text(), names.nth(2).inner_text()
    rows = demo.locator("tbody tr")
    _drag(demo, rows.nth(2).locator("[data-grip]"), rows.nth(1))
    expect(names.nth(1)).to_have_text(third)
    demo.get_by_role("button", name=f"Move {second} earlier").click()
    expect(names.nth(1)).to_have_text(second)


def _drag(page: Page, grip: Locator, before: Locator) -> None:
    start, end = grip.bounding_box(), before.bounding_box()
    assert start
    assert end
    page.mouse.move(start["x"] + 4, start["y"] + 8)
    page.mouse.down()
    page.mouse.move(end["x"] + 60, end["y"] + 4, steps=5)
    page.mouse.up()
