"""The client for asyncio."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Mapping, Optional, Sequence, Type, TypeVar

from ._calls import Calls, OnError, Options, complete, log_error, receipt_of_fallback
from ._offline import OfflineDecider
from ._outbox import Entry, Outbox
from ._steps import Answer, Request, Steps, drive_async
from ._transport import async_transport
from .client import methods_request
from .errors import RequestTimeout, Tap2Error
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


class AsyncClient:
    """As `Client`, for one event loop. `await close()` it, or use it in an `async with`."""

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
        address, orders = url.rstrip("/"), fallback or {}
        self._calls = Calls(Options(address, key, timeout, request_timeout, retries, orders, on_error, offline))
        self._outbox = Outbox(request_timeout, self._calls.report)
        self._refreshing: Optional[asyncio.Future[None]] = None
        if offline:
            self._calls.offline = OfflineDecider(offline, request_timeout, self._calls.report, self._post)
        self._sender = async_transport(address, key)
        self._delivery: Optional[asyncio.Future[None]] = None
        self._wake: Optional[asyncio.Event] = None

    async def decide(
        self,
        request: DecisionRequest,
        *,
        timeout: Optional[float] = None,
        fallback: Optional[Order] = None,
        explain: bool = False,
    ) -> AnyDecision:
        """See `Client.decide`."""
        return await self._run(self._calls.decide(request, timeout, fallback, explain))

    async def decide_all(
        self,
        request: BatchRequest,
        *,
        timeout: Optional[float] = None,
        fallback: Optional[Mapping[str, Order]] = None,
    ) -> Batch:
        """See `Client.decide_all`."""
        return await self._run(self._calls.decide_all(request, timeout, fallback))

    async def get_methods(
        self,
        customer_id: Optional[str] = None,
        merchant_id: Optional[str] = None,
        context: Optional[Context] = None,
        *,
        timeout: Optional[float] = None,
        fallback: Optional[Order] = None,
    ) -> AnyMethods:
        """See `Client.get_methods`."""
        asked = methods_request(customer_id, merchant_id, context)
        return await self._run(self._calls.methods(asked, timeout, fallback))

    def track_feedback(self, event: FeedbackEvent) -> asyncio.Future[Receipt]:
        """Report an outcome, in the background. You may await its receipt, or the error that refused it."""
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        # Whoever does not await it hears of the error by `on_error`, not from the event loop.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        if receipt := receipt_of_fallback(event):
            future.set_result(receipt)
        else:
            self._post(Entry(complete(event), lambda result: _settle(future, result)))
        return future

    def _post(self, entry: Entry) -> None:
        if self._outbox.add(entry):
            self._delivery = asyncio.ensure_future(drive_async(self._outbox.deliver(), self._send, self._pause))

    async def _refresh(self, offline: OfflineDecider) -> None:
        """Renew the snapshots until the client ends."""
        while True:
            await asyncio.sleep(await drive_async(offline.refresh(), self._send, asyncio.sleep))

    async def offers(
        self,
        request: Optional[OffersRequest] = None,
        *,
        timeout: Optional[float] = None,
    ) -> Any:
        """See `Client.offers`."""
        return await self._run(self._calls.offers(request or {}, timeout))

    async def variants(self, request: VariantsRequest) -> GivenVariants:
        """See `Client.variants`."""
        return await self._run(self._calls.variants(request))

    async def customer_token(self, customer_id: str, minutes: int = 30) -> CustomerTokenAnswer:
        """See `Client.customer_token`."""
        return await self._run(self._calls.customer_token(customer_id, minutes))

    async def validate_offer(self, request: OfferAsked) -> Validation:
        """See `Client.validate_offer`."""
        return await self._run(self._calls.validate_offer(request))

    async def hold_offer(self, request: OfferAsked, *, idempotency_key: Optional[str] = None) -> Redemption:
        """See `Client.hold_offer`."""
        return await self._run(self._calls.hold_offer(request, idempotency_key))

    async def redeem(self, request: RedemptionRequest, *, idempotency_key: Optional[str] = None) -> Redemption:
        """See `Client.redeem`."""
        return await self._run(self._calls.redeem(request, idempotency_key))

    async def release(self, hold_id: str, *, idempotency_key: Optional[str] = None) -> Redemption:
        """See `Client.release`."""
        return await self._run(self._calls.release(hold_id, idempotency_key))

    async def refund(self, hold_id: str, amount: int, *, idempotency_key: Optional[str] = None) -> Redemption:
        """See `Client.refund`."""
        return await self._run(self._calls.refund(hold_id, amount, idempotency_key))

    async def redemption(self, hold_id: str) -> Redemption:
        """See `Client.redemption`."""
        return await self._run(self._calls.redemption(hold_id))

    async def flush(self, timeout: float = 5.0) -> int:
        """See `Client.flush`."""
        end = time.monotonic() + timeout
        if self._wake is not None:
            self._wake.set()
        while len(self._outbox) and time.monotonic() < end:
            await asyncio.sleep(0.01)
        return len(self._outbox)

    async def close(self, timeout: float = 5.0) -> int:
        """See `Client.close`."""
        await self.flush(timeout)
        left = self._outbox.stop()
        for work in (self._delivery, self._refreshing):
            if work is not None:
                work.cancel()
        await self._sender.close()
        return left

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()

    async def _run(self, steps: Steps[T]) -> T:
        if self._refreshing is None and self._calls.offline is not None:
            self._refreshing = asyncio.ensure_future(self._refresh(self._calls.offline))
        return await drive_async(steps, self._send, asyncio.sleep)

    async def _send(self, sent: Request) -> Answer:
        """Send, given up exactly in time: a task that is slow to be cancelled is not waited for."""
        task = asyncio.ensure_future(self._sender.send(sent))
        try:
            await asyncio.wait({task}, timeout=sent.timeout)
            if not task.done():
                raise RequestTimeout(sent.timeout)
            return task.result()
        finally:
            task.cancel()

    async def _pause(self, seconds: float) -> None:
        self._wake = asyncio.Event()
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except asyncio.TimeoutError:
            pass
        finally:
            self._wake = None


def _settle(future: asyncio.Future[Receipt], result: Any) -> None:
    if future.done():  # whoever waited has cancelled
        return
    if isinstance(result, Tap2Error):
        future.set_exception(result)
    else:
        future.set_result(result)
