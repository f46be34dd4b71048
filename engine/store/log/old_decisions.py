"""Decisions that are older than a retention."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from engine.store.connection.purging import Expired
from engine.store.tables import accounts, decisions, observations, outcomes


def expired(*, before_id: str) -> Expired:
    """Return the decisions older than an id, which begins with its time."""
    c = decisions.c
    return Expired(decisions, c.merchant_id.in_(all_merchants()) & (c.id < before_id))


def expired_of(merchant_id: int, *, before_id: str) -> Expired:
    """Return the decisions of a merchant older than an id, with their outcomes and observations.

    These are looked for by decision: their indexes begin with the time, and others' may be kept for longer.
    """
    c = decisions.c
    followers = (outcomes.c.decision_id, observations.c.decision_id)
    return Expired(decisions, (c.merchant_id == merchant_id) & (c.id < before_id), followers)


def all_merchants() -> Select[Any]:
    """Select all merchants: the log is in their order, so that a condition on ids alone would read all of it."""
    return select(accounts.merchants.c.id)
