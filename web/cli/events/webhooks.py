"""`tap2 webhooks`: where events are sent to, and what became of the messages. A running server sends them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, get_args

import click

from engine.model.actor import Actor
from engine.model.events.event import EventType
from engine.model.events.event_types import TEST_TYPE
from engine.model.events.webhook import DeliveryState, EventFormat, NewEndpoint
from engine.service import Engine
from engine.webhooks.endpoints import LONGEST_OVERLAP_HOURS, OVERLAP_HOURS
from web.api.events.hook_deliveries import delivery_item
from web.api.events.hook_endpoints import CreatedWebhook, WebhookEndpoint, endpoint_fields
from web.cli.common import show, with_engine
from web.cli.offers.budgets import mode_of, of_merchant
from web.http.request_reading import converted

COMMAND_LINE = "tap2"
"""The actor's name in the audit log."""
TYPES = [type for type in get_args(EventType) if type != TEST_TYPE]
ENDPOINT_COLUMNS = ("id", "url", "types", "enabled", "fault", "queued", "parked", "delivered_at")
DELIVERY_COLUMNS = ("event_id", "type", "state", "created_at", "retry_at", "attempts")
T = TypeVar("T")


@click.group()
def webhooks() -> None:
    """Webhooks: where events are sent to, and what became of the messages."""


@webhooks.command("list")
@of_merchant
def webhooks_list(*, merchant: str, is_test: bool, json: bool) -> None:
    """List webhooks with the messages that wait and that are parked."""

    async def work(engine: Engine, actor: Actor) -> list[WebhookEndpoint]:
        states = await engine.webhooks.states(actor.merchant_id)
        endpoints = await engine.webhooks.all(actor.merchant_id)
        return [WebhookEndpoint(**endpoint_fields(each, states.get(each.id))) for each in endpoints]

    show(_as_actor(work, merchant, is_test), json=json, columns=ENDPOINT_COLUMNS, title="Webhooks")


@webhooks.command("add")
@click.argument("url")
@click.option("--type", "types", type=click.Choice(TYPES), multiple=True, required=True, help="Repeat for several.")
@click.option("--description", default="", help="What receives the events.")
@click.option("--format", type=click.Choice(get_args(EventFormat)), default="standard", show_default=True)
@of_merchant
def webhooks_add(*, merchant: str, is_test: bool, json: bool, **document: Any) -> None:
    """Send events from now on to URL. The secret is shown only once."""

    async def work(engine: Engine, actor: Actor) -> CreatedWebhook:
        endpoint, secret = await engine.webhooks.create(actor, converted(document, NewEndpoint))
        return CreatedWebhook(**endpoint_fields(endpoint), secret=secret)

    show(_as_actor(work, merchant, is_test), json=json)


@webhooks.command("rotate")
@click.argument("id")
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, LONGEST_OVERLAP_HOURS),
    default=OVERLAP_HOURS,
    show_default=True,
    help="How long the old secret signs too.",
)
@of_merchant
def webhooks_rotate(*, id: str, overlap_hours: int, merchant: str, is_test: bool, json: bool) -> None:
    """Make a new secret. It is shown only once."""

    async def work(engine: Engine, actor: Actor) -> CreatedWebhook:
        endpoint, secret = await engine.webhooks.rotate(actor, id, overlap_hours=overlap_hours)
        states = await engine.webhooks.states(actor.merchant_id)
        return CreatedWebhook(**endpoint_fields(endpoint, states.get(id)), secret=secret)

    show(_as_actor(work, merchant, is_test), json=json)


@webhooks.command("remove")
@click.argument("id")
@of_merchant
def webhooks_remove(*, id: str, merchant: str, is_test: bool, json: bool) -> None:
    """Delete a webhook with its log of deliveries."""

    async def work(engine: Engine, actor: Actor) -> dict[str, str]:
        await engine.webhooks.delete(actor, id)
        return {"id": id, "state": "removed"}

    show(_as_actor(work, merchant, is_test), json=json)


@webhooks.command("test")
@click.argument("id")
@of_merchant
def webhooks_test(*, id: str, merchant: str, is_test: bool, json: bool) -> None:
    """Send a test message, once. A running server sends it within seconds."""

    async def work(engine: Engine, actor: Actor) -> Any:
        return delivery_item(await engine.webhooks.test(actor, id))

    show(_as_actor(work, merchant, is_test), json=json)


@webhooks.command("deliveries")
@click.argument("id")
@click.option("--state", type=click.Choice(get_args(DeliveryState)), help="Only messages in this state.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most.")
@of_merchant
def webhooks_deliveries(
    *, id: str, state: DeliveryState | None, limit: int, merchant: str, is_test: bool, json: bool
) -> None:
    """List the messages to a webhook with their attempts, the newest first."""

    async def work(engine: Engine, actor: Actor) -> list[Any]:
        rows = await engine.webhooks.page(actor.merchant_id, id, state=state, limit=limit)
        return [delivery_item(row) for row in rows]

    show(_as_actor(work, merchant, is_test), json=json, columns=DELIVERY_COLUMNS, title="Messages")


@webhooks.command("resend")
@click.argument("id")
@click.option(
    "--event", type=click.IntRange(0, 2**53), help="The event of one message; also of one that was delivered."
)
@of_merchant
def webhooks_resend(*, id: str, event: int | None, merchant: str, is_test: bool, json: bool) -> None:
    """Send all parked messages again, or one message. A running server sends them within seconds."""

    async def work(engine: Engine, actor: Actor) -> dict[str, int]:
        return {"count": await engine.webhooks.send_again(actor, id, event)}

    show(_as_actor(work, merchant, is_test), json=json)


def _as_actor(work: Callable[[Engine, Actor], Awaitable[T]], merchant: str, is_test: bool) -> T:
    """Run `work` for a side of a merchant."""

    async def run(engine: Engine) -> T:
        side = await engine.accounts.merchant(merchant, mode_of(is_test))
        return await work(engine, Actor(side.id, COMMAND_LINE))

    return with_engine(run)
