"""Rules in plain words, with candidates called by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from engine.kernel.plan import PlanDocument, lists_of, rule_source, vocabulary_of
from engine.model.placement import Candidate, RuleDocument
from rules import RuleError, Vocabulary, Wording, describe, parse_rule
from rules.wording.terms import as_moment


class Terms(NamedTuple):
    """What the words of a rule stand for: facts, lists, and how candidates, amounts and countries are called."""

    vocabulary: Vocabulary
    lists: Mapping[str, frozenset[str]]
    wording: Wording


def terms_of(document: PlanDocument, wording: Wording) -> Terms:
    """What the words of a plan's rules stand for; candidates go by their labels."""
    named = replace(wording, candidates=labels_of(document.candidates))
    return Terms(vocabulary_of(document.fields), lists_of(document.lists), named)


def sentence_of(rule: RuleDocument, terms: Terms) -> str:
    """A rule as it is written, with its schedule; empty where it makes no sense in these terms."""
    try:
        parsed = parse_rule({**rule_source(rule), "when": rule.when}, terms.vocabulary, terms.lists)
    except RuleError:
        return ""
    ends = [f" from {as_moment(rule.active_from)}"] if rule.active_from else []
    ends += [f" until {as_moment(rule.active_to)}"] if rule.active_to else []
    text = describe(parsed, terms.vocabulary, terms.wording)
    said = f"{text[:1].upper()}{text[1:]}"
    return said + ("," if ends else "") + "".join(ends)


def labels_of(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Names by id."""
    return {candidate.id: candidate.label for candidate in candidates}
