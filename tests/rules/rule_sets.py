"""Generate small sets of rules, and find what the checks must report by trying every distinguishable set of facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations, product
from random import Random
from typing import cast

from engine.kernel.bounds import apply_effects
from rules import Field, Pin, Rule, Vocabulary, compile_rules, parse_rules
from rules.analysis.check import CheckContext, RuleFinding, check_rules
from rules.analysis.rule_set_analysis import effects_of
from rules.language.tree import fields_of

VOCABULARY = Vocabulary(
    (
        Field("cart.total", "money", unit="EUR"),
        Field("cart.items", "integer"),
        Field("risk.score", "number"),
        Field("customer.returning", "boolean"),
        Field("customer.segment", "string"),
        Field("customer.since", "date"),
        Field("customer.tags", "list"),
        Field("device.type", "string", allowed=("desktop", "mobile", "tablet")),
        Field("geo.country", "country"),
        Field("app.version", "version"),
        Field("time.now", "datetime"),
    )
)
LISTS = {"blocked": frozenset({"a"}), "nobody": frozenset[str]()}
CANDIDATES = {"card": "Card", "paypal": "PayPal", "klarna": "Klarna"}
CHECK_CONTEXT = CheckContext(VOCABULARY, LISTS, CANDIDATES)

_MOMENTS = tuple(
    f"2026-11-{day}T{clock}:00Z"
    for day in range(23, 30)
    for clock in ("03:00", "06:00", "09:00", "12:00", "18:00", "22:00", "23:00")
)
VALUES: dict[str, tuple[object, ...]] = {
    "cart.total": (-1, 0, 50, 100, 101, 102),
    "cart.items": tuple(range(-1, 6)),
    "risk.score": (-1, 0, 0.25, 0.5, 0.75, 1, 2),
    "customer.returning": (True, False),
    "customer.segment": ("a", "b", "", "z"),
    "customer.since": ("2025-12-30", "2025-12-31", "2026-01-01", "2026-01-02", "2026-02-01"),
    "customer.tags": ([], ["vip"], ["staff"], ["vip", "staff"]),
    "device.type": ("desktop", "mobile", "tablet"),
    "geo.country": ("DE", "AT", "US"),
    "app.version": ("0.9.0", "1.0.0", "1.0.5", "1.1.0-rc.1", "1.1.0-rc.2", "1.1.0", "2.0.0"),
    "time.now": _MOMENTS,
}
"""For each field, values below, between and above all literals that clauses use."""

_WRITTEN: dict[str, tuple[object, ...]] = {
    "cart.total": (0, 100, 101),
    "cart.items": (0, 1, 2, 4),
    "risk.score": (0, 0.5, 1),
    "customer.since": ("2025-12-31", "2026-01-01"),
    "customer.segment": ("a", "b", ""),
    "geo.country": ("DE", "AT"),
    "device.type": ("desktop", "mobile", "tablet"),
    "app.version": ("1.0.0", "1.1.0-rc.1", "1.1.0"),
}
_NUMBERS = ("cart.total", "cart.items", "risk.score")
_TEXTS = ("customer.segment", "device.type", "geo.country")
_ORDERED = ("cart.total", "cart.items", "risk.score", "customer.since")

Facts = dict[str, object]


@dataclass(frozen=True)
class GeneratedRules:
    """Rules, and all sets of facts to try."""

    rules: tuple[Rule, ...]
    worlds: tuple[Facts, ...]


def rule_set(random: Random, *, plain: bool, rules: int = 5, fields: int = 3) -> GeneratedRules:
    """Generate a set of rules; if `plain`, of clauses that the checks analyse exactly."""
    names = random.sample(list(VALUES), fields)
    if "time.now" in names:
        names = names[:2] if "time.now" in names[:2] else [names[0], "time.now"]
    documents = [
        {
            "id": f"r{number}",
            "priority": random.randrange(3),
            "when": condition(random, names, plain=plain),
            "effects": [_effect(random) for _ in range(random.choice((1, 1, 2)))],
        }
        for number in range(rules)
    ]
    return GeneratedRules(parse_rules(documents, VOCABULARY, LISTS), tuple(worlds(names)))


def large_set(random: Random, count: int, candidates: Sequence[str]) -> tuple[Rule, ...]:
    """Generate rules of 3 to 5 comparisons on any fields."""
    return parse_rules([_large(random, number, candidates) for number in range(count)], VOCABULARY, LISTS)


def _large(random: Random, number: int, candidates: Sequence[str]) -> dict[str, object]:
    clauses = [_clause(random, [random.choice(list(VALUES))], plain=True) for _ in range(random.randint(3, 5))]
    when: object = {"and": clauses if random.random() < 0.7 else [clauses[0], {"or": clauses[1:]}]}
    effects = [_effect(random, candidates) for _ in range(random.choice((1, 1, 2)))]
    return {"id": f"r{number}", "priority": random.randrange(10), "when": when, "effects": effects}


def worlds(names: Sequence[str]) -> Iterator[Facts]:
    """Yield every combination of values, each of them also missing."""
    for values in product(*((None, *VALUES[name]) for name in names)):
        yield {name: value for name, value in zip(names, values, strict=True) if value is not None}


def condition(random: Random, names: Sequence[str], depth: int = 0, *, plain: bool) -> object:
    """Generate connectives over clauses on some fields."""
    draw = random.random()
    if depth > 2 or draw < 0.3:
        return _clause(random, names, plain=plain)

    part = partial(condition, random, names, depth + 1, plain=plain)
    if draw < 0.75:
        return {"and": [part() for _ in range(random.randint(2, 3))]}
    if draw < 0.9:
        return {"or": [part() for _ in range(random.randint(1, 3))]}
    return {"!": part()} if draw < 0.96 else {"if": [{"!!": part()}, {"!!": part()}, {"!!": part()}]}


def _clause(random: Random, names: Sequence[str], *, plain: bool) -> object:
    name = random.choice(list(names))
    if not plain and random.random() < 0.4:
        return _opaque_clause(random, name, names)
    if random.random() < 0.08:
        return random.choice(({"exists": {"var": name}}, {"missing": [name]}, {"missing_some": [1, list(names)]}))
    return _CLAUSES.get(name, _compared)(random, name)


def _compared(random: Random, name: str) -> object:
    read, value = {"var": name}, random.choice(_WRITTEN[name])
    if name == "app.version":
        return {"sem_ver": [read, random.choice(("=", "!=", "<", "<=", ">", ">=")), value]}
    draw = random.random()
    if draw < 0.3:
        return {"in": [read, random.sample(_WRITTEN[name], 2)]}
    if name not in _ORDERED or draw < 0.4:
        return {random.choice(("==", "!=")): [read, value]}
    if draw < 0.5:
        low, high = sorted(random.sample(_WRITTEN[name], 2))  # type: ignore[type-var]
        return {"between": [read, low, high]}
    if draw < 0.6 and name == "cart.items":
        return {random.choice(("<", "<=")): [value, read, random.choice(_WRITTEN[name])]}
    sides = [read, value] if random.random() < 0.7 else [value, read]
    return {random.choice(("<", "<=", ">", ">=")): sides}


def _boolean(random: Random, name: str) -> object:
    return random.choice(({"var": name}, {"==": [{"var": name}, random.random() < 0.5]}, {"!": {"var": name}}))


def _tags(random: Random, name: str) -> object:
    operator = random.choice(("any_of", "all_of", "none_of"))
    members = random.choice((["vip"], ["staff"], ["vip", "staff"]))
    return random.choice(({operator: [{"var": name}, members]}, {"in": ["vip", {"var": name}]}))


def _moment(random: Random, name: str) -> object:
    days = random.sample(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), random.choice((2, 5)))
    start, end = random.sample(("06:00", "12:00", "22:00"), 2)
    return random.choice(
        ({"weekday_in": [{"var": name}, days, "UTC"]}, {"time_between": [{"var": name}, start, end, "UTC"]})
    )


_CLAUSES = {"customer.returning": _boolean, "customer.tags": _tags, "time.now": _moment}


def _opaque_clause(random: Random, name: str, names: Sequence[str]) -> object:
    """Generate a clause that the checks cannot analyse, or not completely."""
    read = {"var": name}
    if name in _NUMBERS:
        other = {"var": _other_field(random, names, _NUMBERS)}
        return random.choice(
            (
                {">": [{"*": [read, 2]}, 1]},
                {"<": [{"var": [name, 0]}, 1]},
                {random.choice(("<", ">=", "==", "!=")): [read, other]},
                {"!!": read},
            )
        )
    if name in _TEXTS:
        return random.choice(
            (
                {"starts_with": [read, random.choice(("a", "d"))]},
                {"in_list": [read, random.choice(("blocked", "nobody"))]},
                {"contains": [read, "e"]},
                {"==": [read, {"var": _other_field(random, names, _TEXTS)}]},
                {"!!": read},
            )
        )
    if name == "time.now":
        before_or_after = {random.choice(("before", "after")): [read, "2026-11-25T12:00:00Z"]}
        between_dates = {"between_dates": [read, "2026-11-24", "2026-11-26", "UTC"]}
        return random.choice((before_or_after, between_dates, {"weekday_in": [read, ["wed"], "Asia/Tokyo"]}))
    if name == "customer.tags":
        return {random.choice(("some", "all", "none")): [read, {"==": [{"var": ""}, "vip"]}]}
    return _CLAUSES.get(name, _compared)(random, name)


def _other_field(random: Random, names: Sequence[str], kind: Sequence[str]) -> str:
    return random.choice([name for name in names if name in kind])


def _effect(random: Random, candidates: Sequence[str] = tuple(CANDIDATES)) -> dict[str, object]:
    names = random.sample(candidates, random.choice((1, 1, 2)))
    all_but_few = random.sample(candidates, max(len(names), len(candidates) - 2))
    return random.choice(
        (
            {"exclude": names},
            {"exclude": names},
            {"require": all_but_few},
            {"pin": {"candidate": names[0], "slot": random.randint(1, 2)}},
            {"pin": {"candidate": names[0], "slot": 1}},
            {"boost": {"candidates": names, "factor": 2}},
            {"set": {"name": random.choice("xy"), "value": random.randint(1, 2)}},
        )
    )


# --- the expected findings


def _by_rule(fired_by_world: Sequence[frozenset[int]], rules: int) -> list[frozenset[int]]:
    """Return for each rule the worlds in which it fired."""
    return [
        frozenset(world for world, numbers in enumerate(fired_by_world) if rule in numbers) for rule in range(rules)
    ]


class ExpectedFindings:
    """The rules that fire in every world, and what follows from them."""

    def __init__(self, generated: GeneratedRules) -> None:
        self.rules, self.worlds = generated.rules, generated.worlds
        compiled = compile_rules(generated.rules, VOCABULARY, LISTS)
        firings = [compiled.evaluate(facts) for facts in generated.worlds]
        fired = [frozenset(firing.fired) for firing in firings]
        not_false = [
            indices.union(index for index, _ in firing.skipped) for indices, firing in zip(fired, firings, strict=True)
        ]
        self.combinations = set(fired)
        self.where = _by_rule(fired, len(generated.rules))
        self._not_false = _by_rule(not_false, len(generated.rules))
        self.effects = [effects_of(rule, CHECK_CONTEXT) for rule in generated.rules]

    def never(self) -> set[str]:
        return {rule.id for rule, where in zip(self.rules, self.where, strict=True) if not where}

    def always(self) -> set[str]:
        return {
            rule.id
            for number, rule in enumerate(self.rules)
            if fields_of(rule.condition) and len(self._not_false[number]) == len(self.worlds)
        }

    def shadowed(self) -> set[str]:
        """Return rules whose effects are all overridden by rules that fire whenever they do."""
        return {rule.id for number, rule in enumerate(self.rules) if self.where[number] and self._is_shadowed(number)}

    def _is_shadowed(self, number: int) -> bool:
        effects = self.effects[number]
        wider = [
            other for other in range(len(self.rules)) if other != number and self.where[number] <= self.where[other]
        ]
        earlier = [other for other in wider if other < number]
        hidden = set[str]().union(*(self.effects[other].hidden for other in wider))
        hidden_before = set[str]().union(*(self.effects[other].hidden for other in earlier))
        pinned_before = {pin for other in earlier for pin in self.effects[other].pins}
        set_before = {value.name for other in earlier for value in self.effects[other].sets}
        return (
            effects.hidden <= hidden_before
            and hidden.issuperset(effects.boosted)
            and all(pin.candidate in hidden or pin in pinned_before for pin in effects.pins)
            and all(other.name in set_before for other in effects.sets)
        )

    def matters(self, rule: str) -> bool:
        """Return whether the rule changes an answer in any world, as the engine applies effects."""
        number = self._number(rule)
        catalogues = ({}, {0: "not here"}, {1: "not here", 2: "not here"})
        return any(
            number in fired
            and self._bounds(fired, dict(unavailable)) != self._bounds(fired - {number}, dict(unavailable))
            for fired in self.combinations
            for unavailable in catalogues
        )

    def _bounds(self, fired: frozenset[int], excluded: dict[int, str]) -> object:
        index = {name: number for number, name in enumerate(CANDIDATES)}
        bounds = apply_effects(tuple(self.rules[number] for number in sorted(fired)), index, excluded, slots=9)
        boosts = {number: factor for number, factor in bounds.boosts.items() if number not in bounds.excluded}
        return set(bounds.excluded), bounds.pins, boosts, bounds.values

    def fights(self) -> set[tuple[str, str]]:
        """Return pairs of conflicting pins and requirements: the rule that loses, and another that fires with it."""
        return {
            (self.rules[number].id, self.rules[other].id)
            for number, other in permutations(range(len(self.rules)), 2)
            if self.where[number] & self.where[other] and self._clash(number, other)
        }

    def _clash(self, number: int, other: int) -> bool:
        losing, winning = self.effects[number], self.effects[other]
        hidden = any(pin.candidate in winning.hidden and pin.candidate not in losing.hidden for pin in losing.pins)
        taken = other < number and any(_is_second(pin, rival) for pin in losing.pins for rival in winning.pins)
        disjoint = other < number and bool(losing.required) and winning.required is not None
        return (
            hidden or taken or (disjoint and not (losing.required or frozenset()) & (winning.required or frozenset()))
        )

    def is_emptied(self) -> bool:
        every = frozenset(CANDIDATES)
        return any(
            every == frozenset[str]().union(*(self.effects[number].hidden for number in fired))
            for fired in self.combinations
        )

    def is_never_true(self, finding: RuleFinding) -> bool:
        """Return whether the part of the rule's document is true in no world."""
        part: object = self.rules[self._number(finding.rule)].document
        for step in finding.path.split("/")[1:-1]:
            part = part[int(step)] if isinstance(part, list) else cast(dict[str, object], part)[step]
        effects = [{"exclude": ["card"]}]
        alone = compile_rules(
            parse_rules([{"id": "r", "when": part, "effects": effects}], VOCABULARY, LISTS), VOCABULARY, LISTS
        )
        return not any(alone.evaluate(facts).fired for facts in self.worlds)

    def is_a_fight(self, finding: RuleFinding) -> bool:
        """Return whether the finding's example is right; a rule that fights with itself does so wherever it fires."""
        if not finding.others:
            effects = self.effects[self._number(finding.rule)]
            return any(pin.candidate in effects.hidden for pin in effects.pins)
        return self._fire([finding.rule, finding.others[0]], finding.example) and all(
            self._clash(self._number(finding.rule), self._number(other)) for other in finding.others
        )

    def is_empty_there(self, finding: RuleFinding) -> bool:
        ids = [finding.rule, *finding.others]
        hidden = frozenset[str]().union(*(self.effects[self._number(rule_id)].hidden for rule_id in ids))
        return self._fire(ids, finding.example) and hidden == frozenset(CANDIDATES)

    def _number(self, rule_id: str) -> int:
        return next(number for number, rule in enumerate(self.rules) if rule.id == rule_id)

    def _fire(self, ids: Sequence[str], facts: Facts | None) -> bool:
        rules = tuple(rule for rule in self.rules if rule.id in ids)
        return facts is not None and len(compile_rules(rules, VOCABULARY, LISTS).evaluate(facts).fired) == len(rules)


def _is_second(pin: Pin, earlier: Pin) -> bool:
    return (pin.slot == earlier.slot) is not (pin.candidate == earlier.candidate)


def mistakes(generated: GeneratedRules, *, plain: bool) -> list[str]:
    """Return false findings and, of plain sets, missing findings."""
    expected, findings = ExpectedFindings(generated), check_rules(generated.rules, CHECK_CONTEXT)
    mistakes_found = [*false_alarms(expected, findings)]
    return [*mistakes_found, *missed(expected, findings)] if plain else mistakes_found


def false_alarms(expected: ExpectedFindings, findings: Sequence[RuleFinding]) -> Iterator[str]:
    checks = {
        "never": lambda finding: finding.rule in expected.never(),
        "dead part": expected.is_never_true,
        "always": lambda finding: finding.rule in expected.always(),
        "shadowed": lambda finding: not expected.matters(finding.rule),
        "fight": expected.is_a_fight,
        "may be empty": expected.is_empty_there,
    }
    for finding in findings:
        if finding.kind in checks and not checks[finding.kind](finding):
            yield f"false: {finding}"


def missed(expected: ExpectedFindings, findings: Sequence[RuleFinding]) -> Iterator[str]:
    by_kind = {
        kind: {finding.rule for finding in findings if finding.kind == kind} for kind in ("never", "always", "shadowed")
    }
    of_kinds = {"never": expected.never(), "always": expected.always(), "shadowed": expected.shadowed()}
    for kind, rules in of_kinds.items():
        yield from (f"missed: {kind} {rule}" for rule in sorted(rules - by_kind[kind]))
    fights = {(finding.rule, other) for finding in findings if finding.kind == "fight" for other in finding.others}
    expected_fights = {pair for pair in expected.fights() if pair[0] not in by_kind["shadowed"]}
    yield from (f"missed: fight {pair}" for pair in sorted(expected_fights - fights))
    if expected.is_emptied() and not any(finding.kind in {"may be empty", "fight", "shadowed"} for finding in findings):
        yield "missed: may be empty"
