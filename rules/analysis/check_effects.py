"""What rules do to each other: one makes another useless, two want opposite things, several leave nothing to show."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rules.analysis.findings import Finding
from rules.analysis.study import Study
from rules.language.effects import Effect, Pin, Require

_MOST_TRIED = 5


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that a rule does: hides or weights a candidate, pins it, or sets a value; in words."""

    kind: str
    target: str
    slot: int
    text: str


class Effects:
    """The rules of a study by what they do, and what follows from that.

    Effects are applied as `engine.bounds` does: what one rule hides no other shows, boosts multiply, of several pins
    of a place or of a candidate the first counts, and of several values the first. With a `focus`, only what that
    rule takes part in is looked for.
    """

    def __init__(self, study: Study, *, focus: int | None = None) -> None:
        self._study = study
        self._focus = focus
        self._hiding = _by_key(
            (number, name) for number, deed in enumerate(study.deeds) for name in sorted(deed.hidden)
        )
        self._pinning = _by_key((number, pin.slot) for number, deed in enumerate(study.deeds) for pin in deed.pins)
        self._placing = _by_key((number, pin.candidate) for number, deed in enumerate(study.deeds) for pin in deed.pins)
        self._setting = _by_key((number, one.name) for number, deed in enumerate(study.deeds) for one in deed.sets)
        self._requiring = [number for number, deed in enumerate(study.deeds) if deed.required is not None]

    def findings(self) -> Iterator[Finding]:
        """What is found, rule by rule."""
        for number, boxes in enumerate(self._study.boxes):
            if not boxes:
                continue
            shadow = self._shadow(number) if self._may_be_shadowed(number) else None
            if shadow:
                yield self._shadowed(number, shadow)
            else:
                yield from self._fights(number)

    def _may_be_shadowed(self, number: int) -> bool:
        return self._focus in (None, number) or self._study.implies(number, self._focus)

    def _partners(self, number: int, others: Sequence[int]) -> Sequence[int]:
        """The other rules to look at beside this one."""
        if self._focus in (None, number):
            return [other for other in others if other != number]
        return [self._focus] if self._focus in others else []

    # --- rules without use

    def _shadow(self, number: int) -> list[tuple[Unit, int]] | None:
        """For everything that the rule does, another rule because of which it does not matter; None if it may."""
        found = []
        for unit in self._units(number):
            killer = next((other for other in self._killers(number, unit) if self._study.implies(number, other)), None)
            if killer is None:
                return None
            found.append((unit, killer))
        if self._focus not in (None, number) and self._focus not in (killer for _, killer in found):
            return None
        return found or None

    def _units(self, number: int) -> list[Unit]:
        deed, label = self._study.deeds[number], self._study.setting.label
        return [
            *(Unit("hide", name, 0, f"hides {label(name)}") for name in sorted(deed.hidden)),
            *(
                Unit("pin", pin.candidate, pin.slot, f"shows {label(pin.candidate)} in place {pin.slot}")
                for pin in deed.pins
            ),
            *(Unit("boost", name, 0, f"weights {label(name)}") for name in deed.boosted),
            *(Unit("set", one.name, 0, f"sets {one.name}") for one in deed.sets),
        ]

    def _killers(self, number: int, unit: Unit) -> Iterator[int]:
        """Rules that leave the unit without effect whenever both fire, the first of them first."""
        match unit.kind:
            case "hide":
                yield from (other for other in self._hiding.get(unit.target, ()) if other < number)
            case "set":
                yield from (other for other in self._setting.get(unit.target, ()) if other < number)
            case "boost":
                yield from (other for other in self._hiding.get(unit.target, ()) if other != number)
            case _:
                yield from (other for other in self._hiding.get(unit.target, ()) if other != number)
                yield from (other for other in self._pinning.get(unit.slot, ()) if self._pins_same(other, number, unit))

    def _pins_same(self, other: int, number: int, unit: Unit) -> bool:
        """Whether a rule that comes before pins the same candidate to the same place."""
        return other < number and Pin(unit.target, unit.slot) in self._study.deeds[other].pins

    def _shadowed(self, number: int, shadow: list[tuple[Unit, int]]) -> Finding:
        others = list(dict.fromkeys(other for _, other in shadow))
        names = _listed([self._name(other) for other in others])
        verb = "fires" if len(others) == 1 else "fire"
        what = _listed([self._already(unit, other) for unit, other in shadow[:3]])
        message = f"{self._subject(number)} changes nothing: whenever it fires, {names} {verb} too, and {what}."
        ids = tuple(self._study.rules[other].id for other in others)
        return Finding(self._study.rules[number].id, "/effects", "shadowed", "warning", message, ids)

    def _already(self, unit: Unit, other: int) -> str:
        """What the other rule does instead."""
        label, deed = self._study.setting.label(unit.target), self._study.deeds[other]
        if unit.target in deed.hidden and unit.kind != "set":
            return f"{label} is hidden already" if unit.kind == "hide" else f"{label} is hidden then"
        if unit.kind == "set":
            value = next(one.value for one in deed.sets if one.name == unit.target)
            return f"{unit.target} is {_shown(value)} already"
        return f"{label} is in place {unit.slot} already"

    # --- rules that want opposite things

    def _fights(self, number: int) -> Iterator[Finding]:
        for pin in self._study.deeds[number].pins:
            yield from self._hidden_pin(number, pin)
            yield from self._second_pin(number, pin)
        if self._study.deeds[number].required is not None:
            yield from self._disjoint(number)

    def _hidden_pin(self, number: int, pin: Pin) -> Iterator[Finding]:
        if pin.candidate in self._study.deeds[number].hidden:
            if self._focus in (None, number):
                yield self._fight(number, pin, (), f"{self._shows(number, pin)} and hides it, too; it is hidden.")
            return
        others = self._meeting(number, self._partners(number, self._hiding.get(pin.candidate, ())))
        if others:
            message = f"{self._shows(number, pin)}, but where {self._names(others)} fires too, it is hidden."
            yield self._fight(number, pin, others, message)

    def _second_pin(self, number: int, pin: Pin) -> Iterator[Finding]:
        """Another candidate has the place, or the candidate another place, by a rule that comes before."""
        claims = (
            (self._pinning[pin.slot], self._pins_other, "gives the place to another"),
            (self._placing[pin.candidate], self._pins_elsewhere, "shows it in another place"),
        )
        for rivals, is_rival, deed in claims:
            before = [other for other in self._partners(number, rivals) if is_rival(other, number, pin)]
            others = self._meeting(number, before)
            if others:
                shows, names = self._shows(number, pin), self._names(others)
                message = f"{shows}, but where {names} fires too, that comes first and {deed}."
                yield self._fight(number, pin, others, message)

    def _pins_other(self, other: int, number: int, pin: Pin) -> bool:
        deed = self._study.deeds[other]
        return other < number and any(one.slot == pin.slot and one.candidate != pin.candidate for one in deed.pins)

    def _pins_elsewhere(self, other: int, number: int, pin: Pin) -> bool:
        deed = self._study.deeds[other]
        return other < number and any(one.candidate == pin.candidate and one.slot != pin.slot for one in deed.pins)

    def _disjoint(self, number: int) -> Iterator[Finding]:
        kept = self._study.deeds[number].required or frozenset()
        before = [one for one in self._partners(number, self._requiring) if one < number]
        others = self._meeting(
            number, [one for one in before if kept.isdisjoint(self._study.deeds[one].required or ())]
        )
        if others and kept:
            allowing = next(one for one in self._study.rules[number].effects if isinstance(one, Require))
            names = self._names(others)
            subject = self._subject(number)
            message = f"{subject} allows none of those that {names} allows; where both fire, nothing is left to show."
            yield self._fight(number, allowing, others, message)

    def _meeting(self, number: int, others: Sequence[int]) -> tuple[int, ...]:
        """Those of the other rules that surely fire together with this one for some facts."""
        found, doubtful = [], []
        for other in others:
            can = self._study.can_meet(number, other)
            if can:
                found.append(other)
            elif can is None:
                doubtful.append(other)
        if not found:
            tried = doubtful[:_MOST_TRIED]
            found = [other for other in tried if self._study.example((number, other)) is not None][:1]
        return tuple(found)

    def _names(self, others: Sequence[int]) -> str:
        first = self._name(others[0])
        more = len(others) - 1
        return f"{first} (and {more} more)" if more else first

    def _name(self, number: int) -> str:
        return "this rule" if number == self._focus else f"“{self._study.rules[number].name}”"

    def _subject(self, number: int) -> str:
        return "This rule" if self._focus in (None, number) else self._name(number)

    def _shows(self, number: int, pin: Pin) -> str:
        place = "first" if pin.slot == 1 else f"in place {pin.slot}"
        return f"{self._subject(number)} shows {self._study.setting.label(pin.candidate)} {place}"

    def _fight(self, number: int, effect: Effect, others: Sequence[int], message: str) -> Finding:
        rule = self._study.rules[number]
        ids = tuple(self._study.rules[other].id for other in others)
        is_shown = self._focus in (None, number)
        example = self._study.example((number, *others[:1])) if is_shown else None
        path = f"/effects/{rule.effects.index(effect)}"
        return Finding(rule.id, path, "fight", "warning", message, ids, example)


def _by_key(pairs: Iterable[tuple[int, object]]) -> dict[object, list[int]]:
    found: dict[object, list[int]] = {}
    for number, key in pairs:
        found.setdefault(key, []).append(number)
    return found


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(texts[:-1]), texts[-1]) if part)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
