"""Rules in plain words, with candidates called by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.placement import Candidate
from rules import Boost, Effect, Exclude, Pin, Require, Rule, Set, Vocabulary, describe
from rules.describe import describe_effect


def in_words(rule: Rule, vocabulary: Vocabulary, labels: Mapping[str, str]) -> str:
    """What a rule asks, and what follows: "Cart total is under 50.00 → hide Klarna"."""
    effects = ", ".join(describe_effect(_named(effect, labels)) for effect in rule.effects)
    condition = describe(rule.condition, vocabulary)
    return f"{condition[:1].upper()}{condition[1:]} → {effects}"


def labels_of(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Names by id."""
    return {candidate.id: candidate.label for candidate in candidates}


def _named(effect: Effect, labels: Mapping[str, str]) -> Effect:
    match effect:
        case Exclude(candidates) | Require(candidates) | Boost(candidates, _):
            return replace(effect, candidates=tuple(labels.get(id, id) for id in candidates))
        case Pin(candidate, _):
            return replace(effect, candidate=labels.get(candidate, candidate))
        case Set():
            return effect
