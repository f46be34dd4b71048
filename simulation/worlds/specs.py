"""The fields of each world in a scenario file."""

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1)]
Rate = Annotated[float, Meta(ge=0, le=1)]
Inside = Annotated[float, Meta(gt=0, lt=1)]
Positive = Annotated[float, Meta(gt=0)]
Rates = Annotated[tuple[Rate, ...], Meta(min_length=1)]


class Strict(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Kind(Strict, frozen=True, tag_field="kind"):
    pass


class BernoulliSpec(Kind, frozen=True, tag="bernoulli"):
    """One slot, fixed rates."""

    rates: Rates


class JumpingSpec(Kind, frozen=True, tag="jumping"):
    """One slot; the rates of each phase apply for an equal part of the horizon."""

    phases: Annotated[tuple[Rates, ...], Meta(min_length=2)]


class ChurningSpec(Kind, frozen=True, tag="churning"):
    """One slot; candidates leave and are replaced by new ones, with rates from Beta(alpha, beta)."""

    arms: Annotated[int, Meta(ge=2)]
    churn: Rate
    alpha: Positive
    beta: Positive


class PositionBasedSpec(Kind, frozen=True, tag="position_based"):
    """A candidate is chosen with its attraction times the examination of its slot."""

    attraction: Rates
    examination: Rates


class CascadeSpec(Kind, frozen=True, tag="cascade"):
    """The customer takes the first attractive candidate."""

    attraction: Rates
    slots: Count


class LogisticSpec(Kind, frozen=True, tag="contextual"):
    """One slot; rates are logistic in the features of the visit. Each seed has its own world."""

    arms: Annotated[int, Meta(ge=2)]
    features: Count
    bias: float = 0.0
    spread: Positive = 1.0


class KindredSpec(Kind, frozen=True, tag="kindred"):
    """As contextual, but candidates come and go and belong to kinds, around whose weights their own lie."""

    arms: Annotated[int, Meta(ge=2)]
    features: Count
    kinds: Count
    bias: float = 0.0
    spread: Positive = 1.0
    own: Positive = 0.5
    churn: Rate = 0.0


class NewMerchantSpec(Kind, frozen=True, tag="new_merchant"):
    """One slot; other merchants' counts are known. The new merchant's rates are like theirs, or in reverse."""

    rates: Annotated[tuple[Inside, ...], Meta(min_length=2)]
    strength: Positive
    others: Count = 20
    trials: Count = 2_000
    unlike: bool = False


class CheckoutSpec(Kind, frozen=True, tag="shoppers"):
    """The demo's shoppers, who look down a list of payment methods. Cells are countries."""

    seconds: Positive = 1.0


WorldSpec = (
    BernoulliSpec
    | JumpingSpec
    | ChurningSpec
    | PositionBasedSpec
    | CascadeSpec
    | LogisticSpec
    | KindredSpec
    | NewMerchantSpec
    | CheckoutSpec
)
