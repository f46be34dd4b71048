"""The bandits: what is known about candidates, and drawing from it with exact chances. Pure; numpy only."""

from bandits.beliefs import (
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
from bandits.chances import Chances, Race, Shares, split_chances
from bandits.credit import Event, EventType, Model, Reward, credit, unanswered
from bandits.delay import DelayCurve, bin_of
from bandits.draw import Arrangement, arrange, candidate_hash, chances_along, pick, seed_of, uniforms
from bandits.draws import DRAWS, Draws, make_draws
from bandits.drift import last_change, memory
from bandits.evaluate import Estimate
from bandits.examination import effective_trials, estimate_weights
from bandits.hierarchy import Siblings, fit_prior, fit_strength, prior_from, temper
from bandits.money import Amounts, Worths, make_worths, mean_amount
from bandits.paired import is_off_one, paired_difference
from bandits.together import Answers, chances_of

__all__ = [
    "CUSTOMER_STRENGTH",
    "DRAWS",
    "FLAT",
    "Amounts",
    "Answers",
    "Arrangement",
    "Chances",
    "DelayCurve",
    "Draws",
    "Estimate",
    "Event",
    "EventType",
    "Evidence",
    "Model",
    "Prior",
    "Race",
    "Reward",
    "Shares",
    "Siblings",
    "Statistics",
    "Worths",
    "arrange",
    "bin_of",
    "blend",
    "candidate_hash",
    "chances_along",
    "chances_of",
    "credit",
    "effective_trials",
    "estimate_weights",
    "fit_prior",
    "fit_strength",
    "interval",
    "is_off_one",
    "last_change",
    "make_draws",
    "make_worths",
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
