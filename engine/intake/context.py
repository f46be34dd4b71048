"""Read the context of a request: facts that are understood, by name, and a note of everything else. Pure.

A decision never fails for its facts. What is not declared, of another type or too large is left out, noted and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, Literal, NamedTuple

from engine.intake.group_reader import GroupFact, GroupReader, group_reader
from engine.model.errors import FieldProblem
from engine.model.placement import FieldDocument
from engine.model.standard_vocabulary import ENGINE_FIELD_NAMES
from rules.json_logic.problems import nearest, shown
from rules.language.values import WORDS
from rules.language.vocabulary import excerpt
from rules.sent.sent_values import CONVERTERS, LONGEST_TEXT, MOST_ITEMS, Converter

MOST_FACTS = 200
MOST_NOTES = 20

Kind = Literal["undeclared", "engine", "ill_formed", "too_large", "not_allowed", "no_group"]


class FactNote(NamedTuple):
    """Something in a context that is left out, or, where it is `not_allowed`, kept although no rule can match it."""

    kind: Kind
    field: str
    value: object = None


class Reading(NamedTuple):
    """Facts by dotted name, and notes of what was left out."""

    values: dict[str, Any]
    notes: list[FactNote]

    def copy(self) -> Reading:
        """Return the same facts, to which others may be added."""
        return Reading(dict(self.values), self.notes)


class _DeclaredFact(NamedTuple):
    """A declared fact: how to convert it, and its allowed values as written and by their form without case."""

    name: str
    convert: Converter
    allowed: dict[str, str]


class Intake:
    """The declared facts as a tree, so that a nested context is read in one pass."""

    def __init__(self, fields: Iterable[FieldDocument], *, with_engine_fields: bool = False) -> None:
        """`with_engine_fields` also reads facts that the engine fills, for contexts that are not from a checkout."""
        self._fields = {field.name: field for field in fields}
        self._tree: dict[str, Any] = {}
        for field in self._fields.values():
            if field.name in ENGINE_FIELD_NAMES and not with_engine_fields:
                continue
            *groups, leaf = field.name.split(".")
            node = self._tree
            for group in groups:
                node = node.setdefault(group, {})
            # As written, and by their form without case; of two that differ only in case, each is read as itself.
            allowed = {value.casefold(): value for value in reversed(field.allowed)} | {v: v for v in field.allowed}
            node[leaf] = _DeclaredFact(field.name, CONVERTERS[field.type], allowed)
        self._readers = self._group_readers() if len(self._fields) <= MOST_FACTS else {}

    def _group_readers(self) -> dict[str, GroupReader]:
        """Return the readers of the groups that stand in no other group."""
        groups = ((name, node) for name, node in self._tree.items() if type(node) is dict)
        return {name: group_reader(self._facts_of(node)) for name, node in groups}

    def _facts_of(self, group: Mapping[str, Any]) -> tuple[GroupFact, ...]:
        facts = ((leaf, self._fields[node.name]) for leaf, node in group.items() if type(node) is _DeclaredFact)
        return tuple(GroupFact(leaf, field.name, field.type, field.allowed) for leaf, field in facts)

    def read(self, context: Mapping[str, Any]) -> Reading:
        """Return `{"cart.total": 1}` for `{"cart": {"total": 1}}`, with notes of what was left out."""
        reading, readers = Reading({}, []), self._readers
        values = reading.values
        unusual = {}
        for name, value in context.items():
            reader = readers.get(name)
            if reader is None or type(value) is not dict or not reader(value, values):
                unusual[name] = value
        if unusual:
            self._collect(self._tree, unusual, "", reading)
        return reading

    def names_for(self, purposes: Set[str]) -> list[str]:
        """Return the facts that are declared for some purposes."""
        return [field.name for field in self._fields.values() if field.purpose in purposes]

    def values(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Return the facts without the notes."""
        return self.read(context).values

    def _collect(self, tree: Mapping[str, Any], context: Mapping[str, Any], path: str, reading: Reading) -> None:
        values, notes = reading
        for name, value in context.items():
            node = tree.get(name)
            if type(node) is _DeclaredFact:
                if value is None:
                    continue
                fact_name, convert, allowed = node
                fact_value = convert(value)
                if fact_value is None or allowed or len(values) >= MOST_FACTS:
                    _add(node, value, fact_value, reading)
                else:
                    values[fact_name] = fact_value
            elif node is None:
                notes.extend(_unread(f"{path}{name}", value))
            elif type(value) is dict:
                self._collect(node, value, f"{path}{name}.", reading)
            elif value is not None:
                notes.append(FactNote("no_group", f"{path}{name}", value))

    def warnings(self, notes: Iterable[FactNote]) -> list[FieldProblem]:
        """Return the notes in words; at most 20 of them."""
        notes = list(notes)
        warnings = [FieldProblem(shown(note.field), self._words(note)) for note in notes[:MOST_NOTES]]
        if len(notes) > MOST_NOTES:
            warnings.append(FieldProblem("context", f"{len(notes) - MOST_NOTES} more facts were left out"))
        return warnings

    def _words(self, note: FactNote) -> str:
        match note.kind:
            case "undeclared":
                if note.field in self._fields:
                    return f"must be sent in groups, as {in_groups(note.field)}"
                return f"is not a declared fact{nearest(note.field, self._fields)}"
            case "engine":
                return "is filled by the engine"
            case "no_group":
                return f"must be an object of facts; got {excerpt(note.value)}"
            case "not_allowed":
                allowed = ", ".join(self._fields[note.field].allowed[:20])
                return f"{excerpt(note.value)} is not one of {allowed}"
            case "too_large":
                return _size(note.value)
            case _:
                return f"{excerpt(note.value)} is not {WORDS[self._fields[note.field].type]}"


def _add(fact: _DeclaredFact, value: object, fact_value: object, reading: Reading) -> None:
    """Add a fact, or a note of why it is left out."""
    values, notes = reading
    if len(values) >= MOST_FACTS:
        notes.append(FactNote("too_large", fact.name, MOST_FACTS))
    elif fact_value is None:
        notes.append(FactNote("too_large" if _is_too_large(value) else "ill_formed", fact.name, value))
    else:
        if fact.allowed:
            fact_value, is_allowed = _allowed(fact.allowed, fact_value)
            if not is_allowed:
                notes.append(FactNote("not_allowed", fact.name, value))
        values[fact.name] = fact_value


def in_groups(name: str) -> str:
    """Return how a fact is written in a context: `{"cart": {"total": ...}}` for `cart.total`."""
    groups = name.split(".")
    return "".join(f'{{"{group}": ' for group in groups) + "..." + "}" * len(groups)


def _unread(field: str, value: object) -> Iterator[FactNote]:
    """Yield a note of something that is not declared; facts that the engine fills are named one by one."""
    of_engine = [name for name in ENGINE_FIELD_NAMES if name == field or name.startswith(f"{field}.")]
    if of_engine and isinstance(value, dict):
        of_engine = [name for name in of_engine if name.removeprefix(f"{field}.") in value]
    if of_engine:
        yield from (FactNote("engine", name) for name in sorted(of_engine))
    else:
        yield FactNote("undeclared", field)


def _allowed(allowed: Mapping[str, str], value: object) -> tuple[object, bool]:
    """Return a text or list of texts as the merchant writes it, and whether all of it is allowed."""
    if isinstance(value, list):
        pairs = [_allowed(allowed, item) for item in value]
        return [item for item, _ in pairs], all(is_allowed for _, is_allowed in pairs)
    text = str(value)
    written = allowed.get(text) or allowed.get(text.casefold())
    return (value, False) if written is None else (written, True)


def _is_too_large(value: object) -> bool:
    if isinstance(value, list):
        return len(value) > MOST_ITEMS or any(map(_is_too_large, value[:MOST_ITEMS]))
    return isinstance(value, str) and len(value) > LONGEST_TEXT


def _size(value: object) -> str:
    if isinstance(value, str):
        return f"has {len(value)} characters; at most {LONGEST_TEXT} are read"
    if isinstance(value, list):
        return f"has over {MOST_ITEMS} texts, or texts of over {LONGEST_TEXT} characters"
    return f"is beyond the {MOST_FACTS} facts of a request"
