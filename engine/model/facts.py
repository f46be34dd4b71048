"""Flatten the context that a checkout sends into the declared facts of a decision. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Past(msgspec.Struct, frozen=True, array_like=True):
    """What a customer did with one candidate before: recency-weighted trials and successes, and plain purchases."""

    trials: float
    successes: float
    purchases: int


History = dict[str, Past]


class Facts(msgspec.Struct, frozen=True):
    """The inputs of a decision: `values` by dotted name, `history` by candidate id, the customer's keyed hash."""

    values: dict[str, Any]
    history: History = {}
    customer: str | None = None


class Declared:
    """The names of a vocabulary as a tree, so that a nested context is read in one pass."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self._tree: dict[str, Any] = {}
        for name in names:
            *groups, leaf = name.split(".")
            node = self._tree
            for group in groups:
                node = node.setdefault(group, {})
            node[leaf] = name

    def flatten(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Return `{"cart.total": 1}` for `{"cart": {"total": 1}}`; undeclared facts are dropped and never stored."""
        values: dict[str, Any] = {}
        _collect(self._tree, context, values)
        return values


def _collect(tree: Mapping[str, Any], context: Mapping[str, Any], values: dict[str, Any]) -> None:
    for name, value in context.items():
        node = tree.get(name)
        if node is None:
            continue
        if type(node) is str:
            values[node] = value
        elif type(value) is dict:
            _collect(node, value, values)


def derive(values: dict[str, Any], history: History, *, now: str) -> None:
    """Add the facts that the engine knows itself: the time (RFC 3339, UTC) and the customer's purchases."""
    values["time.now"] = now
    if history:
        purchases = sum(past.purchases for past in history.values())
        values["history.purchases"] = purchases
        if purchases:
            values["history.favourite"] = max(history, key=lambda name: (history[name].successes, name))
