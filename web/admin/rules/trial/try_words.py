"""What came of trying a customer, in words: the rule's verdict with its clauses, and the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rules
from engine.configuration.trial import Trial
from engine.model.facts import Facts
from engine.model.placement import RuleDocument
from rules import Rule, Vocabulary, Wording
from rules.language.values import read_currency
from web.admin.log.explanation import Clause, Left, RankedView, capitalised, clause_of, fact_of, lack_text
from web.admin.shell.frame import Frame
from web.format import Show

MARKS = {
    "true": ("It fires", "good"),
    "false": ("It does not fire", "plain"),
    "unknown": ("It does not fire: a fact is missing", "warn"),
}
LIKELIEST = "This is the likeliest order, with the chance of each position. Chance may draw another order."


@dataclass(frozen=True)
class Verdict:
    """The verdict on the rule; each of `ways` is a set of changes that would make it fire."""

    text: str
    kind: str
    note: str
    clauses: Sequence[Clause]
    ways: Sequence[Sequence[str]]


@dataclass(frozen=True)
class AnswerView:
    """The likeliest order, who is hidden and why, and the values that are set."""

    title: str
    note: str
    ranking: Sequence[RankedView]
    hidden: Sequence[Left]
    values: Mapping[str, Any]
    others: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Judge:
    """The rule, facts and wording that a verdict is made from."""

    frame: Frame
    vocabulary: Vocabulary
    lists: Mapping[str, frozenset[str]]
    wording: Wording

    def verdict(self, rule: Rule, document: RuleDocument, values: Mapping[str, Any]) -> Verdict:
        """Return why the rule fires or not, clause by clause, and what would have to change."""
        explanation = rules.explain(rule, values, self.vocabulary, self.lists, self.wording)
        text, kind = MARKS[explanation.verdict]
        ways = rules.changes_needed(rule, values, self.vocabulary, self.lists, self.wording)
        return Verdict(
            text,
            kind,
            self._note(document, explanation, values, bool(ways)),
            [self._clause(clause, values) for clause in explanation.to_json()["clauses"]],  # type: ignore[attr-defined]
            [[need.text for need in way] for way in ways],
        )

    def _note(
        self, document: RuleDocument, explanation: rules.RuleExplanation, values: Mapping[str, Any], can_fire: bool
    ) -> str:
        if explanation.verdict == "true":
            return "" if document.enabled else "It is switched off, so it changes nothing."
        if explanation.lacked:
            return lack_text(explanation.lacked, values, self.vocabulary)
        return "" if can_fire else "It can never fire, whatever the facts."

    def _clause(self, clause: Mapping[str, Any], facts: Mapping[str, Any]) -> Clause:
        show, currency = self.frame.show, read_currency(facts.get("cart.currency")) or self.frame.merchant.currency
        values = [fact_of(name, value, self.vocabulary, show, currency) for name, value in clause["values"].items()]
        return clause_of(clause, values)


def past_text(facts: Facts, labels: Mapping[str, str], show: Show) -> str:
    """Return what a customer bought before, by candidate; empty for one without a past."""
    bought = {id: past.purchases for id, past in facts.history.items() if past.purchases}
    ranked = sorted(bought.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{show.count(times, 'purchase')} with {labels.get(id, id)}" for id, times in ranked)


def answer_of(frame: Frame, trial: Trial, key: str, rule_id: str, positions: Mapping[str, int]) -> AnswerView:
    """Return the answer; `rule_id` is the rule on the page, which needs no mention among the others that fired."""
    plan, decision = trial.plan, trial.decision
    labels = {candidate.id: candidate.label for candidate in plan.candidates}
    names = {rule.id: rule.name for rule in plan.rules}
    drawn = [bool(slot) for slot in trial.slots]
    first = decision.ranking[0] if decision.ranking else None
    return AnswerView(
        f"{first.label} would come first" if first else "Nothing to show",
        "This is the likeliest order, with the chance of each position. Chance may draw another order."
        if any(drawn)
        else "",
        [
            RankedView(
                candidate.rank,
                candidate.id,
                candidate.label,
                positions.get(candidate.id, 0),
                candidate.score,
                candidate.chance,
                index < len(drawn) and drawn[index],
                [capitalised(reason) for reason in candidate.reasons],
            )
            for index, candidate in enumerate(decision.ranking)
        ],
        [
            Left(labels.get(candidate.id, candidate.id), positions.get(candidate.id, 0), capitalised(candidate.reason))
            for candidate in decision.excluded
        ],
        decision.values,
        [(names[id], f"{frame.base}/rules/{key}/{id}") for id in decision.rules if id != rule_id],
    )
