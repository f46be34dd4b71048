"""Codes that are given to one hold each: taken from a pool, or made for a customer. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

CodeState = Literal["free", "held", "used"]


class CodeRequest(NamedTuple):
    """A hold's request for a code: one of the offer's pool, or the customer's own.

    A `code` that is named is given if it is free; otherwise another one is, unless it must be that one (`exact`).
    """

    kind: Literal["pool", "customer"]
    code: str = ""
    exact: bool = False


class CodeCounts(NamedTuple):
    """The numbers of codes of an offer that are free, held for a customer, and used."""

    free: int = 0
    held: int = 0
    used: int = 0


class StoredCode(NamedTuple):
    """A code with its offer and state.

    `hold_id` is empty while it is free, `customer` unless the code was made for one.
    """

    code: str
    placement: str
    offer: str
    state: CodeState
    hold_id: str
    customer: str
    added_at: int
