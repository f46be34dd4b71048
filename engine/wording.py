"""Rules in plain words, with candidates called by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from engine.placement import Candidate, RuleDocument
from engine.plan import PlanDocument, lists_of, rule_source, vocabulary_of
from rules import Boost, Effect, Exclude, Pin, Require, Rule, RuleError, Set, Vocabulary, describe, parse_rule
from rules.describe import describe_effect


class Terms(NamedTuple):
    """What the words of a rule stand for: facts, lists, and the candidates' names by id."""

    vocabulary: Vocabulary
    lists: Mapping[str, frozenset[str]]
    labels: Mapping[str, str]


def terms_of(document: PlanDocument) -> Terms:
    """What the words of a plan's rules stand for."""
    return Terms(vocabulary_of(document.fields), lists_of(document.lists), labels_of(document.candidates))


def sentence_of(rule: RuleDocument, terms: Terms) -> str:
    """A rule as it is written, with its schedule; empty where it makes no sense in these terms."""
    try:
        parsed = parse_rule({**rule_source(rule), "when": rule.when}, terms.vocabulary, terms.lists)
    except RuleError:
        return ""
    ends = [f" from {rule.active_from}"] if rule.active_from else []
    ends += [f" until {rule.active_to}"] if rule.active_to else []
    return in_words(parsed, terms.vocabulary, terms.labels) + ("," if ends else "") + "".join(ends)


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
