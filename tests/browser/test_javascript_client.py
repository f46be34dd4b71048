"""The JavaScript client in a page of another origin, which is left before the server has answered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page

from benchmarks.clients.killable import Killable
from tests.browser.origins import origin
from tests.sdks.conftest import killable_server, package  # noqa: F401  fixtures

FEEDBACK = "**/v1/personalize/feedback"
PATIENCE_SECONDS = 30
WAIT = {"access-control-allow-origin": "*", "access-control-expose-headers": "Retry-After", "retry-after": "600"}
"""A limit that the page will not see the end of."""


@pytest.fixture
def shop(chromium: Browser, package: Path, killable_server: Killable) -> Iterator[Page]:  # noqa: F811
    """A page with a client `client`, a decision and an origin of its own; the function `lose` replaces its network."""
    headers = {"Authorization": f"Bearer {killable_server.key}"}
    made = httpx.post(
        f"{killable_server.url}/v1/keys", json={"kind": "publishable", "name": "Web"}, headers=headers, timeout=20
    )
    limits = "timeoutMs: 20000, requestTimeoutMs: 20000, fetch: (...request) => (window.lose || fetch)(...request)"
    options = f'{{url: "{killable_server.url}", key: "{made.json()["key"]}", {limits}}}'
    script = (package / "dist" / "personalize.min.js").read_text()
    program = f"{script}; client = new tap2.Personalize({options});"
    pages = {"/checkout": f"<title>Checkout</title><script>{program}</script>", "/left": "<title>Left</title>"}
    with origin(pages) as base_url:
        context = chromium.new_context(base_url=base_url)
        page = context.new_page()
        page.goto("/checkout")
        page.evaluate(
            "client.decide({placement: 'payment_methods'}).then((decision) => { window.decision = decision; })"
        )
        page.wait_for_function("window.decision")
        yield page
        context.close()


REPORT = """(type) => {
    client.trackFeedback({event_id: type, decision_id: decision.decision_id, token: decision.token, type});
}"""


def wait_for_outcomes(server: Killable, *events: str) -> None:
    """Wait until exactly these outcomes are stored."""
    end = time.monotonic() + PATIENCE_SECONDS
    while len(server.outcomes()) < len(events):
        assert time.monotonic() < end, "an outcome is missing"
        time.sleep(0.05)
    assert sorted(event for _, event in server.outcomes()) == sorted(events)


def test_an_outcome_of_the_last_moment_arrives(shop: Page, killable_server: Killable):  # noqa: F811
    killable_server.process.freeze()  # not even the preflight is answered before the page is gone
    shop.evaluate(f"() => {{ ({REPORT})('shown'); ({REPORT})('abandoned'); location.href = '/left'; }}")
    shop.wait_for_url("**/left")
    assert shop.evaluate("typeof client") == "undefined"
    killable_server.process.thaw()
    wait_for_outcomes(killable_server, "shown", "abandoned")


def test_queued_outcomes_are_sent_when_the_page_is_left(shop: Page, killable_server: Killable):  # noqa: F811
    shop.route(FEEDBACK, lambda route: route.fulfill(status=429, headers=WAIT, body="{}"))
    with shop.expect_response(FEEDBACK):
        shop.evaluate(REPORT, "shown")
    shop.unroute(FEEDBACK)
    assert killable_server.outcomes() == []
    shop.goto("/left")
    wait_for_outcomes(killable_server, "shown")


def test_next_page_sends_undelivered_outcomes(shop: Page, killable_server: Killable):  # noqa: F811
    shop.evaluate("() => { window.lose = () => new Promise(() => {}); }")
    shop.evaluate(REPORT, "shown")
    shop.goto("/left")
    stored = "Object.values(sessionStorage).length"
    assert (killable_server.outcomes(), shop.evaluate(stored)) == ([], 1)
    shop.goto("/checkout")
    wait_for_outcomes(killable_server, "shown")
    shop.wait_for_function(f"{stored} === 0")
