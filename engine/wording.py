"""Rules in plain words, with candidates called by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from engine.placement import Candidate, RuleDocument
from engine.plan import PlanDocument, lists_of, rule_source, vocabulary_of
from rules import Rule, RuleError, Vocabulary, Wording, describe, parse_rule
from rules.wording import plain_money


class Terms(NamedTuple):
    """What the words of a rule stand for: facts, lists, the candidates' names by id, and the currency of amounts."""

    vocabulary: Vocabulary
    lists: Mapping[str, frozenset[str]]
    labels: Mapping[str, str]
    currency: str


def terms_of(document: PlanDocument, currency: str) -> Terms:
    """What the words of a plan's rules stand for."""
    return Terms(vocabulary_of(document.fields), lists_of(document.lists), labels_of(document.candidates), currency)


def sentence_of(rule: RuleDocument, terms: Terms) -> str:
    """A rule as it is written, with its schedule; empty where it makes no sense in these terms."""
    try:
        parsed = parse_rule({**rule_source(rule), "when": rule.when}, terms.vocabulary, terms.lists)
    except RuleError:
        return ""
    ends = [f" from {rule.active_from}"] if rule.active_from else []
    ends += [f" until {rule.active_to}"] if rule.active_to else []
    said = in_words(parsed, terms.vocabulary, terms.labels, currency=terms.currency)
    return said + ("," if ends else "") + "".join(ends)


def in_words(
    rule: Rule,
    vocabulary: Vocabulary,
    labels: Mapping[str, str],
    *,
    currency: str = "",
    money: Callable[[int, str], str] = plain_money,
) -> str:
    """What a rule asks, and what follows: "Cart total is under EUR 50.00 → Klarna is hidden".

    `currency` is the merchant's, `money` makes a text of minor units and a currency.
    """
    text = describe(rule, vocabulary, Wording(labels, currency, money))
    return f"{text[:1].upper()}{text[1:]}"


def labels_of(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Names by id."""
    return {candidate.id: candidate.label for candidate in candidates}
