"""The engine as the outside holds it: everything started, in one place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bandits
from engine import jobs
from engine.accounts import Accounts
from engine.catalogue import Catalogue
from engine.customers import Hasher, UsageLoader, load_key
from engine.decide import Decider
from engine.drafts import Drafts
from engine.insight import Insights
from engine.live import Live
from engine.logbook import Logbook
from engine.migrate import upgrade
from engine.monitor import Monitor
from engine.network import Consent, nobody
from engine.previews import Previews
from engine.publish import Publisher
from engine.record import Recorder
from engine.release import Releases
from engine.scenarios import Scenarios
from engine.settings import Settings
from engine.shelves import Shelves
from engine.store.database import Database, open_database, sqlite_url
from engine.trial import Trials
from engine.uses import Uses
from engine.versions import Versions


class Engine:
    """Opened with a database that is up to date; `start` begins recording and the jobs, `stop` writes what waits."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.hasher = Hasher(load_key(settings.customer_key, Path(settings.data)))
        self.live = Live(database)
        self.recorder = Recorder(database, self.live.learned)
        self.accounts = Accounts(database)
        shelves = Shelves(database)
        publisher = Publisher(database, shelves, self.live)
        self.catalogue = Catalogue(database, shelves, publisher)
        self.drafts = Drafts(database, shelves)
        self.releases = Releases(database, self.drafts, publisher)
        self.versions = Versions(database, publisher)
        self.logbook = Logbook(database, self.hasher)
        self.scenarios = Scenarios(database, self.live, self.drafts, self.logbook)
        self.monitor = Monitor(database, self.live)
        self.insights = Insights(database, self.live)
        self.uses = Uses(database)
        self.trials = Trials(self.live)
        self.previews = Previews(database, database_url(settings), self.drafts)
        self.decider = Decider(
            self.live,
            self.recorder,
            UsageLoader(database),
            self.hasher,
            timeout_seconds=settings.decision_timeout_ms / 1000,
            weights=[
                bandits.recency_weight(age, settings.half_life_days) for age in range(settings.retention_days + 1)
            ],
        )
        self.consents: Consent = nobody
        self._scheduler: Any = None

    async def start(self) -> None:
        self.recorder.start()
        await self.follow()
        await self.live.refresh(at_once=True)
        self._scheduler = jobs.schedule(self)
        self._scheduler.start()

    async def follow(self) -> None:
        """Take over what other processes published, learned and issued."""
        await self.live.follow()
        await self.live.read_others()
        await self.accounts.load_keys()

    async def stop(self) -> None:
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None
        await self.previews.stop()
        await self.recorder.stop()
        await self.database.close()


def database_url(settings: Settings) -> str:
    return settings.database_url or sqlite_url(settings.data)


def prepare_folder(settings: Settings) -> None:
    """The data folder is for nobody else to read."""
    os.makedirs(settings.data, mode=0o700, exist_ok=True)


async def open_engine(settings: Settings) -> Engine:
    """Bring the database up to date and open the engine on it; it is not started yet."""
    prepare_folder(settings)
    url = database_url(settings)
    await upgrade(url)
    return Engine(settings, open_database(url))
