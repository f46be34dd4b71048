"""What budgets have spent: balances and the ledger."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.model.offers.hold import LedgerFilter, MovementKind, OfferEntry
from engine.model.timestamps import rfc3339
from engine.offers.budgets import BudgetBalance
from engine.service import Engine
from web.api.common_types import Limit, Moment
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation

TAG = "Budgets"
AnyText = Annotated[str, Meta(max_length=64, pattern=r"\A[^\x00]*\Z")]
CURSOR = r"([0-9]{1,15})-([\x21-\x7e]{1,64})"


class Spending(msgspec.Struct, frozen=True):
    """What of a budget is held and spent now; `left` is null where no amount is shared by all customers."""

    budget: str
    currency: str
    held: int
    spent: int
    held_uses: int
    spent_uses: int
    left: int | None


class LedgerQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: Annotated[
        str, Meta(pattern=rf"\A({CURSOR})?\Z", max_length=80, description="`next` of the previous page.")
    ] = ""
    budget: Annotated[AnyText, Meta(description="Only entries of this budget.")] = ""
    offer: Annotated[AnyText, Meta(description="Only entries of this offer.")] = ""
    kind: Annotated[MovementKind, Meta(description="Only entries of this kind.")] | None = None
    customer_id: Annotated[str, Meta(max_length=256, pattern=r"\A[^\x00]*\Z", description="Only entries of them.")] = ""


class LedgerItem(msgspec.Struct, frozen=True):
    """An amount and uses that moved from the account `debit` to `credit`: available, held, spent."""

    id: str
    hold_id: str
    offer_id: str
    budget: str
    kind: str
    debit: str
    credit: str
    amount: int
    uses: int
    recorded_at: Moment


class LedgerPage(msgspec.Struct, frozen=True):
    """A page of the ledger, the newest first, and the cursor of the next page."""

    items: list[LedgerItem]
    next: str | None


@get(
    "/v1/budgets/{id:str}/balance",
    **Operation(TAG, "Show what a budget has spent", {200: Answer("Its current balance", Spending)}).route(),
)
async def balance(
    access: NamedDependency[Access], engine: NamedDependency[Engine], id: FromPath[str]
) -> Response[bytes]:
    return json_response(_spending(await engine.budgets.get(access.merchant.id, id, now=now_ms())), headers=NO_STORE)


@get(
    "/v1/ledger",
    **Operation(
        TAG,
        "List the ledger",
        {200: Answer("Entries, newest first", LedgerPage)},
        "Entries are only added, never changed: hold, commit, release, refund. Balances are their sums.",
        query=LedgerQuery,
    ).route(),
)
async def entries(
    access: NamedDependency[Access], engine: NamedDependency[Engine], parameters: NamedDependency[LedgerQuery]
) -> Response[bytes]:
    match = re.fullmatch(CURSOR, parameters.cursor)
    before = (int(match[1]), match[2]) if match else None
    merchant_id, customer_id = access.merchant.id, parameters.customer_id
    customer = engine.hasher(merchant_id, customer_id) if customer_id else ""
    only = LedgerFilter(parameters.budget, parameters.kind or "", parameters.offer, customer)
    rows = await engine.budgets.ledger(merchant_id, only=only, before=before, limit=parameters.limit + 1)
    items = rows[: parameters.limit]
    last = items[-1].entry if len(rows) > parameters.limit else None
    following = f"{last.recorded_at}-{last.id}" if last else None
    return json_response(LedgerPage([_entry(row) for row in items], following), headers=NO_STORE)


def _spending(row: BudgetBalance) -> Spending:
    held, spent, held_uses, spent_uses = row.balance
    return Spending(row.budget.id, row.budget.currency, held, spent, held_uses, spent_uses, row.left)


def _entry(item: OfferEntry) -> LedgerItem:
    row = item.entry
    return LedgerItem(
        row.id,
        row.hold_id,
        item.offer,
        row.budget,
        row.kind,
        row.debit,
        row.credit,
        row.amount,
        row.uses,
        rfc3339(row.recorded_at),
    )


handlers = [balance, entries]
