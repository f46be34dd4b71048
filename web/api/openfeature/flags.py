"""Decisions as flags: a placement is a flag, and so is each value that its rules set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from engine.model.decision import Decision
from engine.model.placement import One, Shape
from web.api.browsers import BrowserDecision

AnyDecision = Decision | BrowserDecision
Reason = Literal["STATIC", "TARGETING_MATCH", "SPLIT", "DEFAULT", "UNKNOWN"]
Primitive = bool | int | float | str
SEPARATOR = "~"
"""Between a placement and the name of a value; no placement's key contains it."""
NOTHING = "none"


class FlagOrder(msgspec.Struct, frozen=True):
    """The ids of candidates in the order to show them in, and the values that rules set."""

    ranking: list[str]
    values: dict[str, Primitive]


class EvaluatedFlag(msgspec.Struct, frozen=True, omit_defaults=True):
    """An evaluated flag. Without a `value`, the application's own default counts.

    `variant` is the first candidate, or the value as a text. `metadata` says which decision it is.
    """

    key: str
    reason: Annotated[Reason, Meta(description="`DEFAULT`: a fallback. `SPLIT`: drawn. `UNKNOWN`: not for browsers.")]
    variant: str
    metadata: dict[str, Primitive]
    value: FlagOrder | Primitive | msgspec.UnsetType = msgspec.UNSET


def flags_of(decision: AnyDecision, shape: Shape, more: Mapping[str, Primitive]) -> Iterator[EvaluatedFlag]:
    """Yield a decision as the flag of its placement, and the flags of the values that it sets.

    `more` is metadata that does not stand in the decision.
    """
    yield _placement_flag(decision, shape, more)
    for name in decision.values:
        yield value_flag(decision, name, more)


def flag_of(key: str, decision: AnyDecision, shape: Shape, more: Mapping[str, Primitive]) -> EvaluatedFlag:
    """Return the flag of a key: of the decision's placement, or of a value that it may set."""
    _, separator, name = key.partition(SEPARATOR)
    return value_flag(decision, name, more) if separator else _placement_flag(decision, shape, more)


def value_flag(decision: AnyDecision, name: str, more: Mapping[str, Primitive]) -> EvaluatedFlag:
    """Return the flag of a value; where no rule set it, without a value and with the reason `DEFAULT`."""
    key, metadata = f"{decision.placement}{SEPARATOR}{name}", _metadata(decision, more)
    if name not in decision.values:
        return EvaluatedFlag(key, "DEFAULT", NOTHING, metadata)
    value = decision.values[name]
    return EvaluatedFlag(key, reason_of(decision), value if isinstance(value, str) else _text(value), metadata, value)


def reason_of(decision: AnyDecision) -> Reason:
    """Return OpenFeature's reason. A browser does not learn whether rules fired."""
    if decision.fallback:
        return "DEFAULT"
    if any(ranked.chance < 1 for ranked in decision.ranking):
        return "SPLIT"
    if isinstance(decision, BrowserDecision):
        return "UNKNOWN"
    if decision.experiments:
        return "SPLIT"
    return "TARGETING_MATCH" if decision.rules else "STATIC"


def _placement_flag(decision: AnyDecision, shape: Shape, more: Mapping[str, Primitive]) -> EvaluatedFlag:
    ids = [ranked.id for ranked in decision.ranking]
    first = ids[0] if ids else NOTHING
    value: Any = FlagOrder(ids, decision.values)
    if isinstance(shape, One):
        value = first if ids else msgspec.UNSET
    return EvaluatedFlag(decision.placement, reason_of(decision), first, _metadata(decision, more), value)


def _metadata(decision: AnyDecision, more: Mapping[str, Primitive]) -> dict[str, Primitive]:
    metadata: dict[str, Primitive] = {
        "decision_id": decision.decision_id,
        "plan_version": decision.plan_version,
        "ranking": ",".join(ranked.id for ranked in decision.ranking),
        "fallback": decision.fallback,
        "expires_at": decision.expires_at,
        **more,
    }
    if isinstance(decision, BrowserDecision):
        return {**metadata, "token": decision.token}
    variants = {f"experiment.{each['id']}": each["variant"] for each in decision.experiments}
    return {
        **metadata,
        "beliefs_version": decision.beliefs_version,
        "propensity": decision.propensity,
        **variants,
    }


def _text(value: bool | float) -> str:
    return msgspec.json.encode(value).decode()
