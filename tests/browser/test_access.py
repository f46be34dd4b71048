"""Every page and state can be used by everyone: axe-core finds nothing serious, and nothing scrolls sideways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import (
    DEMO,
    PROJECT,
    TIMEOUT_MS,
    PageErrors,
    Site,
    log_in,
    new_context,
    post_to_site,
    save_screenshot,
    scroll_to_chart,
)

pytestmark = pytest.mark.browser
AXE = PROJECT / "node_modules" / "axe-core" / "axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}  # all that another theme changes
State = Callable[[Page], None]


def goes_to(path: str) -> State:
    return lambda page: _go(page, path)


def _go(page: Page, path: str) -> None:
    page.goto(path)
    _wait_for_charts(page)


def _wait_for_charts(page: Page) -> None:
    """Wait for what is drawn after the page is there."""
    for chart in page.locator(".chart").all():
        scroll_to_chart(chart)


def _newest_decision(page: Page) -> None:
    page.goto("/admin/decisions")
    page.locator("tbody a").first.click()
    expect(page.get_by_role("button", name="Replay")).to_be_visible()


def _replayed(page: Page) -> None:
    _newest_decision(page)
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#replay .note-good")).to_be_visible()


def _wrong_rule(page: Page) -> None:
    page.goto("/admin/rules/new")
    page.get_by_label("Condition", exact=True).fill(
        '{"and": [\n  {"<": [{"var": "cart.totl"}, 5000]},\n  {"is": 1}\n]}'
    )
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Give it a name that says what it does.")).to_be_visible()
    expect(page.get_by_text("2 mistakes to fix before you can save.")).to_be_visible()
    # The panels beside the rule follow a moment later; a screenshot in between leaves styles that htmx would copy.
    page.wait_for_timeout(1_000)
    page.wait_for_load_state("networkidle")


def _wrong_method(page: Page) -> None:
    page.goto("/admin/methods/-/new")
    page.get_by_label("Smallest amount").fill("a lot")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Give it a name.")).to_be_visible()


def _someone_was_faster(page: Page) -> None:
    page.goto("/admin/methods/card")
    version = page.locator("form[hx-post] input[name=version]")
    version.evaluate("element => element.value = '0'")
    page.get_by_label("Fee, share").fill("9.9")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Someone else saved this while you were editing")).to_be_visible()


def _placement_wrong(page: Page) -> None:
    """Facts without values to tell apart; what does not matter for the choice made is out of sight."""
    page.goto("/admin/placements/payment_methods/settings")
    page.get_by_text("Learn what works for whom").click()
    expect(page.get_by_label("Learn separately by, first field")).to_be_hidden()
    expect(page.get_by_label("Values of Country worth telling apart")).to_be_hidden()
    page.get_by_role("checkbox", name="Country").check()
    page.get_by_label("Values of Country worth telling apart").fill("Germny")
    page.get_by_text("Fine-tuning").first.click()
    page.get_by_label("Keep trying everything").fill("much")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("There is no country “Germny”.")).to_be_visible()
    expect(page.get_by_text("Must be a number, such as 1.4.")).to_be_visible()


def _placement_shares(page: Page) -> None:
    page.goto("/admin/placements/payment_methods/settings")
    page.get_by_text("Fixed shares").click()
    expect(page.get_by_label("Klarna")).to_be_visible()
    expect(page.get_by_label("Margin before fees")).to_be_hidden()


def _key_made(page: Page) -> None:
    page.goto("/admin/keys")
    page.get_by_label("Name").fill("Web shop")
    page.get_by_role("button", name="Make a key").click()
    page.get_by_text("Rotate or revoke").first.click()
    expect(page.locator("#plain-key")).to_be_visible()


def _webhook_tested(page: Page) -> None:
    page.goto("/admin/webhooks")
    page.get_by_label("Address").fill("https://hooks.example.com/tap2")
    page.get_by_role("checkbox", name="budget.alert").check()
    page.get_by_role("button", name="Add the webhook").click()
    expect(page.locator("#plain-key")).to_be_visible()
    page.get_by_role("link", name="https://hooks.example.com").first.click()
    page.get_by_role("button", name="Send a test message").click()
    expect(page.get_by_text("endpoint.test").first).to_be_visible()


def _change_opened(page: Page) -> None:
    page.goto("/admin/audit?q=rule")
    page.locator(".changes summary").first.click()
    expect(page.locator(".diff").first).to_be_visible()


def _menus_open(page: Page) -> None:
    page.goto("/admin/")
    page.get_by_role("button", name="Theme").click()
    expect(page.get_by_role("button", name="Dark")).to_be_visible()


def _palette_open(page: Page) -> None:
    page.goto("/admin/rules")
    page.keyboard.press("Control+k")
    page.keyboard.type("klarna")
    expect(page.locator("#palette [role=option]", has_text="What if Klarna were paused?")).to_be_visible()


def _decisions_filtered(page: Page) -> None:
    page.goto("/admin/decisions?country=DE&fallback=no")
    page.get_by_text("More filters").click()
    expect(page.get_by_label("Came first")).to_be_visible()


def _asked_what_if(page: Page) -> None:
    """The preview starts by itself; its progress would change while the page is checked."""
    page.goto("/admin/placements/payment_methods/what-if?change=paused&id=klarna")
    expect(page.locator("#preview-verdict")).to_be_visible(timeout=2 * TIMEOUT_MS)
    _wait_for_charts(page)


def _one_group(page: Page) -> None:
    _go(page, "/admin/placements/payment_methods")
    page.get_by_label("Customers").select_option(label="Germany")
    expect(page.get_by_role("columnheader", name="First for a new customer")).to_be_visible()
    _go(page, page.url)


def _report_scheduled(page: Page) -> None:
    page.goto("/admin/reports")
    page.get_by_label("Name").fill("Weekly figures for everybody who decides")
    page.get_by_label("Recipients").fill("ada@shop.example")
    page.get_by_role("button", name="Add the report").click()
    page.get_by_role("link", name="Weekly figures").first.click()
    expect(page.get_by_role("heading", name="Change")).to_be_visible()


def _alerts_chosen(page: Page) -> None:
    page.goto("/admin/alerts")
    page.get_by_label("E-mail address").fill("ada@shop.example")
    page.get_by_role("button", name="Add the recipient").click()
    page.get_by_role("link", name="ada@shop.example").click()
    expect(page.get_by_role("heading", name="Alerts for ada@shop.example")).to_be_visible()


FULL: dict[str, State] = {
    "palette": _palette_open,
    "what-if": _asked_what_if,
    "rules-filtered": goes_to("/admin/rules?placement=payment_methods&candidate=klarna"),
    "decisions-filtered": _decisions_filtered,
    "audit-filtered": goes_to("/admin/audit?kind=rule"),
    "opt-in": goes_to("/admin/customers/opt-in"),
    "retention": goes_to("/admin/customers/retention"),
    "overview": goes_to("/admin/"),
    "placements": goes_to("/admin/placements"),
    "placement": goes_to("/admin/placements/payment_methods"),
    "placement-group": _one_group,
    "placement-week": goes_to("/admin/placements/payment_methods?bucket=DE&days=7&compare=holdback"),
    "candidate-performance": goes_to("/admin/placements/payment_methods/performance/klarna"),
    "placement-learning": goes_to("/admin/placements/payment_methods/learning"),
    "placement-settings": goes_to("/admin/placements/payment_methods/settings"),
    "placement-settings-wrong": _placement_wrong,
    "placement-settings-shares": _placement_shares,
    "placement-new": goes_to("/admin/placements/-/new"),
    "changes": goes_to("/admin/placements/payment_methods/changes"),
    "scenarios": goes_to("/admin/placements/payment_methods/scenarios"),
    "scenario-new": goes_to("/admin/placements/payment_methods/scenarios/-/new"),
    "versions": goes_to("/admin/placements/payment_methods/versions"),
    "version": goes_to("/admin/placements/payment_methods/versions/2"),
    "methods": goes_to("/admin/methods"),
    "method": goes_to("/admin/methods/klarna"),
    "method-wrong": _wrong_method,
    "method-conflict": _someone_was_faster,
    "rules": goes_to("/admin/rules"),
    "rule-new": goes_to("/admin/rules/new"),
    "rule-wrong": _wrong_rule,
    "decisions": goes_to("/admin/decisions"),
    "offers": goes_to("/admin/offers"),
    "offer-new": goes_to("/admin/offers/-/new"),
    "budget-new": goes_to("/admin/budgets/-/new"),
    "experiments": goes_to("/admin/experiments"),
    "experiment-new": goes_to("/admin/experiments/new"),
    "decisions-none": goes_to("/admin/decisions?q=nobody"),
    "decision": _newest_decision,
    "decision-replayed": _replayed,
    "fields": goes_to("/admin/fields"),
    "field": goes_to("/admin/fields/device.type"),
    "keys": _key_made,
    "audit": _change_opened,
    "search": goes_to("/admin/search?q=pay"),
    "not-found": goes_to("/admin/rules/payment_methods/none"),
    "menu": _menus_open,
    "webhook": _webhook_tested,
    "reports": _report_scheduled,
    "alerts": _alerts_chosen,
    "account": goes_to("/admin/account"),
}
CHOOSE = """theme => {
    document.documentElement.dataset.theme = theme
    document.dispatchEvent(new Event("theme:chosen"))
}"""
"""Does what the theme's menu does, without loading the page again."""

WIDTHS = {"light": (1280, 768), "dark": (1280,)}
EMPTY = [
    f"/admin/{name}"
    for name in ("", "placements", "methods", "rules", "decisions", "keys", "webhooks", "alerts", "account")
]


@pytest.mark.parametrize("name", list(FULL))
def test_a_full_page_is_accessible_and_fits(everyone: Page, name: str) -> None:
    FULL[name](everyone)
    for theme, widths in WIDTHS.items():
        everyone.evaluate(CHOOSE, theme)
        _wait_for_charts(everyone)
        for width in widths:
            everyone.set_viewport_size({"width": width, "height": 900})
            _fits(everyone)
            save_screenshot(everyone, f"{name}-{theme}-{width}")
        _is_accessible(everyone, RULES if theme == "light" else OF_COLOURS)


@pytest.mark.parametrize("theme", list(WIDTHS))
def test_offers_and_a_budget_with_entries_are_accessible(
    page: Page, site: Site, merchant_with_offers: str, theme: str
) -> None:
    log_in(page, merchant_with_offers)
    _choose(page, theme, site.url)
    for path, text in (("/admin/offers", "10% off, at most €20.00"), ("/admin/budgets/spring", "Ledger")):
        page.goto(path)
        expect(page.get_by_text(text).first).to_be_visible()
        for width in (*WIDTHS[theme], 390):
            page.set_viewport_size({"width": width, "height": 900})
            _fits(page)
            save_screenshot(page, f"full{path.replace('/', '-')}-{theme}-{width}")
        _is_accessible(page)


@pytest.mark.parametrize("path", EMPTY)
def test_empty_page_is_accessible_and_explains_the_next_step(newcomer: Page, path: str) -> None:
    newcomer.goto(path)
    _is_accessible(newcomer)
    _fits(newcomer)
    expect(newcomer.locator("main .btn-primary").first).to_be_visible()
    save_screenshot(newcomer, f"empty{path.removesuffix('/').replace('/', '-')}")


def test_forbidden_page_is_accessible(page: Page, site: Site) -> None:
    site.run("user", "add", "viewer@example.com", "--merchant", "demo", "--role", "viewer")
    log_in(page, "viewer@example.com")
    page.goto("/admin/rules/new")
    expect(page.get_by_role("heading", name="You do not have permission")).to_be_visible()
    _is_accessible(page)
    page.goto("/admin/methods/klarna")
    expect(page.get_by_label("Name")).to_be_disabled()
    _is_accessible(page)
    save_screenshot(page, "method-viewer")


def test_the_log_in_is_accessible_empty_and_refused(page: Page) -> None:
    page.goto("/admin/login")
    _is_accessible(page)
    save_screenshot(page, "login")
    page.get_by_label("Email").fill("nobody@example.com")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    _is_accessible(page)
    save_screenshot(page, "login-refused")


def test_the_menu_opens_on_a_narrow_screen(everyone: Page) -> None:
    everyone.set_viewport_size({"width": 768, "height": 900})
    everyone.goto("/admin/rules")
    everyone.get_by_role("button", name="Open the menu").click()
    expect(everyone.get_by_role("link", name="Keys")).to_be_visible()
    _is_accessible(everyone)
    save_screenshot(everyone, "menu-narrow")


@pytest.mark.parametrize("path", ["/admin/", "/admin/placements/payment_methods", "/admin/rules/new", "/admin/keys"])
def test_a_page_at_four_times_its_size_does_not_scroll_sideways(everyone: Page, path: str) -> None:
    everyone.set_viewport_size({"width": 320, "height": 640})
    everyone.goto(path)
    _fits(everyone)


@pytest.fixture(scope="module")
def logged_in(chromium: Browser, site: Site) -> Iterator[BrowserContext]:
    """Someone of the demo merchant is logged in, and the browser keeps the files of pages from one test to the next."""
    context = new_context(chromium, site)
    page = context.new_page()
    log_in(page, DEMO, site.demo_password)
    page.close()
    yield context
    context.close()


@pytest.fixture
def everyone(logged_in: BrowserContext, page_errors: PageErrors) -> Iterator[Page]:
    page = logged_in.new_page()
    page_errors.watch(page)
    yield page
    page.close()


@pytest.fixture(scope="module")
def merchant_with_offers(site: Site) -> str:
    """Return the email of a person whose merchant has budgets, and offers with a hold."""
    email = site.add_merchant("bargains")
    key = site.output("keys", "create", "--merchant", "bargains", "--kind", "secret", "--json")["key"]
    pacing = {"starts_at": "2026-11-01T00:00:00Z", "ends_at": "2026-12-24T00:00:00Z"}
    spring = {"id": "spring", "name": "Spring campaign", "currency": "EUR", "amount": 2000}
    benefits = {
        "ten": {"type": "percentage", "percent": 10, "maximum": 2000},
        "five": {"type": "fixed_amount", "amount": 500},
        "shipping": {"type": "free_shipping", "maximum": 490},
    }
    offer = {"currency": "EUR", "budgets": ["spring"], "texts": {"en": {"title": "A discount", "terms": ""}}}
    requests: list[tuple[str, dict[str, Any]]] = [
        ("/v1/placements", {"key": "offers", "name": "Offers"}),
        ("/v1/budgets", {**spring, "pacing": pacing}),
        ("/v1/budgets", {**spring, "id": "once", "name": "Once", "amount": None, "uses": 1, "scope": "customer"}),
        *(
            ("/v1/placements/offers/candidates", {"id": id, "label": id, "offer": {**offer, "benefit": benefit}})
            for id, benefit in benefits.items()
        ),
        ("/v1/personalize/offers", {"context": {"cart": {"total": 9000, "currency": "EUR"}}}),
    ]
    with httpx.Client(base_url=site.url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        for path, document in requests:
            post_to_site(client, path, document)
    return email


@pytest.fixture
def newcomer(page: Page, empty_merchant: str) -> Page:
    log_in(page, empty_merchant)
    return page


def _choose(page: Page, theme: str, url: str) -> None:
    page.context.add_cookies([{"name": "tap2_theme", "value": theme, "url": url}])


def _fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} scrolls sideways"


def _is_accessible(page: Page, rules: Any = RULES) -> None:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    result = page.evaluate("rules => axe.run(document, rules)", rules)["violations"]
    bad = [
        f"{violation['id']} ({violation['impact']}): {violation['help']}: "
        f"{[node['target'] for node in violation['nodes']][:4]}"
        for violation in result
        if violation["impact"] in ("serious", "critical")
    ]
    assert bad == []
