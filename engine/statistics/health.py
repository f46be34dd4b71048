"""Figures that tell whether what a placement learns from can be trusted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.model.decision import Decision

LEAST_IN_AUDIENCE = 50
UNLIKE = 3.29
"""The normal quantile of one in a thousand, two-sided."""
MOST_ERRORS = 4.0
_ALL = 1e-6


class AudienceRow(NamedTuple):
    """A decision: the candidates that were offered, and whether it ended in a success; None while that is open."""

    offered: frozenset[str]
    succeeded: bool | None


class CandidateAudience(NamedTuple):
    """Of `decisions`, those that offered a candidate; `rate` of them succeed, and `other_rate` of the others.

    `is_unlike`: the rates differ by more than chance explains. A rate is None where there are too few decisions.
    """

    candidate: str
    decisions: int
    offered: int
    rate: float | None
    other_rate: float | None
    is_unlike: bool


class DayWeights(NamedTuple):
    """The inverse chances of the candidates that came first on a day, relative to an even draw.

    Their `total` is the number of `decisions`, give or take `error`, if orders were drawn with the logged chances.
    """

    day: int
    decisions: int
    total: float
    error: float

    @property
    def is_off(self) -> bool:
        return abs(self.total - self.decisions) > MOST_ERRORS * self.error + _ALL * self.decisions


def audiences(ids: Iterable[str], rows: Sequence[AudienceRow]) -> list[CandidateAudience]:
    """Compare the decisions that offered a candidate with those that did not."""
    return [_audience(name, rows) for name in ids]


def day_weights(day: int, answers: Iterable[Decision]) -> DayWeights:
    """Return the weights of a day's answers; those whose first slot was not drawn are left out."""
    count, total, variance = 0, 0.0, 0.0
    for answer in answers:
        chances = _first_chances(answer)
        possible = [chance for chance in chances if chance > 0]
        if len(possible) < 2:
            continue
        count += 1
        total += 1 / (len(possible) * chances[0])
        variance += sum(1 / chance for chance in possible) / len(possible) ** 2 - 1
    return DayWeights(day, count, total, max(0.0, variance) ** 0.5)


def _audience(name: str, rows: Sequence[AudienceRow]) -> CandidateAudience:
    offered = [each for each in rows if name in each.offered]
    inside = [each.succeeded for each in offered if each.succeeded is not None]
    outside = [each.succeeded for each in rows if name not in each.offered and each.succeeded is not None]
    rates = [sum(part) / len(part) if len(part) >= LEAST_IN_AUDIENCE else None for part in (inside, outside)]
    return CandidateAudience(name, len(rows), len(offered), rates[0], rates[1], _are_unlike(inside, outside))


def _are_unlike(inside: Sequence[bool], outside: Sequence[bool]) -> bool:
    """Test two shares; too few decisions on a side tell nothing."""
    if min(len(inside), len(outside)) < LEAST_IN_AUDIENCE:
        return False
    share = (sum(inside) + sum(outside)) / (len(inside) + len(outside))
    error: float = (share * (1 - share) * (1 / len(inside) + 1 / len(outside))) ** 0.5
    return abs(sum(inside) / len(inside) - sum(outside) / len(outside)) > UNLIKE * error > 0


def _first_chances(answer: Decision) -> list[float]:
    """Return the chances of the first slot, that of the candidate there first; empty where it was not drawn."""
    chances = [ranked.confidence for ranked in answer.ranking]
    is_drawn = bool(chances) and abs(answer.ranking[0].chance - chances[0]) <= _ALL and abs(sum(chances) - 1) <= _ALL
    return chances if is_drawn and chances[0] > 0 and not answer.fallback else []
