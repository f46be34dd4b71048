"""The log of decisions: the newest first, filtered by what they were about, as a page and as CSV.

The work for a page is bounded: it says how far back it looked, and offers to look further.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from urllib.parse import urlencode

from litestar import Response, get
from litestar.di import NamedDependency

from engine.configuration.configuration import Configuration
from engine.insights.log_search import NOTHING, LogFilter, LogHit, LogPage
from engine.model.errors import Invalid, NotFound
from engine.model.placement import Placement
from engine.model.timestamps import ms_of, rfc3339
from web.admin.candidates.candidate_list import in_order
from web.admin.shell.admission import AnyRequest
from web.admin.shell.csv_file import exported_csv
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame
from web.admin.shell.navigation import PageLinks

PER_PAGE = 25
MOST_IN_FILE, MOST_READ_FOR_FILE = 1_000, 20_000
DECISION_ID = "dec_"
NAMES = {
    "q": "Customer", "placement": "Placement", "since": "From", "until": "Until", "country": "Country",
    "first": "Came first", "left_out": "Left out", "rule": "Rule fired", "fallback": "Fallback",
    "least": "Amount from", "most": "Amount to", "outcome": "Outcome",
}  # fmt: skip
OUTCOMES = (
    (NOTHING, "Nothing reported"), ("converted", "Converted"), ("selected", "Selected"), ("declined", "Declined"),
    ("abandoned", "Abandoned"), ("redeemed", "Redeemed"), ("refunded", "Refunded"), ("shown", "Shown"),
)  # fmt: skip
WORDS = dict(OUTCOMES)
LOOKS = {"converted": "good", "redeemed": "good", "declined": "bad", "refunded": "warn"}
COLUMNS = (
    "decision", "decided_at", "placement", "came_first", "chance", "country", "amount", "currency", "outcome",
    "rules", "left_out", "fallback",
)  # fmt: skip


NOTHING_READ = LogPage((), 0, None, "")


@dataclass(frozen=True)
class DecisionListRow:
    """A decision at a glance; `position` gives the colour of the candidate that came first."""

    id: str
    decided_at: int
    placement: str
    first: str
    position: int
    chance: float
    rules: int
    excluded: int
    fallback: bool
    country: str
    amount: str
    outcome: tuple[str, str]


class Chip(NamedTuple):
    """A filter that is on, in words; `without` is the address of the list without it."""

    text: str
    without: str


@dataclass(frozen=True)
class DecisionsPage:
    """The decisions that fit; `missing` is an id that no decision has. `looked` says how far the search went."""

    decisions: Sequence[DecisionListRow]
    placements: Sequence[Placement]
    candidates: Sequence[tuple[str, str]]
    rules: Sequence[tuple[str, str]]
    outcomes: Sequence[tuple[str, str]]
    form: Form
    chips: Sequence[Chip]
    missing: str
    looked: str
    further: str
    csv_href: str
    pages: PageLinks


@get("/decisions")
async def decisions_page(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Show the decisions that fit the filter in the address; the id of a decision leads straight to it."""
    texts = _texts(request)
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    if texts.get("q", "").startswith(DECISION_ID):
        return await _straight_to(frame, configuration, texts)
    try:
        narrowed = filter_of(frame, texts)
    except Invalid as error:
        form = Form(texts).with_problems(error.problems)
        return frame.page("log/decisions.html", _page(frame, configuration, texts, form=form), status=422)
    before = str(request.query_params.get("before", ""))
    log_page = await frame.engine.log_search.page(frame.merchant.id, narrowed, before_id=before, limit=PER_PAGE)
    return frame.page("log/decisions.html", _page(frame, configuration, texts, log_page, before))


@get("/decisions/csv")
async def decisions_csv(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[str]:
    """Send the decisions that fit as CSV: at most 1,000, among the newest 20,000."""
    narrowed = filter_of(frame, _texts(request))
    log_page = await frame.engine.log_search.page(
        frame.merchant.id, narrowed, limit=MOST_IN_FILE, most_read=MOST_READ_FOR_FILE
    )
    return await exported_csv(frame, "decisions.csv", [COLUMNS, *(_cells(hit) for hit in log_page.hits)])


def filter_of(frame: Frame, texts: Mapping[str, str]) -> LogFilter:
    """Read the filter of an address; raise `Invalid` for what cannot be read."""
    reader, currency, zone = Reader(texts, frame.show.locale), frame.merchant.currency, frame.show.zone
    countries = reader.countries("country") if texts.get("country") else ()
    since, until = (reader.moment(name, zone, old=None) for name in ("since", "until"))
    narrowed = LogFilter(
        placement=texts.get("placement", ""),
        customer_id=texts.get("q", ""),
        country=countries[0] if countries else "",
        first=texts.get("first", ""),
        rule=texts.get("rule", ""),
        left_out=texts.get("left_out", ""),
        fallback={"yes": True, "no": False}.get(texts.get("fallback", "")),
        least=reader.money("least", currency),
        most=reader.money("most", currency),
        currency=currency,
        outcome=texts.get("outcome", ""),
        since=ms_of(since) if since else None,
        until=ms_of(until) if until else None,
    )
    reader.check()
    return narrowed


def rows_of(frame: Frame, configuration: Configuration, hits: Sequence[LogHit]) -> list[DecisionListRow]:
    """Return the rows of decisions, in the order given."""
    names = {placement.key: placement.name for placement in configuration.placements}
    positions = {key: configuration.colours(key) for key in names}
    rows = []
    for hit in hits:
        logged, values = hit.logged, hit.values
        decision, key = logged.decision, logged.row.placement
        first = decision.ranking[0] if decision.ranking else None
        country, outcome = values.get("geo.country"), hit.outcome
        rows.append(
            DecisionListRow(
                id=logged.row.id,
                decided_at=logged.row.decided_at,
                placement=names.get(key, key),
                first=first.label if first else "",
                position=positions.get(key, {}).get(first.id, 0) if first else 0,
                chance=first.chance if first else 0.0,
                rules=len(decision.rules),
                excluded=len(decision.excluded),
                fallback=decision.fallback,
                country=frame.show.country(country) if isinstance(country, str) else "",
                amount=_amount(frame, values),
                outcome=(WORDS.get(outcome, outcome.capitalize()), LOOKS.get(outcome, "plain")),
            )
        )
    return rows


def _amount(frame: Frame, values: Mapping[str, Any]) -> str:
    total, currency = values.get("cart.total"), values.get("cart.currency", frame.merchant.currency)
    return frame.show.money(total, currency) if type(total) is int and isinstance(currency, str) else ""


def _cells(hit: LogHit) -> tuple[object, ...]:
    row, decision = hit.logged.row, hit.logged.decision
    first = decision.ranking[0] if decision.ranking else None
    left_out = " ".join(each.id for each in decision.excluded)
    facts = (hit.values.get(name, "") for name in ("geo.country", "cart.total", "cart.currency"))
    chosen = (first.id, first.chance) if first else ("", "")
    return (
        row.id, rfc3339(row.decided_at), row.placement, *chosen, *facts, hit.outcome,
        " ".join(decision.rules), left_out, "yes" if decision.fallback else "no",
    )  # fmt: skip


def _page(
    frame: Frame,
    configuration: Configuration,
    texts: Mapping[str, str],
    log_page: LogPage = NOTHING_READ,
    before: str = "",
    *,
    form: Form | None = None,
) -> DecisionsPage:
    base, query = f"{frame.base}/decisions", urlencode(texts)
    placement = texts.get("placement", "")
    candidates, rules = _candidates(configuration, placement), _rules(configuration, placement)
    is_full = len(log_page.hits) == PER_PAGE
    following = f"{base}?{urlencode({**texts, 'before': log_page.next_id})}" if log_page.next_id else ""
    first = (f"{base}?{query}" if query else base) if before else ""
    return DecisionsPage(
        decisions=rows_of(frame, configuration, log_page.hits),
        placements=configuration.placements,
        candidates=candidates,
        rules=rules,
        outcomes=OUTCOMES,
        form=form or Form(texts),
        chips=_chips(frame, texts, {"first": dict(candidates), "left_out": dict(candidates), "rule": dict(rules)}),
        missing="",
        looked=_looked(frame, log_page) if texts else "",
        further="" if is_full else following,
        csv_href=f"{base}/csv?{query}",
        pages=PageLinks(first, following if is_full else ""),
    )


def _looked(frame: Frame, log_page: LogPage) -> str:
    if log_page.read_to is None:
        return "There are no decisions in this period."
    text = f"Looked at {frame.show.count(log_page.read, 'decision')}, back to {frame.show.moment(log_page.read_to)}"
    return f"{text}." if log_page.next_id else f"{text}: that is all of them."


def _chips(frame: Frame, texts: Mapping[str, str], labels: Mapping[str, Mapping[str, str]]) -> list[Chip]:
    """Return the filters that are on in words, each with a way to take it off."""
    words = {"outcome": WORDS, "fallback": {"yes": "only", "no": "without"}, **labels}
    chips = []
    for name, text in texts.items():
        rest = urlencode({other: value for other, value in texts.items() if other != name})
        value = words.get(name, {}).get(text, text.replace("T", " ") if name in ("since", "until") else text)
        chips.append(Chip(f"{NAMES[name]}: {value}", f"{frame.base}/decisions" + (f"?{rest}" if rest else "")))
    return chips


def _candidates(configuration: Configuration, placement: str) -> list[tuple[str, str]]:
    keys = [each.key for each in configuration.placements if placement in ("", each.key)]
    return list(
        {each.id: each.label for key in keys for each in in_order(configuration.documents("candidate", key))}.items()
    )


def _rules(configuration: Configuration, placement: str) -> list[tuple[str, str]]:
    keys = [each.key for each in configuration.placements if placement in ("", each.key)]
    return [(rule.id, rule.name) for key in keys for rule in configuration.documents("rule", key)]


def _texts(request: AnyRequest) -> dict[str, str]:
    """Return the filters of an address that are not empty."""
    parameters = {name: str(request.query_params.get(name, "")).strip() for name in NAMES}
    return {name: text for name, text in parameters.items() if text}


async def _straight_to(frame: Frame, configuration: Configuration, texts: Mapping[str, str]) -> Response[Any]:
    id = texts["q"]
    try:
        await frame.engine.logbook.get(frame.merchant.id, id)
    except NotFound:
        return frame.page("log/decisions.html", replace(_page(frame, configuration, texts), missing=id))
    return frame.go(f"{frame.base}/decisions/{id}")


handlers = [decisions_page, decisions_csv]
