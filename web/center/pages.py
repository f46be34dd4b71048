"""The customer center: what is known of a customer, and what they can do about it."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from engine.clock import now_ms
from engine.customers.center import OwnData
from engine.model.errors import Invalid
from engine.model.timestamps import rfc3339
from web.admin.shell.render import ENVIRONMENT, Page, html, names_of
from web.center.admission import (
    AnyRequest,
    Closed,
    Customer,
    cookie,
    is_from_own_page,
    language_of,
)
from web.center.languages import LANGUAGES, Language
from web.center.preference_form import PreferenceValues, change_of, stored_values, typed_values
from web.center.views import (
    CenterFrame,
    CenterWords,
    ErasedPage,
    MessagePage,
    notice_of,
    page_of,
    purposes_of,
    show_for,
)
from web.customer_files import export_zip
from web.customer_links import CENTER, OPEN
from web.http.access import engine_of
from web.http.middleware.base_path import browser_path

DONE = ("done_purposes", "done_preferences", "done_opt_out")
CLOSED = MessagePage("closed", "closed_text")


class CenterContent(NamedTuple):
    """The data of a customer, the words for it, and how many days decisions are kept."""

    data: OwnData
    words: CenterWords
    retention_days: int

    @property
    def language(self) -> Language:
        return self.words.language

    @property
    def preferences(self) -> PreferenceValues:
        return stored_values(self.data.preferences.preferences, self.words.methods)


@get(OPEN)
async def entry(request: AnyRequest) -> Page:
    """Show the page that a link leads to: it posts the secret in its address, which no server log has seen."""
    return message_page(request, MessagePage("closed", "closed_text", opens=True), status=200)


@post(OPEN, status_code=303)
async def open_link(request: AnyRequest) -> Response[Any]:
    """Exchange the secret of a link for a cookie; raise `Closed`."""
    engine = engine_of(request)
    visit = engine.center_links.open("link", (await typed(request)).get("link", ""))
    request.state.visit = visit
    if visit is None or visit.expires_at <= now_ms() or not is_from_own_page(request):
        raise Closed("the link is not valid")
    response = Redirect(browser_path(CENTER), status_code=303)
    response.set_cookie(cookie(request, engine.center_links.follow(visit)))
    return response


@get("/")
async def center(request: AnyRequest, customer: NamedDependency[Customer]) -> Page:
    """Show everything."""
    done = request.query_params.get("done", "")
    return _page(customer, await _read(request, customer), done=done if done in DONE else "")


@post("/purposes", status_code=303)
async def save_purposes(request: AnyRequest, customer: NamedDependency[Customer]) -> Response[Any]:
    """Save which purposes the customer allows."""
    data, words, _ = await _read(request, customer)
    choices = purposes_of(data, words)
    values = await typed(request)
    chosen = {choice.id: values.get(f"purpose-{choice.id}") == "on" for choice in choices}
    await customer.engine.customer_center.save_purposes(customer.visit, chosen, notice_of(choices))
    return _back(request, "done_purposes")


@post("/preferences", status_code=303)
async def save_preferences(request: AnyRequest, customer: NamedDependency[Customer]) -> Response[Any]:
    """Save what the customer wants of payment methods, and their language."""
    content = await _read(request, customer)
    stored, preferences = content.preferences, typed_values(await typed(request), content.preferences)
    if preferences.contradict:
        return _page(customer, content, preferences, problem="contradiction", status=422)
    change = change_of(preferences, stored, content.data.preferences.preferences)
    try:
        await customer.engine.customer_center.save_preferences(customer.visit, change)
    except Invalid:
        return _page(customer, content, preferences, problem="changed", status=422)
    return _back(request, "done_preferences", forgets_language=preferences.language != stored.language)


@post("/export", status_code=200)
async def export(request: AnyRequest, customer: NamedDependency[Customer]) -> Response[bytes]:
    """Send everything that is stored as a ZIP file."""
    sections = await customer.engine.customer_center.export(customer.visit)
    file = await asyncio.to_thread(export_zip, sections, exported_at=rfc3339(now_ms()))
    headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="your-data.zip"'}
    return Response(file, media_type="application/zip", headers=headers)


@post("/opt-out", status_code=303)
async def opt_out(request: AnyRequest, customer: NamedDependency[Customer]) -> Response[Any]:
    """Refuse every purpose."""
    data, words, _ = await _read(request, customer)
    await customer.engine.customer_center.opt_out(customer.visit, notice_of(purposes_of(data, words)))
    return _back(request, "done_opt_out")


@post("/erase", status_code=200)
async def erase(request: AnyRequest, customer: NamedDependency[Customer]) -> Page:
    """Erase the customer if the box is ticked, and show the receipt; the visit ends."""
    content = await _read(request, customer)
    if (await typed(request)).get("confirm") != "on":
        return _page(customer, content, problem="erase_unconfirmed", status=422)
    request_id, receipt = await customer.engine.customer_center.erase(customer.visit)
    erased = ErasedPage(request_id, receipt.erased_at, receipt.decisions)
    frame = CenterFrame(content.language, browser_path(CENTER))
    show = show_for(content.language, customer.merchant.timezone, now_ms())
    response = html(_render("center/erased.html", frame=frame, show=show, **names_of(erased)))
    response.set_cookie(cookie(request, ""))
    return response


def message_page(request: AnyRequest, message: MessagePage, *, status: int) -> Page:
    """Return a page for a customer who is not let in, in the language of the visit if there was one."""
    visit = request.state.get("visit")
    language = language_of(request, visit.language if visit else None)
    frame = CenterFrame(language, browser_path(OPEN))
    return html(_render("center/message.html", frame=frame, **names_of(message)), status=status)


async def typed(request: AnyRequest) -> dict[str, str]:
    """Read the texts of a sent form by field."""
    return {name: value for name, value in (await request.form()).multi_items() if isinstance(value, str)}


async def _read(request: AnyRequest, customer: Customer) -> CenterContent:
    """Return what is known of a customer, and the words for it in their language."""
    visit, service = customer.visit, customer.engine.customer_center
    data = await service.read(visit)
    language = language_of(request, data.preferences.preferences.language, visit.language)
    words = CenterWords(language, data.policy, service.methods(visit))
    return CenterContent(data, words, await customer.engine.retention.days_of_decisions(customer.merchant.id))


def _page(
    customer: Customer,
    content: CenterContent,
    preferences: PreferenceValues | None = None,
    *,
    done: str = "",
    problem: str = "",
    status: int = 200,
) -> Page:
    """Return the page, with the preferences that were typed if they could not be saved."""
    merchant = customer.merchant
    page = page_of(
        content.data,
        content.words,
        preferences or content.preferences,
        shop=merchant.name,
        retention_days=content.retention_days,
        done=done,
        problem=problem,
    )
    theme = content.data.preferences.preferences.theme or "system"
    frame = CenterFrame(content.language, browser_path(CENTER), list(LANGUAGES.values()), theme)
    show = show_for(content.language, merchant.timezone, now_ms())
    return html(_render("center/center.html", frame=frame, show=show, **names_of(page)), status=status)


def _render(template: str, **names: Any) -> str:
    return ENVIRONMENT.get_template(template).render(**names)


def _back(request: AnyRequest, done: str, *, forgets_language: bool = False) -> Response[Any]:
    """Lead back to the page, which says what was done."""
    requested = request.query_params.get("language", "")
    language = f"&language={requested}" if requested in LANGUAGES and not forgets_language else ""
    return Redirect(browser_path(f"{CENTER}?done={done}{language}"), status_code=303)


open_handlers = [entry, open_link]
handlers = [center, save_purposes, save_preferences, export, opt_out, erase]
