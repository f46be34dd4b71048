"""Divide the floor of a placement by its statistics. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

import bandits
from bandits.drawing.probes import RECENT_HALF_LIFE_DAYS, Recent, make_probes
from engine.kernel.beliefs import NO_EVIDENCE, ArmBelief
from engine.kernel.spread import ProbeShares
from engine.statistics.evidence import DayRow

TRAFFIC_DAYS = 7
"""The traffic is the average of so many days."""


def probe_shares(
    ids: Sequence[str], arms: Mapping[str, ArmBelief], days: Sequence[DayRow], *, today: int, length: int
) -> ProbeShares | None:
    """Return how the floor is divided among `ids`, whose answers have `length` slots; None without candidates."""
    if not ids:
        return None
    index, recent = {name: number for number, name in enumerate(ids)}, np.zeros((2, len(ids)))
    for row in days:
        if row.candidate in index:
            faded = bandits.recency_weight(max(0, today - row.day), RECENT_HALF_LIFE_DAYS)
            recent[:, index[row.candidate]] += faded * row.trials, faded * row.successes
    rates = [bandits.mean(arms.get(name, NO_EVIDENCE).evidence) for name in ids]
    probes = make_probes(ids, rates, Recent(*recent), visits_a_day=_visits_a_day(days, today) / max(1, length))
    # Rounded, so that a version's snapshot is small and a library's last digit does not matter.
    shares = {name: round(share, 6) for name, share in zip(ids, probes.shares.tolist(), strict=True)}
    return ProbeShares(round(probes.multiple, 4), shares)


def _visits_a_day(days: Sequence[DayRow], today: int) -> float:
    """Return the trials a day of the last days, without today's unless there are no others."""
    first = min((row.day for row in days if row.day > today - TRAFFIC_DAYS - 1), default=today)
    last = max(first, today - 1)
    return sum(row.trials for row in days if first <= row.day <= last) / (last - first + 1)
