"""Read a file of `tap2 export decisions` with DuckDB and pandas, and evaluate on it with obp.

`python -m benchmarks.peers.log_estimates decisions.parquet paypal 200000 66000` prints, as JSON, sums by both readers,
and obp's estimates of always showing PayPal first: from the newest 200,000 decisions that were drawn, without the first
66,000 of these.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from obp.ope import (
    InverseProbabilityWeighting,
    OffPolicyEvaluation,
    SelfNormalizedInverseProbabilityWeighting,
)

COLUMNS = ["decision_id", "fallback", "is_closed", "experiments", "action", "action_chance", "reward", "revenue"]
ESTIMATORS = [
    InverseProbabilityWeighting(estimator_name="IPS"),
    SelfNormalizedInverseProbabilityWeighting(estimator_name="SNIPS"),
]
HELD_BACK = {"id": "holdback", "variant": "not_personalized"}


def sums_by_duckdb(path: str) -> dict[str, int]:
    query = (
        "SELECT COUNT(*), SUM(reward), SUM(revenue), SUM(len(outcomes)), COUNT(DISTINCT customer) FROM read_parquet(?)"
    )
    row = duckdb.execute(query, [path]).fetchone() or ()
    return dict(zip(("decisions", "reward", "revenue", "outcomes", "customers"), map(int, row), strict=True))


def sums_by_pandas(frame: pd.DataFrame) -> dict[str, int]:
    return {"decisions": len(frame), "reward": int(frame.reward.sum()), "revenue": int(frame.revenue.sum())}


def drawn(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the decisions that were drawn and whose outcomes are all in."""
    held_back = frame.experiments.map(lambda enrolled: any(dict(each) == HELD_BACK for each in enrolled))
    return frame[frame.is_closed & ~frame.fallback & ~held_back]


def estimates(frame: pd.DataFrame, candidate: str) -> dict[str, float]:
    """Return obp's estimates of always showing one candidate first."""
    names = sorted(frame.action.unique())
    feedback: dict[str, Any] = {
        "n_rounds": len(frame),
        "n_actions": len(names),
        "action": frame.action.map(names.index).to_numpy(int),
        "reward": frame.reward.to_numpy(float),
        "position": np.zeros(len(frame), int),
        "pscore": frame.action_chance.to_numpy(float),
    }
    chances = np.zeros((len(frame), len(names), 1))
    chances[:, names.index(candidate)] = 1
    evaluation = OffPolicyEvaluation(bandit_feedback=feedback, ope_estimators=ESTIMATORS)
    return dict(evaluation.estimate_policy_values(action_dist=chances))


def main() -> None:
    path, candidate, newest, deciding = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    frame = pd.read_parquet(path, columns=COLUMNS).sort_values("decision_id")
    later = drawn(frame.tail(newest)).iloc[deciding:]
    document = {
        "duckdb": sums_by_duckdb(path),
        "pandas": sums_by_pandas(frame),
        "rows": len(later),
        "logged": float(later.reward.mean()),
        "obp": estimates(later, candidate),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
