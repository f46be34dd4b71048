"""`tap2 tiers`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click
import msgspec

from engine.model.documents.tier import Tier
from engine.service import Engine
from web.cli.common import as_json, show, with_engine
from web.http.request_reading import MOST_BULK_BYTES, converted, loads

TITLE = "Tiers"


@click.group()
def tiers() -> None:
    """Limits of merchants by name: exports a month, requests an hour, scheduled mail, logo."""


@tiers.command("set")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json
def tiers_set(*, file: Path, json: bool) -> None:
    """Store the tiers in the JSON document FILE in place of all others. What a tier does not name is not limited."""

    async def work(engine: Engine) -> list[dict[str, Any]]:
        document = converted(loads(file.read_bytes(), most_bytes=MOST_BULK_BYTES), dict[str, Tier])
        await engine.tiers.replace(document, actor_name="tap2")
        return await _rows(engine)

    show(with_engine(work), json=json, title=TITLE)


@tiers.command("list")
@as_json
def tiers_list(*, json: bool) -> None:
    """List the tiers, with the number of merchants that have each."""
    show(with_engine(_rows), json=json, title=TITLE)


async def _rows(engine: Engine) -> list[dict[str, Any]]:
    merchants = Counter(each.tier for each in await engine.accounts.merchants() if each.mode == "live")
    return [
        {"tier": name, **msgspec.structs.asdict(tier), "merchants": merchants[name]}
        for name, tier in (await engine.tiers.all()).items()
    ]
