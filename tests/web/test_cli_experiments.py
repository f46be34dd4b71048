"""`tap2 experiments`: what it lists, and what its actions do."""

from __future__ import annotations

from functools import partial
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
from web.experiments import results_files
from web.experiments.results_view import Look, changes_of

pytestmark = pytest.mark.anyio
SIDE = ("--merchant", "shop", "--placement", "payment_methods", "--json")


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A data folder of a merchant with an experiment without units."""
    engine = await open_engine(Settings(data=str(tmp_path)))
    try:
        await _create_shop(engine)
    finally:
        await engine.database.close()
    return tmp_path


async def _create_shop(engine: Engine) -> None:
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    shop = Shop(engine, merchant)
    await shop.add_placement(factories.placement(policy=Fixed()))
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
    assert (code, [(row["state"], row["layer"], row["share"]) for row in listed]) == (0, [("draft", "main", 1.0)])
    assert (await in_thread(data, "start", "paypal-first", *SIDE))[1]["state"] == "running"
    assert (await in_thread(data, "results", "paypal-first", *SIDE))[1]["verdict"]["kind"] == "too_few"
    assert (await in_thread(data, "results", "paypal-first", "--phase", "1", *SIDE))[1]["phase"] == 1
    assert (await in_thread(data, "results", "paypal-first", "--phase", "2", *SIDE))[0] == 1
    assert (await in_thread(data, "results", "paypal-first", "--look", "7", *SIDE))[0] == 1
    assert (await in_thread(data, "looks", "paypal-first", *SIDE))[1] == []
    assert (await in_thread(data, "pause", "paypal-first", "--why", "calls", *SIDE))[1]["state"] == "paused"
    assert (await in_thread(data, "resume", "paypal-first", *SIDE))[1]["state"] == "running"
    concluded = (await in_thread(data, "conclude", "paypal-first", "paypal", "--why", "better", *SIDE))[1]
    assert (concluded["state"], concluded["winner"]) == ("concluded", "paypal")
    assert (await in_thread(data, "archive", "paypal-first", *SIDE))[1]["state"] == "archived"
    assert (await in_thread(data, "restore", "paypal-first", *SIDE))[1]["state"] == "concluded"


async def test_a_draft_is_written_reviewed_and_planned(data: Path, tmp_path: Path) -> None:
    variants = [{"id": "a", "name": "As it is"}, {"id": "b", "name": "B", "candidates_off": ["paypal"]}]
    document = {"id": "second", "name": "Second", "variants": variants, "share": 0.4, "layer": "other"}
    file = tmp_path / "experiment.json"
    file.write_bytes(msgspec.json.encode(document))
    assert (await in_thread(data, "size", str(file), *SIDE))[1]["units"] is None
    assert (await in_thread(data, "create", str(file), *SIDE))[1]["state"] == "draft"
    assert (await in_thread(data, "ask", "second", *SIDE))[1]["state"] == "in_review"
    assert (await in_thread(data, "send-back", "second", *SIDE))[1]["state"] == "draft"
    assert "no planned start" in (await in_thread(data, "schedule", "second", *SIDE))[1]
    file.write_bytes(msgspec.json.encode(document | {"starts_at": "2099-01-01T00:00:00Z"}))
    assert (await in_thread(data, "replace", str(file), *SIDE))[1]["state"] == "draft"
    assert (await in_thread(data, "schedule", "second", *SIDE))[1]["state"] == "approved"
    assert (await in_thread(data, "start", "second", *SIDE))[1]["state"] == "running"
    assert (await in_thread(data, "show", "second", *SIDE))[1]["share"] == 0.4
    main, other = (await in_thread(data, "layers", *SIDE))[1]
    assert (main["layer"], main["free"], main["parts"]) == ("main", 1.0, [])
    assert (other["free"], other["parts"][0]["experiment"]) == (0.6, "second")
    assert (await in_thread(data, "variant", "second", "anna", *SIDE))[1]["phase"] == 1
    assert (await in_thread(data, "delete", "paypal-first", *SIDE))[1] == {"deleted": "paypal-first"}


async def test_a_customer_has_no_variant_before_a_bandit_assigns_one(data: Path, tmp_path: Path) -> None:
    variants = [{"id": "a", "name": "As it is"}, {"id": "b", "name": "B", "candidates_off": ["paypal"]}]
    file = tmp_path / "experiment.json"
    file.write_bytes(
        msgspec.json.encode({"id": "moved", "name": "Moved", "variants": variants, "allocation": "bandit"})
    )
    await in_thread(data, "create", str(file), *SIDE)
    await in_thread(data, "start", "moved", *SIDE)
    assert (await in_thread(data, "variant", "moved", "anna", *SIDE))[1]["variant"] is None


async def test_results_come_as_files(data: Path, tmp_path: Path) -> None:
    await in_thread(data, "start", "paypal-first", *SIDE)
    for kind, begins in (("json", b'{"experiment"'), ("csv", b"metric"), ("pdf", b"%PDF")):
        file = tmp_path / f"results.{kind}"
        command = ["experiments", "results", "paypal-first", "--format", kind, "--output", str(file), *SIDE]
        invoke = partial(CliRunner().invoke, main, command, env={"TAP2_DATA": str(data)})
        result = await anyio.to_thread.run_sync(invoke)
        assert result.exit_code == 0, result.stderr
        assert file.read_bytes().lower().startswith(begins.lower())


async def test_pdf_names_rules_and_phase(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await open_engine(Settings(data=str(data)))
    shop = Shop(engine, await engine.accounts.merchant("shop", "live"))
    await shop.create("rule", factories.rule({"exclude": ["card"]}, id="no-klarna", name="No Klarna under 50"))
    off = Variant(id="off", name="Without", rules_off=("no-klarna",))
    variants = (Variant(id="control", name="As it is", weight=3), off)
    document = Experiment(id="rules", name="Rules", variants=variants, minimum_days=0)
    await engine.experiments.create(shop.actor(), "payment_methods", document)
    await engine.experiments.start(shop.actor(), "payment_methods", "rules")
    even = msgspec.structs.replace(document, variants=(Variant(id="control", name="As it is"), off))
    await engine.experiments.update(shop.actor(), "payment_methods", "rules", even, version=None)
    await engine.database.close()
    looks: list[Look] = []

    def pdf_of(look: Look, *_: object) -> bytes:
        looks.append(look)
        return b"%PDF"

    monkeypatch.setattr(results_files, "pdf_of", pdf_of)
    for phase in ("1", "2"):
        command = ["experiments", "results", "rules", "--format", "pdf", "--phase", phase, *SIDE]
        invoke = partial(CliRunner().invoke, main, command, env={"TAP2_DATA": str(data)})
        assert (await anyio.to_thread.run_sync(invoke)).exit_code == 0
    assert [look.document.control.weight for look in looks] == [3, 1]
    assert changes_of(looks[0].document, 1, looks[0].labels) == ["Rules off: No Klarna under 50"]


async def test_the_checklist_and_the_log_are_read(data: Path) -> None:
    points = (await in_thread(data, "checklist", "paypal-first", *SIDE))[1]
    assert {point["id"]: point["done"] for point in points}["variants"] is True
    assert (await in_thread(data, "log", "paypal-first", *SIDE))[1][0]["state"] == "not_asked"
    assert (await in_thread(data, "ask-log", "paypal-first", *SIDE))[1][0]["state"] == "done"


async def test_invalid_document_is_refused_in_one_line(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "experiment.json"
    file.write_text('{"id": "x"}')
    code, text = await in_thread(data, "create", str(file), *SIDE)
    assert code == 1
    assert "name" in text


async def test_refused_action_prints_its_reason_in_one_line(data: Path) -> None:
    code, text = await in_thread(data, "stop", "paypal-first", "--why", "calls", *SIDE)
    assert code == 1
    assert "the experiment is a draft" in text
