"""The ids of decisions begin with their time: `dec_`, 12 hex digits of epoch milliseconds, 20 of chance."""

from __future__ import annotations


def first_id_of(now: int) -> str:
    """No decision from that millisecond on has a smaller id."""
    return f"dec_{now:012x}"


def moment_of(decision_id: str) -> int:
    """The epoch millisecond that a decision's id begins with."""
    return int(decision_id[4:16], 16)
