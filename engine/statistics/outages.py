"""Detect candidates that are down from the trials of the last minutes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.evidence.outage import Watch
from engine.model.timestamps import MINUTE
from engine.statistics.evidence import Curves

Floats = NDArray[np.float64]
SETTLED_MINUTES = 180
"""Minutes older than this are folded into the state once; younger ones again each time, with what arrived since."""
FIRST_MINUTES = 24 * 60
"""How far back the first look goes."""
CAUTION = 2.0
"""Standard errors by which a usual rate is taken lower than it was counted, so that few trials prove no outage."""


class MinuteRow(NamedTuple):
    """A candidate's trials in decisions of one minute; `pending` may still succeed."""

    candidate: str
    minute: int
    trials: int
    successes: int
    pending: int


class State(NamedTuple):
    """The state up to the minute `minute`: the test, and by candidate (K,) the minute from which it failed."""

    minute: int
    watch: Watch
    since: NDArray[np.int64]

    @classmethod
    def begin(cls, candidates: int, minute: int) -> State:
        return cls(minute, Watch.begin(candidates), np.full(candidates, minute))


def usual_rates(ids: Sequence[str], counts: Mapping[str, tuple[int, int]]) -> Floats:
    """Return the long-run rates (K,) from (trials, successes), lowered by CAUTION standard errors."""
    pairs = np.array([counts.get(name, (0, 0)) for name in ids], np.float64)
    trials, successes = pairs.reshape(-1, 2).T
    lowered: Floats = np.maximum(0.0, successes - CAUTION * np.sqrt(successes)) / np.maximum(trials, 1.0)
    return lowered


def follow(
    state: State, ids: Sequence[str], rows: Sequence[MinuteRow], usual: Floats, curves: Curves, now: int
) -> tuple[State, State]:
    """Return the state after the settled minutes, to go on from, and after all minutes up to `now` (epoch ms).

    A pending trial counts as far as its outcome would have arrived by now.
    """
    cells = _cells(ids, rows, curves, now)
    settled, last = state, now // MINUTE
    for minute in range(state.minute, last + 1):
        if minute == last - SETTLED_MINUTES:
            settled = state
        state = _after(state, minute, cells.get(minute), usual)
    return settled, state


def _after(state: State, minute: int, cell: tuple[Floats, Floats] | None, usual: Floats) -> State:
    tried, won = cell if cell is not None else (np.zeros(len(usual)), np.zeros(len(usual)))
    watch = state.watch.after(tried, won, usual)
    # A sum of 0 means that nothing speaks for an outage, so one that is found later began after this minute.
    since = np.where(watch.suspended | (watch.sums > 0), state.since, minute + 1)
    return State(minute + 1, watch, since)


def _cells(ids: Sequence[str], rows: Sequence[MinuteRow], curves: Curves, now: int) -> dict[int, tuple[Floats, Floats]]:
    """Return (trials, successes) (K,) by minute."""
    index = {name: number for number, name in enumerate(ids)}
    cells: dict[int, tuple[Floats, Floats]] = {}
    for row in rows:
        if row.candidate in index:
            tried, won = cells.setdefault(row.minute, (np.zeros(len(ids)), np.zeros(len(ids))))
            share = curves.share_since(row.candidate, max(0, now - row.minute * MINUTE), MINUTE)
            tried[index[row.candidate]] += max(row.trials, row.successes) + max(0, row.pending) * share
            won[index[row.candidate]] += row.successes
    return cells
