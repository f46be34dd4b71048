"""Check that sentences which a page calls sure are true: pages without effects, and effects of 1.5 times.

`python -m benchmarks.verify discoveries`, two minutes. tests/bandits/ runs a small version.
"""

from __future__ import annotations

import numpy as np

from bandits.posterior.logistic_update import Observations
from bandits.posterior.weight_posterior import WeightEvidence
from engine.kernel.encoding.features import Encoding
from engine.model.placement import Contextual
from engine.model.standard_vocabulary import STANDARD
from engine.statistics.findings import Finding, findings

Figure = tuple[str, str, str]
CANDIDATES = tuple(f"candidate_{number}" for number in range(8))
COUNTRIES = ("DE", "NL", "FR", "AT", "CH", "BE", "IT", "ES", "PL", "SE", "DK", "FI", "NO", "PT", "IE", "CZ", "GB", "US")
ENCODING = Encoding(
    Contextual(("device.type", "customer.returning", "geo.country"), {"geo.country": COUNTRIES}), STANDARD
)
BASE, TIMES = 0.1, 1.5


def page(seed: int, *, trials: int = 2_000, effects: frozenset[str] = frozenset()) -> list[Finding]:
    """Return the findings of a page; candidates in `effects` are chosen TIMES as often by returning customers."""
    rng, observations = np.random.default_rng([seed, 17]), {}
    returning = ENCODING.names.index("customer.returning")
    for name in CANDIDATES:
        facts = [
            {
                "device.type": str(rng.choice(["mobile", "desktop", "tablet"])),
                "customer.returning": bool(rng.random() < 0.4),
                "geo.country": str(rng.choice(COUNTRIES)),
            }
            for _ in range(trials)
        ]
        x = np.array([ENCODING.rows(values, {}, [name])[0] for values in facts])
        success = BASE * np.where((x[:, returning] > 0) & (name in effects), TIMES, 1.0)
        observations[name] = Observations(x, np.ones(trials), (rng.random(trials) < success).astype(float))
    return findings(ENCODING, WeightEvidence(len(ENCODING)).updated(observations), CANDIDATES)


def null_pages(seeds: range) -> tuple[float, float]:
    """Return the share of null pages that call anything sure, and the findings that plain intervals call sure."""
    pages = [page(seed) for seed in seeds]
    plain = [sum(finding.low > 1 or finding.high < 1 for finding in findings_of_page) for findings_of_page in pages]
    return float(np.mean([any(finding.sure for finding in findings_of_page) for findings_of_page in pages])), float(
        np.mean(plain)
    )


def power(seeds: range, *, trials: int = 2_000) -> float:
    """Return the share of true effects on returning customers that are called sure."""
    effects = frozenset(CANDIDATES[:2])
    sure = [
        finding.sure
        for seed in seeds
        for finding in page(seed, trials=trials, effects=effects)
        if finding.candidate in effects and "Returning" in finding.where
    ]
    return float(np.mean(sure))


def figures() -> list[Figure]:
    """Return the figures of `make verify`."""
    shares, plain = null_pages(range(100, 160))
    count = len(page(100))
    return [
        (f"null pages of {count} findings that call one sure, 60 pages", "<= 10%", f"{shares:.0%}"),
        ("the same page, findings whose 95% interval excludes no effect", "", f"{plain:.1f}"),
        (
            f"effects of {TIMES} x at 2,000 tries and a rate of 10% called sure",
            ">= 80%",
            f"{power(range(100, 130)):.0%}",
        ),
    ]
