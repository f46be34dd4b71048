"""What a client needs to decide by itself exactly as the kernel does: after the rules, for all of a placement."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

import bandits
from bandits.evidence.outage import PROBES
from engine.kernel.beliefs import Beliefs
from engine.kernel.bounds import Bounds
from engine.kernel.choice_beliefs import ChoiceBeliefs
from engine.kernel.kernel import UNLIMITED, bounds_for, drawn_count, most_slots
from engine.kernel.plan import Plan
from engine.kernel.scores import AnyBeliefs, split_weights
from engine.kernel.value import boost_weights
from engine.learning.active import Active
from engine.model.placement import Contextual, FieldType, Fixed, Limit, Split
from engine.model.standard_vocabulary import ENGINE_FIELD_NAMES
from rules import Pin
from rules.language.effects import to_json

MOST_CANDIDATES = 255
"""A rank among the candidates is a byte."""
MOST_DRAWS = 1_000_000
"""Ranks that a snapshot may have: a third more in characters."""
LIMITING_FACTS = ("geo.country", "cart.currency", "device.type", "cart.total")

Floats = NDArray[np.float64]


class OfflineCandidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A candidate and the limits that no rule sets; a missing one does not limit."""

    id: str
    label: str
    countries: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    min_amount: Limit | None = None
    max_amount: Limit | None = None


class OfflineFact(msgspec.Struct, frozen=True):
    """A fact that the answers depend on: its type, and the values that it may have, if they are listed."""

    type: FieldType
    allowed: tuple[str, ...] = ()


Ranks = Annotated[
    str,
    Meta(description="Base64 of a byte for each candidate and draw, candidate by candidate: how many scores are less."),
]


class OfflineTable(msgspec.Struct, frozen=True):
    """What is believed of the candidates, in their order. `expected` orders the slots that are not drawn.

    `floor` of each slot is spread in proportion to `shares`, evenly if there are none; candidates that are `away` get
    `probes` of a slot together.
    """

    beliefs_version: int
    scores: list[float]
    expected: list[float]
    floor: float
    shares: list[float]
    suspended: list[bool] = msgspec.field(name="away")
    probes: float
    draws: Ranks


class OfflinePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What decides a placement. `slots` is the most that an answer has, null for all; `drawn` of them are drawn.

    `weights` multiply scores, or are the shares of a split. `effects` are those of the rules. The table is that of the
    request's bucket or stratum, or else the one called "".
    """

    placement: str
    plan_version: int
    policy: Literal["thompson", "split", "fixed"]
    slots: int | None
    drawn: int
    window_minutes: int
    currency: str | None
    candidates: list[OfflineCandidate]
    weights: list[float]
    effects: list[dict[str, Any]]
    facts: dict[str, OfflineFact]
    buckets: list[str]
    tables_by: Literal["bucket", "stratum"]
    order_rules: list[str]
    tables: dict[str, OfflineTable]


class BeliefsInForce(NamedTuple):
    """The beliefs of a placement by bucket, and those of all other buckets: what is in force at one moment."""

    by_bucket: Mapping[str, AnyBeliefs]
    flat: AnyBeliefs

    @classmethod
    def of(cls, active: Active) -> BeliefsInForce:
        return cls(dict(active.beliefs), active.flat)

    @property
    def versions(self) -> dict[str, int]:
        """Return the versions by bucket."""
        return {bucket: beliefs.version for bucket, beliefs in self.by_bucket.items()}


def snapshot_refusal(active: Active, *, is_browser: bool) -> str:
    """Return why a placement cannot be decided by a client; empty if it can."""
    return next(_obstacles(active, is_browser=is_browser), "")


def _obstacles(active: Active, *, is_browser: bool) -> Iterator[str]:
    plan, placement = active.plan, active.plan.placement
    if not active.experiments.is_empty:
        yield "customers are in an experiment or held back"
    if plan.offers:
        yield "it shows offers, whose budgets only the server counts"
    if active.availability_facts:
        yield "candidates are reported as unavailable, which may end at any time"
    if isinstance(placement.policy, Contextual):
        yield "its policy weighs facts"
    if plan.compiled.fields:
        yield f"its rules read facts: {', '.join(sorted(plan.compiled.fields)[:5])}"
    if placement.reward == "margin" and not plan.keeps_order and not isinstance(placement.policy, Split):
        yield "its order depends on the margin of each cart"
    if plan.learns_choices and placement.reward == "revenue":
        yield "its draws depend on the candidates that a request may have"
    if not 1 <= len(plan.ids) <= MOST_CANDIDATES:
        yield f"it has {len(plan.ids)} candidates; 1 to {MOST_CANDIDATES} are possible"
    if is_browser and any(each.min_amount or each.max_amount is not None for each in plan.candidates):
        yield "its candidates have limits of amount, which a browser must not get; use a secret key on your server"
    if is_browser and plan.learns_choices and plan.order_rules:
        yield "it learns by the rules that move its order, which a browser must not get; use a secret key"
    if _draws(active) > MOST_DRAWS:
        yield "what is believed of its candidates is too large"


def _draws(active: Active) -> int:
    tables = len(active.beliefs) + 1
    if isinstance(beliefs := active.beliefs_for(""), ChoiceBeliefs):
        tables = len(beliefs.belief.layout.own) + 1
    return tables * len(active.plan.ids) * bandits.DRAWS


def offline_plan(plan: Plan, beliefs: BeliefsInForce) -> OfflinePlan:
    """Return what decides a placement that has no obstacles."""
    placement, policy = plan.placement, plan.placement.policy
    bounds = _bounds(plan)
    slots, is_by_stratum = most_slots(placement), plan.learns_choices
    return OfflinePlan(
        placement=placement.key,
        plan_version=plan.version,
        policy="split" if isinstance(policy, Split) else "fixed" if isinstance(policy, Fixed) else "thompson",
        slots=None if slots == UNLIMITED else slots,
        drawn=drawn_count(placement, min(slots, len(plan.ids))),
        window_minutes=placement.window_minutes,
        currency=plan.document.currency,
        candidates=[
            OfflineCandidate(
                each.id,
                each.label,
                each.countries,
                each.currencies,
                each.devices,
                each.min_amount,
                each.max_amount,
            )
            for each in plan.candidates
        ],
        weights=_weights(plan, bounds),
        effects=list(_effects(plan, bounds)),
        facts=_facts(plan),
        buckets=list(placement.buckets),
        tables_by="stratum" if is_by_stratum else "bucket",
        order_rules=sorted(bounds.order_rules) if is_by_stratum else [],
        tables=dict(_tables(plan, bounds, beliefs)),
    )


def _bounds(plan: Plan) -> Bounds:
    fired = plan.compiled.evaluate({}).fired
    return bounds_for(plan, {}, tuple(plan.rules[number] for number in fired))


def _weights(plan: Plan, bounds: Bounds) -> list[float]:
    """Return the weights that the draws do not contain already."""
    policy, weights = plan.placement.policy, bandits.NO_WEIGHTS
    if isinstance(policy, Split):
        weights = split_weights(plan, policy, plan.numbers)
    elif isinstance(policy, Fixed):
        weights = boost_weights(plan, bounds, plan.numbers)
    return weights[0].tolist() if weights.size else []


def _effects(plan: Plan, bounds: Bounds) -> Iterator[dict[str, Any]]:
    """Yield the effects of all rules, without saying which rule has which."""
    if bounds.excluded:
        yield {"exclude": [plan.ids[number] for number in sorted(bounds.excluded)]}
    for number in plan.compiled.evaluate({}).fired:
        yield from (to_json(effect) for effect in plan.rules[number].effects if isinstance(effect, Pin))
    for name, value in bounds.values.items():
        yield {"set": {"name": name, "value": value}}


def _facts(plan: Plan) -> dict[str, OfflineFact]:
    limited = {
        "geo.country": any(each.countries for each in plan.candidates),
        "device.type": any(each.devices for each in plan.candidates),
        "cart.total": any(each.min_amount or each.max_amount is not None for each in plan.candidates),
    }
    limited["cart.currency"] = limited["cart.total"] or any(each.currencies for each in plan.candidates)
    read = {name for name, is_limited in limited.items() if is_limited} | {*plan.placement.buckets}
    return {
        field.name: OfflineFact(field.type, field.allowed)
        for field in plan.document.fields
        if field.name in read - ENGINE_FIELD_NAMES
    }


def _tables(plan: Plan, bounds: Bounds, beliefs: BeliefsInForce) -> Iterator[tuple[str, OfflineTable]]:
    common = beliefs.by_bucket.get("", beliefs.flat)
    yield "", _table(plan, bounds, common)
    if isinstance(common, ChoiceBeliefs):
        for stratum in common.belief.layout.own:
            yield stratum, _table(plan, bounds, common, stratum)
        return
    for bucket, own in beliefs.by_bucket.items():
        if bucket:
            yield bucket, _table(plan, bounds, own)


def _table(plan: Plan, bounds: Bounds, beliefs: AnyBeliefs, stratum: str = "") -> OfflineTable:
    candidates = _candidates(plan, beliefs, stratum)
    means = candidates.means
    expected = means[2] if len(means) > 2 else means.prod(axis=0)
    weights = boost_weights(plan, bounds, plan.numbers)
    if isinstance(plan.placement.policy, Fixed | Split):
        weights, candidates = bandits.NO_WEIGHTS, candidates.split()
    spread = beliefs.spread
    return OfflineTable(
        beliefs_version=beliefs.version,
        scores=means[0].tolist(),
        expected=(expected * weights[0] if weights.size else expected).tolist(),
        floor=spread.floor,
        shares=[] if spread.shares is None else spread.shares.tolist(),
        suspended=[] if spread.suspended is None else spread.suspended.tolist(),
        probes=PROBES,
        draws=b64encode(_ranks(candidates.draws, weights).tobytes()).decode(),
    )


def _candidates(plan: Plan, beliefs: AnyBeliefs, stratum: str) -> bandits.Candidates:
    """Return all candidates, with the draws in their order."""
    match beliefs:
        case ChoiceBeliefs():
            candidates = beliefs.candidates(plan.numbers, stratum).candidates
        case Beliefs():
            candidates = beliefs.candidates(plan.numbers)
        case _:
            raise TypeError("beliefs about facts are not for clients")
    return candidates._replace(draws=candidates.draws[:, list(plan.numbers)])


def _ranks(draws: NDArray[np.float32], weights: Floats) -> NDArray[np.uint8]:
    """Return for each candidate and draw (N, M) how many different scores are less, with float32 as the kernel has."""
    scores = draws.prod(axis=0, dtype=np.float32)
    if weights.size:
        scores = scores * weights[0].astype(np.float32)[:, None]
    order = np.argsort(scores, axis=0)
    ordered = np.take_along_axis(scores, order, axis=0)
    steps = np.zeros(scores.shape, np.uint8)
    steps[1:] = np.cumsum(ordered[1:] > ordered[:-1], axis=0)
    ranks = np.empty_like(steps)
    np.put_along_axis(ranks, order, steps, axis=0)
    return ranks
