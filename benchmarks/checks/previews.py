"""What a preview must show: `python -m benchmarks.verify preview`.

Whether the interval of the estimated effect holds the truth, whether a draft that the past cannot tell of is refused,
how long a preview takes, and what decisions notice of it.
"""

from __future__ import annotations

import itertools
import multiprocessing
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import msgspec

from benchmarks.checks.preview_log import COUNTRIES, DEVICES, METHODS, Log, Shoppers, document, make_log
from benchmarks.speed import preview_load
from engine.kernel.kernel import Draw, draw_of
from engine.kernel.plan import Plan, PlanDocument
from engine.kernel.scores import AnyBeliefs
from engine.learning.live import Active
from engine.model.facts import Facts
from engine.model.placement import RuleDocument
from engine.previews.estimation.comparison import Case, Comparison, LoggedAnswer, batches, read_logged
from engine.previews.estimation.drawing import Request, Room
from engine.previews.estimation.effect import Effect, effect_of
from engine.previews.estimation.totals import Totals

Figure = tuple[str, str, str]
A_MOMENT = 1_800_000_000_000
NEARLY_NOTHING = 0.01
"""The share of what a draft would earn that may be open, and the interval still is one of chance alone."""


class Tried(NamedTuple):
    """A draft rule, what the preview says of its effect, and the truth."""

    rule: RuleDocument
    effect: Effect
    truth: float

    @property
    def holds(self) -> bool:
        return bool(self.effect.low <= self.truth <= self.effect.high)

    @property
    def whole(self) -> bool:
        return self.effect.unknown + self.effect.bounded < NEARLY_NOTHING


class Coverage(NamedTuple):
    """Whether the interval holds the truth, draft by draft: where the past tells of all that the draft would do, and
    where the interval has to hold what is open too. `tried` are also those that were refused."""

    tried: int
    whole: list[bool]
    partly: list[bool]


class Setting(NamedTuple):
    """Logs of so many decisions between the first so many methods, of which so many slots are drawn."""

    decisions: int
    methods: int = len(METHODS)
    drawn: int = 3


AS_MERCHANTS_HAVE_IT, DRAFTS = Setting(200_000), 400
ALL_SLOTS_DRAWN, DRAFTS_THERE = Setting(60_000, methods=4, drawn=4), 150
A_LOG, PROCESSES = 100, 2
NORWEGIANS = {"==": [{"var": "geo.country"}, "NO"]}


def coverage(setting: Setting, *, wanted: int, seed: int = 1) -> Coverage:
    """Draft rules until the past tells of so many of them as a whole; two processes, each log with its own seed.

    Drafts on one log share its luck, so there are several.
    """
    seeds = itertools.count(seed)
    found = Coverage(0, [], [])
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        while len(found.whole) < wanted:
            for more in pool.map(cover, itertools.repeat(setting, PROCESSES), seeds):
                found = Coverage(found.tried + more.tried, found.whole + more.whole, found.partly + more.partly)
    return found


def cover(setting: Setting, seed: int, count: int = A_LOG) -> Coverage:
    """Draft rules on one log."""
    plan = Plan(document(methods=setting.methods, drawn=setting.drawn), version=1)
    bench = Bench(make_log(plan, 1, count=setting.decisions, seed=seed, until=A_MOMENT))
    tried = [bench.try_on(rule) for rule in drafts(count, seed=seed, methods=METHODS[: setting.methods])]
    estimated = [one for one in tried if one.effect.touched and not one.effect.refused]
    whole, partly = ([one.holds for one in estimated if one.whole is wanted] for wanted in (True, False))
    return Coverage(len(tried), whole, partly)


def told(held: Sequence[bool]) -> str:
    return f"{sum(held) / max(1, len(held)):.1%} of {len(held)}"


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
    found = coverage(AS_MERCHANTS_HAVE_IT, wanted=DRAFTS)
    there = coverage(ALL_SLOTS_DRAWN, wanted=DRAFTS_THERE)
    bench = Bench(make_log(Plan(document(), version=1), 1, count=20_000, seed=2, until=A_MOMENT))
    refused, tried = without_overlap(bench, 60)
    cost = preview_load.measure(count=AS_MERCHANTS_HAVE_IT.decisions)
    ratio, slower = cost.during.p99 / cost.quiet.p99, cost.during.p50 / cost.quiet.p50 - 1
    logged = f"logs of {AS_MERCHANTS_HAVE_IT.decisions:,} decisions, 6 methods, 3 slots drawn"
    return [
        (f"the interval holds the true effect, draft rules within what the log did; {logged}", "93 to 97% of 400",
         f"{told(found.whole)} ({found.tried} tried)"),
        ("the same, draft rules of which the log leaves a part open: the interval holds that part too",
         "at least 93%", told(found.partly)),
        ("both together", "", told([*found.whole, *found.partly])),
        (f"within what the log did; logs of {ALL_SLOTS_DRAWN.decisions:,} decisions, 4 methods, all slots drawn",
         "93 to 97%", f"{told(there.whole)} ({there.tried} tried)"),
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


class Seen(NamedTuple):
    """A logged decision as a preview reads it, and what was bought."""

    id: str
    facts: Facts
    logged: LoggedAnswer
    beliefs_version: int
    bought: str | None


class Bench:
    """A log in memory, read once, on which drafts are tried as a preview does it, and their true effects worked out."""

    def __init__(self, log: Log) -> None:
        self._plan, self._shoppers, self._known = log.plan, log.shoppers, log.snapshots
        self._count = len(log.decisions)
        self._by_country: defaultdict[str, list[Seen]] = defaultdict(list)
        for one in log.decisions:
            seen = Seen(one.row.id, one.facts, read_logged(one.row.answer), one.row.beliefs_version, one.bought)
            self._by_country[one.facts.values["geo.country"]].append(seen)
        self._bought = {one.row.id: {one.bought: 1} for one in log.decisions if one.bought}
        self._expected: dict[tuple[object, ...], float] = {}

    def try_on(self, rule: RuleDocument, *, without: str = "") -> Tried:
        """The log's plan with a rule more, and perhaps without another."""
        wanted = with_rule(self._plan.document, rule)
        kept = tuple(one for one in wanted.rules if one.id != without)
        draft = Active(Plan(msgspec.structs.replace(wanted, rules=kept), version=0))
        comparison = Comparison(self._plan, draft.plan)
        cases = list(self.touched(rule, comparison))
        drawn = {version: draft.make(self._known[version]) for version in {case.beliefs_version for case in cases}}
        totals = Totals(read=self._count, counted=self._count)
        for batch in batches(cases):
            beliefs = [drawn[case.beliefs_version] for case in batch]
            redone = comparison.redone(batch, beliefs)
            for case, order in zip(batch, redone.orders, strict=True):
                totals.moves(case, order)
            succeeded = [self._bought.get(case.id, {}) for case in batch]
            totals.weighs(comparison.weighed(batch, redone, beliefs, succeeded), revalued=False)
        return Tried(rule, effect_of(totals), self._truth(cases, drawn) / self._count)

    def touched(self, rule: RuleDocument, comparison: Comparison) -> Iterator[Case]:
        country = rule.when["and"][0]["=="][1]
        for one in self._by_country[country]:
            firing = comparison.draft.compiled.evaluate(one.facts.values)
            bounded = comparison.bounded(one.facts.values, firing.fired, one.logged)
            if not bounded.same:
                yield Case(one.id, one.facts, one.logged, bounded, 1, one.beliefs_version, True)

    def _truth(self, cases: Sequence[Case], drawn: Mapping[int, AnyBeliefs]) -> float:
        """How many purchases more the draft brings on average; nobody here has a past that would tell cases apart."""
        alike = Counter((case.beliefs_version, id(case.bounded)) for case in cases)
        example = {(case.beliefs_version, id(case.bounded)): case for case in cases}
        return sum(count * self._difference(example[key], drawn[key[0]]) for key, count in alike.items())

    def _difference(self, case: Case, beliefs: AnyBeliefs) -> float:
        before, country = case.bounded.before, case.facts.values["geo.country"]
        key = (beliefs.version, *before.eligible, *sorted(before.bounds.boosts.items()))
        if key not in self._expected:
            self._expected[key] = expected(before, case.request(beliefs), country, self._shoppers)
        return expected(case.bounded.draft, case.request(beliefs), country, self._shoppers) - self._expected[key]


def expected(room: Room, request: Request, country: str, shoppers: Shoppers) -> float:
    """How likely the shopper buys, over all orders that may come out."""
    if not room.eligible:
        return 0.0
    draw = draw_of(room.plan, request.beliefs, request.facts, room.bounds, room.eligible, request.key)
    return sum(
        chance * shoppers.success(country, tuple(room.offered[place] for place in order))
        for order, chance in rankings(draw)
    )


def rankings(draw: Draw, order: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every order that may come out and goes on from `order`, with its chance; pins stand among the first slots."""
    slot, taken = len(order), {*order, *draw.pins.values()}
    if slot == draw.length:
        yield order, 1.0
        return
    if slot in draw.pins:
        following = {draw.pins[slot]: 1.0}
    elif slot < draw.drawn:
        following = {
            place: chance for place, chance in enumerate(draw.slot_chances.chances(tuple(taken)).tolist()) if chance
        }
    else:
        left = sorted(set(range(len(draw.rest_scores))) - taken, key=lambda place: -draw.rest_scores[place])
        yield (*order, *left)[: draw.length], 1.0
        return
    for place, chance in following.items():
        for whole, more in rankings(draw, (*order, place)):
            yield whole, chance * more
