"""The documentation site works in a folder that is opened without a server: search, tabs, both color schemes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.site import build
from tests.browser.conftest import Faults, take
from tests.browser.test_access import AXE, RULES

pytestmark = [pytest.mark.browser, pytest.mark.long]
PAGES = ("index", "quick-start", "rules", "errors", "api/decide", "decisions/0022-compiled-drawing")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the site."""
    folder = tmp_path_factory.mktemp("documentation") / "site"
    build.main(folder)
    return folder


@pytest.fixture(params=["light", "dark"])
def reader(request: pytest.FixtureRequest, chromium: Browser, faults: Faults) -> Iterator[Page]:
    """A page that fails the test when it asks a host for anything."""
    context = chromium.new_context(color_scheme=request.param, viewport={"width": 390, "height": 844})
    page = context.new_page()
    faults.watch(page)
    page.route("http*://**", lambda route: faults.errors.append(route.request.url))
    yield page
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_used_by_everyone_and_never_scrolls_sideways(folder: Path, reader: Page, name: str):
    reader.goto(f"{folder.as_uri()}/{name}.html")
    take(reader, f"site-{name.replace('/', '-')}")
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
    expect(reader).to_have_url(re.compile(r"/running\.html\?h=\S+#settings$"))


def test_a_tab_shows_its_language(folder: Path, reader: Page):
    reader.goto(f"{folder.as_uri()}/quick-start.html")
    expect(reader.get_by_text("from tap2_personalize import Client")).to_be_hidden()
    reader.get_by_text("Python", exact=True).click()
    expect(reader.get_by_text("from tap2_personalize import Client")).to_be_visible()
