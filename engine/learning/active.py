"""The active plan of a placement, and the beliefs that it and the plans of variants decide by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from engine.kernel.beliefs import BudgetPrice, Knowledge, make_beliefs
from engine.kernel.choice_beliefs import ChoiceBeliefs
from engine.kernel.contextual_beliefs import ContextualBeliefs, matches_encoding
from engine.kernel.experiments.evaluated import Variants
from engine.kernel.experiments.overlay import held_back
from engine.kernel.experiments.plans import NOTHING_GIVEN, ExperimentPlans, PickKey
from engine.kernel.kernel import Question, answer_to
from engine.kernel.plan import Plan, PlanDocument
from engine.kernel.scores import AnyBeliefs
from engine.kernel.spread import Spread
from engine.learning.credit_settings import Learning
from engine.model.experiment import NOT_PERSONALIZED, Assignment, GivenChance
from engine.model.facts import Facts
from engine.model.placement import Contextual, Thompson
from engine.model.scope import track_of
from engine.store.beliefs import Snapshot

ENOUGH_NEW_TRIALS = 0.005
ENOUGH_NEW_CONTEXTUAL_TRIALS = 0.02


class DecidingPlan:
    """A plan that decides, and its beliefs by bucket.

    Beliefs of the bucket "" serve buckets without beliefs of their own; before there are any, flat beliefs do.
    """

    def __init__(self, plan: Plan, learning: Learning, like: Sequence[DecidingPlan] = ()) -> None:
        """Take the flat beliefs of a plan among `like` that has the same ones."""
        self.plan = plan
        self.learning = learning
        self.drawn_from = (plan.ids, msgspec.json.encode(plan.placement.policy))
        nothing = Snapshot(0, plan.placement.key, 0, plan.placement.reward, "", Knowledge(), 0)
        shared = [other.flat for other in like if other.drawn_from == self.drawn_from]
        self.flat: AnyBeliefs = shared[0] if shared else self.make(nothing)
        self.beliefs: dict[str, AnyBeliefs] = {}
        self.snapshots: dict[str, Snapshot] = {}

    def make(self, snapshot: Snapshot) -> AnyBeliefs:
        """Draw the beliefs of a snapshot."""
        beliefs = self._drawn(snapshot)
        if snapshot.knowledge.prices:
            beliefs.prices = {budget: made.price for budget, made in snapshot.knowledge.prices.items()}
        return beliefs

    def _drawn(self, snapshot: Snapshot) -> AnyBeliefs:
        plan, policy, knowledge, version = self.plan, self.plan.placement.policy, snapshot.knowledge, snapshot.version
        floor = policy.floor if isinstance(policy, Thompson | Contextual) else 0.0
        spread = Spread.of(plan.ids, knowledge.suspended, floor, knowledge.probes)
        if plan.learns_choices:
            return ChoiceBeliefs(
                plan.ids,
                knowledge.choice,
                version=version,
                spread=spread,
                amounts=knowledge.amounts(plan.ids, plan.placement, version),
            )
        if plan.encoding is not None:
            return ContextualBeliefs(
                plan.ids,
                plan.hashes,
                plan.encoding,
                knowledge.contextual,
                version=version,
                spread=spread,
                amounts=knowledge.amounts(plan.ids, plan.placement, version),
            )
        return make_beliefs(plan, knowledge, version=version, bucket=snapshot.bucket, spread=spread)

    def beliefs_of(self, snapshot: Snapshot) -> AnyBeliefs:
        """Return the beliefs of a snapshot; version 0 stands for the flat ones."""
        return self.make(snapshot) if snapshot.version else self.flat

    def for_facts(self, values: Mapping[str, Any]) -> tuple[str, AnyBeliefs]:
        """Return the bucket of a request, and the beliefs that serve it."""
        bucket = self.plan.bucket(values)
        return bucket, self.beliefs_for(bucket)

    def beliefs_for(self, bucket: str) -> AnyBeliefs:
        if self.plan.learns_choices:
            # A choice model has the buckets in its strata.
            bucket = ""
        return self.beliefs.get(bucket) or self.beliefs.get("", self.flat)


class Active(DecidingPlan):
    """The active plan of a placement.

    `variants` are what decides for customers in experiments, `streams` the beliefs of all of them by learner.
    """

    def __init__(self, plan: Plan) -> None:
        self.experiments = ExperimentPlans(plan)
        learning = Learning.of(plan.placement, experiments=plan.document.experiments)
        super().__init__(plan, learning.in_groups(self.experiments.in_force.groups))
        self.variants: dict[PickKey, DecidingPlan] = {}
        for key in sorted(self.experiments.keys - {self.experiments.in_force}):
            variant, like = self.experiments.plans[key.variants], (self, *self.variants.values())
            self.variants[key] = DecidingPlan(variant, learning.in_groups(key.groups), like)
        self.streams = self._streams()
        self.impersonal: DecidingPlan | None = None
        """Decides for those who refuse personalization, once it is compiled."""
        self.read_up_to = 0
        self.availability_facts: dict[str, dict[str, str]] = {}
        """A fact of every decision: candidates that the merchant reports as unavailable. Empty where there are none."""

    def compile_impersonal(self) -> DecidingPlan:
        """Return what decides for those who refuse personalization; with many rules, the first call takes long."""
        if self.impersonal is not None:
            return self.impersonal
        document = held_back(self.plan.document)
        plan = Plan(document, version=self.plan.version, like=self.plan)
        deciding = self.impersonal = DecidingPlan(plan, Learning.of(plan.placement), (self,))
        return deciding

    def _streams(self) -> dict[str, BeliefsStream]:
        members: defaultdict[str, list[DecidingPlan]] = defaultdict(list)
        for key, deciding in ((self.experiments.in_force, self), *self.variants.items()):
            members[track_of(self.plan.placement.reward, self.experiments.learner(key))].append(deciding)
        return {learner: BeliefsStream(learner, plans) for learner, plans in members.items()}

    def pick(
        self, facts: Facts, key: str, settled_variants: Mapping[str, GivenChance] = NOTHING_GIVEN
    ) -> tuple[DecidingPlan, tuple[Assignment, ...]]:
        """Return what decides for a request, and the request's assignments to experiments.

        `settled_variants` are the variants that are settled already, by experiment.
        """
        deciding, assignments, _ = self.evaluate(facts, key, settled_variants)
        return deciding, assignments

    def evaluate(
        self, facts: Facts, key: str, settled_variants: Mapping[str, GivenChance] = NOTHING_GIVEN
    ) -> tuple[DecidingPlan, tuple[Assignment, ...], Question]:
        """Return the same, and the question for what decides: its rules are evaluated once."""
        if self.experiments.is_empty:
            return self, (), Question(facts, key, self.plan.compiled.evaluate(facts.values))
        decides, assignments, question = self.experiments.pick(facts, key, settled_variants)
        return self.variants.get(decides, self), assignments, question

    def personalized(
        self, facts: Facts, key: str, settled_variants: Mapping[str, GivenChance] = NOTHING_GIVEN
    ) -> tuple[DecidingPlan, Question]:
        """Return what would decide if the customer were not held back, and the question for it."""
        decides, _, question = self.experiments.pick(facts, key, settled_variants, without_holdback=True)
        return self.variants.get(decides, self), question

    def withheld(
        self, facts: Facts, assignments: Sequence[Assignment], key: str, settled_variants: Mapping[str, GivenChance]
    ) -> list[str]:
        """Return the offers that a held-back customer would have been shown; none for others."""
        if not self.plan.offers or not any(each.variant == NOT_PERSONALIZED for each in assignments):
            return []
        deciding, question = self.personalized(facts, key, settled_variants)
        _, beliefs = deciding.for_facts(facts.values)
        ranking = answer_to(question, deciding.plan, beliefs, expires_at="").ranking
        return [ranked.id for ranked in ranking if ranked.id in deciding.plan.offers]

    @property
    def prices(self) -> dict[str, BudgetPrice]:
        """Return the newest prices of paced budgets."""
        return newest_prices(self.snapshots)

    @property
    def budget_prices(self) -> Mapping[str, float]:
        """Return the newest prices of paced budgets, as numbers."""
        return {budget: made.price for budget, made in self.prices.items()} if self.plan.budgets else {}

    def of_variants(self, variants: Variants) -> DecidingPlan:
        """Return what decides with some variants, which may be those of another version of the plan."""
        return next((deciding for key, deciding in self.variants.items() if key.variants == variants), self)

    @property
    def version(self) -> int:
        """Return the newest beliefs version."""
        return max((snapshot.version for snapshot in self.snapshots.values()), default=0)


class BeliefsStream:
    """The beliefs of one learner: those of everybody, or of a variant that learns apart.

    `members` are the plans that decide by them; the first one says how they are learned.
    """

    def __init__(self, learner: str, members: Sequence[DecidingPlan]) -> None:
        self.learner = learner
        self.members = tuple(members)
        self.snapshots: dict[str, Snapshot] = {}
        for member in members:
            member.snapshots = self.snapshots

    def draw(self, snapshot: Snapshot) -> list[AnyBeliefs]:
        """Draw the beliefs of a snapshot for each member; equal ones are shared."""
        made: dict[tuple[Any, ...], AnyBeliefs] = {}
        beliefs = []
        for member in self.members:
            if member.drawn_from not in made:
                made[member.drawn_from] = member.make(snapshot)
            beliefs.append(made[member.drawn_from])
        return beliefs

    def is_newer(self, snapshot: Snapshot) -> bool:
        """Return whether a snapshot is newer than the one that its bucket has."""
        current = self.snapshots.get(snapshot.bucket)
        return current is None or current.version < snapshot.version

    def put(self, snapshot: Snapshot, drawn: Sequence[AnyBeliefs]) -> None:
        """Replace the beliefs of a bucket, unless a newer version arrived while these were drawn."""
        if self.is_newer(snapshot):
            self.snapshots[snapshot.bucket] = snapshot
            for member, beliefs in zip(self.members, drawn, strict=True):
                member.beliefs[snapshot.bucket] = beliefs

    def enough_new_trials(self, bucket: str) -> float:
        """Return the new trials that a bucket needs for new beliefs: one at first, later a share of its trials.

        The share is larger for contextual beliefs: their snapshots are larger, and larger batches learn no worse.
        """
        snapshot, plan = self.snapshots.get(bucket), self.members[0].plan
        encoding = plan.encoding
        if snapshot is None or (encoding is not None and not matches_encoding(snapshot.knowledge.contextual, encoding)):
            return 1.0
        is_large = encoding is not None or plan.learns_choices
        share = ENOUGH_NEW_CONTEXTUAL_TRIALS if is_large else ENOUGH_NEW_TRIALS
        return max(1.0, share * snapshot.knowledge.trials)


def newest_prices(snapshots: Mapping[str, Snapshot]) -> dict[str, BudgetPrice]:
    """Return the prices of paced budgets in the newest of the snapshots, by bucket."""
    newest = max(snapshots.values(), key=attrgetter("version"), default=None)
    return newest.knowledge.prices if newest is not None else {}


def compile_plan(document: str, version: int, *, like: Plan | None = None) -> Active:
    """Compile a stored plan; rules that `like` has too are not compiled again."""
    return Active(Plan(msgspec.json.decode(document, type=PlanDocument), version=version, like=like))
