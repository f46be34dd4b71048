"""What a placement has learned about facts: the part of its page that says it in sentences with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.model.placement import Contextual, Placement
from engine.statistics.findings import ColdStart, Finding, sentences
from web.admin.shell.frame import Frame

MOST_SENTENCES = 8
MOST_ROWS = 60
MOST_NAMED = 4


@dataclass(frozen=True)
class LearnedRow:
    """How much more or less often, where a fact holds; `sure` is whether the interval leaves out “as often”."""

    where: str
    label: str
    ratio: float
    low: float
    high: float
    sure: bool


@dataclass(frozen=True)
class LearnedView:
    """The clearest findings in words, and all of them as figures; where new candidates would begin."""

    sentences: Sequence[str]
    rows: Sequence[LearnedRow]
    cold_starts: Sequence[str]


def learned_view(frame: Frame, placement: Placement, ids: Sequence[str], labels: Sequence[str]) -> LearnedView | None:
    """Return what was learned from facts; None where the placement does not learn from facts."""
    if not isinstance(placement.policy, Contextual):
        return None
    found = frame.engine.monitor.findings(frame.merchant.id, placement.key)
    by_id = dict(zip(ids, labels, strict=True))
    rows = [_row(one, by_id) for one in found[:MOST_ROWS]]
    begin = frame.engine.monitor.cold_starts(frame.merchant.id, placement.key)
    said = [_beginning(frame, one, by_id) for one in begin]
    return LearnedView(sentences(found, by_id, most=MOST_SENTENCES), rows, said)


def _beginning(frame: Frame, one: ColdStart, labels: dict[str, str]) -> str:
    share = frame.show.percent(one.rate, digits=1)
    if not one.ids:
        return f"Any other new candidate starts at about {share}."
    known = [labels.get(id, id) for id in one.ids[:MOST_NAMED]]
    more = f" and {len(one.ids) - MOST_NAMED} more" if len(one.ids) > MOST_NAMED else ""
    return f"One {one.where} starts at about {share}, estimated from {', '.join(known)}{more}."


def _row(one: Finding, labels: dict[str, str]) -> LearnedRow:
    label = labels.get(one.candidate, one.candidate)
    return LearnedRow(one.where, label, one.ratio, one.low, one.high, one.sure)
