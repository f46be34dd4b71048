"""The versions page and the command say how often previews were right."""

from __future__ import annotations

import json

import msgspec
import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from engine.previews.estimation.effect import Effect
from engine.previews.estimation.forecast import ForecastOutcome
from engine.previews.forecasts import Forecast
from engine.service import Engine
from engine.store.tables import forecasts
from tests.serving import Server, Side
from tests.shop import Shop
from tests.web.people import Person, add_person
from web.admin.changes.version_forecasts import forecast_agreement, forecast_cell
from web.cli import main
from web.cli.common import with_engine
from web.format import Show, viewer_locale

PAGE = "/admin/live/placements/payment_methods/versions"
EFFECT = Effect(5_000, 5_000, 0.3, 0.014, 0.008, 0.021, 4_000, 3.0, 0.0, 0.0)
CAME = ForecastOutcome(4_000, 4_000, "before", 0.012, -0.003, 0.025, True)


class Frame:
    show = Show(locale=viewer_locale("en"), timezone="UTC", now=0)
    merchant = type("Merchant", (), {"currency": "EUR"})


def cell(*, effect=EFFECT, outcome=CAME, reward="converted", is_final=True):
    return forecast_cell(Frame(), Forecast("payment_methods", 3, reward, 0, effect, outcome, is_final))


def test_forecast_is_shown_beside_the_result():
    text = cell()
    assert text.expected == "+0.80 to +2.1 percentage points expected"
    assert text.outcome.startswith("+1.2 measured (-0.30 to +2.5 percentage points), against the time before")
    assert (text.mark, text.kind) == ("As expected", "good")
    assert "measured so far" in cell(is_final=False).outcome
    other = msgspec.structs.replace(CAME, holds=False, against="holdback")
    assert cell(outcome=other).mark == "Not as expected"
    assert "in the holdback" in cell(outcome=other).outcome


def test_forecast_without_a_verdict_explains_why():
    assert cell(outcome=None, is_final=False).mark == "Too early"
    assert cell(outcome=msgspec.structs.replace(CAME, holds=None)).outcome == "Too few results so far."
    assert cell(effect=msgspec.structs.replace(EFFECT, refused="too few")).expected.startswith("The preview could not")
    assert cell(outcome=None).outcome == "Not compared with outcomes."


@pytest.mark.parametrize("reward", ["revenue", "margin"])
def test_money_is_written_for_100_decisions(reward):
    expected = msgspec.structs.replace(EFFECT, value=140.0, low=80.0, high=210.0)
    came = msgspec.structs.replace(CAME, value=120.0, low=-30.0, high=250.0)
    text = cell(effect=expected, outcome=came, reward=reward)
    assert text.expected == "+€80.00 to +€210.00 for each 100 decisions expected"
    assert text.outcome.startswith("+€120.00 measured (-€30.00 to +€250.00 for each 100 decisions), against the time")
    assert text.mark == "As expected"


def test_accuracy_of_previews_is_one_sentence():
    kept = [Forecast("p", number, "converted", 0, EFFECT, CAME, True) for number in range(3)]
    wrong = Forecast("p", 4, "converted", 0, EFFECT, msgspec.structs.replace(CAME, holds=False), True)
    assert forecast_agreement([*kept, wrong]).startswith("3 of 4 forecasts agree with the actual change.")
    assert forecast_agreement([]) == ""


@pytest.fixture
def kept(server: Server, side: Side) -> Side:
    """A merchant whose version in force has a forecast that was judged."""
    server.run(judged(server.engine, side.merchant.id))
    return side


async def judged(engine: Engine, merchant_id: int) -> None:
    active = engine.live.get(merchant_id, "payment_methods")
    row = {"merchant_id": merchant_id, "placement": "payment_methods", "version": active.plan.version}
    texts = {name: msgspec.json.encode(value).decode() for name, value in (("effect", EFFECT), ("outcome", CAME))}
    async with engine.database.write() as connection:
        await connection.execute(
            insert(forecasts).values(**row, **texts, reward="converted", previewed_at=1, checked_at=2, is_open=False)
        )


def test_the_versions_page_has_no_column_without_forecasts(server: Server, side: Side):
    assert "Forecast and result" not in add_person(server, side).get(PAGE)


def test_versions_page_shows_forecasts(server: Server, kept: Side):
    person: Person = add_person(server, kept)
    page = person.get(PAGE)
    assert "Forecast and result" in page
    assert "As expected" in page
    assert "1 of 1 forecasts agree with the actual change." in page


def test_the_command_prints_forecasts(tmp_path, monkeypatch):
    monkeypatch.setenv("TAP2_DATA", str(tmp_path / "database"))
    for words in (["db", "upgrade"], ["merchant", "add", "bakery"]):
        assert CliRunner().invoke(main, words).exit_code == 0
    with_engine(_bake)
    ran = CliRunner().invoke(main, ["evaluate", "--forecasts", "--merchant", "bakery"], env={"COLUMNS": "160"})
    assert ran.exit_code == 0, ran.output
    assert "1 of 1 agree with the actual change" in ran.output
    printed = json.loads(CliRunner().invoke(main, ["evaluate", "--forecasts", "--merchant", "bakery", "--json"]).stdout)
    assert (printed["right"], printed["judged"]) == (1, 1)
    assert printed["forecasts"][0]["expected"] == [0.008, 0.021]


async def _bake(engine: Engine) -> None:
    shop = Shop(engine, await engine.accounts.merchant("bakery"))
    await engine.start(with_jobs=False)
    await shop.add_placement()
    await judged(engine, shop.id)
    await engine.stop()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--forecasts"], "--forecasts needs --merchant"),
        (["--forecasts", "--merchant", "bakery", "log", "p", "--merchant", "bakery"], "goes without a command"),
        ([], "Usage:"),
    ],
)
def test_command_names_the_missing_data(words, text):
    assert text in CliRunner().invoke(main, ["evaluate", *words]).output
