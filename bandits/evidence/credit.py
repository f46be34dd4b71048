"""Credit: the trials and successes that the outcomes of one decision give to its candidates.

`credit` reads all outcomes of a decision at once. A caller that adds `credit(after) - credit(before)` for every arrival
ends at the same sums in any order of arrival, and a refund takes its success back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, assert_never

from bandits.posterior.beliefs import Statistics

EventType = Literal["shown", "selected", "converted", "declined", "abandoned", "redeemed", "refunded", "closed"]
CreditModel = Literal["choice", "cascade", "position", "first", "shown"]
Reward = Literal["selected", "converted", "revenue", "margin"]

_CHOICES = frozenset({"selected", "redeemed", "converted"})
_PAYMENT_RESULTS = frozenset({"converted", "declined", "refunded"})
_ENDS = frozenset({"abandoned", "closed"})


@dataclass(frozen=True, slots=True)
class Event:
    """One outcome. `candidate` may be None for outcomes of the whole answer: shown, abandoned, closed.

    `closed` is the end of the window in which outcomes are awaited.
    """

    type: EventType
    candidate: str | None = None

    def __post_init__(self) -> None:
        if self.candidate is None and self.type in _CHOICES | _PAYMENT_RESULTS:
            raise ValueError(f"candidate: a {self.type} outcome must name its candidate")


@dataclass(slots=True)
class _Progress:
    """The state of one decision after its events so far."""

    shown: set[str | None] = field(default_factory=set)
    acted: set[str | None] = field(default_factory=set)
    paid: set[str | None] = field(default_factory=set)
    last_choice: str | None = None
    in_flight: str | None = None
    money_moved: bool = False
    over: bool = False
    reported: bool = False

    def settled(self, reward: Reward) -> bool:
        """Return whether the reward is known for every candidate: a decision counts as a whole or not at all."""
        if reward == "selected":
            return self.over or bool(self.acted)
        return self.over or self.money_moved or bool(self.acted and self.in_flight is None)


def credit(
    model: CreditModel, reward: Reward, ranking: Sequence[str], events: Sequence[Event]
) -> dict[str, Statistics]:
    """Return at most one trial and one success for each candidate of `ranking`, from all events in order of time.

    Candidates that count as examined get a trial:
    - `choice` (McFadden, 1974): all that were offered; `bandits.choice` learns which of them was chosen.
    - `cascade` (Craswell et al., 2008; Kveton et al., 2015): those down to the lowest candidate acted on.
    - `position` (Richardson et al., 2007): all, to be kept by slot; `examination.effective_trials` weighs each by the
      probability that its slot was examined.
    - `first`: the first slot alone.
    - `shown`: those shown or acted on; none without a report.

    `revenue` and `margin` are credited as `converted`; amounts are kept apart. Cases: docs/learning-formulas.md.
    """
    progress = _Progress()
    for event in events:
        _apply(progress, event)
    if not progress.settled(reward):
        return {}
    succeeded = {progress.last_choice} if reward == "selected" else progress.paid
    return {name: Statistics(1, int(name in succeeded)) for name in _examined(model, ranking, progress)}


def unanswered(model: CreditModel, ranking: Sequence[str]) -> Sequence[str]:
    """Return the candidates that get a trial, without success, if no outcome of an answer is ever reported."""
    match model:
        case "choice" | "cascade" | "position":
            return ranking
        case "first":
            return ranking[:1]
        case "shown":
            return []


def _apply(progress: _Progress, event: Event) -> None:
    candidate = event.candidate
    progress.reported = progress.reported or event.type != "closed"
    if event.type == "shown":
        progress.shown.add(candidate)
    elif event.type in _ENDS:
        progress.over = True
    else:
        # A late result of an earlier payment is no new choice, but that of a payment not reported before is one.
        if event.type in _CHOICES or candidate not in progress.acted:
            progress.last_choice = candidate
        progress.acted.add(candidate)
        _update_payment(progress, event)


def _update_payment(progress: _Progress, event: Event) -> None:
    match event.type:
        case "converted":
            progress.paid.add(event.candidate)
            progress.money_moved = True
        case "refunded":
            progress.paid.discard(event.candidate)
            progress.money_moved = True
        case "declined":
            if progress.in_flight == event.candidate:
                progress.in_flight = None
        case _:
            progress.in_flight = event.candidate


def _examined(model: CreditModel, ranking: Sequence[str], progress: _Progress) -> Sequence[str]:
    match model:
        case "cascade":
            return ranking[: _depth(ranking, progress)]
        case "choice" | "position":
            return ranking
        case "first":
            return ranking[:1]
        case "shown" if not progress.reported:
            return []
        case "shown":
            return [name for name in ranking if name in progress.acted or name in _shown(ranking, progress)]
        case _:
            assert_never(model)


def _depth(ranking: Sequence[str], progress: _Progress) -> int:
    """Return how many candidates were examined: down to the lowest acted on, or else to the lowest shown."""
    if any(name not in ranking for name in progress.acted):
        # A choice from outside the answer comes after all candidates in it.
        return len(ranking)
    reached = progress.acted or _shown(ranking, progress)
    return max((slot for slot, name in enumerate(ranking, start=1) if name in reached), default=0)


def _shown(ranking: Sequence[str], progress: _Progress) -> set[str | None]:
    """Return the candidates reported as shown; all, if no report names any."""
    named = progress.shown - {None}
    return named if named and None not in progress.shown else set(ranking)
