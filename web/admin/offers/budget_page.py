"""One budget: its caps, what it has spent, the offers that it pays for, and its ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.model.documents.offer import OfferBudget, Pacing
from engine.model.offers.hold import LedgerFilter
from engine.model.resource import Resource
from web.admin.offers.budget_course import course_of
from web.admin.offers.ledger_page import EntryRow, entries_of
from web.admin.offers.offer_list import BudgetRow, OfferRow, budget_row, offer_rows
from web.admin.offers.offer_words import paced_text
from web.admin.shell import saving
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import Difference, Refused, no_one_else, store, to_document, version_of
from web.admin.shell.forms import Form, Reader, moment_text
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page
from web.charts.candidate_charts import Spec
from web.typed_money import amounts_text

WHOLE, FORM = "offers/budget.html", "offers/_budget_form.html"
NAMES = {
    "name": "Name",
    "currency": "Currency",
    "period": "Period",
    "scope": "Counts for",
    "amount": "Largest amount",
    "uses": "Largest number of uses",
    "paced_from": "Spread from",
    "paced_until": "Spread until",
}
FIELDS = {"pacing": "paced_from", "pacing/starts_at": "paced_from", "pacing/ends_at": "paced_until"}
"""The form's fields of the document's."""
HINTS = {
    "id": "Use letters, digits, - and _, at most 64 of them.",
    "name": "Give it a name of at most 120 characters.",
    "currency": "Use a three-letter currency code, such as EUR.",
    "amount": "Must be an amount of at least 0, such as 500.",
    "uses": "Must be a whole number of at least 0.",
}


@dataclass(frozen=True)
class BudgetPage:
    """The form of a budget; `glance` is None for a new one. `next` is the address of older entries.

    The `message` is what the `chart` shows; there is none before something was spent.
    """

    title: str
    action: str
    base: str
    form: Form
    saved: bool
    conflicts: Sequence[Difference]
    glance: BudgetRow | None
    offers: Sequence[OfferRow]
    entries: Sequence[EntryRow]
    next: str
    paced: str = ""
    chart: Spec | None = None
    message: str = ""
    explained: str = ""
    measured: str = ""


@get("/budgets/-/new")
async def new_budget(frame: NamedDependency[Frame]) -> Page:
    """Show an empty form."""
    frame.must_change()
    form = Form({"currency": frame.merchant.currency, "period": "total", "scope": "everybody"})
    return frame.page(WHOLE, _new(frame, form))


@post("/budgets/-/new", status_code=200)
async def create_budget(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Make a budget."""
    frame.must_change()
    values = await typed(request)

    async def write() -> Resource:
        return await saving.create(frame, "", document_of(values, frame))

    try:
        created = await store(values, write, no_one_else, names=NAMES, form_fields=FIELDS)
    except Refused as refusal:
        return frame.form(WHOLE, FORM, _new(frame, refusal.form), status=refusal.status)
    text = saving.ADDED if saving.into_draft(frame) else f"{created.document.name} is ready. Offers can name it now."
    return frame.go(f"{frame.base}/offers", notice=Notice(text))


@get("/budgets/{id:str}")
async def budget_page(frame: NamedDependency[Frame], id: FromPath[str], before: FromQuery[str] = "") -> Page:
    """Show a budget with its ledger, from behind `before`."""
    stored = await saving.read(frame, "budget", "", id)
    return frame.page(WHOLE, await _stored(frame, stored, Form(texts_of(stored, frame)), before=before))


@post("/budgets/{id:str}", status_code=200)
async def save_budget(request: AnyRequest, frame: NamedDependency[Frame], id: FromPath[str]) -> Response[Any]:
    """Store new caps, unless someone else was faster."""
    frame.must_change()
    before = await saving.read(frame, "budget", "", id)
    fixed = {name: getattr(before.document, name) for name in ("currency", "period", "scope")}
    values = {**await typed(request), "id": id, **fixed}

    async def write() -> Resource:
        return await saving.update(frame, "", document_of(values, frame, before.document), version=version_of(values))

    async def saved_now() -> Mapping[str, str]:
        return texts_of(await saving.read(frame, "budget", "", id), frame)

    try:
        saved = await store(values, write, saved_now, names=NAMES, form_fields=FIELDS)
    except Refused as refusal:
        page = await _stored(frame, before, refusal.form, conflicts=refusal.conflicts)
        return frame.form(WHOLE, FORM, page, status=refusal.status)
    page = await _stored(frame, saved, Form(texts_of(saved, frame)), saved=True)
    return frame.form(WHOLE, FORM, page)


def document_of(values: Mapping[str, str], frame: Frame, before: OfferBudget | None = None) -> OfferBudget:
    """Return the budget that a form describes, the rest as `before`; raise `Invalid` with every problem."""
    reader = Reader(values, frame.show.locale)
    currency = reader.text("currency", required="Give it a currency, such as EUR").upper()
    texts: dict[str, Any] = {
        "id": reader.text("id", required="Give it an id, such as spring"),
        "name": reader.text("name", required="Give it a name"),
        "currency": currency,
        "amount": reader.money("amount", currency),
        "uses": reader.integer("uses") if reader.text("uses") else None,
        "period": reader.text("period") or "total",
        "scope": reader.text("scope") or "everybody",
        "pacing": _pacing(reader, frame, before.pacing if before is not None else None),
    }
    return to_document(texts, OfferBudget, hints=HINTS, problems=reader.problems)


def _pacing(reader: Reader, frame: Frame, old: Pacing | None) -> dict[str, str] | None:
    """Return the time over which a budget is spread; None where both of its fields are empty."""
    if not (reader.text("paced_from") or reader.text("paced_until")):
        return None
    for name in ("paced_from", "paced_until"):
        reader.text(name, required="Give both a beginning and an end, or neither")
    zone = frame.show.zone
    starts = reader.moment("paced_from", zone, old=old.starts_at if old else None)
    ends = reader.moment("paced_until", zone, old=old.ends_at if old else None)
    return {"starts_at": starts or "", "ends_at": ends or ""}


def texts_of(stored: Resource, frame: Frame) -> dict[str, str]:
    """Return a budget as its form shows it."""
    budget: OfferBudget = stored.document
    return {
        "id": budget.id,
        "name": budget.name,
        "currency": budget.currency,
        "amount": amounts_text(budget.amount, budget.currency, frame.show.locale),
        "uses": "" if budget.uses is None else str(budget.uses),
        "period": budget.period,
        "scope": budget.scope,
        "paced_from": moment_text(budget.pacing.starts_at if budget.pacing else None, frame.show.zone),
        "paced_until": moment_text(budget.pacing.ends_at if budget.pacing else None, frame.show.zone),
        "version": str(stored.version),
    }


def _new(frame: Frame, form: Form) -> BudgetPage:
    action = f"{frame.base}/budgets/-/new"
    return BudgetPage("New budget", action, f"{frame.base}/offers", form, False, (), None, (), (), "")


async def _stored(
    frame: Frame,
    stored: Resource,
    form: Form,
    *,
    saved: bool = False,
    conflicts: Sequence[Difference] = (),
    before: str = "",
) -> BudgetPage:
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    balances = await frame.engine.budgets.page(frame.merchant.id, now=frame.show.now)
    # A budget that is not published yet has no balance.
    balance = next((row for row in balances if row.budget.id == stored.id), None)
    entries, following = await entries_of(frame, LedgerFilter(budget=stored.id), before)
    course = await course_of(frame, balance) if balance and entries else None
    address = f"{frame.base}/budgets/{stored.id}"
    return BudgetPage(
        title=stored.document.name,
        action=address,
        base=f"{frame.base}/offers",
        form=form,
        saved=saved,
        conflicts=conflicts,
        glance=budget_row(frame, balance) if balance else None,
        offers=await offer_rows(frame, configuration, balances, budget=stored.id),
        entries=entries,
        next=f"{address}?before={following}" if following else "",
        paced=paced_text(stored.document, frame.show),
        chart=course.chart if course else None,
        message=course.message if course else "",
        explained=course.explained if course else "",
        measured=course.measured if course else "",
    )


handlers = [new_budget, create_budget, budget_page, save_budget]
