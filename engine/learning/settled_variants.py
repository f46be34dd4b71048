"""Keep units on the variant that they were exposed to first, where a bandit moves the shares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from engine.kernel.experiments.plans import NOTHING_GIVEN, variant_of
from engine.kernel.experiments.units import unit_of
from engine.learning.active import Active
from engine.model.experiment import Experiment, GivenChance, Variant
from engine.model.facts import Facts
from engine.store.connection.database import Database
from engine.store.experiments import shares
from engine.store.experiments.exposures import UnitKey


class SettledVariants:
    """Reads first exposures, on the path of decisions whose placement has such an experiment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_request(self, merchant_id: int, active: Active, facts: Facts) -> Mapping[str, GivenChance]:
        """Return by experiment the variant that a request's unit has already."""
        if not active.experiments.shares:
            return NOTHING_GIVEN
        tried = [each for each in active.plan.document.experiments if each.id in active.experiments.shares]
        keys = {}
        for experiment in tried:
            unit = unit_of(experiment.unit, facts, "")
            if unit:
                keys[_key(merchant_id, active.plan.placement.key, experiment, unit)] = experiment.id
        settled = await self._database.look_up(partial(shares.variants_of, keys=list(keys)))
        return {keys[key]: GivenChance(variant, 1.0) for key, variant in settled.items()}

    async def of_unit(self, merchant_id: int, placement: str, experiment: Experiment, unit: str) -> Variant | None:
        """Return the variant of a unit; None outside the share, or before the exposure if a bandit assigns it."""
        if not experiment.is_adaptive:
            return variant_of(experiment, unit)
        key = _key(merchant_id, placement, experiment, unit)
        settled = (await self._database.look_up(partial(shares.variants_of, keys=[key]))).get(key)
        return next((variant for variant in experiment.variants if variant.id == settled), None)


def _key(merchant_id: int, placement: str, experiment: Experiment, unit: str) -> UnitKey:
    return UnitKey(merchant_id, placement, experiment.id, experiment.status.phase, unit)
