"""What must change on the shelf so that it leads to an earlier plan again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from engine.configuration.configuration import Change, Configuration
from engine.kernel.plan import PlanDocument
from engine.model.resource import Resource
from engine.model.resource_kinds import Kind, id_of
from engine.model.standard_vocabulary import ENGINE_FIELDS


def changes_back(configuration: Configuration, old: PlanDocument, *, now: int) -> list[Change]:
    """The placement, its candidates and rules as they were; those that came since are switched off.

    Fields and lists belong to all placements: only those that are gone are made again.
    """
    place = old.placement.key
    own_fields = [field for field in old.fields if field not in ENGINE_FIELDS]
    return [
        *_missing(configuration, "field", own_fields, now),
        *_missing(configuration, "list", old.lists, now),
        *_as_before(configuration, "placement", "", [old.placement], now),
        *_as_before(configuration, "candidate", place, old.candidates, now),
        *_as_before(configuration, "rule", place, old.rules, now),
        *_off(configuration, "candidate", place, old.candidates, now),
        *_off(configuration, "rule", place, old.rules, now),
    ]


def _missing(configuration: Configuration, kind: Kind, documents: Iterable[Any], now: int) -> Iterator[Change]:
    for document in documents:
        if configuration.find(kind, "", document.name) is None:
            yield Change(None, Resource(kind, "", document.name, 1, document, now))


def _as_before(
    configuration: Configuration, kind: Kind, place: str, documents: Iterable[Any], now: int
) -> Iterator[Change]:
    for document in documents:
        live = configuration.find(kind, place, id_of(document))
        if live is None or live.document != document:
            version = live.version + 1 if live else 1
            yield Change(live, Resource(kind, place, id_of(document), version, document, now))


def _off(configuration: Configuration, kind: Kind, place: str, documents: Iterable[Any], now: int) -> Iterator[Change]:
    """A rule that was switched off then is in no plan, so it is switched off like one that came since."""
    kept = {id_of(document) for document in documents}
    for live in configuration.inside(place):
        if live.kind == kind and live.id not in kept and live.document.enabled:
            document = msgspec.structs.replace(live.document, enabled=False)
            yield Change(live, live._replace(version=live.version + 1, document=document, changed_at=now))
