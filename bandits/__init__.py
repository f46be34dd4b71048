"""Bandits: posteriors from outcomes, draws with exact chances, and off-policy estimates. Pure; numpy only."""

from bandits.drawing.chances import Chances, Shares, WinProbabilities, split_chances
from bandits.drawing.draw import Arrangement, arrange, candidate_hash, chances_along, pick, seed_of, uniforms
from bandits.drawing.draws import DRAWS, Draws, make_draws
from bandits.drawing.many_requests import ArrangementBatch, chances_of_many
from bandits.drawing.money import AmountDraws, Amounts, make_amount_draws, mean_amount
from bandits.evaluation.estimators import Estimate
from bandits.evaluation.paired import is_off_one, paired_difference
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
    blend,
    interval,
    mean,
    posterior,
    recency_weight,
)
from bandits.posterior.hierarchy import Siblings, fit_prior, fit_strength, prior_from, temper

__all__ = [
    "CUSTOMER_STRENGTH",
    "DRAWS",
    "FLAT",
    "AmountDraws",
    "Amounts",
    "Arrangement",
    "ArrangementBatch",
    "Chances",
    "CreditModel",
    "DelayCurve",
    "Draws",
    "Estimate",
    "Event",
    "EventType",
    "Evidence",
    "Prior",
    "Reward",
    "Shares",
    "Siblings",
    "Statistics",
    "WinProbabilities",
    "arrange",
    "bin_of",
    "blend",
    "candidate_hash",
    "chances_along",
    "chances_of_many",
    "credit",
    "effective_trials",
    "estimate_weights",
    "fit_prior",
    "fit_strength",
    "interval",
    "is_off_one",
    "last_change",
    "make_amount_draws",
    "make_draws",
    "mean",
    "mean_amount",
    "memory",
    "paired_difference",
    "pick",
    "posterior",
    "prior_from",
    "recency_weight",
    "seed_of",
    "split_chances",
    "temper",
    "unanswered",
    "uniforms",
]
