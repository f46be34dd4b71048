"""Common acts answer in place: no page is loaded again, nothing jumps, and nothing typed is lost."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import PageErrors, Site, log_in, scroll_to_chart

pytestmark = pytest.mark.browser
TRIES = 30
LAYOUT_SHIFT = """() => new Promise(resolve => {
  let total = 0;
  new PerformanceObserver(list => { for (const entry of list.getEntries()) total += entry.value; })
    .observe({ type: "layout-shift" });
  setTimeout(() => resolve(total), 7000);
})"""


@pytest.fixture
def stays(demo: Page) -> Page:
    """The demo's page; `same_document` is false after a reload."""
    return demo


def open_at(page: Page, path: str) -> None:
    page.goto(path)
    page.evaluate("window.sameDocument = true")


def same_document(page: Page) -> bool:
    return bool(page.evaluate("window.sameDocument === true"))


def test_switch_updates_without_a_reload_and_keeps_focus(stays: Page) -> None:
    open_at(stays, "/admin/methods")
    switch = stays.get_by_role("switch", name="Offer Klarna")
    switch.focus()
    stays.keyboard.press("Enter")
    expect(stays.get_by_role("switch", name="Offer Klarna")).to_have_attribute("aria-checked", "false")
    expect(stays.get_by_role("switch", name="Offer Klarna")).to_be_focused()
    stays.get_by_role("switch", name="Offer Klarna").click()
    expect(stays.get_by_role("switch", name="Offer Klarna")).to_have_attribute("aria-checked", "true")
    assert same_document(stays)


def test_methods_are_reordered_without_a_reload(stays: Page) -> None:
    open_at(stays, "/admin/methods")
    names = stays.locator("tbody th a.row-link")
    first, second = names.nth(0).inner_text(), names.nth(1).inner_text()
    stays.get_by_role("button", name=f"Move {second} earlier").click()
    expect(names.nth(0)).to_have_text(second)
    stays.get_by_role("button", name=f"Move {first} earlier").click()
    expect(names.nth(0)).to_have_text(first)
    assert same_document(stays)


def test_invalid_form_keeps_values_and_focuses_the_first_mistake(stays: Page) -> None:
    open_at(stays, "/admin/methods/-/new")
    stays.get_by_label("Name").fill("Twint")
    stays.get_by_label("Countries").fill("Switzerland")
    stays.get_by_role("button", name="Create").click()
    expect(stays.get_by_text("Give it an id, such as paypal.")).to_be_visible()
    expect(stays.locator("#field-id")).to_be_focused()
    expect(stays.get_by_label("Name")).to_have_value("Twint")
    expect(stays.get_by_label("Countries")).to_have_value("Switzerland")
    assert same_document(stays)


def test_saving_shows_a_message_beside_the_button(stays: Page) -> None:
    open_at(stays, "/admin/methods/card")
    fee = stays.get_by_label("Fee, fixed").input_value()
    stays.get_by_label("Fee, fixed").fill("0.31")
    stays.get_by_role("button", name="Save").click()
    expect(stays.get_by_text("Saved and in force")).to_be_visible()
    stays.get_by_label("Fee, fixed").fill(fee)
    stays.get_by_role("button", name="Save").click()
    expect(stays.get_by_label("Fee, fixed")).to_have_value(fee)
    assert same_document(stays)


@pytest.mark.parametrize("path", ["methods/klarna", "offers/free-shipping"])
def test_saving_with_the_keyboard_leaves_the_focus_on_the_button(stays: Page, path: str) -> None:
    open_at(stays, f"/admin/live/{path}")
    save = stays.locator(".form-foot").get_by_role("button", name="Save")
    save.focus()
    stays.keyboard.press("Enter")
    expect(stays.get_by_text("Saved and in force")).to_be_visible()
    expect(save).to_be_focused()


def test_text_typed_while_a_form_is_sent_stays(stays: Page) -> None:
    open_at(stays, "/admin/live/methods/klarna")
    held: list[Route] = []
    stays.route("**/methods/klarna", lambda route: held.append(route))
    stays.get_by_role("button", name="Save").click()
    stays.get_by_label("Name", exact=True).fill("Klarna, typed later")
    stays.wait_for_timeout(100)
    held[0].continue_()
    expect(stays.locator(".form-foot").get_by_role("button", name="Save")).to_be_enabled()
    expect(stays.get_by_label("Name", exact=True)).to_have_value("Klarna, typed later")
    expect(stays.get_by_text("Saved and in force")).to_be_hidden()


def test_deleted_method_is_restored_with_one_click(stays: Page) -> None:
    open_at(stays, "/admin/methods/-/new")
    stays.get_by_label("Name").fill("Voucher")
    stays.locator("#field-id").fill("voucher")
    stays.get_by_role("button", name="Create").click()
    stays.get_by_role("link", name="Voucher", exact=True).click()
    stays.get_by_role("button", name="Delete this method").click()
    expect(stays.get_by_role("status")).to_contain_text("Voucher is deleted.")
    expect(stays.get_by_role("link", name="Voucher", exact=True)).to_have_count(0)
    stays.get_by_role("button", name="Undo").click()
    expect(stays.get_by_role("link", name="Voucher", exact=True)).to_be_visible()
    stays.get_by_role("link", name="Voucher", exact=True).click()
    stays.get_by_role("button", name="Delete this method").click()


def test_figures_renew_themselves_without_moving_anything(stays: Page) -> None:
    open_at(stays, "/admin/placements/payment_methods?bucket=DE")
    scroll_to_chart(stays.locator("#chart-estimates"))
    before = stays.locator("#arms").inner_text()
    stays.mouse.move(5, 5)
    assert stays.evaluate(LAYOUT_SHIFT) < 0.01
    assert stays.locator("#arms").inner_text() != before
    assert same_document(stays)


def test_chart_labels_its_axes_and_shows_tooltips(stays: Page) -> None:
    for _ in range(TRIES):
        stays.goto("/admin/placements/payment_methods?bucket=DE")
        if stays.locator("#chart-shares").count():
            break
        # The chart is drawn from its second point on, which needs decisions of two minutes.
        stays.wait_for_timeout(5_000)
    scroll_to_chart(stays.locator("#chart-shares"))
    times = stays.locator("#chart-shares svg text", has_text=re.compile(r"^\d\d:\d\d$"))
    expect(times.first).to_be_visible()
    scroll_to_chart(stays.locator("#chart-estimates"))
    stays.locator("#chart-estimates svg path[aria-roledescription=point]").first.hover()
    expect(stays.locator("#chart-tooltip")).to_contain_text("95% interval")


def test_a_candidate_is_two_clicks_from_the_list_of_placements(stays: Page) -> None:
    open_at(stays, "/admin/placements")
    stays.get_by_role("link", name="Payment methods").click()
    stays.wait_for_url("**/placements/payment_methods")
    stays.get_by_label("Time", exact=True).select_option("7")
    stays.wait_for_url("**days=7**")
    stays.get_by_label("Customers", exact=True).select_option("DE")
    expect(stays).to_have_url(re.compile("bucket=DE"))
    stays.goto("/admin/placements/payment_methods/performance/klarna?days=7")
    expect(stays.get_by_role("heading", name="Klarna", level=1)).to_be_visible()
    expect(stays.get_by_role("link", name="No pay-later for carts above 500")).to_be_visible()
    stays.get_by_role("link", name="Payment methods").click()
    expect(stays).to_have_url(re.compile("days=7"))


def test_figures_do_not_refresh_while_being_read(stays: Page) -> None:
    open_at(stays, "/admin/placements/payment_methods")
    stays.locator("#arms table").hover()
    expect(stays.get_by_text("Paused while you read")).to_be_visible()
    requested_urls: list[str] = []
    stays.on("request", lambda request: requested_urls.append(request.url) if "/arms" in request.url else None)
    stays.wait_for_timeout(6500)
    assert requested_urls == []
    with stays.expect_response("**/arms*"):
        stays.mouse.move(5, 5)


def test_figures_that_arrive_while_older_figures_are_being_read_are_not_shown(stays: Page) -> None:
    open_at(stays, "/admin/placements/payment_methods")
    held: list[Route] = []
    stays.route("**/arms*", lambda route: held.append(route))
    with stays.expect_request("**/arms*"):
        stays.mouse.move(5, 5)
    table = stays.locator("#arms table")
    table.evaluate("table => { table.dataset.older = 'yes' }")
    table.hover()
    with stays.expect_response("**/arms*") as answered:
        held.pop().continue_()
    answered.value.finished()
    stays.wait_for_timeout(500)
    expect(table).to_have_attribute("data-older", "yes")
    stays.unroute("**/arms*")
    stays.mouse.move(5, 5)
    expect(table).not_to_have_attribute("data-older", "yes")


def test_theme_changes_at_once_and_is_stored(stays: Page) -> None:
    open_at(stays, "/admin/placements/payment_methods")
    background = "getComputedStyle(document.body).backgroundColor"
    light = stays.evaluate(background)
    stays.get_by_role("button", name="Theme").click()
    with stays.expect_response("**/admin/theme"):
        stays.get_by_role("button", name="Dark").click()
    assert stays.evaluate(background) != light
    assert same_document(stays)
    stays.reload()
    assert stays.locator("html").get_attribute("data-bs-theme") == "dark"


def test_the_test_side_tints_the_bar_and_is_left_again(stays: Page) -> None:
    stays.goto("/admin/methods")
    stays.get_by_role("link", name="Test", exact=True).click()
    expect(stays.get_by_text("Test data. Nothing here reaches live customers.")).to_be_visible()
    stays.get_by_role("link", name="Live", exact=True).click()
    expect(stays.get_by_role("link", name="PayPal", exact=True)).to_be_visible()


def test_a_slash_leads_to_the_search_but_not_from_within_a_text(stays: Page) -> None:
    open_at(stays, "/admin/rules/new")
    # The name of a new rule has the focus.
    stays.locator("#field-name").blur()
    stays.keyboard.press("/")
    expect(stays.get_by_role("searchbox", name="Search pages")).to_be_focused()
    stays.get_by_label("Notes").fill("")
    stays.get_by_label("Notes").press("/")
    expect(stays.get_by_label("Notes")).to_have_value("/")


def test_mistake_links_to_its_line(stays: Page) -> None:
    open_at(stays, "/admin/rules/new")
    stays.get_by_label("Condition", exact=True).fill('{"and": [\n  true,\n  {"<": [{"var": "cart.totl"}, 1]}\n]}')
    stays.get_by_role("button", name="Line 3").click()
    area = "document.getElementById('field-when')"
    chosen = stays.evaluate(f"{area}.value.slice({area}.selectionStart, {area}.selectionEnd)")
    assert chosen == '  {"<": [{"var": "cart.totl"}, 1]}'


def test_everything_works_without_scripts(chromium: Browser, site: Site, page_errors: PageErrors) -> None:
    context = chromium.new_context(base_url=site.url, java_script_enabled=False)
    page = context.new_page()
    log_in(page, "demo@tap2.example", site.demo_password)
    page.goto("/admin/methods")
    page.get_by_role("switch", name="Offer SEPA direct debit").click()
    expect(page.get_by_role("switch", name="Offer SEPA direct debit")).to_have_attribute("aria-checked", "false")
    page.get_by_role("switch", name="Offer SEPA direct debit").click()
    page.goto("/admin/rules/new")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Give it a name that says what it does.")).to_be_visible()
    context.close()


def test_text_typed_before_the_script_runs_is_read(demo: Page) -> None:
    held: list[Route] = []
    demo.route("**/builder*.js*", lambda route: held.append(route))
    demo.goto("/admin/live/rules/new?placement=payment_methods", wait_until="commit")
    demo.get_by_label("Condition", exact=True).fill('{"<": [{"var": "cart.totl"}, 3000]}')
    for _ in range(100):
        if held:
            break
        demo.wait_for_timeout(50)
    held[0].continue_()
    expect(demo.locator("#rule-builder")).to_contain_text("did you mean cart.total?")


def test_response_does_not_overwrite_text_being_typed(demo: Page) -> None:
    demo.goto("/admin/live/rules/new?placement=payment_methods")
    condition = demo.get_by_label("Condition", exact=True)
    condition.fill('{"<": [{"var": "cart.totl"}, 3000]}')
    expect(demo.locator("#rule-builder")).to_contain_text("did you mean cart.total?")
    held: list[Route] = []
    demo.route("**/rules/new*", lambda route: held.append(route), times=1)
    demo.get_by_label("Name", exact=True).fill("Small carts")
    for _ in range(100):
        if held:
            break
        demo.wait_for_timeout(50)
    condition.focus()
    condition.select_text()
    with demo.expect_response("**/rules/new*"):
        held[0].continue_()
    demo.wait_for_timeout(200)
    demo.keyboard.insert_text('{"<": [{"var": "cart.total"}, 3000]}')
    expect(condition).to_have_value('{"<": [{"var": "cart.total"}, 3000]}')
    expect(demo.locator("#rule-said")).to_contain_text("Cart total is under €30.00")


@pytest.mark.parametrize("width", [375, 1280])
def test_a_long_word_in_a_note_wraps_and_leaves_its_button_in_sight(demo: Page, width: int) -> None:
    demo.set_viewport_size({"width": width, "height": 800})
    demo.evaluate(
        """document.querySelector("main").insertAdjacentHTML("afterbegin",
        `<div class="note"><p>${"W".repeat(200)}</p><form><button class="btn">End it</button></form></div>`)"""
    )
    assert demo.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(demo.get_by_role("button", name="End it")).to_be_in_viewport(ratio=1)


def test_long_words_in_labels_paths_and_toasts_wrap_on_a_phone(demo: Page) -> None:
    demo.set_viewport_size({"width": 375, "height": 800})
    demo.evaluate(
        """word => {
          document.querySelector("main").insertAdjacentHTML("afterbegin",
            `<nav class="crumbs"><a href="#">${word}</a></nav><label class="form-check">${word}</label><p>${word}</p>`);
          document.getElementById("toasts").innerHTML = `<div class="toast-note">
            <span class="toast-text">${word}</span><button class="btn">Take back</button></div>`;
        }""",
        "W" * 120,
    )
    assert demo.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(demo.get_by_role("button", name="Take back")).to_be_in_viewport(ratio=1)
