"""`tap2 merchant` and `tap2 keys`."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from engine.accounts.data_keys import LOADED_AFTER_MS, Rotation
from engine.installation_keys import rotate_customer_key, rotate_master_key
from engine.model.account import Kind, MerchantDetails
from engine.model.errors import EngineError
from engine.model.timestamps import rfc3339
from engine.service import Engine
from rules.language.codes import COUNTRIES, CURRENCIES, OFTEN_MISTAKEN
from web.cli.common import as_json, settings, show, with_engine
from web.cli.failures import refusal


@click.group()
def merchant() -> None:
    """Merchants."""


@merchant.command("add")
@click.argument("slug")
@click.option("--name", help="Display name (default: the slug).")
@click.option("--country", default="DE", show_default=True, help="ISO 3166-1 alpha-2.")
@click.option("--currency", default="EUR", show_default=True, help="ISO 4217.")
@click.option("--locale", default="en", show_default=True)
@click.option("--timezone", default="Europe/Berlin", show_default=True)
@as_json
def merchant_add(*, slug: str, name: str | None, json: bool, **options: str) -> None:
    """Add a merchant, with a live and a test side."""
    options["country"] = _code("country", options["country"], COUNTRIES, "ISO 3166-1 alpha-2 code such as DE")
    options["currency"] = _code("currency", options["currency"], CURRENCIES, "ISO 4217 code such as EUR")
    details = MerchantDetails(**options)
    live, _ = with_engine(lambda engine: engine.accounts.add_merchant(slug, name or slug, details), creates=True)
    show({"slug": live.slug, "name": live.name, "sides": ["live", "test"]}, json=json)


@merchant.command("list")
@as_json
def merchant_list(*, json: bool) -> None:
    """List the merchants."""
    merchants = with_engine(lambda engine: engine.accounts.merchants())
    show(
        merchants,
        json=json,
        columns=("slug", "mode", "name", "country", "currency", "timezone", "tier"),
        title="Merchants",
    )


@merchant.command("purchases")
@click.argument("slug")
@click.argument("limit", type=click.IntRange(min=0))
@click.option("--test", "is_test", is_flag=True, help="Use the test side instead of the live side.")
@as_json
def merchant_purchases(*, slug: str, limit: int, is_test: bool, json: bool) -> None:
    """Let browsers report purchases of up to LIMIT minor units; 0 allows none."""

    async def work(engine: Engine) -> None:
        side = await engine.accounts.merchant(slug, "test" if is_test else "live")
        await engine.accounts.set_browser_purchases(side, limit, actor_name="tap2")

    with_engine(work)
    show({"merchant": slug, "side": "test" if is_test else "live", "limit": limit}, json=json)


@merchant.command("tier")
@click.argument("slug")
@click.argument("tier", default="")
@as_json
def merchant_tier(*, slug: str, tier: str, json: bool) -> None:
    """Give a merchant the limits of TIER, on both sides; without TIER, take them away."""
    with_engine(lambda engine: engine.tiers.assign(slug, tier, actor_name="tap2"))
    show({"merchant": slug, "tier": tier}, json=json)


@click.group()
def keys() -> None:
    """API keys."""


@keys.command("create")
@click.option("--merchant", required=True, help="The merchant's slug.")
@click.option("--kind", type=click.Choice(["secret", "publishable"]), required=True)
@click.option("--mode", type=click.Choice(["live", "test"]), default="live", show_default=True)
@click.option("--name", default="command line", show_default=True)
@click.option("--person", default="", help="E-mail address of the person for whom the key acts.")
@as_json
def keys_create(*, merchant: str, kind: Kind, mode: str, name: str, person: str, json: bool) -> None:
    """Create a key. It is shown only once."""

    async def work(engine: Engine) -> dict[str, str]:
        side = await engine.accounts.merchant(merchant, mode)
        owner = person.strip().lower()
        if owner and not await engine.team.has_user(owner):
            raise click.ClickException(f"--person: there is no user “{person}”")
        key, plain = await engine.accounts.create_key(
            side, kind, name, actor_name="tap2", person=person.strip().lower()
        )
        return {"id": key.id, "merchant": merchant, "mode": mode, "kind": kind, "key": plain}

    show(with_engine(work), json=json)


@keys.command("rotate")
@click.option("--no-new", is_flag=True, help="Make no new master key: use the first of TAP2_MASTER_KEY or of the file.")
@as_json
def keys_rotate(*, no_new: bool, json: bool) -> None:
    """Make a new master key, and encrypt all data keys with it. Servers may run meanwhile.

    If a rotation was stopped half-way, it goes on instead. Texts from before data keys are encrypted with one, too.
    """

    async def work(engine: Engine) -> Rotation:
        return await rotate_master_key(engine.settings, engine.data_keys, new=not no_new)

    show(with_engine(work)._asdict(), json=json)


@keys.command("rotate-signing")
@click.option("--at-once", is_flag=True, help="Refuse what older keys signed a minute from now, not a day later.")
@as_json
def keys_rotate_signing(*, at_once: bool, json: bool) -> None:
    """Sign tokens and links of customers with a new key, in place of the customer key. Servers may run meanwhile."""

    async def work(engine: Engine) -> dict[str, Any]:
        key = await engine.data_keys.renew_signing(at_once=at_once)
        ends = rfc3339(key.older_until)
        return {"number": key.id, "signs_from": rfc3339(key.created_at + LOADED_AFTER_MS), "older_valid_until": ends}

    show(with_engine(work), json=json)


@keys.command("rotate-customer")
@as_json
def keys_rotate_customer(*, json: bool) -> None:
    """Store customers' hashes under a new customer key. Stop all servers before; they start again when it is done.

    If it was stopped half-way, it goes on instead. Customers stay who they are, with pasts, variants and refusals.
    """
    try:
        rotation = asyncio.run(rotate_customer_key(settings()))
    except EngineError as error:
        raise refusal(error) from None
    show(rotation._asdict(), json=json)


def _code(option: str, value: str, codes: frozenset[str], kind: str) -> str:
    """Return the code in capitals; end the command if it is not in the list."""
    code = value.strip().upper()
    if code in codes:
        return code
    suggestion = OFTEN_MISTAKEN.get(code, "")
    hint = f"; did you mean {suggestion}?" if suggestion in codes else ""
    raise click.ClickException(f"--{option}: “{value}” is not an {kind}{hint}")
