"""Every call of the API as steps, with the fallback where the server does not answer."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union, cast
from urllib.parse import quote

from ._offline import OfflineDecider
from ._steps import Steps, exchange_again, exchange_in_time, log, request
from .errors import Forbidden, Tap2Error, problem_error
from .types import (
    AnyDecision,
    AnyMethods,
    Batch,
    BatchRequest,
    CustomerTokenAnswer,
    DecisionRequest,
    FallbackCandidate,
    FallbackDecision,
    FallbackOffers,
    FeedbackEvent,
    GivenVariants,
    OfferAsked,
    Offers,
    OffersRequest,
    OfflineDecision,
    Order,
    Receipt,
    Redemption,
    RedemptionRequest,
    Validation,
    VariantsRequest,
)

DECISIONS = "/v1/personalize/decisions"
METHODS = "payment_methods"
REDEMPTIONS = "/v1/redemptions"
OnError = Callable[[Tap2Error, Optional[FeedbackEvent]], None]


class Options(NamedTuple):
    """See `Client`."""

    url: str
    key: str
    timeout: float
    request_timeout: float
    retries: int
    fallback: Mapping[str, Order]
    on_error: OnError
    offline: Sequence[str]


def log_error(error: Tap2Error, event: Optional[FeedbackEvent] = None) -> None:
    """Log an error that a fallback hides, or that refuses an outcome; never a customer's id."""
    log.warning("%s (%s) %s", error, error.code, event.get("event_id", "") if event else "")


class Calls:
    """The steps of each call."""

    def __init__(self, options: Options) -> None:
        if options.offline and options.key.startswith("pk_"):
            raise ValueError("offline needs a secret key")
        self._options = options
        self.offline: Optional[OfflineDecider] = None

    def decide(
        self, asked: DecisionRequest, timeout: Optional[float], fallback: Optional[Order], explain: bool
    ) -> Steps[AnyDecision]:
        path = f"{DECISIONS}?explain=true" if explain else DECISIONS
        try:
            answer = yield from self._in_time(path, asked, timeout)
        except Tap2Error as error:
            return self._without_server(asked, asked["placement"], error, fallback)
        if self.offline is not None:
            self.offline.note(asked.get("customer_id"), answer)
        return cast(AnyDecision, answer)

    def decide_all(
        self, asked: BatchRequest, timeout: Optional[float], fallback: Optional[Mapping[str, Order]]
    ) -> Steps[Batch]:
        orders = {**self._options.fallback, **(fallback or {})}
        try:
            answer = yield from self._in_time(f"{DECISIONS}/batch", asked, timeout)
        except Tap2Error as error:
            names = asked["placements"]
            return {"decisions": [self._without_server(asked, name, error, orders.get(name)) for name in names]}
        items: List[Any] = answer["decisions"]
        return {
            "decisions": [
                self._fallback(item["placement"], problem_error(item), orders[item["placement"]])
                if "status" in item and item["placement"] in orders
                else item
                for item in items
            ]
        }

    def methods(self, asked: DecisionRequest, timeout: Optional[float], fallback: Optional[Order]) -> Steps[AnyMethods]:
        decision: Any = yield from self.decide(asked, timeout, fallback, explain=False)
        extras = {name: decision[name] for name in ("source", "token", "warnings", "error") if name in decision}
        methods: Any = {
            "decision_id": decision["decision_id"],
            "methods": decision["ranking"],
            "fallback": decision["fallback"],
            **extras,
        }
        return cast(AnyMethods, methods)

    def offers(self, asked: OffersRequest, timeout: Optional[float]) -> Steps[Any]:
        self._check_secret()
        try:
            return cast(Offers, (yield from self._in_time("/v1/personalize/offers", asked, timeout)))
        except Tap2Error as error:
            self.report(error)
            nothing: FallbackOffers = {
                "decision_id": None,
                "offers": [],
                "excluded": [],
                "fallback": True,
                "disclosure": None,
                "error": error,
            }
            return nothing

    def variants(self, asked: VariantsRequest) -> Steps[GivenVariants]:
        return cast(GivenVariants, (yield from self._again("POST", "/v1/personalize/variants", asked)))

    def customer_token(self, customer_id: str, minutes: int) -> Steps[CustomerTokenAnswer]:
        body = {"customer_id": customer_id, "minutes": minutes}
        answer = yield from self._again("POST", "/v1/personalize/customer-tokens", body)
        return cast(CustomerTokenAnswer, answer)

    def validate_offer(self, asked: OfferAsked) -> Steps[Validation]:
        return cast(Validation, (yield from self._again("POST", f"{REDEMPTIONS}/validate", asked)))

    def hold_offer(self, asked: OfferAsked, key: Optional[str]) -> Steps[Redemption]:
        return (yield from self._once(f"{REDEMPTIONS}/hold", asked, key))

    def redeem(self, asked: RedemptionRequest, key: Optional[str]) -> Steps[Redemption]:
        return (yield from self._once(f"{REDEMPTIONS}/redeem", asked, key))

    def release(self, hold_id: str, key: Optional[str]) -> Steps[Redemption]:
        return (yield from self._once(f"{_path_of(hold_id)}/release", None, key))

    def refund(self, hold_id: str, amount: int, key: Optional[str]) -> Steps[Redemption]:
        return (yield from self._once(f"{_path_of(hold_id)}/refund", {"amount": amount}, key))

    def redemption(self, hold_id: str) -> Steps[Redemption]:
        return cast(Redemption, (yield from self._again("GET", _path_of(hold_id), None)))

    def report(self, error: Tap2Error, event: Optional[FeedbackEvent] = None) -> None:
        """Call `on_error`; the checkout goes on, whatever its own reporting does."""
        try:
            self._options.on_error(error, event)
        except Exception:
            log.exception("on_error failed")

    def _in_time(self, path: str, body: Any, timeout: Optional[float]) -> Steps[Any]:
        seconds = self._options.timeout if timeout is None else timeout
        return (yield from exchange_in_time(request("POST", path, body, timeout=seconds)))

    def _again(self, method: str, path: str, body: Any, headers: Optional[Mapping[str, str]] = None) -> Steps[Any]:
        self._check_secret()
        sent = request(method, path, body, timeout=self._options.request_timeout, headers=headers)
        return (yield from exchange_again(sent, self._options.retries))

    def _once(self, path: str, body: Any, key: Optional[str]) -> Steps[Redemption]:
        headers = {"idempotency-key": key or uuid.uuid4().hex}
        return cast(Redemption, (yield from self._again("POST", path, body, headers)))

    def _check_secret(self) -> None:
        if self._options.key.startswith("pk_"):
            raise Forbidden("this needs a secret key", code="forbidden", status=403)

    def _without_server(
        self, asked: Mapping[str, Any], placement: str, error: Tap2Error, order: Optional[Order]
    ) -> Union[OfflineDecision, FallbackDecision]:
        """Decide by a snapshot, or return the merchant's own order."""
        decision = self.offline.decide(asked, placement, error) if self.offline is not None else None
        if decision is None:
            return self._fallback(placement, error, order)
        self.report(error)
        return decision

    def _fallback(self, placement: str, error: Tap2Error, order: Optional[Order]) -> FallbackDecision:
        """Return the merchant's own order, marked; raise the error where there is none."""
        chosen = self._options.fallback.get(placement) if order is None else order
        if chosen is None:
            raise error
        self.report(error)
        return {
            "decision_id": None,
            "placement": placement,
            "ranking": _ranking(chosen),
            "excluded": [],
            "values": {},
            "fallback": True,
            "error": error,
        }


def _ranking(order: Order) -> List[FallbackCandidate]:
    items: List[Mapping[str, str]] = [{"id": item} if isinstance(item, str) else item for item in order]
    return [
        {"id": item["id"], "rank": rank, "label": item.get("label", item["id"])} for rank, item in enumerate(items, 1)
    ]


def _path_of(hold_id: str) -> str:
    return f"{REDEMPTIONS}/{quote(hold_id, safe='')}"


def complete(event: FeedbackEvent) -> FeedbackEvent:
    """Return an outcome with what makes sending it again harmless: its id, and when it happened.

    Raise TypeError or ValueError for what JSON cannot hold.
    """
    sent: Dict[str, Any] = {**event}
    sent.setdefault("event_id", uuid.uuid4().hex)
    if not sent.get("occurred_at") and not sent.get("timestamp"):
        sent["occurred_at"] = datetime.now(timezone.utc).isoformat()
    json.dumps(sent, allow_nan=False)
    return cast(FeedbackEvent, sent)


def receipt_of_fallback(event: FeedbackEvent) -> Optional[Receipt]:
    """Return the receipt of an outcome of the client's own fallback order, which the server does not know."""
    if "decision_id" not in event or event["decision_id"] is not None:
        return None
    return {
        "event_id": event.get("event_id", ""),
        "status": "unknown_decision",
        "message": "the answer was the client's fallback order, which the server does not know",
    }
