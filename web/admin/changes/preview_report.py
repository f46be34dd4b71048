"""A preview's result in words and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from engine.previews.estimation.effect import Effect
from engine.previews.estimation.result import Result, RuleMatches
from engine.previews.estimation.totals import Example, Places
from engine.previews.previews import MOST_DECISIONS
from web.admin.shell.frame import Frame
from web.charts.candidate_charts import Move, Spec, moves
from web.format import Show

NOUNS = {"converted": "conversion", "selected": "the share of choices", "revenue": "revenue", "margin": "margin"}
KINDS = {
    "emptied": ("Left empty", "bad"),
    "first": ("Another comes first", "info"),
    "shown": ("Others are shown", "info"),
    "order": ("Another order", "plain"),
    "values": ("Other values", "plain"),
}
EXAMPLES_A_KIND = 3
MOST_RULES = 20
A_HUNDRED = 100
MONEY = ("revenue", "margin")
"""Rewards in minor units of the merchant's currency."""


class Compared(NamedTuple):
    """The words for the state before and after a change, and `subject`, which makes the difference.

    `is_rule`: the difference is what a rule brings. `is_limit`: a candidate is paused or limited, and nothing else.
    """

    before: str
    after: str
    subject: str
    is_rule: bool = False
    is_limit: bool = False


DRAFT = Compared("Before", "With the draft", "the draft")
CHANGE = Compared("Now", "Then", "and without the change")
LIMIT = Compared("Now", "Then", "and without the change", is_limit=True)
RULE = Compared("Without it", "With it", "and without the rule", is_rule=True)


@dataclass(frozen=True)
class Figure:
    """A number with its name, and what it is of."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class PositionRow:
    """In how many answers a candidate stood where, and would stand; (before, after, change)."""

    label: str
    position: int
    first: tuple[str, str, str]
    top: tuple[str, str, str]
    shown: tuple[str, str, str]


@dataclass(frozen=True)
class RuleRow:
    name: str
    href: str
    fired: str
    before: str
    skipped: str


@dataclass(frozen=True)
class ExampleRow:
    """A decision with its answer and the draft's, as (label, position of the colour)."""

    href: str
    kind: str
    mark: str
    before: Sequence[tuple[str, int]]
    after: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Report:
    """The result of a preview: the verdict first, then the numbers, then where to look."""

    kind: str
    verdict: str
    reason: str
    figures: Sequence[Figure]
    notes: Sequence[str]
    gains: str
    chart: Spec | None
    position_rows: Sequence[PositionRow]
    rules: Sequence[RuleRow]
    more_rules: int
    examples: Sequence[ExampleRow]
    effect: Effect
    unknown: str
    bounded: str
    compared: Compared


def report_of(frame: Frame, result: Result, key: str, compared: Compared, positions: Mapping[str, int]) -> Report:
    """Say what a preview found; `positions` give candidates their colours."""
    show, effect = frame.show, result.effect
    phrasing = ReportPhrasing(show, frame.merchant.currency)
    kind, verdict = rule_verdict_of(phrasing, result) if compared.is_rule else verdict_of(phrasing, result)
    reason = reason_of(phrasing, result)
    if compared.is_limit and (stake := most_lost(result)):
        verdict, reason = at_most(phrasing, result, stake)
    rules = sorted(result.rules, key=lambda rule: (-abs(rule.fired - rule.fired_before), -rule.fired))
    position_rows = [_position_row(candidate, positions, show) for candidate in result.position_counts]
    return Report(
        kind=kind,
        verdict=verdict,
        reason=reason,
        figures=_figures(show, result),
        notes=_notes(show, result, compared),
        gains=_gains(show, result.position_counts),
        chart=_chart(show, result.position_counts, positions) if _moved(result.position_counts) else None,
        position_rows=position_rows,
        rules=[_rule_row(frame, rule, key) for rule in rules[:MOST_RULES]],
        more_rules=max(0, len(rules) - MOST_RULES),
        examples=[_example(frame, example, result.position_counts, positions) for example in _few(result.examples)],
        effect=effect,
        unknown=show.percent(effect.unknown),
        bounded=show.percent(effect.bounded),
        compared=compared,
    )


class ReportPhrasing(NamedTuple):
    """Says rewards: percentage points and rates, or money."""

    show: Show
    currency: str

    def change(self, reward: str, value: float, *, sign: bool = True) -> str:
        """Format a change in percentage points, or in money for 100 decisions."""
        plus = "+" if sign and value > 0 else ""
        if reward in MONEY:
            return plus + self.show.money(round(A_HUNDRED * value), self.currency)
        points = A_HUNDRED * value
        return plus + self.show.number(points, digits=1 if abs(points) >= 1 else 2)

    def between(self, reward: str, low: float, high: float, *, sign: bool, word: str) -> str:
        unit = "for each 100 decisions" if reward in MONEY else "percentage points"
        return f"{self.change(reward, low, sign=sign)} {word} {self.change(reward, high, sign=sign)} {unit}"

    def level(self, reward: str, value: float) -> str:
        if reward in MONEY:
            return f"{self.show.money(round(value), self.currency)} a decision"
        return self.show.percent(max(0.0, min(1.0, value)))


def verdict_of(phrasing: ReportPhrasing, result: Result) -> tuple[str, str]:
    """Return (kind, sentence): the direction of the effect and its size."""
    effect, noun, reward = result.effect, NOUNS[result.reward], result.reward
    if not result.read:
        return "plain", "There were no decisions in this period"
    if not effect.touched and not result.changed:
        return "plain", "No effect"
    if not effect.counted:
        return "plain", "Not known yet: the outcomes are awaited"
    if effect.refused:
        return "warn", "Cannot be estimated from past decisions"
    if effect.low > 0:
        by = phrasing.between(reward, effect.low, effect.high, sign=False, word="to")
        return "good", f"Would probably raise {noun} by {by}"
    if effect.high < 0:
        by = phrasing.between(reward, -effect.high, -effect.low, sign=False, word="to")
        return "bad", f"Would probably lower {noun} by {by}"
    by = phrasing.between(reward, effect.low, effect.high, sign=True, word="and")
    return "plain", f"No clear effect on {noun}: between {by}"


def rule_verdict_of(phrasing: ReportPhrasing, result: Result) -> tuple[str, str]:
    """Return (kind, sentence): what a rule brings, as an interval."""
    kind, verdict = verdict_of(phrasing, result)
    effect, reward = result.effect, result.reward
    if effect.refused or not effect.touched:
        texts = {"No effect": "This rule changes no decision of this period"}
        return kind, texts.get(verdict, verdict)
    brings = f"This rule brings {phrasing.between(reward, effect.low, effect.high, sign=True, word='to')}"
    tail = {"good": "", "bad": ": a loss", "plain": ": no clear effect"}[kind]
    return kind, f"{brings} of {NOUNS[reward].removeprefix('the ')}{tail}"


def reason_of(phrasing: ReportPhrasing, result: Result) -> str:
    """Say where it matters and how much, then the total; or why that cannot be computed."""
    show, effect = phrasing.show, result.effect
    if not result.read:
        return "Choose another period."
    if not effect.touched and not result.changed:
        return f"All {show.count(result.read, 'decision')} of the period would have been the same."
    if effect.refused:
        text = f"{effect.refused[:1].upper()}{effect.refused[1:]}."
        if not effect.touched:
            return text
        now, matters = phrasing.level(result.reward, effect.earned), show.count(effect.touched, "decision")
        where = f"It matters in {matters} of {show.number(effect.counted)} with a known outcome: {now} now."
        return f"{text} {where}{_at_stake(show, result)}"
    if not effect.touched:
        return "The outcomes of the decisions that would change are still awaited."
    return f"{_effect_where_it_matters(phrasing, result)} {_in_total(phrasing, result)}"


def _at_stake(show: Show, result: Result) -> str:
    """Say how often customers chose what would not be offered: the part that only an experiment can tell."""
    if not result.withdrawn:
        return ""
    id, count = max(result.withdrawn.items(), key=itemgetter(1))
    label = next(candidate.label for candidate in result.position_counts if candidate.id == id)
    chose = f"{label} was chosen in {show.count(count, 'decision')} ({show.percent(count / result.effect.touched)})"
    return f" There, {chose}. An experiment can tell how many of these customers would choose something else."


def most_lost(result: Result) -> Places | None:
    """Return the candidate that alone is offered less; None where an estimate says more, or for rewards in money.

    If everybody else chooses as before (Sen, 1971, property alpha), only those who chose it are at stake.
    """
    effect, withdrawn = result.effect, result.withdrawn or {}
    if not effect.refused or not effect.counted or result.reward in MONEY or len(withdrawn) != 1:
        return None
    if any(later_count > count for count, later_count in (candidate.shown for candidate in result.position_counts)):
        return None
    return next(candidate for candidate in result.position_counts if candidate.id in withdrawn)


def at_most(phrasing: ReportPhrasing, result: Result, stake: Places) -> tuple[str, str]:
    """Say what the change costs at most, and what decides how much of it."""
    show, effect, withdrawn = phrasing.show, result.effect, result.withdrawn or {}
    chose, noun = withdrawn[stake.id], NOUNS[result.reward]
    points = phrasing.change(result.reward, chose / effect.counted, sign=False)
    verdict = f"Costs at most {points} percentage points of {noun.removeprefix('the ')}"
    reason = (
        f"{stake.label} was chosen in {show.count(chose, 'decision')} of {show.number(effect.counted)} with a known "
        f"outcome. If everybody else chooses as before, {noun} falls by {points} percentage points if none of these "
        "customers chooses something else, and stays the same if all do. An experiment can tell how many do. "
        f"There is no closer estimate: {effect.refused}."
    )
    return verdict, reason


def _effect_where_it_matters(phrasing: ReportPhrasing, result: Result) -> str:
    effect, reward = result.effect, result.reward
    scale = effect.counted / effect.touched
    before, after = (phrasing.level(reward, value) for value in (effect.earned, effect.earned + effect.value * scale))
    by = phrasing.between(reward, effect.low * scale, effect.high * scale, sign=True, word="to")
    matters = phrasing.show.count(effect.touched, "decision")
    return f"In {matters} where it matters: {before} → {after} ({by})."


def _in_total(phrasing: ReportPhrasing, result: Result) -> str:
    effect, reward = result.effect, result.reward
    by = phrasing.between(reward, effect.low, effect.high, sign=True, word="to")
    total = phrasing.show.count(effect.counted, "decision")
    return f"Over all {total} with a known outcome: {phrasing.change(reward, effect.value)} ({by})."


def _figures(show: Show, result: Result) -> list[Figure]:
    share = result.changed / result.read if result.read else 0.0
    figures = [
        Figure(
            "Decisions previewed",
            show.number(result.read),
            f"{show.day(result.first_at)} to {show.day(result.last_at)}",
        ),
        Figure("Would change", show.number(result.changed), show.percent(share)),
        Figure("Left empty", show.number(result.emptied), "decisions without any candidate"),
    ]
    if result.effect.touched:
        sample = show.number(result.effect.effective_sample)
        matters = f"of {show.number(result.effect.touched)} where it matters"
        figures.append(Figure("Effective sample", sample, matters))
    return figures


def _notes(show: Show, result: Result, compared: Compared) -> list[str]:
    notes = []
    if result.read >= MOST_DECISIONS:
        notes.append(f"The newest {show.number(result.read)} of the period, since {show.moment(result.first_at)}.")
    if compared is DRAFT and len(result.versions) > 1:
        versions = f"{result.versions[0]} to {result.versions[-1]}"
        notes.append(f"Versions {versions} were in force in this period. The draft is compared with each of them.")
    if result.fallback:
        notes.append(f"{show.count(result.fallback, 'fallback decision')} without rules left out.")
    if result.lost:
        notes.append(f"{show.count(result.lost, 'decision')} left out: their version or beliefs are no longer stored.")
    return notes


def _gains(show: Show, position_counts: Sequence[Places]) -> str:
    """Say which candidates gain and lose the most first positions."""
    if not _moved(position_counts):
        return "No candidate comes first more or less often"
    by_change = sorted(position_counts, key=lambda candidate: candidate.first[1] - candidate.first[0])
    most, least = by_change[-1], by_change[0]
    texts = []
    for candidate, verb in ((most, "gains"), (least, "loses")):
        change = candidate.first[1] - candidate.first[0]
        if change and (change > 0) == (verb == "gains"):
            texts.append(f"{candidate.label} {verb} {show.count(abs(change), 'first position')}")
    return ", ".join(texts)


def _moved(position_counts: Sequence[Places]) -> bool:
    return any(candidate.first[0] != candidate.first[1] for candidate in position_counts)


def _chart(show: Show, position_counts: Sequence[Places], positions: Mapping[str, int]) -> Spec:
    before, after = (sum(candidate.first[side] for candidate in position_counts) or 1 for side in (0, 1))
    return moves(
        [
            Move(
                label=candidate.label,
                position=positions.get(candidate.id, len(positions)),
                before=candidate.first[0] / before,
                after=candidate.first[1] / after,
            )
            for candidate in position_counts
        ],
        show=show,
        measure="Came first",
    )


def _position_row(candidate: Places, positions: Mapping[str, int], show: Show) -> PositionRow:
    first, top, shown = (_change(show, pair) for pair in (candidate.first, candidate.top, candidate.shown))
    return PositionRow(candidate.label, positions.get(candidate.id, len(positions)), first, top, shown)


def _change(show: Show, pair: tuple[int, int]) -> tuple[str, str, str]:
    change = pair[1] - pair[0]
    return show.number(pair[0]), show.number(pair[1]), ("+" if change > 0 else "") + show.number(change)


def _rule_row(frame: Frame, rule: RuleMatches, key: str) -> RuleRow:
    figures = (frame.show.number(count) for count in (rule.fired, rule.fired_before, rule.skipped))
    return RuleRow(rule.name, f"{frame.base}/rules/{key}/{rule.id}", *figures)


def _few(examples: Sequence[Example]) -> list[Example]:
    """Pick examples of each kind, in their order."""
    counts: Counter[str] = Counter()
    picked = []
    for example in examples:
        counts[example.kind] += 1
        if counts[example.kind] <= EXAMPLES_A_KIND:
            picked.append(example)
    return picked


def _example(
    frame: Frame, example: Example, position_counts: Sequence[Places], positions: Mapping[str, int]
) -> ExampleRow:
    labels = {candidate.id: candidate.label for candidate in position_counts}
    word, mark = KINDS[example.kind]
    before, after = (
        [(labels.get(id, id), positions.get(id, len(positions))) for id in order]
        for order in (example.before, example.after)
    )
    return ExampleRow(f"{frame.base}/decisions/{example.decision_id}", word, mark, before, after)
