"""`tap2 audit`."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from engine.accounts.audit_chain import ChainCheck, read_end
from engine.model.history import NO_ENTRIES
from engine.service import Engine
from web.cli.common import as_json, show, with_engine


@click.group()
def audit() -> None:
    """The audit log."""


@audit.command("verify")
@click.option("--merchant", default="", help="The merchant's slug (default: all merchants).")
@click.option("--end", default="", help="An end that you noted, as `last` shows it, such as 12:9f86d0…")
@click.option("--test", "is_test", is_flag=True, help="With --end: it is the test side's.")
@as_json
def audit_verify(*, merchant: str, end: str, is_test: bool, json: bool) -> None:
    """Check that no entry was deleted, changed, inserted or moved. The exit status is 1 if one was."""
    if end and not merchant:
        raise click.UsageError("--end needs --merchant: each side of a merchant has its own log.")

    async def work(engine: Engine) -> list[dict[str, Any]]:
        noted, mode = read_end(end) if end else NO_ENTRIES, "test" if is_test else "live"
        if merchant:
            await engine.accounts.merchant(merchant)
        sides = await engine.accounts.merchants(merchant or None)
        return [
            {"merchant": side.slug, "side": side.mode, **_shown(await engine.audit_chain.check(side.id, end=expected))}
            for side in sides
            for expected in [noted if side.mode == mode else NO_ENTRIES]
        ]

    rows = with_engine(work)
    show(rows, json=json, title="Audit log")
    if any(row["problem"] for row in rows):
        raise SystemExit(1)


def _shown(check: ChainCheck) -> dict[str, Any]:
    return msgspec.structs.asdict(check)
