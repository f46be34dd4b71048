"""Ids of decisions: `dec_`, 12 hex digits of epoch milliseconds, then 20 random hex digits. Pure."""

from __future__ import annotations


def first_id_of(now: int) -> str:
    """Return an id that is not greater than that of any decision from that millisecond on."""
    return f"dec_{now:012x}"


def moment_of(decision_id: str) -> int:
    """Return the epoch millisecond that a decision's id begins with."""
    return int(decision_id[4:16], 16)
