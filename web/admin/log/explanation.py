"""An explained decision put into words: the facts, the rules and their clauses, the places and their chances."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.decisions.logbook import Explained
from engine.kernel.rule_sentences import labels_of
from engine.kernel.trace import RuleTrace
from engine.model.decision import Decision
from engine.model.facts import PREFERRED, REFUSED, REPORTED, SOURCE, UNAVAILABLE, WITHHELD
from engine.model.outcome import OutcomeRow
from engine.model.timestamps import to_ms
from rules import Vocabulary
from rules.language.values import read_currency
from web.admin.shell.frame import Frame
from web.admin.shell.json_text import pretty
from web.format import Show

OUTCOMES = {
    "shown": "Shown",
    "selected": "Chosen",
    "converted": "Purchase completed",
    "declined": "Declined",
    "abandoned": "Abandoned",
    "redeemed": "Redeemed",
    "refunded": "Refunded",
}
VERDICTS = {"true": ("Yes", "good"), "false": ("No", "plain"), "unknown": ("Unknown", "warn")}

BESIDE_FACTS = (REPORTED, UNAVAILABLE, WITHHELD, PREFERRED, REFUSED, SOURCE)
"""What the engine logs with the facts and no rule reads."""


@dataclass(frozen=True)
class FactView:
    """A fact as the decision saw it."""

    name: str
    label: str
    text: str


@dataclass(frozen=True)
class PastView:
    """A customer's history with a candidate."""

    label: str
    position: int
    text: str


@dataclass(frozen=True)
class RankedView:
    """A candidate in its slot; `drawn` says whether chance had a hand in it."""

    rank: int
    id: str
    label: str
    position: int
    score: float
    chance: float
    drawn: bool
    reasons: Sequence[str]


@dataclass(frozen=True)
class Left:
    """A candidate that was left out, and why."""

    label: str
    position: int
    reason: str


@dataclass(frozen=True)
class SlotRow:
    """A candidate's chance of each drawn slot; None where it could not have it any more."""

    label: str
    position: int
    chances: Sequence[float | None]
    got: int


@dataclass(frozen=True)
class Clause:
    """One part of a condition, what it read, and whether it held."""

    depth: int
    text: str
    values: Sequence[FactView]
    answer: str
    kind: str


@dataclass(frozen=True)
class ExplainedRule:
    """A rule with what each of its clauses saw."""

    id: str
    name: str
    sentence: str
    href: str
    missing: str
    clauses: Sequence[Clause]


@dataclass(frozen=True)
class OutcomeView:
    """An outcome that was reported after the decision."""

    occurred_at: int
    text: str
    label: str
    amount: str


@dataclass(frozen=True)
class DecisionPage:
    """The whole explanation, in the order in which the answer came about."""

    id: str
    title: str
    placement_name: str
    placement_key: str
    decided_at: int
    customer: str
    decision: Decision
    is_offline: bool
    facts: Sequence[FactView]
    past: Sequence[PastView]
    fired: Sequence[ExplainedRule]
    skipped: Sequence[ExplainedRule]
    others: Sequence[ExplainedRule]
    ranking: Sequence[RankedView]
    excluded: Sequence[Left]
    slots: Sequence[SlotRow]
    slot_count: int
    values: Mapping[str, Any]
    outcomes: Sequence[OutcomeView]
    bucket: str
    raw: str


class Explanation:
    """Puts an explained decision into words."""

    def __init__(self, frame: Frame, explained: Explained, positions: Mapping[str, int]) -> None:
        self.frame = frame
        self.explained = explained
        self.positions = positions
        self.labels = labels_of(explained.plan.document.candidates)
        self.currency = _currency(explained, frame)

    def page(self) -> DecisionPage:
        explained = self.explained
        row, decision, trace = explained.row, explained.decision, explained.trace
        ranking = [self._ranked(index) for index in range(len(decision.ranking))]
        return DecisionPage(
            id=row.id,
            title=_title(decision),
            placement_name=explained.plan.placement.name,
            placement_key=row.placement,
            decided_at=row.decided_at,
            customer=row.customer[:8] if row.customer else "",
            decision=decision,
            is_offline=SOURCE in trace.facts,
            # What was unavailable stands with its reasons among the excluded candidates.
            facts=[self._fact(name, value) for name, value in sorted(trace.facts.items()) if name not in BESIDE_FACTS],
            past=self._past(),
            fired=[self._rule(rule) for rule in trace.rules if rule.verdict == "fired"],
            skipped=[self._rule(rule) for rule in trace.rules if rule.verdict == "skipped"],
            others=[self._rule(rule) for rule in trace.rules if rule.verdict == "not met"],
            ranking=ranking,
            excluded=[Left(self._label(e.id), self._position(e.id), capitalised(e.reason)) for e in decision.excluded],
            slots=self._slots(),
            slot_count=len(explained.slots),
            values=decision.values,
            outcomes=[self._outcome(outcome) for outcome in explained.outcomes],
            bucket=trace.bucket.replace("|", " · "),
            raw=pretty(json.loads(row.answer)),
        )

    def _label(self, id: str) -> str:
        return self.labels.get(id, id)

    def _position(self, id: str) -> int:
        return self.positions.get(id, 0)

    def _ranked(self, index: int) -> RankedView:
        candidate, slots = self.explained.decision.ranking[index], self.explained.slots
        return RankedView(
            rank=candidate.rank,
            id=candidate.id,
            label=candidate.label,
            position=self._position(candidate.id),
            score=candidate.score,
            chance=candidate.chance,
            drawn=index < len(slots) and bool(slots[index]),
            reasons=[capitalised(reason) for reason in candidate.reasons],
        )

    def _slots(self) -> list[SlotRow]:
        """Return a row for each candidate, in the order of the answer; columns are the drawn slots."""
        slots = self.explained.slots
        return [
            SlotRow(
                candidate.label,
                self._position(candidate.id),
                [slot.get(candidate.id) for slot in slots],
                candidate.rank,
            )
            for candidate in self.explained.decision.ranking
            if any(candidate.id in slot for slot in slots)
        ]

    def _past(self) -> list[PastView]:
        history = self.explained.trace.history
        by_use = sorted(history.items(), key=lambda pair: -pair[1].successes)
        count = self.frame.show.count
        return [
            PastView(self._label(id), self._position(id), count(past.purchases, "purchase"))
            for id, past in by_use
            if past.purchases
        ]

    def _fact(self, name: str, value: object) -> FactView:
        return fact_of(name, value, self.explained.plan.vocabulary, self.frame.show, self.currency)

    def _rule(self, rule: RuleTrace) -> ExplainedRule:
        vocabulary = self.explained.plan.vocabulary
        return ExplainedRule(
            id=rule.id,
            name=rule.name,
            sentence=capitalised(rule.sentence),
            href=f"{self.frame.base}/rules/{self.explained.row.placement}/{rule.id}",
            missing=lack_text(rule.missing, self.explained.trace.facts, vocabulary) if rule.missing else "",
            clauses=[self._clause(clause) for clause in rule.clauses["clauses"]],
        )

    def _clause(self, clause: Mapping[str, Any]) -> Clause:
        return clause_of(clause, [self._fact(name, value) for name, value in clause["values"].items()])

    def _outcome(self, outcome: OutcomeRow) -> OutcomeView:
        amount = self.frame.show.money(outcome.amount, outcome.currency or self.currency)
        return OutcomeView(
            occurred_at=outcome.occurred_at,
            text=OUTCOMES.get(outcome.type, outcome.type),
            label=self._label(outcome.candidate) if outcome.candidate else "",
            amount=amount if outcome.amount is not None else "",
        )


def lack_text(name: str, facts: Mapping[str, Any], vocabulary: Vocabulary) -> str:
    """Return why a rule could not be judged for lack of a fact, or of an amount in the cart's currency."""
    field, value = vocabulary.get(name), facts.get(name)
    label = (field.label if field else "") or name
    beside = vocabulary.currency_field(name) if field and field.type == "money" and vocabulary.currency else None
    if field and beside and field.reader(value) is not None:
        currency = read_currency(facts.get(beside)) or vocabulary.own_currency(name)
        return f"{label} is in {currency}, and the rule gives no amount in {currency}."
    return f"{label} is missing or has the wrong type."


def fact_of(name: str, value: object, vocabulary: Vocabulary, show: Show, currency: str) -> FactView:
    """Return a fact as people read it; `currency` is that of its money."""
    field = vocabulary.get(name)
    text = _text(field.type if field else "", value, show, currency)
    return FactView(name, (field.label if field else "") or name, text)


def _text(kind: str, value: object, show: Show, currency: str) -> str:
    if value is None:
        return "not sent"
    if kind == "money" and type(value) is int:
        return show.money(value, currency)
    if kind == "datetime" and isinstance(value, str):
        return show.moment(_milliseconds(value))
    if kind == "country" and isinstance(value, str):
        return f"{show.country(value)} ({value})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)


def clause_of(clause: Mapping[str, Any], values: Sequence[FactView]) -> Clause:
    """Return a clause as `rules.explain` gives it in JSON, with the facts that it read."""
    answer, kind = VERDICTS[clause["verdict"]]
    return Clause(min(clause["depth"], 6), clause["text"], values, answer, kind)


def _currency(explained: Explained, frame: Frame) -> str:
    sent = explained.trace.facts.get("cart.currency")
    return sent if isinstance(sent, str) and len(sent) == 3 else frame.merchant.currency


def _title(decision: Decision) -> str:
    if decision.fallback:
        return "Fallback order"
    return f"{decision.ranking[0].label} came first" if decision.ranking else "Nothing to show"


def _milliseconds(moment: str) -> int | None:
    try:
        return to_ms(datetime.fromisoformat(moment))
    except (ValueError, OverflowError):
        return None


def capitalised(reason: str) -> str:
    """Capitalise the first letter of a reason."""
    return reason[:1].upper() + reason[1:]
