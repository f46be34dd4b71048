"""Generate a log of decisions by the real kernel, with shoppers whose truth is known, to check previews with.

Shoppers look from the top, take the first method that they accept, and may give up after each one that they skip. A
hidden favourite decides which methods they accept, so that skipping a method says something about the next one. A
preview must not rely on the contrary.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from engine.decisions.requests.answers import DecisionAnswer, encode, expires_at, log_row
from engine.kernel.beliefs import ArmBelief, Knowledge
from engine.kernel.kernel import decide
from engine.kernel.plan import Plan, PlanDocument
from engine.kernel.scores import AnyBeliefs
from engine.learning.active import Active
from engine.model.actor import Actor
from engine.model.facts import Facts, Past
from engine.model.placement import Candidate, Placement, RuleDocument, Thompson
from engine.model.standard_vocabulary import STANDARD
from engine.model.timestamps import DAY, rfc3339
from engine.service import Engine
from engine.store import beliefs as snapshots
from engine.store import decisions, outcomes
from engine.store.beliefs import Snapshot
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.outcomes import OutcomeRow

METHODS = ("card", "paypal", "klarna", "ideal", "sepa_debit", "apple_pay")
COUNTRIES = ("AT", "BE", "CH", "CZ", "DE", "DK", "ES", "FI", "FR", "GB", "IE", "IT", "LU", "NL", "NO", "PL", "PT", "SE")
DEVICES = ("desktop", "mobile", "tablet")
PATIENCE = 0.75
FAVOURITE, OTHER = 0.85, 0.15
PLACEMENT = "payment_methods"
NEWS = 0.05
"""The share of new evidence that renews a bucket's beliefs."""
BASE_RULES = (
    RuleDocument(
        id="no-klarna-in-norway",
        name="No Klarna in Norway",
        when={"==": [{"var": "geo.country"}, "NO"]},
        effects=({"exclude": ["klarna"]},),
    ),
    RuleDocument(
        id="big-carts",
        name="Klarna helps with big carts",
        when={">": [{"var": "cart.total"}, 20_000]},
        effects=({"boost": {"candidates": ["klarna"], "factor": 1.3}},),
    ),
)


def document(*, methods: int = len(METHODS), drawn: int = 3) -> PlanDocument:
    """Return the merchant's plan, with the first `methods` methods."""
    return PlanDocument(
        placement=Placement(
            key=PLACEMENT,
            name="Payment methods",
            buckets=("device.type", "geo.country"),
            policy=Thompson(drawn=drawn),
            credit="cascade",
        ),
        candidates=tuple(Candidate(id=id, label=id.title(), position=n) for n, id in enumerate(METHODS[:methods])),
        rules=BASE_RULES,
        fields=STANDARD,
    )


class Shoppers:
    """The probability that a ranking ends in a purchase, by country; closed form."""

    def __init__(self, seed: int) -> None:
        luck = np.random.default_rng(seed)
        self.favourites = {
            country: dict(zip(METHODS, luck.dirichlet(np.full(len(METHODS), 0.7)), strict=True))
            for country in COUNTRIES
        }
        self._probabilities: dict[tuple[str, tuple[str, ...]], float] = {}

    def success(self, country: str, ranking: tuple[str, ...]) -> float:
        probability = self._probabilities.get((country, ranking))
        if probability is None:
            shares = self.favourites[country]
            probability = sum(share * _bought(favourite, ranking) for favourite, share in shares.items())
            self._probabilities[country, ranking] = probability
        return probability

    def favourite(self, country: str, luck: random.Random) -> str:
        shares = self.favourites[country]
        return luck.choices(list(shares), list(shares.values()))[0]


def visit(favourite: str, ranking: Sequence[str], luck: random.Random) -> str | None:
    """Return the method that a shopper with a favourite takes, if any."""
    for method in ranking:
        if luck.random() < (FAVOURITE if method == favourite else OTHER):
            return method
        if luck.random() >= PATIENCE:
            return None
    return None


def _bought(favourite: str, ranking: Sequence[str]) -> float:
    present, bought = 1.0, 0.0
    for method in ranking:
        accepts = FAVOURITE if method == favourite else OTHER
        bought += present * accepts
        present *= (1 - accepts) * PATIENCE
    return bought


class Crowd(NamedTuple):
    """The customers of a log: each makes so many `visits` on average, and keeps country, device and favourite.

    With one visit nobody has an id, except the half that has `histories`.
    """

    visits: int = 1
    histories: bool = False


ONE_VISIT = Crowd()


class LoggedDecision(NamedTuple):
    """A decision with its inputs and the method that was bought."""

    row: DecisionRow
    facts: Facts
    bought: str | None


@dataclass
class Log:
    """`known` are the snapshots by version."""

    plan: Plan
    shoppers: Shoppers
    decisions: list[LoggedDecision] = field(default_factory=list)
    snapshots: dict[int, Snapshot] = field(default_factory=dict)


async def create_plan(engine: Engine, merchant_id: int) -> Plan:
    """Put the placement in force as it decided."""
    whole = document()
    await engine.catalogue.create(Actor(merchant_id, "verify"), "placement", "", [whole.placement])
    await engine.catalogue.create(Actor(merchant_id, "verify"), "candidate", PLACEMENT, list(whole.candidates))
    await engine.catalogue.create(Actor(merchant_id, "verify"), "rule", PLACEMENT, list(whole.rules))
    active = engine.live.get(merchant_id, PLACEMENT)
    if active is None:
        raise LookupError("the placement did not come into force")
    return active.plan


def make_log(plan: Plan, merchant_id: int, *, count: int, seed: int, until: int, crowd: Crowd = ONE_VISIT) -> Log:
    """Return `count` decisions over the week before `until` (epoch milliseconds), whose windows are closed."""
    active, log, luck = Active(plan), Log(plan, Shoppers(seed)), random.Random(seed)
    learners: dict[str, _Learner] = {}
    for number in range(count):
        now = until - 7 * DAY + number * 7 * DAY // count
        person = random.Random(f"{seed}/{luck.randrange(count // crowd.visits)}") if crowd.visits > 1 else luck
        facts = _facts(luck, person, now, crowd)
        bucket = plan.bucket(facts.values)
        learner = learners.setdefault(bucket, _Learner(merchant_id, bucket, log))
        key = f"dec_{now:012x}{luck.getrandbits(80):020x}"
        decision = decide(plan, learner.beliefs(active), facts, key, expires_at=expires_at(plan, now))
        ranking = [ranked.id for ranked in decision.ranking]
        favourite = log.shoppers.favourite(facts.values["geo.country"], person)
        bought = visit(favourite, ranking, luck)
        learner.learn(ranking, bought)
        answer = DecisionAnswer(decision, facts, plan, encode(decision))
        log.decisions.append(LoggedDecision(log_row(answer, merchant_id, bucket, now, closes=False), facts, bought))
    return log


async def store_log(database: Database, log: Log) -> None:
    """Store the log as if it had been served."""
    async with database.write() as connection:
        for snapshot in log.snapshots.values():
            await snapshots.add(connection, snapshot)
    for start in range(0, len(log.decisions), 5_000):
        part = log.decisions[start : start + 5_000]
        async with database.write() as connection:
            await decisions.append(connection, [decision.row for decision in part])
            await outcomes.append_new(connection, [_outcome(decision) for decision in part if decision.bought])


def _outcome(decision: LoggedDecision) -> OutcomeRow:
    row, occurred_at = decision.row, decision.row.decided_at + 30_000
    event = f"event_{row.id}"
    return OutcomeRow(
        row.merchant_id,
        event,
        row.id,
        row.customer,
        row.placement,
        "converted",
        decision.bought,
        None,
        None,
        occurred_at,
        occurred_at,
    )


def _facts(luck: random.Random, person: random.Random, now: int, crowd: Crowd) -> Facts:
    """Return the facts of a visit; what a customer keeps is drawn from `person`, whose state says who it is."""
    customer = f"{person.getrandbits(256):064x}" if crowd.visits > 1 else None
    values: dict[str, Any] = {
        "cart.total": luck.randrange(500, 40_000),
        "cart.currency": "EUR",
        "cart.items": luck.randrange(1, 8),
        "geo.country": person.choice(COUNTRIES),
        "device.type": person.choice(DEVICES),
        "customer.returning": luck.random() < 0.5,
        "customer.locale": "de-DE",
        "risk.score": round(luck.random() * 100, 1),
        "time.now": rfc3339(now),
    }
    past = {}
    if crowd.histories and luck.random() < 0.5:
        bought = luck.randrange(1, 6)
        past = {luck.choice(METHODS): Past(bought + luck.random(), float(bought), bought)}
        customer = f"{luck.getrandbits(256):064x}"
    return Facts(values, past, customer)


class _Learner:
    """One bucket's statistics by the cascade: each candidate above the purchased one has failed."""

    def __init__(self, merchant_id: int, bucket: str, log: Log) -> None:
        self.bucket = bucket
        self._merchant_id, self._log = merchant_id, log
        self._trials = dict.fromkeys(METHODS, 0)
        self._successes = dict.fromkeys(METHODS, 0)
        self._since = self._seen = 0
        self._beliefs: AnyBeliefs | None = None

    def learn(self, ranking: Sequence[str], bought: str | None) -> None:
        self._since += 1
        self._seen += 1
        for method in ranking:
            self._trials[method] += 1
            if method == bought:
                self._successes[method] += 1
                return

    def beliefs(self, active: Active) -> AnyBeliefs:
        if self._beliefs is None or self._since >= max(10, NEWS * self._seen):
            self._since = 0
            arms = {name: ArmBelief(float(self._trials[name]), float(self._successes[name])) for name in METHODS}
            version = len(self._log.snapshots) + 1
            where = (self._merchant_id, PLACEMENT, version, "converted", self.bucket)
            snapshot = self._log.snapshots[version] = Snapshot(*where, Knowledge(arms), version)
            self._beliefs = active.make(snapshot)
        return self._beliefs
