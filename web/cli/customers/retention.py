"""`tap2 retention`: after how many days a merchant's data is deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec

from engine.customers.retention import KindPreview, RetentionInForce
from engine.model.account import Merchant
from engine.model.actor import Actor
from engine.model.documents.retention import KINDS, RetentionPolicy
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.cli.common import show, with_engine
from web.cli.customers.rights import ACTOR
from web.cli.offers.budgets import mode_of, of_merchant
from web.http.validation_errors import validation_error

SERVER = "server"


@click.group()
def retention() -> None:
    """After how many days a merchant's data is deleted."""


@retention.command("show")
@of_merchant
def retention_show(*, merchant: str, is_test: bool, json: bool) -> None:
    """Show for how many days each kind of data is kept, and who says so."""

    async def work(engine: Engine) -> list[dict[str, Any]]:
        return _rows(await engine.retention.get((await _side(engine, merchant, is_test=is_test)).id))

    show(with_engine(work), json=json)


@retention.command("preview")
@click.argument("days", nargs=-1, required=True, metavar="DAYS...")
@of_merchant
def retention_preview(days: Sequence[str], *, merchant: str, is_test: bool, json: bool) -> None:
    """Count what would be deleted now, such as with `inactive_customers=365`. Changes nothing."""
    policy = _policy(_changes(days), {})

    async def work(engine: Engine) -> list[dict[str, Any]]:
        side = await _side(engine, merchant, is_test=is_test)
        return [_counted(each) for each in await engine.retention.preview(side.id, policy)]

    show(with_engine(work), json=json)


@retention.command("set")
@click.argument("days", nargs=-1, required=True, metavar="DAYS...")
@click.option("--confirm", is_flag=True, help="Delete what is older; needed where there is anything.")
@of_merchant
def retention_set(days: Sequence[str], *, confirm: bool, merchant: str, is_test: bool, json: bool) -> None:
    """Set days, such as `decisions=180 mails=30`. `mails=server` keeps mails as long as the server does again."""
    changes = _changes(days)

    async def work(engine: Engine) -> list[dict[str, Any]]:
        side = await _side(engine, merchant, is_test=is_test)
        stored = await engine.retention.get(side.id)
        policy = _policy(changes, {kind: each.own for kind, each in stored.kinds.items()})
        losses = await engine.retention.losses(side.id, policy)
        if losses and not confirm:
            counted = ", ".join(f"{'' if each.is_exact else 'over '}{each.rows:,} of {each.kind}" for each in losses)
            raise click.ClickException(f"rows would be deleted: {counted}; add --confirm to delete them")
        actor = Actor(side.id, ACTOR)
        return _rows(await engine.retention.replace(actor, policy, confirmed=confirm, version=stored.version))

    show(with_engine(work), json=json)


async def _side(engine: Engine, merchant: str, *, is_test: bool) -> Merchant:
    return await engine.accounts.merchant(merchant, mode_of(is_test))


def _changes(texts: Sequence[str]) -> dict[str, int | None]:
    """Return days by kind, None where the server's count again."""
    changes: dict[str, int | None] = {}
    for text in texts:
        kind, _, days = text.partition("=")
        if kind not in KINDS or not (days == SERVER or days.isdecimal()):
            raise click.ClickException(f"“{text}” is not KIND=DAYS or KIND={SERVER}; kinds are {', '.join(KINDS)}")
        changes[kind] = None if days == SERVER else int(days)
    return changes


def _policy(changes: Mapping[str, int | None], own: Mapping[str, int | None]) -> RetentionPolicy:
    try:
        return msgspec.convert({**own, **changes}, RetentionPolicy)
    except msgspec.ValidationError as error:
        problem = validation_error(error, RetentionPolicy)
        raise click.ClickException(f"{problem.field}: {problem.message}") from None


def _rows(stored: RetentionInForce) -> list[dict[str, Any]]:
    return [
        {
            "kind": each.kind,
            "days": each.days,
            "set_by": "the server" if each.own is None else "the merchant",
            "fewest": each.shortest,
            "most": each.server,
        }
        for each in stored.kinds.values()
    ]


def _counted(preview: KindPreview) -> dict[str, Any]:
    oldest = None if preview.oldest_at is None else rfc3339(preview.oldest_at)
    parts = {name: part.rows for name, part in preview.parts.items()}
    return {"kind": preview.kind, "rows": preview.rows, "exact": preview.is_exact, "oldest_at": oldest, "parts": parts}
