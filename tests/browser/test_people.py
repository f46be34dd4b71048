"""Two people, two sides, two tabs: invitations, roles, removal, emergencies, second factors, log-in providers."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator

import httpx
import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from engine.settings import Settings
from tests.browser.conftest import PASSWORD, PageErrors, Site, log_in, save_screenshot
from tests.browser.test_access import _fits, _is_accessible
from tests.serving import serving
from tests.web.provider import Provider, run_provider
from web.openapi import examples

pytestmark = pytest.mark.browser
PLACEMENT = f"/v1/placements/{examples.PLACEMENT['key']}"
PATIENCE = 60
_numbers = itertools.count(1)
Opens = Callable[[], Page]


@pytest.fixture
def slug() -> str:
    """The slug of a merchant of the test's own."""
    return f"people-{next(_numbers)}"


@pytest.fixture
def admin(page: Page, site: Site, slug: str) -> Page:
    """The page of an admin of this merchant."""
    log_in(page, site.add_merchant(slug))
    return page


def create_resources(site: Site, slug: str, side: str = "live") -> None:
    """Add payment methods to a side of a merchant."""
    key = site.output("keys", "create", "--merchant", slug, "--kind", "secret", "--mode", side, "--json")["key"]
    methods = [{"id": "card", "label": "Card", "type": "card"}, examples.CANDIDATE]
    with httpx.Client(base_url=site.url, headers={"authorization": f"Bearer {key}"}, timeout=PATIENCE) as client:
        # The server takes over within a second or two what a command issued.
        until = time.monotonic() + PATIENCE
        while client.get("/v1/placements").status_code == 401 and time.monotonic() < until:
            time.sleep(0.1)
        for path, body in (("/v1/placements", examples.PLACEMENT), (f"{PLACEMENT}/candidates", methods)):
            assert client.post(path, json=body).status_code == 201


@pytest.fixture
def opens(chromium: Browser, site: Site, page_errors: PageErrors) -> Iterator[Opens]:
    """Open the browser of another person."""
    contexts: list[BrowserContext] = []

    def open_browser() -> Page:
        context = chromium.new_context(base_url=site.url, locale="en-US", reduced_motion="reduce")
        contexts.append(context)
        page = context.new_page()
        page_errors.watch(page)
        return page

    yield open_browser
    for context in contexts:
        context.close()


def invite(admin: Page, email: str, role: str) -> str:
    admin.goto("/admin/live/team")
    admin.get_by_label("E-mail address").fill(email)
    admin.get_by_text(role, exact=True).last.click()
    admin.get_by_role("button", name="Make an invitation link").click()
    return admin.locator("#invitation-link").inner_text()


def join(page: Page, link: str, name: str) -> None:
    page.goto(link)
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()


def change(admin: Page, name: str) -> None:
    """Open what can be changed of a person."""
    admin.goto("/admin/live/team")
    admin.locator("summary", has_text="Change").and_(admin.get_by_label(f"Change or remove {name}")).click()


def test_invited_person_joins_gets_another_role_and_is_removed(
    admin: Page, opens: Opens, site: Site, slug: str
) -> None:
    create_resources(site, slug)
    noor = opens()
    join(noor, invite(admin, f"noor@{slug}.example", "Viewer"), "Noor")
    noor.goto("/admin/live/methods")
    expect(noor.get_by_role("switch")).to_have_count(0)

    change(admin, "Noor")
    save_screenshot(admin, "team")
    row = admin.locator("tr", has_text="Noor")
    row.get_by_label("Role").select_option("publisher")
    row.get_by_role("button", name="Change role").click()
    expect(admin.get_by_role("status")).to_contain_text("Noor is a publisher now")
    noor.reload()
    expect(noor.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(noor, f"noor@{slug}.example")
    noor.goto("/admin/live/methods")
    expect(noor.get_by_role("switch", name="Offer Card")).to_be_visible()

    change(admin, "Noor")
    row.get_by_label("Remove this person permanently").fill("Noor")
    row.get_by_role("button", name="Remove").click()
    expect(admin.get_by_role("status")).to_contain_text("Noor is removed")
    noor.get_by_role("switch", name="Offer Card").click()
    expect(noor.get_by_role("heading", name="Log in")).to_be_visible()
    admin.goto("/admin/live/methods")
    expect(admin.get_by_role("switch", name="Offer Card")).to_have_attribute("aria-checked", "true")


def test_used_link_has_a_message(admin: Page, opens: Opens, slug: str) -> None:
    link = invite(admin, f"noor@{slug}.example", "Editor")
    join(opens(), link, "Noor")
    late = opens()
    late.goto(link)
    expect(late.get_by_role("alert")).to_contain_text("Ask for a new one")
    _is_accessible(late)


def test_tab_on_test_changes_test_while_another_shows_live(admin: Page, site: Site, slug: str) -> None:
    create_resources(site, slug, "live")
    create_resources(site, slug, "test")
    admin.goto("/admin/test/methods")
    live = admin.context.new_page()
    live.goto("/admin/live/methods")
    admin.get_by_role("switch", name="Offer Card").click()
    expect(admin.get_by_role("switch", name="Offer Card")).to_have_attribute("aria-checked", "false")
    live.reload()
    expect(live.get_by_role("switch", name="Offer Card")).to_have_attribute("aria-checked", "true")
    live.get_by_role("switch", name="Offer iDEAL").click()
    expect(live.get_by_role("switch", name="Offer iDEAL")).to_have_attribute("aria-checked", "false")
    admin.reload()
    expect(admin.get_by_role("switch", name="Offer iDEAL")).to_have_attribute("aria-checked", "true")


def test_emergency_pause_is_visible_to_others_and_undone(admin: Page, opens: Opens, site: Site, slug: str) -> None:
    create_resources(site, slug)
    admin.goto(f"/admin/live/placements/{examples.PLACEMENT['key']}/changes")
    admin.get_by_role("button", name="Turn on review").click()
    expect(admin.get_by_role("status")).to_contain_text("Review is on")
    ben = opens()
    join(ben, invite(admin, f"ben@{slug}.example", "Publisher"), "Ben")

    admin.goto("/admin/live/methods/card")
    admin.get_by_label("Why").fill("The bank answers with errors")
    admin.get_by_role("button", name="Pause now").click()
    expect(admin.get_by_role("status")).to_contain_text("card is paused. Other people are informed.")
    ben.goto("/admin/live/")
    expect(ben.get_by_role("alert").first).to_contain_text("The bank answers with errors")
    admin.get_by_role("status").get_by_role("button", name="Undo").click()
    expect(admin.get_by_role("status")).to_contain_text("card is offered again")
    expect(admin.get_by_role("switch", name="Offer Card")).to_have_attribute("aria-checked", "true")
    ben.reload()
    expect(ben.get_by_role("alert").first).to_contain_text("resumed card")


def test_second_factor_is_set_up_used_and_removed(admin: Page, slug: str) -> None:
    secret = _set_up_second_factor(admin)
    codes = admin.locator("#recovery-codes code").all_inner_texts()
    admin.get_by_role("link", name="Done").click()
    expect(admin.get_by_text("10 recovery codes left")).to_be_visible()
    # The code of the next 30 seconds, because the present code was used for the setup.
    for code in (pyotp.TOTP(secret).at(time.time(), counter_offset=1), codes[0]):
        _log_out(admin)
        _log_in_half(admin, f"admin@{slug}.example")
        _is_accessible(admin)
        admin.get_by_label("Code", exact=True).fill(code)
        admin.get_by_role("button", name="Log in").click()
        expect(admin.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    admin.goto("/admin/profile")
    admin.get_by_label("Your password").fill(PASSWORD)
    admin.get_by_role("button", name="Remove the second factor").click()
    expect(admin.get_by_role("status")).to_contain_text("The second factor is removed")
    _log_out(admin)
    log_in(admin, f"admin@{slug}.example")


def _set_up_second_factor(page: Page) -> str:
    page.goto("/admin/profile")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Set up a second factor").click()
    secret = page.locator("#secret").inner_text().replace(" ", "")
    expect(page.get_by_role("img", name=re.compile("QR code"))).to_be_visible()
    _is_accessible(page)
    save_screenshot(page, "second-factor")
    page.get_by_label("Code", exact=True).fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("heading", name="The second factor is on")).to_be_visible()
    _is_accessible(page)
    return secret


def _log_out(page: Page) -> None:
    page.get_by_role("button", name="Your account").click()
    page.get_by_role("button", name="Log out", exact=True).click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def _log_in_half(page: Page, email: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()


@pytest.fixture
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with run_provider(tmp_path_factory.mktemp("provider")) as provider:
        yield provider


def test_person_logs_in_with_the_provider(
    chromium: Browser, page_errors: PageErrors, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = str(tmp_path_factory.mktemp("data"))
    settings = Settings(data=folder, oidc_issuer=provider.issuer, oidc_client_id="tap2", oidc_name="Bakery ID")
    with serving(settings) as server:
        live, _ = server.sides()
        add = server.engine.team.add_user("ada@bakery.example", "Ada", live.merchant.slug, "admin", PASSWORD)
        server.run(add)
        context = chromium.new_context(base_url=server.url)
        page = context.new_page()
        page_errors.watch(page)
        page.goto("/admin/live/team")
        provider.set_claims(sub="1", email="eve@evil.example", email_verified=True, aud="tap2")
        page.get_by_role("link", name="Log in with Bakery ID").click()
        expect(page.get_by_role("alert")).to_contain_text("Ask an admin of your team to invite you")
        _is_accessible(page)
        provider.set_claims(sub="2", email="ada@bakery.example", email_verified=True, aud="tap2")
        page.goto("/admin/live/team")
        page.get_by_role("link", name="Log in with Bakery ID").click()
        expect(page.get_by_role("heading", name="Team", level=1)).to_be_visible()
        context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_of_people_and_lists_are_accessible_and_fit(admin: Page, site: Site, slug: str, theme: str) -> None:
    admin.context.add_cookies([{"name": "tap2_theme", "value": theme, "url": site.url}])
    link = invite(admin, f"a-rather-long-address@department-of-names.{slug}.example", "Editor")
    _looks_fine(admin)
    change(admin, "Robin")
    admin.get_by_label("Remove this person permanently").fill("Somebody else")
    admin.get_by_role("button", name="Remove").click()
    expect(admin.get_by_text("Type Robin to confirm.")).to_be_visible()
    _looks_fine(admin)
    for path in ("/admin/profile", "/admin/live/lists", "/admin/live/lists/-/new", link):
        admin.goto(path)
        _looks_fine(admin)


def _looks_fine(page: Page) -> None:
    for width in (1280, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        _fits(page)
    _is_accessible(page)
    page.set_viewport_size({"width": 1280, "height": 900})
