"""Rules as sentences, with candidates named by their labels. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from engine.kernel.plan import PlanDocument, lists_of, rule_source, vocabulary_of
from engine.model.placement import Candidate, RuleDocument
from rules import RuleError, Vocabulary, Wording, describe, parse_rule
from rules.wording.terms import as_moment


class SentenceTerms(NamedTuple):
    """The facts and lists that rules refer to, and the wording of candidates, amounts and countries."""

    vocabulary: Vocabulary
    lists: Mapping[str, frozenset[str]]
    wording: Wording


def terms_of(document: PlanDocument, wording: Wording) -> SentenceTerms:
    """Return the terms of a plan's rules; candidates get their labels."""
    named = replace(wording, candidates=labels_of(document.candidates))
    return SentenceTerms(vocabulary_of(document.fields, document.currency), lists_of(document.lists), named)


def sentence_of(rule: RuleDocument, terms: SentenceTerms) -> str:
    """Return a rule as a sentence, with its schedule; empty if it cannot be parsed in these terms."""
    try:
        parsed = parse_rule({**rule_source(rule), "when": rule.when}, terms.vocabulary, terms.lists)
    except RuleError:
        return ""
    ends = [f" from {as_moment(rule.active_from)}"] if rule.active_from else []
    ends += [f" until {as_moment(rule.active_to)}"] if rule.active_to else []
    text = describe(parsed, terms.vocabulary, terms.wording)
    sentence = f"{text[:1].upper()}{text[1:]}"
    return sentence + ("," if ends else "") + "".join(ends)


def labels_of(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Return labels by candidate id."""
    return {candidate.id: candidate.label for candidate in candidates}
