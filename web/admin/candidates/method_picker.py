"""Add several common payment methods at once, with their countries and limits filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency

from engine.model.errors import Conflict, Invalid
from engine.model.placement import Candidate
from web.admin.candidates.candidate_list import METHODS, amounts_of, base_of, documents_of, next_position, offered_in
from web.admin.candidates.method_types import COMMON, MethodType
from web.admin.shell import saving
from web.admin.shell.admission import AnyRequest
from web.admin.shell.frame import Frame, Notice


@dataclass(frozen=True)
class MethodChoice:
    """A method to pick; `added` if the merchant has it."""

    type: str
    label: str
    details: str
    added: bool


@dataclass(frozen=True)
class ChoiceGroup:
    """Methods under a heading."""

    title: str
    choices: Sequence[MethodChoice]


@dataclass(frozen=True)
class MethodPickerPage:
    """The methods to pick from, those of the merchant's own country first."""

    base: str
    groups: Sequence[ChoiceGroup]


@get("/methods/-/new/pick")
async def method_picker(frame: NamedDependency[Frame]) -> Response[Any]:
    """Show common methods; lead to the list, which says what to do first, if there is no placement for them."""
    frame.must_change()
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    if configuration.find("placement", "", METHODS) is None:
        return frame.go(base_of(frame, METHODS))
    candidates = await documents_of(frame, METHODS)
    present = {each.id for each in candidates} | {each.type for each in candidates}
    page = MethodPickerPage(base_of(frame, METHODS), _groups(frame, present))
    return frame.page("candidates/method_picker.html", page)


@post("/methods/-/new/pick", status_code=200)
async def add_methods(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Store the picked methods at the end of the order, all or none."""
    frame.must_change()
    picked = set((await request.form()).getall("method", []))
    methods = [each for each in COMMON if each.type in picked]
    if not methods:
        return frame.go(f"{base_of(frame, METHODS)}/-/new/pick", notice=Notice("Pick at least one method."))
    position = await next_position(frame, METHODS)
    documents = [candidate_of(each, position + index) for index, each in enumerate(methods)]
    try:
        await saving.create_all(frame, METHODS, documents)
    except (Conflict, Invalid) as error:
        return frame.go(f"{base_of(frame, METHODS)}/-/new/pick", notice=Notice(f"Nothing was added: {error.detail}."))
    added = methods[0].label if len(methods) == 1 else f"{len(methods)} methods"
    in_force = f"{added} {'is' if len(methods) == 1 else 'are'} added and in force."
    return frame.go(base_of(frame, METHODS), notice=Notice(saving.ADDED if saving.into_draft(frame) else in_force))


def candidate_of(method: MethodType, position: int) -> Candidate:
    """Return a method as a candidate with its typical countries, currencies and limits."""
    return Candidate(
        id=method.type,
        label=method.label,
        type=method.type,
        countries=method.countries,
        currencies=method.currencies,
        min_amount=dict(method.least) or None,
        max_amount=dict(method.most) or None,
        position=position,
    )


def _groups(frame: Frame, present: set[str]) -> list[ChoiceGroup]:
    """Return the methods: those of the merchant's country, those used everywhere, and the others."""
    country = frame.merchant.country
    own = [each for each in COMMON if country in each.countries]
    everywhere = [each for each in COMMON if not each.countries]
    others = [each for each in COMMON if each.countries and country not in each.countries]
    parts = [(f"In {frame.show.country(country)}", own), ("Everywhere", everywhere), ("In other countries", others)]
    return [
        ChoiceGroup(title, [_choice(frame, each, present) for each in methods]) for title, methods in parts if methods
    ]


def _choice(frame: Frame, method: MethodType, present: set[str]) -> MethodChoice:
    candidate = candidate_of(method, 0)
    amounts = amounts_of(frame, candidate)
    details = offered_in(frame, candidate) + (f", {amounts}" if method.least or method.most else "")
    return MethodChoice(method.type, method.label, details, method.type in present)


handlers = [method_picker, add_methods]
