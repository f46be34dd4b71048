"""Compare the delay curve with its formulas, written out plainly, bin by bin."""

from __future__ import annotations

from itertools import pairwise
from math import log1p, prod

import numpy as np
import pytest

from bandits import DelayCurve, bin_of
from bandits.evidence.delay import EDGES, ENOUGH, NOT_YET, PendingCount

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
BINS = len(EDGES)
WINDOW = HOUR


def test_bins_begin_at_a_second_and_double_every_four():
    assert EDGES[:6] == (0, 1_000, 1_189, 1_414, 1_682, 2_000)
    assert [EDGES[4 * doublings + 1] for doublings in (1, 2, 10, 25)] == [2_000, 4_000, 1_024_000, 33_554_432_000]
    assert (BINS, NOT_YET) == (102, 101)


@pytest.mark.parametrize(("delay", "bin"), [
    (-1, 0), (0, 0), (999, 0), (1_000, 1), (1_188, 1), (1_189, 2), (2_000, 5), (MINUTE, 24), (HOUR, 48), (DAY, 66),
    (400 * DAY, 101), (10**15, 101),
])  # fmt: skip
def test_a_delay_is_in_the_bin_that_begins_before_it(delay, bin):
    assert bin_of(delay) == bin


def test_pending_decisions_are_read_until_enough_have_closed():
    assert ENOUGH == 1_000


# The plain formulas


def prior_of(window):
    """Return the probability of each bin if the logarithm of one second more than the delay is spread evenly."""
    lower = [log1p(min(edge, window) / SECOND) / log1p(window / SECOND) for edge in EDGES]
    return [0.01 * (above - below) for below, above in zip(lower, [*lower[1:], 1.0], strict=True)]


def arrived(successes, window):
    """Return the share of successes that arrive before each bin; `successes` counts them by (age bin, delay bin).

    Decisions of an age show only delays in earlier bins. Closed decisions have the age bin BINS.
    """
    prior = prior_of(window)
    seen = {(age, delay): count for (age, delay), count in successes.items() if delay < age}

    def stays_below(bin):
        """Return the chance that a delay is in an earlier bin, if it is in this one or earlier."""
        inside = sum(count for (_, delay), count in seen.items() if delay == bin)
        up_to = sum(count for (age, delay), count in seen.items() if delay <= bin < age)
        return max(1 - (inside + prior[bin]) / (up_to + sum(prior[: bin + 1])), 0.0)

    total = sum(seen.values())
    return [prod(stays_below(later) for later in range(bin, BINS)) * total / (total + 1) for bin in range(BINS)]


def weights(successes, failures, window, pending=()):
    """Return the weight of a pending decision at the lower edge of each bin."""
    counts = {(BINS, bin): count for bin, count in enumerate(successes) if count}
    for row in pending:
        counts[row.age, row.delay] = counts.get((row.age, row.delay), 0) + row.successes
    success = arrived(counts, window)
    failed = dict(enumerate(failures))
    for row in pending:
        share = success[row.age] if row.delay == NOT_YET else 1.0
        failed[row.delay] = failed.get(row.delay, 0) + row.failures * share
    total = sum(failed.values()) + 1
    before = [sum(failed.get(earlier, 0) for earlier in range(bin)) / total for bin in range(BINS)]
    raw = [min(max((won - lost) / (1 - lost), 0), 1) for won, lost in zip(success, before, strict=True)]
    return list(np.maximum.accumulate(raw))


def histogram(**counts):
    """Return counts by bin from names such as `s30=4`: four after 30 seconds."""
    values = [0] * BINS
    for name, count in counts.items():
        unit = {"s": SECOND, "m": MINUTE, "h": HOUR}[name[0]]
        values[bin_of(int(name[1:]) * unit)] += count
    return values


FEW = histogram(s2=3, s30=5, m4=2)
FAILURES = histogram(s10=4, m20=6)
PENDING = (
    PendingCount(bin_of(10 * MINUTE), bin_of(30 * SECOND), 7, 0),
    PendingCount(bin_of(10 * MINUTE), NOT_YET, 0, 20),
    PendingCount(bin_of(10 * MINUTE), bin_of(2 * MINUTE), 0, 5),
    PendingCount(bin_of(MINUTE), NOT_YET, 0, 40),
    PendingCount(bin_of(MINUTE), bin_of(20 * SECOND), 3, 1),
)


@pytest.mark.parametrize(("successes", "failures", "pending"), [
    (FEW, [], ()),
    (FEW, FAILURES, ()),
    ([], FAILURES, ()),
    ([], [], PENDING),
    (FEW, [], PENDING),
    (FEW, FAILURES, PENDING),
    (histogram(s1=1), [], ()),
    (histogram(m59=500), histogram(s1=1), ()),
], ids=["successes", "both", "failures", "pending", "successes, pending", "all", "one", "late"])  # fmt: skip
@pytest.mark.parametrize("window", [WINDOW, 30 * DAY])
def test_curve_equals_its_formula_at_every_edge(successes, failures, pending, window):
    curve = DelayCurve(successes, failures, window_ms=window, pending=pending)
    expected = weights(successes, failures, window, pending)
    for edge, weight in zip(EDGES, expected, strict=True):
        assert curve.share(edge) == pytest.approx(1.0 if edge >= window else weight, abs=1e-9)


def test_between_two_edges_the_curve_lies_between():
    curve = DelayCurve(FEW, window_ms=WINDOW)
    for below, above in pairwise(EDGES[20:41]):
        middle = curve.share((below + above) / 2)
        assert curve.share(below) <= middle <= curve.share(above)


@pytest.mark.parametrize(("age", "share"), [(WINDOW - 1, False), (WINDOW, True), (WINDOW + 1, True)])
def test_the_weight_is_whole_from_the_end_of_the_window(age, share):
    assert (DelayCurve(FEW, window_ms=WINDOW).share(age) == 1.0) == share


@pytest.mark.parametrize("window", [1, 999, 1_000, 1_001, 400 * DAY])
def test_every_window_has_a_curve_from_0_to_1(window):
    curve = DelayCurve([], window_ms=window)
    assert (curve.share(0), curve.share(window)) == (0.0, 1.0)


@pytest.mark.parametrize("window", [0, -1])
def test_a_window_without_length_is_refused_by_its_value(window):
    with pytest.raises(ValueError, match=f"window_ms must be positive: {window}"):
        DelayCurve([], window_ms=window)


@pytest.mark.parametrize(("oldest", "span", "age"), [
    (10 * MINUTE, 0, 10 * MINUTE),
    (10 * MINUTE, 4 * MINUTE, 8 * MINUTE),
    (10 * MINUTE, 10 * MINUTE, 5 * MINUTE),
    (10 * MINUTE, 30 * MINUTE, 5 * MINUTE),
])  # fmt: skip
def test_decisions_of_a_span_count_as_those_of_its_middle(oldest, span, age):
    curve = DelayCurve(FEW, FAILURES, window_ms=WINDOW)
    assert curve.share_since(oldest, span) == curve.share(age)
