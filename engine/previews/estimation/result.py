"""The result of a preview. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from engine.kernel.plan import Plan, PlanDocument
from engine.previews.estimation.effect import Effect, effect_of
from engine.previews.estimation.offer_cost import OfferCost
from engine.previews.estimation.totals import Example, Places, Totals, position_counts

KINDS = ("emptied", "first", "shown", "order", "values")


class RuleMatches(msgspec.Struct, frozen=True):
    """How many decisions a rule fires for under the draft, could not be judged for, and fired for in the log."""

    id: str
    name: str
    fired: int
    skipped: int
    fired_before: int


class Result(msgspec.Struct, frozen=True):
    """`read` decisions were logged from `first_at` to `last_at` (epoch milliseconds), by some `versions` of the plan.

    `fallback` of them were given without any rule, `lost` ones can no longer be made again: neither is compared.
    `changed` answers would have been another, `emptied` of them without a candidate, `revalued` with other values.
    `withdrawn` counts, by candidate, the decisions in which the customer chose what the draft would not have offered.
    """

    reward: str
    read: int
    first_at: int
    last_at: int
    versions: list[int]
    fallback: int
    lost: int
    changed: int
    emptied: int
    position_counts: list[Places] = msgspec.field(name="places")
    rules: list[RuleMatches]
    examples: list[Example]
    effect: Effect
    seconds: float = 0.0
    offer: OfferCost | msgspec.UnsetType = msgspec.UNSET
    """What the previewed offer would have cost."""
    withdrawn: dict[str, int] | msgspec.UnsetType = msgspec.UNSET


def result_of(totals: Totals, draft: Plan, others: Iterable[PlanDocument], *, first_at: int, last_at: int) -> Result:
    """Return the result; `others` are the documents of the plan versions in the log."""
    before = tuple(others)
    labels = {candidate.id: candidate.label for candidate in draft.candidates}
    former = {
        candidate.id: candidate.label for plan in before for candidate in plan.candidates if candidate.id not in labels
    }
    return Result(
        reward=draft.placement.reward,
        read=totals.read,
        first_at=first_at,
        last_at=last_at,
        versions=sorted(totals.versions),
        fallback=totals.fallback,
        lost=totals.lost,
        changed=totals.changed,
        emptied=totals.emptied,
        position_counts=position_counts(totals, labels | former),
        rules=_matches(totals, draft, before),
        examples=[example for kind in KINDS for example in reversed(totals.examples.get(kind, []))],
        effect=effect_of(totals),
        withdrawn=dict(totals.withdrawn),
    )


def _matches(totals: Totals, draft: Plan, before: tuple[PlanDocument, ...]) -> list[RuleMatches]:
    names = {rule.id: rule.name for rule in draft.rules}
    names |= {rule.id: rule.name for document in before for rule in document.rules if rule.id not in names}
    counts = (totals.fired, totals.skipped, totals.fired_before)
    matches = [RuleMatches(id, name, *(count[id] for count in counts)) for id, name in names.items()]
    drafted = {rule.id for rule in draft.rules}
    return [match for match in matches if match.id in drafted or match.fired_before]
