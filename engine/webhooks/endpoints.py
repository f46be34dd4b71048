"""The endpoints of merchants: create, change and delete them, rotate their secrets, test them, and send again."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.accounts.data_keys import StoredSealer
from engine.clock import now_ms
from engine.model.actor import ENGINE, Actor
from engine.model.documents.names import problem_with_name
from engine.model.errors import Conflict, Invalid, NotFound, Stale, invalid
from engine.model.events.event import EndpointTest, EventType, NewEvent
from engine.model.events.event_types import TEST_TYPE
from engine.model.events.webhook import DeliveryState, Endpoint, EndpointState, LoggedDelivery, NewEndpoint
from engine.model.timestamps import HOUR
from engine.store import audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.events import deliveries, endpoints, outbox
from engine.webhooks.addresses import HookAddress, Network, read_address, without_path
from engine.webhooks.signatures import new_secret

MOST_ENDPOINTS = 20
LONGEST_OVERLAP_HOURS = 168
OVERLAP_HOURS = 24
PURPOSE = b"secrets of webhooks"


class Webhooks:
    """The webhooks of merchants. What belongs to another merchant is `NotFound`."""

    def __init__(
        self, database: Database, sealer: StoredSealer, networks: Sequence[Network], *, most_attempts: int
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._networks = networks
        self._most_attempts = most_attempts

    # Endpoints

    async def all(self, merchant_id: int) -> list[Endpoint]:
        """Return the endpoints of a merchant, the oldest first."""
        async with self._database.read() as connection:
            return await endpoints.of_merchant(connection, merchant_id)

    async def states(self, merchant_id: int) -> dict[str, EndpointState]:
        """Return how deliveries do, by endpoint."""
        async with self._database.read() as connection:
            return await endpoints.states(connection, merchant_id)

    async def messages(self) -> dict[str, int]:
        """Return how many messages of all merchants wait and are parked, by their state."""
        async with self._database.read() as connection:
            return await endpoints.messages(connection)

    async def get(self, merchant_id: int, endpoint_id: str) -> Endpoint:
        async with self._database.read() as connection:
            return await _own(connection, merchant_id, endpoint_id)

    async def create(self, actor: Actor, document: NewEndpoint) -> tuple[Endpoint, str]:
        """Create an endpoint for events from now on; return it and its secret, which is not shown again."""
        url, secret = self.check_url(document.url), new_secret()
        id = f"we_{secrets.token_hex(8)}"
        async with self._database.write() as connection:
            if len(await endpoints.of_merchant(connection, actor.merchant_id)) >= MOST_ENDPOINTS:
                raise Conflict(f"there are {MOST_ENDPOINTS} endpoints already; delete one first")
            endpoint = Endpoint(
                id,
                actor.merchant_id,
                1,
                url,
                _described(document.description),
                _types(document),
                document.enabled,
                self._sealer.seal(secret, id),
                previous_secret="",
                previous_until=0,
                read_up_to=await endpoints.newest_event(connection, actor.merchant_id),
                created_at=now_ms(),
                fault="",
                format=document.format,
            )
            await endpoints.add(connection, endpoint)
            await self._note(connection, actor, "created", None, endpoint)
        return endpoint, secret

    async def replace(
        self, actor: Actor, endpoint_id: str, document: NewEndpoint, *, version: int | None = None
    ) -> Endpoint:
        """Change an endpoint; raise `Stale` unless it is at `version` (None: any).

        One that is disabled gets nothing, also later: what waits is parked, and it begins again with new events.
        """
        url = self.check_url(document.url)
        async with self._database.write() as connection:
            old = await _own(connection, actor.merchant_id, endpoint_id)
            if version not in (None, old.version):
                raise Stale(f"the webhook is at version {old.version}, not {version}", field="version")
            changed = old._replace(
                url=url,
                description=_described(document.description),
                types=_types(document),
                enabled=document.enabled,
                format=document.format,
            )
            return await self._store(connection, actor, "changed", old, changed)

    async def disable(self, endpoint: Endpoint, fault: str) -> None:
        """Disable an endpoint by itself, for a reason; do nothing if somebody has changed it since it was read."""
        actor = Actor(endpoint.merchant_id, ENGINE)
        async with self._database.write() as connection:
            old = await endpoints.get(connection, endpoint.id)
            if old is not None and old.version == endpoint.version:
                changed = old._replace(enabled=False, fault=fault)
                await self._store(connection, actor, "disabled", old, changed)

    async def delete(self, actor: Actor, endpoint_id: str) -> None:
        """Delete an endpoint with its log of deliveries."""
        async with self._database.write() as connection:
            old = await _own(connection, actor.merchant_id, endpoint_id)
            await endpoints.remove(connection, endpoint_id)
            await self._note(connection, actor, "deleted", old, None)

    async def rotate(
        self, actor: Actor, endpoint_id: str, *, overlap_hours: int = OVERLAP_HOURS
    ) -> tuple[Endpoint, str]:
        """Make a new secret; return it. For the overlap, messages are signed with the old one too."""
        if not 0 <= overlap_hours <= LONGEST_OVERLAP_HOURS:
            raise invalid("overlap_hours", f"must lie between 0 and {LONGEST_OVERLAP_HOURS}")
        secret, until = new_secret(), now_ms() + overlap_hours * HOUR
        async with self._database.write() as connection:
            old = await _own(connection, actor.merchant_id, endpoint_id)
            changed = old._replace(
                secret=self._sealer.seal(secret, old.id), previous_secret=old.secret, previous_until=until
            )
            return await self._store(connection, actor, "rotated the secret of", old, changed), secret

    def secrets_of(self, endpoint: Endpoint, *, now: int) -> list[str]:
        """Return the secrets that sign messages now, the newest first; empty if the customer key has changed."""
        sealed = [endpoint.secret, *([endpoint.previous_secret] if endpoint.has_two_secrets(now) else [])]
        opened = (self._sealer.open(text, endpoint.id) for text in sealed)
        return [text for text in opened if text is not None]

    def address_of(self, endpoint: Endpoint) -> HookAddress | None:
        """Return where to send messages; None where the settings do not allow the address any more."""
        try:
            return read_address(endpoint.url, self._networks)
        except Invalid:
            return None

    async def _store(
        self, connection: AsyncConnection, actor: Actor, action: str, old: Endpoint, changed: Endpoint
    ) -> Endpoint:
        """Store the next version with its audit entry."""
        changed = changed._replace(version=old.version + 1, fault="" if changed.enabled else changed.fault)
        if not await endpoints.replace(connection, changed):
            raise Conflict("somebody else is changing this webhook now; try again", field="version")
        if old.enabled and not changed.enabled:
            await deliveries.park_waiting(connection, old.id)
        if changed.enabled and not old.enabled:
            await endpoints.begin_at_newest(connection, changed)
        await self._note(connection, actor, action, old, changed)
        return changed

    async def _note(
        self, connection: AsyncConnection, actor: Actor, action: str, old: Endpoint | None, new: Endpoint | None
    ) -> None:
        subject = f"webhook {(new or old).id}"  # type: ignore[union-attr]
        before, after = (_shown(endpoint) if endpoint else None for endpoint in (old, new))
        await audit.write(connection, NewEntry(actor, now_ms(), action, subject, before, after))

    def check_url(self, url: str) -> str:
        """Return an address as it is stored; raise `Invalid` for one that webhooks never call."""
        return read_address(url.strip(), self._networks).url

    # Deliveries

    async def test(self, actor: Actor, endpoint_id: str) -> LoggedDelivery:
        """Send a test message to one endpoint; `Conflict` where it is disabled."""
        async with self._database.write() as connection:
            endpoint = await _own(connection, actor.merchant_id, endpoint_id)
            _must_be_enabled(endpoint)
            now = now_ms()
            event = NewEvent(endpoint.merchant_id, TEST_TYPE, EndpointTest(endpoint.id))
            stored = await outbox.add(connection, event, now=now)
            await deliveries.add(connection, endpoint, [stored], most_attempts=1, now=now)
            return await _delivery(connection, endpoint.id, stored.id)

    async def delivery(self, merchant_id: int, endpoint_id: str, event_id: int) -> LoggedDelivery:
        """Return the delivery of an event to an endpoint, with its attempts."""
        async with self._database.read() as connection:
            await _own(connection, merchant_id, endpoint_id)
            return await _delivery(connection, endpoint_id, event_id)

    async def page(
        self,
        merchant_id: int,
        endpoint_id: str,
        *,
        state: DeliveryState | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[LoggedDelivery]:
        """Return deliveries of an endpoint, the newest first."""
        async with self._database.read() as connection:
            await _own(connection, merchant_id, endpoint_id)
            return await deliveries.page(connection, endpoint_id, state=state, before=before, limit=limit)

    async def send_again(self, actor: Actor, endpoint_id: str, event_id: int | None = None) -> int:
        """Send an event again, or all that are parked; return how many those are.

        Raise `NotFound` for an event that was never for this endpoint, `Conflict` for one that still waits.
        """
        async with self._database.write() as connection:
            _must_be_enabled(await _own(connection, actor.merchant_id, endpoint_id))
            count = await deliveries.send_again(
                connection, endpoint_id, event_id, attempts=self._most_attempts, now=now_ms()
            )
            if event_id is not None and not count:
                await _delivery(connection, endpoint_id, event_id)
                raise Conflict("this event is being sent already", field="id")
        return count


def _shown(endpoint: Endpoint) -> dict[str, object]:
    """Return what the audit log may show to everybody; the path of an address is often a secret."""
    document = NewEndpoint(
        url=without_path(endpoint.url),
        types=endpoint.types,
        description=endpoint.description,
        enabled=endpoint.enabled,
        format=endpoint.format,
    )
    return msgspec.structs.asdict(document)


def _described(text: str) -> str:
    """Return a description without outer blanks; raise `Invalid` unless it is empty or one visible line."""
    text = text.strip()
    if text and (problem := problem_with_name(text)):
        raise invalid("description", problem)
    return text


def _types(document: NewEndpoint) -> tuple[EventType, ...]:
    if TEST_TYPE in document.types:
        raise invalid("types", f"“{TEST_TYPE}” is sent by a test alone")
    return tuple(dict.fromkeys(document.types))


def _must_be_enabled(endpoint: Endpoint) -> None:
    if not endpoint.enabled:
        raise Conflict("the webhook is disabled; enable it first", field="enabled")


async def _own(connection: AsyncConnection, merchant_id: int, endpoint_id: str) -> Endpoint:
    endpoint = await endpoints.get(connection, endpoint_id, merchant_id=merchant_id)
    if endpoint is None:
        raise NotFound(f"there is no webhook “{endpoint_id}”", field="id")
    return endpoint


async def _delivery(connection: AsyncConnection, endpoint_id: str, event_id: int) -> LoggedDelivery:
    delivery = await deliveries.get(connection, endpoint_id, event_id)
    if delivery is None:
        raise NotFound(f"event {event_id} was never sent to this webhook", field="id")
    return delivery
