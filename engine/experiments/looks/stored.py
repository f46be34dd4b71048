"""Store looks at experiments, so that what was read once stays as it was, whatever is refunded or erased later."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from engine.experiments.looks.schedule import last_hour
from engine.experiments.results import ExperimentResults, ExperimentVerdict, Results, in_phase, phase_of
from engine.model.errors import NotFound
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from engine.model.timestamps import DAY
from engine.store import resources
from engine.store.connection.database import Database
from engine.store.experiments import looks
from engine.store.experiments.looks import LookRow
from engine.store.experiments.sums import PhaseKey


class StoredLook(msgspec.Struct, frozen=True):
    """A stored look: its number in the phase, its moment (epoch ms), the share of outcomes in, and its verdict."""

    number: int
    as_of: int
    matured_share: float
    verdict: ExperimentVerdict


class _Headline(msgspec.Struct):
    """The part of stored results that a list shows."""

    matured_share: float
    verdict: ExperimentVerdict


_headline = msgspec.json.Decoder(_Headline).decode
_results = msgspec.json.Decoder(Results).decode


class _Moment(NamedTuple):
    """When a phase was last checked: the epoch day, and its end then."""

    day: int
    ended_at: int | None


class StoredLooks:
    """Stores at most one look a day of each phase (UTC), where numbers changed, and one at its end."""

    def __init__(self, database: Database, results: ExperimentResults) -> None:
        self._database = database
        self._results = results
        self._checked: dict[PhaseKey, _Moment] = {}

    async def keep(self, merchant_id: int, resource: Resource, *, now: int) -> None:
        """Store the looks at an experiment that are due at `now` (epoch ms), at each of its phases."""
        status = resource.document.status
        for phase in (*(past.phase for past in status.earlier), status.phase):
            own = in_phase(resource, phase)
            key, moment = phase_of(merchant_id, own), _Moment(now // DAY, own.document.status.ended_at)
            if self._checked.get(key) != moment:
                await self._keep(key, own, now)
                self._checked[key] = moment

    async def page(self, merchant_id: int, resource: Resource, *, phase: int = 0) -> list[StoredLook]:
        """Return the stored looks at a phase (0: the last one), the first one first; raise `NotFound`."""
        async with self._database.read() as connection:
            rows = await looks.of_phase(connection, phase_of(merchant_id, in_phase(resource, phase)))
        heads = [_headline(row.results) for row in rows]
        return [
            StoredLook(row.number, row.as_of, head.matured_share, head.verdict)
            for row, head in zip(rows, heads, strict=True)
        ]

    async def read(self, merchant_id: int, resource: Resource, *, now: int, phase: int = 0, number: int = 0) -> Results:
        """Return the results of a stored look as they were, 0 for those at `now` (epoch ms); raise `NotFound`."""
        if not number:
            return await self._results.look(merchant_id, resource, now=now, phase=phase)
        async with self._database.read() as connection:
            row = await looks.find(connection, phase_of(merchant_id, in_phase(resource, phase)), number)
        if row is None:
            raise NotFound(f"there is no look {number}", field="look")
        return _results(row.results)

    async def _keep(self, key: PhaseKey, resource: Resource, now: int) -> None:
        experiment: Experiment = resource.document
        async with self._database.read() as connection:
            setup = await resources.get(connection, key.merchant_id, "placement", "", key.placement)
            before = await looks.latest(connection, key)
        is_end = _is_end(experiment, before, now)
        if not is_end and not _is_new_day(experiment, before, now):
            return
        results = await self._results.look(key.merchant_id, resource, now=now, phase=key.phase)
        if not is_end and not _says_more(results, before):
            return
        last = last_hour(experiment, setup.document.window_minutes, now)
        number = before.number + 1 if before is not None else 1
        row = LookRow(number, now, last, msgspec.json.encode(results).decode())
        async with self._database.write() as connection:
            await looks.append(connection, key, row)


def _is_end(experiment: Experiment, before: LookRow | None, now: int) -> bool:
    """Return whether a phase has ended since the look before."""
    ended = experiment.status.ended_at
    return ended is not None and ended <= now and (before is None or before.as_of < ended)


def _is_new_day(experiment: Experiment, before: LookRow | None, now: int) -> bool:
    last = before.as_of if before is not None else experiment.status.phase_started_at
    return last is not None and now // DAY > last // DAY


def _says_more(results: Results, before: LookRow | None) -> bool:
    """Return whether results have other numbers than the look before."""
    if before is None:
        return any(variant.units for variant in results.variants)
    old = _results(before.results)
    return (results.variants, results.comparisons) != (old.variants, old.comparisons)
