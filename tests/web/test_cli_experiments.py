"""`tap2 experiments`: what it lists, and what its actions do."""

from __future__ import annotations

from pathlib import Path

import anyio.to_thread
import msgspec
import pytest
from click.testing import CliRunner

from engine.model.experiment import Experiment, Variant
from engine.model.placement import Fixed
from engine.service import Engine, open_engine
from engine.settings import Settings
from tests import factories
from tests.shop import Shop
from web.cli import main

pytestmark = pytest.mark.anyio
SIDE = ("--merchant", "shop", "--placement", "payment_methods", "--json")


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A data folder of a merchant with an experiment that nobody is in yet."""
    engine = await open_engine(Settings(data=str(tmp_path)))
    try:
        await _furnish(engine)
    finally:
        await engine.database.close()
    return tmp_path


async def _furnish(engine: Engine) -> None:
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    shop = Shop(engine, merchant)
    await shop.place(factories.placement(policy=Fixed()))
    variants = (Variant(id="control", name="As it is"), Variant(id="paypal", name="PayPal", order=("paypal",)))
    document = Experiment(id="paypal-first", name="PayPal first", variants=variants, minimum_days=0)
    await engine.experiments.create(shop.actor(), "payment_methods", document)


def run(data: Path, *arguments: str) -> tuple[int, object]:
    result = CliRunner().invoke(main, ["experiments", *arguments], env={"TAP2_DATA": str(data)})
    return result.exit_code, msgspec.json.decode(result.stdout) if result.exit_code == 0 else result.stderr


async def in_thread(data: Path, *arguments: str) -> tuple[int, object]:
    """Run a command, which has an event loop of its own, outside the test's."""
    return await anyio.to_thread.run_sync(lambda: run(data, *arguments))


async def test_an_experiment_is_run_from_the_command_line(data: Path) -> None:
    code, listed = await in_thread(data, "list", *SIDE)
    assert (code, [row["state"] for row in listed]) == (0, ["draft"])
    assert (await in_thread(data, "start", "paypal-first", *SIDE))[1]["state"] == "running"
    assert (await in_thread(data, "results", "paypal-first", *SIDE))[1]["verdict"]["kind"] == "too_few"
    assert (await in_thread(data, "results", "paypal-first", "--phase", "1", *SIDE))[1]["phase"] == 1
    assert (await in_thread(data, "results", "paypal-first", "--phase", "2", *SIDE))[0] == 1
    assert (await in_thread(data, "pause", "paypal-first", "--why", "calls", *SIDE))[1]["state"] == "paused"
    assert (await in_thread(data, "resume", "paypal-first", *SIDE))[1]["state"] == "running"
    concluded = (await in_thread(data, "conclude", "paypal-first", "paypal", "--why", "better", *SIDE))[1]
    assert (concluded["state"], concluded["winner"]) == ("concluded", "paypal")
    assert (await in_thread(data, "archive", "paypal-first", *SIDE))[1]["state"] == "archived"
    assert (await in_thread(data, "restore", "paypal-first", *SIDE))[1]["state"] == "concluded"


async def test_a_refused_action_says_why_in_one_line(data: Path) -> None:
    code, text = await in_thread(data, "stop", "paypal-first", "--why", "calls", *SIDE)
    assert code == 1
    assert "the experiment is draft" in text
