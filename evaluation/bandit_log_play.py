"""Playing a bandit log against a running server: ask, compare, report the click of what matches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from evaluation.bandit_log import POSITIONS, Row

DECISIONS, FEEDBACK = "/v1/personalize/decisions", "/v1/personalize/feedback"


class Stopped(Exception):
    """The server cannot be played against; the message says why and what would help."""


@dataclass(slots=True)
class Played:
    """What came of it; `latencies` in seconds, one a decision. `fallbacks` were not chosen by the bandit."""

    matched: list[Row] = field(default_factory=list)
    fallbacks: int = 0
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0


class Player:
    """Plays rows against one placement, at most `at_once` in flight."""

    def __init__(self, http: httpx.AsyncClient, placement: str, *, at_once: int) -> None:
        self._http, self._placement = http, placement
        self._path = f"/v1/placements/{quote(placement, safe='')}"
        self._slots = asyncio.Semaphore(at_once)

    async def prepare(self, items: Sequence[str]) -> bool:
        """Create the placement with these items; False where it is there already, with what it has learned."""
        response = await self._ask("GET", self._path, good=(200, 404))
        if response.status_code == 200:
            return False
        await self._ask("POST", "/v1/placements", placement_document(self._placement))
        documents = [{"id": item, "label": f"Item {item}", "position": position} for position, item in enumerate(items)]
        await self._ask("POST", f"{self._path}/candidates", documents)
        return True

    async def play(self, rows: Sequence[Row], on_row: Callable[[], None] = lambda: None) -> Played:
        """All rows, begun in their order; raises Stopped at the first failure."""
        played, began = Played(), time.perf_counter()
        stopped: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                for row in rows:
                    await self._slots.acquire()
                    tasks.create_task(self._row(row, played)).add_done_callback(lambda _: on_row())
        except* Stopped as failures:
            stopped = failures.exceptions[0]
        if stopped:
            raise stopped
        played.seconds = time.perf_counter() - began
        return played

    async def _row(self, row: Row, played: Played) -> None:
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
        try:
            response = await self._http.request(method, path, json=body)
        except httpx.TransportError as error:
            raise Stopped(f"no answer from {self._http.base_url}: {error or type(error).__name__}") from None
        if response.status_code in good:
            return response
        raise Stopped(f"{method} {path}: {response.status_code} {_said(response)}{_hint(response.status_code)}")


def placement_document(key: str) -> dict[str, Any]:
    """Three slots, all drawn. A row of the log tells about one item at one position, hence credit `shown`.

    Rows that do not match are never reported, and what is never reported teaches nothing under this credit.
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
    """The item in the answer's slot `position`, counted from 1."""
    ranking = answer["ranking"]
    return ranking[position - 1]["id"] if len(ranking) >= position else None


def outcomes(decision_id: str, row: Row) -> list[dict[str, Any]]:
    """What the log knows: this one item was shown, and clicked or left."""
    shown = {"type": "shown", "candidate_id": row.item}
    then = {"type": "selected", "candidate_id": row.item} if row.clicked else {"type": "abandoned"}
    return [{"event_id": f"{decision_id}.{one['type']}", "decision_id": decision_id, **one} for one in (shown, then)]


def _said(response: httpx.Response) -> str:
    try:
        document = response.json()
        return str(document.get("detail") or document.get("title"))
    except (ValueError, AttributeError):
        return response.reason_phrase


def _hint(status: int) -> str:
    return " (a secret key of the merchant is needed: --key sk_...)" if status in (401, 403) else ""
