"""Find rules that have no effect because of other rules, and rules whose effects contradict each other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rules.analysis.findings import RuleFinding
from rules.analysis.rule_set_analysis import RuleSetAnalysis
from rules.language.effects import Effect, Pin, Require

_MOST_TRIED = 5


@dataclass(frozen=True, slots=True)
class UnitEffect:
    """A single effect of a rule, with its description: hide or weight a candidate, pin it, or set a value."""

    kind: str
    target: str
    slot: int
    text: str


class EffectChecker:
    """Compares the effects of the rules of an analysis.

    Effects apply as in `engine.kernel.bounds`: a hidden candidate stays hidden, boosts multiply, and the first rule
    wins among pins of a slot or of a candidate and among values of a name. With a `focus`, only findings that involve
    that rule are looked for.
    """

    def __init__(self, analysis: RuleSetAnalysis, *, focus: int | None = None) -> None:
        self._analysis = analysis
        self._focus = focus
        self._hiding = _by_key(
            (number, name) for number, effects in enumerate(analysis.effects) for name in sorted(effects.hidden)
        )
        pins = [(number, pin) for number, effects in enumerate(analysis.effects) for pin in effects.pins]
        self._by_slot = _by_key((number, pin.slot) for number, pin in pins)
        self._by_candidate = _by_key((number, pin.candidate) for number, pin in pins)
        self._by_value = _by_key(
            (number, value.name) for number, effects in enumerate(analysis.effects) for value in effects.sets
        )
        self._requiring = [number for number, effects in enumerate(analysis.effects) if effects.required is not None]

    def findings(self) -> Iterator[RuleFinding]:
        """Yield the findings, rule by rule."""
        for number, boxes in enumerate(self._analysis.boxes):
            if not boxes:
                continue
            shadows = self._shadows(number) if self._may_be_shadowed(number) else None
            if shadows:
                yield self._shadowed(number, shadows)
            else:
                yield from self._fights(number)

    def _may_be_shadowed(self, number: int) -> bool:
        return self._focus in (None, number) or self._analysis.implies(number, self._focus)

    def _partners(self, number: int, others: Sequence[int]) -> Sequence[int]:
        """Return the other rules to compare this rule with."""
        if self._focus in (None, number):
            return [other for other in others if other != number]
        return [self._focus] if self._focus in others else []

    # --- rules without effect

    def _shadows(self, number: int) -> list[tuple[UnitEffect, int]] | None:
        """Return each effect of the rule with another rule that makes it irrelevant; None if one effect may matter."""
        shadows = []
        for unit in self._units(number):
            rivals = self._overriding_rules(number, unit)
            overriding = next((other for other in rivals if self._analysis.implies(number, other)), None)
            if overriding is None:
                return None
            shadows.append((unit, overriding))
        if self._focus not in (None, number) and self._focus not in (overriding for _, overriding in shadows):
            return None
        return shadows or None

    def _units(self, number: int) -> list[UnitEffect]:
        effects, label = self._analysis.effects[number], self._analysis.context.label
        return [
            *(UnitEffect("hide", name, 0, f"hides {label(name)}") for name in sorted(effects.hidden)),
            *(
                UnitEffect("pin", pin.candidate, pin.slot, f"shows {label(pin.candidate)} in position {pin.slot}")
                for pin in effects.pins
            ),
            *(UnitEffect("boost", name, 0, f"weights {label(name)}") for name in effects.boosted),
            *(UnitEffect("set", value.name, 0, f"sets {value.name}") for value in effects.sets),
        ]

    def _overriding_rules(self, number: int, unit: UnitEffect) -> Iterator[int]:
        """Yield rules that leave the effect without consequence whenever both fire, in order of priority."""
        match unit.kind:
            case "hide":
                yield from (other for other in self._hiding.get(unit.target, ()) if other < number)
            case "set":
                yield from (other for other in self._by_value.get(unit.target, ()) if other < number)
            case "boost":
                yield from (other for other in self._hiding.get(unit.target, ()) if other != number)
            case _:
                yield from (other for other in self._hiding.get(unit.target, ()) if other != number)
                yield from (other for other in self._by_slot.get(unit.slot, ()) if self._pins_same(other, number, unit))

    def _pins_same(self, other: int, number: int, unit: UnitEffect) -> bool:
        """Return whether an earlier rule pins the same candidate to the same slot."""
        return other < number and Pin(unit.target, unit.slot) in self._analysis.effects[other].pins

    def _shadowed(self, number: int, shadows: list[tuple[UnitEffect, int]]) -> RuleFinding:
        others = list(dict.fromkeys(other for _, other in shadows))
        names = _listed([self._name(other) for other in others])
        verb = "fires" if len(others) == 1 else "fire"
        reasons = _listed([self._description_of_other(unit, other) for unit, other in shadows[:3]])
        message = f"{self._subject(number)} changes nothing: whenever it fires, {names} {verb} too, and {reasons}."
        ids = tuple(self._analysis.rules[other].id for other in others)
        return RuleFinding(self._analysis.rules[number].id, "/effects", "shadowed", "warning", message, ids)

    def _description_of_other(self, unit: UnitEffect, other: int) -> str:
        """Describe the effect of the other rule."""
        label, effects = self._analysis.context.label(unit.target), self._analysis.effects[other]
        if unit.target in effects.hidden and unit.kind != "set":
            return f"{label} is hidden already" if unit.kind == "hide" else f"{label} is hidden then"
        if unit.kind == "set":
            value = next(setting.value for setting in effects.sets if setting.name == unit.target)
            return f"{unit.target} is {_shown(value)} already"
        return f"{label} is in position {unit.slot} already"

    # --- rules that contradict each other

    def _fights(self, number: int) -> Iterator[RuleFinding]:
        for pin in self._analysis.effects[number].pins:
            yield from self._hidden_pin(number, pin)
            yield from self._second_pin(number, pin)
        if self._analysis.effects[number].required is not None:
            yield from self._disjoint(number)

    def _hidden_pin(self, number: int, pin: Pin) -> Iterator[RuleFinding]:
        if pin.candidate in self._analysis.effects[number].hidden:
            if self._focus in (None, number):
                yield self._fight(number, pin, (), f"{self._shows(number, pin)} and hides it, too; it is hidden.")
            return
        others = self._firing_together(number, self._partners(number, self._hiding.get(pin.candidate, ())))
        if others:
            message = f"{self._shows(number, pin)}, but if {self._names(others)} also fires, it is hidden."
            yield self._fight(number, pin, others, message)

    def _second_pin(self, number: int, pin: Pin) -> Iterator[RuleFinding]:
        """Yield a finding if an earlier rule gives the slot to another candidate, or the candidate another slot."""
        claims = (
            (self._by_slot[pin.slot], self._pins_other, "gives the position to another"),
            (self._by_candidate[pin.candidate], self._pins_elsewhere, "shows it in another position"),
        )
        for rivals, is_rival, action in claims:
            earlier = [other for other in self._partners(number, rivals) if is_rival(other, number, pin)]
            others = self._firing_together(number, earlier)
            if others:
                shows, names = self._shows(number, pin), self._names(others)
                message = f"{shows}, but if {names} also fires, that comes first and {action}."
                yield self._fight(number, pin, others, message)

    def _pins_other(self, other: int, number: int, pin: Pin) -> bool:
        pins = self._analysis.effects[other].pins
        return other < number and any(rival.slot == pin.slot and rival.candidate != pin.candidate for rival in pins)

    def _pins_elsewhere(self, other: int, number: int, pin: Pin) -> bool:
        pins = self._analysis.effects[other].pins
        return other < number and any(rival.candidate == pin.candidate and rival.slot != pin.slot for rival in pins)

    def _disjoint(self, number: int) -> Iterator[RuleFinding]:
        required = self._analysis.effects[number].required or frozenset()
        earlier = [other for other in self._partners(number, self._requiring) if other < number]
        others = self._firing_together(
            number, [other for other in earlier if required.isdisjoint(self._analysis.effects[other].required or ())]
        )
        if others and required:
            effects = self._analysis.rules[number].effects
            requirement = next(effect for effect in effects if isinstance(effect, Require))
            names = self._names(others)
            subject = self._subject(number)
            message = f"{subject} allows none of those that {names} allows; if both fire, no candidate is left."
            yield self._fight(number, requirement, others, message)

    def _firing_together(self, number: int, others: Sequence[int]) -> tuple[int, ...]:
        """Return those of the other rules that surely fire together with this one for some facts."""
        meeting, doubtful = [], []
        for other in others:
            can = self._analysis.can_meet(number, other)
            if can:
                meeting.append(other)
            elif can is None:
                doubtful.append(other)
        if not meeting:
            tried = doubtful[:_MOST_TRIED]
            meeting = [other for other in tried if self._analysis.example((number, other)) is not None][:1]
        return tuple(meeting)

    def _names(self, others: Sequence[int]) -> str:
        first = self._name(others[0])
        more = len(others) - 1
        return f"{first} (and {more} more)" if more else first

    def _name(self, number: int) -> str:
        return "this rule" if number == self._focus else f"“{self._analysis.rules[number].name}”"

    def _subject(self, number: int) -> str:
        return "This rule" if self._focus in (None, number) else self._name(number)

    def _shows(self, number: int, pin: Pin) -> str:
        slot = "first" if pin.slot == 1 else f"in position {pin.slot}"
        return f"{self._subject(number)} shows {self._analysis.context.label(pin.candidate)} {slot}"

    def _fight(self, number: int, effect: Effect, others: Sequence[int], message: str) -> RuleFinding:
        rule = self._analysis.rules[number]
        ids = tuple(self._analysis.rules[other].id for other in others)
        is_shown = self._focus in (None, number)
        example = self._analysis.example((number, *others[:1])) if is_shown else None
        path = f"/effects/{rule.effects.index(effect)}"
        return RuleFinding(rule.id, path, "fight", "warning", message, ids, example)


def _by_key(pairs: Iterable[tuple[int, object]]) -> dict[object, list[int]]:
    numbers: dict[object, list[int]] = {}
    for number, key in pairs:
        numbers.setdefault(key, []).append(number)
    return numbers


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(texts[:-1]), texts[-1]) if part)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
