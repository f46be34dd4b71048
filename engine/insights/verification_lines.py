"""Write decisions with what they were drawn from, so that another program can draw them again. Pure.

docs/verifier.md describes the lines. `sdks/verifier/` reads them.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from bandits.choice.utilities import OWN_STRENGTH
from engine.kernel.bounds import preferred_of
from engine.kernel.choice_beliefs import ChoiceBeliefs
from engine.kernel.contextual_beliefs import ContextualBeliefs
from engine.kernel.experiments.overlay import changes_something
from engine.kernel.kernel import UNLIMITED, Draw, Limits, draw_of, limits_for, most_slots, randomness_key
from engine.kernel.plan import Plan
from engine.kernel.scores import AnyBeliefs, counts_history
from engine.learning.active import Active, DecidingPlan
from engine.model.decision import Decision
from engine.model.experiment import CONTROLLED, Experiment, GivenChance
from engine.model.facts import Facts
from engine.model.placement import Contextual, Split
from engine.store.beliefs import Snapshot
from rules.language.effects import to_json

FORMAT = 1
MOST_PLANS, MOST_TABLES, MOST_LIMITS, MOST_BELIEFS = 64, 256, 1024, 64
"""Numbers that are in use at once: a reader keeps as many, whatever the length of the file."""
DIGITS = 16
"""Hex digits of a line's digest."""

MakeDocument = Callable[[], Mapping[str, Any]]

_encode = msgspec.json.Encoder().encode


class LeftOut(Exception):
    """A decision that the file cannot contain; the message says why."""


class AnsweredRequest(NamedTuple):
    """A decision of the log with its inputs; `settled_variants` are the variants that a bandit's shares selected."""

    decision: Decision
    facts: Facts
    settled_variants: Mapping[str, GivenChance]


class ChainedLines:
    """Turns documents into lines of JSON. Each ends with a digest of itself and of the digest before it."""

    def __init__(self) -> None:
        self._digest = ""

    def line(self, kind: str, document: Mapping[str, Any]) -> bytes:
        """Return the next line, with its line break."""
        body = _encode({"kind": kind, **document})[:-1]
        self._digest = hashlib.sha256(self._digest.encode() + body).hexdigest()[:DIGITS]
        return body + f',"digest":"{self._digest}"}}\n'.encode()


class Numbers:
    """Numbers for what lines refer to. Where all are in use, the oldest one gets another meaning."""

    def __init__(self, most: int) -> None:
        self._most, self._count = most, 0
        self._numbers: dict[Any, tuple[int, Any]] = {}

    def get(self, key: Any) -> int | None:
        """Return the number of a key, or None if it has none any more."""
        entry = self._numbers.get(key)
        return None if entry is None else entry[0]

    def add(self, key: Any, referent: Any = None) -> int:
        """Give a key a number; `referent` lives as long, where the key is its address."""
        if len(self._numbers) >= self._most:
            del self._numbers[next(iter(self._numbers))]
        number = self._count % self._most
        self._count += 1
        self._numbers[key] = (number, referent)
        return number


class VerificationLines:
    """The lines of a file. Plans, draws and limits stand before the first decision that refers to them."""

    def __init__(self) -> None:
        self.decisions = 0
        self.reasons: Counter[str] = Counter()
        """Decisions that are left out, by reason."""
        self._chain = ChainedLines()
        self._plans, self._tables, self._limits = Numbers(MOST_PLANS), Numbers(MOST_TABLES), Numbers(MOST_LIMITS)
        self._beliefs: dict[tuple[int, int], tuple[DecidingPlan, AnyBeliefs]] = {}

    def header(self, begin: int, end: int) -> bytes:
        """Return the first line; the times are epoch milliseconds."""
        return self._chain.line("log", {"format": FORMAT, "from": begin, "to": end})

    def left_out(self, id: str, reason: str) -> bytes:
        """Return the line of a decision that cannot be drawn again."""
        self.reasons[reason] += 1
        return self._chain.line("left_out", {"id": id, "reason": reason})

    def end(self) -> bytes:
        """Return the last line, without which a file is not whole."""
        return self._chain.line("end", {"decisions": self.decisions})

    def decision(self, active: Active, snapshot: Snapshot, logged: AnsweredRequest) -> Iterator[bytes]:
        """Yield the lines of a decision, after those that it is the first to refer to."""
        decision, facts, settled_variants = logged
        line = {"id": decision.decision_id, **_answer(decision)}
        if decision.fallback:
            catalogue = tuple(active.plan.eligibility.exclusions(facts.values))
            key: tuple[Any, ...] = (id(active.plan), catalogue)
            yield from self._limits_lines(key, active, active.plan, lambda: _fallback_limits(active.plan, catalogue))
        else:
            deciding, assignments, question = active.evaluate(facts, decision.decision_id, settled_variants)
            inputs = RequestInputs.of(
                deciding.plan, self._beliefs_of(deciding, snapshot), logged, question.firing.fired
            )
            if inputs.reason:
                yield self.left_out(decision.decision_id, inputs.reason)
                return
            key = (id(inputs.limits), inputs.beliefs.version, inputs.stratum)
            if self._limits.get(key) is None:
                yield from self._table_lines(inputs)
            yield from self._limits_lines(key, active, deciding.plan, lambda: self._limits_of(inputs), inputs.limits)
            line |= inputs.of_request()
            if assignments:
                line["units"] = {each.experiment: each.unit for each in assignments}
        self.decisions += 1
        yield self._chain.line("decision", line | {"limits": self._limits.get(key)})

    def _beliefs_of(self, deciding: DecidingPlan, snapshot: Snapshot) -> AnyBeliefs:
        """Return the beliefs of a snapshot; the latest ones are drawn once."""
        key = (id(deciding), snapshot.version)
        if key not in self._beliefs:
            if len(self._beliefs) >= MOST_BELIEFS:
                del self._beliefs[next(iter(self._beliefs))]
            self._beliefs[key] = deciding, deciding.beliefs_of(snapshot)
        return self._beliefs[key][1]

    def _table_lines(self, inputs: RequestInputs) -> Iterator[bytes]:
        table = inputs.table
        if table.size and self._tables.get(_content(table)) is None:
            number = self._tables.add(_content(table))
            data = b64encode(np.ascontiguousarray(table, "<f4").tobytes()).decode()
            yield self._chain.line("draws", {"n": number, "shape": table.shape, "data": data})

    def _limits_lines(
        self, key: Any, active: Active, plan: Plan, make: MakeDocument, limits: Limits | None = None
    ) -> Iterator[bytes]:
        """Yield the lines of limits that have no number, and of their plan."""
        if self._limits.get(key) is not None:
            return
        number = self._plans.get(id(plan))
        if number is None:
            number = self._plans.add(id(plan), active)
            yield self._chain.line("plan", {"n": number, **_plan_document(active, plan)})
        yield self._chain.line("limits", {"n": self._limits.add(key, (active, limits)), "plan": number, **make()})

    def _limits_of(self, inputs: RequestInputs) -> dict[str, Any]:
        candidates, plan, facts = inputs.draw.candidates, inputs.plan, inputs.logged.facts
        return {
            "beliefs": inputs.beliefs.version,
            "catalogue": [plan.ids[number] for number in plan.eligibility.exclusions(facts.values)],
            "preferred": [name for name, _ in preferred_of(facts.values)],
            "fired": [plan.rules[number].id for number in inputs.fired],
            "is_boosted": inputs.is_boosted,
            "draws": self._tables.get(_content(inputs.table)) if inputs.table.size else None,
            "rows": inputs.rows,
            "means": inputs.means.tolist(),
            "floor": candidates.floor,
            "shares": candidates.shares.tolist(),
            "away": candidates.suspended.tolist(),
            "strength": OWN_STRENGTH if inputs.stratum else inputs.draw.requests.strength,
        }


class RequestInputs(NamedTuple):
    """The inputs of a draw: K eligible candidates, and what is the request's own.

    `table` (S, N, M) are draws of rates and amounts, (N, d, M) of weights of features; empty where nothing is drawn.
    """

    plan: Plan
    beliefs: AnyBeliefs
    logged: AnsweredRequest
    fired: tuple[int, ...]
    limits: Limits
    stratum: str
    draw: Draw

    @classmethod
    def of(cls, plan: Plan, beliefs: AnyBeliefs, logged: AnsweredRequest, fired: tuple[int, ...]) -> RequestInputs:
        """Compute the inputs as the kernel does; `fired` are the numbers of the plan's rules that fired."""
        facts, key = logged.facts, logged.decision.decision_id
        limits = limits_for(plan, facts.values, fired)
        stratum = ""
        if isinstance(beliefs, ChoiceBeliefs):
            stratum = plan.stratum(facts, limits.eligible, limits.bounds.order_rules)
        draw = draw_of(plan, beliefs, facts, limits, key) if limits.eligible else NOTHING
        return cls(plan, beliefs, logged, fired, limits, stratum, draw)

    @property
    def reason(self) -> str:
        """Return why the decision cannot be drawn again elsewhere; empty if it can."""
        is_weighed = self.draw.requests.weights.size or self.plan.placement.reward == "revenue"
        if self.weighs_features and self.limits.eligible and is_weighed:
            return "its scores are exponentials, whose last digits differ between processors"
        return ""

    @property
    def weighs_features(self) -> bool:
        """Return whether the candidates' scores are made of the request's facts."""
        return isinstance(self.beliefs, ContextualBeliefs) and isinstance(self.plan.placement.policy, Contextual)

    @property
    def table(self) -> NDArray[np.float32]:
        if isinstance(self.beliefs, ContextualBeliefs) and self.weighs_features and self.limits.eligible:
            return self.beliefs.weights(self.plan.numbers).draws
        return self.draw.candidates.draws if self.draw.slots.drawn else NOTHING.candidates.draws

    @property
    def rows(self) -> list[int]:
        """Return the rows (K,) of the table."""
        rows = list(self.limits.eligible) if self.weighs_features else self.draw.candidates.rows.tolist()
        return rows or list(range(len(self.limits.eligible)))

    @property
    def means(self) -> NDArray[np.float64]:
        """Return the means (1 to 3, K) before the customer's own choices move them."""
        if isinstance(self.beliefs, ChoiceBeliefs) and self.limits.eligible:
            weights = bandits.NO_WEIGHTS if self.is_weighed else self.limits.boosts
            return self.beliefs.candidates(self.limits.eligible, self.stratum, weights=weights).candidates.means
        return self.draw.candidates.means

    @property
    def is_weighed(self) -> bool:
        """Return whether scores are multiplied by what the cart earns, and not by boosts alone."""
        plan = self.plan
        return plan.weighs_offers or (plan.placement.reward == "margin" and not plan.keeps_order)

    @property
    def earns(self) -> bool:
        """Return whether choices are weighed by what they bring in."""
        beliefs, eligible = self.beliefs, self.limits.eligible
        return isinstance(beliefs, ChoiceBeliefs) and beliefs.amounts(eligible) is not None

    @property
    def is_boosted(self) -> bool:
        """Return whether the rules' boosts alone multiply the scores; otherwise they are in weights or draws."""
        return not (self.is_weighed or self.earns)

    def of_request(self) -> dict[str, Any]:
        """Return what no other request shares."""
        plan, facts, draw = self.plan, self.logged.facts, self.draw
        if not self.limits.eligible:
            return {}
        line: dict[str, Any] = {}
        if isinstance(plan.placement.policy, Split):
            return {"key": randomness_key(plan, facts, self.logged.decision.decision_id)}
        if self.weighs_features and isinstance(self.beliefs, ContextualBeliefs):
            line["features"] = self.beliefs.features(facts.values, facts.history, self.limits.eligible).tolist()
            line["means"] = draw.candidates.means.tolist()
        if draw.requests.pasts.size:
            line["past"] = draw.requests.pasts[0].tolist()
        own = self._own_choices()
        if self.earns and any(own):
            line["means"] = draw.candidates.means.tolist()
        elif any(own):
            line["own"] = own
        if not self.is_boosted and draw.requests.weights.size:
            line["weights"] = draw.requests.weights[0].tolist()
        return line

    def _own_choices(self) -> list[float]:
        """Return the customer's own choices (K,) where they move a choice model's weights."""
        if not isinstance(self.beliefs, ChoiceBeliefs) or not counts_history(self.plan):
            return []
        history = self.logged.facts.history
        names = [self.plan.ids[number] for number in self.limits.eligible]
        return [history[name].successes if name in history else 0.0 for name in names]


NOTHING = Draw(
    bandits.Candidates(np.empty((1, 0, 0), np.float32), np.empty((1, 0)), np.empty(0, np.uint64)),
    bandits.Slots(0, 0),
    bandits.Requests.of(""),
)
"""The inputs of an answer without candidates."""


def _content(table: NDArray[np.float32]) -> bytes:
    return hashlib.sha256(repr(table.shape).encode() + np.ascontiguousarray(table).tobytes()).digest()


def _answer(decision: Decision) -> dict[str, Any]:
    """Return what is checked of an answer: nothing that is said of the customer."""
    return {
        "ranking": [[each.id, each.score, each.confidence, each.chance] for each in decision.ranking],
        "excluded": [each.id for each in decision.excluded],
        "rules": decision.rules,
        "values": decision.values,
        "experiments": [[each["id"], each["variant"]] for each in decision.experiments],
        "propensity": decision.propensity,
        "fallback": decision.fallback,
    }


def _fallback_limits(plan: Plan, catalogue: Sequence[int]) -> dict[str, Any]:
    return {"fallback": True, "catalogue": [plan.ids[number] for number in catalogue], "preferred": [], "fired": []}


def _plan_document(active: Active, plan: Plan) -> dict[str, Any]:
    """Return what of a plan decides; `variants` are those that make it another than the plan in force."""
    placement, base = plan.placement, active.plan
    variants = next(names for names, other in active.experiments.plans.items() if other is plan)
    slots = most_slots(placement)
    return {
        "placement": placement.key,
        "version": plan.version,
        "slots": None if slots == UNLIMITED else slots,
        "policy": placement.policy,
        "goal": "minimise" if placement.goal == "minimise" and not plan.keeps_order else "maximise",
        "candidates": plan.ids,
        "rules": {rule.id: [to_json(effect) for effect in rule.effects] for rule in plan.rules},
        "variants": variants,
        "experiments": {experiment.id: _experiment(experiment) for experiment in base.document.experiments},
        "holdback": base.placement.holdback,
    }


def _experiment(experiment: Experiment) -> dict[str, Any]:
    return {
        "salt": experiment.salt,
        "unit": experiment.unit,
        "layer": experiment.layer,
        "offset": experiment.status.offset,
        "share": experiment.share,
        "variants": [[each.id, each.weight, changes_something(each)] for each in experiment.variants],
        "is_adaptive": experiment.is_adaptive and experiment.status.state not in CONTROLLED,
    }
