"""How often each candidate came first. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Share(NamedTuple):
    """The share of firsts of a candidate in a minute, given in epoch minutes."""

    minute: int
    candidate: str
    firsts: int
