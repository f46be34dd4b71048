"""What a preview must show: `python -m benchmarks.verify preview`.

Whether the interval of the estimated effect holds the truth, whether a draft that the past cannot tell of is refused,
how long a preview takes, and what decisions notice of it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from benchmarks.preview_log import COUNTRIES, DEVICES, METHODS, Log, Logged, Shoppers
from engine.kernel import AnyBeliefs, Draw
from engine.live import Active
from engine.placement import RuleDocument
from engine.plan import Plan, PlanDocument
from engine.preview import Case, Comparison, Redone, read_logged
from engine.preview_effect import Effect, effect_of
from engine.preview_totals import Totals

Figure = tuple[str, str, str]


class Tried(NamedTuple):
    """A draft rule, what the preview says of its effect, and the truth."""

    rule: RuleDocument
    effect: Effect
    truth: float

    @property
    def holds(self) -> bool:
        return self.effect.low <= self.truth <= self.effect.high


def drafts(count: int, *, seed: int, methods: Sequence[str] = METHODS) -> list[RuleDocument]:
    """Rules such as merchants try: in a country, on a device, for small or large carts."""
    luck = random.Random(seed)
    return [
        RuleDocument(id="draft", name="Draft", when=_condition(luck), effects=(_effect(luck, methods),))
        for _ in range(count)
    ]


def _condition(luck: random.Random) -> Any:
    clauses: list[Any] = [{"==": [{"var": "geo.country"}, luck.choice(COUNTRIES)]}]
    if luck.random() < 0.4:
        clauses.append({"==": [{"var": "device.type"}, luck.choice(DEVICES)]})
    if luck.random() < 0.4:
        clauses.append({luck.choice("<>"): [{"var": "cart.total"}, luck.choice([8_000, 15_000, 25_000])]})
    return {"and": clauses}


def _effect(luck: random.Random, methods: Sequence[str]) -> dict[str, Any]:
    one, two = luck.sample(methods, 2)
    kind = luck.random()
    if kind < 0.4:
        return {"boost": {"candidates": [one], "factor": luck.choice([0.6, 0.8, 1.2, 1.4, 1.7])}}
    if kind < 0.7:
        return {"exclude": [one]}
    if kind < 0.8:
        return {"exclude": [one, two]}
    return {"pin": {"candidate": one, "slot": luck.choice([1, 1, 2, 2, 3])}}


def with_rule(document: PlanDocument, rule: RuleDocument) -> PlanDocument:
    return msgspec.structs.replace(document, rules=(*document.rules, rule))


class Bench:
    """A log in memory, on which drafts are tried as a preview does it, and their true effects worked out."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._by_country: defaultdict[str, list[Logged]] = defaultdict(list)
        for one in log.decisions:
            self._by_country[one.facts.values["geo.country"]].append(one)
        self._before = Active(log.plan)
        self._flat: dict[int, AnyBeliefs] = {}
        self._expected: dict[tuple[object, ...], float] = {}

    def try_on(self, rule: RuleDocument) -> Tried:
        draft = Active(Plan(with_rule(self._log.plan.document, rule), version=0))
        comparison = Comparison(self._log.plan, draft.plan)
        totals, truth = Totals(read=len(self._log.decisions), counted=len(self._log.decisions)), 0.0
        drawn: dict[int, AnyBeliefs] = {}
        known: dict[tuple[object, ...], float] = {}
        for one, case in self._touched(rule, comparison):
            version = one.row.beliefs_version
            if version not in drawn:
                drawn[version] = draft.make(self._log.known[version])
            redone = comparison.redone(case, drawn[version])
            succeeded = {one.bought: 1} if one.bought else {}
            totals.moves(case, redone)
            totals.weighs(comparison.weighed(case, redone, drawn[version], succeeded), revalued=False)
            key = (version, id(case.bounded))
            if key not in known:
                known[key] = self._difference(case, redone, drawn[version], comparison)
            truth += known[key]
        return Tried(rule, effect_of(totals), truth / totals.counted)

    def _touched(self, rule: RuleDocument, comparison: Comparison) -> Iterator[tuple[Logged, Case]]:
        country = rule.when["and"][0]["=="][1]
        for one in self._by_country[country]:
            logged = read_logged(one.row.answer)
            firing = comparison.draft.compiled.evaluate(one.facts.values)
            bounded = comparison.bounded(one.facts.values, firing.fired, logged)
            if not bounded.same:
                yield one, Case(one.row.id, one.facts, logged, bounded)

    def _difference(self, case: Case, redone: Redone, beliefs: AnyBeliefs, comparison: Comparison) -> float:
        country, shoppers = case.facts.values["geo.country"], self._log.shoppers
        back = Comparison(comparison.draft, comparison.before)
        then = back.redone(case._replace(bounded=case.bounded._replace(draft=case.bounded.before)), beliefs)
        return _expected(redone, country, shoppers) - _expected(then, country, shoppers)


def _expected(redone: Redone, country: str, shoppers: Shoppers) -> float:
    if redone.drawing is None:
        return 0.0
    draw, offered = redone.drawing
    whole = 0.0
    for order, chance in _rankings(draw, ()):
        whole += chance * shoppers.success(country, tuple(offered[place] for place in order))
    return whole


def _rankings(draw: Draw, order: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every order that may come out, with its chance."""
    if len(order) == draw.length:
        yield order, 1.0
        return
    *_, at = draw.along([*order, None])
    for place, chance in enumerate(at.tolist()):
        if chance:
            for rest, more in _rankings(draw, (*order, place)):
                yield rest, chance * more
