"""Customers: look up what is stored of one, erase and export it, and answer requests in time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.clock import now_ms
from engine.customers.consents import PurposeState
from engine.customers.lookup import KnownCustomer
from engine.customers.requests import PrivacyRequest
from engine.model.errors import Conflict, FieldProblem, Invalid
from engine.model.timestamps import DAY, rfc3339
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page
from web.customer_files import export_zip
from web.customer_links import link_address
from web.http.request_reading import row_number

TEMPLATE = "customers/customers.html"
MOST_REQUESTS = 200
LONGEST_ID, LONGEST_REASON = 256, 500
DAYS_TO_WARN = 7
BY_TEAM = "by a person of the team"
KINDS = (("correct", "Correct"), ("restrict", "Restrict"), ("erase", "Erase"), ("export", "Export"))
PREFERENCE_NAMES = (
    ("default_method", "Default method"),
    ("favorites", "Favorites"),
    ("excluded", "Excluded methods"),
    ("language", "Language"),
    ("currency", "Currency"),
    ("theme", "Theme"),
    ("notifications", "Notifications"),
    ("categories", "Your own fields"),
)
STATES = {"accepted": ("Accepted", "good"), "refused": ("Refused", "bad"), "unknown": ("Said nothing", "plain")}


@dataclass(frozen=True)
class PreferenceView:
    """A preference in words; `is_inherited`: it is the merchant's default."""

    name: str
    text: str
    is_inherited: bool


@dataclass(frozen=True)
class PurposeView:
    """A purpose, and what the customer said of it."""

    name: str
    state: str
    kind: str
    is_allowed: bool


@dataclass(frozen=True)
class CustomerView:
    """A customer that was looked up. `parts` are name, description and number of rows of what is stored.

    `is_known`: anything is stored beside the look-ups.
    """

    is_personalized: bool
    preferences: Sequence[PreferenceView]
    purposes: Sequence[PurposeView]
    parts: Sequence[tuple[str, str, int]]
    is_known: bool


@dataclass(frozen=True)
class CenterLink:
    """A link to the customer center that was just made; it is shown this once."""

    address: str
    expires_at: int


@dataclass(frozen=True)
class RequestView:
    """A request; `is_late`: its time is over, `is_due`: it is over within a week."""

    id: int
    kind: str
    state: str
    received_at: int
    due_at: int
    closed_at: int | None
    check: str
    explanation: str
    is_late: bool
    is_due: bool


@dataclass(frozen=True)
class CustomersPage:
    """The forms, the customer that was looked up, and the requests: open ones first, by their due dates."""

    form: Form
    customer: CustomerView | None
    requests: Sequence[RequestView]
    link: CenterLink | None = None
    kinds: Sequence[tuple[str, str]] = KINDS


@get("/customers")
async def customers_page(frame: NamedDependency[Frame]) -> Page:
    """Show the requests to everybody in the team; only admins look customers up."""
    return await _page(frame)


@post("/customers/look-up", status_code=200)
async def look_up(request: AnyRequest, frame: NamedDependency[Frame]) -> Page:
    """Show what is stored of a customer. The id stands in the form, never in an address."""
    frame.must_administer()
    reader = Reader(await typed(request))
    customer_id = _customer_id(reader)
    reason = reader.text("reason", required="Say why you look this customer up. The audit log keeps it.")
    try:
        reader.check()
    except Invalid as error:
        return await _refused(frame, reader.values, error)
    stored = await frame.engine.customer_look_up.read(frame.actor, customer_id, reason=reason[:LONGEST_REASON])
    return await _page(frame, Form(reader.values), customer=_customer(stored))


@post("/customers/link", status_code=200)
async def link(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Make a link to the customer center, and show it. The audit log keeps who made it."""
    frame.must_administer()
    values = await typed(request)
    try:
        customer_id = _typed_customer(values)
    except Invalid as error:
        return await _refused(frame, values, error)
    await frame.engine.privacy_requests.note_link(frame.actor, customer_id)
    issued = frame.engine.center_links.issue(frame.actor, customer_id)
    made = CenterLink(link_address(request, issued), issued.expires_at)
    return await _page(frame, Form(values), link=made)


@post("/customers/export", status_code=200)
async def export(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Send everything that is stored of a customer as a ZIP file."""
    frame.must_administer()
    values = await typed(request)
    try:
        customer_id = _typed_customer(values)
    except Invalid as error:
        return await _refused(frame, values, error)
    sections = await frame.engine.customer_rights.export(frame.actor, customer_id, check=BY_TEAM)
    file = await asyncio.to_thread(export_zip, sections, exported_at=rfc3339(now_ms()))
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="customer.zip"'}
    return Response(file, media_type="application/zip", headers=headers)


@post("/customers/erase", status_code=200)
async def erase(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Erase a customer if the id was typed again. This cannot be undone."""
    frame.must_administer()
    reader = Reader(await typed(request))
    customer_id = _customer_id(reader)
    try:
        reader.check()
        if reader.values.get("confirm", "").strip() != customer_id:
            raise Invalid(FieldProblem("confirm", "type the customer's id again to confirm"))
    except Invalid as error:
        return await _refused(frame, reader.values, error)
    _, receipt = await frame.engine.customer_rights.erase(frame.actor, customer_id, check=BY_TEAM)
    decisions = frame.show.count(receipt.decisions, "decision")
    return _back(frame, f"The customer is erased, with {decisions}. Nothing new is stored until they opt in.")


@post("/customers/requests", status_code=200)
async def take_in(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Add a request to the register."""
    frame.must_administer()
    reader = Reader(await typed(request))
    customer_id, kind = _customer_id(reader, "request_customer"), reader.text("kind")
    check = reader.text("identity_check", required="Say how you know who asks")
    try:
        reader.check()
        if kind not in dict(KINDS):
            raise Invalid(FieldProblem("kind", "choose what the customer asks for"))
    except Invalid as error:
        return await _refused(frame, reader.values, error)
    entry = await frame.engine.privacy_requests.take_in(
        frame.actor,
        customer_id,
        kind,  # type: ignore[arg-type]
        identity_check=check[:LONGEST_REASON],
    )
    return _back(frame, f"Request {entry.id} is due {frame.show.moment(entry.due_at)}.")


@post("/customers/requests/{number:int}/close", status_code=200)
async def close(request: AnyRequest, frame: NamedDependency[Frame], number: FromPath[int]) -> Response[Any]:
    """Close a request as done, or as refused with a reason."""
    frame.must_administer()
    values = await typed(request)
    state, explanation = values.get("state", ""), values.get("explanation", "").strip()[:LONGEST_REASON]
    try:
        if state not in ("done", "refused"):
            raise Invalid(FieldProblem("state", "choose done or refused"))
        await frame.engine.privacy_requests.close(frame.actor, row_number(number), state, explanation=explanation)  # type: ignore[arg-type]
    except (Invalid, Conflict) as error:
        message = error.problems[0].message if isinstance(error, Invalid) else error.detail
        form = Form(values).with_problems([FieldProblem(f"close-{number}", message)])
        return await _page(frame, form, status=422 if isinstance(error, Invalid) else 409)
    return _back(frame, f"Request {number} is closed as {state}.")


async def _refused(frame: Frame, values: Mapping[str, str], error: Invalid) -> Page:
    return await _page(frame, Form(values).with_problems(error.problems), status=422)


def _typed_customer(values: Mapping[str, str]) -> str:
    """Return the id that was typed; raise `Invalid`."""
    reader = Reader(values)
    customer_id = _customer_id(reader)
    reader.check()
    return customer_id


def _customer_id(reader: Reader, name: str = "customer_id") -> str:
    customer_id = reader.text(name, required="Type the id that your shop sends")
    if len(customer_id) > LONGEST_ID:
        reader.problems.append(FieldProblem(name, f"has over {LONGEST_ID} characters"))
    return customer_id


def _customer(stored: KnownCustomer) -> CustomerView:
    in_force = stored.preferences
    defaults = {name.partition(".")[0] for name in in_force.inherited}
    preferences = [
        PreferenceView(name, _words(value), is_inherited=field in defaults)
        for field, name in PREFERENCE_NAMES
        if (value := getattr(in_force.preferences, field))
    ]
    purposes = [_purpose(state) for state in stored.consent.purposes]
    parts = [
        (section.name.replace("_", " ").capitalize(), section.about, len(section.rows))
        for section in stored.sections
        if section.name != "preferences"
    ]
    is_known = any(section.rows for section in stored.sections if section.name not in ("preferences", "access"))
    return CustomerView(stored.consent.personalized, preferences, purposes, parts, is_known)


def _purpose(state: PurposeState) -> PurposeView:
    text, kind = STATES[state.state]
    return PurposeView(state.purpose.replace("_", " ").capitalize(), text, kind, state.allowed)


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_words(each)}" for name, each in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _request(row: PrivacyRequest, now: int) -> RequestView:
    is_open = row.state == "open"
    return RequestView(
        row.id,
        dict(KINDS)[row.kind],
        row.state,
        row.received_at,
        row.due_at,
        row.closed_at,
        row.identity_check,
        row.explanation,
        is_late=is_open and row.due_at < now,
        is_due=is_open and now <= row.due_at < now + DAYS_TO_WARN * DAY,
    )


def _back(frame: Frame, text: str) -> Response[Any]:
    return frame.go(f"{frame.base}/customers", notice=Notice(text))


async def _page(
    frame: Frame,
    form: Form | None = None,
    *,
    customer: CustomerView | None = None,
    link: CenterLink | None = None,
    status: int = 200,
) -> Page:
    rows, now = await frame.engine.privacy_requests.newest(frame.merchant.id, limit=MOST_REQUESTS), now_ms()
    page = CustomersPage(form or Form({"kind": "correct"}), customer, [_request(row, now) for row in rows], link)
    return frame.page(TEMPLATE, page, status=status)


handlers = [customers_page, look_up, link, export, erase, take_in, close]
