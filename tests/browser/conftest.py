"""A server process of its own on a free port, with the demo's shoppers, and Chromium in front of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

from benchmarks.chromium import chromium_path
from web.cli import main

PROJECT = Path(__file__).resolve().parents[2]
SCREENSHOTS = PROJECT / "screenshots"
PASSWORD = "correct horse battery staple"
DEMO = "demo@tap2.example"
READY_SECONDS = 120
COMMAND_SECONDS = 180
TIMEOUT_MS = 30_000
TAP2 = [sys.executable, "-c", "from web.cli import main; main()"]


@dataclass
class Site:
    """A running server; `run` runs a `tap2` command on its data."""

    url: str
    environment: dict[str, str]
    data: Path

    def run(self, *command: str) -> str:
        """Run a command in a thread, for the browser's driver keeps this one's event loop; return its output."""
        with ThreadPoolExecutor(1) as thread:
            invoked = thread.submit(CliRunner().invoke, main, list(command), env=self.environment)
            result = invoked.result(COMMAND_SECONDS)
        assert result.exit_code == 0, result.output
        return result.stdout

    def output(self, *command: str) -> dict[str, str]:
        """Return the JSON that a command prints."""
        result: dict[str, str] = json.loads(self.run(*command))
        return result

    @property
    def demo_password(self) -> str:
        return (self.data / "demo-login").read_text()

    def add_merchant(self, slug: str, *, role: str = "admin") -> str:
        """Add a merchant without resources; return the email of its person."""
        email = f"{role}@{slug}.example"
        self.run("merchant", "add", slug, "--name", slug.capitalize())
        self.run("user", "add", email, "--merchant", slug, "--role", role, "--name", "Robin")
        return email


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("site")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "TAP2_DATA": str(data),
        "TAP2_PORT": str(port),
        "TAP2_DEMO": "1",
        "TAP2_DEMO_DAYS": "0",
        "TAP2_DEMO_RATE": "8",
        "TAP2_SIGN_UP": "1",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAP2_")}
    environment |= settings | {"TAP2_PASSWORD": PASSWORD}
    serving = {name: value for name, value in environment.items() if name != "TAP2_PASSWORD"}
    log = (data / "server.log").open("w")
    process = subprocess.Popen([*TAP2, "serve"], env=serving, cwd=PROJECT, stdout=log, stderr=log)
    try:
        site = Site(f"http://127.0.0.1:{port}", environment, data)
        _wait_until_ready(site, process)
        yield site
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def _wait_until_ready(site: Site, process: subprocess.Popen[bytes]) -> None:
    started_at = time.monotonic()
    while time.monotonic() - started_at < READY_SECONDS:
        assert process.poll() is None, (site.data / "server.log").read_text()
        try:
            if httpx.get(f"{site.url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server was not ready in time")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = chromium_path()
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium-headless-shell")
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


# The events of htmx for a request whose page was left before its answer; failures of the server have other events.
INTERRUPTED = ("htmx:afterRequest", "htmx:sendAbort", "htmx:sendError")


class PageErrors:
    """Collects the errors of pages: a violated content policy or an uncaught error fails the test."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def watch(self, page: Page) -> None:
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: self.errors.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self._listen(page, message))

    def _listen(self, page: Page, message: ConsoleMessage) -> None:
        # Chromium also logs a refused form as a failed resource; every other message is an error.
        is_refusal = "the server responded with a status of 4" in message.text
        is_interrupted = message.text.startswith(INTERRUPTED)
        if message.type in ("error", "warning") and not is_refusal and not is_interrupted:
            self.errors.append(f"{page.url}: {message.text}")


@pytest.fixture
def page_errors() -> Iterator[PageErrors]:
    page_errors = PageErrors()
    yield page_errors
    assert page_errors.errors == []


@pytest.fixture
def context(chromium: Browser, site: Site) -> Iterator[BrowserContext]:
    opened = new_context(chromium, site)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, page_errors: PageErrors) -> Page:
    """Return a page on which nobody is logged in."""
    page = context.new_page()
    page_errors.watch(page)
    return page


@pytest.fixture
def demo(page: Page, site: Site) -> Page:
    """Return the demo merchant's first page."""
    log_in(page, DEMO, site.demo_password)
    return page


@pytest.fixture(scope="session")
def empty_merchant(site: Site) -> str:
    """Return the email of a person whose merchant has no resources."""
    return site.add_merchant("newcomer")


def new_context(chromium: Browser, site: Site) -> BrowserContext:
    """Return a browser without cookies or files of earlier pages."""
    return chromium.new_context(
        base_url=site.url,
        locale="en-US",
        timezone_id="America/New_York",
        viewport={"width": 1280, "height": 860},
        reduced_motion="reduce",
    )


def log_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.goto("/admin/login")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()


def post_to_site(client: httpx.Client, path: str, document: dict[str, Any]) -> None:
    """Send a document, again for as long as the server has not taken over the key that another process made."""
    patience_ends = time.monotonic() + TIMEOUT_MS / 1000
    answer = client.post(path, json=document)
    while answer.status_code == 401 and time.monotonic() < patience_ends:
        time.sleep(0.2)
        answer = client.post(path, json=document)
    assert answer.status_code in (200, 201), answer.text


def scroll_to_chart(chart: Locator) -> None:
    """Scroll to a chart: it is drawn when it comes into view."""
    chart.scroll_into_view_if_needed()
    expect(chart.locator("svg")).to_be_visible()


def save_screenshot(page: Page, name: str) -> None:
    """Save a picture of the page if the folder exists: `mkdir screenshots`."""
    if SCREENSHOTS.is_dir():
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
