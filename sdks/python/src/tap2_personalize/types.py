"""What is sent and what comes back, as the server's OpenAPI document describes it. Amounts are in minor units."""

from __future__ import annotations

from typing import Any, Dict, List, Literal, Mapping, Optional, Sequence, TypedDict, Union

from .errors import Tap2Error

Context = Mapping[str, Any]
"""Facts by group, such as `{"cart": {"total": 12900, "currency": "EUR"}}`."""
Values = Dict[str, Union[bool, int, float, str]]
Order = Sequence[Union[str, Mapping[str, str]]]
"""Candidates in the order to show them in when the server does not answer: ids, or dicts with `id` and `label`."""
OutcomeType = Literal["shown", "selected", "converted", "declined", "abandoned", "redeemed", "refunded"]
Status = Literal["recorded", "duplicate", "conflict", "unknown_decision", "invalid"]


class FieldProblem(TypedDict):
    field: str
    message: str


class _Customer(TypedDict, total=False):
    customer_id: Optional[Union[str, int]]
    context: Optional[Context]
    merchant_id: Optional[str]


class _CustomerWithToken(_Customer, total=False):
    customer_token: Optional[str]


class _Personal(_CustomerWithToken, total=False):
    personalization: bool


class DecisionRequest(_Personal):
    placement: str


class BatchRequest(_Personal):
    placements: List[str]


class OffersRequest(_Customer, total=False):
    hold: bool
    personalization: bool


class VariantsRequest(_Customer):
    pass


class BrowserCandidate(TypedDict):
    """A candidate in its slot. `chance` is the exact probability that it got this slot."""

    id: str
    rank: int
    label: str
    score: float
    confidence: float
    chance: float


class Ranked(BrowserCandidate):
    reasons: List[str]


class ExcludedCandidate(TypedDict):
    id: str


class Excluded(ExcludedCandidate):
    reason: str


class Skipped(TypedDict):
    rule: str
    field: str


class RuleTrace(TypedDict):
    id: str
    name: str
    sentence: str
    verdict: str
    missing: Optional[str]
    clauses: Any
    effects: List[Any]


class Trace(TypedDict):
    """What each rule did with which facts."""

    facts: Dict[str, Any]
    history: Dict[str, List[float]]
    bucket: str
    rules: List[RuleTrace]


class _Warned(TypedDict, total=False):
    warnings: List[FieldProblem]


class _Answered(_Warned, total=False):
    personalized: bool
    prompt_consent: bool


class _Traced(_Answered, total=False):
    trace: Trace


class Decision(_Traced):
    """A decision as a secret key gets it. `propensity` is the exact probability of the whole answer."""

    decision_id: str
    placement: str
    plan_version: int
    beliefs_version: int
    ranking: List[Ranked]
    excluded: List[Excluded]
    values: Values
    rules: List[str]
    skipped: List[Skipped]
    experiments: List[Dict[str, str]]
    propensity: float
    fallback: bool
    expires_at: str


class BrowserDecision(_Answered):
    """A decision as a publishable key gets it. Send `token` with each outcome."""

    decision_id: str
    placement: str
    plan_version: int
    ranking: List[BrowserCandidate]
    excluded: List[ExcludedCandidate]
    values: Values
    fallback: bool
    expires_at: str
    token: str


class FallbackCandidate(TypedDict):
    id: str
    rank: int
    label: str


class FallbackDecision(TypedDict):
    """Your own order, because the server did not answer; `error` says why. The server does not know of it."""

    decision_id: None
    placement: str
    ranking: List[FallbackCandidate]
    excluded: List[ExcludedCandidate]
    values: Values
    fallback: bool
    error: Tap2Error


class OfflineDecision(TypedDict):
    """Decided by the client, as the server would for a guest; `error` says why. The server hears of it later."""

    decision_id: str
    placement: str
    plan_version: int
    ranking: List[BrowserCandidate]
    excluded: List[ExcludedCandidate]
    values: Values
    propensity: float
    fallback: bool
    source: Literal["offline"]
    expires_at: str
    error: Tap2Error


AnyDecision = Union[Decision, BrowserDecision, OfflineDecision, FallbackDecision]


class _ProblemDetails(TypedDict, total=False):
    detail: str
    field: str
    errors: List[FieldProblem]


class PlacementProblem(_ProblemDetails):
    """Stands in the place of a decision for a placement that does not exist and has no fallback order."""

    type: str
    title: str
    status: int
    placement: str


class Batch(TypedDict):
    decisions: List[Union[Decision, BrowserDecision, OfflineDecision, FallbackDecision, PlacementProblem]]


class Methods(_Answered):
    decision_id: str
    methods: List[Ranked]
    fallback: bool


class BrowserMethods(_Answered):
    decision_id: str
    methods: List[BrowserCandidate]
    fallback: bool
    token: str


class FallbackMethods(TypedDict):
    decision_id: None
    methods: List[FallbackCandidate]
    fallback: bool
    error: Tap2Error


class OfflineMethods(TypedDict):
    """As `OfflineDecision`, of payment methods."""

    decision_id: str
    methods: List[BrowserCandidate]
    fallback: bool
    source: Literal["offline"]
    error: Tap2Error


AnyMethods = Union[Methods, BrowserMethods, OfflineMethods, FallbackMethods]


class FeedbackEvent(TypedDict, total=False):
    """What happened after a decision or, without `decision_id`, a purchase that counts in the customer's history.

    `event_id` makes it count once, however often it is sent: give the order's id for purchases. It is random if left
    out. `decision_id` is None where the answer was the client's fallback order; such an event is not sent.
    """

    event_id: str
    decision_id: Optional[str]
    type: Optional[OutcomeType]
    candidate_id: Optional[str]
    amount: Optional[int]
    currency: Optional[str]
    occurred_at: Optional[str]
    customer_id: Optional[str]
    method_id: Optional[str]
    token: Optional[str]
    merchant_id: Optional[str]
    timestamp: Optional[str]


class StoredOutcome(TypedDict):
    decision_id: Optional[str]
    type: str
    candidate_id: Optional[str]
    amount: Optional[int]
    currency: Optional[str]


class _ReceiptDetails(TypedDict, total=False):
    message: str
    stored: StoredOutcome


class Receipt(_ReceiptDetails):
    """The status of one outcome; `stored` is the outcome that a `conflict` is with."""

    event_id: str
    status: Status


class Discount(TypedDict):
    amount: int
    currency: str


class ShownOffer(TypedDict):
    id: str
    title: str
    terms: str
    discount: Discount
    discount_code: str
    hold_id: Optional[str]
    expires_at: Optional[str]
    stackable: bool
    reasons: List[str]


class Offers(_Warned):
    decision_id: str
    offers: List[ShownOffer]
    excluded: List[Excluded]
    fallback: bool
    disclosure: Optional[str]


class FallbackOffers(TypedDict):
    """No offer, because the server did not answer; `error` says why."""

    decision_id: None
    offers: List[ShownOffer]
    excluded: List[Excluded]
    fallback: bool
    disclosure: None
    error: Tap2Error


class OfferAsked(TypedDict, total=False):
    offer_id: Optional[str]
    code: Optional[str]
    placement: str
    customer_id: Optional[str]
    context: Optional[Context]


class Validation(TypedDict):
    offer_id: str
    valid: bool
    reason: str
    discount: Discount


class CartNow(TypedDict, total=False):
    total: Optional[int]
    currency: Optional[str]
    shipping: Optional[int]


class _RedemptionDetails(TypedDict, total=False):
    cart: CartNow
    order_id: str


class RedemptionRequest(_RedemptionDetails):
    hold_id: str


class Redemption(TypedDict):
    hold_id: str
    offer_id: str
    decision_id: Optional[str]
    state: Literal["live", "redeemed", "released", "expired"]
    currency: str
    held: int
    discount: int
    returned: int
    order_id: str
    code: str
    expires_at: str


class GivenVariant(TypedDict):
    placement: str
    experiment: str
    phase: int
    variant: str
    counted: bool


class GivenVariants(_Warned):
    experiments: List[GivenVariant]


class CustomerTokenAnswer(TypedDict):
    customer_token: str
    expires_at: str
