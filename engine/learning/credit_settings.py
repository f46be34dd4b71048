"""How the outcomes of a plan version are credited, and which sums they go into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from bandits.evidence.credit import CreditModel, Reward
from engine.kernel.experiments.measures import CandidateFees, MeasureTerms, order_terms, terms_of
from engine.kernel.experiments.teaching import Teaching, groups_of, teaching_of
from engine.model.experiment import Experiment, Unit
from engine.model.placement import Contextual, Placement
from engine.model.scope import Groups, counts_for, track_of
from engine.model.timestamps import MINUTE
from engine.statistics.evidence import pending_step


class EnrolmentHead(msgspec.Struct, frozen=True):
    """The part of a logged answer that names an experiment."""

    id: str
    variant: str
    phase: int
    counted: str


class Learning(msgspec.Struct, frozen=True):
    """The settings of a plan version that learning needs, and the currency that amounts are counted in.

    `units` are those of its experiments, by id; others count customers. `measures` says what else is measured of them.
    `track` names the sums that outcomes go into, `order_terms` says what metrics measure of each decision.
    """

    reward: Reward
    credit: CreditModel
    window_minutes: int
    currency: str
    contextual: bool
    choice: bool = False
    units: Mapping[str, Unit] = {}
    teaching: tuple[Teaching, ...] = ()
    track: str = ""
    measures: Mapping[str, MeasureTerms] = {}
    order_terms: MeasureTerms = MeasureTerms(frozenset())

    def __post_init__(self) -> None:
        """Count in the sums of the reward where no groups are counted apart."""
        if not self.track:
            msgspec.structs.force_setattr(self, "track", self.reward)

    @classmethod
    def of(
        cls,
        placement: Placement,
        currency: str = "",
        experiments: Sequence[Experiment] = (),
        fees: Sequence[CandidateFees] = (),
    ) -> Learning:
        """Return the settings of a plan version; `fees` are those of its candidates."""
        contextual = isinstance(placement.policy, Contextual)
        # Only Thompson sampling learns from choices; for other policies those above the choice were passed over.
        credit = "cascade" if placement.credit == "choice" and not placement.learns_choices else placement.credit
        return cls(
            placement.reward,
            credit,
            placement.window_minutes,
            currency,
            contextual,
            placement.learns_choices,
            {experiment.id: experiment.unit for experiment in experiments},
            teaching_of(experiments),
            measures={each.id: terms_of(each, placement.margin_percent, fees) for each in experiments},
            order_terms=order_terms(placement.margin_percent, fees),
        )

    def in_groups(self, groups: Groups) -> Learning:
        """Return the settings for decisions of some groups."""
        return msgspec.structs.replace(self, track=track_of(self.reward, groups)) if groups else self

    def of_answer(self, enrolments: Sequence[EnrolmentHead]) -> Learning:
        """Return the settings for an answer that was enrolled in experiments."""
        if not self.teaching:
            return self
        enrolled = {enrolment.id: enrolment.variant for enrolment in enrolments}
        return self.in_groups(groups_of(self.teaching, enrolled))

    def teaches(self, learner: str, enrolments: Sequence[EnrolmentHead], decided_at: int) -> bool:
        """Return whether an answer's outcomes teach a learner; those before an experiment's start teach all."""
        teaching = [each for each in self.teaching if each.since <= decided_at]
        enrolled = {enrolment.id: enrolment.variant for enrolment in enrolments}
        return counts_for(track_of(self.reward, groups_of(teaching, enrolled)), learner)

    def measures_shown(self, enrolments: Sequence[EnrolmentHead]) -> bool:
        """Return whether a report that something was shown can change a measure of an experiment's unit."""
        terms = (self.measures.get(each.id) for each in enrolments if each.counted == "yes")
        return any(each.needs_shown for each in terms if each is not None)

    @property
    def counts_money(self) -> bool:
        return self.reward in ("revenue", "margin")

    def slot(self, ranking: Sequence[str], candidate: str) -> int:
        """Return the candidate's slot, from 1, if credit depends on it; otherwise 0."""
        return ranking.index(candidate) + 1 if self.credit == "position" else 0

    def minute(self, decided_at: int) -> int:
        """Return the minute at which the step of a pending decision begins."""
        step = pending_step(self.window_minutes)
        return decided_at // MINUTE // step * step
