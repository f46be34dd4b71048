"""Test that the problem in a scenario is a single line that begins with the field."""

import re
from pathlib import Path

import pytest

from simulation.errors import BadScenario
from simulation.scenario import read

PAGE = (Path(__file__).parent.parent.parent / "docs" / "simulation.md").read_text()
GOOD = """
name = "Two buttons"
horizon = 100
seeds = 2
[world]
kind = "bernoulli"
rates = [0.1, 0.2]
[[policies]]
kind = "textbook"
"""
POSITIONS = 'kind = "position_based"\nattraction = [0.5]\nexamination = [1, 1]'
JUMPS = 'kind = "jumping"\nphases = [[0.1, 0.2], [0.3]]'


@pytest.mark.parametrize(
    ("original", "changed", "message"),
    [
        ("horizon = 100", "horizon = 0", "horizon: expected int >= 1"),
        ("horizon = 100", "", "object missing required field horizon"),
        ("0.2]", "1.2]", "world.rates[1]: expected float <= 1.0"),
        ("0.2]", '"high"]', "world.rates[1]: expected float, got str"),
        ('"bernoulli"', '"casino"', "world.kind: invalid value 'casino'"),
        ('"textbook"', '"textbook"\ncolour = 1', "policies[0]: object contains unknown field colour"),
        ('"textbook"', '"thompson"\nfloor = 0.9', "policies[0].floor: expected float <= 0.5"),
        ('"textbook"', '"contextual"', "policies[0].kind: contextual needs a world with features"),
        ('"textbook"', '"thompson"\npeers = true', "policies[0].peers: only a new merchant has peers"),
        ('"textbook"', '"textbook"\n[[policies]]\nkind = "textbook"', "policies: each needs a name of its own"),
        ('"textbook"', '"fixed"\norder = [1, 1]', "policies[0].order: needs each of 0 to 1 once"),
        ('"textbook"', '"fixed"\norder = [7]', "policies[0].order: needs each of 0 to 1 once"),
        ("horizon = 100", "horizon = ", "not TOML: "),
        ('kind = "bernoulli"\nrates = [0.1, 0.2]', POSITIONS, "world.examination: there are 1 candidates for 2 slots"),
        ('kind = "bernoulli"\nrates = [0.1, 0.2]', JUMPS, "world.phases: every phase needs as many rates"),
    ],
)
def test_problems_are_named(original, changed, message):
    assert original in GOOD
    with pytest.raises(BadScenario) as error:
        read(GOOD.replace(original, changed, 1))
    assert str(error.value).startswith(message)


def test_the_example_of_the_page_is_a_scenario():
    example = re.search(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert example
    assert read(example[1]).titles() == ["uniform", "thompson"]


def test_every_kind_and_every_field_is_documented():
    from simulation import scenario

    for union in (scenario.WorldSpec, scenario.ReportingSpec, scenario.PolicySpec):
        for kind in union.__args__:
            assert f"| `{kind.__struct_config__.tag}` |" in PAGE
            for field in set(kind.__struct_fields__) - {"name"}:
                assert f"`{field}`" in PAGE, (kind, field)
