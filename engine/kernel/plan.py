"""Plans: a placement with its candidates and rules, compiled. A plan is immutable, versioned and replaced whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
import rules
from engine.intake.context import Intake
from engine.kernel.bounds import moves_order
from engine.kernel.eligibility import Eligibility
from engine.kernel.encoding.features import Encoding
from engine.kernel.offers.offer_table import OfferTable
from engine.model.documents.offer import Offer, OfferBudget
from engine.model.experiment import Experiment
from engine.model.facts import Facts
from engine.model.placement import (
    Candidate,
    Contextual,
    Currency,
    FieldDocument,
    Fixed,
    ListDocument,
    Placement,
    RuleDocument,
    Thompson,
)
from engine.model.schedule import scheduled
from engine.model.standard_vocabulary import CUSTOMER_ID
from rules.language.codes import COUNTRIES, CURRENCIES

MOST_STRATA_KEPT = 10_000
"""Names of strata that a plan keeps, so that a decision need not hash its own."""


def stratum_name(bucket: str, has_history: bool, eligible: Sequence[str], order_rules: Sequence[str]) -> str:
    """Return a short name for requests whose candidates may be compared: what decides who is offered, and to whom."""
    parts = "\n".join((bucket, str(has_history), "|".join(sorted(eligible)), "|".join(sorted(order_rules))))
    return blake2b(parts.encode(), digest_size=6).hexdigest()


class PlanDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a placement's decisions depend on, as it was published.

    `currency` is the merchant's own: amounts that name none hold for carts in it only. In plans from before amounts had
    a currency it is null, and they hold for every cart. `experiments` are those that customers are in.
    `keeps_order`: a fixed order is the merchant's own whatever goal and reward are; in plans from before, it was not.
    `budgets` are those that the candidates' offers name. `weighs_offers`: what an offer brings in and costs decides how
    often it is drawn; in plans from before, it did not.
    """

    placement: Placement
    candidates: tuple[Candidate, ...] = ()
    rules: tuple[RuleDocument, ...] = ()
    fields: tuple[FieldDocument, ...] = ()
    lists: tuple[ListDocument, ...] = ()
    currency: Currency | None = None
    experiments: tuple[Experiment, ...] = ()
    keeps_order: bool = False
    budgets: tuple[OfferBudget, ...] = ()
    weighs_offers: bool = False


class Plan:
    """A compiled `PlanDocument`. Candidates are numbered from 0 in the merchant's own order.

    `like` is a plan that may have the same rules, such as the version before; equal rules are not compiled again.
    """

    def __init__(self, document: PlanDocument, *, version: int, like: Plan | None = None) -> None:
        self.document = document
        self.version = version
        self.placement = document.placement
        self.candidates = in_order(document.candidates)
        self.ids = tuple(candidate.id for candidate in self.candidates)
        self.index = {name: number for number, name in enumerate(self.ids)}
        self.numbers = tuple(range(len(self.ids)))
        self.limits: dict[tuple[object, ...], Any] = {}
        self.hashes: NDArray[np.uint64] = np.array([bandits.candidate_hash(name) for name in self.ids], dtype=np.uint64)
        self.eligibility = Eligibility(self.candidates, document.currency)
        self.offers = offers_of(self.candidates)
        self.budgets = {budget.id: budget for budget in document.budgets}
        self.weighs_offers = weighs_offers(document, self.offers)
        self.intake = Intake(document.fields)
        reusable = like if like and _have_same_terms(like.document, document) else None
        self.vocabulary: rules.Vocabulary = (
            reusable.vocabulary if reusable else vocabulary_of(document.fields, document.currency)
        )
        self.lists: dict[str, frozenset[str]] = reusable.lists if reusable else lists_of(document.lists)
        self.rules: tuple[rules.Rule, ...] = rules.parse_rules(
            enabled_rules(document.rules), self.vocabulary, self.lists, previous=reusable.rules if reusable else ()
        )
        self.compiled: rules.CompiledRules = rules.compile_rules(
            self.rules, self.vocabulary, self.lists, previous=reusable.compiled if reusable else None
        )
        self.reads_customer = CUSTOMER_ID in self.compiled.fields
        policy = document.placement.policy
        self.encoding: Encoding | None = None
        if isinstance(policy, Contextual):
            self.encoding = Encoding(policy, document.fields, document.candidates)
        self.order_rules = frozenset(rule.id for rule in self.rules if moves_order(rule))
        self.learns_choices = document.placement.learns_choices
        self.keeps_order = document.keeps_order and isinstance(policy, Fixed)
        self.records_strata = self.learns_choices
        """A variant without learning records them for the plan in force, which learns from its decisions too."""
        self._strata: dict[tuple[str, bool, tuple[int, ...], tuple[str, ...]], str] = {}
        self._booleans = frozenset(field.name for field in document.fields if field.type == "boolean")
        self._finite = {field.name: _values(field) for field in document.fields}

    @cached_property
    def offer_table(self) -> OfferTable:
        """Return the offers as arrays; made for the first request, as most plans have no offers."""
        return OfferTable(self.offers, self.budgets)

    @cached_property
    def offer_numbers(self) -> NDArray[np.int64]:
        """Return the numbers of the candidates with an offer (N,), in the order of the table."""
        return np.array([self.index[id] for id in self.offer_table.ids], np.int64)

    @cached_property
    def fees(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the candidates' fees in percent (K,) and in minor units (K,)."""
        pairs = [(candidate.fee_percent, candidate.fee_fixed) for candidate in self.candidates]
        percents, fixed = np.array(pairs, np.float64).reshape(-1, 2).T
        return percents, fixed

    def bucket(self, values: Mapping[str, Any]) -> str:
        """Return the bucket that a request belongs to, such as `mobile|DE`; `-` stands for an unknown value."""
        return "|".join(self._bucket_value(name, values.get(name)) for name in self.placement.buckets)

    def stratum(self, facts: Facts, eligible: tuple[int, ...], order_rules: Sequence[str]) -> str:
        """Return the name of the requests that share bucket, candidates, order rules, and whether there is a history.

        Empty if the placement does not learn from choices. `eligible` are candidate numbers.
        """
        if not self.records_strata:
            return ""
        key = (self.bucket(facts.values), bool(facts.history), eligible, tuple(order_rules))
        name = self._strata.get(key)
        if name is None:
            if len(self._strata) >= MOST_STRATA_KEPT:
                self._strata.clear()
            name = self._strata[key] = stratum_name(
                key[0], key[1], [self.ids[number] for number in eligible], order_rules
            )
        return name

    def _bucket_value(self, name: str, value: object) -> str:
        if name in self._booleans:
            return {True: "yes", False: "no"}[value] if isinstance(value, bool) else "-"
        return value if isinstance(value, str) and value in self._finite.get(name, ()) else "-"


def _have_same_terms(first: PlanDocument, second: PlanDocument) -> bool:
    """Return whether rules mean the same in both documents."""
    return (first.fields, first.lists, first.currency) == (second.fields, second.lists, second.currency)


def in_order(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """Return enabled candidates in the merchant's order, which is also the fallback order."""
    enabled = (candidate for candidate in candidates if candidate.enabled)
    return tuple(sorted(enabled, key=lambda candidate: (candidate.position, candidate.id)))


def weighs_offers(document: PlanDocument, offers: Mapping[str, Offer]) -> bool:
    """Return whether draws are weighed by what offers bring in: not by the reward `revenue`, which does not ask."""
    placement = document.placement
    learns = isinstance(placement.policy, Thompson | Contextual) and placement.goal == "maximise"
    return document.weighs_offers and bool(offers) and learns and placement.reward != "revenue"


def offers_of(candidates: Iterable[Candidate]) -> dict[str, Offer]:
    """Return the offers among candidates, by id."""
    return {candidate.id: candidate.offer for candidate in candidates if candidate.offer is not None}


def enabled_rules(documents: tuple[RuleDocument, ...]) -> list[dict[str, Any]]:
    """Return the enabled rules as plain documents for the parser."""
    return [rule_source(document) for document in documents if document.enabled]


def rule_source(document: RuleDocument) -> dict[str, Any]:
    """Return the rule as it is compiled: with its schedule in its condition."""
    return {
        "id": document.id,
        "name": document.name,
        "priority": document.priority,
        "when": scheduled(document),
        "effects": list(document.effects),
    }


def vocabulary_of(fields: tuple[FieldDocument, ...], currency: str | None) -> rules.Vocabulary:
    """Return the facts that rules may read; `currency` is that of amounts that name none."""
    declared = (
        rules.Field(
            name=field.name,
            type=field.type,
            unit=field.unit,
            allowed=field.allowed,
            purpose=field.purpose,
            label=field.label,
            examples=field.examples,
        )
        for field in fields
    )
    return rules.Vocabulary(declared, currency=currency)


def lists_of(documents: tuple[ListDocument, ...]) -> dict[str, frozenset[str]]:
    return {document.name: frozenset(document.values) for document in documents}


def has_finite_values(field: FieldDocument) -> bool:
    """Return whether a field may define buckets: with others, a caller could create any number of them."""
    return bool(field.allowed) or field.type in ("boolean", "country", "currency")


_CODES = {"country": COUNTRIES, "currency": CURRENCIES}


def _values(field: FieldDocument) -> frozenset[str]:
    return frozenset(field.allowed) or _CODES.get(field.type, frozenset())
