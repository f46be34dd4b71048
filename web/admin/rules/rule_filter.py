"""Filters of the list of rules; they are kept in the address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from engine.configuration.draft_overlay import DraftItem
from engine.model.placement import RuleDocument

State = Literal["live", "changed", "new", "deleted", "off", "scheduled", "over"]
EFFECTS = (
    ("exclude", "Hides"),
    ("require", "Allows only"),
    ("pin", "Pins to a position"),
    ("boost", "Raises or lowers"),
    ("set", "Sets a value"),
)
USES = (("never", "Never fired, 30 days"), ("fired", "Fired, 30 days"), ("findings", "With findings"))


@dataclass(frozen=True)
class RuleInList:
    """The input of filters: a rule with its state, its sentence, its last author, and what is known of it."""

    item: DraftItem
    state: State
    sentence: str
    author: str
    has_fired: bool
    has_findings: bool


@dataclass(frozen=True)
class Filter:
    """The filter of the list: rules that fit every field that is not empty. `after` is where the page begins."""

    q: str = ""
    tag: str = ""
    mark: str = ""
    candidate: str = ""
    fact: str = ""
    effect: str = ""
    author: str = ""
    use: str = ""
    after: str = ""

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Filter:
        """Read a filter from the query of an address."""
        return cls(**{field.name: values.get(field.name, "").strip() for field in fields(cls)})

    @classmethod
    def in_address(cls, address: str) -> Filter:
        """Read the filter of a list's address."""
        return cls.of(dict(parse_qsl(urlsplit(address).query)))

    @property
    def narrows(self) -> bool:
        """Return whether anything is filtered."""
        return any(getattr(self, field.name) for field in fields(self) if field.name != "after")

    def fits(self, rule: RuleInList) -> bool:
        """Return whether a rule passes the filter."""
        document, text = rule.item.shown, self.q.casefold()
        uses = {"": True, "never": not rule.has_fired, "fired": rule.has_fired, "findings": rule.has_findings}
        return (
            (text in document.name.casefold() or text in rule.sentence.casefold() or text == rule.item.id)
            and self.tag in ("", *document.tags)
            and self.mark in ("", rule.state)
            and self.candidate in ("", *candidates_in(document))
            and self.fact in ("", *facts_in(document.when))
            and self.effect in ("", *(kind for effect in document.effects for kind in effect))
            and self.author in ("", rule.author)
            and uses.get(self.use, True)
        )

    def address(self, base: str, key: str, **more: str) -> str:
        """Return the address of the list with this filter."""
        current = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "after"}
        query = {"placement": key, **current, **more}
        return f"{base}/rules?{urlencode({name: value for name, value in query.items() if value})}"


EVERYTHING = Filter()


def candidates_in(document: RuleDocument) -> set[str]:
    """Return the ids of the candidates that a rule's effects name."""
    return {name for effect in document.effects for value in effect.values() for name in _named(value)}


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        yield from (name for name in value if isinstance(name, str))
    elif isinstance(value, Mapping):
        yield from _named(value.get("candidates", ()))
        if isinstance(value.get("candidate"), str):
            yield value["candidate"]


def facts_in(condition: Any) -> set[str]:
    """Return the names of the facts that a condition in JSON-logic reads."""
    return set(_reads(condition))


def _reads(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for operator, arguments in node.items():
            if operator == "var":
                name = arguments[0] if isinstance(arguments, list | tuple) and arguments else arguments
                if isinstance(name, str):
                    yield name
            yield from _reads(arguments)
    elif isinstance(node, list | tuple):
        for part in node:
            yield from _reads(part)
