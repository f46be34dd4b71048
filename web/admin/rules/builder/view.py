"""What the page shows of a draft: each part with its choices, its inputs and what is wrong with it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rules.wording.terms import listed
from web.admin.rules.builder import effects as effect_rows
from web.admin.rules.builder.effects import EffectRow, part_of, type_of
from web.admin.rules.builder.nodes import Group, Node, Raw, Row, Steps
from web.admin.rules.builder.operators import operators_of
from web.admin.rules.builder.overlay import MANY_SLOTS, name_of
from web.admin.rules.builder.texts import NAMES, Terms, missing, to_text
from web.admin.shell.json_text import pretty

FEW = 12
WEEKDAYS = {
    "mon": "Mon", "tue": "Tue", "wed": "Wed", "thu": "Thu", "fri": "Fri", "sat": "Sat", "sun": "Sun",
}  # fmt: skip
TITLES = {"cart": "Cart", "geo": "Location", "time": "Time", "history": "Past purchases", "risk": "Risk"}
Option = tuple[str, str]


@dataclass(frozen=True)
class Note:
    """Something to say of a part: a mistake, or what the checks found. `path` points into the rule."""

    path: str
    severity: str
    message: str


@dataclass(frozen=True)
class InputView:
    """One input: `look` says which kind of control, `options` what may be chosen."""

    name: str
    look: str
    label: str
    text: str
    chosen: Sequence[Option] = ()
    options: Sequence[Option] = ()
    offers: str = ""
    unit: str = ""
    wrong: str = ""
    hint: str = ""

    @property
    def id(self) -> str:
        return self.name.replace(".", "-")


@dataclass(frozen=True)
class PartView:
    """A row, a group or a part in JSON, which `look` tells apart."""

    look: str
    name: str
    number: str
    notes: Sequence[Note] = ()
    kind: str = ""
    parts: Sequence[PartView] = ()
    field: str = ""
    operator: str = ""
    operators: Sequence[Option] = ()
    inputs: Sequence[InputView] = ()
    json: str = ""

    @property
    def id(self) -> str:
        return self.name.replace(".", "-")


class Viewer:
    """Makes the views of one draft; `notes` are shared out among the parts that they point to."""

    def __init__(self, terms: Terms, notes: Sequence[Note] = ()) -> None:
        self._terms = terms
        self._notes = notes

    def condition(self, root: Group) -> PartView:
        """Show the whole tree."""
        return self._group(root, (), "1", tuple(self._notes))

    def effects(self, rows: Sequence[EffectRow]) -> list[PartView]:
        """Show the rows of the effects."""
        return [self._effect(row, index) for index, row in enumerate(rows)]

    def elsewhere(self, root: Group | None, rows: Sequence[EffectRow] | None) -> list[Note]:
        """Return the notes that no part shows."""
        return [
            note
            for note in self._notes
            if not (note.path.startswith("/when") and root is not None)
            and not (note.path.startswith("/effects/") and rows)
        ]

    def _part(self, node: Node, steps: Steps, number: str, notes: Sequence[Note]) -> PartView:
        if isinstance(node, Group):
            return self._group(node, steps, number, notes)
        if isinstance(node, Raw):
            return PartView("json", name_of(steps), number, _distinct(notes), json=pretty(node.source))
        return self._row(node, steps, number, notes)

    def _group(self, group: Group, steps: Steps, number: str, notes: Sequence[Note]) -> PartView:
        shared = [tuple(note for note in notes if _inside(note.path, part.path)) for part in group.parts]
        own = [note for note in notes if not any(note in inner for inner in shared) and note.path.startswith("/when")]
        parts = [
            self._part(part, (*steps, index), f"{number}.{index + 1}" if steps else f"{index + 1}", inner)
            for index, (part, inner) in enumerate(zip(group.parts, shared, strict=True))
        ]
        return PartView("group", name_of(steps), number, _distinct(own), kind=group.kind, parts=parts)

    def _row(self, row: Row, steps: Steps, number: str, notes: Sequence[Note]) -> PartView:
        name = name_of(steps)
        inputs = list(self._inputs(row, name))
        wrong = [item_input for item_input in inputs if item_input.wrong]
        if not row.field:
            notes = [Note("", "mistake", "Choose what this is about.")]
        elif wrong:
            notes = [note for note in notes if note.severity != "mistake"]
        choices = operators_of(self._terms.types.get(row.field, "")) if row.field else (row.operator,)
        return PartView(
            "row", name, number, _distinct(notes),
            field=row.field,
            operator=row.operator.key,
            operators=[(operator.key, operator.words) for operator in choices],
            inputs=inputs if row.field else (),
        )  # fmt: skip

    def _inputs(self, row: Row, name: str) -> Iterator[InputView]:
        label = label_of(self._terms, row.field)
        several = len(row.operator.slots) > 1
        for index, (slot, value) in enumerate(zip(row.operator.slots, row.values, strict=True)):
            kind = self._terms.kind_of(slot, row.field)
            label_text = SLOT_NAMES.get(slot) or (
                f"{label}, {'to' if index else 'from'}" if several else f"{label}, value"
            )
            if row.operator.key == "share" and slot == "percent":
                label_text = "To percent" if index == 2 else "From percent"
            yield self.input(f"{name}.{index}", kind, label_text, value, slot=slot, field=row.field)

    def input(
        self, name: str, kind: str, label: str, value: object, *, slot: str = "value", field: str = ""
    ) -> InputView:
        """Return the control for a kind of value."""
        unit = self._terms.unit_of(field) if kind == "money" else UNITS.get(kind, "")
        options = self._options(kind, slot, field)
        wrong = missing(kind, value, unit, self._terms.locale)
        if slot in MANY_SLOTS:
            many = value if isinstance(value, list) else [value]
            chosen = [(to_text(kind, item, self._terms, field), self._name(kind, item)) for item in many]
            few = 0 < len(options) <= FEW
            offered = [*options, *(option for option in chosen if option not in options)] if few else options
            return InputView(
                name, "pills" if few else "chips", label, "", chosen, offered,
                offers=OFFERS.get(kind, ""), wrong=wrong,
            )  # fmt: skip
        text = to_text(kind, value, self._terms, field)
        if options and text not in (code for code, _ in options):
            options = [(text, text or "Choose …"), *options]
        look = "choice" if options else LOOKS.get(kind, "text")
        hint = self._hint_of_amount(value, unit) if kind == "money" and not wrong else ""
        return InputView(name, look, label, text, (), options, OFFERS.get(kind, ""), unit, wrong, hint)

    def _hint_of_amount(self, value: object, unit: str) -> str:
        """Return for which carts an amount holds, and how to name others."""
        if isinstance(value, dict):
            return f"Carts in {listed(list(value), 'or')} only."
        other = "GBP" if unit != "GBP" else "EUR"
        return f"Carts in {unit} only. For others add their amounts: “; {other} 50”."

    def _options(self, kind: str, slot: str, field: str) -> Sequence[Option]:
        if kind == "weekdays":
            return list(WEEKDAYS.items())
        if kind in ("candidates", "candidate"):
            return list(self._terms.candidates.items())
        if kind == "list":
            return [(name, name) for name in self._terms.lists]
        declared = self._terms.fields.get(field)
        if declared and declared.allowed and slot in ("value", "many"):
            return [(to_text(kind, item, self._terms), self._name(kind, item)) for item in declared.allowed]
        return ()

    def _name(self, kind: str, value: object) -> str:
        if kind == "candidates" and isinstance(value, str):
            return self._terms.candidates.get(value, value)
        if kind == "weekdays" and isinstance(value, str):
            return WEEKDAYS.get(value, value)
        return to_text(kind, value, self._terms)

    def _effect(self, row: EffectRow, index: int) -> PartView:
        name, path = f"e.{index}", f"/effects/{index}"
        notes = [note for note in self._notes if _inside(note.path, path)]
        if not row.kind:
            return PartView("json", name, str(index + 1), _distinct(notes), json=pretty(row.source))
        inputs = [self._effect_input(row, name, key, part_kind) for key, part_kind in effect_rows.PARTS[row.kind]]
        if any(item_input.wrong for item_input in inputs):
            notes = [note for note in notes if note.severity != "mistake"]
        return PartView(
            "effect", name, str(index + 1), _distinct(notes),
            kind=row.kind, inputs=[*_type_input(row, name), *inputs],
        )  # fmt: skip

    def _effect_input(self, row: EffectRow, name: str, key: str, part_kind: str) -> InputView:
        value, input_name = part_of(row, key), f"{name}.{key or 'candidates'}"
        label = EFFECT_LABELS[part_kind]
        if part_kind == "candidates":
            return self.input(input_name, part_kind, label, value, slot="candidates")
        if part_kind == "value" and isinstance(value, bool):
            return InputView(input_name, "choice", label, "yes" if value else "no", (), (("yes", "yes"), ("no", "no")))
        value_kind = "text" if isinstance(value, str) else "number"
        kind = value_kind if part_kind == "value" else part_kind
        return self.input(input_name, kind, label, value)


def field_groups(terms: Terms) -> list[tuple[str, list[Option]]]:
    """Group the declared fields by topic."""
    named = sorted(
        terms.fields.values(), key=lambda document: (document.name.partition(".")[0], label_of(terms, document.name))
    )
    grouped = itertools.groupby(named, key=lambda document: document.name.partition(".")[0])
    return [
        (
            TITLES.get(group, group.replace("_", " ").capitalize()),
            [(document.name, label_of(terms, document.name)) for document in documents],
        )
        for group, documents in grouped
    ]


def offers(terms: Terms, timezones: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """Return the suggestions of inputs with a search, by the id of their list."""
    return {
        "country": list(NAMES["country"].values()),
        "currency": list(NAMES["currency"].values()),
        "zone": sorted(timezones),
        "candidates": list(terms.candidates.values()),
    }


def label_of(terms: Terms, name: str) -> str:
    """Return the label of a field, or its name."""
    declared = terms.fields.get(name)
    return (declared and declared.label) or name


LOOKS = {
    "money": "number", "integer": "number", "number": "number", "percent": "number", "km": "number",
    "latitude": "number", "longitude": "number", "slot": "number", "factor": "number",
    "date": "date", "day": "date", "datetime": "datetime-local", "clock": "time",
    "country": "search", "currency": "search", "zone": "search",
}  # fmt: skip
OFFERS = {kind: f"offers-{kind}" for kind in ("country", "currency", "zone", "candidates")}
UNITS = {"percent": "%", "km": "km", "factor": "×", "latitude": "°N", "longitude": "°E"}
SLOT_NAMES = {
    "zone": "Timezone", "weekdays": "Days of the week", "list": "List", "text": "Text",
    "latitude": "Latitude", "longitude": "Longitude", "km": "Distance",
}  # fmt: skip
EFFECT_LABELS = {
    "candidates": "Candidates", "candidate": "Candidate", "slot": "Position, counted from 1", "factor": "Factor",
    "name": "Name of the value", "value": "Value",
}  # fmt: skip
SET_TYPES = (("boolean", "yes or no"), ("number", "a number"), ("text", "a text"))


def _type_input(row: EffectRow, name: str) -> Iterator[InputView]:
    if row.kind == "set":
        yield InputView(f"{name}.value.type", "choice", "Kind of value", type_of(part_of(row, "value")), (), SET_TYPES)


def _inside(path: str, outer: str) -> bool:
    return path == outer or path.startswith(f"{outer}/")


def _distinct(notes: Sequence[Note]) -> list[Note]:
    return list(dict.fromkeys(notes))
