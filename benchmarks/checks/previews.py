"""Goals of previews: `python -m benchmarks.verify preview`.

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

from benchmarks.checks.preview_log import COUNTRIES, DEVICES, METHODS, Crowd, Log, Shoppers, document, make_log
from benchmarks.speed import preview_load
from engine.kernel.experiments.evaluated import IN_FORCE
from engine.kernel.kernel import Draw, draw_of
from engine.kernel.plan import Plan, PlanDocument
from engine.kernel.scores import AnyBeliefs
from engine.learning.active import Active
from engine.model.facts import Facts
from engine.model.placement import RuleDocument
from engine.previews.estimation.comparison import Case, Comparison, LoggedAnswer, batches, read_logged
from engine.previews.estimation.drawing import AllowedCandidates, Request
from engine.previews.estimation.effect import MAY_DIFFER, Effect, effect_of
from engine.previews.estimation.totals import Totals

Figure = tuple[str, str, str]
A_MOMENT = 1_800_000_000_000
MOST_OPEN = 0.1
"""The largest part of an interval that the log leaves open, if the interval is to cover nearly chance alone."""


class Tried(NamedTuple):
    """A draft rule, what the preview says of its effect, and the truth."""

    rule: RuleDocument
    effect: Effect
    true_value: float

    @property
    def holds(self) -> bool:
        return bool(self.effect.low <= self.true_value <= self.effect.high)

    @property
    def whole(self) -> bool:
        effect = self.effect
        open_share = 2 * MAY_DIFFER * effect.unknown + effect.bounded
        open_part = open_share * effect.earned * effect.touched / effect.counted
        return open_part <= MOST_OPEN * (effect.high - effect.low)


class Coverage(NamedTuple):
    """If the interval covers the true value, by draft: for drafts that the log covers completely, and for those with an
    open share that the interval must include. `tried` also counts refused drafts.
    """

    tried: int
    whole: list[bool]
    partly: list[bool]


class Setting(NamedTuple):
    """Logs of so many decisions between the first so many methods, of which so many slots are drawn.

    A customer makes so many visits. So many drafts are tried on each log: they share its chance.
    """

    decisions: int
    methods: int = len(METHODS)
    drawn: int = 3
    visits: int = 1
    drafts: int = 100


AS_MERCHANTS_HAVE_IT, DRAFTS = Setting(200_000), 400
ALL_SLOTS_DRAWN, DRAFTS_THERE = Setting(60_000, methods=4, drawn=4, drafts=25), 300
PROCESSES = 2
NORWEGIANS = {"==": [{"var": "geo.country"}, "NO"]}


def coverage(setting: Setting, *, least: int, seed: int = 1) -> Coverage:
    """Try draft rules until the log covers that many as a whole; two processes, each log with its own seed.

    Several logs are used, because drafts on the same log share its chance.
    """
    seeds = itertools.count(seed)
    total = Coverage(0, [], [])
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        while len(total.whole) < least:
            for more in pool.map(cover, itertools.repeat(setting, PROCESSES), seeds):
                total = Coverage(total.tried + more.tried, total.whole + more.whole, total.partly + more.partly)
    return total


def cover(setting: Setting, seed: int) -> Coverage:
    """Try draft rules on a single log."""
    plan = Plan(document(methods=setting.methods, drawn=setting.drawn), version=1)
    crowd = Crowd(setting.visits)
    draft_bench = DraftBench(make_log(plan, 1, count=setting.decisions, seed=seed, until=A_MOMENT, crowd=crowd))
    tried = [draft_bench.try_on(rule) for rule in drafts(setting.drafts, seed=seed, methods=METHODS[: setting.methods])]
    estimated = [draft for draft in tried if draft.effect.touched and not draft.effect.refused]
    whole, partly = ([draft.holds for draft in estimated if draft.whole is whole] for whole in (True, False))
    return Coverage(len(tried), whole, partly)


def describe_share(held: Sequence[bool]) -> str:
    return f"{sum(held) / max(1, len(held)):.1%} of {len(held)}"


def without_overlap(draft_bench: DraftBench, count: int, *, seed: int = 1) -> tuple[int, int]:
    """Return (refused, tried) for drafts that do what the log never did: in Norway, Klarna was always hidden."""
    luck, refused = random.Random(seed), 0
    for number in range(count):
        clauses: list[Any] = [NORWEGIANS, {"<": [{"var": "cart.total"}, 10_000 + 300 * number]}]
        never = ({"require": ["klarna"]}, {"set": {"name": "banner", "value": number}})
        rule = RuleDocument(id="draft", name="Draft", when={"and": clauses}, effects=(luck.choice(never),))
        effect = draft_bench.try_on(rule, without="no-klarna-in-norway").effect
        refused += bool(effect.refused)
    return refused, count


def figures() -> list[Figure]:
    """Return (subject, goal, measured) rows."""
    coverages = coverage(AS_MERCHANTS_HAVE_IT, least=DRAFTS)
    drafts = coverage(ALL_SLOTS_DRAWN, least=DRAFTS_THERE)
    draft_bench = DraftBench(make_log(Plan(document(), version=1), 1, count=20_000, seed=2, until=A_MOMENT))
    refused, tried = without_overlap(draft_bench, 60)
    cost = preview_load.measure(count=AS_MERCHANTS_HAVE_IT.decisions)
    ratio, slower = cost.during.p99 / cost.quiet.p99, cost.during.p50 / cost.quiet.p50 - 1
    logged = f"logs of {AS_MERCHANTS_HAVE_IT.decisions:,} decisions, 6 methods, 3 slots drawn"
    return [
        (f"the interval holds the true effect, draft rules within what the log did; {logged}", "93 to 97% of 400",
         f"{describe_share(coverages.whole)} ({coverages.tried} tried)"),
        ("the same, draft rules of which the log leaves more than a tenth of the interval open",
         "at least 93%", describe_share(coverages.partly)),
        ("both together", "", describe_share([*coverages.whole, *coverages.partly])),
        (f"within what the log did; logs of {ALL_SLOTS_DRAWN.decisions:,} decisions, 4 methods, all slots drawn",
         "93 to 97%", f"{describe_share(drafts.whole)} ({drafts.tried} tried)"),
        ("drafts that do what the log never did are refused", "all", f"{refused} of {tried}"),
        (f"a preview of {cost.read:,} decisions, all of them touched", "under 20 s", f"{cost.alone_all:.1f} s"),
        (f"a preview of {cost.read:,} decisions, one in {len(COUNTRIES)} touched", "under 20 s",
         f"{cost.alone_some:.1f} s"),
        (f"p99 of {preview_load.RATE} decisions/s while a preview runs, against without", "at most 1.5 times",
         f"{ratio:.2f} times ({cost.during.p99:.1f} against {cost.quiet.p99:.1f} ms; median {slower:+.0%})"),
    ]  # fmt: skip


def drafts(count: int, *, seed: int, methods: Sequence[str] = METHODS) -> list[RuleDocument]:
    """Generate typical rules: in a country, on a device, for small or large carts."""
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
    first, second = luck.sample(methods, 2)
    kind = luck.random()
    if kind < 0.4:
        return {"boost": {"candidates": [first], "factor": luck.choice([0.6, 0.8, 1.2, 1.4, 1.7])}}
    if kind < 0.7:
        return {"exclude": [first]}
    if kind < 0.8:
        return {"exclude": [first, second]}
    return {"pin": {"candidate": first, "slot": luck.choice([1, 1, 2, 2, 3])}}


def with_rule(plan: PlanDocument, rule: RuleDocument) -> PlanDocument:
    return msgspec.structs.replace(plan, rules=(*plan.rules, rule))


class Seen(NamedTuple):
    """A logged decision as a preview reads it, and the method that was bought."""

    id: str
    facts: Facts
    logged: LoggedAnswer
    beliefs_version: int
    bought: str | None


class DraftBench:
    """A log in memory on which drafts are tried as a preview does, with their true effects."""

    def __init__(self, log: Log) -> None:
        self._plan, self._shoppers, self._snapshots = log.plan, log.shoppers, log.snapshots
        self._count = len(log.decisions)
        self._by_country: defaultdict[str, list[Seen]] = defaultdict(list)
        for logged in log.decisions:
            seen = Seen(
                logged.row.id, logged.facts, read_logged(logged.row.answer), logged.row.beliefs_version, logged.bought
            )
            self._by_country[logged.facts.values["geo.country"]].append(seen)
        self._bought = {logged.row.id: {logged.bought: 1.0} for logged in log.decisions if logged.bought}
        self._expected: dict[tuple[object, ...], float] = {}

    def try_on(self, rule: RuleDocument, *, without: str = "") -> Tried:
        """Try the log's plan with an additional rule, and perhaps without another."""
        changed = with_rule(self._plan.document, rule)
        kept = tuple(other for other in changed.rules if other.id != without)
        draft = Active(Plan(msgspec.structs.replace(changed, rules=kept), version=0))
        comparison = Comparison(self._plan, draft.plan)
        cases = list(self.touched(rule, comparison))
        drawn = {version: draft.make(self._snapshots[version]) for version in {case.beliefs_version for case in cases}}
        totals = Totals(read=self._count, counted=self._count)
        for batch in batches(cases):
            beliefs = [drawn[case.beliefs_version] for case in batch]
            answers = comparison.answers(batch, beliefs)
            for case, order in zip(batch, answers.orders, strict=True):
                totals.add_answer(case, order)
            rewards = [self._bought.get(case.id, {}) for case in batch]
            totals.add_weighed(batch, comparison.weighed(batch, answers, beliefs, rewards), revalued=False)
        return Tried(rule, effect_of(totals), self._true_value(cases, drawn) / self._count)

    def touched(self, rule: RuleDocument, comparison: Comparison) -> Iterator[Case]:
        country = rule.when["and"][0]["=="][1]
        for seen in self._by_country[country]:
            firing = comparison.draft.compiled.evaluate(seen.facts.values)
            bounded = comparison.bounded(seen.facts.values, firing.fired, seen.logged)
            if not bounded.same:
                yield Case(seen.id, seen.facts, seen.logged, bounded, (1, IN_FORCE), seen.beliefs_version, True)

    def _true_value(self, cases: Sequence[Case], drawn: Mapping[int, AnyBeliefs]) -> float:
        """Return the mean number of additional purchases that the draft brings; no customer here has a history."""
        alike = Counter((case.beliefs_version, id(case.bounded)) for case in cases)
        example = {(case.beliefs_version, id(case.bounded)): case for case in cases}
        return sum(count * self._difference(example[key], drawn[key[0]]) for key, count in alike.items())

    def _difference(self, case: Case, beliefs: AnyBeliefs) -> float:
        before, country = case.bounded.before, case.facts.values["geo.country"]
        key = (beliefs.version, *before.offered, *sorted(before.limits.bounds.boosts.items()))
        if key not in self._expected:
            self._expected[key] = expected(before, case.request(beliefs), country, self._shoppers)
        return expected(case.bounded.draft, case.request(beliefs), country, self._shoppers) - self._expected[key]


def expected(allowed: AllowedCandidates, request: Request, country: str, shoppers: Shoppers) -> float:
    """Return the probability of a purchase, over all orders that may be drawn."""
    if not allowed.offered:
        return 0.0
    draw = draw_of(allowed.plan, request.beliefs, request.facts, allowed.limits, request.key)
    return sum(
        chance * shoppers.success(country, tuple(allowed.offered[index] for index in order))
        for order, chance in rankings(draw)
    )


def rankings(draw: Draw, order: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield every order that may be drawn and begins with `order`, with its chance."""
    if len(order) == draw.slots.length:
        yield order, 1.0
        return
    *_, chances = draw.chances_along((*order, None))
    following = {index: chance for index, chance in enumerate(chances.tolist()) if chance}
    for index, chance in following.items():
        for whole, more in rankings(draw, (*order, index)):
            yield whole, chance * more
