"""Simulate a month of the demo's shoppers in real days: weekends, a campaign and an outage. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from numpy.random import Generator

from simulation.worlds.offer_reactions import OfferReaction, react_to_offer
from simulation.worlds.shoppers import HOURS, CheckoutVisit, ShopperAction, ShopperWorld

WEEKEND = 1.3
"""Traffic of Saturdays and Sundays relative to other days."""
CAMPAIGN_DAYS = range(12, 20)
OUTAGE_DAY = 21
OUTAGE_HOURS = range(13, 17)
OUTAGE_METHOD = "ideal"


class TimedVisit(NamedTuple):
    """A checkout and when it was."""

    time: datetime
    visit: CheckoutVisit


class Month:
    """Shoppers from `begins` on, about `daily` checkouts a weekday. Days and hours are those of its time zone."""

    def __init__(self, begins: datetime, *, daily: int, random: Generator) -> None:
        self._begins = begins
        self._daily = daily
        self._random = random
        self._world = ShopperWorld(random)

    def visits(self, begin: datetime, end: datetime) -> Iterator[TimedVisit]:
        """Yield the checkouts from `begin` until before `end`, at most an hour later, in their order."""
        seconds = (end - begin).total_seconds()
        mean = self._daily / 24 * HOURS[begin.hour] / 100 * (WEEKEND if begin.weekday() >= 5 else 1.0) * seconds / 3600
        for offset in sorted(self._random.uniform(0, seconds, self._random.poisson(mean))):
            time = begin + timedelta(seconds=float(offset))
            yield TimedVisit(time, self._world.visit_during(campaign=self.day(time) in CAMPAIGN_DAYS))

    def reaction(self, timed: TimedVisit, ranking: Sequence[str]) -> list[ShopperAction]:
        """Return the shopper's actions for the methods in this order."""
        return self._world.reaction(timed.visit, ranking, failing=self.failing(timed.time))

    def reaction_to_offer(self, timed: TimedVisit, ranking: Sequence[str], offer: str | None) -> OfferReaction:
        """Return what a shopper does who sees an offer, or none, and then the methods in this order."""
        return react_to_offer(offer, timed.visit, partial(self.reaction, timed, ranking), self._random)

    def failing(self, time: datetime) -> Collection[str]:
        """Return the methods that decline every payment."""
        is_outage = self.day(time) == OUTAGE_DAY and time.hour in OUTAGE_HOURS
        return (OUTAGE_METHOD,) if is_outage else ()

    def day(self, time: datetime) -> int:
        """Return the number of the day, from 0."""
        return (time.date() - self._begins.date()).days
