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
    """A learned factor: how much more or less often, where a fact holds; `sure`: may be called an effect."""

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
    findings = frame.engine.monitor.findings(frame.merchant.id, placement.key)
    by_id = dict(zip(ids, labels, strict=True))
    rows = [_row(finding, by_id) for finding in findings[:MOST_ROWS]]
    begin = frame.engine.monitor.cold_starts(frame.merchant.id, placement.key)
    cold_starts = [_beginning(frame, cold_start, by_id) for cold_start in begin]
    return LearnedView(sentences(findings, by_id, most=MOST_SENTENCES), rows, cold_starts)


def _beginning(frame: Frame, cold_start: ColdStart, labels: dict[str, str]) -> str:
    share = frame.show.percent(cold_start.rate, digits=1)
    if not cold_start.ids:
        return f"Any other new candidate starts at about {share}."
    names = [labels.get(id, id) for id in cold_start.ids[:MOST_NAMED]]
    more = f" and {len(cold_start.ids) - MOST_NAMED} more" if len(cold_start.ids) > MOST_NAMED else ""
    return f"One {cold_start.where} starts at about {share}, estimated from {', '.join(names)}{more}."


def _row(finding: Finding, labels: dict[str, str]) -> LearnedRow:
    label = labels.get(finding.candidate, finding.candidate)
    return LearnedRow(finding.where, label, finding.ratio, finding.low, finding.high, finding.sure)
