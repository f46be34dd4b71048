"""Plays a peer: `python -m benchmarks.peers.play SCENARIO.toml PEER --seeds 20` prints one JSON document."""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from benchmarks.peers.policies import make
from simulation.build import make_reporting, make_world
from simulation.runner import play
from simulation.scenario import SimulationScenario, read


def regret(scenario: SimulationScenario, peer: str, seed: int) -> float:
    """The same world, with the same luck, as our own policies meet under this seed."""
    world = make_world(scenario.world, scenario.horizon, np.random.default_rng([seed, 1]))
    reporting = make_reporting(scenario.telling, np.random.default_rng([seed, 2]))
    return float(play(world, make(peer, world, seed), reporting, scenario.horizon)[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", type=Path)
    parser.add_argument("peer")
    parser.add_argument("--seeds", type=int, required=True)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    scenario = read(given.scenario.read_text())
    began = time.monotonic()
    with Pool(given.workers) as pool:
        regrets = pool.map(partial(regret, scenario, given.peer), range(given.seeds), chunksize=1)
    print(json.dumps({"peer": given.peer, "regrets": regrets, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()
