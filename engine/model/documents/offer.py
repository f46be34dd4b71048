"""Offers and the budgets that they spend, as documents."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from engine.model.documents.field_types import Amount, Currency, Id, Label, Moment

MostOff = Annotated[int, Meta(ge=1, le=10**9, description="Integer minor units, at least 1 and at most 10^9.")]
Locale = Annotated[str, Meta(pattern=r"\A[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}\Z", description="As in `de` or `de-AT`.")]


class Percentage(msgspec.Struct, frozen=True, tag_field="type", tag="percentage", forbid_unknown_fields=True):
    """Takes a share of the cart's total off, at most `maximum`."""

    percent: Annotated[float, Meta(gt=0, le=100, description="With at most two decimals.")]
    maximum: MostOff


class FixedAmount(msgspec.Struct, frozen=True, tag_field="type", tag="fixed_amount", forbid_unknown_fields=True):
    """Takes an amount off, at most the cart's total."""

    amount: MostOff


class FreeShipping(msgspec.Struct, frozen=True, tag_field="type", tag="free_shipping", forbid_unknown_fields=True):
    """Takes the shipping costs off, at most `maximum`."""

    maximum: MostOff


Benefit = Percentage | FixedAmount | FreeShipping


class OfferText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the customer reads in one language."""

    title: Label
    terms: Annotated[str, Meta(max_length=2000)] = ""


class Offer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes a candidate an offer: what it takes off, in which currency, and the budgets that pay for it.

    It may be shown from `starts_at` on and before `ends_at`; null leaves that end open. What is shown is held for
    `hold_minutes` in all `budgets`. `texts` are by locale, the first for customers whose language is not among them.
    `codes` says which code a customer gets: the `code` of the offer, one of a `pool`, or one made for the `customer`.
    An offer that is not `stackable` is redeemed alone on its order. After redeeming it, a customer is not shown it for
    `cooldown_hours`.
    """

    currency: Currency
    benefit: Benefit
    budgets: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=8)]
    texts: Annotated[dict[Locale, OfferText], Meta(min_length=1, max_length=50)]
    code: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{0,64}\Z", description="Letters, digits, `_-`.")] = ""
    codes: Literal["fixed", "pool", "customer"] = "fixed"
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    hold_minutes: Annotated[int, Meta(ge=1, le=24 * 60)] = 15
    stackable: bool = True
    cooldown_hours: Annotated[int, Meta(ge=0, le=24 * 366)] = 0


class OrderLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for all offers of a placement.

    `most_off` is the most that all of them take off one order, in minor units of the merchant's currency; null is no
    limit but the cart's total. The same customer and cart get the same offers for `same_answer_minutes`.
    """

    most_off: MostOff | None = None
    same_answer_minutes: Annotated[int, Meta(ge=0, le=60)] = 5


class Pacing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spreads what a budget spends from `starts_at` until `ends_at`, in proportion to the shop's traffic.

    A budget of the period `day` is spread over each day (UTC) of that time.
    """

    starts_at: Moment
    ends_at: Moment


class OfferBudget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cap on what offers may spend: an `amount`, a number of `uses`, or both.

    A budget of the period `day` begins anew each day (UTC). One of the scope `customer` counts for each customer by
    themselves, so that offers that name it are not shown to guests. With `pacing` an amount that everybody shares lasts
    for its time, or for each day of it: offers that bring in little for what they cost make room for others.
    """

    id: Id
    name: Label
    currency: Currency
    amount: Amount | None = None
    uses: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    period: Literal["total", "day"] = "total"
    scope: Literal["everybody", "customer"] = "everybody"
    pacing: Pacing | None = None
