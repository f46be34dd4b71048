"""Rules of a placement: the list with switches, and the editor of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.errors import NotFound
from engine.placement import Placement, RuleDocument
from engine.plan import lists_of, rule_source, vocabulary_of
from engine.shelf import Shelf
from engine.store.resources import Resource
from rules import RuleError, parse_rule
from web.admin.door import AnyRequest, typed
from web.admin.frame import Frame, Notice
from web.admin.render import Page
from web.admin.undo import undo_address
from web.admin.wording import in_words, labels_of

PER_PAGE = 50


@dataclass(frozen=True)
class Row:
    """A rule in the list, said in one sentence."""

    href: str
    name: str
    sentence: str
    priority: int
    enabled: bool
    version: int
    changed_at: int


@dataclass(frozen=True)
class RowFragment:
    """One row alone, after its switch was turned."""

    row: Row


@dataclass(frozen=True)
class Pages:
    """Where the first and the next page are; empty where there is none."""

    first: str
    next: str


@dataclass(frozen=True)
class RulesPage:
    """The rules of one placement, the most important first; `placement` is None where there is none at all."""

    placements: Sequence[Placement]
    placement: Placement | None
    rules: Sequence[Row]
    total: int
    filter: str
    pages: Pages


@get("/rules")
async def rules_page(
    frame: NamedDependency[Frame], placement: FromQuery[str] = "", q: FromQuery[str] = "", after: FromQuery[str] = ""
) -> Page:
    """The rules of a placement, found by name, a page at a time."""
    shelf = await frame.engine.catalogue.shelf(frame.merchant.id)
    chosen = _chosen(shelf, placement)
    if chosen is None:
        return frame.page("rules.html", RulesPage((), None, (), 0, "", Pages("", "")))
    wanted = q.strip()
    everything = by_importance([r for r in shelf.inside(chosen.key) if r.kind == "rule"])
    found = [rule for rule in everything if wanted.casefold() in rule.document.name.casefold()]
    start = next((place + 1 for place, rule in enumerate(found) if rule.id == after), 0)
    page = found[start : start + PER_PAGE]
    phrasing = Phrasing(shelf, chosen.key)
    rows = [_row(phrasing, rule) for rule in page]
    base = f"/admin/rules?placement={chosen.key}" + (f"&q={wanted}" if wanted else "")
    more = f"{base}&after={page[-1].id}" if page and start + PER_PAGE < len(found) else ""
    pages = Pages(base if start else "", more)
    return frame.page("rules.html", RulesPage(shelf.placements, chosen, rows, len(everything), wanted, pages))


@post("/rules/{key:str}/{id:str}/toggle", status_code=200)
async def toggle_rule(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Put a rule in force or out of it; what else was changed meanwhile stays."""
    frame.must_edit()
    enabled = (await typed(request)).get("enabled") == "on"
    catalogue = frame.engine.catalogue
    stored = await catalogue.get(frame.merchant.id, "rule", key, id)
    document = msgspec.structs.replace(stored.document, enabled=enabled)
    changed = await catalogue.update(frame.merchant.id, frame.who, "rule", key, id, document, version=stored.version)
    if not frame.is_htmx:
        return frame.go(f"/admin/rules?placement={key}")
    shelf = await catalogue.shelf(frame.merchant.id)
    return frame.page("_rule_row.html", RowFragment(_row(Phrasing(shelf, key), changed)))


@post("/rules/{key:str}/{id:str}/delete", status_code=200)
async def delete_rule(
    request: AnyRequest, frame: NamedDependency[Frame], key: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Delete a rule; the notice offers to take it back."""
    frame.must_edit()
    values = await typed(request)
    version = int(values["version"]) if values.get("version", "").isdigit() else None
    gone = await frame.engine.catalogue.delete(frame.merchant.id, frame.who, "rule", key, id, version=version)
    notice = Notice(f"“{gone.document.name}” is deleted.", undo=await undo_address(frame, gone))
    return frame.go(f"/admin/rules?placement={key}", notice=notice)


def by_importance(rules: Sequence[Resource]) -> list[Resource]:
    """The order in which rules are applied."""
    return sorted(rules, key=lambda rule: (-rule.document.priority, rule.id))


class Phrasing:
    """Says the rules of one placement in words; made once for a whole list."""

    def __init__(self, shelf: Shelf, key: str) -> None:
        self._vocabulary = vocabulary_of(shelf.fields())
        self._lists = lists_of(shelf.documents("list"))
        self._labels = labels_of(shelf.documents("candidate", key))

    def of(self, document: RuleDocument) -> str:
        """What a rule asks, and what follows."""
        try:
            rule = parse_rule(rule_source(document), self._vocabulary, self._lists)
        except RuleError as error:
            return f"Cannot be read: {error.problems[0].message}"
        return in_words(rule, self._vocabulary, self._labels)


def placement_of(shelf: Shelf, key: str) -> Placement:
    """The placement; `NotFound` where there is none."""
    found = shelf.find("placement", "", key)
    if found is None:
        raise NotFound(f"there is no placement “{key}”", field="placement")
    document: Placement = found.document
    return document


def _chosen(shelf: Shelf, key: str) -> Placement | None:
    if key:
        return placement_of(shelf, key)
    usual = shelf.find("placement", "", "payment_methods")
    if usual:
        document: Placement = usual.document
        return document
    return shelf.placements[0] if shelf.placements else None


def _row(phrasing: Phrasing, rule: Resource) -> Row:
    document: RuleDocument = rule.document
    return Row(
        href=f"/admin/rules/{rule.place}/{rule.id}",
        name=document.name,
        sentence=phrasing.of(document),
        priority=document.priority,
        enabled=document.enabled,
        version=rule.version,
        changed_at=rule.changed_at,
    )
