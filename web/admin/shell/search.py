"""Search from anywhere: a decision's id leads to it, a word to what is called so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from engine.configuration.configuration import Configuration
from web.admin.candidates.candidate_list import base_of
from web.admin.log.decision_list import DECISION_ID
from web.admin.shell.frame import Frame

MOST_HITS = 50


@dataclass(frozen=True)
class Hit:
    """Something with the word in its name."""

    kind: str
    name: str
    id: str
    href: str


@dataclass(frozen=True)
class SearchPage:
    """The results of a search."""

    q: str
    hits: Sequence[Hit]
    customer_href: str


@get("/search")
async def search_page(frame: NamedDependency[Frame], q: FromQuery[str] = "") -> Response[Any]:
    """Show what has the word in its name or id, in all of the configuration."""
    query = q.strip()
    if query.startswith(DECISION_ID):
        return frame.go(f"{frame.base}/decisions?q={quote(query)}")
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    word = query.casefold()
    hits = [
        hit for hit in _everything(frame, configuration) if word in hit.name.casefold() or word in hit.id.casefold()
    ]
    page = SearchPage(query, hits[:MOST_HITS] if word else [], f"{frame.base}/decisions?q={quote(query)}")
    return frame.page("shell/search.html", page)


def _everything(frame: Frame, configuration: Configuration) -> Iterator[Hit]:
    for placement in configuration.placements:
        key = placement.key
        yield Hit("Placement", placement.name, key, f"{frame.base}/placements/{key}")
        for rule in configuration.documents("rule", key):
            yield Hit("Rule", rule.name, rule.id, f"{frame.base}/rules/{key}/{rule.id}")
        for candidate in configuration.documents("candidate", key):
            yield Hit("Candidate", candidate.label, candidate.id, f"{base_of(frame, key)}/{candidate.id}")
    for field in configuration.documents("field"):
        yield Hit("Field", field.label or field.name, field.name, f"{frame.base}/fields/{field.name}")


handlers = [search_page]
