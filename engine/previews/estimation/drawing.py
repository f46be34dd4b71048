"""What a plan draws its answers to many decisions from: the kernel's draws, brought together. Pure."""

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
Places = NDArray[np.int64]


class Room(NamedTuple):
    """The candidates of a plan that remain in some decisions; `offered` are the eligible ones by name."""

    plan: Plan
    limits: Limits
    offered: tuple[str, ...]

    @classmethod
    def of(cls, plan: Plan, bounds: Bounds) -> Room:
        limits = Limits.of(plan, bounds)
        return cls(plan, limits, tuple(plan.ids[number] for number in limits.eligible))


class Request(NamedTuple):
    """The inputs of one answer beside the room; `beliefs` as the room's plan makes them."""

    key: str
    facts: Facts
    beliefs: AnyBeliefs


class RequestGroup(NamedTuple):
    """Requests with the same candidates, by their `rows` among all."""

    rows: list[int]
    candidates: bandits.Candidates
    requests: bandits.Requests


class Drawing:
    """The draws of N requests in the same room, which holds somebody; candidates are counted among the offered."""

    def __init__(self, where: Room, requests: Sequence[Request]) -> None:
        draws = _draws(where, requests)
        self.offered = where.offered
        self.length, self.drawn, _ = self._slots = draws[0].slots
        self._count = len(draws)
        self._groups = list(_groups(draws))

    def orders(self) -> Places:
        """The answers (N, length) that the randomness leads to."""
        orders = np.empty((self._count, self.length), np.int64)
        for rows, candidates, requests in self._groups:
            orders[rows] = bandits.fill(candidates, self._slots, requests)[0]
        return orders

    def along(self, orders: Places) -> Iterator[Floats]:
        """Yield the chances (N, K) in each slot, had `orders` (N, slots) filled those above it; -1: takes no part."""
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
        yield RequestGroup(group, draws[group[0]].candidates, _together(requests))


def _together(requests: Sequence[bandits.Requests]) -> bandits.Requests:
    first = requests[0]
    if len(requests) == 1:
        return first
    weights = [request.weights for request in requests]
    shared = all(weight is first.weights for weight in weights)
    return bandits.Requests(
        np.concatenate([request.seeds for request in requests]),
        np.concatenate([request.pasts for request in requests]) if first.pasts.size else first.pasts,
        first.weights if shared else np.concatenate(weights),
        first.strength,
    )


def _draws(where: Room, requests: Sequence[Request]) -> list[Draw]:
    """A draw each; what it does not owe to its own request is made once for all of the same beliefs."""
    made: dict[int, Draw] = {}
    draws = []
    for key, facts, beliefs in requests:
        draw = made.get(id(beliefs))
        if draw is None:
            draw = draw_of(where.plan, beliefs, facts, where.limits, key)
            if shares_draws(where.plan, beliefs):
                made[id(beliefs)] = draw
        else:
            past = customer_counts(where.plan, beliefs, facts, where.limits.eligible)
            own = bandits.Requests.of(
                randomness_key(where.plan, facts, key), past, draw.requests.weights, beliefs.customer_strength
            )
            draw = draw._replace(requests=own)
        draws.append(draw)
    return draws
