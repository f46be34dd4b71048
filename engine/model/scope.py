"""The scope of statistics: the merchant, the placement and the reward that they belong to. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Scope(NamedTuple):
    """The leading columns of every table of statistics; `reward` is how the placement counts successes."""

    merchant_id: int
    placement: str
    reward: str
