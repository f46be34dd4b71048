"""The limits that fired rules set for one answer: candidates excluded, pinned and boosted, and values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from engine.model.facts import PREFERRED
from rules import Boost, Exclude, Pin, Require, Rule, Set

Preferred = tuple[tuple[str, str], ...]
"""Candidates that a customer wants first, in this order, with the reason."""


class Bounds(msgspec.Struct):
    """The limits of one answer.

    `excluded` maps candidate numbers to the reason, `boosts` to a factor, `pins` slots (from 0) to candidate numbers;
    `values` are set in the answer, `reasons` are shown beside each candidate; `order_rules` are the ids of the fired
    rules that pin or boost.
    """

    excluded: dict[int, str]
    pins: dict[int, int]
    boosts: dict[int, float]
    values: dict[str, bool | int | float | str]
    reasons: dict[int, list[str]]
    order_rules: list[str]


def apply_effects(
    fired: tuple[Rule, ...],
    index: Mapping[str, int],
    excluded: dict[int, str],
    *,
    slots: int,
    preferred: Preferred = (),
) -> Bounds:
    """Return the limits after the effects of rules in order of priority; `excluded` is what the catalogue excludes.

    Pins are applied last, and the first rule that claims a slot keeps it. A pin is ignored if its candidate is
    excluded or the answer has fewer `slots`. What the customer prefers gets the first slots that no rule claims.
    """
    bounds = Bounds(excluded, {}, {}, {}, {}, [rule.id for rule in fired if moves_order(rule)])
    pins = []
    for rule in fired:
        for effect in rule.effects:
            if isinstance(effect, Pin):
                pins.append((effect, rule))
            else:
                _apply(effect, rule, index, bounds)
    for pin, rule in pins:
        number = index.get(pin.candidate)
        if number is not None and number not in bounds.excluded and pin.slot <= slots:
            _pin(number, pin.slot - 1, rule, bounds)
    _prefer(preferred, index, bounds, slots=slots)
    return bounds


def preferred_of(values: Mapping[str, Any]) -> Preferred:
    """Return what the customer wants first, of the facts of a request."""
    preferred = values.get(PREFERRED)
    return tuple(preferred.items()) if type(preferred) is dict else ()


def moves_order(rule: Rule) -> bool:
    """Return whether a rule has an effect on the order of the candidates that it leaves."""
    return any(isinstance(effect, Pin | Boost) for effect in rule.effects)


def _apply(effect: Exclude | Require | Boost | Set, rule: Rule, index: Mapping[str, int], bounds: Bounds) -> None:
    match effect:
        case Exclude(candidates):
            for number in _numbers(candidates, index):
                bounds.excluded.setdefault(number, f"hidden by rule “{rule.name}”")
        case Require(candidates):
            required = set(_numbers(candidates, index))
            for number in index.values():
                if number not in required:
                    bounds.excluded.setdefault(number, f"not among those that rule “{rule.name}” allows")
        case Boost(candidates, factor):
            for number in _numbers(candidates, index):
                bounds.boosts[number] = bounds.boosts.get(number, 1.0) * factor
                bounds.reasons.setdefault(number, []).append(f"weighted x{factor:g} by rule “{rule.name}”")
        case Set(name, value):
            bounds.values.setdefault(name, value)


def _pin(number: int, slot: int, rule: Rule, bounds: Bounds) -> None:
    if slot in bounds.pins or number in bounds.pins.values():
        return
    bounds.pins[slot] = number
    bounds.reasons.setdefault(number, []).append(f"placed {slot + 1}. by rule “{rule.name}”")


def _prefer(preferred: Preferred, index: Mapping[str, int], bounds: Bounds, *, slots: int) -> None:
    """Put what the customer prefers into the first free slots, in the customer's order."""
    allowed = [number for number in index.values() if number not in bounds.excluded]
    free = iter([slot for slot in range(min(slots, len(allowed))) if slot not in bounds.pins])
    for id, reason in preferred:
        number = index.get(id)
        if number is None or number in bounds.excluded:
            continue
        if number not in bounds.pins.values():
            slot = next(free, None)
            if slot is None:
                return
            bounds.pins[slot] = number
        bounds.reasons.setdefault(number, []).append(reason)


def _numbers(candidates: tuple[str, ...], index: Mapping[str, int]) -> list[int]:
    return [index[name] for name in candidates if name in index]
