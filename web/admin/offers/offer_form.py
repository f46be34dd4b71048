"""The form of one offer, new or stored, in the placement `offers`, with the card that customers will see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.model.documents.offer import OfferBudget
from engine.model.resource import Resource
from rules.language.codes import CURRENCIES
from web.admin.candidates.candidate_list import documents_of
from web.admin.offers.offer_card import OfferCard, card_of
from web.admin.offers.offer_cost import CostBox, box_of
from web.admin.offers.offer_texts import (
    FIELDS,
    MOST_LANGUAGES,
    PLACEMENT,
    document_of,
    endings,
    first_locale,
    names_of,
    offer_of,
    texts_of,
    with_language,
)
from web.admin.offers.offer_words import cap_text
from web.admin.shell import saving
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import Difference, Refused, no_one_else, store, version_of
from web.admin.shell.forms import Form
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page

WHOLE, FORM = "offers/offer.html", "offers/_offer_form.html"
ONLY_SHOWS = ("language_add", "card")
"""What the form may be sent for besides storing it: one more language, and the card anew."""


@dataclass(frozen=True)
class OfferForm:
    """The form of an offer; `budgets` are those in its currency, as (id, name, cap).

    `languages` are the ends of the names of each language's fields; `cost` is None for a new offer.
    """

    title: str
    action: str
    base: str
    form: Form
    saved: bool
    conflicts: Sequence[Difference]
    currency: str
    budgets: Sequence[tuple[str, str, str]]
    languages: Sequence[str]
    may_add_language: bool
    card: OfferCard
    cost: CostBox | None


@dataclass(frozen=True)
class CardView:
    """The card alone, while its form is being filled in."""

    card: OfferCard


@get("/offers/-/new")
async def new_offer(frame: NamedDependency[Frame]) -> Page:
    """Show an empty form."""
    frame.must_change()
    form = Form({"benefit": "percentage", "enabled": "on", "stackable": "on", "locale": first_locale(frame)})
    return frame.page(WHOLE, await _page(frame, None, form))


@post("/offers/-/new", status_code=200)
async def create_offer(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Store a new offer at the end of the order."""
    frame.must_change()
    values = await typed(request)
    if values.get("act") in ONLY_SHOWS:
        return frame.form(WHOLE, FORM, await _page(frame, None, _not_stored(values)))

    async def write() -> Resource:
        document = document_of(values, frame, None)
        last = max((candidate.position for candidate in await documents_of(frame, PLACEMENT)), default=-1)
        return await saving.create(frame, PLACEMENT, msgspec.structs.replace(document, position=last + 1))

    try:
        created = await store(values, write, no_one_else, names=names_of(values), form_fields=FIELDS)
    except Refused as refusal:
        return frame.form(WHOLE, FORM, await _page(frame, None, refusal.form), status=refusal.status)
    text = saving.ADDED if saving.into_draft(frame) else f"{created.document.label} is added and in force."
    return frame.go(f"{frame.base}/offers", notice=Notice(text))


@get("/offers/{id:str}")
async def offer_page(frame: NamedDependency[Frame], id: FromPath[str]) -> Page:
    """Show the form of a stored offer."""
    stored = await _read(frame, id)
    return frame.page(WHOLE, await _page(frame, stored, Form(texts_of(stored, frame))))


@post("/offers/{id:str}", status_code=200)
async def save_offer(request: AnyRequest, frame: NamedDependency[Frame], id: FromPath[str]) -> Response[Any]:
    """Store what was edited, unless someone else was faster."""
    frame.must_change()
    values = await typed(request) | {"id": id}
    before = await _read(frame, id)
    if values.get("act") in ONLY_SHOWS:
        return frame.form(WHOLE, FORM, await _page(frame, before, _not_stored(values)))

    async def write() -> Resource:
        document = document_of(values, frame, before.document)
        return await saving.update(frame, PLACEMENT, document, version=version_of(values))

    async def saved_now() -> Mapping[str, str]:
        return texts_of(await _read(frame, id), frame)

    try:
        saved = await store(values, write, saved_now, names=names_of(values), form_fields=FIELDS)
    except Refused as refusal:
        page = replace(await _page(frame, before, refusal.form), conflicts=refusal.conflicts)
        return frame.form(WHOLE, FORM, page, status=refusal.status)
    page = replace(await _page(frame, saved, Form(texts_of(saved, frame))), saved=True)
    return frame.form(WHOLE, FORM, page)


@post("/offers/-/card", status_code=200)
async def show_card(request: AnyRequest, frame: NamedDependency[Frame]) -> Page:
    """Show the card of what stands in the form now."""
    frame.must_change()
    values = await typed(request)
    currency = values.get("currency", "")
    card = card_of(values, frame, currency if currency in CURRENCIES else frame.merchant.currency)
    return frame.page("offers/_offer_card.html", CardView(card))


def _not_stored(values: Mapping[str, str]) -> Form:
    """Return the form as it was sent, with one more language where that was asked for."""
    return Form(with_language(values) if values["act"] == "language_add" else values)


async def _read(frame: Frame, id: str) -> Resource:
    stored = await saving.read(frame, "candidate", PLACEMENT, id)
    offer_of(stored.document)
    return stored


async def _page(frame: Frame, stored: Resource | None, form: Form) -> OfferForm:
    """Return the page of a form, of an offer that is new where nothing is `stored`."""
    currency = offer_of(stored.document).currency if stored else frame.merchant.currency
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    documents: tuple[OfferBudget, ...] = configuration.documents("budget")
    budgets = [
        (document.id, document.name, cap_text(document, frame.show))
        for document in sorted(documents, key=lambda document: document.name.casefold())
        if document.currency == currency
    ]
    base = f"{frame.base}/offers"
    languages = endings(form.values)
    return OfferForm(
        title=stored.document.label if stored else "New offer",
        action=f"{base}/{stored.id if stored else '-/new'}",
        base=base,
        form=form,
        saved=False,
        conflicts=(),
        currency=currency,
        budgets=budgets,
        languages=languages,
        may_add_language=len(languages) < MOST_LANGUAGES,
        card=card_of(form.values, frame, currency),
        cost=await box_of(frame, stored.id) if stored else None,
    )


handlers = [new_offer, create_offer, offer_page, save_offer, show_card]
