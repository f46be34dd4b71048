"""The documentation site works in a folder that is opened without a server: search, tabs, versions, color schemes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.site import build
from benchmarks.site.versions import add
from tests.browser.conftest import PageErrors, save_screenshot
from tests.browser.test_access import AXE, RULES

pytestmark = [pytest.mark.browser, pytest.mark.long]
OLDER, NEWEST = "0.9.0", "0.10.0"
PAGES = ("index", "quick-start", "rules", "errors", "api/decide", "decisions/0022-compiled-drawing")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a version that is not the newest, among others that have the same pages but for one."""
    folder = tmp_path_factory.mktemp("documentation")
    built = folder / "built"
    build.main(built, OLDER)
    for version in ("dev", NEWEST, OLDER):
        add(folder / "site", version, built)
    (built / "rules.html").unlink()
    add(folder / "site", "0.1.0", built)
    return folder / "site" / OLDER


@pytest.fixture(params=["light", "dark"])
def reader(request: pytest.FixtureRequest, chromium: Browser, page_errors: PageErrors) -> Iterator[Page]:
    """A page that fails the test when it sends a request to a host."""
    context = chromium.new_context(color_scheme=request.param, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page_errors.watch(page)
    page.route("http*://**", lambda route: page_errors.errors.append(route.request.url))
    yield page
    context.close()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_used_by_everyone_and_never_scrolls_sideways(folder: Path, reader: Page, name: str):
    reader.goto(f"{folder.as_uri()}/{name}.html")
    save_screenshot(reader, f"site-{name.replace('/', '-')}")
    reader.add_script_tag(path=AXE)
    # Without `preload`: a page that is opened as a file may not read its style sheets once more.
    results = reader.evaluate("rules => axe.run(document, rules)", {**RULES, "preload": False})
    serious = [
        (violation["id"], [node["html"][:160] for node in violation["nodes"][:3]])
        for violation in results["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert reader.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_search_finds_a_setting_without_a_server(folder: Path, reader: Page):
    reader.set_viewport_size({"width": 1280, "height": 860})
    reader.goto(f"{folder.as_uri()}/index.html")
    reader.get_by_role("button", name="Search").click()
    reader.get_by_label("Search", exact=True).locator("input").press_sequentially("TAP2_DATABASE_URL")
    reader.locator("[role=listbox] a").filter(has_text="Settings").first.click()
    expect(reader).to_have_url(re.compile(rf"/{re.escape(OLDER)}/running\.html\?h=\S+#settings$"))


def test_a_reader_changes_the_version_of_a_page(folder: Path, reader: Page):
    reader.goto(f"{folder.as_uri()}/rules.html#effects")
    reader.get_by_label("Version: 0.9.0", exact=True).click()
    links = reader.locator("details.versions a")
    expect(links).to_have_text(["next", "0.10.0 (newest)", "0.9.0", "0.1.0"])
    expect(links.nth(3)).to_have_attribute("href", f"{folder.parent.as_uri()}/0.1.0/index.html")
    expect(links.nth(0)).to_have_attribute("href", f"{folder.parent.as_uri()}/dev/rules.html#effects")
    reader.keyboard.press("Escape")
    expect(links.first).to_be_hidden()
    reader.keyboard.press("Enter")
    links.nth(0).click()
    expect(reader).to_have_url(f"{folder.parent.as_uri()}/dev/rules.html#effects")
    expect(reader.get_by_label("Version: next", exact=True)).to_be_visible()


def test_only_older_versions_show_a_notice(folder: Path, reader: Page):
    notice = reader.get_by_role("complementary", name="Version", exact=True)
    reader.goto(f"{folder.as_uri()}/api/decide.html")
    expect(notice).to_have_text("This page describes version 0.9.0. See 0.10.0, the newest.")
    save_screenshot(reader, "site-older")
    link = notice.get_by_role("link")
    expect(link).to_have_attribute("href", f"{folder.parent.as_uri()}/0.10.0/api/decide.html")
    link.click()
    expect(reader).to_have_url(f"{folder.parent.as_uri()}/0.10.0/api/decide.html")
    expect(reader.get_by_label("Version: 0.10.0 (newest)", exact=True)).to_be_visible()
    expect(notice).to_have_count(0)


def test_the_root_leads_to_the_newest_release(folder: Path, reader: Page):
    reader.goto(f"{folder.parent.as_uri()}/index.html")
    expect(reader).to_have_url(f"{folder.parent.as_uri()}/0.10.0/index.html")


def test_chosen_colors_stay_in_another_version(folder: Path, reader: Page):
    reader.goto(f"{folder.as_uri()}/rules.html")
    reader.get_by_title("Switch to light mode").click()
    reader.get_by_title("Switch to dark mode").click()
    expect(reader.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
    reader.get_by_role("link", name="See 0.10.0, the newest.").click()
    expect(reader.get_by_label("Version: 0.10.0 (newest)", exact=True)).to_be_visible()
    expect(reader.locator("body")).to_have_attribute("data-md-color-scheme", "slate")


def test_versions_are_found_below_any_path_of_a_server(folder: Path, chromium: Browser, page_errors: PageErrors):
    with served(folder.parent.parent) as address:
        page = chromium.new_page()
        page_errors.watch(page)
        page.goto(f"{address}/site/{OLDER}/")
        page.get_by_label("Version: 0.9.0", exact=True).click()
        page.get_by_role("link", name="next", exact=True).click()
        expect(page).to_have_url(f"{address}/site/dev/index.html")
        page.close()


def test_a_tab_shows_its_language(folder: Path, reader: Page):
    reader.goto(f"{folder.as_uri()}/quick-start.html")
    expect(reader.get_by_text("from tap2_personalize import Client")).to_be_hidden()
    reader.get_by_text("Python", exact=True).click()
    expect(reader.get_by_text("from tap2_personalize import Client")).to_be_visible()
