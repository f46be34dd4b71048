"""What was typed into a form, and what is wrong with it, kept together until it can be stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from babel import Locale

from engine.model.errors import FieldProblem, Invalid
from rules.language.values import read_datetime
from web.countries import problem_of_countries, read_countries
from web.format import ENGLISH
from web.typed_money import Amounts, NotAnAmount, read_amount, read_amounts

SEPARATORS = re.compile(r"[\s,;]+")
T = TypeVar("T")


@dataclass(frozen=True)
class Form:
    """The texts of a form by field, each with at most one problem."""

    values: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """Return the text of a field."""
        return self.values.get(name, "")

    def problem(self, name: str) -> str:
        """Return the problem of a field, or an empty text."""
        return self.problems.get(name, "")

    def with_problems(self, problems: Iterable[FieldProblem]) -> Form:
        """Return the same texts with the first problem of each field."""
        problems_by_field: dict[str, str] = {}
        for problem in problems:
            problems_by_field.setdefault(problem.field, sentence(problem.message))
        return Form(self.values, problems_by_field)


class Reader:
    """Reads typed values out of a form and gathers what is wrong, so that all of it is told at once."""

    def __init__(self, values: Mapping[str, str], locale: Locale = ENGLISH) -> None:
        self.values = values
        self.locale = locale
        self.problems: list[FieldProblem] = []

    def text(self, name: str, *, required: str = "") -> str:
        """Read a text without outer blanks; `required` is the problem of an empty one."""
        text = self.values.get(name, "").strip()
        if required and not text:
            self._wrong(name, required)
        return text

    def flag(self, name: str) -> bool:
        """Return whether a box is ticked."""
        return self.values.get(name) in ("on", "true")

    def integer(self, name: str, *, default: int = 0) -> int:
        """Read a whole number; an empty field is the default."""
        text = self.text(name)
        try:
            return int(text) if text else default
        except ValueError:
            self._wrong(name, "must be a whole number, such as 10")
            return default

    def decimal(self, name: str, *, default: float = 0.0) -> float:
        """Read a number with a point or a comma; an empty field is the default."""
        text = self.text(name).replace(",", ".")
        try:
            return float(text) if text else default
        except ValueError:
            self._wrong(name, "must be a number, such as 1.4")
            return default

    def money(self, name: str, currency: str) -> int | None:
        """Return an amount in minor units, typed in major ones; None where the field is empty."""
        return self._typed(name, currency, read_amount)

    def amounts(self, name: str, currency: str) -> Amounts | None:
        """Return an amount, or amounts by currency where several are typed, as in “500; GBP 430”."""
        return self._typed(name, currency, read_amounts)

    def _typed(self, name: str, currency: str, read: Callable[[str, str, Locale], T]) -> T | None:
        text = self.text(name)
        try:
            return read(text, currency, self.locale) if text else None
        except NotAnAmount as problem:
            self._wrong(name, str(problem))
            return None

    def words(self, name: str, *, upper: bool = False) -> tuple[str, ...]:
        """Read codes separated by commas or blanks, each once, in the order typed."""
        text = self.text(name)
        words = SEPARATORS.split(text.upper() if upper else text)
        return tuple(dict.fromkeys(word for word in words if word))

    def countries(self, name: str) -> tuple[str, ...]:
        """Read countries by code or name, in the order typed."""
        codes = read_countries(self.text(name), self.locale)
        problem = problem_of_countries(codes, self.locale)
        if problem:
            self._wrong(name, problem)
        return tuple(codes)

    def moment(self, name: str, zone: ZoneInfo, *, old: str | None) -> str | None:
        """Read a day and a time of day in a time zone; `old` where the text shows it, None where it is empty."""
        text = self.text(name)
        if old is not None and text == moment_text(old, zone):
            return old
        try:
            moment = local_moment(text, zone).isoformat() if text else None
        except SkippedTime as problem:
            self._wrong(name, str(problem))
            return None
        except ValueError:
            self._wrong(name, "must be a day and a time")
            return None
        if moment and read_datetime(moment) is None:
            self._wrong(name, "must be a day and a time before the year 9999")
            return None
        return moment

    def lines(self, name: str) -> tuple[str, ...]:
        """Read one value a line."""
        return tuple(dict.fromkeys(line.strip() for line in self.text(name).splitlines() if line.strip()))

    def check(self) -> None:
        """Raise `Invalid` with everything that was wrong so far."""
        if self.problems:
            raise Invalid(*self.problems)

    def _wrong(self, name: str, message: str) -> None:
        self.problems.append(FieldProblem(name, message))


class SkippedTime(ValueError):
    """A time of day that does not exist on its day."""


def local_moment(text: str, zone: ZoneInfo) -> datetime:
    """Return the moment of a day and a time on a zone's clocks; where clocks go back over it, the earlier one.

    Raise `SkippedTime` where clocks go forward over it, and `ValueError` for other texts.
    """
    moment = datetime.fromisoformat(text).replace(tzinfo=zone)
    with suppress(OverflowError):
        if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment.replace(tzinfo=None):
            raise SkippedTime(f"does not exist in {zone.key}: clocks go forward then")
    return moment


def moment_text(moment: str | None, zone: ZoneInfo) -> str:
    """Return an RFC 3339 moment as the browser's field for a day and a time shows it; empty for None."""
    when = read_datetime(moment) if moment else None
    return when.astimezone(zone).strftime("%Y-%m-%dT%H:%M") if when else ""


def number_text(value: float) -> str:
    """Format a number as an input shows it, without .0."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def sentence(message: str) -> str:
    """Make a sentence of a message: a capital first, a full stop last."""
    text = message[:1].upper() + message[1:]
    return text if text.endswith((".", "?", "!")) else text + "."
