"""`tap2 evaluate`: on a placement's log, and on logs of the Open Bandit Dataset."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import update

from benchmarks.fetch_obd import posteriors_of
from engine.clock import now_ms
from engine.model.placement import One, Split
from engine.service import Engine
from engine.store.tables import decisions
from evaluation.bandit_log import BadLog, read_item_features, read_log, read_posteriors
from evaluation.bandit_log_estimates import chances_of, estimates, log_of
from evaluation.logistic_regression import fit_logistic, logistic
from tests import factories
from tests.shop import Shop
from web.cli import main
from web.cli.common import with_engine

PAGE = (Path(__file__).parent.parent.parent / "docs" / "evaluation.md").read_text()
RATES = (0.05, 0.1, 0.3, 0.15, 0.08)


def tap2(*words: str):
    return CliRunner().invoke(main, list(words), env={"COLUMNS": "160"})


def document(*words: str):
    ran = tap2(*words, "--json")
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A uniform log of five items, and one of a policy that nearly always shows the third first."""
    folder = tmp_path / "data" / "obd"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    write(folder / "random-all.csv", [random.choice(5, 3, replace=False) for _ in range(6_000)], random)
    write(folder / "bts-all.csv", [np.array([2, 3, 1]) for _ in range(6_000)], random)
    features = [["", "item_id", "item_feature_0", "item_feature_1"]]
    features += [[item, item, rate * 10, "ab"[item % 2]] for item, rate in enumerate(RATES)]
    save(folder / "all-item_context.csv", features)
    means = [["item_id", "alpha", "beta"], *([item, 400 * rate, 400 * (1 - rate)] for item, rate in enumerate(RATES))]
    save(folder / "all-posteriors.csv", means)
    return folder


def write(path: Path, orders, random) -> None:
    head = ["", "timestamp", "item_id", "position", "click", "propensity_score", "user_feature_0"]
    rows = []
    for number, order in enumerate(orders):
        position = int(random.integers(3))
        clicked = int(random.random() < RATES[order[position]])
        rows.append([number, "2019-11-24", order[position], position + 1, clicked, 0.2, "xyz"[number % 3]])
    save(path, [head, *rows])


def save(path: Path, rows) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def obd_words(folder: Path, log: str = "random-all.csv") -> list[str]:
    files = {"--items": "all-item_context.csv", "--posteriors": "all-posteriors.csv"}
    return ["evaluate", "obd", str(folder / log), *(w for k, v in files.items() for w in (k, str(folder / v)))]


def test_a_policy_is_evaluated_from_the_log_of_another(dataset: Path):
    result = document(*obd_words(dataset), "--truth", str(dataset / "bts-all.csv"))
    assert set(result["estimates"]) == {"IPS", "SNIPS", "DM", "DR", "DRos", "DRos, shrinkage 10"}
    for name in ("IPS", "SNIPS", "DR"):
        item = result["estimates"][name]
        assert item["refused"] == ""
        assert item["low"] < result["truth"] + 0.01
        assert item["high"] > result["truth"] - 0.01
    assert result["estimates"]["SNIPS"]["value"] == pytest.approx(result["truth"], abs=0.03)


def test_short_log_is_refused_without_a_value(dataset: Path):
    lines = (dataset / "random-all.csv").read_text().splitlines()
    (dataset / "short.csv").write_text("\n".join(lines[:121]))
    ran = tap2(*obd_words(dataset, "short.csv"))
    assert ran.exit_code == 0
    assert "IPS is refused: the effective sample is" in ran.output
    assert not re.search(r"│ SNIPS +│ +0\.", ran.output)


def test_model_based_estimates_have_no_interval(dataset: Path):
    words = ["evaluate", "obd", str(dataset / "random-all.csv")]
    words += ["--items", str(dataset / "all-item_context.csv"), "--posteriors", str(dataset / "all-posteriors.csv")]
    assert re.search(r"│ DM +│ +0\.\d+ │ +none │", tap2(*words).output)
    assert document(*words)["estimates"]["DRos"]["low"] is None


def test_log_without_clicks_is_evaluated(dataset: Path):
    rows = read_log(dataset / "random-all.csv")
    features = read_item_features(dataset / "all-item_context.csv")
    log = log_of(rows, features)._replace(clicked=np.zeros(len(rows)))
    chances = chances_of(read_posteriors(dataset / "all-posteriors.csv"), list(features))
    for name, item in estimates(log, chances).items():
        assert abs(item.value) < 0.001, name
        assert item.high > 0 or name.startswith(("DM", "DRos"))
        assert not item.refused


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("all-item_context.csv", ",item_id,item_feature_0\n0,0,1.5\n", "--items: item 1 of the log is not in it"),
        ("all-posteriors.csv", "item_id,alpha,beta\n0,1,1\n", "--posteriors: item 1 is not in it"),
        ("all-posteriors.csv", "item_id,alpha,beta\n0,x,1\n", "line 2: alpha and beta must be numbers"),
        (
            "all-posteriors.csv",
            "item_id,alpha,beta\n" + "".join(f"{item},0,1\n" for item in range(5)),
            "--posteriors: alphas and betas must be positive",
        ),
    ],
)
def test_invalid_file_is_named(dataset: Path, name: str, content: str, message: str):
    (dataset / name).write_text(content)
    ran = tap2(*obd_words(dataset))
    assert ran.exit_code == 1
    assert message in ran.output


def test_published_distributions_become_a_table():
    published = "all:\n  alpha:\n    - 47.0\n    - 8.0\n  beta:\n    - 12.0\n    - 3.0\nmen:\n  alpha:\n    - 1.0\n"
    assert posteriors_of(published, "all") == "item_id,alpha,beta\n0,47.0,12.0\n1,8.0,3.0\n"


def test_a_logistic_regression_finds_the_rates_of_its_data():
    random = np.random.default_rng(0)
    x = random.normal(size=(20_000, 2))
    y = (random.random(20_000) < logistic(x @ [1.0, -0.5] - 1)).astype(float)
    assert fit_logistic(x, y, penalty=1e-3) == pytest.approx([1, -0.5, -1], abs=0.08)
    assert logistic(fit_logistic(x[:8], np.zeros(8), penalty=1.0))[-1] == pytest.approx(0.1)


# A placement's own log


@pytest.fixture
def bakery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reproducible_draws: None) -> Path:
    """A merchant whose placement splits its customers between two methods; 400 decisions are logged."""
    monkeypatch.setenv("TAP2_DATA", str(tmp_path / "database"))
    assert tap2("db", "upgrade").exit_code == 0
    assert tap2("merchant", "add", "bakery").exit_code == 0
    with_engine(_play)
    return tmp_path


async def _play(engine: Engine) -> None:
    shop = Shop(engine, await engine.accounts.merchant("bakery"))
    await engine.start()
    where = factories.placement(shape=One(), policy=Split(), reward="selected")
    await shop.add_placement(where, *factories.candidates("card", "paypal"))
    answers = await asyncio.gather(*(shop.decide(f"c{number}") for number in range(400)))
    reports = []
    for number, answer in enumerate(answers):
        first = answer.decision.ranking[0].id
        paid = number % 10 < (6 if first == "paypal" else 3)
        reports.append(shop.outcome(answer, "selected" if paid else "abandoned", first if paid else None))
    await engine.recorder.outcomes(reports)
    async with engine.database.write() as connection:
        await connection.execute(update(decisions).values(closes_at=now_ms()))
    await engine.stop()


def test_log_of_a_placement_estimates_another_policy(bakery: Path):
    result = document("evaluate", "log", "payment_methods", "--merchant", "bakery", "--policy", "first:paypal")
    assert (result["decisions"], result["left_out"]) == (400, 0)
    assert result["estimates"]["SNIPS"]["value"] == pytest.approx(0.6, abs=0.1)
    assert result["estimates"]["difference"]["low"] > 0
    even = document("evaluate", "log", "payment_methods", "--merchant", "bakery", "--policy", "even")
    assert even["estimates"]["difference"]["value"] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--policy", "best"], "must be order, even, or first:"),
        (["--policy", "first:nobody"], "there is no candidate “nobody”"),
        (["--merchant", "nobody"], "there is no merchant “nobody”"),
        (["--from", "yesterday"], "does not match the format"),
    ],
)
def test_invalid_option_is_named(bakery: Path, words: list[str], message: str):
    ran = tap2("evaluate", "log", "payment_methods", "--merchant", "bakery", *words)
    assert ran.exit_code
    assert message in ran.output


def test_a_period_without_decisions_is_refused(bakery: Path):
    ran = tap2("evaluate", "log", "payment_methods", "--merchant", "bakery", "--to", "2020-01-01")
    assert "SNIPS is refused: there are too few decisions." in ran.output


def test_the_commands_of_the_page_run(bakery: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(bakery)
    commands = [shlex.split(line) for line in re.findall(r"^    (tap2 .*)$", PAGE, re.MULTILINE)]
    assert len(commands) == 2
    for command in commands:
        ran = tap2(*command[1:])
        assert ran.exit_code == 0, ran.output
        assert "effective sample" in ran.output


def test_a_log_of_items_without_features_is_refused(dataset: Path):
    with pytest.raises(BadLog, match="item 1 of the log"):
        log_of(read_log(dataset / "random-all.csv"), {"0": ("1",)})
