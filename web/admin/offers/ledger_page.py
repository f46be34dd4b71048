"""The ledger of all budgets, filtered by budget, offer, customer and kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from engine.configuration.configuration import Configuration
from engine.kernel.plan import offers_of
from engine.model.offers.hold import LedgerFilter, OfferEntry
from web.admin.offers.offer_words import KINDS
from web.admin.shell.csv_file import exported_csv
from web.admin.shell.forms import Form
from web.admin.shell.frame import Frame
from web.admin.shell.navigation import PageLinks
from web.admin.shell.render import Page

PER_PAGE = 50
MOST_IN_A_FILE = 50_000
CURSOR = re.compile(r"([0-9]{1,15})-([\x21-\x7e]{1,64})")
HASH = re.compile(r"[0-9a-f]{32}")
HEAD = ("recorded_at", "kind", "debit", "credit", "budget", "offer", "customer", "hold", "currency", "amount", "uses")
Options = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class EntryRow:
    """An entry of the ledger in words; `customer` is the beginning of a keyed hash, empty for a guest."""

    recorded_at: int
    kind: str
    amount: str
    hold: str
    offer: str
    budget: str
    customer: str


@dataclass(frozen=True)
class LedgerExplorer:
    """A page of the ledger with its filter; `file` is the address of the same entries as CSV."""

    base: str
    form: Form
    budgets: Options
    offers: Options
    kinds: Options
    entries: Sequence[EntryRow]
    file: str
    pages: PageLinks


@get("/ledger")
async def ledger_page(
    frame: NamedDependency[Frame],
    budget: FromQuery[str] = "",
    offer: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    customer: FromQuery[str] = "",
    before: FromQuery[str] = "",
) -> Page:
    """Show the entries of the ledger, the newest first."""
    chosen = {"budget": budget, "offer": offer, "kind": kind, "customer": customer}
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    rows, following = await entries_of(frame, _filter(frame, chosen), before)
    query = urlencode({name: text for name, text in chosen.items() if text})
    address = f"{frame.base}/ledger"
    page = LedgerExplorer(
        base=f"{frame.base}/offers",
        form=Form(chosen),
        budgets=[("", "All budgets"), *((each.id, each.name) for each in configuration.documents("budget"))],
        offers=[("", "All offers"), *_offers(configuration)],
        kinds=[("", "All kinds"), *KINDS.items()],
        entries=rows,
        file=f"{address}/ledger.csv?{query}",
        pages=PageLinks(
            first=f"{address}?{query}" if before else "",
            next=f"{address}?{query}&before={following}" if following else "",
        ),
    )
    return frame.page("offers/ledger.html", page)


@get("/ledger/ledger.csv")
async def ledger_file(
    frame: NamedDependency[Frame],
    budget: FromQuery[str] = "",
    offer: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    customer: FromQuery[str] = "",
) -> Response[Any]:
    """Send the newest entries of the same filter as a file."""
    chosen = {"budget": budget, "offer": offer, "kind": kind, "customer": customer}
    only = _filter(frame, chosen)
    rows = await frame.engine.budgets.ledger(frame.merchant.id, only=only, limit=MOST_IN_A_FILE)
    return await exported_csv(frame, "ledger.csv", [HEAD, *(_cells(frame, row) for row in rows)])


async def entries_of(frame: Frame, only: LedgerFilter, before: str) -> tuple[list[EntryRow], str]:
    """Return a page of entries behind a cursor, and the cursor of the next page, empty at the end."""
    match = CURSOR.fullmatch(before)
    start = (int(match[1]), match[2]) if match else None
    rows = await frame.engine.budgets.ledger(frame.merchant.id, only=only, before=start, limit=PER_PAGE + 1)
    last = rows[PER_PAGE - 1].entry if len(rows) > PER_PAGE else None
    return [_row(frame, row) for row in rows[:PER_PAGE]], f"{last.recorded_at}-{last.id}" if last else ""


def _filter(frame: Frame, chosen: dict[str, str]) -> LedgerFilter:
    """Return the filter of texts; a customer is named by the shop's id, or by the hash of it."""
    customer = chosen["customer"].strip()
    if customer and not HASH.fullmatch(customer):
        customer = frame.engine.hasher(frame.merchant.id, customer)
    budget, kind, offer = (chosen[name].replace("\0", "").strip() for name in ("budget", "kind", "offer"))
    return LedgerFilter(budget, kind, offer, customer)


def _offers(configuration: Configuration) -> list[tuple[str, str]]:
    """Return the offers of all placements by id, the first of those that share one."""
    labels: dict[str, str] = {}
    for placement in configuration.placements:
        candidates = configuration.documents("candidate", placement.key)
        for candidate in candidates:
            if candidate.id in offers_of(candidates):
                labels.setdefault(candidate.id, candidate.label)
    return sorted(labels.items(), key=lambda item: item[1].casefold())


def _row(frame: Frame, item: OfferEntry) -> EntryRow:
    row = item.entry
    amount = frame.show.money(row.amount, item.currency)
    return EntryRow(row.recorded_at, KINDS[row.kind], amount, row.hold_id, item.offer, row.budget, item.customer[:8])


def _cells(frame: Frame, item: OfferEntry) -> tuple[object, ...]:
    row = item.entry
    moved = (frame.show.iso(row.recorded_at), row.kind, row.debit, row.credit, row.budget)
    return (*moved, item.offer, item.customer, row.hold_id, item.currency, row.amount, row.uses)


handlers = [ledger_page, ledger_file]
