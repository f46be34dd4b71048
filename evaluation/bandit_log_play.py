"""Replay a bandit log against a running server: request a decision for each row and report the clicks that match."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from evaluation.bandit_log import POSITIONS, LoggedRow

DECISIONS, FEEDBACK = "/v1/personalize/decisions", "/v1/personalize/feedback"


class ReplayStopped(Exception):
    """Raised if the server cannot be used for a replay; the message says why and what would help."""


@dataclass(slots=True)
class ReplayResult:
    """The result of a replay; `latencies` in seconds, one per decision. `fallbacks` were not chosen by the bandit."""

    matched: list[LoggedRow] = field(default_factory=list)
    fallbacks: int = 0
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0


class LogPlayer:
    """Replays rows against a placement, with at most `at_once` requests in flight."""

    def __init__(self, http: httpx.AsyncClient, placement: str, *, at_once: int) -> None:
        self._http, self._placement = http, placement
        self._path = f"/v1/placements/{quote(placement, safe='')}"
        self._slots = asyncio.Semaphore(at_once)

    async def prepare(self, items: Sequence[str]) -> bool:
        """Create the placement with these items; return False if it exists already, with what it has learned."""
        response = await self._ask("GET", self._path, good=(200, 404))
        if response.status_code == 200:
            return False
        await self._ask("POST", "/v1/placements", placement_document(self._placement))
        documents = [{"id": item, "label": f"Item {item}", "position": position} for position, item in enumerate(items)]
        await self._ask("POST", f"{self._path}/candidates", documents)
        return True

    async def play(self, rows: Sequence[LoggedRow], on_row: Callable[[], None] = lambda: None) -> ReplayResult:
        """Replay all rows, started in their order. Raises Stopped at the first failure."""
        played, began = ReplayResult(), time.perf_counter()
        stopped: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                for row in rows:
                    await self._slots.acquire()
                    tasks.create_task(self._row(row, played)).add_done_callback(lambda _: on_row())
        except* ReplayStopped as failures:
            stopped = failures.exceptions[0]
        if stopped:
            raise stopped
        played.seconds = time.perf_counter() - began
        return played

    async def _row(self, row: LoggedRow, played: ReplayResult) -> None:
        try:
            began = time.perf_counter()
            answer = (await self._ask("POST", DECISIONS, {"placement": self._placement, "context": {}})).json()
            played.latencies.append(time.perf_counter() - began)
            if answer["fallback"]:
                played.fallbacks += 1
            elif shown_at(answer, row.position) == row.item:
                await self._ask("POST", FEEDBACK, outcomes(answer["decision_id"], row))
                played.matched.append(row)
        finally:
            self._slots.release()

    async def _ask(
        self, method: str, path: str, body: Any = None, *, good: tuple[int, ...] = (200, 201, 202)
    ) -> httpx.Response:
        """Return the answer; wait as long as the server says where a limit is used up."""
        while True:
            try:
                response = await self._http.request(method, path, json=body)
            except httpx.TransportError as error:
                raise ReplayStopped(f"no answer from {self._http.base_url}: {error or type(error).__name__}") from None
            if response.status_code in good:
                return response
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            await asyncio.sleep(float(response.headers.get("retry-after", 1)))
        status = response.status_code
        raise ReplayStopped(f"{method} {path}: {status} {_error_message(response)}{_hint(status)}")


def placement_document(key: str) -> dict[str, Any]:
    """Return a placement with three slots, all drawn, and credit `shown`: a row is about one item at one position.

    Rows that do not match are never reported, so with this credit the server learns nothing from them.
    """
    return {
        "key": key,
        "name": f"Open Bandit Dataset, {key.rsplit('.', 1)[-1]}",
        "shape": {"type": "subset", "limit": POSITIONS},
        "policy": {"type": "thompson", "drawn": POSITIONS, "history": False},
        "reward": "selected",
        "credit": "shown",
    }


def shown_at(answer: dict[str, Any], position: int) -> str | None:
    """Return the item in the answer's slot `position`, counted from 1."""
    ranking = answer["ranking"]
    return ranking[position - 1]["id"] if len(ranking) >= position else None


def outcomes(decision_id: str, row: LoggedRow) -> list[dict[str, Any]]:
    """Return the outcomes of a row: the item was shown, then selected or abandoned."""
    shown = {"type": "shown", "candidate_id": row.item}
    reaction = {"type": "selected", "candidate_id": row.item} if row.clicked else {"type": "abandoned"}
    return [
        {"event_id": f"{decision_id}.{outcome['type']}", "decision_id": decision_id, **outcome}
        for outcome in (shown, reaction)
    ]


def _error_message(response: httpx.Response) -> str:
    try:
        document = response.json()
        return str(document.get("detail") or document.get("title"))
    except (ValueError, AttributeError):
        return response.reason_phrase


def _hint(status: int) -> str:
    return " (a secret key of the merchant is needed: --key sk_...)" if status in (401, 403) else ""
