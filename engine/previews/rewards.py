"""What logged decisions earned, by the settings of another version of their plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.kernel.plan import PlanDocument
from engine.kernel.value import cart_amount, margin
from engine.learning.credit_settings import Learning
from engine.learning.outcome_effects import AnswerHead, counting, credit_of, reported_amount
from engine.store.outcomes import OutcomeRow

Values = Mapping[str, Any]


class Valuation:
    """Values decisions of one plan version as another version does: by its reward, credit, margin and fees.

    Candidates that the other version no longer has keep their earlier fees.
    """

    def __init__(self, document: PlanDocument, deciding: PlanDocument) -> None:
        self._placement, self._currency = document.placement, document.currency
        self._candidates = {each.id: each for plan in (deciding, document) for each in plan.candidates}
        self._learning = Learning.of(document.placement, document.currency or "")

    def earned(self, values: Values, answer: AnswerHead, outcomes: Sequence[OutcomeRow]) -> dict[str, float]:
        """Return the reward of a closed decision by candidate: the number of successes, or money in minor units.

        `values` are the facts of the decision, and `outcomes` are all of it.
        """
        credit = credit_of(self._learning, answer, outcomes, closed=True)
        won = {name: float(each.successes) for name, each in credit.items() if each.successes}
        return {name: count * self._value(values, name, outcomes) for name, count in won.items()}

    def _value(self, values: Values, name: str, outcomes: Sequence[OutcomeRow]) -> float:
        match self._placement.reward:
            case "margin":
                return margin(self._placement, self._candidates[name], values)
            case "revenue":
                amount = reported_amount(self._learning, name, counting(self._learning, outcomes))
                return self._cart(values) if amount is None else float(amount)
            case _:
                return 1.0

    def _cart(self, values: Values) -> float:
        """Return the cart's total, which stands for an amount that nobody reported."""
        is_own = values.get("cart.currency") in (None, self._currency)
        return cart_amount(values if is_own else {}, self._placement.typical_amount)
