"""What a merchant configures, as documents: they are stored, sent and compiled as they stand here.

Amounts are integer minor units of a currency, percentages are numbers (1.4 is 1.4 %).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bandits.evidence.credit import CreditModel, Reward
from engine.model.documents.field_types import Amount as Amount
from engine.model.documents.field_types import Currency as Currency
from engine.model.documents.field_types import Id as Id
from engine.model.documents.field_types import Label as Label
from engine.model.documents.field_types import Moment as Moment
from engine.model.documents.offer import Offer, OrderLimits

Country = Annotated[str, Meta(pattern=r"\A[A-Z]{2}\Z", description="ISO 3166-1 alpha-2.")]
Limit = Amount | Annotated[dict[Currency, Amount], Meta(min_length=1, max_length=200)]
"""An amount of the merchant's own currency, or amounts by currency; carts in others are not limited."""

Percent = Annotated[float, Meta(ge=0, le=100)]
FieldName = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_]{0,31}(\.[a-z][a-z0-9_]{0,31}){1,3}\Z", max_length=80)]


# A value may become a bucket's name, and PostgreSQL keeps no text with NUL in it.
Value = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f]+\Z", max_length=120, description="Text of one line.")]
AttributeName = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_]{0,31}\Z", description="Small letters, digits, `_`.")]
Attribute = Annotated[float, Meta(ge=-1e9, le=1e9)] | Value
Tag = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f]+\Z", max_length=40, description="Text of one line.")]


class One(msgspec.Struct, frozen=True, tag_field="type", tag="one", forbid_unknown_fields=True):
    """The answer is one candidate."""


class Ranking(msgspec.Struct, frozen=True, tag_field="type", tag="ranking", forbid_unknown_fields=True):
    """The answer is every eligible candidate in an order."""


class Subset(msgspec.Struct, frozen=True, tag_field="type", tag="subset", forbid_unknown_fields=True):
    """The answer is at most `limit` candidates in an order."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 3


Shape = One | Ranking | Subset


class Fixed(msgspec.Struct, frozen=True, tag_field="type", tag="fixed", forbid_unknown_fields=True):
    """Candidates come in the merchant's own order, moved only by rules."""


class Split(msgspec.Struct, frozen=True, tag_field="type", tag="split", forbid_unknown_fields=True):
    """Candidates are drawn in fixed shares; the same customer always gets the same draw."""

    weights: dict[Id, Annotated[float, Meta(ge=0, le=1e6)]] = {}


class Thompson(msgspec.Struct, frozen=True, tag_field="type", tag="thompson", forbid_unknown_fields=True):
    """Candidates are drawn in proportion to the probability that they are the best.

    `floor` is the share of each slot that is kept for trying all candidates, `drawn` the number of slots that are
    drawn (the rest follow the posterior mean), `history` whether the customer's own past counts. With the credit
    `choice` the share falls from six times the floor to a fifth as traffic grows, and a third of it goes to candidates
    that may have improved; otherwise it is spread evenly.
    """

    floor: Annotated[float, Meta(ge=0, le=0.5)] = 0.01
    drawn: Annotated[int, Meta(ge=1, le=10)] = 3
    history: bool = True


class Contextual(msgspec.Struct, frozen=True, tag_field="type", tag="contextual", forbid_unknown_fields=True):
    """Candidates are drawn in proportion to the probability that they are the best for these facts.

    `features` names the facts that are weighed, `values` those worth telling apart of a fact that has no list of
    allowed values; `affinity` is whether the customer's own past is weighed too. `floor` and `drawn` as above.
    """

    features: Annotated[tuple[FieldName, ...], Meta(max_length=40)] = ()
    values: dict[FieldName, Annotated[tuple[Value, ...], Meta(min_length=1, max_length=300)]] = {}
    affinity: bool = True
    floor: Annotated[float, Meta(ge=0, le=0.5)] = 0.01
    drawn: Annotated[int, Meta(ge=1, le=10)] = 3


Policy = Fixed | Split | Thompson | Contextual
Goal = Literal["maximise", "minimise"]


class Holdback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share of customers that is never personalized: the merchant's own order, with the rules that hide or require.

    It is what "without personalization" means wherever an effect is measured. A new `salt` draws other customers.
    """

    share: Annotated[float, Meta(gt=0, le=0.5)]
    salt: Annotated[str, Meta(max_length=64)] = ""


class Placement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named place where the engine chooses."""

    key: Id
    name: Label
    shape: Shape = msgspec.field(default_factory=Ranking)
    policy: Policy = msgspec.field(default_factory=Thompson)
    reward: Reward = "converted"
    goal: Goal = "maximise"
    credit: CreditModel = "choice"
    buckets: Annotated[tuple[FieldName, ...], Meta(max_length=3)] = ()
    half_life_days: Annotated[float, Meta(ge=1, le=10_000, description="Evidence this old counts half.")] = 90.0
    examination: Annotated[
        tuple[Annotated[float, Meta(gt=0, le=1)], ...],
        Meta(max_length=100, description="How likely each slot is looked at, for credit `position`; empty: estimated."),
    ] = ()
    window_minutes: Annotated[int, Meta(ge=1, le=60 * 24 * 30)] = 60
    margin_percent: Percent = 30.0
    typical_amount: Amount = 5000
    holdback: Holdback | None = None
    order_limits: OrderLimits = OrderLimits()

    @property
    def learns_choices(self) -> bool:
        """Return whether merits are learned from choices; policies that cannot use `cascade` instead."""
        return self.credit == "choice" and isinstance(self.policy, Thompson)


class Candidate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that may be chosen. An empty list of countries, currencies or devices means all.

    `min_amount` and `max_amount` limit the cart's total: an integer for carts in the merchant's own currency, or an
    object of amounts by currency, such as {"EUR": 1000, "GBP": 900}. Carts in other currencies are not limited.

    `attributes` say what it is like, in words and numbers: what a policy that learns from facts finds of one candidate,
    it expects of others that are alike in type and attributes.

    With an `offer` it is an offer: a discount that budgets pay for.
    """

    id: Id
    label: Label
    type: Annotated[str, Meta(max_length=64)] = ""
    countries: Annotated[tuple[Country, ...], Meta(max_length=250)] = ()
    currencies: Annotated[tuple[Currency, ...], Meta(max_length=200)] = ()
    devices: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=32)], ...], Meta(max_length=20)] = ()
    min_amount: Limit | None = None
    max_amount: Limit | None = None
    fee_percent: Percent = 0.0
    fee_fixed: Amount = 0
    attributes: Annotated[dict[AttributeName, Attribute], Meta(max_length=10)] = {}
    position: Annotated[int, Meta(ge=0, le=100_000)] = 0
    enabled: bool = True
    offer: Offer | None = None


class RuleDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON-logic condition over facts, and effects; checked by `rules.parse_rules`.

    It is in force from `active_from` on and before `active_to`; null leaves that end open.
    """

    id: Id
    name: Label
    priority: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 0
    enabled: bool = True
    when: Any
    effects: Annotated[tuple[dict[str, Any], ...], Meta(min_length=1, max_length=50)]
    notes: Annotated[str, Meta(max_length=2000)] = ""
    active_from: Moment | None = None
    active_to: Moment | None = None
    tags: Annotated[tuple[Tag, ...], Meta(max_length=20)] = ()


FieldType = Literal[
    "boolean", "integer", "number", "money", "string", "country", "currency", "date", "datetime",
    "list", "location", "version",
]  # fmt: skip


class FieldDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A declared fact."""

    name: FieldName
    type: FieldType
    label: Annotated[str, Meta(max_length=120)] = ""
    unit: Annotated[str, Meta(max_length=32)] = ""
    allowed: Annotated[tuple[Value, ...], Meta(max_length=500)] = ()
    purpose: Annotated[str, Meta(min_length=1, max_length=64)] = "checkout"
    examples: Annotated[tuple[Any, ...], Meta(max_length=10)] = ()


class ListDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named list of a merchant, for `in_list`."""

    name: Id
    values: Annotated[tuple[Annotated[str, Meta(max_length=200)], ...], Meta(max_length=100_000)] = ()


class Pinned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A candidate in a slot, counted from 1."""

    candidate: Id
    slot: Annotated[int, Meta(ge=1, le=1_000)]


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an answer must be, as far as it is not left to chance.

    `shown` may be in the answer, `hidden` may not, `pinned` certainly stand in their slots, `values` are set.
    """

    shown: Annotated[tuple[Id, ...], Meta(max_length=500)] = ()
    hidden: Annotated[tuple[Id, ...], Meta(max_length=500)] = ()
    pinned: Annotated[tuple[Pinned, ...], Meta(max_length=100)] = ()
    values: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=200)], bool | int | float | Value], Meta(max_length=50)
    ] = {}


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Facts of a checkout, by group as in a request for a decision, and the answer that must come of them."""

    id: Id
    name: Label
    context: dict[str, Any]
    expect: Expectation
    notes: Annotated[str, Meta(max_length=2000)] = ""
