"""Check the rules: `python -m benchmarks.checks.rules` prints the table in about ten minutes.

If TAP2_JSON_LOGIC_JS names the folder of the npm package json-logic-js (and node is installed), it also compares with
that.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from rules import RuleError, apply, compile_rules, loads, parse_rules
from rules.json_logic.javascript import truthy
from tests.rules import hostile, logic_cases, rule_cases
from tests.rules.differences import FAILED, apply_result, cause, differ, documented
from tests.rules.oracles import answers_of_js, as_js_prints, json_logic_js, qubit, same, shared_suite
from tests.rules.rule_cases import LISTS, VOCABULARY

Figure = tuple[str, str, str]
Case = tuple[object, object]

RULES_A_SET = 10
FACTS_A_SET = 5


def suite_figure() -> Figure:
    """Return the row of the common suite of all implementations."""
    suite = shared_suite()
    if suite is None:
        return "common suite of JSON-logic", "278 of 278", "not at hand"
    cases = [case for case in json.loads(suite.read_text()) if isinstance(case, dict)]
    right = sum(same(apply(case["rule"], case.get("data")), case["result"]) for case in cases)
    return "common suite of JSON-logic", "278 of 278", f"{right} of {len(cases)}"


# Standard JSON-logic against other implementations.


@dataclass
class Differences:
    """The number of generated cases that differ from panzi-json-logic, by documented difference, and the others."""

    names: Counter[str] = field(default_factory=Counter)
    undocumented: list[Case] = field(default_factory=list)


def generated_cases(count: int, seed: int) -> Iterator[Case]:
    """Yield JSON-logic of all operators on unusual types, with data."""
    random = Random(seed)
    for _ in range(count):
        yield logic_cases.logic(random), logic_cases.data(random)


def differences_from_panzi(count: int, *, seed: int) -> Differences:
    """Trace each difference on generated cases to the operator that causes it."""
    differences = Differences()
    for logic, data in generated_cases(count, seed):
        if differ(logic, data):
            name = documented(*cause(logic, data))
            if name:
                differences.names[name] += 1
            else:
                differences.undocumented.append((logic, data))
    return differences


def disagreements_with_js(folder: str, count: int, *, seed: int) -> list[Case]:
    """Return generated cases on which json-logic-js differs."""
    cases = list(generated_cases(count, seed))
    return [
        case
        for case, js_result in zip(cases, answers_of_js(folder, cases), strict=True)
        if not _agrees(case, js_result)
    ]


def _agrees(case: Case, js_result: dict[str, object]) -> bool:
    answer = apply_result(*case)
    if answer is FAILED or "error" in js_result:
        return answer is FAILED and "error" in js_result
    return same(as_js_prints(answer), js_result["answer"])


# Compiled rules against the explanation, the standard and json-logic-qubit.


def disagreements_with_explanations(pairs: int, *, seed: int) -> list[object]:
    """Return generated rules and facts, half of them spoilt, whose compiled and explained verdicts differ."""
    random, wrong = Random(seed), list[object]()
    for number in range(pairs // (RULES_A_SET * FACTS_A_SET)):
        rules = parse_rules([rule_cases.rule(random, i) for i in range(RULES_A_SET)], VOCABULARY, LISTS)
        compiled = compile_rules(rules, VOCABULARY, LISTS)
        for turn in range(FACTS_A_SET):
            facts = rule_cases.facts(random, spoilt=(number + turn) % 2 == 0)
            if rule_cases.compiled_verdicts(compiled, facts) != rule_cases.explained_verdicts(rules, facts):
                wrong.append(([rule.document for rule in rules], facts))
    return wrong


def disagreements_with_the_standard(pairs: int, *, seed: int) -> list[object]:
    """Return generated rules of standard operators on which `apply` differs although all facts are present."""
    random, wrong = Random(seed), list[object]()
    for _ in range(pairs // (RULES_A_SET * FACTS_A_SET)):
        documents = [rule_cases.rule(random, i, standard=True) for i in range(RULES_A_SET)]
        rules = parse_rules(documents, VOCABULARY, LISTS)
        compiled = compile_rules(rules, VOCABULARY, LISTS)
        for _ in range(FACTS_A_SET):
            facts = rule_cases.facts(random, spoilt=False)
            firing, data = compiled.evaluate(facts), rule_cases.nested(facts)
            expected = tuple(i for i, rule in enumerate(rules) if truthy(apply(rule.document["when"], data)))
            if (firing.fired, firing.skipped) != (expected, ()):
                wrong.append(([rule.document for rule in rules], facts))
    return wrong


def disagreements_with_qubit(pairs: int, *, seed: int) -> list[object]:
    """Return well-typed comparisons on which json-logic-qubit differs."""
    random, reference, wrong = Random(seed), qubit(), list[object]()
    for number in range(pairs):
        when, facts = rule_cases.well_typed_condition(random), rule_cases.facts(random, spoilt=False)
        document = {"id": f"r{number}", "when": when, "effects": [{"exclude": ["klarna"]}]}
        compiled = compile_rules(parse_rules([document], VOCABULARY, LISTS), VOCABULARY, LISTS)
        if bool(compiled.evaluate(facts).fired) != bool(reference(when, rule_cases.nested(facts))):
            wrong.append((when, facts))
    return wrong


# Hostile input.


def slowest_refusal_ms() -> tuple[str, float]:
    """Return the hostile text that takes the longest to refuse, and the milliseconds."""
    taken: dict[str, float] = {}
    for name, (text, _) in hostile.REFUSED.items():
        begun = time.perf_counter()
        try:
            loads(text)
        except RuleError:
            taken[name] = (time.perf_counter() - begun) * 1e3
    if len(taken) < len(hostile.REFUSED):
        return "some text was not refused", float("inf")
    return max(taken.items(), key=lambda item: item[1])


def survive(check: Callable[..., None], *strategies: st.SearchStrategy[object], inputs: int) -> None:
    """Run `check` on that many inputs made by Hypothesis; raise what it raises."""
    quick = settings(
        max_examples=inputs, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    quick(given(st.tuples(*strategies))(lambda values: check(*values)))()


def hypothesis_figure(inputs: int) -> Figure:
    """Return the row of generated input: a third each of texts, conditions, and logic with data."""
    third = inputs // 3 + 1
    survive(hostile.check_text, hostile.TEXTS, inputs=third)
    survive(hostile.check_condition, hostile.CONDITIONS, inputs=third)
    survive(hostile.check_logic, hostile.LOGIC, hostile.LOGIC, inputs=third)
    return f"{3 * third:,} inputs made by Hypothesis", "0 crashes", "0 crashes"


def figures(*, count: int = 100_000) -> list[Figure]:
    """Return (subject, goal, measured) rows; `count` cases of each kind are generated."""
    lines = [suite_figure(), *_panzi_figures(count), *_js_figures(count)]
    lines += [
        (f"compiled = explained, {count:,} pairs", "0 differ", _differ(disagreements_with_explanations(count, seed=2))),
        (f"compiled = standard, {count:,} pairs", "0 differ", _differ(disagreements_with_the_standard(count, seed=3))),
        ("json-logic-qubit, well-typed, 5,000 pairs", "0 differ", _differ(disagreements_with_qubit(5_000, seed=4))),
    ]
    name, slowest = slowest_refusal_ms()
    lines.append((f"{len(hostile.REFUSED)} hostile texts refused", "under 50 ms", f"{slowest:.1f} ms ({name})"))
    return [*lines, hypothesis_figure(count)]


def _panzi_figures(count: int) -> list[Figure]:
    differences = differences_from_panzi(count, seed=1)
    measured = f"{len(differences.undocumented)} ({differences.names.total():,} documented)"
    lines = [(f"panzi-json-logic, {count:,} cases, undocumented", "0", measured)]
    return [*lines, *((f"  {name}", "", f"{times:,}") for name, times in differences.names.most_common())]


def _js_figures(count: int) -> list[Figure]:
    folder = json_logic_js()
    wrong = _differ(disagreements_with_js(folder, count, seed=1)) if folder else "not at hand"
    return [(f"json-logic-js itself, the same {count:,} cases", "0 differ", wrong)]


def _differ(cases: list[object] | list[Case]) -> str:
    return f"{len(cases)} differ"


def main() -> None:
    table = Table("what", "goal", "measured", title="Rules")
    for line in figures():
        table.add_row(*line)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
