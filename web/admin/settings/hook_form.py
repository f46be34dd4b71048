"""The form of a webhook: which address, which events, and what people call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from engine.model.errors import FieldProblem, Invalid
from engine.model.events.event import EventType
from engine.model.events.event_types import EVENT_TYPES, SUBSCRIBABLE
from engine.model.events.webhook import Endpoint, NewEndpoint
from web.admin.shell.editing import to_document
from web.admin.shell.forms import Form, Reader

HINTS = {
    "url": "Type an address such as https://shop.example.com/webhooks.",
    "types": "Choose at least one event.",
    "description": "Use at most 200 characters.",
    "format": "Choose Standard Webhooks or CloudEvents.",
}
TITLES = {
    "version": "Publishing", "experiment": "Experiments", "offer": "Offers", "budget": "Budgets",
    "preference": "Customers", "outage": "Outages", "arm": "Learning", "metric": "Alerts", "predictions": "Learning",
}  # fmt: skip


class EventChoice(NamedTuple):
    """A type of event that an endpoint may choose."""

    type: EventType
    summary: str

    @property
    def field(self) -> str:
        return f"type:{self.type}"


def event_groups() -> list[tuple[str, Sequence[EventChoice]]]:
    """Return the types of events by topic."""
    groups: dict[str, list[EventChoice]] = {}
    for type in SUBSCRIBABLE:
        title = TITLES[type.partition(".")[0]]
        groups.setdefault(title, []).append(EventChoice(type, EVENT_TYPES[type].summary))
    return list(groups.items())


def form_of(endpoint: Endpoint) -> Form:
    """Return the form as it shows an endpoint."""
    values = {f"type:{type}": "on" for type in endpoint.types}
    values |= {"url": endpoint.url, "description": endpoint.description, "format": endpoint.format}
    values["version"] = str(endpoint.version)
    return Form(values | ({"enabled": "on"} if endpoint.enabled else {}))


def endpoint_in(values: Mapping[str, str], check_url: Callable[[str], object], *, enabled: bool) -> NewEndpoint:
    """Read an endpoint; raise `Invalid` with the problem of every field."""
    reader = Reader(values)
    types = [type for type in SUBSCRIBABLE if reader.flag(f"type:{type}")]
    url = reader.text("url", required=HINTS["url"])
    document = {
        "url": url,
        "types": types,
        "description": reader.text("description"),
        "enabled": enabled,
        "format": reader.text("format") or "standard",
    }
    problems = [*reader.problems, *([] if types else [FieldProblem("types", HINTS["types"])])]
    try:
        check_url(url)
    except Invalid as error:
        problems += error.problems if url else ()
    return to_document(document, NewEndpoint, hints=HINTS, problems=problems)
