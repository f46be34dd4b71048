"""`tap2 offers` and `tap2 budget`: what they list, and that `verify` notices a difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio.to_thread
import msgspec
import pytest
from click.testing import CliRunner
from sqlalchemy import update

from bandits.evaluation.held_out import Fidelity
from engine.clock import now_ms
from engine.decisions.offer_holds import new_hold
from engine.kernel.offers.availability import OfferContext
from engine.kernel.offers.quote import Cart
from engine.model.documents.offer import OfferBudget
from engine.model.offers.refit import Refit, RefitResult
from engine.model.placement import Candidate
from engine.model.scope import Scope
from engine.model.timestamps import DAY
from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store import tables
from engine.store.offers import refits
from tests.offers import offer_candidate, open_offers
from tests.shop import Shop
from web.cli import main

pytestmark = pytest.mark.anyio
SHOP = ("--merchant", "shop", "--json")


async def opened(data: Path) -> Engine:
    return await open_engine(Settings(data=str(data)))


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A data folder of a merchant with two offers, one with a hold."""
    engine = await opened(tmp_path)
    try:
        merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
        shop = Shop(engine, merchant)
        daily = OfferBudget(id="daily", name="Daily", currency="EUR", uses=5, period="day", scope="customer")
        await shop.create("budget", daily)
        late = offer_candidate("late", position=2, ends_at="2026-01-01T00:00:00Z")
        paused = offer_candidate("paused", position=1, enabled=False)
        own = offer_candidate(budgets=("spring", "daily"))
        await open_offers(shop, late, paused, own, Candidate(id="none", label="No offer"))
        await engine.live.refresh(at_once=True)
        plan = engine.live.placements(shop.id)["offers"].plan
        context = OfferContext(shop.id, "c" * 8, Cart(10_000, "EUR"), now_ms(), "EUR")
        await engine.holds.take(new_hold(plan, "ten-percent", context, ""), now=now_ms())
    finally:
        await engine.database.close()
    return tmp_path


async def run(data: Path, *arguments: str) -> tuple[int, Any]:
    """Run a command, which has an event loop of its own, outside the test's."""

    def invoke() -> tuple[int, Any]:
        result = CliRunner().invoke(main, [*arguments, *SHOP], env={"TAP2_DATA": str(data)})
        return result.exit_code, msgspec.json.decode(result.stdout) if result.stdout else result.stderr

    return await anyio.to_thread.run_sync(invoke)


async def test_budgets_are_listed_with_their_balances(data: Path) -> None:
    code, rows = await run(data, "budget", "list")
    assert (code, [row["id"] for row in rows]) == (0, ["daily", "spring"])
    daily, spring = rows
    assert (spring["held"], spring["held_uses"], spring["spent"], spring["left"]) == (1_000, 1, 0, 9_000)
    assert (daily["held_uses"], daily["uses"], daily["left"]) == (1, 5, None)


async def test_offers_are_listed_in_their_order(data: Path) -> None:
    code, rows = await run(data, "offers", "list")
    assert code == 0
    assert [(row["id"], row["state"]) for row in rows] == [
        ("ten-percent", "offered"),
        ("paused", "paused"),
        ("late", "ended at 2026-01-01T00:00:00Z"),
    ]
    assert rows[0]["benefit"] == {"type": "percentage", "percent": 10.0, "maximum": 2_000}


async def test_verify_agrees_until_a_balance_is_tampered_with(data: Path) -> None:
    code, result = await run(data, "budget", "verify")
    assert (code, result["same"], result["balances"], result["holds"]) == (0, True, 2, 1)
    engine = await opened(data)
    async with engine.database.write() as connection:
        await connection.execute(update(tables.budget_balances).values(held=20_000))
    await engine.database.close()
    code, result = await run(data, "budget", "verify")
    assert (code, result["same"], result["over_cap"]) == (1, False, ["spring"])
    names = [difference["balance"] for difference in result["differences"]]
    assert names[0].startswith("daily / day ")
    assert names[0].endswith("cccccccc")
    assert result["differences"][1]["stored"]["held"] == 20_000
    assert result["differences"][1]["ledger"] == result["differences"][1]["holds"]


async def test_a_merchant_without_budgets_has_nothing_to_compare(tmp_path: Path) -> None:
    engine = await opened(tmp_path)
    await engine.accounts.add_merchant("shop", "Shop")
    await engine.database.close()
    assert (await run(tmp_path, "budget", "list"))[1] == []
    code, result = await run(tmp_path, "budget", "verify")
    assert (code, result["same"], result["balances"]) == (0, True, 0)


async def test_a_pool_is_filled_and_counted(data: Path) -> None:
    engine = await opened(data)
    merchant = await engine.accounts.merchant("shop", "live")
    await Shop(engine, merchant).create("candidate", offer_candidate("pooled", codes="pool"), placement="offers")
    await engine.database.close()
    file = data / "codes.txt"
    file.write_text("spring-1\n\nspring-2\n")
    assert (await run(data, "codes", "add", "--file", str(file), "--offer", "pooled"))[1]["added"] == 2
    made = await run(data, "codes", "generate", "--count", "3", "--prefix", "g-", "--offer", "pooled")
    assert made == (0, {"added": 3, "repeated": 0})
    assert (await run(data, "codes", "count", "--offer", "pooled"))[1] == {"free": 5, "held": 0, "used": 0}


async def test_events_are_listed_after_a_cursor(data: Path) -> None:
    code, rows = await run(data, "events", "list")
    assert (code, [row["type"] for row in rows]) == (0, ["version.published", "version.published", "offer.held"])
    assert rows[2]["body"]["offer_id"] == "ten-percent"
    assert (await run(data, "events", "list", "--after", str(rows[1]["id"])))[1] == rows[2:]
    assert (await run(data, "events", "list", "--after", str(rows[2]["id"])))[1] == []


async def test_refits_are_listed_and_reverted(data: Path) -> None:
    assert await run(data, "beliefs", "refits") == (0, [])
    engine = await opened(data)
    side = await engine.accounts.merchant("shop")
    await engine.live.follow()
    scope = Scope(side.id, "offers", engine.live.placements(side.id)["offers"].plan.placement.reward)
    fit = Fidelity(100.0, 0.3, 10.0, 11.0, 9.0)
    result = RefitResult(first_day=1, last_day=7, trained=50, before=fit, after=fit._replace(log_loss=0.2))
    async with engine.database.write() as connection:
        await refits.add(connection, scope, Refit(9 * DAY, result, 1, 2, 0))
    await engine.database.close()
    code, [row] = await run(data, "beliefs", "refits")
    assert (code, row["state"], row["held_out_to"], row["refit"]["log_loss"]) == (0, "accepted", "1970-01-08", 0.2)
    code, problem = await run(data, "beliefs", "undo-refit", "--reason", "odd")
    assert code == 1
    assert "no longer kept" in problem
