"""Declare the facts that a merchant's rules may read: names, types and units."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rules.json_logic.problems import RuleError, nearest, shown
from rules.language.codes import CURRENCIES, OFTEN_MISTAKEN
from rules.language.values import READERS, WORDS, Reader

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Field:
    """A declared fact.

    `name` is dotted (`cart.total`), `type` is one of `TYPES`, `unit` is for display (a currency for money). If
    `allowed` is not empty, only these texts are valid. `purpose` is the consent that the fact needs. Raises RuleError.
    """

    name: str
    type: str
    unit: str | None = None
    allowed: tuple[str, ...] = ()
    purpose: str = "checkout"
    label: str = ""
    examples: tuple[object, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.name) > _LONGEST_NAME:
            raise RuleError.single("/name", f"{shown(self.name)!r} is not a name like cart.total")
        if self.type not in READERS:
            types = ", ".join(READERS)
            raise RuleError.single("/type", f"{shown(self.type)!r} is not a type; it must be one of {types}")
        if self.allowed and self.type not in {"string", "country", "currency", "list"}:
            raise RuleError.single("/allowed", "only fields of text or lists of text can name the allowed values")

    @property
    def reader(self) -> Reader:
        """Return the function that converts a raw JSON value for operators, or to None if it is ill-typed."""
        read = READERS[self.type]
        if not self.allowed:
            return read
        allowed = frozenset(self.allowed)
        if self.type == "list":
            return lambda value: value if read(value) is not None and allowed.issuperset(value) else None  # type: ignore[arg-type]
        return lambda value: value if read(value) is not None and value in allowed else None

    def problem_with(self, value: object) -> str | None:
        """Describe the mistake if the raw JSON value is not of this field's type, or return None."""
        if self.reader(value) is not None:
            return None
        expected = WORDS[self.type]
        if self.allowed and READERS[self.type](value) is not None:
            expected = f"{'made of' if self.type == 'list' else 'one of'} {', '.join(self.allowed)}"
        return f"must be {expected}; got {excerpt(value)}{self._hint(value)}"

    def _hint(self, value: object) -> str:
        if not isinstance(value, str):
            return ""
        if self.type == "country" and value.upper() in OFTEN_MISTAKEN:
            return f"; did you mean {OFTEN_MISTAKEN[value.upper()]}?"
        if self.reader(value.upper()) is not None:
            return f"; did you mean {value.upper()}?"
        return nearest(value, self.allowed)


TYPES = tuple(READERS)
"""The types of fields."""


class Vocabulary(Mapping[str, Field]):
    """The declared fields by dotted name. Raises RuleError if a name is declared twice.

    `currency` is the merchant's own. Without it amounts have no currency: they are compared as plain numbers, as in
    plans published before amounts had one.
    """

    def __init__(self, fields: Iterable[Field], *, currency: str | None = None) -> None:
        self._fields: dict[str, Field] = {}
        self.currency = currency
        for field in fields:
            if field.name in self._fields:
                raise RuleError.single("/name", f"{field.name} is declared twice")
            self._fields[field.name] = field

    def __getitem__(self, name: str) -> Field:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def currency_field(self, name: str) -> str | None:
        """Return the fact that holds the currency of a money field, or None if the merchant declares none.

        It is the field `currency` of the same group, else `cart.currency`. A field whose unit is a currency, and that
        has none in its group, is always in its unit.
        """
        beside = f"{name.rpartition('.')[0]}.currency"
        if self._is_currency(beside):
            return beside
        has_unit = self._fields[name].unit in CURRENCIES
        return None if has_unit or not self._is_currency("cart.currency") else "cart.currency"

    def own_currency(self, name: str) -> str:
        """Return the currency of a money field's amounts where nothing else is said: its unit, else the merchant's."""
        unit = self._fields[name].unit
        return unit if unit and unit in CURRENCIES else self.currency or ""

    def _is_currency(self, name: str) -> bool:
        return name in self._fields and self._fields[name].type == "currency"

    def problem_with(self, name: str, value: object) -> str | None:
        """Describe the mistake if `value` cannot be the fact `name`, or return None."""
        field = self._fields.get(name)
        if field is None:
            return f"is not a declared fact{nearest(name, self._fields)}"
        return field.problem_with(value)


def excerpt(value: object) -> str:
    """Return a short text of a raw value, for a message."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, int) and abs(value) > 10**30:
        return "a number of too many digits"
    return shown(json.dumps(value, ensure_ascii=False)) if _is_plain(value) else type(value).__name__


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)
