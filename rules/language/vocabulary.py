"""The facts that a merchant's rules may look at: declared names, types and units."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rules.language.codes import OFTEN_MISTAKEN
from rules.language.problems import RuleError, nearest, shown
from rules.language.values import READERS, WORDS, Reader

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Field:
    """One declared fact.

    `name` is dotted (`cart.total`), `type` one of `TYPES`. `unit` is for display (a currency for money). With
    `allowed`, no other text is of the type. `purpose` is the consent that the fact needs. Raises RuleError.
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
            raise RuleError.at("/name", f"{shown(self.name)!r} is not a name like cart.total")
        if self.type not in READERS:
            types = ", ".join(READERS)
            raise RuleError.at("/type", f"{shown(self.type)!r} is not a type; it must be one of {types}")
        if self.allowed and self.type not in {"string", "country", "currency", "list"}:
            raise RuleError.at("/allowed", "only fields of text or lists of text can name the allowed values")

    @property
    def reader(self) -> Reader:
        """Turns a raw JSON value into the form that operators compute with, or None if it is ill-typed."""
        read = READERS[self.type]
        if not self.allowed:
            return read
        allowed = frozenset(self.allowed)
        if self.type == "list":
            return lambda value: value if read(value) is not None and allowed.issuperset(value) else None  # type: ignore[arg-type]
        return lambda value: value if read(value) is not None and value in allowed else None

    def problem_with(self, value: object) -> str | None:
        """Why the raw JSON value is not of this field's type, in words; None if it is."""
        if self.reader(value) is not None:
            return None
        wanted = WORDS[self.type]
        if self.allowed and READERS[self.type](value) is not None:
            wanted = f"{'made of' if self.type == 'list' else 'one of'} {', '.join(self.allowed)}"
        return f"must be {wanted}; got {_seen(value)}{self._hint(value)}"

    def _hint(self, value: object) -> str:
        if not isinstance(value, str):
            return ""
        if self.type == "country" and value.upper() in OFTEN_MISTAKEN:
            return f"; did you mean {OFTEN_MISTAKEN[value.upper()]}?"
        if self.reader(value.upper()) is not None:
            return f"; did you mean {value.upper()}?"
        return nearest(value, self.allowed)


TYPES = tuple(READERS)
"""The types that a field may have."""


class Vocabulary(Mapping[str, Field]):
    """The declared fields by dotted name. Raises RuleError if a name is declared twice."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self._fields: dict[str, Field] = {}
        for field in fields:
            if field.name in self._fields:
                raise RuleError.at("/name", f"{field.name} is declared twice")
            self._fields[field.name] = field

    def __getitem__(self, name: str) -> Field:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def problem_with(self, name: str, value: object) -> str | None:
        """Why `value` cannot be the fact `name`, in words; None if it can."""
        field = self._fields.get(name)
        if field is None:
            return f"is not a declared fact{nearest(name, self._fields)}"
        return field.problem_with(value)


def _seen(value: object) -> str:
    """A short rendering of a raw value for a message."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, int) and abs(value) > 10**30:
        return "a number of too many digits"
    return shown(json.dumps(value, ensure_ascii=False)) if _is_plain(value) else type(value).__name__


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)
