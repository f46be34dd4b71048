"""obp on the Open Bandit Dataset: `python -m benchmarks.peers.obp_obd 30` prints its mean relative errors as JSON.

The set-up is the one of obp's own example: bts from random, campaign all, a logistic regression for each position,
cross-fitted in three folds, bootstraps of the rows. Our figures are in docs/verification.md, part "evaluate".
"""

from __future__ import annotations

import json
import logging
import sys

import numpy as np
import pandas as pd
from obp.dataset import OpenBanditDataset
from obp.ope import (
    DirectMethod,
    DoublyRobust,
    DoublyRobustWithShrinkage,
    InverseProbabilityWeighting,
    OffPolicyEvaluation,
    RegressionModel,
    SelfNormalizedInverseProbabilityWeighting,
)
from obp.policy import BernoulliTS
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import LabelEncoder

SIMULATIONS = 200_000
SEED = 12345
ESTIMATORS = [
    InverseProbabilityWeighting(estimator_name="IPS"),
    SelfNormalizedInverseProbabilityWeighting(estimator_name="SNIPS"),
    DirectMethod(estimator_name="DM"),
    DoublyRobust(estimator_name="DR"),
    DoublyRobustWithShrinkage(lambda_=10.0, estimator_name="DRos, shrinkage 10"),
]


class Dataset(OpenBanditDataset):
    """As pandas 3 reads it; an item's number is no feature, as in later versions of obp."""

    def pre_process(self) -> None:
        users = self.data.loc[:, self.data.columns.str.contains("user_feature")]
        self.context = pd.get_dummies(users, drop_first=True).to_numpy(float)
        names = self.item_context.drop(columns=["item_id", "item_feature_0"]).apply(LabelEncoder().fit_transform)
        self.action_context = pd.concat([names, self.item_context["item_feature_0"]], axis=1).to_numpy(float)


def errors(run: int, logged: Dataset, chances: np.ndarray, true_value: float) -> dict[str, float]:
    feedback = logged.sample_bootstrap_bandit_feedback(random_state=run)
    model = RegressionModel(
        n_actions=logged.n_actions,
        len_list=logged.len_list,
        action_context=logged.action_context,
        base_model=LogisticRegression(C=1000, max_iter=10_000, random_state=SEED),
    )
    rows = {name: feedback[name] for name in ("context", "action", "reward", "position", "pscore")}
    expected = model.fit_predict(**rows, n_folds=3, random_state=SEED)
    return OffPolicyEvaluation(bandit_feedback=feedback, ope_estimators=ESTIMATORS).evaluate_performance_of_estimators(
        ground_truth_policy_value=true_value,
        action_dist=np.tile(chances, (feedback["n_rounds"], 1, 1)),
        estimated_rewards_by_reg_model=expected,
    )


def main() -> None:
    logging.disable(logging.WARNING)
    logged, own = Dataset("random", "all"), Dataset("bts", "all")
    policy = BernoulliTS(
        n_actions=logged.n_actions, len_list=logged.len_list, is_zozotown_prior=True, campaign="all", random_state=SEED
    )
    chances = policy.compute_batch_action_dist(n_sim=SIMULATIONS)[0]
    rows = [errors(run, logged, chances, float(own.reward.mean())) for run in range(int(sys.argv[1]))]
    print(json.dumps({name: float(np.mean([arm[name] for arm in rows])) for name in rows[0]}))


if __name__ == "__main__":
    main()
