"""Define what a rule does when it fires: a closed union of immutable values, each with one JSON form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from rules.json_logic.javascript import LARGEST_SAFE
from rules.json_logic.problems import Problem, RuleError, nearest, pointer

MOST_CANDIDATES = 1_000
LONGEST_TEXT = 200
LARGEST_FACTOR = 1_000
LAST_SLOT = 1_000


@dataclass(frozen=True, slots=True)
class Exclude:
    """Hide these candidates."""

    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Require:
    """Hide all candidates but these."""

    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pin:
    """Show the candidate in this slot, counted from 1."""

    candidate: str
    slot: int


@dataclass(frozen=True, slots=True)
class Boost:
    """Multiply the scores of these candidates by `factor` before the draw."""

    candidates: tuple[str, ...]
    factor: float


@dataclass(frozen=True, slots=True)
class Set:
    """Put a named value in the answer."""

    name: str
    value: bool | int | float | str


Effect = Exclude | Require | Pin | Boost | Set


def to_json(effect: Effect) -> dict[str, object]:
    """Return the effect's JSON form, which `parse_effects` reads."""
    match effect:
        case Exclude(candidates):
            return {"exclude": list(candidates)}
        case Require(candidates):
            return {"require": list(candidates)}
        case Pin(candidate, slot):
            return {"pin": {"candidate": candidate, "slot": slot}}
        case Boost(candidates, factor):
            return {"boost": {"candidates": list(candidates), "factor": factor}}
        case Set(name, value):
            return {"set": {"name": name, "value": value}}


def candidates_of(effect: Effect) -> tuple[str, ...]:
    """Return the ids of the candidates that an effect names."""
    match effect:
        case Exclude(candidates) | Require(candidates) | Boost(candidates, _):
            return candidates
        case Pin(candidate, _):
            return (candidate,)
        case Set():
            return ()


def parse_effects(documents: object, path: str = "/effects") -> tuple[Effect, ...]:
    """Parse a decoded JSON list of effects; `path` is the prefix of the problems' paths. Raises RuleError."""
    if not isinstance(documents, list) or not documents:
        raise RuleError.single(path, 'must be a list of at least one effect, such as [{"exclude": ["klarna"]}]')
    if len(documents) > MOST_CANDIDATES:
        raise RuleError.single(path, f"has {len(documents)} effects; at most {MOST_CANDIDATES} are allowed")
    reader = _EffectReader()
    effects = [reader.effect(document, pointer(path, index)) for index, document in enumerate(documents)]
    if reader.problems:
        raise RuleError(reader.problems)
    return tuple(cast(list[Effect], effects))


class _EffectReader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def problem(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message))

    def effect(self, document: object, path: str) -> Effect | None:
        if not isinstance(document, dict) or len(document) != 1:
            self.problem(path, f"must be an object with one key of {', '.join(_KINDS)}")
            return None
        [(kind, value)] = document.items()
        read = _KINDS.get(kind)
        if read is None:
            message = f"is not an effect; it must be one of {', '.join(_KINDS)}{nearest(str(kind), _KINDS)}"
            self.problem(pointer(path, kind), message)
            return None
        return read(self, value, pointer(path, kind))

    def exclude(self, value: object, path: str) -> Effect | None:
        candidates = self.candidates(value, path)
        return Exclude(candidates) if candidates else None

    def require(self, value: object, path: str) -> Effect | None:
        candidates = self.candidates(value, path)
        return Require(candidates) if candidates else None

    def pin(self, value: object, path: str) -> Effect | None:
        parts = self.parts(value, ("candidate", "slot"), path)
        if parts is None:
            return None
        candidate, slot = parts
        text = self.text(candidate, pointer(path, "candidate"))
        if type(slot) is not int or not 1 <= slot <= LAST_SLOT:
            self.problem(pointer(path, "slot"), f"must be a whole number from 1 to {LAST_SLOT}")
            return None
        return Pin(text, slot) if text else None

    def boost(self, value: object, path: str) -> Effect | None:
        parts = self.parts(value, ("candidates", "factor"), path)
        if parts is None:
            return None
        candidates = self.candidates(parts[0], pointer(path, "candidates"))
        factor = parts[1]
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor <= LARGEST_FACTOR:
            self.problem(pointer(path, "factor"), f"must be a number over 0 and at most {LARGEST_FACTOR}")
            return None
        return Boost(candidates, float(factor)) if candidates else None

    def set(self, value: object, path: str) -> Effect | None:
        parts = self.parts(value, ("name", "value"), path)
        if parts is None:
            return None
        name = self.text(parts[0], pointer(path, "name"))
        fits = isinstance(parts[1], bool | int | float | str) and _is_bounded(parts[1])
        if not fits:
            self.problem(pointer(path, "value"), "must be true, false, a number or a short text")
        return Set(name, cast(bool | int | float | str, parts[1])) if name and fits else None

    def candidates(self, value: object, path: str) -> tuple[str, ...] | None:
        if not isinstance(value, list) or not 1 <= len(value) <= MOST_CANDIDATES:
            self.problem(path, f'must be a list of 1 to {MOST_CANDIDATES} candidate ids, such as ["card"]')
            return None
        texts = [self.text(item, pointer(path, index)) for index, item in enumerate(value)]
        if len(set(texts)) < len(texts) and None not in texts:
            self.problem(path, "names a candidate twice")
        return tuple(cast(list[str], texts)) if all(texts) else None

    def text(self, value: object, path: str) -> str | None:
        if isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT:
            return value
        self.problem(path, f"must be a text of 1 to {LONGEST_TEXT} characters")
        return None

    def parts(self, value: object, keys: tuple[str, str], path: str) -> tuple[object, object] | None:
        if isinstance(value, dict) and set(value) == set(keys):
            return value[keys[0]], value[keys[1]]
        self.problem(path, f"must be an object with the keys {keys[0]} and {keys[1]}")
        return None


def _is_bounded(value: bool | int | float | str) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_TEXT
    return abs(value) <= LARGEST_SAFE


_KINDS: Mapping[str, Callable[[_EffectReader, object, str], Effect | None]] = {
    "exclude": _EffectReader.exclude,
    "require": _EffectReader.require,
    "pin": _EffectReader.pin,
    "boost": _EffectReader.boost,
    "set": _EffectReader.set,
}
