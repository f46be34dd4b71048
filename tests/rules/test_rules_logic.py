"""Test that `rules.apply` evaluates standard JSON-logic as json-logic-js does, and withstands hostile input."""

import json
import math
import time
from pathlib import Path

import pytest
from hypothesis import given, settings

from benchmarks.checks.rules import differences_from_panzi
from rules import RuleError, apply
from tests.rules import hostile
from tests.rules.oracles import as_js_prints, same, shared_suite

SPECS = Path(__file__).parents[1] / "specs"
RECORDED = json.loads((SPECS / "rules_json_logic_js.json").read_text())["cases"]


def test_the_common_suite_passes_completely() -> None:
    suite = shared_suite()
    if suite is None:
        pytest.skip("the common suite is not at hand; the recorded answers below are")
    cases = [case for case in json.loads(suite.read_text()) if isinstance(case, dict)]
    wrong = [case for case in cases if not same(apply(case["rule"], case.get("data")), case["result"])]
    assert (len(cases), wrong) == (278, [])


@pytest.mark.parametrize("case", RECORDED, ids=range(len(RECORDED)))
def test_answers_are_those_of_json_logic_js(case: dict[str, object]) -> None:
    if "error" in case:
        with pytest.raises(RuleError):
            apply(case["logic"], case["data"])
    else:
        assert same(as_js_prints(apply(case["logic"], case["data"])), case["answer"])


def test_every_difference_from_panzi_json_logic_is_a_documented_one() -> None:
    differences = differences_from_panzi(3_000, seed=1)
    assert differences.undocumented == []
    assert differences.names.total() > 300


@pytest.mark.parametrize(
    ("logic", "answer"),
    [
        ({"==": ["1", 1]}, True),
        ({"===": [True, 1]}, False),
        ({"==": [[], 0]}, True),
        ({"!!": [[]]}, False),
        ({"!!": ["0"]}, True),
        ({"+": ["3.5px", 1]}, 4.5),
        ({"<": ["10", "9"]}, True),
        ({"<": ["10", 9]}, False),
        ({"cat": [1.0, " ", 1e21, " ", 1e-7, " ", 0.1, " ", None, True]}, "1 1e+21 1e-7 0.1 true"),
        (
            {"cat": [1e20, " ", 1.5e300, " ", -1.25e-6, " ", 123456.75]},
            "100000000000000000000 1.5e+300 -0.00000125 123456.75",
        ),
        ({"%": [-7, 3]}, -1),
        ({"substr": ["jsonlogic", -5, -2]}, "log"),
        ({"max": []}, -math.inf),
        ({"/": [1, 0]}, math.inf),
        ({"log": "quiet"}, "quiet"),
        ({"and": []}, None),
    ],
)
def test_values_are_converted_as_in_javascript(logic: object, answer: object) -> None:
    assert same(apply(logic), answer)


def test_log_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    apply({"log": "secret"})
    assert capsys.readouterr() == ("", "")


def _squaring(depth: int) -> object:
    inner: object = {"merge": [{"var": "accumulator"}, {"var": "accumulator"}]}
    return {"reduce": [[0] * depth, inner, [1, 2]]}


def _cubic(levels: int) -> object:
    logic: object = {"var": ""}
    for _ in range(levels):
        logic = {"map": [[0] * 100, logic]}
    return logic


@pytest.mark.parametrize(
    "logic",
    [
        _squaring(100),
        {"reduce": [[0] * 100, {"cat": [{"var": "accumulator"}, {"var": "accumulator"}]}, "ab"]},
        {"reduce": [[0] * 100, [{"var": "accumulator"}, {"var": "accumulator"}], 1]},
        {"cat": [{"reduce": [[0] * 100, [{"var": "accumulator"}, {"var": "accumulator"}], 1]}]},
        {"==": ["", {"reduce": [[0] * 100, [{"var": "accumulator"}, {"var": "accumulator"}], 1]}]},
        _cubic(4),
        {"reduce": [[0] * 5000, [{"var": "accumulator"}], 1]},
    ],
)
def test_logic_that_grows_without_bounds_is_stopped(logic: object) -> None:
    begun = time.process_time()
    with pytest.raises(RuleError):
        apply(logic)
    assert time.process_time() - begun < 2


def test_deep_logic_and_deep_data_raise_no_recursion_error() -> None:
    logic: object = {"var": ""}
    data: object = 1
    for _ in range(5_000):
        logic, data = {"!": [logic]}, [data]
    for deep_logic, deep_data in ((logic, 1), ({"cat": [{"var": ""}]}, data), ({"var": ""}, data)):
        with pytest.raises(RuleError, match="deep"):
            apply(deep_logic, deep_data)


def test_numbers_beyond_doubles_are_infinite_as_in_javascript() -> None:
    assert apply({"<": [{"var": ""}, 1]}, 10**400) is False
    assert apply({"==": [2**53, 2**53 + 1]}) is True


@settings(max_examples=500, deadline=None)
@given(hostile.LOGIC, hostile.LOGIC)
def test_any_input_is_answered_or_refused(logic: object, data: object) -> None:
    hostile.check_logic(logic, data)
