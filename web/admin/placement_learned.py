"""What a placement has learned about facts: the part of its page that says it in sentences with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.learned import Finding, sentences
from engine.placement import Contextual, Placement
from web.admin.frame import Frame

MOST_SENTENCES = 8
MOST_ROWS = 60


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
    """The clearest findings in words, and all of them as figures."""

    sentences: Sequence[str]
    rows: Sequence[LearnedRow]


def learned_view(frame: Frame, placement: Placement, ids: Sequence[str], labels: Sequence[str]) -> LearnedView | None:
    """None where the placement does not learn from facts."""
    if not isinstance(placement.policy, Contextual):
        return None
    found = frame.engine.monitor.findings(frame.merchant.id, placement.key)
    by_id = dict(zip(ids, labels, strict=True))
    rows = [_row(one, by_id) for one in found[:MOST_ROWS]]
    return LearnedView(sentences(found, by_id, most=MOST_SENTENCES), rows)


def _row(one: Finding, labels: dict[str, str]) -> LearnedRow:
    label = labels.get(one.candidate, one.candidate)
    return LearnedRow(one.where, label, one.ratio, one.low, one.high, one.sure)
