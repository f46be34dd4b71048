"""What the form of a placement offers: facts to learn from, groups to learn about apart, candidates to share among."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from babel import Locale

from engine.configuration.configuration import Configuration
from engine.kernel.encoding.features import CHOICES, WEIGHABLE
from engine.kernel.plan import has_finite_values
from engine.kernel.rule_sentences import labels_of
from engine.model.account import Merchant
from engine.model.placement import FieldDocument
from web.admin.candidates.candidate_list import in_order
from web.admin.rules.builder.texts import Terms
from web.admin.rules.builder.view import label_of

Options = Sequence[tuple[str, str]]
EXAMPLES = {"country": "Germany, Austria", "currency": "EUR, GBP"}


@dataclass(frozen=True)
class Fact:
    """A fact that a policy may learn from; `example` shows the values to name where it has no list of its own."""

    name: str
    label: str
    example: str = ""


def terms_of(configuration: Configuration, key: str, merchant: Merchant, locale: Locale) -> Terms:
    """Return what the form of a placement offers; a new one has no candidates yet."""
    return Terms(
        fields={field.name: field for field in configuration.fields()},
        lists=(),
        candidates=labels_of(in_order(configuration.documents("candidate", key))),
        currency=merchant.currency,
        timezone=merchant.timezone,
        locale=locale,
    )


def facts_of(terms: Terms) -> list[Fact]:
    """Return the facts that can be learned from, by their labels."""
    fields = [field for field in terms.fields.values() if field.type in WEIGHABLE]
    return sorted((_fact(terms, field) for field in fields), key=lambda fact: fact.label.casefold())


def groups_of(terms: Terms, chosen: Sequence[str]) -> Options:
    """Return the fields whose values make groups of customers, and what was chosen besides."""
    finite = [name for name, field in terms.fields.items() if has_finite_values(field)]
    named = {name: label_of(terms, name) for name in (*finite, *chosen) if name}
    return sorted(named.items(), key=lambda pair: pair[1].casefold())


def _fact(terms: Terms, field: FieldDocument) -> Fact:
    open_ended = field.type in CHOICES and not field.allowed
    return Fact(field.name, label_of(terms, field.name), EXAMPLES.get(field.type, "new, gold") if open_ended else "")
