"""The engine: opens every service, starts the jobs and stops them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import structlog
from sqlalchemy.exc import DBAPIError

import bandits
from engine import jobs
from engine.accounts.accounts import Accounts
from engine.accounts.audit_chain import AuditChain
from engine.accounts.customer_key import CustomerKeys, UnusableKey, check_fingerprint, is_used, load_keys
from engine.accounts.data_keys import StoredSealer
from engine.accounts.identities import Identities
from engine.accounts.login_limits import LoginLimits
from engine.accounts.logos import Logos
from engine.accounts.passwords import Passwords
from engine.accounts.second_factor import SecondFactors
from engine.accounts.sessions import Sessions
from engine.accounts.team import Team
from engine.accounts.tiers import MerchantTiers
from engine.availability import AvailabilityReports
from engine.clock import now_ms
from engine.configuration.catalogue import Catalogue
from engine.configuration.configuration_cache import ConfigurationCache
from engine.configuration.drafts import Drafts
from engine.configuration.emergencies import Emergencies
from engine.configuration.publisher import Publisher
from engine.configuration.release import Releases
from engine.configuration.scenarios import Scenarios
from engine.configuration.trial import Trials
from engine.configuration.versions import VersionHistory
from engine.customers.aliases import Aliases
from engine.customers.center import CustomerCenter
from engine.customers.center_links import CenterLinks
from engine.customers.consents import Consents
from engine.customers.erasure import Eraser
from engine.customers.erasure_file import ErasureFile
from engine.customers.export import CustomerExport
from engine.customers.inactivity import InactiveCustomers
from engine.customers.lookup import CustomerLookUp
from engine.customers.opt_in import OptIns
from engine.customers.preferences import CustomerPreferences
from engine.customers.requests import PrivacyRequests
from engine.customers.retention import Retention
from engine.customers.rights import CustomerRights
from engine.data_folder import database_url, log_url, prepare_cache, prepare_folder
from engine.decisions.customers import CustomerLoader, Hasher
from engine.decisions.decide import CustomerReaders, Decider
from engine.decisions.faulty_facts import FaultyFacts
from engine.decisions.logbook import Logbook
from engine.decisions.offer_holds import BudgetReader
from engine.decisions.offline.intake import OfflineIntake
from engine.decisions.offline.snapshots import Snapshots
from engine.decisions.recorder import Recorder
from engine.decisions.requests.customer_reader import CustomerReader
from engine.decisions.requests.settings_reader import SettingsReader
from engine.decisions.requests.visits import Visits
from engine.decisions.tokens import Tokens
from engine.decisions.upkeep.customer_index import index_customers
from engine.decisions.upkeep.dictionaries import DictionaryTrainer
from engine.decisions.usage import Uses
from engine.decisions.usage_counter import UseCounter
from engine.events.event_reader import Events
from engine.experiments.conversions import Conversions
from engine.experiments.details import ExperimentDetails
from engine.experiments.ending.winners import Winners
from engine.experiments.experiments import Experiments
from engine.experiments.given_variants import VariantReader
from engine.experiments.log_questions import LogQuestions
from engine.experiments.looks.stored import StoredLooks
from engine.experiments.past.size import ExperimentSizes
from engine.experiments.results import ExperimentResults
from engine.experiments.supervisor import Supervisor
from engine.faults import is_temporary
from engine.insights.arms_monitor import Monitor
from engine.insights.comparisons import Comparisons
from engine.insights.data_health import HealthMonitor
from engine.insights.learning_history import Insights
from engine.insights.log_search import LogSearch
from engine.insights.traffic import TrafficReader
from engine.installation_keys import data_keys_of
from engine.jobs import Job, JobRunner, Watcher, with_now
from engine.leadership import RENEW_SECONDS, Leadership
from engine.learning.live import Live
from engine.learning.settled_variants import SettledVariants
from engine.learning.upkeep.outage_notices import OutageNotices
from engine.learning.upkeep.prediction_watch import PredictionWatch
from engine.learning.upkeep.refitter import Refitter
from engine.mailing.mail_service import MailService
from engine.metrics.dashboard import Dashboards
from engine.metrics.metric_watch import MetricWatch
from engine.migrate import SchemaTooNew, upgrade
from engine.offers.alerts import Alerts
from engine.offers.budgets import Budgets
from engine.offers.codes import Codes
from engine.offers.holds import Holds
from engine.offers.incrementality import Incrementality
from engine.offers.redemptions import OfferStores, Redemptions
from engine.previews.forecasts import Forecasts
from engine.previews.previews import Previews
from engine.settings import Settings
from engine.store.connection.customer_names import CustomerNames
from engine.store.connection.database import SQLITE_FILE as SQLITE_FILE
from engine.store.connection.database import Database, open_database
from engine.store.connection.write_probe import WriteProbe
from engine.webhooks.addresses import networks_of
from engine.webhooks.dispatcher import Dispatcher
from engine.webhooks.endpoints import PURPOSE, Webhooks
from engine.webhooks.sender import Sender

log = structlog.get_logger()


class Engine:
    """All services over an up-to-date database. `start` begins recording and jobs; `stop` writes waiting records."""

    def __init__(self, settings: Settings, database: Database, customer_keys: CustomerKeys) -> None:
        self.settings, self.database = settings, database
        self._customer_keys, customer_key = customer_keys, customer_keys.first
        self.write_probe = WriteProbe(database)
        self.data_keys = data_keys_of(settings, database, customer_key)
        self.hasher, self.tokens = Hasher(customer_key), Tokens(self.data_keys.signing)
        self.live = Live(database)
        self.recorder = Recorder(database, self.live.add_new_trials)
        self.dictionary_trainer = DictionaryTrainer(database, self.live, self.recorder)
        self._open_accounts(database, customer_key)
        configurations = ConfigurationCache(database)
        publisher = Publisher(database, configurations, self.live)
        self.catalogue = Catalogue(database, configurations, publisher)
        self.drafts = Drafts(database, configurations)
        self.releases = Releases(database, self.drafts, publisher)
        self.versions = VersionHistory(database, publisher)
        self.emergencies = Emergencies(database, publisher)
        self.experiments = Experiments(database, configurations, publisher)
        self.experiment_results = ExperimentResults(database)
        self.experiment_sizes = ExperimentSizes(database)
        self.experiment_details = ExperimentDetails(database)
        self.conversions = Conversions(database, self.hasher)
        winners = Winners(self.experiments, self.experiment_results, configurations, (self.drafts, self.releases))
        self.supervisor = Supervisor(database, self.experiments, self.experiment_results, winners)
        self.logbook = Logbook(database, self.hasher)
        self.log_search = LogSearch(database, self.hasher)
        self.scenarios = Scenarios(database, self.live, self.drafts, self.logbook)
        self._open_insights(database)
        self.faulty_facts = FaultyFacts(database)
        self.uses = Uses(database)
        self.traffic = TrafficReader(database, self.uses)
        self.use_counter = UseCounter(database)
        self.trials = Trials(self.live)
        self.previews = Previews(database, log_url(settings), self.drafts)
        self.forecasts = Forecasts(database)
        self.log_questions = LogQuestions(database, configurations, self.previews)
        weights = [bandits.recency_weight(age, settings.half_life_days) for age in range(settings.retention_days + 1)]
        loader = CustomerLoader(database)
        self.settings_reader = SettingsReader(database, self.data_keys, customer_key)
        self.customers = CustomerReader(loader, self.settings_reader)
        self.settled, self.visits = SettledVariants(database), Visits(database)
        self.variant_reader = VariantReader(self.live, self.customers, self.settled, self.hasher, weights)
        self.decider = Decider(
            self.live,
            self.recorder,
            CustomerReaders(self.customers, BudgetReader(database), self.settled, weights, self.visits),
            self.hasher,
            self.use_counter,
            timeout_seconds=settings.decision_timeout_ms / 1000,
        )
        self.snapshots = Snapshots(self.live, self.settings_reader, self.tokens)
        self.offline_intake = OfflineIntake(database, self.live, self.recorder, self.snapshots, self.use_counter)
        self._open_customers(database, customer_key, weights)
        self._open_offers(database, configurations, weights)
        self.leadership = Leadership(database)
        self._open_webhooks(database, customer_key)
        self.mail = MailService(database, settings, lambda: self.leadership.held)
        self._jobs = JobRunner(self._job_list(), lambda: self.leadership.held)

    def _open_accounts(self, database: Database, customer_key: bytes) -> None:
        """Open the services of merchants, their keys and their people."""
        self.accounts = Accounts(database)
        self.tiers, self.logos = MerchantTiers(database), Logos(database)
        self.audit_chain = AuditChain(database)
        self.passwords = Passwords()
        self.login_limits = LoginLimits(database)
        self.second_factors = SecondFactors(database, self.accounts, self.data_keys, customer_key)
        self.sessions = Sessions(database, self.accounts, self.passwords, self.second_factors)
        self.identities = Identities(database, self.accounts, self.passwords)
        self.team = Team(database, self.accounts, self.passwords)

    def _open_webhooks(self, database: Database, customer_key: bytes) -> None:
        """Open the services that send events to others."""
        networks, most = networks_of(self.settings.webhook_networks), self.settings.webhook_attempts
        self.events = Events(database)
        sealer = StoredSealer(self.data_keys, customer_key, PURPOSE)
        self.webhooks = Webhooks(database, sealer, networks, most_attempts=most)
        self.dispatcher = Dispatcher(
            database, self.webhooks, Sender(networks), leads=lambda: self.leadership.held, most_attempts=most
        )

    def _open_insights(self, database: Database) -> None:
        """Open the services that watch and explain what is learned."""
        self.monitor = Monitor(database, self.live)
        self.dashboards = Dashboards(database, slow_ms=self.settings.alert_ms)
        self.metric_watch = MetricWatch(database, self.live, self.dashboards)
        self.insights = Insights(database, self.live)
        self.comparisons = Comparisons(database, self.live)
        self.refitter = Refitter(database, self.live)
        self.prediction_watch = PredictionWatch(database, self.live)
        self.outage_notices = OutageNotices(database, self.live)
        self.availability = AvailabilityReports(database, self.live)
        self.health = HealthMonitor(database, self.live)

    def _open_customers(self, database: Database, customer_key: bytes, weights: list[float]) -> None:
        """Open the services about what customers said."""
        self.preferences = CustomerPreferences(database, self.live, self.settings_reader, self.hasher)
        self.consents = Consents(database, self.settings_reader, self.hasher)
        self.opt_ins = OptIns(database, self.settings_reader)
        self.privacy_requests = PrivacyRequests(database, self.hasher)
        self.customer_export = CustomerExport(database, self.settings_reader, self.hasher, weights)
        self.retention = Retention(database, self.settings.retention_days, self.settings.inactive_days)
        self.inactive_customers = InactiveCustomers(database, self.settings_reader, self.retention)
        self.center_links = CenterLinks(self.data_keys.signing)
        self.customer_look_up = CustomerLookUp(
            database, self.hasher, self.preferences, self.consents, self.customer_export
        )
        self.aliases = Aliases(database, self.settings_reader, self.hasher)
        file = ErasureFile(Path(self.settings.data), database.names)
        self.eraser = Eraser(database, self.settings_reader, self.hasher, file, self.live.add_new_trials)
        self.customer_rights = CustomerRights(self.privacy_requests, self.customer_export, self.eraser)
        self.customer_center = CustomerCenter(self.preferences, self.consents, self.customer_rights)

    def _open_offers(self, database: Database, configurations: ConfigurationCache, weights: list[float]) -> None:
        """Open the services of offers and budgets."""
        self.budgets = Budgets(database)
        self.holds = Holds(database)
        self.incrementality = Incrementality(database, self.live)
        self.alerts = Alerts(database)
        self.codes = Codes(database, configurations)
        self.redemptions = Redemptions(
            OfferStores(self.holds, BudgetReader(database), self.codes, self.customers),
            self.live,
            self.hasher,
            self.recorder,
            weights,
        )

    async def start(self, *, with_jobs: bool = True, watch: Watcher = lambda run: None) -> None:
        """Begin recording. Without jobs, only `run_jobs` runs them. `watch` is called after each run of a job."""
        # The first start compiles for some seconds, and no decision should wait for it.
        await asyncio.to_thread(bandits.prepare)
        self.recorder.start()
        await self.follow()
        # The database may have been put under a new key since it was opened.
        await check_fingerprint(self.database, self._customer_keys)
        # A restored backup must not decide with customers that were erased since.
        await self.eraser.replay()
        await self.dictionary_trainer.follow()
        await self.live.refresh(at_once=True)
        if with_jobs:
            await self.leadership.renew()
            self._jobs.start(watch)

    @property
    def experiment_looks(self) -> StoredLooks:
        """Return the looks at experiments that the supervisor stores."""
        return self.supervisor.looks

    async def run_jobs(self) -> None:
        """Run every job once."""
        await self._jobs.run_all()

    def _job_list(self) -> list[Job]:
        return [
            Job("refresh beliefs", self.live.refresh, self.settings.refresh_seconds),
            Job("pace budgets", self.live.pace, 60),
            Job("watch for outages", self.live.watch, 10),
            Job("notice outages", with_now(self.outage_notices.run), 10, once=True),
            Job("fit strengths", self.fit, 300, once=True),
            Job("refit models", with_now(self.refitter.run), 3600, once=True),
            Job("watch predictions", with_now(self.prediction_watch.run), 60),
            Job("watch metrics", with_now(self.metric_watch.run), 300, once=True),
            Job("lead", self.leadership.renew, RENEW_SECONDS),
            Job("follow others", self.follow, 1),
            Job("make data keys", with_now(self.data_keys.make_due), 600),
            Job("count uses of rules and fields", self._count_uses, 20),
            Job("close windows", with_now(self.recorder.close_due), 5, once=True),
            Job("look after experiments", self.supervisor.run, 10, once=True),
            Job("watch budgets", with_now(self.alerts.run), 5),
            Job("deliver webhooks", self.dispatcher.run, 1, once=True),
            Job("make mails", self.mail.make, 10, once=True),
            Job("send mails", self.mail.mailer.run, 5, once=True),
            Job("release expired holds", with_now(self.holds.expire_due), 5, once=True),
            Job("publish scheduled drafts", with_now(self.releases.publish_due), 1),
            Job("train dictionaries", self._train_dictionaries, 60),
            Job("index customers", self.index_customers, 30, once=True),
            Job("finish erasures", with_now(self.eraser.sweep), 30, once=True),
            Job("check forecasts", self.forecasts.check_due, 600, once=True),
            Job("log ends of audit logs", self.audit_chain.log_ends, 3600, once=True),
            Job("purge", self.purge, 3600, once=True),
        ]

    async def fit(self) -> None:
        """Fit the weights of every placement's statistics."""
        await jobs.fit_all(self.database, self.live)

    async def purge(self) -> None:
        """Delete records older than the retention, ended sessions and old previews."""
        await jobs.purge(self.database, retention_days=self.settings.retention_days)
        await self.inactive_customers.forget(now=now_ms())
        await self.sessions.purge()
        await self.previews.purge()

    async def _count_uses(self) -> None:
        await self.faulty_facts.flush()
        await self.use_counter.flush()
        await self.visits.flush()

    async def _train_dictionaries(self) -> None:
        if self.leadership.held:
            await self.dictionary_trainer.train(now=now_ms())
        else:
            await self.dictionary_trainer.follow()

    async def index_customers(self) -> None:
        """Put the latest decisions into the segments that customers are found by."""
        await index_customers(self.database, (merchant_id for merchant_id, _ in self.live.versions()), now=now_ms())

    async def follow(self) -> None:
        """Load what other processes have published, learned and issued."""
        await self.live.follow()
        await self.live.read_others()
        await self.settings_reader.follow()
        await self.accounts.load_keys()
        await self.data_keys.follow()

    async def stop(self) -> None:
        await self._jobs.stop()
        await self.dispatcher.stop()
        await _attempt(self.leadership.give_back(), "leadership not given back")
        await self.log_questions.stop()
        await self.previews.stop()
        await self.recorder.stop()
        await _attempt(self._count_uses(), "counts of rules and fields not written")
        await self.write_probe.stop()
        self.passwords.close()
        await self.database.close()


async def open_engine(settings: Settings, *, wait_seconds: float = 0.0) -> Engine:
    """Migrate the database and open the engine on it, without starting the engine.

    Retry for `wait_seconds` if the database cannot be reached.
    """
    prepare_folder(settings)
    prepare_cache(settings)
    url = database_url(settings)
    await _upgrade_when_reachable(url, wait_seconds)
    database = open_database(url)
    try:
        keys = load_keys(settings.customer_key, Path(settings.data), is_used=await is_used(database))
        await check_fingerprint(database, keys)
        database.name_customers(CustomerNames(keys.later))
        engine = Engine(settings, database, keys)
        await engine.data_keys.make_due(now=now_ms())
    except UnusableKey as error:
        log.error("key not usable", reason=error.detail)
        await database.close()
        raise
    return engine


async def _upgrade_when_reachable(url: str, wait_seconds: float) -> None:
    """Upgrade the schema; retry for `wait_seconds`, less and less often, if the database cannot be reached."""
    clock = asyncio.get_running_loop().time
    give_up_at, delay = clock() + wait_seconds, 0.5
    while True:
        try:
            await upgrade(url)
            return
        except SchemaTooNew as error:
            log.error("database not usable", reason=error.detail)
            raise
        except (OSError, DBAPIError) as error:
            if clock() + delay > give_up_at or not is_temporary(error):
                raise
            log.warning("database not reachable", fault=type(error).__name__, retry_seconds=delay)
        await asyncio.sleep(delay)
        delay = min(10.0, 2 * delay)


async def _attempt(work: Awaitable[None], failure: str) -> None:
    """Do what comes last; the process must stop even if the database is away."""
    try:
        await work
    except Exception as error:
        log.error(failure, exc_info=error)
