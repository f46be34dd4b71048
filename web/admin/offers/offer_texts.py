"""Read an offer from the texts of its form, and write it into them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from engine.model.documents.offer import FixedAmount, Offer, OfferText, Percentage
from engine.model.errors import FieldProblem, NotFound
from engine.model.placement import Candidate
from engine.model.resource import Resource
from engine.model.timestamps import ms_of
from web.admin.shell.editing import to_document
from web.admin.shell.forms import Reader, moment_text, number_text
from web.admin.shell.frame import Frame
from web.format import Show
from web.typed_money import amounts_text

PLACEMENT = "offers"
MOST_LANGUAGES = 50
LOCALE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")
NAMES = {
    "label": "Name",
    "benefit": "Takes off",
    "percent": "Percentage",
    "most": "At most",
    "budgets": "Paid by",
    "title": "Title",
    "terms": "Terms",
    "locale": "Language",
    "codes": "Code",
    "code": "Code for everybody",
    "starts_at": "Starts",
    "ends_at": "Ends",
    "min_amount": "Smallest cart",
    "stackable": "May be combined",
    "cooldown": "Not again for",
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
    "offer/codes": "codes",
    "offer/cooldown_hours": "cooldown",
    "offer/starts_at": "starts_at",
    "offer/ends_at": "ends_at",
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
    "offer/codes": "Choose which code customers get.",
    "offer/cooldown_hours": "Must be a whole number of hours from 0 to 8,784.",
    "min_amount": "Must be an amount of at least 0, such as 50.",
}


def document_of(values: Mapping[str, str], frame: Frame, before: Candidate | None) -> Candidate:
    """Return the offer that a form describes; what the form does not show stays as it was `before`."""
    reader, old = Reader(values, frame.show.locale), before.offer if before else None
    currency = old.currency if old else frame.merchant.currency
    offer = {
        **(msgspec.to_builtins(old) if old else {}),
        "currency": currency,
        "benefit": benefit_of(reader, currency),
        "budgets": [name.removeprefix("budget:") for name in values if name.startswith("budget:")],
        "texts": _texts(reader, first_locale(frame)),
        "codes": reader.text("codes") or "fixed",
        "code": reader.text("code") if reader.text("codes") in ("", "fixed") else "",
        "stackable": reader.flag("stackable"),
        "cooldown_hours": reader.integer("cooldown"),
        **_window(reader, old, frame.show),
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
    offer = offer_of(candidate)
    locale, benefit = frame.show.locale, offer.benefit
    most = benefit.amount if isinstance(benefit, FixedAmount) else benefit.maximum
    return {
        "id": candidate.id,
        "label": candidate.label,
        "benefit": msgspec.to_builtins(benefit)["type"],
        "percent": number_text(benefit.percent) if isinstance(benefit, Percentage) else "",
        "most": amounts_text(most, offer.currency, locale),
        **_language_fields(offer.texts),
        "codes": offer.codes,
        "code": offer.code,
        "starts_at": moment_text(offer.starts_at, frame.show.zone),
        "ends_at": moment_text(offer.ends_at, frame.show.zone),
        "min_amount": amounts_text(candidate.min_amount, offer.currency, locale),
        "stackable": "on" if offer.stackable else "",
        "cooldown": str(offer.cooldown_hours or ""),
        "enabled": "on" if candidate.enabled else "",
        "version": str(stored.version),
        "budgets": ", ".join(offer.budgets),
        **{f"budget:{id}": "on" for id in offer.budgets},
    }


def offer_of(candidate: Candidate) -> Offer:
    """Return the offer of a candidate; raise `NotFound` where it has none."""
    if candidate.offer is None:
        raise NotFound(f"“{candidate.id}” is no offer")
    return candidate.offer


def names_of(values: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of the form's fields, with those of its further languages."""
    ends = endings(values)[1:]
    further = {f"{name}{end}": f"{NAMES[name]} {end[1:]}" for end in ends for name in ("locale", "title", "terms")}
    return NAMES | further


def endings(values: Mapping[str, str]) -> list[str]:
    """Return the ends of the fields' names by language: empty for the first one, then `.1`, `.2`."""
    count = Reader(values).text("languages")
    number = min(int(count), MOST_LANGUAGES) if count.isdecimal() and len(count) < 4 else 1
    return ["", *(f".{further}" for further in range(1, number))]


def with_language(values: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of a form with room for one more language."""
    return {**values, "languages": str(min(len(endings(values)) + 1, MOST_LANGUAGES))}


def benefit_of(reader: Reader, currency: str) -> dict[str, Any]:
    """Return what the form takes off, as a document."""
    kind, most = reader.text("benefit"), reader.money("most", currency)
    if kind == "fixed_amount":
        return {"type": kind, "amount": most or 0}
    percent = {"percent": reader.decimal("percent")} if kind == "percentage" else {}
    return {"type": kind, **percent, "maximum": most or 0}


def _window(reader: Reader, old: Offer | None, show: Show) -> dict[str, str | None]:
    starts = reader.moment("starts_at", show.zone, old=old.starts_at if old else None)
    ends = reader.moment("ends_at", show.zone, old=old.ends_at if old else None)
    begin, end = (ms_of(text) if text else None for text in (starts, ends))
    if begin is not None and end is not None and begin >= end:
        reader.problems.append(FieldProblem("ends_at", "must be after the start, or nobody ever gets it"))
    return {"starts_at": starts, "ends_at": ends}


def first_locale(frame: Frame) -> str:
    """Return the language of the merchant's customers, for an offer that names none."""
    return frame.merchant.locale.partition("-")[0] or "en"


def _texts(reader: Reader, usual: str) -> dict[str, dict[str, str]]:
    """Return the texts by locale, the first language first; a further one without any text is left out."""
    texts: dict[str, dict[str, str]] = {}
    for end in endings(reader.values):
        locale, title, terms = (reader.text(f"{name}{end}") for name in ("locale", "title", "terms"))
        if end and not (locale or title or terms):
            continue
        locale = locale if end else locale or usual
        reader.text(f"title{end}", required="Give customers a title")
        if not LOCALE.fullmatch(locale):
            reader.problems.append(FieldProblem(f"locale{end}", "use a language code, such as de, or de-AT"))
        elif locale in texts:
            reader.problems.append(FieldProblem(f"locale{end}", "this language has its texts above"))
        texts[locale] = {"title": title, "terms": terms}
    return texts


def _language_fields(texts: Mapping[str, OfferText]) -> dict[str, str]:
    fields = {"languages": str(len(texts))}
    for number, (locale, text) in enumerate(texts.items()):
        end = f".{number}" if number else ""
        fields |= {f"locale{end}": locale, f"title{end}": text.title, f"terms{end}": text.terms}
    return fields
