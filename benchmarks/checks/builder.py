"""Whether the builder keeps rules as they are: opened, saved, and rewritten from the rows that it shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

from rules import RuleError, compile_rules, parse_rules
from tests.rules import rule_cases
from tests.rules.rule_cases import LISTS, VOCABULARY
from web.admin.rules.builder.nodes import EDITED, Group, Node, Raw, from_logic, to_logic

Figure = tuple[str, str, str]
TYPES = {name: one.type for name, one in VOCABULARY.items()}
FACTS_A_RULE = 5


@dataclass
class Kept:
    """What came of generated rules; `parts` counts what of them the builder showed how."""

    rules: int = 0
    changed: list[object] = field(default_factory=list)
    refused: list[object] = field(default_factory=list)
    different: list[object] = field(default_factory=list)
    parts: Counter[str] = field(default_factory=Counter)


def kept(count: int, *, seed: int) -> Kept:
    """Open generated rules, save them as they are, and write each anew from its rows; half of the facts are spoilt."""
    random, found = Random(seed), Kept()
    for number in range(count):
        document = rule_cases.rule(random, number)
        tree = from_logic(document["when"], TYPES)
        found.rules += 1
        if to_logic(tree) != document["when"] or repr(to_logic(tree)) != repr(document["when"]):
            found.changed.append(document)
        _compare(document, {**document, "when": to_logic(rewritten(tree, found.parts))}, random, found)
    return found


def rewritten(group: Group, parts: Counter[str]) -> Group:
    """The tree without the JSON that it was read from, so that all of it is written by the builder's own hand."""

    def anew(node: Node) -> Node:
        parts[type(node).__name__] += 1
        if isinstance(node, Raw):
            return node
        return rewritten(node, parts) if isinstance(node, Group) else replace(node, source=EDITED)

    return Group(group.kind, tuple(anew(part) for part in group.parts))


def _compare(document: dict[str, object], again: dict[str, object], random: Random, found: Kept) -> None:
    first = compile_rules(parse_rules([document], VOCABULARY, LISTS), VOCABULARY, LISTS)
    try:
        second = compile_rules(parse_rules([again], VOCABULARY, LISTS), VOCABULARY, LISTS)
    except RuleError:
        found.refused.append((document, again))
        return
    for turn in range(FACTS_A_RULE):
        facts = rule_cases.facts(random, spoilt=turn % 2 == 0)
        verdicts = [rule_cases.compiled_verdicts(compiled, facts)[0][0] for compiled in (first, second)]
        if verdicts[0] != verdicts[1]:
            found.different.append((document, again, facts))


def figures(*, count: int = 10_000) -> list[Figure]:
    """What, goal, measured."""
    found = kept(count, seed=1)
    shown = found.parts["Row"] / max(1, found.parts["Row"] + found.parts["Raw"])
    pairs = count * FACTS_A_RULE
    return [
        (f"{count:,} rules opened and saved: other JSON", "0", str(len(found.changed))),
        (f"{count:,} rules written anew from their rows: refused", "0", str(len(found.refused))),
        (f"the same compiled both ways, {pairs:,} facts: another verdict", "0", str(len(found.different))),
        ("clauses of these rules that rows show (the others stay JSON)", "", f"{shown:.0%}"),
    ]


if __name__ == "__main__":
    for line in figures():
        print(*line, sep=" | ")
