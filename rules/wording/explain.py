"""Explain why a rule fired or not: evaluate every clause and keep the values that it read."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import cast

from rules.language.evaluate import Lists, Unknown, Verdict, read_values, verdict
from rules.language.tree import Call, Node, Rule, fields_of, is_connective
from rules.language.vocabulary import Vocabulary
from rules.wording.describe import describe
from rules.wording.terms import PLAIN, Wording


@dataclass(frozen=True, slots=True)
class ClauseVerdict:
    """One clause or connective of a condition.

    `path` is the JSON pointer to it in the rule, `depth` its nesting below the whole condition, `values` the raw facts
    that it read by name (None where missing). `verdict` is `true`, `false` or `unknown`, and `lacked` the field that
    makes it unknown.
    """

    path: str
    depth: int
    text: str
    values: dict[str, object]
    verdict: str
    lacked: str | None


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """The verdicts on a rule's whole condition and on each clause, in document order."""

    rule_id: str
    name: str
    text: str
    verdict: str
    lacked: str | None
    clauses: tuple[ClauseVerdict, ...]

    def to_json(self) -> dict[str, object]:
        """Return a plain JSON object with the same keys."""
        return asdict(self) | {"clauses": [asdict(clause) for clause in self.clauses]}


def explain(
    rule: Rule, facts: Mapping[str, object], vocabulary: Vocabulary, lists: Lists, wording: Wording = PLAIN
) -> RuleExplanation:
    """Evaluate every clause of `rule`, also those that a decision would skip; `facts` are raw values by dotted name."""
    values = read_values(rule.condition, facts, vocabulary)
    rule_verdict = verdict(rule.condition, values, lists)
    clauses = tuple(
        _clause(node, depth, describe(node, vocabulary, wording), facts, verdict(node, values, lists))
        for node, depth in _clauses(rule.condition, 0)
    )
    text = describe(rule, vocabulary, wording)
    return RuleExplanation(rule.id, rule.name, text, _word(rule_verdict), _lacked(rule_verdict), clauses)


def _clauses(node: Node, depth: int) -> Iterator[tuple[Node, int]]:
    yield node, depth
    if is_connective(node):
        for part in cast(Call, node).arguments:
            yield from _clauses(part, depth + 1)


def _clause(node: Node, depth: int, text: str, facts: Mapping[str, object], outcome: Verdict) -> ClauseVerdict:
    values = {} if is_connective(node) else {name: facts.get(name) for name in fields_of(node)}
    return ClauseVerdict(node.path, depth, text, values, _word(outcome), _lacked(outcome))


def _word(outcome: Verdict) -> str:
    return "unknown" if isinstance(outcome, Unknown) else ("true" if outcome else "false")


def _lacked(outcome: Verdict) -> str | None:
    return outcome.field if isinstance(outcome, Unknown) else None
