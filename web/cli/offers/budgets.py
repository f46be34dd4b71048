"""`tap2 budget` and `tap2 offers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from engine.clock import now_ms
from engine.kernel.offers.availability import window_reason
from engine.model.account import Mode
from engine.model.documents.offer import Offer
from engine.model.offers.hold import Balance, BalanceKey
from engine.model.placement import Candidate
from engine.offers.budgets import BudgetBalance
from engine.offers.verification import BalanceDifference
from engine.service import Engine
from web.cli.common import as_json, show, with_engine


def of_merchant(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a side of a merchant."""
    for option in (
        click.option("--merchant", required=True, help="The merchant's slug."),
        click.option("--test", "is_test", is_flag=True, help="Use the test side instead of the live side."),
    ):
        command = option(command)
    return as_json(command)


@click.group()
def budget() -> None:
    """Budgets of offers: what they spent, and whether the books agree."""


@budget.command("list")
@of_merchant
def budget_list(*, merchant: str, is_test: bool, json: bool) -> None:
    """List budgets with what is held and spent now."""

    async def work(engine: Engine) -> list[dict[str, Any]]:
        side = await engine.accounts.merchant(merchant, mode_of(is_test))
        return [_budget_row(row) for row in await engine.budgets.page(side.id, now=now_ms())]

    show(with_engine(work), json=json)


@budget.command("verify")
@of_merchant
def budget_verify(*, merchant: str, is_test: bool, json: bool) -> None:
    """Compare ledger, balances, holds and codes; exit status 1 where they differ."""

    async def work(engine: Engine) -> dict[str, Any]:
        side = await engine.accounts.merchant(merchant, mode_of(is_test))
        verification = await engine.budgets.verify(side.id)
        return {
            "same": verification.is_same,
            "balances": verification.balances,
            "holds": verification.holds,
            "codes": verification.codes,
            "over_cap": [_name(key) for key in verification.over_cap],
            "differences": [_difference_row(difference) for difference in verification.differences],
            "code_differences": [difference._asdict() for difference in verification.code_differences],
        }

    result = with_engine(work)
    show(result, json=json)
    if not result["same"]:
        raise SystemExit(1)


@click.group()
def offers() -> None:
    """Offers: the candidates with a discount."""


@offers.command("list")
@click.option("--placement", default="offers", show_default=True, help="The placement's key.")
@of_merchant
def offers_list(*, placement: str, merchant: str, is_test: bool, json: bool) -> None:
    """List the offers of a placement, in their order."""

    async def work(engine: Engine) -> list[dict[str, Any]]:
        side = await engine.accounts.merchant(merchant, mode_of(is_test))
        candidates = [row.document for row in await engine.catalogue.page(side.id, "candidate", placement)]
        candidates.sort(key=lambda candidate: (candidate.position, candidate.id))
        return [_offer_row(candidate, candidate.offer) for candidate in candidates if candidate.offer is not None]

    show(with_engine(work), json=json)


def _budget_row(row: BudgetBalance) -> dict[str, Any]:
    document = row.budget
    return {
        "id": document.id,
        "currency": document.currency,
        "amount": document.amount,
        "uses": document.uses,
        "period": document.period,
        "scope": document.scope,
        **row.balance._asdict(),
        "left": row.left,
    }


def _offer_row(candidate: Candidate, offer: Offer) -> dict[str, Any]:
    state = window_reason(offer, now_ms()) or "offered"
    return {
        "id": candidate.id,
        "label": candidate.label,
        "benefit": offer.benefit,
        "currency": offer.currency,
        "budgets": offer.budgets,
        "code": offer.code,
        "state": state if candidate.enabled else "paused",
    }


def _difference_row(difference: BalanceDifference) -> dict[str, Any]:
    key, *balances = difference
    named = zip(("ledger", "stored", "holds"), balances, strict=True)
    return {"balance": _name(key), **{name: _plain(balance) for name, balance in named}}


def _plain(balance: Balance) -> dict[str, int]:
    return balance._asdict()


def _name(key: BalanceKey) -> str:
    parts = (key.budget, f"day {key.period}" if key.period else "", key.customer)
    return " / ".join(part for part in parts if part)


def mode_of(is_test: bool) -> Mode:
    return "test" if is_test else "live"
