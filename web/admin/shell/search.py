"""Search from anywhere: pages, things and actions by their names; a decision's id leads to it.

The same hits stand on the page of a search and in the command palette.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from engine.configuration.configuration import Configuration
from engine.model.placement import Placement
from web.admin.candidates.candidate_list import base_of
from web.admin.log.decision_list import DECISION_ID
from web.admin.rules.rule_filter import candidates_in, facts_in
from web.admin.shell.frame import Frame
from web.admin.shell.navigation import navigation_items
from web.admin.shell.render import Page
from web.http.middleware.base_path import browser_path

MOST_HITS = 50
MOST_IN_PALETTE = 12
HELP = (("API documentation", "/docs"), ("Your profile", "/admin/profile"))
PARTS = (
    ("Learning", "learning"), ("Candidates", "candidates"), ("Changes", "changes"), ("Scenarios", "scenarios"),
    ("Versions", "versions"), ("Settings", "settings"), ("What if", "what-if"),
)  # fmt: skip


@dataclass(frozen=True)
class Hit:
    """Something that can be opened; `words` are others that it is found by."""

    kind: str
    name: str
    id: str
    href: str
    words: str = ""

    def fits(self, query: Sequence[str]) -> bool:
        """Return whether all words of a query stand in it."""
        text = f"{self.name} {self.id} {self.words} {self.kind}".casefold()
        return all(word in text for word in query)


@dataclass(frozen=True)
class SearchPage:
    """The results of a search; `search_query` stands in the search box of the page."""

    search_query: str
    hits: Sequence[Hit]
    customer_href: str


@get("/search")
async def search_page(frame: NamedDependency[Frame], q: FromQuery[str] = "") -> Response[Any]:
    """Show everything that a query fits."""
    query = q.strip()
    if query.startswith(DECISION_ID):
        return frame.go(_decisions(frame, query))
    hits = await _hits(frame, query)
    page = SearchPage(query, hits[:MOST_HITS] if query else [], _decisions(frame, query))
    return frame.page("shell/search.html", page)


@get("/palette")
async def palette(frame: NamedDependency[Frame], q: FromQuery[str] = "") -> Page:
    """Show what the command palette offers for a query: at first pages and actions."""
    query = q.strip()
    hits = (await _hits(frame, query))[:MOST_IN_PALETTE]
    if query.startswith(DECISION_ID):
        hits = [Hit("Decision", query, "", _decisions(frame, query))]
    elif query and not hits:
        hits = [Hit("Search", f"Decisions of the customer “{query}”", "", _decisions(frame, query))]
    return frame.page("shell/_palette_hits.html", SearchPage(query, hits, _decisions(frame, query)))


async def _hits(frame: Frame, query: str) -> list[Hit]:
    """Return what fits, names that begin with the query first."""
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    words = query.casefold().split()
    hits = [hit for hit in _everything(frame, configuration) if hit.fits(words)]
    return sorted(hits, key=lambda hit: not hit.name.casefold().startswith(query.casefold()))


def _decisions(frame: Frame, query: str) -> str:
    return f"{frame.base}/decisions?q={quote(query)}"


def _everything(frame: Frame, configuration: Configuration) -> Iterator[Hit]:
    yield from (Hit("Page", item.name, "", f"{frame.base}{item.href}") for item in navigation_items())
    yield from _actions(frame)
    for placement in configuration.placements:
        yield from _inside(frame, configuration, placement)
    for field in configuration.documents("field"):
        yield Hit("Field", field.label or field.name, field.name, f"{frame.base}/fields/{field.name}")
    for document in configuration.documents("list"):
        yield Hit("List", document.name, "", f"{frame.base}/lists/{document.name}")
    yield from (Hit("Help", name, "", browser_path(path)) for name, path in HELP)


def _actions(frame: Frame) -> Iterator[Hit]:
    base = frame.base
    if frame.may_draft:
        yield Hit("Action", "Write a new rule", "", f"{base}/rules/new", "create add")
        yield Hit("Action", "Start a new experiment", "", f"{base}/experiments/new", "create add test")
    if frame.may_change:
        yield Hit("Action", "Add a method", "", f"{base}/methods/-/new", "create new payment")
    yield Hit("Action", "Find rules that never fired", "", f"{base}/rules?use=never", "unused filter")
    yield Hit("Action", "Find fallback decisions", "", f"{base}/decisions?fallback=yes", "filter failures")


def _inside(frame: Frame, configuration: Configuration, placement: Placement) -> Iterator[Hit]:
    key, base = placement.key, frame.base
    yield Hit("Placement", placement.name, key, f"{base}/placements/{key}")
    for name, part in PARTS:
        yield Hit("Page", f"{placement.name}: {name}", "", f"{base}/placements/{key}/{part}")
    yield Hit("Page", f"{placement.name}: Preview the draft", "", f"{base}/rules/{key}/-/preview", "past try")
    for candidate in configuration.documents("candidate", key):
        yield Hit("Candidate", candidate.label, candidate.id, f"{base_of(frame, key)}/{candidate.id}")
        if candidate.enabled and frame.may_draft:
            address = f"{base}/placements/{key}/what-if?change=paused&id={candidate.id}"
            yield Hit("Action", f"What if {candidate.label} were paused?", "", address, "pause")
    labels = {candidate.id: candidate.label for candidate in configuration.documents("candidate", key)}
    for rule in configuration.documents("rule", key):
        named = candidates_in(rule)
        words = " ".join([*named, *(labels.get(id, "") for id in named), *facts_in(rule.when), *rule.tags])
        yield Hit("Rule", rule.name, rule.id, f"{base}/rules/{key}/{rule.id}", words)


handlers = [search_page, palette]
