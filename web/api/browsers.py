"""What browsers get and may say. Their keys stand in the source of pages, so anybody can use them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.response import Response
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.decisions.requests.answers import DecisionAnswer, window_end
from engine.decisions.tokens import LONGEST_CUSTOMER_TOKEN_MINUTES
from engine.model.timestamps import MINUTE, rfc3339
from engine.service import Engine
from web.api.common_types import CustomerId, Moment, Personalized, PromptConsent, Warnings
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation

HINTS = frozenset({"shown", "selected", "abandoned"})

DecisionToken = Annotated[
    str, Meta(description="With a publishable key: the `token` of the decision, which proves that this key got it.")
]
CustomerToken = Annotated[
    str,
    Meta(description="With a publishable key: proves `customer_id`, see `/v1/personalize/customer-tokens`."),
]
TheToken = Annotated[str, Meta(description="Send it with each outcome of this decision. It ends with the window.")]


class BrowserCandidate(msgspec.Struct, frozen=True):
    """A candidate in its slot, as a browser gets it: without reasons."""

    id: str
    rank: int
    label: str
    score: float
    confidence: float
    chance: float


class ExcludedCandidate(msgspec.Struct, frozen=True):
    id: str


class BrowserDecision(msgspec.Struct, frozen=True):
    """A decision as a publishable key gets it: nothing of the customer's past or of rules is in it."""

    decision_id: str
    placement: str
    plan_version: int
    ranking: list[BrowserCandidate]
    excluded: list[ExcludedCandidate]
    values: dict[str, bool | int | float | str]
    fallback: bool
    expires_at: str
    token: TheToken
    personalized: Personalized = msgspec.UNSET
    prompt_consent: PromptConsent = msgspec.UNSET
    warnings: Warnings = msgspec.UNSET


class BrowserMethods(msgspec.Struct, frozen=True):
    """Payment methods in the order to show them in, as a publishable key gets them."""

    decision_id: str
    methods: list[BrowserCandidate]
    fallback: bool
    token: TheToken
    personalized: Personalized = msgspec.UNSET
    prompt_consent: PromptConsent = msgspec.UNSET
    warnings: Warnings = msgspec.UNSET


class CustomerTokenRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    customer_id: CustomerId
    minutes: Annotated[
        int, Meta(ge=1, le=LONGEST_CUSTOMER_TOKEN_MINUTES, description="How long the token is valid.")
    ] = 30


class CustomerTokenAnswer(msgspec.Struct, frozen=True):
    """Hand it to the customer's browser, which sends it with `customer_id`."""

    customer_token: str
    expires_at: Moment


@post(
    "/v1/personalize/customer-tokens",
    **Operation(
        "Decide",
        "Create a customer token",
        {201: Answer("The token", CustomerTokenAnswer)},
        "With a publishable key, decisions use a customer's history only with such a token. Without it, the customer "
        "is a guest.",
        body=CustomerTokenRequest,
        example={"customer_id": "c_123", "minutes": 30},
    ).route(),
)
async def create_customer_token(
    access: NamedDependency[Access], engine: NamedDependency[Engine], document: NamedDependency[CustomerTokenRequest]
) -> Response[bytes]:
    expires = now_ms() + document.minutes * MINUTE
    token = engine.tokens.for_customer(access.merchant.id, document.customer_id, expires=expires)
    return json_response(CustomerTokenAnswer(token, rfc3339(expires)), status=201, headers=NO_STORE)


def customer_of(engine: Engine, access: Access, customer_id: str | None, token: str | None) -> str | None:
    """Return the customer to decide for: a browser's is a guest unless a customer token proves otherwise."""
    if access.key.kind == "secret" or not customer_id:
        return customer_id
    proven = token is not None and engine.tokens.proves_customer(token, access.merchant.id, customer_id, now=now_ms())
    return customer_id if proven else None


def decision_for(engine: Engine, access: Access, answer: DecisionAnswer) -> BrowserDecision:
    """Return what a browser gets of an answer."""
    decision = answer.decision
    return BrowserDecision(
        decision.decision_id,
        decision.placement,
        decision.plan_version,
        _candidates(answer),
        [ExcludedCandidate(candidate.id) for candidate in decision.excluded],
        decision.values,
        decision.fallback,
        decision.expires_at,
        _token(engine, access, answer),
    )


def methods_for(engine: Engine, access: Access, answer: DecisionAnswer) -> BrowserMethods:
    """Return what a browser gets of an answer about payment methods."""
    decision = answer.decision
    return BrowserMethods(decision.decision_id, _candidates(answer), decision.fallback, _token(engine, access, answer))


def problem_of_report(
    engine: Engine, access: Access, decision_id: str | None, type: str | None, amount: int | None, token: str | None
) -> str:
    """Return why a browser may not report an outcome, or nothing."""
    if decision_id is None:
        return (
            "decision_id: a publishable key reports outcomes of its own decisions only; use a secret key on your server"
        )
    if type == "converted":
        limit = access.merchant.browser_purchase_limit
        if not limit:
            return "type: report purchases with a secret key, from your server"
        if amount is not None and amount > limit:
            return f"amount: a publishable key reports at most {limit} minor units"
    elif type not in HINTS:
        return f"type: a publishable key reports {', '.join(sorted(HINTS))}; use a secret key on your server"
    if token is None:
        return "token: is required with a publishable key; it is in the decision"
    if not engine.tokens.proves_decision(token, access.merchant.id, access.key.id, decision_id, now=now_ms()):
        return "token: belongs to another decision or has expired"
    return ""


def _candidates(answer: DecisionAnswer) -> list[BrowserCandidate]:
    return [
        BrowserCandidate(ranked.id, ranked.rank, ranked.label, ranked.score, ranked.confidence, ranked.chance)
        for ranked in answer.decision.ranking
    ]


def _token(engine: Engine, access: Access, answer: DecisionAnswer) -> str:
    now = now_ms()
    return engine.tokens.for_decision(
        access.merchant.id,
        access.key.id,
        answer.decision.decision_id,
        now=now,
        closes_at=window_end(answer.plan, now),
    )


handlers = [create_customer_token]
