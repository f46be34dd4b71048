"""Name what is deleted after a time: by the server's retention, and earlier where a merchant has a shorter one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.decisions.offline.snapshots import LIFE
from engine.model.documents.retention import RetentionPolicy
from engine.model.timestamps import DAY, HOUR, MINUTE, first_id_of
from engine.store import beliefs as snapshots
from engine.store import folds, observations, outcomes, rollups
from engine.store.connection.purging import Expired
from engine.store.customers import settings, usage
from engine.store.events import deliveries, outbox
from engine.store.experiments import conversions, exposures
from engine.store.log import customer_segments, dictionaries, old_decisions
from engine.store.mailing import mails
from engine.store.metrics import decision_times, hours
from engine.store.offers import idempotent_answers

MINUTES_TO_WAIT = 60 * 24 * 31
"""Longer than the longest window."""
DAYS_OF_IDEMPOTENCY = 2
DAYS_OF_EVENTS = 30
DAYS_OF_MAILS = 90
DAYS_OF_METRICS = 185
"""90 days and the 90 before; the sums of metrics name no customer."""
DAYS_OF_TIMES = 30
MINUTES_FOR_OUTAGES = 60 * 24 * 2


def of_all(now: int, retention_days: int, *, by_days: bool) -> Sequence[Expired]:
    """Return what is older than the server's retention, and what is kept for a shorter time whatever the retention.

    What leaves with the log leaves `by_days` (UTC) where decisions do.
    """
    before = first_kept(now, retention_days, by_days=by_days)
    return (
        old_decisions.expired(before_id=first_id_of(before)),
        outcomes.expired(before=before, before_id=first_id_of(before)),
        observations.expired(before_id=first_id_of(before)),
        *_with_the_log(before + retention_days * DAY, retention_days),
        outbox.expired(before=now - DAYS_OF_EVENTS * DAY),
        deliveries.expired(before=now - DAYS_OF_EVENTS * DAY),
        mails.expired(before=now - DAYS_OF_MAILS * DAY),
        folds.expired_pending(before_minute=now // MINUTE - MINUTES_TO_WAIT),
        folds.expired_minutes(before_minute=now // MINUTE - MINUTES_FOR_OUTAGES),
        decision_times.expired(before_hour=now // HOUR - DAYS_OF_TIMES * 24),
        idempotent_answers.expired(before=now - DAYS_OF_IDEMPOTENCY * DAY),
    )


def first_kept(now: int, retention_days: int, *, by_days: bool) -> int:
    """Return the time (epoch ms) of the oldest decision that the server's retention keeps."""
    before = now - retention_days * DAY
    return before // DAY * DAY if by_days else before


def of_merchant(merchant_id: int, policy: RetentionPolicy, now: int) -> Iterator[Expired]:
    """Yield what is older than a merchant's own retention."""
    if policy.decisions is not None:
        before = now - policy.decisions * DAY
        yield old_decisions.expired_of(merchant_id, before_id=first_id_of(before))
        yield outcomes.expired_alone(merchant_id, before=before)
        for each in _with_the_log(now, policy.decisions, merchant_id):
            yield each._replace(condition=(each.table.c.merchant_id == merchant_id) & each.condition)
    if policy.preference_versions is not None:
        yield settings.expired_versions(merchant_id, before=now - policy.preference_versions * DAY)
    if policy.webhook_deliveries is not None:
        yield deliveries.expired_of(merchant_id, before=now - policy.webhook_deliveries * DAY)
    if policy.mails is not None:
        yield mails.expired_of(merchant_id, before=now - policy.mails * DAY)


def _with_the_log(now: int, days: int, merchant_id: int | None = None) -> Sequence[Expired]:
    """Return what leaves when decisions of its time do; of all merchants, or at least of the given one."""
    before = now - days * DAY
    return (
        customer_segments.expired(before_id=first_id_of(before)),
        dictionaries.expired(before=before),
        usage.expired(before_day=before // DAY),
        *rollups.expired(before_minute=before // MINUTE),
        hours.expired(before_hour=(now - max(days, DAYS_OF_METRICS) * DAY) // HOUR),
        *exposures.expired(before=before),
        conversions.expired(before=before),
        snapshots.expired(before=before - LIFE, merchant_id=merchant_id),
    )
