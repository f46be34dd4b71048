"""What a preview must show: `python -m benchmarks.verify preview`.

Whether the interval of the estimated effect holds the truth, whether a draft that the past cannot tell of is refused,
how long a preview takes, and what decisions notice of it.
"""

from __future__ import annotations

import itertools
import multiprocessing
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import msgspec

from benchmarks import preview_load
from benchmarks.preview_log import COUNTRIES, DEVICES, METHODS, Log, Logged, Shoppers, document, make_log
from engine.kernel import Draw
from engine.live import Active
from engine.odds import AnyBeliefs
from engine.placement import RuleDocument
from engine.plan import Plan, PlanDocument
from engine.preview import Case, Comparison, Redone, read_logged
from engine.preview_effect import Effect, effect_of
from engine.preview_totals import Totals

Figure = tuple[str, str, str]
A_MOMENT = 1_800_000_000_000


class Tried(NamedTuple):
    """A draft rule, what the preview says of its effect, and the truth."""

    rule: RuleDocument
    effect: Effect
    truth: float

    @property
    def holds(self) -> bool:
        return bool(self.effect.low <= self.truth <= self.effect.high)


class Coverage(NamedTuple):
    """`held`: of the drafts that were estimated, those whose interval holds the truth."""

    tried: int
    estimated: int
    held: int

    @property
    def share(self) -> float:
        return self.held / max(1, self.estimated)


DECISIONS, DRAFTS, A_BATCH = 200_000, 400, 20
NORWEGIANS = {"==": [{"var": "geo.country"}, "NO"]}


def coverage(*, decisions: int, wanted: int, seed: int = 1) -> Coverage:
    """Draft rules on one log, until so many of them could be estimated; two processes."""
    seeds = itertools.count(seed)
    tried = estimated = held = 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context, initializer=_begin, initargs=(decisions, seed)) as pool:
        while estimated < wanted:
            for batch in pool.map(_batch, [next(seeds) for _ in range(4)]):
                for has_value, holds in batch:
                    tried += 1
                    if has_value and estimated < wanted:
                        estimated, held = estimated + 1, held + holds
    return Coverage(tried, estimated, held)


class _Process:
    bench: Bench


def _begin(decisions: int, seed: int) -> None:
    _Process.bench = Bench(make_log(Plan(document(), version=1), 1, count=decisions, seed=seed, until=A_MOMENT))


def _batch(seed: int) -> list[tuple[bool, bool]]:
    tried = [_Process.bench.try_on(rule) for rule in drafts(A_BATCH, seed=seed)]
    return [(not one.effect.refused and one.effect.touched > 0, one.holds) for one in tried]


def without_overlap(bench: Bench, count: int, *, seed: int = 1) -> tuple[int, int]:
    """(refused, tried): drafts that do what the log never did, in Norway, where Klarna was always hidden."""
    luck, refused = random.Random(seed), 0
    for number in range(count):
        clauses: list[Any] = [NORWEGIANS, {"<": [{"var": "cart.total"}, 10_000 + 300 * number]}]
        never = ({"require": ["klarna"]}, {"set": {"name": "banner", "value": number}})
        rule = RuleDocument(id="draft", name="Draft", when={"and": clauses}, effects=(luck.choice(never),))
        effect = bench.try_on(rule, without="no-klarna-in-norway").effect
        refused += bool(effect.refused)
    return refused, count


def figures() -> list[Figure]:
    """What was measured, the goal, and the measurement."""
    found = coverage(decisions=DECISIONS, wanted=DRAFTS)
    bench = Bench(make_log(Plan(document(), version=1), 1, count=20_000, seed=2, until=A_MOMENT))
    refused, tried = without_overlap(bench, 60)
    cost = preview_load.measure(count=DECISIONS)
    ratio, slower = cost.during.p99 / cost.quiet.p99, cost.during.p50 / cost.quiet.p50 - 1
    return [
        (f"the interval holds the true effect, {DRAFTS} draft rules with overlap, {DECISIONS:,} decisions",
         "93 to 97 %", f"{found.share:.1%} of {found.estimated} ({found.tried} tried)"),
        ("drafts that do what the log never did are refused", "all", f"{refused} of {tried}"),
        (f"a preview of {cost.read:,} decisions, all of them touched", "under 20 s", f"{cost.alone_all:.1f} s"),
        (f"a preview of {cost.read:,} decisions, one in {len(COUNTRIES)} touched", "under 20 s",
         f"{cost.alone_some:.1f} s"),
        (f"p99 of {preview_load.RATE} decisions/s while a preview runs, against without", "at most 1.5 times",
         f"{ratio:.2f} times ({cost.during.p99:.1f} against {cost.quiet.p99:.1f} ms; median {slower:+.0%})"),
    ]  # fmt: skip


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


def with_rule(plan: PlanDocument, rule: RuleDocument) -> PlanDocument:
    return msgspec.structs.replace(plan, rules=(*plan.rules, rule))


class Bench:
    """A log in memory, on which drafts are tried as a preview does it, and their true effects worked out."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._by_country: defaultdict[str, list[Logged]] = defaultdict(list)
        for one in log.decisions:
            self._by_country[one.facts.values["geo.country"]].append(one)
        self._expected: dict[tuple[object, ...], float] = {}

    def try_on(self, rule: RuleDocument, *, without: str = "") -> Tried:
        """The log's plan with a rule more, and perhaps without another."""
        wanted = with_rule(self._log.plan.document, rule)
        kept = tuple(one for one in wanted.rules if one.id != without)
        draft = Active(Plan(msgspec.structs.replace(wanted, rules=kept), version=0))
        comparison = Comparison(self._log.plan, draft.plan)
        totals, truth = Totals(read=len(self._log.decisions), counted=len(self._log.decisions)), 0.0
        drawn: dict[int, AnyBeliefs] = {}
        known: dict[tuple[object, ...], float] = {}
        for one, case in self.touched(rule, comparison):
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

    def touched(self, rule: RuleDocument, comparison: Comparison) -> Iterator[tuple[Logged, Case]]:
        country = rule.when["and"][0]["=="][1]
        for one in self._by_country[country]:
            logged = read_logged(one.row.answer)
            firing = comparison.draft.compiled.evaluate(one.facts.values)
            bounded = comparison.bounded(one.facts.values, firing.fired, logged)
            if not bounded.same:
                yield one, Case(one.row.id, one.facts, logged, bounded)

    def _difference(self, case: Case, redone: Redone, beliefs: AnyBeliefs, comparison: Comparison) -> float:
        country, shoppers, before = case.facts.values["geo.country"], self._log.shoppers, case.bounded.before
        key = (beliefs.version, *before.excluded, *sorted(before.boosts.items()))
        if key not in self._expected:
            back = Comparison(comparison.draft, comparison.before)
            then = back.redone(case._replace(bounded=case.bounded._replace(draft=before)), beliefs)
            self._expected[key] = expected(then, country, shoppers)
        return expected(redone, country, shoppers) - self._expected[key]


def expected(redone: Redone, country: str, shoppers: Shoppers) -> float:
    """How likely the shopper buys, over all orders that may come out."""
    if redone.drawing is None:
        return 0.0
    draw, offered = redone.drawing
    whole = 0.0
    for order, chance in rankings(draw):
        whole += chance * shoppers.success(country, tuple(offered[place] for place in order))
    return whole


def rankings(draw: Draw, order: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every order that may come out and goes on from `order`, with its chance."""
    if len(order) == draw.length:
        yield order, 1.0
        return
    *_, at = draw.along([*order, None])
    for place, chance in enumerate(at.tolist()):
        if chance:
            for rest, more in rankings(draw, (*order, place)):
                yield rest, chance * more
