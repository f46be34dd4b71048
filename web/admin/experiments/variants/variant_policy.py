"""How a variant chooses, as fields of its card: as the placement does, without learning, or with other settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine.model.errors import FieldProblem
from engine.model.placement import Contextual, Fixed, Policy, Split, Thompson
from web.admin.shell.forms import Reader, number_text

POLICIES = (
    ("", "As the placement does"),
    ("fixed", "My own order, without learning"),
    ("split", "Equal shares, without learning"),
    ("shares", "Shares that you set, without learning"),
)
TUNED = ("learn", "As the placement learns, with other settings")
SHARE = "share:"
"""What the fields begin with, behind the card's prefix, that hold a candidate's share."""
MOST_FLOOR_PERCENT, MOST_DRAWN = 50, 10


def learns(policy: Policy | None) -> bool:
    """Return whether a policy learns, so that it has settings of learning."""
    return isinstance(policy, Thompson | Contextual)


def policies_for(own: Policy | None, chosen: str) -> Sequence[tuple[str, str]]:
    """Return the policies that a variant may have; `own` is the placement's."""
    return (*POLICIES, TUNED) if learns(own) or chosen == TUNED[0] else POLICIES


def policy_of(reader: Reader, prefix: str, base: Policy | None) -> dict[str, Any] | None:
    """Read a card's policy; `base` is the policy whose settings may be changed."""
    match reader.text(f"{prefix}.policy"):
        case "fixed" | "split" as kind:
            return {"type": kind}
        case "shares":
            return {"type": "split", "weights": _shares(reader, prefix)}
        case "learn":
            return _tuned(reader, prefix, base)
        case _:
            return None


def texts_of_policy(prefix: str, policy: Policy | None) -> dict[str, str]:
    """Return a stored policy as the card shows it."""
    match policy:
        case Fixed():
            return {f"{prefix}.policy": "fixed"}
        case Split(weights):
            shares = {f"{prefix}.{SHARE}{id}": number_text(weight) for id, weight in weights.items()}
            return {f"{prefix}.policy": "shares" if shares else "split", **shares}
        case Thompson(floor, drawn, counts) | Contextual(floor=floor, drawn=drawn, affinity=counts):
            return {
                f"{prefix}.policy": "learn",
                f"{prefix}.floor": number_text(floor * 100),
                f"{prefix}.drawn": str(drawn),
                f"{prefix}.history": "on" if counts else "",
            }
        case _:
            return {f"{prefix}.policy": ""}


def with_settings(values: Mapping[str, str], count: int, own: Policy) -> dict[str, str]:
    """Return the texts of a form in which variants that could learn otherwise begin with the placement's settings."""
    if not learns(own):
        return dict(values)
    other = [f"v{number}" for number in range(count) if values.get(f"v{number}.policy") != TUNED[0]]
    usual = [
        texts_of_policy(prefix, own) | {f"{prefix}.policy": values.get(f"{prefix}.policy", "")} for prefix in other
    ]
    return {**values, **{name: text for texts in usual for name, text in texts.items()}}


def _shares(reader: Reader, prefix: str) -> dict[str, float]:
    """Read the shares by candidate; an empty field is no share."""
    start, field = f"{prefix}.{SHARE}", f"{prefix}.policy"
    own = Reader({name: text for name, text in reader.values.items() if name.startswith(start) and text.strip()})
    shares = {name.removeprefix(start): own.decimal(name) for name in own.values}
    if own.problems or any(not 0 <= share <= 1e6 for share in shares.values()):
        reader.problems.append(FieldProblem(field, "a share is a number from 0 to 1,000,000"))
    elif not any(shares.values()):
        reader.problems.append(FieldProblem(field, "give at least one candidate a share above 0"))
    return shares


def _tuned(reader: Reader, prefix: str, base: Policy | None) -> dict[str, Any] | None:
    """Read other settings of a policy that learns."""
    if not learns(base):
        reader.problems.append(FieldProblem(f"{prefix}.policy", "this placement does not learn: choose another"))
        return None
    floor = reader.decimal(f"{prefix}.floor", default=1.0)
    drawn = reader.integer(f"{prefix}.drawn", default=3)
    if not 0 <= floor <= MOST_FLOOR_PERCENT:
        reader.problems.append(FieldProblem(f"{prefix}.floor", f"must lie between 0 and {MOST_FLOOR_PERCENT}%"))
    if not 1 <= drawn <= MOST_DRAWN:
        reader.problems.append(FieldProblem(f"{prefix}.drawn", f"must lie between 1 and {MOST_DRAWN}"))
    counts = "history" if isinstance(base, Thompson) else "affinity"
    settings = {"floor": round(floor / 100, 9), "drawn": drawn, counts: reader.flag(f"{prefix}.history")}
    stored: dict[str, Any] = msgspec.to_builtins(base)
    return stored | settings
