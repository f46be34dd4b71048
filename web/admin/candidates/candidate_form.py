"""The form of one candidate, new or stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec.structs import replace as replace_fields

from engine.insights.traffic_checks import candidate_warning
from engine.model.errors import FieldProblem
from engine.model.placement import Candidate
from engine.model.resource import Resource
from web.admin.candidates.candidate_list import METHODS, Noun, base_of, next_position, noun_of
from web.admin.shell import saving
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import Difference, Refused, no_one_else, store, to_document, version_of
from web.admin.shell.forms import Form, Reader, number_text
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page
from web.typed_money import amounts_text

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
NUMBER = re.compile(r"[+-]?\d{1,9}([.,]\d{1,6})?")
HINTS = {
    "id": "Use letters, digits and _ - . : only, such as sepa_debit; at most 64.",
    "label": "Give it a name of at most 120 characters.",
    "countries": "Use two-letter country codes, such as DE, AT, CH.",
    "currencies": "Use three-letter currency codes, such as EUR, USD.",
    "devices": "Use words such as mobile, tablet, desktop.",
    "fee_percent": "Must lie between 0 and 100, such as 1.4.",
    "fee_fixed": "Must be an amount of at least 0, such as 0.25.",
    "min_amount": "Must be an amount of at least 0, such as 50.",
    "max_amount": "Must be an amount of at least 0, such as 1000.",
    "attributes": "At most 10 lines, each of at most 120 characters.",
}
NAMES = {
    "label": "Name",
    "type": "Type",
    "countries": "Countries",
    "currencies": "Currencies",
    "devices": "Devices",
    "min_amount": "Smallest amount",
    "max_amount": "Largest amount",
    "fee_percent": "Fee, share",
    "fee_fixed": "Fee, fixed",
    "attributes": "Attributes",
    "enabled": "Offered",
}


@dataclass(frozen=True)
class CandidateForm:
    """The form of one candidate, new or stored."""

    key: str
    title: str
    action: str
    base: str
    noun: Noun
    form: Form
    currency: str
    saved: bool
    conflicts: list[Difference]
    warning: str = ""


@get(["/methods/-/new", "/placements/{key:str}/candidates/-/new"])
async def new_candidate(frame: NamedDependency[Frame], key: FromPath[str] = METHODS) -> Page:
    """Show an empty form."""
    frame.must_change()
    return frame.page("candidates/candidate.html", _new(frame, key, Form({"enabled": "on"})))


@post(["/methods/-/new", "/placements/{key:str}/candidates/-/new"], status_code=200)
async def create_candidate(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str] = METHODS
) -> Response[Any]:
    """Store a new candidate at the end of the order."""
    frame.must_change()
    values = await typed(request)

    async def write() -> Resource:
        document = document_of(values, frame, position=await next_position(frame, key))
        return await saving.create(frame, key, document)

    try:
        created = await store(values, write, no_one_else, names=NAMES)
    except Refused as refusal:
        context = _new(frame, key, refusal.form)
        return frame.form(
            "candidates/candidate.html", "candidates/_candidate_form.html", context, status=refusal.status
        )
    return frame.go(
        base_of(frame, key),
        notice=Notice(saving.ADDED if saving.into_draft(frame) else f"{created.document.label} is added and in force."),
    )


@get(["/methods/{id:str}", "/placements/{key:str}/candidates/{id:str}"])
async def candidate_page(frame: NamedDependency[Frame], id: FromPath[str], key: FromPath[str] = METHODS) -> Page:
    """Show the form of a stored candidate."""
    resource = await saving.read(frame, "candidate", key, id)
    traffic = await frame.engine.traffic.of(frame.merchant.id, key)
    shown = _stored(frame, key, id, Form(texts_of(resource, frame)))
    warning = candidate_warning(resource.document, traffic, frame.merchant.currency)
    return frame.page("candidates/candidate.html", replace(shown, warning=warning))


@post(["/methods/{id:str}", "/placements/{key:str}/candidates/{id:str}"], status_code=200)
async def save_candidate(
    request: AnyRequest, frame: NamedDependency[Frame], id: FromPath[str], key: FromPath[str] = METHODS
) -> Response[Any]:
    """Store what was edited, unless someone else was faster."""
    frame.must_change()
    values = await typed(request) | {"id": id}
    stored = await saving.read(frame, "candidate", key, id)

    async def write() -> Resource:
        document = replace_fields(
            document_of(values, frame, position=stored.document.position), offer=stored.document.offer
        )
        return await saving.update(frame, key, document, version=version_of(values))

    async def saved_now() -> Mapping[str, str]:
        return texts_of(await saving.read(frame, "candidate", key, id), frame)

    try:
        saved = await store(values, write, saved_now, names=NAMES)
    except Refused as refusal:
        context = _stored(frame, key, id, refusal.form, conflicts=refusal.conflicts)
        return frame.form(
            "candidates/candidate.html", "candidates/_candidate_form.html", context, status=refusal.status
        )
    context = _stored(frame, key, id, Form(texts_of(saved, frame)), saved=True)
    return frame.form("candidates/candidate.html", "candidates/_candidate_form.html", context)


def document_of(values: Mapping[str, str], frame: Frame, *, position: int) -> Candidate:
    """Return the candidate that a form describes; raises `Invalid` with every problem of its texts."""
    reader, currency = Reader(values, frame.show.locale), frame.merchant.currency
    texts: dict[str, Any] = {
        "id": reader.text("id", required="Give it an id, such as paypal"),
        "label": reader.text("label", required="Give it a name"),
        "type": reader.text("type"),
        "countries": reader.countries("countries"),
        "currencies": reader.words("currencies", upper=True),
        "devices": reader.words("devices"),
        "min_amount": reader.amounts("min_amount", currency),
        "max_amount": reader.amounts("max_amount", currency),
        "fee_percent": reader.decimal("fee_percent"),
        "fee_fixed": reader.money("fee_fixed", currency) or 0,
        "attributes": _attributes(reader),
        "position": position,
        "enabled": reader.flag("enabled"),
    }
    reader.check()
    return to_document(texts, Candidate, hints=HINTS)


def _attributes(reader: Reader) -> dict[str, str | float]:
    """Read attributes, one a line: `family: wallet`."""
    attributes: dict[str, str | float] = {}
    for line in reader.lines("attributes"):
        named, _, text = (part.strip() for part in line.partition(":"))
        name = named.lower().replace(" ", "_")
        if not NAME.fullmatch(name) or not text:
            reader.problems.append(FieldProblem("attributes", f"write “{line}” like this: family: wallet"))
        attributes[name] = float(text.replace(",", ".")) if NUMBER.fullmatch(text) else text
    return attributes


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else number_text(value)


def texts_of(resource: Resource, frame: Frame) -> dict[str, str]:
    """Return a stored candidate as its form shows it."""
    candidate: Candidate = resource.document
    currency, locale = frame.merchant.currency, frame.show.locale
    return {
        "id": candidate.id,
        "label": candidate.label,
        "type": candidate.type,
        "countries": ", ".join(candidate.countries),
        "currencies": ", ".join(candidate.currencies),
        "devices": ", ".join(candidate.devices),
        "min_amount": amounts_text(candidate.min_amount, currency, locale),
        "max_amount": amounts_text(candidate.max_amount, currency, locale),
        "fee_percent": number_text(candidate.fee_percent),
        "fee_fixed": amounts_text(candidate.fee_fixed, currency, locale),
        "attributes": "\n".join(f"{name}: {_text(value)}" for name, value in candidate.attributes.items()),
        "enabled": "on" if candidate.enabled else "",
        "version": str(resource.version),
    }


def _new(frame: Frame, key: str, form: Form) -> CandidateForm:
    return _form(frame, key, form, title=f"Add a {noun_of(key).singular}", action=f"{base_of(frame, key)}/-/new")


def _stored(
    frame: Frame, key: str, id: str, form: Form, *, saved: bool = False, conflicts: list[Difference] | None = None
) -> CandidateForm:
    title = form.value("label") or id
    shown = _form(frame, key, form, title=title, action=f"{base_of(frame, key)}/{id}")
    return replace(shown, saved=saved, conflicts=conflicts or [])


def _form(frame: Frame, key: str, form: Form, *, title: str, action: str) -> CandidateForm:
    return CandidateForm(
        key=key,
        title=title,
        action=action,
        base=base_of(frame, key),
        noun=noun_of(key),
        form=form,
        currency=frame.merchant.currency,
        saved=False,
        conflicts=[],
    )


handlers = [new_candidate, create_candidate, candidate_page, save_candidate]
