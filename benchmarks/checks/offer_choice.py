"""Redemptions and margin of the learned choice of offers, compared with rules and priority on the same budget.

`python -m benchmarks.verify offer-choice`. Both choose through the engine's own kernel, from the same offers and
rules. Rules and priority show the first offer that applies, from a budget that is divided evenly over the days. The
engine begins without knowledge and learns redemptions (reward `selected`, policy `contextual`) while its budget is
paced. Nobody is held back: the simulated shop knows who would have bought without an offer.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.random import default_rng

from bandits.pacing import FIRST_PRICE, PacingStep, next_price
from benchmarks.checks.offer_shop import CATEGORIES, DAYS, MARGIN, OFFERS, OfferShop, ShopVisit
from engine.kernel.beliefs import Knowledge
from engine.kernel.contextual_beliefs import ContextualState
from engine.kernel.kernel import decide
from engine.kernel.offers.availability import BudgetState, OfferContext, unavailable
from engine.kernel.offers.quote import Cart, discount
from engine.kernel.offers.worth import worthless
from engine.kernel.plan import Plan, PlanDocument
from engine.kernel.scores import AnyBeliefs
from engine.learning.active import DecidingPlan
from engine.learning.credit_settings import Learning
from engine.learning.online_learner import OnlineLearner
from engine.model.documents.offer import Offer, OfferBudget, OfferText
from engine.model.facts import UNAVAILABLE, Facts, History, Past
from engine.model.offers.hold import TOTAL, Balance, BalanceKey
from engine.model.placement import Candidate, Contextual, FieldDocument, Fixed, Placement, RuleDocument, Subset
from engine.model.timestamps import DAY, HOUR
from engine.store.beliefs import Snapshot
from engine.store.observations import ObservationRow

RUNS, FIRST_JUDGED = 20, 100
"""Seeds below the first judged one were for trying the check out."""
BUDGET = 500_000
REFRESH = 200
"""Visits between two versions of the beliefs."""
EXPIRES = "2026-12-01T00:00:00Z"
FIELDS = (
    FieldDocument(name="cart.shipping", type="money"),
    FieldDocument(name="cart.category", type="string", allowed=CATEGORIES),
    FieldDocument(name="customer.coupons", type="integer"),
    FieldDocument(name="cart.total", type="money"),
    FieldDocument(name="cart.currency", type="currency"),
    FieldDocument(name="device.type", type="string", allowed=("desktop", "mobile")),
)
RULES = (
    RuleDocument(
        id="fashion-only",
        name="15% off fashion only",
        when={"!=": [{"var": "cart.category"}, "fashion"]},
        effects=({"exclude": ["fashion-15"]},),
    ),
    RuleDocument(
        id="phones-only",
        name="3 off on phones only",
        when={"!=": [{"var": "device.type"}, "mobile"]},
        effects=({"exclude": ["three-in-app"]},),
    ),
)
LEARNED = Contextual(features=("cart.total", "cart.category", "device.type", "customer.coupons"), drawn=1)


def plan_of(policy: Contextual | Fixed, order: tuple[str, ...] = tuple(OFFERS), *, by_day: bool = False) -> Plan:
    """Return the offers in an order, paid by one budget of `BUDGET`, or of its share of each day."""
    amount = BUDGET // DAYS if by_day else BUDGET
    budget = OfferBudget(id="month", name="Month", currency="EUR", amount=amount, period="day" if by_day else "total")
    texts = {"en": OfferText("An offer")}
    candidates = tuple(
        Candidate(
            id=id,
            label=id,
            position=position,
            min_amount=OFFERS[id][1],
            offer=Offer(currency="EUR", benefit=OFFERS[id][0], budgets=("month",), texts=texts),
        )
        for position, id in enumerate(order)
    )
    placement = Placement(
        key="offers",
        name="Offers",
        shape=Subset(1),
        policy=policy,
        reward="selected",
        credit="first",
        margin_percent=100 * MARGIN,
    )
    document = PlanDocument(
        placement=placement,
        candidates=candidates,
        rules=RULES,
        fields=FIELDS,
        currency="EUR",
        keeps_order=True,
        budgets=(budget,),
        weighs_offers=isinstance(policy, Contextual),
    )
    return Plan(document, version=1)


class Chooser(Protocol):
    """The settings of a policy that chooses offers."""

    plan: Plan

    def choose(self, visit: ShopVisit, facts: Facts, key: str) -> str | None:
        """Return the offer to show, if any."""

    def learn(self, visit: ShopVisit, facts: Facts, key: str, offer: str, *, redeemed: bool) -> None:
        """Learn whether the offer was redeemed."""


class Priority:
    """Show the first offer that applies and that the budget can pay."""

    def __init__(self, order: tuple[str, ...] = tuple(OFFERS)) -> None:
        self.plan = plan_of(Fixed(), order, by_day=True)
        self._beliefs = DecidingPlan(self.plan, Learning.of(self.plan.placement)).flat

    def choose(self, visit: ShopVisit, facts: Facts, key: str) -> str | None:
        return _first(self.plan, self._beliefs, facts, key)

    def learn(self, visit: ShopVisit, facts: Facts, key: str, offer: str, *, redeemed: bool) -> None:
        pass


class Learned:
    """Show what brings in most, by what was learned so far and at the price of the budget."""

    def __init__(self) -> None:
        self.plan = plan_of(LEARNED)
        self._deciding = DecidingPlan(self.plan, Learning.of(self.plan.placement))
        self._beliefs = self._deciding.flat
        assert self.plan.encoding is not None
        empty = ContextualState(self.plan.encoding.names)
        self._learner = OnlineLearner(self.plan.encoding, empty, {}, self.plan.placement)
        self._rows: list[ObservationRow] = []
        self._price, self._paid, self._paced_paid, self._paced_at = FIRST_PRICE, 0, 0, 0
        self._visits, self._seq = 0, 0

    def choose(self, visit: ShopVisit, facts: Facts, key: str) -> str | None:
        self._visits += 1
        if self._visits % REFRESH == 0:
            self._renew(visit.time)
        if visit.time - self._paced_at >= HOUR:
            self._pace(visit.time)
        prices = self._beliefs.prices = {"month": self._price}
        facts.values[UNAVAILABLE] = worthless(self.plan, Cart.of(facts.values), prices) | facts.values[UNAVAILABLE]
        return _first(self.plan, self._beliefs, facts, key)

    def learn(self, visit: ShopVisit, facts: Facts, key: str, offer: str, *, redeemed: bool) -> None:
        self._seq += 1
        texts = (msgspec.json.encode(part).decode() for part in (facts.values, facts.history))
        self._rows.append(ObservationRow(self._seq, key, offer, 1, int(redeemed), visit.time, *texts, facts.customer))
        if redeemed:
            self._paid += discount(self.plan.offers[offer], Cart.of(facts.values))

    def _renew(self, now: int) -> None:
        self._learner.update(self._rows)
        self._rows = []
        knowledge = Knowledge(contextual=self._learner.state(now // DAY))
        self._beliefs = self._deciding.make(Snapshot(1, "offers", self._visits, "selected", "", knowledge, now))

    def _pace(self, now: int) -> None:
        """Update the price. Visits are uniform, so time measures traffic."""
        end, spent = DAYS * DAY, self._paid - self._paced_paid
        left = BUDGET - self._paced_paid
        step = PacingStep(spent, left, now - self._paced_at, end - self._paced_at, self._paced_at, end)
        self._price, self._paced_paid, self._paced_at = next_price(self._price, step), self._paid, now


def _first(plan: Plan, beliefs: AnyBeliefs, facts: Facts, key: str) -> str | None:
    decision = decide(plan, beliefs, facts, key, expires_at=EXPIRES)
    return decision.ranking[0].id if decision.ranking else None


class Month(NamedTuple):
    """The result of a policy: redemptions, the discounts paid, and the additional margin, in minor units.

    `margin` is what purchases brought in less discounts, less what the same customers would have brought in without.
    """

    redemptions: int
    spent: int
    margin: float
    extra_orders: int


def play(shop: OfferShop, chooser: Chooser) -> Month:
    """Let all visits of a shop choose among offers."""
    plan, balances = chooser.plan, dict[BalanceKey, Balance]()
    history: dict[int, History] = {}
    redemptions, spent, margin, extra = 0, 0, 0.0, 0
    for number, visit in enumerate(shop.visits):
        cart = Cart(visit.total, "EUR", visit.shipping)
        context = OfferContext(1, f"c{visit.customer}", cart, visit.time, "EUR")
        past = history.setdefault(visit.customer, {})
        values = visit.facts | {UNAVAILABLE: unavailable(plan, context, BudgetState(balances, {}))}
        facts, key = Facts(values, dict(past), context.customer), f"dec_{number:032x}"
        offer = chooser.choose(visit, facts, key)
        if offer is None:
            continue
        amount = discount(plan.offers[offer], cart)
        result = shop.show(visit, offer, amount)
        chooser.learn(visit, facts, key, offer, redeemed=result.redeemed)
        past[offer] = _after(past.get(offer), redeemed=result.redeemed)
        redemptions, spent = redemptions + result.redeemed, spent + amount * result.redeemed
        margin += MARGIN * visit.total * (result.bought - visit.buys) - amount * result.redeemed
        extra += result.bought - visit.buys
        if result.redeemed:
            budget = BalanceKey(1, "month", visit.time // DAY if plan.budgets["month"].period == "day" else TOTAL, "")
            balances[budget] = balances.get(budget, Balance()).plus(Balance(spent=amount, spent_uses=1))
    return Month(redemptions, spent, margin, extra)


def _after(past: Past | None, *, redeemed: bool) -> Past:
    past = past or Past(0.0, 0.0, 0)
    return Past(past.trials + 1, past.successes + redeemed, past.purchases + redeemed)


class Comparison(NamedTuple):
    """One simulated month, played by rules and priority and by the learned choice."""

    priority: Month
    cheapest: Month
    learned: Month


def compare(seed: int) -> Comparison:
    """Play the same month in each way."""
    by_cost = tuple(reversed(OFFERS))
    choosers = (Priority(), Priority(by_cost), Learned())
    return Comparison(*(play(OfferShop(default_rng(seed)), chooser) for chooser in choosers))


def figures() -> list[tuple[str, str, str]]:
    """Return (subject, goal, measured) for the table of docs/verification.md."""
    runs = [compare(FIRST_JUDGED + number) for number in range(RUNS)]
    rows = []
    for name, goal, other in (
        ("rules and priority, the largest discount first", "at least 45% more", [run.priority for run in runs]),
        ("rules and priority, the smallest discount first", "", [run.cheapest for run in runs]),
    ):
        pairs = [(run.learned, month) for run, month in zip(runs, other, strict=True)]
        more = np.array([learned.redemptions / month.redemptions - 1 for learned, month in pairs])
        rows.append((f"redemptions beside {name}", goal, f"{more.mean():+.0%} (worst of {RUNS}: {more.min():+.0%})"))
        gained = np.array([learned.margin - month.margin for learned, month in pairs])
        measured = f"{_euros(gained.mean(), '+')} (above it in {(gained > 0).sum()} of {RUNS})"
        rows.append((f"incremental margin beside {name}", "above it" if goal else "", measured))
    for title, part in (
        ("the learned choice", "learned"),
        ("the largest discount first", "priority"),
        ("the smallest discount first", "cheapest"),
    ):
        months = [getattr(run, part) for run in runs]
        redemptions, spent, margin, extra = np.array(months, np.float64).mean(axis=0)
        measured = f"{_euros(spent)}; {redemptions:,.0f}; {extra:,.0f}; {_euros(margin, '+')}"
        rows.append((f"{title}: spent, redemptions, extra orders, incremental margin", "", measured))
    return rows


def _euros(amount: float, sign: str = "") -> str:
    return f"EUR {amount / 100:{sign},.0f}"
