"""The form of one offer, new or stored, in the placement `offers`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.model.documents.offer import FixedAmount, Offer, OfferBudget, Percentage
from engine.model.errors import NotFound
from engine.model.placement import Candidate
from engine.model.resource import Resource
from web.admin.candidates.candidate_list import documents_of
from web.admin.offers.offer_words import cap_text
from web.admin.shell import saving
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import Difference, Refused, no_one_else, store, to_document, version_of
from web.admin.shell.forms import Form, Reader, number_text
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page
from web.typed_money import amounts_text

PLACEMENT = "offers"
WHOLE, FORM = "offers/offer.html", "offers/_offer_form.html"
NAMES = {
    "label": "Name",
    "benefit": "Takes off",
    "percent": "Percentage",
    "most": "At most",
    "budgets": "Paid by",
    "title": "Title",
    "terms": "Terms",
    "code": "Code",
    "min_amount": "Smallest cart",
    "enabled": "Shown to customers",
}
FIELDS = {
    "offer/benefit/percent": "percent",
    "offer/benefit/maximum": "most",
    "offer/benefit/amount": "most",
    "offer/benefit": "benefit",
    "offer/budgets": "budgets",
    "offer/texts": "title",
    "offer/code": "code",
}
"""The fields of the form for parts of the document."""
HINTS = {
    "id": "Use letters, digits and _ - . : only, such as spring-10; at most 64.",
    "label": "Give it a name of at most 120 characters.",
    "offer": "Choose what it takes off.",
    "offer/benefit/percent": "Must be more than 0 and at most 100.",
    "offer/benefit/maximum": "Must be more than 0: the most that one use may cost.",
    "offer/benefit/amount": "Must be more than 0, such as 5.",
    "offer/budgets": "Choose at least one budget, and at most eight.",
    "offer/texts": "Give customers a title of at most 120 characters, and terms of at most 2,000.",
    "offer/code": "Use letters, digits, - and _, at most 64.",
    "min_amount": "Must be an amount of at least 0, such as 50.",
}


@dataclass(frozen=True)
class OfferForm:
    """The form of an offer; `budgets` are those in its currency, as (id, name, cap)."""

    title: str
    action: str
    base: str
    form: Form
    saved: bool
    theirs: Sequence[Difference]
    currency: str
    budgets: Sequence[tuple[str, str, str]]


@get("/offers/new")
async def new_offer(frame: NamedDependency[Frame]) -> Page:
    """Show an empty form."""
    frame.must_change()
    form = Form({"benefit": "percentage", "enabled": "on"})
    return frame.page(WHOLE, await _page(frame, "New offer", "new", form, frame.merchant.currency))


@post("/offers/new", status_code=200)
async def create_offer(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Store a new offer at the end of the order."""
    frame.must_change()
    values = await typed(request)

    async def write() -> Resource:
        document = document_of(values, frame, None)
        last = max((candidate.position for candidate in await documents_of(frame, PLACEMENT)), default=-1)
        return await saving.create(frame, PLACEMENT, msgspec.structs.replace(document, position=last + 1))

    try:
        created = await store(values, write, no_one_else, names=NAMES, places=FIELDS)
    except Refused as refusal:
        page = await _page(frame, "New offer", "new", refusal.form, frame.merchant.currency)
        return frame.form(WHOLE, FORM, page, status=refusal.status)
    text = saving.ADDED if saving.into_draft(frame) else f"{created.document.label} is added and in force."
    return frame.go(f"{frame.base}/offers", notice=Notice(text))


@get("/offers/{id:str}")
async def offer_page(frame: NamedDependency[Frame], id: FromPath[str]) -> Page:
    """Show the form of a stored offer."""
    stored = await _read(frame, id)
    return frame.page(WHOLE, await _stored(frame, stored, Form(texts_of(stored, frame))))


@post("/offers/{id:str}", status_code=200)
async def save_offer(request: AnyRequest, frame: NamedDependency[Frame], id: FromPath[str]) -> Response[Any]:
    """Store what was edited, unless someone else was faster."""
    frame.must_change()
    values = await typed(request) | {"id": id}
    before = await _read(frame, id)

    async def write() -> Resource:
        document = document_of(values, frame, before.document)
        return await saving.update(frame, PLACEMENT, document, version=version_of(values))

    async def saved_now() -> Mapping[str, str]:
        return texts_of(await _read(frame, id), frame)

    try:
        saved = await store(values, write, saved_now, names=NAMES, places=FIELDS)
    except Refused as refusal:
        page = await _stored(frame, before, refusal.form, theirs=refusal.theirs)
        return frame.form(WHOLE, FORM, page, status=refusal.status)
    return frame.form(WHOLE, FORM, await _stored(frame, saved, Form(texts_of(saved, frame)), saved=True))


def document_of(values: Mapping[str, str], frame: Frame, before: Candidate | None) -> Candidate:
    """Return the offer that a form describes; what the form does not show stays as it was `before`."""
    reader, old = Reader(values, frame.show.locale), before.offer if before else None
    currency = old.currency if old else frame.merchant.currency
    offer = {
        **(msgspec.to_builtins(old) if old else {}),
        "currency": currency,
        "benefit": _benefit(reader, currency),
        "budgets": [name.removeprefix("budget:") for name in values if name.startswith("budget:")],
        "texts": _texts(reader, frame, old),
        "code": reader.text("code"),
    }
    texts: dict[str, Any] = {
        **(msgspec.to_builtins(before) if before else {"position": 0}),
        "id": reader.text("id", required="Give it an id, such as spring-10"),
        "label": reader.text("label", required="Give it a name"),
        "min_amount": reader.amounts("min_amount", currency),
        "enabled": reader.flag("enabled"),
        "offer": offer,
    }
    reader.check()
    return to_document(texts, Candidate, hints=HINTS)


def texts_of(stored: Resource, frame: Frame) -> dict[str, str]:
    """Return a stored offer as its form shows it."""
    candidate: Candidate = stored.document
    offer = _offer_of(candidate)
    locale, benefit = frame.show.locale, offer.benefit
    most = benefit.amount if isinstance(benefit, FixedAmount) else benefit.maximum
    first = next(iter(offer.texts.values()))
    return {
        "id": candidate.id,
        "label": candidate.label,
        "benefit": msgspec.to_builtins(benefit)["type"],
        "percent": number_text(benefit.percent) if isinstance(benefit, Percentage) else "",
        "most": amounts_text(most, offer.currency, locale),
        "title": first.title,
        "terms": first.terms,
        "code": offer.code,
        "min_amount": amounts_text(candidate.min_amount, offer.currency, locale),
        "enabled": "on" if candidate.enabled else "",
        "version": str(stored.version),
        "budgets": ", ".join(offer.budgets),
        **{f"budget:{id}": "on" for id in offer.budgets},
    }


def _benefit(reader: Reader, currency: str) -> dict[str, Any]:
    kind, most = reader.text("benefit"), reader.money("most", currency)
    if kind == "fixed_amount":
        return {"type": kind, "amount": most or 0}
    percent = {"percent": reader.decimal("percent")} if kind == "percentage" else {}
    return {"type": kind, **percent, "maximum": most or 0}


def _texts(reader: Reader, frame: Frame, old: Offer | None) -> dict[str, dict[str, str]]:
    """Return the texts by locale: the first is the form's, the others stay."""
    others: dict[str, dict[str, str]] = msgspec.to_builtins(old.texts) if old else {}
    first = next(iter(others), frame.merchant.locale.partition("-")[0] or "en")
    own = {"title": reader.text("title", required="Give customers a title"), "terms": reader.text("terms")}
    return {first: own, **{locale: text for locale, text in others.items() if locale != first}}


async def _read(frame: Frame, id: str) -> Resource:
    stored = await saving.read(frame, "candidate", PLACEMENT, id)
    _offer_of(stored.document)
    return stored


def _offer_of(candidate: Candidate) -> Offer:
    if candidate.offer is None:
        raise NotFound(f"“{candidate.id}” is no offer")
    return candidate.offer


async def _stored(
    frame: Frame, stored: Resource, form: Form, *, saved: bool = False, theirs: Sequence[Difference] = ()
) -> OfferForm:
    currency = _offer_of(stored.document).currency
    page = await _page(frame, stored.document.label, stored.id, form, currency)
    return OfferForm(page.title, page.action, page.base, form, saved, theirs, page.currency, page.budgets)


async def _page(frame: Frame, title: str, last: str, form: Form, currency: str) -> OfferForm:
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    documents: tuple[OfferBudget, ...] = configuration.documents("budget")
    budgets = [
        (document.id, document.name, cap_text(document, frame.show))
        for document in sorted(documents, key=lambda document: document.name.casefold())
        if document.currency == currency
    ]
    base = f"{frame.base}/offers"
    return OfferForm(title, f"{base}/{last}", base, form, False, (), currency, budgets)


handlers = [new_offer, create_offer, offer_page, save_offer]
