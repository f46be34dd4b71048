"""Check that the builder preserves rules when they are opened, saved, and rewritten from the rows that it shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

from rules import RuleError, compile_rules, parse_rules
from tests.rules import rule_cases
from tests.rules.rule_cases import LISTS, VOCABULARY
from web.admin.rules.builder.nodes import EDITED, Group, Node, Raw, from_logic, to_logic

Figure = tuple[str, str, str]
TYPES = {name: field.type for name, field in VOCABULARY.items()}
FACTS_A_RULE = 5


@dataclass
class BuilderResult:
    """The result for generated rules; `parts` counts the kinds of parts that the builder showed."""

    rules: int = 0
    changed: list[object] = field(default_factory=list)
    refused: list[object] = field(default_factory=list)
    different: list[object] = field(default_factory=list)
    parts: Counter[str] = field(default_factory=Counter)


def rebuild_rules(count: int, *, seed: int) -> BuilderResult:
    """Open generated rules, save them unchanged, and write each again from its rows; half of the facts are spoilt."""
    random, result = Random(seed), BuilderResult()
    for number in range(count):
        document = rule_cases.rule(random, number)
        tree = from_logic(document["when"], TYPES)
        result.rules += 1
        if to_logic(tree) != document["when"] or repr(to_logic(tree)) != repr(document["when"]):
            result.changed.append(document)
        _compare(document, {**document, "when": to_logic(rewritten(tree, result.parts))}, random, result)
    return result


def rewritten(group: Group, parts: Counter[str]) -> Group:
    """Return the tree without the JSON that it was read from, so that the builder writes all of it."""

    def without_source(node: Node) -> Node:
        parts[type(node).__name__] += 1
        if isinstance(node, Raw):
            return node
        return rewritten(node, parts) if isinstance(node, Group) else replace(node, source=EDITED)

    return Group(group.kind, tuple(without_source(part) for part in group.parts))


def _compare(
    document: dict[str, object], rewritten_document: dict[str, object], random: Random, result: BuilderResult
) -> None:
    first = compile_rules(parse_rules([document], VOCABULARY, LISTS), VOCABULARY, LISTS)
    try:
        second = compile_rules(parse_rules([rewritten_document], VOCABULARY, LISTS), VOCABULARY, LISTS)
    except RuleError:
        result.refused.append((document, rewritten_document))
        return
    for turn in range(FACTS_A_RULE):
        facts = rule_cases.facts(random, spoilt=turn % 2 == 0)
        verdicts = [rule_cases.compiled_verdicts(compiled, facts)[0][0] for compiled in (first, second)]
        if verdicts[0] != verdicts[1]:
            result.different.append((document, rewritten_document, facts))


def figures(*, count: int = 10_000) -> list[Figure]:
    """Return (subject, goal, measured) rows."""
    result = rebuild_rules(count, seed=1)
    shown = result.parts["Row"] / max(1, result.parts["Row"] + result.parts["Raw"])
    pairs = count * FACTS_A_RULE
    return [
        (f"{count:,} rules opened and saved: other JSON", "0", str(len(result.changed))),
        (f"{count:,} rules written anew from their rows: refused", "0", str(len(result.refused))),
        (f"the same compiled both ways, {pairs:,} facts: another verdict", "0", str(len(result.different))),
        ("clauses of these rules that rows show (the others stay JSON)", "", f"{shown:.0%}"),
    ]


if __name__ == "__main__":
    for line in figures():
        print(*line, sep=" | ")
