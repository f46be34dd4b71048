"""`tap2 simulate`, as a person at a terminal and as a program meet it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from web.cli import main
from web.cli.simulation.simulate_chart import SCRIPTS, VENDOR

SCENARIO = """
name = "Two </script> buttons"
horizon = 300
seeds = 2
[world]
kind = "bernoulli"
rates = [0.1, 0.5]
[[policies]]
kind = "uniform"
[[policies]]
kind = "thompson"
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "buttons.toml"
    path.write_text(SCENARIO)
    return path


def tap2(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["simulate", *map(str, arguments), "--workers", "1"])


def test_table_shows_the_regret_of_each_policy(scenario):
    sentence = tap2(scenario)
    assert sentence.exit_code == 0
    assert "300 visits, 2 seeds" in sentence.stdout
    lines = {line.split("│")[1].strip(): line for line in sentence.stdout.splitlines() if line.startswith("│")}
    assert float(lines["uniform"].split("│")[2]) > float(lines["thompson"].split("│")[2]) > 0


def test_json_output_has_only_the_figure_of_each_seed(scenario):
    document = json.loads(tap2(scenario, "--seeds", 3, "--json").stdout)
    assert document["seeds"] == 3
    uniform, thompson = document["policies"]
    assert (uniform["name"], thompson["name"]) == ("uniform", "thompson")
    assert len(uniform["regrets"]) == 3
    assert uniform["regret"]["low"] < uniform["regret"]["mean"] == pytest.approx(sum(uniform["regrets"]) / 3)
    assert document["visits"][-1] == 300
    assert uniform["curve"][-1] == pytest.approx(uniform["regret"]["mean"])


def test_invalid_scenario_prints_one_line_with_the_field(scenario):
    scenario.write_text(SCENARIO.replace("0.5]", "5]"))
    sentence = tap2(scenario)
    assert sentence.exit_code == 1
    assert sentence.stderr.splitlines() == ["Error: buttons.toml: world.rates[1]: expected float <= 1.0"]


def test_chart_is_an_offline_page_with_escaped_names(scenario, tmp_path):
    if not all((VENDOR / name).exists() for name in SCRIPTS):
        pytest.skip("the charts' scripts were not fetched")
    page = tmp_path / "curves.html"
    assert tap2(scenario, "--chart", page).exit_code == 0
    text = page.read_text()
    assert "<h1>Two &lt;/script&gt; buttons</h1>" in text
    assert "<script src" not in text
    assert '"policy": "thompson"' in text


def test_unwritable_chart_is_reported(scenario, tmp_path):
    sentence = tap2(scenario, "--chart", tmp_path / "nowhere" / "curves.html")
    assert sentence.exit_code == 1
    assert sentence.stderr.splitlines()[-1].startswith("Error: --chart: ")
