"""The client for threads."""

from __future__ import annotations

import os
import threading
import time
import weakref
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Mapping, Optional, Sequence, Type, TypeVar

from ._calls import METHODS, Calls, OnError, Options, complete, log_error, receipt_of_fallback
from ._offline import OfflineDecider
from ._outbox import Entry, Outbox
from ._steps import Steps, drive
from ._transport import Transport, blocking_transport
from .errors import Tap2Error
from .types import (
    AnyDecision,
    AnyMethods,
    Batch,
    BatchRequest,
    Context,
    CustomerTokenAnswer,
    DecisionRequest,
    FeedbackEvent,
    GivenVariants,
    OfferAsked,
    OffersRequest,
    Order,
    Receipt,
    Redemption,
    RedemptionRequest,
    Validation,
    VariantsRequest,
)

T = TypeVar("T")


class Client:
    """Ask for decisions and report outcomes. May be shared by threads; `close` it, or use it in a `with`.

    `timeout` is the longest time in seconds of `decide`, `decide_all`, `get_methods` and `offers`; `request_timeout`
    that of one attempt of everything else, which is repeated up to `retries` times. `fallback` has your own order of
    each placement. `on_error` is called with each error that a fallback order hides, and with each refused outcome;
    by default they are logged as warnings of `tap2_personalize`. The placements in `offline` are decided by a snapshot
    where the server does not answer, instead of your own order (secret keys only).
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 0.8,
        request_timeout: float = 3.0,
        retries: int = 3,
        fallback: Optional[Mapping[str, Order]] = None,
        on_error: OnError = log_error,
        offline: Sequence[str] = (),
    ) -> None:
        orders = fallback or {}
        self._options = Options(url.rstrip("/"), key, timeout, request_timeout, retries, orders, on_error, offline)
        self._calls = Calls(self._options)
        self._wake = threading.Event()
        self._open()

    def _open(self) -> None:
        """Begin anew in this process: connections and threads do not survive a fork, and the parent sends its own."""
        self._process = os.getpid()
        self._transport = blocking_transport(self._options.url, self._options.key)
        self._outbox = Outbox(self._options.request_timeout, self._calls.report)
        self._post = _Poster(self._outbox, self._transport, self._wake)
        ended = threading.Event()
        self._end = weakref.finalize(self, _finish, self._process, self._transport, self._outbox, self._wake, ended)
        if self._options.offline:
            # The thread must not keep this client alive, or it would never end.
            post = _Poster(self._outbox, self._transport, self._wake)
            offline = OfflineDecider(self._options.offline, self._options.request_timeout, self._calls.report, post)
            self._calls.offline = offline
            threading.Thread(
                target=_refresh, args=(offline, self._transport, ended), name="tap2-snapshots", daemon=True
            ).start()

    def decide(
        self,
        request: DecisionRequest,
        *,
        timeout: Optional[float] = None,
        fallback: Optional[Order] = None,
        explain: bool = False,
    ) -> AnyDecision:
        """Decide one placement. Raise `Tap2Error` only if the placement has no fallback order."""
        return self._run(self._calls.decide(request, timeout, fallback, explain))

    def decide_all(
        self,
        request: BatchRequest,
        *,
        timeout: Optional[float] = None,
        fallback: Optional[Mapping[str, Order]] = None,
    ) -> Batch:
        """Decide up to ten placements in one request."""
        return self._run(self._calls.decide_all(request, timeout, fallback))

    def get_methods(
        self,
        customer_id: Optional[str] = None,
        merchant_id: Optional[str] = None,
        context: Optional[Context] = None,
        *,
        timeout: Optional[float] = None,
        fallback: Optional[Order] = None,
    ) -> AnyMethods:
        """Order the payment methods: the placement `payment_methods`. The customer's id never goes into a URL."""
        asked = methods_request(customer_id, merchant_id, context)
        return self._run(self._calls.methods(asked, timeout, fallback))

    def track_feedback(self, event: FeedbackEvent) -> Future[Receipt]:
        """Report an outcome, in the background. The future has its receipt, or the error that refused it."""
        future: Future[Receipt] = Future()
        future.set_running_or_notify_cancel()
        if receipt := receipt_of_fallback(event):
            future.set_result(receipt)
            return future
        entry = Entry(complete(event), lambda result: _settle(future, result))
        self._check_process()
        self._post(entry)
        return future

    def offers(self, request: Optional[OffersRequest] = None, *, timeout: Optional[float] = None) -> Any:
        """Show and hold offers: `Offers`, or `FallbackOffers` without any. Needs a secret key."""
        return self._run(self._calls.offers(request or {}, timeout))

    def variants(self, request: VariantsRequest) -> GivenVariants:
        """Return a customer's variants in all running experiments. Needs a secret key."""
        return self._run(self._calls.variants(request))

    def customer_token(self, customer_id: str, minutes: int = 30) -> CustomerTokenAnswer:
        """Create the token with which a browser may name its customer. Needs a secret key."""
        return self._run(self._calls.customer_token(customer_id, minutes))

    def validate_offer(self, request: OfferAsked) -> Validation:
        """Return whether an offer may be used, and what it would take off. Needs a secret key."""
        return self._run(self._calls.validate_offer(request))

    def hold_offer(self, request: OfferAsked, *, idempotency_key: Optional[str] = None) -> Redemption:
        """Hold an offer, such as for a code that the customer typed in. Needs a secret key."""
        return self._run(self._calls.hold_offer(request, idempotency_key))

    def redeem(self, request: RedemptionRequest, *, idempotency_key: Optional[str] = None) -> Redemption:
        """Redeem a hold. With your own `idempotency_key`, also repeating this call has no second effect."""
        return self._run(self._calls.redeem(request, idempotency_key))

    def release(self, hold_id: str, *, idempotency_key: Optional[str] = None) -> Redemption:
        """Release a hold, such as after a payment that failed. Needs a secret key."""
        return self._run(self._calls.release(hold_id, idempotency_key))

    def refund(self, hold_id: str, amount: int, *, idempotency_key: Optional[str] = None) -> Redemption:
        """Give the budget back its share of a discount; `amount` is what is refunded of the cart, in minor units."""
        return self._run(self._calls.refund(hold_id, amount, idempotency_key))

    def redemption(self, hold_id: str) -> Redemption:
        """Return a hold as it is now. Needs a secret key."""
        return self._run(self._calls.redemption(hold_id))

    def flush(self, timeout: float = 5.0) -> int:
        """Wait until all outcomes are answered, at most so many seconds; return how many are not."""
        return _flush(self._outbox, self._wake, timeout)

    def close(self, timeout: float = 5.0) -> int:
        """Flush, give up the outcomes that are left, and close connections; return how many were left."""
        self.flush(timeout)
        left = self._outbox.stop()
        self._end()
        return left

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def _run(self, steps: Steps[T]) -> T:
        self._check_process()
        return drive(steps, self._transport.send_in_time, time.sleep)

    def _check_process(self) -> None:
        if self._process != os.getpid():
            self._open()


class _Poster:
    """Queues entries, and sends them in a thread."""

    def __init__(self, outbox: Outbox, transport: Transport, wake: threading.Event) -> None:
        self.outbox = outbox
        self.transport = transport
        self.wake = wake

    def __call__(self, entry: Entry) -> None:
        if self.outbox.add(entry):
            threading.Thread(target=self._deliver, name="tap2-feedback", daemon=True).start()

    def _deliver(self) -> None:
        drive(self.outbox.deliver(), self.transport.send, self._pause)

    def _pause(self, seconds: float) -> None:
        self.wake.wait(seconds)
        self.wake.clear()


def _refresh(offline: OfflineDecider, transport: Transport, ended: threading.Event) -> None:
    """Renew the snapshots until the client ends."""
    while not ended.wait(drive(offline.refresh(), transport.send, time.sleep)):
        pass


def methods_request(
    customer_id: Optional[str], merchant_id: Optional[str], context: Optional[Context]
) -> DecisionRequest:
    """Return the request for payment methods."""
    return {"placement": METHODS, "customer_id": customer_id, "merchant_id": merchant_id, "context": context}


def _settle(future: Future[Receipt], result: Any) -> None:
    if isinstance(result, Tap2Error):
        future.set_exception(result)
    else:
        future.set_result(result)


def _flush(outbox: Outbox, wake: threading.Event, timeout: float) -> int:
    end = time.monotonic() + timeout
    wake.set()
    while len(outbox) and time.monotonic() < end:
        time.sleep(0.01)
    return len(outbox)


def _finish(process: int, transport: Transport, outbox: Outbox, wake: threading.Event, ended: threading.Event) -> None:
    """Flush and close, also at the interpreter's end; in a forked process, leave all to the parent."""
    if process != os.getpid():
        return
    ended.set()
    _flush(outbox, wake, 5.0)
    outbox.stop()
    transport.close()
