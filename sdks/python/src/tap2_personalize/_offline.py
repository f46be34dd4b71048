"""Decide while the server does not answer, by snapshots that it gave before, and tell it afterwards."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Sequence
from urllib.parse import quote

from ._outbox import Entry
from ._snapshot import SnapshotPlan
from ._steps import Steps, exchange, request
from .errors import Tap2Error
from .types import OfflineDecision

SNAPSHOTS = "/v1/personalize/snapshots"
REPORTS = "/v1/personalize/decisions/offline"
REFRESH_SECONDS = 180.0
RETRY_SECONDS = 5.0
MOST_REMEMBERED = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Kept(NamedTuple):
    """A snapshot, its plan, and the moment it came by a clock that nobody sets."""

    snapshot: Mapping[str, Any]
    plan: SnapshotPlan
    received: float


class OfflineDecider:
    """Snapshots of placements. `refresh` gives the steps that renew them."""

    def __init__(
        self,
        placements: Sequence[str],
        timeout: float,
        report: Callable[[Tap2Error], None],
        post: Callable[[Entry], None],
    ) -> None:
        self._placements = placements
        self._timeout = timeout
        self._report = report
        self._post = post
        self._kept: Dict[str, Kept] = {}
        self._next: Dict[str, int] = {}
        self._refused: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def refresh(self) -> Steps[float]:
        """Renew the snapshots; return the seconds until the next time."""
        seconds = REFRESH_SECONDS
        for placement in self._placements:
            try:
                snapshot = yield from exchange(
                    request("GET", f"{SNAPSHOTS}/{quote(placement, safe='')}", timeout=self._timeout)
                )
                kept = Kept(snapshot, SnapshotPlan(snapshot["plan"]), time.monotonic())
                with self._lock:
                    self._kept[placement], self._next[placement] = kept, 0
            except Tap2Error as error:
                if error.is_temporary:
                    seconds = RETRY_SECONDS
                    continue
                # The server says that it alone can decide this placement from now on.
                with self._lock:
                    self._kept.pop(placement, None)
                self._report(error)
        return seconds

    def note(self, customer: Optional[object], answer: Any) -> None:
        """Note an answer of the server: who refuses personalization gets no other order without it."""
        if customer is None or not isinstance(answer, dict):
            return
        with self._lock:
            self._refused.pop(str(customer), None)
            if answer.get("personalized") is False:
                self._refused[str(customer)] = None
                if len(self._refused) > MOST_REMEMBERED:
                    self._refused.popitem(last=False)

    def decide(self, asked: Mapping[str, Any], placement: str, error: Tap2Error) -> Optional[OfflineDecision]:
        """Decide a request, and queue it for the server; None where no snapshot can answer it."""
        customer = asked.get("customer_id")
        kept = self._kept.get(placement)
        if kept is None or not error.is_temporary or asked.get("personalization") is False:
            return None
        if str(customer) in self._refused or (kept.plan.is_split and customer not in (None, "")):
            return None
        context = json.loads(json.dumps(asked.get("context") or {}, allow_nan=False))
        id = self._new_id(placement, kept)
        answer = kept.plan.decide(context, id) if id is not None else None
        if id is None or answer is None:
            return None
        sent = {
            "decision_id": id,
            "snapshot": kept.snapshot["token"],
            "context": context,
            "ranking": [ranked["id"] for ranked in answer["ranking"]],
            "propensity": answer["propensity"],
        }
        self._post(Entry(sent, self._settle, REPORTS))
        ends = EPOCH + timedelta(milliseconds=int(id[4:16], 16), minutes=kept.snapshot["plan"]["window_minutes"])
        decision: OfflineDecision = {
            "decision_id": id,
            "placement": placement,
            "plan_version": kept.snapshot["plan"]["plan_version"],
            "ranking": answer["ranking"],
            "excluded": answer["excluded"],
            "values": answer["values"],
            "propensity": answer["propensity"],
            "fallback": False,
            "source": "offline",
            "expires_at": ends.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "error": error,
        }
        return decision

    def _new_id(self, placement: str, kept: Kept) -> Optional[str]:
        """Return an id with the server's time; None once the snapshot has ended or all its ids are used."""
        issued, expires = (_ms_of(kept.snapshot[name]) for name in ("issued_at", "expires_at"))
        now = issued + int((time.monotonic() - kept.received) * 1000)
        with self._lock:
            number = self._next[placement]
            if now > expires or number >= kept.snapshot["most_decisions"]:
                return None
            self._next[placement] += 1
        return f"dec_{now:012x}{kept.snapshot['id_suffix']}{number:06x}"

    def _settle(self, result: Any) -> None:
        """Report a decision that the server did not take over; errors are reported by the outbox."""
        if isinstance(result, dict) and result.get("status") not in ("recorded", "duplicate"):
            message = f"{result.get('decision_id')}: {result.get('status')} {result.get('message', '')}"
            self._report(Tap2Error(message, code="refused"))


def _ms_of(text: str) -> int:
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return (moment - EPOCH) // timedelta(milliseconds=1)
