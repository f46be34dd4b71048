"""Compute posteriors, draws with exact chances, and off-policy estimates. Pure: uses only numpy and numba."""

from bandits.drawing.draws import DRAWS, Draws, make_draws
from bandits.drawing.keys import candidate_hash, seed_of
from bandits.drawing.money import AmountDraws, Amounts, make_amount_draws, mean_amount
from bandits.drawing.slots import (
    NO_PASTS,
    NO_WEIGHTS,
    Arrangement,
    Candidates,
    Requests,
    Slots,
    arrange,
    arrange_likeliest,
    chances_along,
    fill,
    first_chances,
    follow,
)
from bandits.evaluation.clusters import Clusters
from bandits.evaluation.estimators import Estimate, is_off_one
from bandits.evaluation.paired import paired_difference
from bandits.evidence.change import memory
from bandits.evidence.credit import CreditModel, Event, EventType, Reward, credit, unanswered
from bandits.evidence.delay import DelayCurve, bin_of
from bandits.evidence.drift import last_change
from bandits.evidence.examination import effective_trials, estimate_weights
from bandits.posterior.beliefs import (
    CUSTOMER_STRENGTH,
    FLAT,
    Evidence,
    Prior,
    Statistics,
    interval,
    mean,
    posterior,
    recency_weight,
)
from bandits.posterior.hierarchy import Siblings, fit_prior, fit_strength, prior_from, temper
from bandits.preparation import prepare

__all__ = [
    "CUSTOMER_STRENGTH",
    "DRAWS",
    "FLAT",
    "NO_PASTS",
    "NO_WEIGHTS",
    "AmountDraws",
    "Amounts",
    "Arrangement",
    "Candidates",
    "Clusters",
    "CreditModel",
    "DelayCurve",
    "Draws",
    "Estimate",
    "Event",
    "EventType",
    "Evidence",
    "Prior",
    "Requests",
    "Reward",
    "Siblings",
    "Slots",
    "Statistics",
    "arrange",
    "arrange_likeliest",
    "bin_of",
    "candidate_hash",
    "chances_along",
    "credit",
    "effective_trials",
    "estimate_weights",
    "fill",
    "first_chances",
    "fit_prior",
    "fit_strength",
    "follow",
    "interval",
    "is_off_one",
    "last_change",
    "make_amount_draws",
    "make_draws",
    "mean",
    "mean_amount",
    "memory",
    "paired_difference",
    "posterior",
    "prepare",
    "prior_from",
    "recency_weight",
    "seed_of",
    "temper",
    "unanswered",
]
