"""The bandits: what is known about candidates, and drawing from it with exact chances. Pure; numpy only."""

from bandits.beliefs import (
    CUSTOMER_STRENGTH,
    Statistics,
    blend,
    interval,
    mean,
    posterior,
    recency_weight,
)
from bandits.chances import Chances, Race, split_chances
from bandits.credit import Event, EventType, Model, Reward, credit
from bandits.draw import Arrangement, arrange, candidate_hash, pick, seed_of, uniforms
from bandits.draws import DRAWS, Draws, make_draws

__all__ = [
    "CUSTOMER_STRENGTH",
    "DRAWS",
    "Arrangement",
    "Chances",
    "Draws",
    "Event",
    "EventType",
    "Model",
    "Race",
    "Reward",
    "Statistics",
    "arrange",
    "blend",
    "candidate_hash",
    "credit",
    "interval",
    "make_draws",
    "mean",
    "pick",
    "posterior",
    "recency_weight",
    "seed_of",
    "split_chances",
    "uniforms",
]
