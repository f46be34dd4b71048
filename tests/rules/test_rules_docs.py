"""Test the examples and lists in docs/rules.md."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from rules import changes_needed, explain, parse_effects, parse_rule, parse_rules
from rules.analysis.check import CheckContext, check_rules
from rules.analysis.findings import Kind
from rules.language.parse import FORMS
from tests.rules.differences import DIFFERENCES
from tests.rules.rule_cases import LISTS, VOCABULARY

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
BLOCKS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
EXAMPLES = [block for block in BLOCKS if "is" in block]
CHECKED = [block for block in BLOCKS if "found" in block]
CHECK_CONTEXT = CheckContext(VOCABULARY, LISTS, {"card": "Card", "paypal": "PayPal", "klarna": "Klarna"})
INLINE = [json.loads(text) for text in re.findall(r"`(\{\".*?\})` \|", PAGE)]


@pytest.mark.parametrize("example", EXAMPLES, ids=[json.dumps(example["when"])[:60] for example in EXAMPLES])
def test_examples_have_the_results_of_the_page(example: dict[str, object]) -> None:
    rule = parse_rule({"id": "r", "when": example["when"], "effects": [{"exclude": ["a"]}]}, VOCABULARY, LISTS)
    facts: dict[str, object] = example["facts"]  # type: ignore[assignment]
    assert explain(rule, facts, VOCABULARY, LISTS).verdict == example["is"]


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 15
    assert len(INLINE) >= 15


def test_whole_rules_and_the_examples_in_tables_parse() -> None:
    assert parse_rules([block for block in BLOCKS if "id" in block], VOCABULARY, LISTS)
    for example in INLINE:
        if next(iter(example)) in FORMS:
            parse_rule({"id": "r", "when": example, "effects": [{"exclude": ["a"]}]}, VOCABULARY, LISTS)
        else:
            parse_effects([example])


@pytest.mark.parametrize("block", CHECKED, ids=[json.dumps(block["found"]) for block in CHECKED])
def test_checks_agree_with_the_page(block: dict[str, Any]) -> None:
    findings = check_rules(parse_rules(block["rules"], VOCABULARY, LISTS), CHECK_CONTEXT)
    assert [[finding.rule, finding.kind, *finding.others] for finding in findings] == block["found"]
    assert findings[0].example == block.get("example")


def test_the_changes_needed_are_those_of_the_page() -> None:
    [block] = [block for block in BLOCKS if "needs" in block]
    rule = parse_rule({"id": "r", "when": block["when"], "effects": [{"exclude": ["a"]}]}, VOCABULARY, LISTS)
    ways = changes_needed(rule, block["facts"], VOCABULARY, LISTS)
    assert [[need.text for need in way] for way in ways] == block["needs"]


def test_every_finding_is_on_the_page_with_its_severity() -> None:
    rows = set(re.findall(r"^\| `([a-z ]+)` \| (?:error|warning|note) \|", PAGE, re.MULTILINE))
    assert rows == set(get_args(Kind))
    in_examples = {kind for block in CHECKED for _, kind, *_ in block["found"]}
    of_traffic = {"never sent", "never true", "not offered"}
    assert in_examples == rows - {"unused list", "schedule empty", "schedule over"} - of_traffic


@pytest.mark.parametrize("operator", sorted(FORMS))
def test_every_operator_is_on_the_page(operator: str) -> None:
    assert f"`{operator}`" in PAGE


@pytest.mark.parametrize("name", sorted({difference.name for difference in DIFFERENCES}))
def test_every_difference_is_on_the_page(name: str) -> None:
    assert f"| {name} |" in PAGE
