"""Draw a plan's answers to many decisions at once, as the kernel draws each of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import bandits
from engine.kernel.bounds import Bounds
from engine.kernel.kernel import Draw, Limits, draw_of, randomness_key, shares_draws
from engine.kernel.plan import Plan
from engine.kernel.scores import AnyBeliefs, customer_counts
from engine.model.facts import Facts

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]


class AllowedCandidates(NamedTuple):
    """The candidates that a plan's limits allow in some decisions; `offered` are their ids."""

    plan: Plan
    limits: Limits
    offered: tuple[str, ...]

    @classmethod
    def of(cls, plan: Plan, bounds: Bounds) -> AllowedCandidates:
        limits = Limits.of(plan, bounds)
        return cls(plan, limits, tuple(plan.ids[number] for number in limits.eligible))


class Request(NamedTuple):
    """The inputs of one answer beside the allowed candidates; `beliefs` are those of their plan."""

    key: str
    facts: Facts
    beliefs: AnyBeliefs


class RequestGroup(NamedTuple):
    """Requests with the same candidates; `rows` are their numbers among all."""

    rows: list[int]
    candidates: bandits.Candidates
    requests: bandits.Requests


class Drawing:
    """The draws of N requests with the same allowed candidates, at least one; positions count among the offered."""

    def __init__(self, allowed: AllowedCandidates, requests: Sequence[Request]) -> None:
        draws = _draws(allowed, requests)
        self.offered = allowed.offered
        self.length, self.drawn, _ = self._slots = draws[0].slots
        self._count = len(draws)
        self._groups = list(_groups(draws))

    def orders(self) -> Positions:
        """Return the answers (N, length) that the randomness selects."""
        orders = np.empty((self._count, self.length), np.int64)
        for rows, candidates, requests in self._groups:
            orders[rows] = bandits.fill(candidates, self._slots, requests)[0]
        return orders

    def along(self, orders: Positions) -> Iterator[Floats]:
        """Yield the chances (N, K) in each slot if `orders` (N, slots) fill those above it; -1 is no candidate."""
        slots = min(self.length, orders.shape[1])
        chances = np.empty((slots, self._count, len(self.offered)))
        for rows, candidates, requests in self._groups:
            chances[:, rows] = bandits.follow(candidates, self._slots, requests, orders[rows]).swapaxes(0, 1)
        yield from chances


def _groups(draws: Sequence[Draw]) -> Iterator[RequestGroup]:
    rows: dict[tuple[int, bool], list[int]] = {}
    for row, draw in enumerate(draws):
        rows.setdefault((id(draw.candidates), bool(draw.requests.pasts.size)), []).append(row)
    for group in rows.values():
        requests = [draws[row].requests for row in group]
        yield RequestGroup(group, draws[group[0]].candidates, _joined(requests))


def _joined(requests: Sequence[bandits.Requests]) -> bandits.Requests:
    first = requests[0]
    if len(requests) == 1:
        return first
    weights = [request.weights for request in requests]
    is_shared = all(weight is first.weights for weight in weights)
    return bandits.Requests(
        np.concatenate([request.seeds for request in requests]),
        np.concatenate([request.pasts for request in requests]) if first.pasts.size else first.pasts,
        first.weights if is_shared else np.concatenate(weights),
        first.strength,
    )


def _draws(allowed: AllowedCandidates, requests: Sequence[Request]) -> list[Draw]:
    """Return the draw of each request; requests with the same beliefs share what does not depend on the request."""
    shared_draws: dict[int, Draw] = {}
    draws = []
    for key, facts, beliefs in requests:
        draw = shared_draws.get(id(beliefs))
        if draw is None:
            draw = draw_of(allowed.plan, beliefs, facts, allowed.limits, key)
            if shares_draws(allowed.plan, beliefs):
                shared_draws[id(beliefs)] = draw
        else:
            past = customer_counts(allowed.plan, beliefs, facts, allowed.limits.eligible)
            own_requests = bandits.Requests.of(
                randomness_key(allowed.plan, facts, key), past, draw.requests.weights, beliefs.customer_strength
            )
            draw = draw._replace(requests=own_requests)
        draws.append(draw)
    return draws
