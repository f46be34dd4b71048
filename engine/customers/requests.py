"""The register of customers' requests about their data: taken in once, answered in time, or refused with a reason."""

from __future__ import annotations

from engine.clock import now_ms
from engine.decisions.customers import Hasher
from engine.model.actor import Actor
from engine.model.errors import Conflict, NotFound, invalid
from engine.model.timestamps import DAY
from engine.store import audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.customers import requests
from engine.store.customers.requests import PrivacyRequest as PrivacyRequest
from engine.store.customers.requests import RequestKind as RequestKind
from engine.store.customers.requests import RequestState as RequestState

DAYS_TO_ANSWER = 30
"""One month by the GDPR (Article 12(3)); counted in days, the shortest month but one."""


class PrivacyRequests:
    """Keeps requests with their due dates. Customers stand there as keyed hashes, also after they were erased."""

    def __init__(self, database: Database, hasher: Hasher) -> None:
        self._database = database
        self._hasher = hasher

    async def take_in(
        self, actor: Actor, customer_id: str, kind: RequestKind, *, identity_check: str = ""
    ) -> PrivacyRequest:
        """Return the customer's open request of this kind, or a new one; the first one keeps its due date."""
        customer, now = self._hasher(actor.merchant_id, customer_id), now_ms()
        async with self._database.write() as connection:
            before = await requests.open_of(connection, actor.merchant_id, customer, kind)
            if before is not None:
                return before
            due_at = now + DAYS_TO_ANSWER * DAY
            new = PrivacyRequest(0, customer, kind, "open", now, due_at, None, actor.name, "", identity_check, "")
            id = await requests.add(connection, actor.merchant_id, new)
            await audit.write(connection, NewEntry(actor, now, "received", f"request {id}", after={"kind": kind}))
        return new._replace(id=id)

    async def close(self, actor: Actor, id: int, state: RequestState, *, explanation: str = "") -> PrivacyRequest:
        """Answer a request; raise `NotFound`, `Conflict` where it is closed, `Invalid` for a refusal without reason."""
        if state == "refused" and not explanation.strip():
            raise invalid("explanation", "must say why the request is refused")
        async with self._database.write() as connection:
            request = await requests.get(connection, actor.merchant_id, id)
            if request is None:
                raise NotFound(f"there is no request {id}", field="id")
            if request.state != "open":
                raise Conflict(f"request {id} is closed already", field="id")
            now = now_ms()
            closed = request._replace(state=state, closed_at=now, closed_by=actor.name, explanation=explanation)
            await requests.close(connection, actor.merchant_id, closed)
            entry = NewEntry(actor, now, state, f"request {id}", after={"kind": request.kind}, reason=explanation)
            # Without an explanation nothing is said of the customer, whom an erasure has just removed.
            customer = request.customer if explanation else ""
            await audit.write(connection, entry._replace(customer=customer))
        return closed

    async def note_link(self, actor: Actor, customer_id: str) -> None:
        """Note that somebody made a link to the customer center."""
        customer = self._hasher(actor.merchant_id, customer_id)
        entry = NewEntry(actor, now_ms(), "created", "a link for a customer", customer=customer)
        async with self._database.write() as connection:
            await audit.write(connection, entry)

    async def newest(self, merchant_id: int, *, limit: int) -> list[PrivacyRequest]:
        """Return open requests by their due dates, and then those that were closed last."""
        async with self._database.read() as connection:
            return await requests.newest(connection, merchant_id, limit=limit)

    async def page(
        self, merchant_id: int, *, state: RequestState | None = None, after: int = 0, limit: int
    ) -> list[PrivacyRequest]:
        """Return requests, the oldest first."""
        async with self._database.read() as connection:
            return await requests.page(connection, merchant_id, state=state, after=after, limit=limit)
