"""What was typed into the rows of a form, laid over the tree that the form was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rules import RuleError, loads
from web.admin.rules.builder.nodes import EDITED, Group, Node, Raw, Row, Steps, with_parts
from web.admin.rules.builder.operators import ANY_OF, Operator, operators_of
from web.admin.rules.builder.texts import Terms, all_from_text, from_text, to_text

FormFields = Mapping[str, Sequence[str]]
KINDS = ("all", "any", "none")
MANY_SLOTS = ("many", "weekdays", "candidates")


@dataclass
class Overlay:
    """Reads a sent form. `changed` gathers the names of the inputs that say something else than the tree.

    `reshaped` tells that other inputs are needed now than the form has, or other chips.
    """

    form_fields: FormFields
    terms: Terms
    changed: list[str] = field(default_factory=list)
    reshaped: bool = False

    def choice(self, name: str, shown: str) -> str:
        """Read the choice of an input that others depend on."""
        chosen = self.text(name, shown)
        self.reshaped = self.reshaped or chosen != shown
        return chosen

    def tree(self, root: Group) -> Group:
        """Return the tree with what was typed; the same object where nothing was."""
        laid = self._group(root, ())
        return laid if isinstance(laid, Group) else root

    def text(self, name: str, shown: str) -> str:
        """Read an input that showed a text."""
        typed = (self.form_fields.get(name) or [shown])[-1]
        if typed != shown:
            self.changed.append(name)
        return typed

    def value(self, name: str, kind: str, value: object, field: str = "") -> object:
        """Return the value of an input, the very same one where its text was left alone."""
        shown = to_text(kind, value, self.terms, field)
        typed = self.text(name, shown)
        return value if typed == shown else from_text(kind, typed, self.terms, field)

    def values(self, name: str, kind: str, value: object, field: str = "") -> object:
        """Return the values of inputs with one name, of which an empty one is always sent."""
        old = value if isinstance(value, list) else [value]
        shown = [to_text(kind, item, self.terms, field) for item in old]
        typed = [text for text in self.form_fields.get(name, ["", *shown]) if text.strip()]
        typed += [text for text in self.form_fields.get(f"{name}.add", ()) if text.strip()]
        if typed == shown:
            return value
        self.changed.append(name)
        self.reshaped = True
        by_text = dict(zip(shown, old, strict=True))
        read = [
            value
            for text in typed
            for value in ([by_text[text]] if text in by_text else all_from_text(kind, text, self.terms, field))
        ]
        return [item for number, item in enumerate(read) if item not in read[:number]]

    def _node(self, node: Node, steps: Steps) -> Node:
        if isinstance(node, Group):
            return self._group(node, steps)
        return self._row(node, steps) if isinstance(node, Row) else self._raw(node, steps)

    def _group(self, group: Group, steps: Steps) -> Node:
        kind = self.choice(f"{name_of(steps)}.kind", group.kind)
        parts = [self._node(part, (*steps, index)) for index, part in enumerate(group.parts)]
        if kind != group.kind and kind in KINDS:
            return replace(with_parts(group, parts), kind=kind)  # type: ignore[arg-type]
        is_same = all(new is old for new, old in zip(parts, group.parts, strict=True))
        return group if is_same else with_parts(group, parts)

    def _row(self, row: Row, steps: Steps) -> Row:
        name = name_of(steps)
        field = self.choice(f"{name}.field", row.field)
        key = self.choice(f"{name}.operator", row.operator.key)
        if field != row.field:
            return with_field(row, field, self.terms)
        choices = {operator.key: operator for operator in operators_of(self.terms.types.get(field, ""))}
        if key != row.operator.key and key in choices:
            return with_operator(row, choices[key], self.terms)
        values = tuple(
            self._slot(f"{name}.{index}", slot, value, field)
            for index, (slot, value) in enumerate(zip(row.operator.slots, row.values, strict=True))
        )
        is_same = all(new is old for new, old in zip(values, row.values, strict=True))
        return row if is_same else replace(row, values=values, source=EDITED)

    def _slot(self, name: str, slot: str, value: object, field: str) -> object:
        kind = self.terms.kind_of(slot, field)
        return self.values(name, kind, value, field) if slot in MANY_SLOTS else self.value(name, kind, value, field)

    def _raw(self, raw: Raw, steps: Steps) -> Raw:
        """Read the JSON of a part; while it is not valid JSON, keep the old part."""
        name = f"{name_of(steps)}.json"
        typed = (self.form_fields.get(name) or [""])[-1]
        try:
            source = loads(typed) if typed.strip() else raw.source
        except RuleError:
            return raw
        if source == raw.source and type(source) is type(raw.source):
            return raw
        self.changed.append(name)
        self.reshaped = True
        return Raw(source)


def with_field(row: Row, field: str, terms: Terms) -> Row:
    """Return the row about another field: the same operator and values where they fit its type."""
    choices = operators_of(terms.types.get(field, ""))
    same = next((operator for operator in choices if operator.key == row.operator.key), None)
    if same and row.field and terms.types.get(field) == terms.types.get(row.field):
        return replace(row, field=field, source=EDITED)
    declared = terms.fields.get(field)
    usual = ANY_OF if declared and declared.allowed and ANY_OF in choices else choices[0]
    operator = usual if same is None or not row.field else same
    return Row(field, operator, tuple(blank(slot, index, terms) for index, slot in enumerate(operator.slots)))


def with_operator(row: Row, operator: Operator, terms: Terms) -> Row:
    """Return the row with another operator, which takes over the values that fit it."""
    values = []
    for index, slot in enumerate(operator.slots):
        old = row.values[index] if index < len(row.values) else None
        values.append(_carried(slot, row.operator.slots[index : index + 1], old, blank(slot, index, terms)))
    return Row(row.field, operator, tuple(values))


def blank(slot: str, index: int, terms: Terms) -> object:
    """Return the value of a new input."""
    usual: dict[str, object] = {
        "zone": terms.timezone,
        "weekdays": ["sat", "sun"],
        "clock": ("18:00", "23:00")[index % 2],
        "percent": 10 * (index - 1),
        "km": 50,
    }
    return [] if slot == "many" else usual.get(slot, "")


def name_of(steps: Steps) -> str:
    """Return the name of a part in the form: c, c.0, c.0.1."""
    return ".".join(("c", *(str(step) for step in steps)))


def _carried(slot: str, before: tuple[str, ...], old: object, blank: object) -> object:
    if before == (slot,):
        return old
    if slot == "many" and before in (("value",), ("text",)):
        return [old] if old != "" else []
    if slot in ("value", "text") and before == ("many",) and isinstance(old, list):
        return old[0] if old else ""
    return old if before and {slot, before[0]} == {"value", "text"} else blank
