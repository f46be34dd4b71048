"""Check that sentences which a page calls sure are true: pages without effects, and effects of 1.5 times.

`python -m benchmarks.verify discoveries`, five minutes. tests/bandits/ runs a small version.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bandits.posterior.logistic_update import Observations
from bandits.posterior.weight_posterior import WeightEvidence
from engine.kernel.encoding.features import Encoding
from engine.model.placement import Contextual
from engine.model.standard_vocabulary import STANDARD
from engine.statistics.findings import Finding, findings

Figure = tuple[str, str, str]
Floats = NDArray[np.float64]
CANDIDATES = tuple(f"candidate_{number}" for number in range(8))
COUNTRIES = ("DE", "NL", "FR", "AT", "CH", "BE", "IT", "ES", "PL", "SE", "DK", "FI", "NO", "PT", "IE", "CZ", "GB", "US")
ENCODING = Encoding(
    Contextual(("device.type", "customer.returning", "geo.country"), {"geo.country": COUNTRIES}), STANDARD
)
RATES, TIMES = (0.1, 0.15, 0.2), 1.5


def page(
    seed: int, *, trials: int = 2_000, base: float = RATES[0], effects: frozenset[str] = frozenset()
) -> list[Finding]:
    """Return the findings of a page; candidates in `effects` are chosen TIMES as often by returning customers."""
    rng, observations = np.random.default_rng([seed, 17]), {}
    returning = ENCODING.names.index("customer.returning")
    for name in CANDIDATES:
        x = _requests()[rng.integers(0, len(_requests()), trials)]
        success = base * np.where((x[:, returning] > 0) & (name in effects), TIMES, 1.0)
        observations[name] = Observations(x, np.ones(trials), (rng.random(trials) < success).astype(float))
    return findings(ENCODING, WeightEvidence(len(ENCODING)).updated(observations), CANDIDATES)


@cache
def _requests() -> Floats:
    """Return the features of all requests that differ, equally likely but for returning customers: two in five."""
    requests = product(("mobile", "desktop", "tablet"), (True, True, False, False, False), COUNTRIES)
    return np.array(
        [
            ENCODING.rows({"device.type": device, "customer.returning": returning, "geo.country": country}, {}, [""])[0]
            for device, returning, country in requests
        ]
    )


def null_pages(seeds: range) -> tuple[float, float]:
    """Return the share of null pages that call anything sure, and the findings that plain intervals call sure."""
    pages = [page(seed) for seed in seeds]
    plain = [sum(finding.low > 1 or finding.high < 1 for finding in findings_of_page) for findings_of_page in pages]
    return float(np.mean([any(finding.sure for finding in findings_of_page) for findings_of_page in pages])), float(
        np.mean(plain)
    )


def power(seeds: range, *, trials: int = 2_000, base: float = RATES[0]) -> tuple[float, float]:
    """Return the share of true effects on returning customers that are called sure, and of false ones among the sure.

    The latter is the mean over the pages, 0 on a page where nothing is sure.
    """
    effects = frozenset(CANDIDATES[:2])
    findings, false = [], []
    for seed in seeds:
        rows = page(seed, trials=trials, base=base, effects=effects)
        is_true = [finding.candidate in effects and "Returning" in finding.where for finding in rows]
        findings += [finding.sure for finding, true in zip(rows, is_true, strict=True) if true]
        sure = [not true for finding, true in zip(rows, is_true, strict=True) if finding.sure]
        false.append(float(np.mean(sure)) if sure else 0.0)
    return float(np.mean(findings)), float(np.mean(false))


def figures() -> list[Figure]:
    """Return the figures of `make verify`."""
    shares, plain = null_pages(range(100, 400))
    count = len(page(100))
    return [
        (f"null pages of {count} findings that call one sure, 300 pages", "<= 10%", f"{shares:.0%}"),
        ("the same page, findings whose 95% interval excludes no effect", "", f"{plain:.1f}"),
        *[
            (
                f"effects of {TIMES} x at 2,000 tries and a rate of {base:.0%}: called sure; false ones among the sure",
                ">= 80%; <= 10%",
                "{:.0%}; {:.0%}".format(*power(range(100, 160), base=base)),
            )
            for base in RATES
        ],
    ]
