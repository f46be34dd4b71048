"""Whether groups are split as planned, in words."""

from __future__ import annotations

from collections.abc import Sequence

from engine.experiments.looks.balance import PAST, GroupBalance
from engine.model.experiment import Experiment
from web.experiments.segments_view import usual_name
from web.format import Show

MOST_NAMED = 3


def balance_words(document: Experiment, groups: Sequence[GroupBalance], show: Show) -> str:
    """Say which groups are split otherwise than planned, or how many were looked at; empty where none was."""
    off = [_named(document, group, show) for group in groups if group.differs]
    if off:
        more = len(off) - MOST_NAMED
        return "; ".join(off[:MOST_NAMED]) + (f"; and {show.count(more, 'other group')}" if more > 0 else "") + "."
    if not groups:
        return ""
    looked = show.count(len(groups), "group")
    return f"No imbalance found in {looked} by device, country, new or returning, and purchases before."


def _named(document: Experiment, group: GroupBalance, show: Show) -> str:
    digits = 2 if group.group == PAST else 0
    pairs = zip(document.variants, group.counts, strict=True)
    counts = ", ".join(f"{variant.name} {show.number(count, digits=digits)}" for variant, count in pairs)
    return f"{'Purchases before, on average' if group.group == PAST else usual_name(group.group, show)}: {counts}"
