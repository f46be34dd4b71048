"""Credit: what the outcomes of one decision so far are worth to its candidates.

`credit` looks at all outcomes at once, so a caller that records `credit(after) - credit(before)` for every
arrival ends at the same sum whatever the order of arrival, and a refund takes its success back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, assert_never

from bandits.posterior.beliefs import Statistics

EventType = Literal["shown", "selected", "converted", "declined", "abandoned", "redeemed", "refunded", "closed"]
Model = Literal["cascade", "position", "first", "shown"]
Reward = Literal["selected", "converted", "revenue", "margin"]

_CHOICES = frozenset({"selected", "redeemed", "converted"})
_FATES = frozenset({"converted", "declined", "refunded"})
_ENDS = frozenset({"abandoned", "closed"})


@dataclass(frozen=True, slots=True)
class Event:
    """One outcome. `candidate` may be missing where the whole answer is meant: shown, abandoned, closed.

    `closed` is the end of the window in which outcomes were awaited.
    """

    type: EventType
    candidate: str | None = None

    def __post_init__(self) -> None:
        if self.candidate is None and self.type in _CHOICES | _FATES:
            raise ValueError(f"candidate: a {self.type} outcome must name its candidate")


@dataclass(slots=True)
class _Story:
    """What the events so far tell about one decision."""

    shown: set[str | None] = field(default_factory=set)
    acted: set[str | None] = field(default_factory=set)
    paid: set[str | None] = field(default_factory=set)
    chosen: str | None = None
    in_flight: str | None = None
    money_moved: bool = False
    over: bool = False
    told: bool = False

    def settled(self, reward: Reward) -> bool:
        """Whether the reward is known for every candidate: a decision counts as a whole or not yet."""
        if reward == "selected":
            return self.over or bool(self.acted)
        return self.over or self.money_moved or bool(self.acted and self.in_flight is None)


def credit(model: Model, reward: Reward, ranking: Sequence[str], events: Sequence[Event]) -> dict[str, Statistics]:
    """At most one trial and one success for each candidate of `ranking`, from all events so far in order of time.

    `cascade` (Craswell et al., 2008; Kveton et al., 2015): those down to the lowest candidate acted on were seen.
    `position` (Richardson et al., 2007): every slot is a trial, to be kept by slot; `examination.effective_trials`
    weighs it by the chance that its slot was looked at.
    `first`: the first slot alone. `shown`: whatever was shown or acted on, and nothing where no report came.
    `revenue` and `margin` are credited as `converted`: what a success is worth is another question. The table and the
    reasons stand in docs/learning.md.
    """
    story = _Story()
    for event in events:
        _tell(story, event)
    if not story.settled(reward):
        return {}
    succeeded = {story.chosen} if reward == "selected" else story.paid
    return {one: Statistics(1, int(one in succeeded)) for one in _seen(model, ranking, story)}


def unanswered(model: Model, ranking: Sequence[str]) -> Sequence[str]:
    """Who gets a trial, and no success, if nothing is ever reported of an answer."""
    match model:
        case "cascade" | "position":
            return ranking
        case "first":
            return ranking[:1]
        case "shown":
            return []


def _tell(story: _Story, event: Event) -> None:
    candidate = event.candidate
    story.told = story.told or event.type != "closed"
    if event.type == "shown":
        story.shown.add(candidate)
    elif event.type in _ENDS:
        story.over = True
    else:
        # A late word on an earlier payment is no new choice; on one never heard of, it is.
        if event.type in _CHOICES or candidate not in story.acted:
            story.chosen = candidate
        story.acted.add(candidate)
        _follow_payment(story, event)


def _follow_payment(story: _Story, event: Event) -> None:
    match event.type:
        case "converted":
            story.paid.add(event.candidate)
            story.money_moved = True
        case "refunded":
            story.paid.discard(event.candidate)
            story.money_moved = True
        case "declined":
            if story.in_flight == event.candidate:
                story.in_flight = None
        case _:
            story.in_flight = event.candidate


def _seen(model: Model, ranking: Sequence[str], story: _Story) -> Sequence[str]:
    match model:
        case "cascade":
            return ranking[: _depth(ranking, story)]
        case "position":
            return ranking
        case "first":
            return ranking[:1]
        case "shown" if not story.told:
            return []
        case "shown":
            return [one for one in ranking if one in story.acted or one in _shown(ranking, story)]
        case _:
            assert_never(model)


def _depth(ranking: Sequence[str], story: _Story) -> int:
    """How many were seen: down to the lowest acted on, or all that were shown where nobody was."""
    if any(one not in ranking for one in story.acted):
        # They chose something that the answer did not hold, after all that it did hold.
        return len(ranking)
    reached = story.acted or _shown(ranking, story)
    return max((place for place, one in enumerate(ranking, start=1) if one in reached), default=0)


def _shown(ranking: Sequence[str], story: _Story) -> set[str | None]:
    """The candidates reported as shown; all of them, where no report singles any out."""
    named = story.shown - {None}
    return named if named and None not in story.shown else set(ranking)
