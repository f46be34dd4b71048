"""Pages of experiments that are seldom seen: stopped, by a bandit, with ten variants, and refused forms; all widths."""

from __future__ import annotations

import math
import sqlite3
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from engine.clock import now_ms
from engine.model.timestamps import DAY
from engine.store.experiments.sums import MEASURE_FIELDS, UnitTotals
from tests.browser.conftest import Site, log_in, save_screenshot
from tests.browser.test_experiment_pages import Shop, is_accessible

pytestmark = pytest.mark.browser
WIDTHS = (1280, 768, 390)
DAYS = 6
SEGMENTS = ("", "device.type=mobile", "device.type=desktop", "geo.country=DE", "customer=new")
CONTROL = {"id": "control", "name": "As it is now"}


def variant(number: int) -> dict[str, Any]:
    """Return a variant that sets a value of its own."""
    return {"id": f"v{number}", "name": f"Variant {number} with a name of some length", "values": {"style": number}}


class Sold:
    """The purchases of a variant's units: the share with a purchase, its mean amount, and the seconds that it took."""

    def __init__(self, share: float, amount: int = 5_000, seconds: float = 40.0) -> None:
        self.share, self.amount, self.seconds = share, amount, seconds

    def totals(self, units: int) -> UnitTotals:
        bought = round(units * self.share)
        squares = 2.0 * self.amount * self.amount * bought
        return UnitTotals(units, bought, bought, bought, bought * self.amount, squares, float(bought * self.amount))

    def times(self, units: int) -> UnitTotals:
        timed, mean = round(units * self.share), self.seconds * 1_000
        return UnitTotals(0, timed, timed, timed, round(timed * mean), 1.4 * timed * mean * mean, timed * mean)


class States(Shop):
    """A merchant with experiments of every kind, whose sums are stored as if days had passed."""

    def experiment(self, id: str, variants: list[dict[str, Any]], *, action: str = "", **fields: Any) -> None:
        """Create an experiment, start it and perhaps end it."""
        path = "/v1/placements/payment_methods/experiments"
        body = {"id": id, "name": id.replace("-", " ").capitalize(), "variants": [CONTROL, *variants], "share": 0.3}
        self.send(path, body | {"minimum_days": 0} | fields)
        self.send(f"{path}/{id}/start", {})
        if action:
            self.send(f"{path}/{id}/{action}", {"reason": "Support had calls about missing methods on phones"})

    def fill(self, id: str, units: int, **sold: Sold) -> None:
        """Store what units of each variant bought on each of the last days."""
        hours = [(now_ms() - (day + 1) * DAY) // 3_600_000 // 24 * 24 for day in range(DAYS)]
        with sqlite3.connect(self.site.data / "tap2.sqlite", timeout=30) as database:
            query = "SELECT id FROM merchants WHERE slug = ? AND mode = 'live'"
            (merchant,) = database.execute(query, [self.slug]).fetchone()
            for hour, segment, (name, each) in ((h, s, v) for h in hours for s in SEGMENTS for v in sold.items()):
                count = units if not segment else units // 2
                cell = (merchant, "payment_methods", id, 1, segment, hour + (23 if segment else 0), name)
                _insert(database, "experiment_sums", (*cell, *each.totals(count)))
                times = each.times(count)
                own = (getattr(times, field) for field in MEASURE_FIELDS)
                _insert(database, "experiment_measure_sums", (*cell, "checkout_time", *own))


def _insert(database: sqlite3.Connection, table: str, row: tuple[Any, ...]) -> None:
    database.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)


@pytest.fixture(scope="module")
def states(site: Site) -> States:
    shop = States(site, "states")
    paypal = {"id": "paypal", "name": "PayPal first", "order": ["paypal"]}
    timed = {"primary": "checkout_time", "secondary": ["margin", "revenue", "declined"]}
    guarded = {"guardrails": [{"metric": "conversion"}, {"metric": "checkout_time", "tolerated_percent": 10}]}
    shop.experiment("faster-checkout", [paypal], **timed, **guarded)
    shop.fill("faster-checkout", 900, control=Sold(0.30), paypal=Sold(0.31, 5_400, 33.0))
    shop.send("/v1/placements/payment_methods/experiments/faster-checkout/stop", {"reason": "Support had calls"})
    shop.experiment("towards-the-best", [paypal], allocation="bandit", secondary=["revenue"])
    shop.fill("towards-the-best", 900, control=Sold(0.30), paypal=Sold(0.34))
    shop.experiment(
        "ten-variants", [variant(number) for number in range(1, 10)], secondary=["revenue", "checkout_time"]
    )
    rates = {f"v{number}": Sold(0.30 + 0.01 * math.sin(number)) for number in range(1, 10)}
    shop.fill("ten-variants", 700, control=Sold(0.30), **rates)
    return shop


@pytest.fixture
def dark(chromium: Browser, site: Site) -> Any:
    opened = chromium.new_context(base_url=site.url, locale="en-US", color_scheme="dark", reduced_motion="reduce")
    yield opened.new_page()
    opened.close()


def look_at(page: Page, name: str) -> None:
    """Check a page at every width, and keep pictures of it."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(150)
        is_accessible(page)
        save_screenshot(page, f"{name}-{width}")


@pytest.mark.parametrize(
    ("id", "heading"),
    [
        ("faster-checkout", "PayPal first is better: "),
        ("towards-the-best", "PayPal first is better: "),
        ("ten-variants", "Keep going"),
    ],
)
@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_results_fit_every_width(page: Page, dark: Page, states: States, id: str, heading: str, theme: str) -> None:
    shown = dark if theme == "dark" else page
    log_in(shown, states.email)
    shown.goto(f"/admin/live/experiments/payment_methods/{id}")
    expect(shown.get_by_role("heading", name=heading)).to_be_visible()
    look_at(shown, f"{id}-{theme}")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_refused_form_fits_every_width(page: Page, dark: Page, states: States, theme: str) -> None:
    shown = dark if theme == "dark" else page
    log_in(shown, states.email)
    shown.goto("/admin/live/experiments/new?placement=payment_methods")
    shown.get_by_label("Share of the audience").fill("0")
    shown.get_by_label("At most").fill("3")
    shown.get_by_role("button", name="Save as a draft").click()
    expect(shown.get_by_text("Give it a name that says what is tried").first).to_be_visible()
    look_at(shown, f"experiment-form-{theme}")
