"""Candidates of a placement in their order, with switches. Payment methods are candidates too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.model.errors import Conflict, Invalid, NotFound
from engine.model.placement import Candidate, Placement
from web.admin.shell import saving
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import version_of
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page

METHODS = "payment_methods"


@dataclass(frozen=True)
class Noun:
    """The word for a candidate on these pages, and whether the list is a page of its own in the navigation."""

    singular: str
    plural: str
    own_page: bool


@dataclass(frozen=True)
class CandidateRow:
    """A candidate in the list; texts are ready to be read."""

    id: str
    label: str
    colour: int
    enabled: bool
    version: int
    offered_in: str
    devices: str
    amounts: str
    fee: str
    is_first: bool = False
    is_last: bool = False


@dataclass(frozen=True)
class CandidatesPage:
    """The list; `placement` is None where it does not exist yet. `drafted` are those that the draft changes."""

    placement: Placement | None
    candidates: Sequence[CandidateRow]
    noun: Noun
    base: str
    drafted: frozenset[str] = frozenset()
    toast: Notice | None = None


@get(["/methods", "/placements/{key:str}/candidates"])
async def candidates_page(frame: NamedDependency[Frame], key: FromPath[str] = METHODS) -> Page:
    """Show the list in the merchant's own order."""
    return frame.page("candidates/candidates.html", await _list(frame, key))


@post(["/methods/{id:str}/toggle", "/placements/{key:str}/candidates/{id:str}/toggle"], status_code=200)
async def toggle_candidate(
    request: AnyRequest, frame: NamedDependency[Frame], id: FromPath[str], key: FromPath[str] = METHODS
) -> Response[Any]:
    """Switch a candidate on or off; the toast offers to take it back with one click."""
    frame.must_change()
    values = await _values(request)
    enabled = values.get("enabled") == "on"
    stored = await saving.read(frame, "candidate", key, id)
    if saving.into_draft(frame):
        document = msgspec.structs.replace(stored.document, enabled=enabled)
        await saving.update(frame, key, document, version=None)
    else:
        reason = values.get("why", "").strip()[:500]
        await frame.engine.catalogue.switch(frame.actor, key, id, enabled=enabled, reason=reason)
    undo = f"{base_of(frame, key)}/{id}/toggle?enabled={'off' if enabled else 'on'}"
    text = f"{stored.document.label} is {'offered' if enabled else 'off'}."
    return await _after_change(frame, key, text, undo)


@post(["/methods/{id:str}/move", "/placements/{key:str}/candidates/{id:str}/move"], status_code=200)
async def move_candidate(
    request: AnyRequest, frame: NamedDependency[Frame], id: FromPath[str], key: FromPath[str] = METHODS
) -> Response[Any]:
    """Move a candidate one place up or down in the default order."""
    frame.must_change()
    values = await _values(request)
    up = values.get("direction") == "up"
    candidates = await documents_of(frame, key)
    ids = [candidate.id for candidate in candidates]
    if id not in ids:
        raise NotFound(f"there is no candidate “{id}”", field="id")
    index = ids.index(id)
    other = min(max(index + (-1 if up else 1), 0), len(ids) - 1)
    ids[index], ids[other] = ids[other], ids[index]
    if saving.into_draft(frame):
        await frame.engine.drafts.reorder_candidates(frame.actor, key, ids, revision=None)
    else:
        await frame.engine.catalogue.reorder(frame.actor, key, ids, reason=values.get("why", "").strip()[:500])
    undo = f"{base_of(frame, key)}/{id}/move?direction={'down' if up else 'up'}"
    return await _after_change(frame, key, f"{candidates[index].label} is moved {'up' if up else 'down'}.", undo)


@post(["/methods/{id:str}/pause", "/placements/{key:str}/candidates/{id:str}/pause"], status_code=200)
async def pause_candidate(
    request: AnyRequest, frame: NamedDependency[Frame], id: FromPath[str], key: FromPath[str] = METHODS
) -> Response[Any]:
    """Take a candidate out of all answers at once, in an emergency."""
    frame.must_edit()
    reason = (await typed(request)).get("why", "").strip()
    try:
        await frame.engine.emergencies.pause(frame.actor, key, id, reason=reason)
    except (Conflict, Invalid) as error:
        return frame.go(f"{base_of(frame, key)}/{id}", notice=Notice(f"Not paused: {error.detail}."))
    undo = f"{base_of(frame, key)}/{id}/resume"
    return frame.go(base_of(frame, key), notice=Notice(f"{id} is paused. Other people are informed.", undo=undo))


@post(["/methods/{id:str}/resume", "/placements/{key:str}/candidates/{id:str}/resume"], status_code=200)
async def undo_pause(frame: NamedDependency[Frame], id: FromPath[str], key: FromPath[str] = METHODS) -> Response[Any]:
    """Offer a candidate again that the same person paused a moment ago."""
    frame.must_edit()
    try:
        await frame.engine.emergencies.undo_pause(frame.actor, key, id)
    except Conflict as error:
        return frame.go(base_of(frame, key), notice=Notice(f"Not undone: {error.detail}."))
    return frame.go(base_of(frame, key), notice=Notice(f"{id} is offered again. Other people see both changes."))


@post(["/methods/{id:str}/delete", "/placements/{key:str}/candidates/{id:str}/delete"], status_code=200)
async def delete_candidate(
    request: AnyRequest, frame: NamedDependency[Frame], id: FromPath[str], key: FromPath[str] = METHODS
) -> Response[Any]:
    """Delete a candidate; the notice offers to take it back."""
    frame.must_change()
    version = version_of(await typed(request))
    notice = await saving.delete(frame, "candidate", key, id, version=version)
    return frame.go(base_of(frame, key), notice=notice)


async def _values(request: AnyRequest) -> dict[str, str]:
    """Return what was sent: by the form, or by an Undo in its address."""
    return {**dict(request.query_params), **await typed(request)}


def in_order(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Sort candidates in the merchant's own order, those that are off among them."""
    return sorted(candidates, key=lambda candidate: (candidate.position, candidate.id))


def base_of(frame: Frame, key: str) -> str:
    """Return the address of a placement's candidates."""
    return f"{frame.base}/methods" if key == METHODS else f"{frame.base}/placements/{key}/candidates"


def noun_of(key: str) -> Noun:
    """Return the word for the candidates of a placement: methods for payment methods."""
    return Noun("method", "Methods", True) if key == METHODS else Noun("candidate", "Candidates", False)


async def next_position(frame: Frame, key: str) -> int:
    """Return the position behind all candidates."""
    return max((candidate.position for candidate in await documents_of(frame, key)), default=-1) + 1


async def documents_of(frame: Frame, key: str) -> list[Candidate]:
    """Return the candidates as they are edited: as the draft has them, or as they are published."""
    if saving.into_draft(frame):
        configuration = await frame.engine.drafts.configuration(frame.merchant.id, key)
        return in_order(configuration.documents("candidate", key))
    page = await frame.engine.catalogue.page(frame.merchant.id, "candidate", key)
    return in_order([resource.document for resource in page])


async def _after_change(frame: Frame, key: str, text: str, undo: str) -> Response[Any]:
    notice = Notice(f"{text} {saving.ADDED}" if saving.into_draft(frame) else text, undo=undo)
    if not frame.is_htmx:
        return frame.go(base_of(frame, key), notice=notice)
    page = replace(await _list(frame, key), toast=notice)
    return frame.page("candidates/_candidate_rows_answer.html", page)


async def _list(frame: Frame, key: str) -> CandidatesPage:
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    placement = configuration.find("placement", "", key)
    if placement is None:
        if key != METHODS:
            raise NotFound(f"there is no placement “{key}”", field="placement")
        return CandidatesPage(None, [], noun_of(key), base_of(frame, key))
    draft = await frame.engine.drafts.get(frame.merchant.id, key)
    changed = draft.of_kind("candidate")
    if saving.into_draft(frame):
        configuration = await frame.engine.drafts.configuration(frame.merchant.id, key)
    resources = {resource.id: resource for resource in configuration.inside(key) if resource.kind == "candidate"}
    ordered = in_order([resource.document for resource in resources.values()])
    colours = configuration.colours(key)
    rows = [_row(frame, candidate, resources[candidate.id].version, colours[candidate.id]) for candidate in ordered]
    rows = [replace(row, is_first=row is rows[0], is_last=row is rows[-1]) for row in rows]
    return CandidatesPage(placement.document, rows, noun_of(key), base_of(frame, key), frozenset(changed))


def _row(frame: Frame, candidate: Candidate, version: int, colour: int) -> CandidateRow:
    return CandidateRow(
        id=candidate.id,
        label=candidate.label,
        colour=colour,
        enabled=candidate.enabled,
        version=version,
        offered_in=offered_in(frame, candidate),
        devices=", ".join(candidate.devices) or "All",
        amounts=amounts_of(frame, candidate),
        fee=_fee(frame, candidate),
    )


def offered_in(frame: Frame, candidate: Candidate) -> str:
    """Return the countries and currencies of a candidate in words."""
    names = [frame.show.country(code) for code in candidate.countries]
    where = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "Everywhere"
    return f"{where}, in {' or '.join(candidate.currencies)}" if candidate.currencies else where


def _fee(frame: Frame, candidate: Candidate) -> str:
    share = frame.show.percent(candidate.fee_percent / 100) if candidate.fee_percent else ""
    fixed = frame.show.money(candidate.fee_fixed, frame.merchant.currency) if candidate.fee_fixed else ""
    return " + ".join(part for part in (share, fixed) if part) or "None"


def amounts_of(frame: Frame, candidate: Candidate) -> str:
    """Return the limits of a candidate in words."""
    least, most = candidate.min_amount, candidate.max_amount
    if isinstance(least, dict) and isinstance(most, dict) and least.keys() == most.keys():
        ranges = [f"{frame.show.money(least[each], each)} to {frame.show.money(most[each], each)}" for each in least]
        return "; ".join(ranges)
    low = _limit(frame, least) if least else ""
    high = _limit(frame, most) if most is not None else ""
    if low and high:
        return f"{low} to {high}"
    return f"from {low}" if low else f"up to {high}" if high else "Any"


def _limit(frame: Frame, limit: int | dict[str, int]) -> str:
    amounts = limit if isinstance(limit, dict) else {frame.merchant.currency: limit}
    return "; ".join(frame.show.money(amount, currency) for currency, amount in amounts.items())


handlers = [candidates_page, toggle_candidate, move_candidate, pause_candidate, undo_pause, delete_candidate]
