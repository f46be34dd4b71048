"""Consent of customers: purposes, what was said of them and how, and what a merchant assumes before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from engine.model.documents.field_types import Moment

PERSONALIZATION = "personalization"
STANDARD_PURPOSES = (PERSONALIZATION, "analytics", "cross_merchant")
NECESSARY_PURPOSES = frozenset({"checkout", "engine"})
"""Facts for these purposes are needed for the checkout itself, so that nobody can refuse them."""

Language = Annotated[str, Meta(pattern=r"\A[a-z]{2,3}(-[A-Za-z0-9]{2,8})?\Z")]
PurposeText = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f]+\Z", max_length=500)]
Purpose = Annotated[str, Meta(min_length=1, max_length=64)]
ConsentMethod = Literal["accept", "reject", "save", "dismiss", "gpc", "dnt", "api"]
SIGNALS: tuple[ConsentMethod, ...] = ("gpc", "dnt")
MOST_PURPOSES = 50


class ConsentNotice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The notice that the customer saw."""

    version: Annotated[str, Meta(min_length=1, max_length=64)]
    text: Annotated[str, Meta(max_length=10_000, pattern=r"\A[^\x00]*\Z")] = ""


class ConsentRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A customer's word on some purposes at once: true accepts, false refuses.

    `method` is how: a button of the prompt (`accept`, `reject`, `save`), closing it (`dismiss`, which says nothing), a
    signal of the browser, or another system. `served_at` is where the prompt stood.
    """

    purposes: Annotated[dict[Purpose, bool], Meta(max_length=MOST_PURPOSES)] = {}
    method: ConsentMethod
    notice: ConsentNotice | None = None
    served_at: Annotated[str, Meta(max_length=500, pattern=r"\A[^\x00-\x1f]*\Z")] = ""
    occurred_at: Moment | None = None


class AssumedPurpose(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A purpose before the customer said anything: whether it is allowed; `texts` say what it means, by language."""

    allowed: bool = True
    texts: Annotated[dict[Language, PurposeText], Meta(max_length=20)] = {}


class ConsentPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The assumptions of a merchant about customers who said nothing.

    `prompt`: answers to customers who were not asked yet contain `prompt_consent`. `ignores_signals`: Global Privacy
    Control and Do Not Track do not count as a refusal.
    """

    purposes: Annotated[dict[Purpose, AssumedPurpose], Meta(max_length=MOST_PURPOSES)] = {}
    prompt: bool = False
    ignores_signals: bool = False


NO_POLICY = ConsentPolicy()


def purposes_of(declared_purposes: Iterable[str]) -> list[str]:
    """Return the purposes that a customer can accept or refuse: the standard ones, and those of declared facts."""
    declared = set(declared_purposes) - NECESSARY_PURPOSES
    return [*STANDARD_PURPOSES, *sorted(declared - set(STANDARD_PURPOSES))]


def refused_purposes(consents: Mapping[str, bool], policy: ConsentPolicy) -> frozenset[str]:
    """Return the purposes that are refused: by the customer, or assumed so while the customer said nothing."""
    refused = {purpose for purpose, accepts in consents.items() if not accepts}
    if policy.purposes:
        refused |= {name for name, assumed in policy.purposes.items() if not assumed.allowed and name not in consents}
    return frozenset(refused)
