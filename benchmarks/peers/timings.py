"""The cost of a decision in other libraries: `python -m benchmarks.peers.timings` prints one JSON document."""

from __future__ import annotations

import json
from collections.abc import Callable
from statistics import median
from time import perf_counter_ns

import numpy as np
import vowpalwabbit
from obp.policy import BernoulliTS

ARMS, FEATURES, ROUNDS = 8, 10, 3_000


def p50(act: Callable[[], object]) -> float:
    """The median time of one call, in microseconds."""
    times = []
    for _ in range(ROUNDS):
        start = perf_counter_ns()
        act()
        times.append(perf_counter_ns() - start)
    return median(times) / 1000


def obp_thompson() -> float:
    """An action of one slot; obp 0.4 gives no probability with it."""
    policy = BernoulliTS(n_actions=ARMS, random_state=1)
    for action in range(ARMS):
        for number in range(200):
            policy.update_params(action, int(number % (action + 2) == 0))
    return p50(policy.select_action)


def vw_squarecb() -> float:
    """The chances of one slot, ten features crossed with the action; the text that VW reads is made before."""
    vw = vowpalwabbit.Workspace("--cb_explore_adf --squarecb -q ca --quiet --random_seed 1")
    rng = np.random.default_rng(1)
    actions = [f"|a arm_{arm}" for arm in range(ARMS)]
    shared = "shared |c " + " ".join(f"x{index}:{value}" for index, value in enumerate(rng.normal(size=FEATURES)))
    for number in range(200):
        lines = list(actions)
        lines[number % ARMS] = f"0:{-(number % 3 == 0)}:0.125 {lines[number % ARMS]}"
        vw.learn([shared, *lines])
    return p50(lambda: vw.predict([shared, *actions]))


def main() -> None:
    print(json.dumps({"obp BernoulliTS": obp_thompson(), "VW squarecb, 10 features": vw_squarecb()}))


if __name__ == "__main__":
    main()
