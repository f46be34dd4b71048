"""The answer to "what do I show this customer, here, now", as it is sent, logged and read again."""

from __future__ import annotations

import msgspec


class Ranked(msgspec.Struct, frozen=True):
    """A candidate in its slot. `score`: posterior mean; `confidence`: chance of being first; `chance`: of this slot."""

    id: str
    rank: int
    label: str
    score: float
    confidence: float
    chance: float
    reasons: list[str]


class Excluded(msgspec.Struct, frozen=True):
    id: str
    reason: str


class Skipped(msgspec.Struct, frozen=True):
    """A rule that could not be judged, and the fact it lacked."""

    rule: str
    field: str


class Decision(msgspec.Struct, frozen=True):
    """The answer to "what do I show this customer, here, now"; `propensity` is its exact probability."""

    decision_id: str
    placement: str
    plan_version: int
    beliefs_version: int
    ranking: list[Ranked]
    excluded: list[Excluded]
    values: dict[str, bool | int | float | str]
    rules: list[str]
    skipped: list[Skipped]
    experiments: list[dict[str, str]]
    propensity: float
    fallback: bool
    expires_at: str
