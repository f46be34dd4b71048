"""Candidates of a placement in their order, with switches. Payment methods are candidates too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.model.errors import NotFound
from engine.model.placement import Candidate, Placement
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.editing import version_of
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page
from web.admin.shell.undo import undo_address

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
    position: int
    enabled: bool
    version: int
    offered_in: str
    devices: str
    amounts: str
    fee: str
    is_first: bool
    is_last: bool


@dataclass(frozen=True)
class CandidatesPage:
    """The list; `placement` is None where it does not exist yet."""

    placement: Placement | None
    candidates: Sequence[CandidateRow]
    noun: Noun
    base: str


@get(["/methods", "/placements/{key:str}/candidates"])
async def candidates_page(frame: NamedDependency[Frame], key: FromPath[str] = METHODS) -> Page:
    """Show the list in the merchant's own order."""
    return frame.page("candidates/candidates.html", await _list(frame, key))


@post(["/methods/{id:str}/toggle", "/placements/{key:str}/candidates/{id:str}/toggle"], status_code=200)
async def toggle_candidate(
    request: AnyRequest, frame: NamedDependency[Frame], id: FromPath[str], key: FromPath[str] = METHODS
) -> Response[Any]:
    """Switch a candidate on or off and keep everything else that was changed meanwhile."""
    frame.must_edit()
    enabled = (await typed(request)).get("enabled") == "on"
    catalogue = frame.engine.catalogue
    stored = await catalogue.get(frame.merchant.id, "candidate", key, id)
    document = msgspec.structs.replace(stored.document, enabled=enabled)
    await catalogue.update(frame.actor, "candidate", key, id, document, version=stored.version)
    return await _after_change(frame, key)


@post(["/methods/{id:str}/move", "/placements/{key:str}/candidates/{id:str}/move"], status_code=200)
async def move_candidate(
    request: AnyRequest, frame: NamedDependency[Frame], id: FromPath[str], key: FromPath[str] = METHODS
) -> Response[Any]:
    """Move a candidate one place up or down in the default order."""
    frame.must_edit()
    step = -1 if (await typed(request)).get("direction") == "up" else 1
    ids = [candidate.id for candidate in await documents_of(frame, key)]
    if id not in ids:
        raise NotFound(f"there is no candidate “{id}”", field="id")
    index = ids.index(id)
    other = min(max(index + step, 0), len(ids) - 1)
    ids[index], ids[other] = ids[other], ids[index]
    await frame.engine.catalogue.reorder(frame.actor, key, ids)
    return await _after_change(frame, key)


@post(["/methods/{id:str}/delete", "/placements/{key:str}/candidates/{id:str}/delete"], status_code=200)
async def delete_candidate(
    request: AnyRequest, frame: NamedDependency[Frame], id: FromPath[str], key: FromPath[str] = METHODS
) -> Response[Any]:
    """Delete a candidate; the notice offers to take it back."""
    frame.must_edit()
    version = version_of(await typed(request))
    gone = await frame.engine.catalogue.delete(frame.actor, "candidate", key, id, version=version)
    return frame.go(
        base_of(frame, key), notice=Notice(f"{gone.document.label} is deleted.", undo=await undo_address(frame, gone))
    )


def in_order(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Sort candidates in the merchant's own order, those that are off among them."""
    return sorted(candidates, key=lambda candidate: (candidate.position, candidate.id))


def positions_of(candidates: Sequence[Candidate]) -> dict[str, int]:
    """Return the position of each candidate in that order, which gives its colour on every page."""
    return {candidate.id: position for position, candidate in enumerate(in_order(candidates))}


def base_of(frame: Frame, key: str) -> str:
    """Return the address of a placement's candidates."""
    return f"{frame.base}/methods" if key == METHODS else f"{frame.base}/placements/{key}/candidates"


def noun_of(key: str) -> Noun:
    """Return the word for the candidates of a placement: methods for payment methods."""
    return Noun("method", "Methods", True) if key == METHODS else Noun("candidate", "Candidates", False)


async def documents_of(frame: Frame, key: str) -> list[Candidate]:
    page = await frame.engine.catalogue.page(frame.merchant.id, "candidate", key)
    return in_order([resource.document for resource in page])


async def _after_change(frame: Frame, key: str) -> Response[Any]:
    if not frame.is_htmx:
        return frame.go(base_of(frame, key))
    return frame.page("candidates/_candidate_rows.html", await _list(frame, key))


async def _list(frame: Frame, key: str) -> CandidatesPage:
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    placement = configuration.find("placement", "", key)
    if placement is None and key != METHODS:
        raise NotFound(f"there is no placement “{key}”", field="placement")
    resources = {resource.id: resource for resource in configuration.inside(key) if resource.kind == "candidate"}
    ordered = in_order([resource.document for resource in resources.values()])
    rows = [
        _row(frame, candidate, resources[candidate.id].version, position, last=len(ordered) - 1)
        for position, candidate in enumerate(ordered)
    ]
    return CandidatesPage(placement.document if placement else None, rows, noun_of(key), base_of(frame, key))


def _row(frame: Frame, candidate: Candidate, version: int, position: int, *, last: int) -> CandidateRow:
    return CandidateRow(
        id=candidate.id,
        label=candidate.label,
        position=position,
        enabled=candidate.enabled,
        version=version,
        offered_in=_offered_in(frame, candidate),
        devices=", ".join(candidate.devices) or "All",
        amounts=_amounts(frame, candidate),
        fee=_fee(frame, candidate),
        is_first=position == 0,
        is_last=position == last,
    )


def _offered_in(frame: Frame, candidate: Candidate) -> str:
    names = [frame.show.country(code) for code in candidate.countries]
    where = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "Everywhere"
    return f"{where}, in {' or '.join(candidate.currencies)}" if candidate.currencies else where


def _fee(frame: Frame, candidate: Candidate) -> str:
    share = frame.show.percent(candidate.fee_percent / 100) if candidate.fee_percent else ""
    fixed = frame.show.money(candidate.fee_fixed, frame.merchant.currency) if candidate.fee_fixed else ""
    return " + ".join(part for part in (share, fixed) if part) or "None"


def _amounts(frame: Frame, candidate: Candidate) -> str:
    low = _limit(frame, candidate.min_amount) if candidate.min_amount else ""
    high = _limit(frame, candidate.max_amount) if candidate.max_amount is not None else ""
    if low and high:
        return f"{low} to {high}"
    return f"from {low}" if low else f"up to {high}" if high else "Any"


def _limit(frame: Frame, limit: int | dict[str, int]) -> str:
    amounts = limit if isinstance(limit, dict) else {frame.merchant.currency: limit}
    return "; ".join(frame.show.money(amount, currency) for currency, amount in amounts.items())


handlers = [candidates_page, toggle_candidate, move_candidate, delete_candidate]
