"""What each clause of a rule saw: the slow walk, kept."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import cast

from rules.language.evaluate import Lists, Unknown, Verdict, read_values, verdict
from rules.language.tree import Call, Node, Rule, fields_of, is_connective
from rules.language.vocabulary import Vocabulary
from rules.wording.describe import describe
from rules.wording.terms import PLAIN, Wording


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause or connective of a condition.

    `path` is the JSON pointer to it in the rule, `depth` how far it stands below the whole condition, and
    `values` the raw facts that it read by name (None where missing). `verdict` is `true`, `false` or `unknown`,
    and `lacked` the field that makes it unknown.
    """

    path: str
    depth: int
    text: str
    values: dict[str, object]
    verdict: str
    lacked: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a rule fired or not: the verdicts on its whole condition and on every clause, in its order."""

    rule_id: str
    name: str
    text: str
    verdict: str
    lacked: str | None
    clauses: tuple[Clause, ...]

    def to_json(self) -> dict[str, object]:
        """A plain JSON object with the same keys."""
        return asdict(self) | {"clauses": [asdict(clause) for clause in self.clauses]}


def explain(
    rule: Rule, facts: Mapping[str, object], vocabulary: Vocabulary, lists: Lists, wording: Wording = PLAIN
) -> Explanation:
    """What every clause of `rule` saw in `facts` (raw JSON values by dotted name), none left out."""
    values = read_values(rule.condition, facts, vocabulary)
    whole = verdict(rule.condition, values, lists)
    clauses = tuple(
        _clause(node, depth, describe(node, vocabulary, wording), facts, verdict(node, values, lists))
        for node, depth in _clauses(rule.condition, 0)
    )
    return Explanation(rule.id, rule.name, describe(rule, vocabulary, wording), _word(whole), _lacked(whole), clauses)


def _clauses(node: Node, depth: int) -> Iterator[tuple[Node, int]]:
    yield node, depth
    if is_connective(node):
        for part in cast(Call, node).arguments:
            yield from _clauses(part, depth + 1)


def _clause(node: Node, depth: int, text: str, facts: Mapping[str, object], found: Verdict) -> Clause:
    seen = {} if is_connective(node) else {name: facts.get(name) for name in fields_of(node)}
    return Clause(node.path, depth, text, seen, _word(found), _lacked(found))


def _word(found: Verdict) -> str:
    return "unknown" if isinstance(found, Unknown) else ("true" if found else "false")


def _lacked(found: Verdict) -> str | None:
    return found.field if isinstance(found, Unknown) else None
