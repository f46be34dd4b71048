"""Simulate the shoppers of the demo. Pure: randomness and time are passed in.

The shares are rounded from the public figures named beside each table; where nothing is public they are plausible
guesses. They make a realistic demo and are not market research.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from numpy.random import Generator

Shares = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Country:
    """`share` of the demo merchant's checkouts, `apple` share of iOS among phones, `methods` by preference."""

    share: float
    currency: str
    locale: str
    apple: float
    methods: Shares


# Preferred methods. DE: EHI Retail Institute, "Online-Payment 2024", shares of 2023 sales: PayPal 27.7 %,
# invoice 26.7 % (here Klarna), direct debit 16.7 %; card 12.1 % in the edition before.
# NL: Thuiswinkel Markt Monitor, third quarter of 2022: iDEAL 62 %, credit card 15 %.
# BE and FR: Mollie, European e-commerce report 2024 (several answers a person, so scaled to one):
# Bancontact 73, card 41, PayPal 39 of 100 Belgians; card 71, PayPal 57 of 100 French.
# GB: Worldpay, Global Payments Report 2024: wallets, PayPal first, 38 % of online spending in 2023.
# The remaining shares, and the split of wallets into Apple Pay and Google Pay, are guesses.
# Phones: StatCounter, 2025, iOS 47 % in GB; the others are rounded to five points from memory.
# The shares of the countries are the demo merchant's own.
COUNTRIES: Mapping[str, Country] = {
    "DE": Country(0.38, "EUR", "de-DE", 0.40, {
        "paypal": 0.28, "klarna": 0.27, "sepa_debit": 0.17, "card": 0.12, "apple_pay": 0.08,
        "google_pay": 0.05,
    }),
    "NL": Country(0.18, "EUR", "nl-NL", 0.40, {
        "ideal": 0.62, "card": 0.15, "paypal": 0.08, "klarna": 0.08, "apple_pay": 0.05, "google_pay": 0.02,
    }),
    "FR": Country(0.18, "EUR", "fr-FR", 0.35, {
        "card": 0.49, "paypal": 0.33, "apple_pay": 0.10, "google_pay": 0.05, "klarna": 0.03,
    }),
    "GB": Country(0.16, "GBP", "en-GB", 0.47, {
        "card": 0.50, "paypal": 0.20, "apple_pay": 0.13, "klarna": 0.09, "google_pay": 0.06,
    }),
    "BE": Country(0.10, "EUR", "nl-BE", 0.45, {
        "bancontact": 0.42, "card": 0.24, "paypal": 0.22, "apple_pay": 0.06, "google_pay": 0.03,
        "klarna": 0.03,
    }),
}  # fmt: skip

# Worldpay, Global Payments Report 2025: phones made 57 % of online spending in 2024. The rest is guessed.
DEVICES: Shares = {"mobile": 0.57, "desktop": 0.38, "tablet": 0.05}
DESKTOPS: Shares = {"windows": 0.72, "macos": 0.22, "linux": 0.06}

# Median cart in minor units; larger on larger screens, as in every published survey; the figures are guessed.
CARTS: Mapping[str, int] = {"mobile": 4500, "tablet": 6000, "desktop": 7500}
CART_SPREAD = 0.9
LARGEST_CART = 300_000

# Online shopping by hour of the day, 100 is the mean: an index published by Oberlo names midnight, 5, 9, 10,
# noon to 16 and 20 to 23 o'clock; the hours between are interpolated.
HOURS = (104, 80, 58, 40, 29, 22, 28, 40, 56, 75, 103, 125, 142, 151, 149, 145, 142, 138, 134, 132, 132, 134,
         133, 123)  # fmt: skip

# Share of attempts that the payment's provider declines. Cards: Hay and Saywell, Journal of Payments Strategy
# & Systems 18 (2), 2024: 10 % of domestic e-commerce payments in the EEA and UK. The others are guessed.
DECLINES: Shares = {
    "card": 0.10, "klarna": 0.11, "sepa_debit": 0.04, "paypal": 0.03, "ideal": 0.02, "bancontact": 0.03,
    "apple_pay": 0.04, "google_pay": 0.05,
}  # fmt: skip

# How people read a list of methods (guessed): from the top, they take the first one that they accept, and
# may give up at every step, so that a good order sells more.
TAKES_FAVOURITE = 0.92
TAKES_MOST_COMMON = 0.22
PATIENCE = 0.88
TRIES_ANOTHER = 0.6

RETURNING_CUSTOMERS = 3000
RETURNING_SHARE = 0.6
RISKY_SHARE = 0.02

# In the second half of each cycle, one wallet runs a campaign in one country.
CYCLE_SECONDS = 1200.0
DRIFT_COUNTRY, DRIFT_METHOD, DRIFT_FACTOR = "FR", "paypal", 4.0
DAY_SECONDS = 1440.0
FIRST_HOUR = 12


@dataclass(frozen=True, slots=True)
class Shopper:
    """A person. `seed` fixes the taste of a returning customer; guests get a new one each time."""

    customer_id: str | None
    country: str
    device: str
    os: str
    seed: float


@dataclass(frozen=True, slots=True)
class CheckoutVisit:
    """A checkout: the shopper, the amount (minor units), and the probability of accepting each method."""

    shopper: Shopper
    total: int
    items: int
    risk: float
    acceptance: Shares

    @property
    def context(self) -> dict[str, Any]:
        """Return the context that the checkout sends to the engine."""
        shopper, country = self.shopper, COUNTRIES[self.shopper.country]
        returning = shopper.customer_id is not None
        return {
            "cart": {"total": self.total, "currency": country.currency, "items": self.items},
            "geo": {"country": shopper.country},
            "device": {"type": shopper.device, "os": shopper.os},
            "customer": {"returning": returning, "locale": country.locale},
            "risk": {"score": self.risk},
        }


@dataclass(frozen=True, slots=True)
class ShopperAction:
    """An action of a shopper: the type of the outcome, and the method if there is one."""

    type: str
    method: str | None = None


def hour_at(elapsed: float) -> float:
    """Return the hour of the simulated day, `elapsed` seconds after its start: a day takes 24 minutes."""
    return (FIRST_HOUR + 24 * elapsed / DAY_SECONDS) % 24


def busyness(elapsed: float) -> float:
    """Return the traffic relative to its mean; at least 0.4, so that the demo keeps moving at night."""
    return max(0.4, HOURS[int(hour_at(elapsed))] / 100)


def drifted(elapsed: float) -> bool:
    """Return whether the campaign of the second half of a cycle is running."""
    return elapsed % CYCLE_SECONDS >= CYCLE_SECONDS / 2


class ShopperWorld:
    """The shoppers of the demo merchant."""

    def __init__(self, random: Generator) -> None:
        self.random = random
        self._customers = [self._shopper(f"c_{number:05d}") for number in range(RETURNING_CUSTOMERS)]

    def visit(self, elapsed: float) -> CheckoutVisit:
        """Return the next checkout, `elapsed` seconds after the world began."""
        return self.visit_during(campaign=drifted(elapsed))

    def visit_during(self, *, campaign: bool) -> CheckoutVisit:
        """Return the next checkout, while the wallet's campaign runs or not."""
        returning = self.random.random() < RETURNING_SHARE
        shopper = self._customers[self.random.integers(RETURNING_CUSTOMERS)] if returning else self._shopper(None)
        total = int(self.random.lognormal(0, CART_SPREAD) * CARTS[shopper.device])
        risky = self.random.random() < RISKY_SHARE
        return CheckoutVisit(
            shopper=shopper,
            total=min(max(total, 300), LARGEST_CART),
            items=1 + int(self.random.exponential(1 / 0.8)),
            risk=round(self.random.uniform(80, 100) if risky else self.random.uniform(0, 60), 1),
            acceptance=acceptance(shopper, drift=campaign),
        )

    def reaction(
        self, visit: CheckoutVisit, ranking: Sequence[str], *, failing: Collection[str] = ()
    ) -> list[ShopperAction]:
        """Return the shopper's actions for the methods in this order; the last is `converted` or `abandoned`.

        Payments by methods that are `failing` are all declined.
        """
        return react(visit, ranking, self.random, failing)

    def _shopper(self, customer_id: str | None) -> Shopper:
        shares = {name: country.share for name, country in COUNTRIES.items()}
        name = draw(shares, self.random.random())
        device = draw(DEVICES, self.random.random())
        if device == "desktop":
            system = draw(DESKTOPS, self.random.random())
        else:
            system = "ios" if self.random.random() < COUNTRIES[name].apple else "android"
        return Shopper(customer_id, name, device, system, self.random.random())


def react(
    visit: CheckoutVisit, ranking: Sequence[str], random: Generator, failing: Collection[str] = ()
) -> list[ShopperAction]:
    """Return the shopper's actions for the methods in this order; the last is `converted` or `abandoned`."""
    actions = [ShopperAction("shown")]
    left = list(ranking)
    while (method := _choose(visit, left, random)) is not None:
        actions.append(ShopperAction("selected", method))
        if method not in failing and random.random() >= declined(method):
            return [*actions, ShopperAction("converted", method)]
        actions.append(ShopperAction("declined", method))
        left.remove(method)
        if random.random() >= TRIES_ANOTHER:
            break
    return [*actions, ShopperAction("abandoned")]


def _choose(visit: CheckoutVisit, methods: Sequence[str], random: Generator) -> str | None:
    """Return the first acceptable method from the top (a cascade), unless the shopper loses patience before."""
    for method in methods:
        if random.random() < visit.acceptance.get(method, 0.0):
            return method
        if random.random() >= PATIENCE:
            return None
    return None


def declined(method: str) -> float:
    """Return the share of attempts to pay with the method that fail."""
    return DECLINES.get(method, 0.05)


def acceptance(shopper: Shopper, *, drift: bool) -> dict[str, float]:
    """Return the probability of accepting each method when it is seen: high for the favourite, low for others."""
    shares = preferences(shopper.country, shopper.os, drift=drift)
    favourite, largest = draw(shares, shopper.seed), max(shares.values())
    probabilities = {method: TAKES_MOST_COMMON * share / largest for method, share in shares.items()}
    return probabilities | {favourite: TAKES_FAVOURITE}


def preferences(country: str, system: str, *, drift: bool) -> dict[str, float]:
    """Return the shares of the methods in a country, without wallets that the device does not support."""
    missing = {"google_pay"} if system in ("ios", "macos") else {"apple_pay"}
    shares = {method: share for method, share in COUNTRIES[country].methods.items() if method not in missing}
    if drift and country == DRIFT_COUNTRY:
        shares[DRIFT_METHOD] *= DRIFT_FACTOR
    total = sum(shares.values())
    return {method: share / total for method, share in shares.items()}


def draw(shares: Shares, uniform: float) -> str:
    """Return the name whose part of the unit interval contains `uniform`; shares need not sum to one."""
    names = list(shares)
    bounds = [0.0]
    for name in names:
        bounds.append(bounds[-1] + shares[name])
    target = uniform * bounds[-1]
    return next((name for name, (_, end) in zip(names, pairwise(bounds), strict=True) if target < end), names[-1])
