"""A running server, as commands speak to it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click
import httpx
import msgspec

from engine.model.placement import RuleDocument
from web.api.rule_sets import RuleSet

ANY = {"If-Match": "*"}
POLL_SECONDS = 0.5


class Unreachable(click.ClickException):
    """Nobody answers, or not as our server does."""

    exit_code = 2


class Remote:
    """Calls with a secret key; what the server refuses ends the command with its reasons."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=60)

    def close(self) -> None:
        self._client.close()

    def rule_set(self, placement: str) -> RuleSet:
        answer = self._ask("GET", f"/v1/placements/{placement}/rule-set")
        return msgspec.json.decode(answer.content, type=RuleSet)

    def publish(self, placement: str, wanted: RuleSet, *, why: str) -> dict[str, Any]:
        """Import into the draft and publish just that; sent for review where that is needed first."""
        draft = f"/v1/placements/{placement}/draft"
        imported = self._ask("PUT", draft, {"rules": wanted.rules, "scenarios": wanted.scenarios}, ANY)
        if not imported.json()["changes"]:
            return {"placement": placement, "state": "unchanged"}
        seen = {"If-Match": imported.headers["etag"]}
        if imported.json()["review"]:
            self._ask("POST", f"{draft}/review", {"why": why}, seen)
            return {"placement": placement, "state": "in review: a second person approves it in the browser"}
        done = self._ask("POST", f"{draft}/publish", {"why": why}, seen).json()
        return {"placement": placement, "state": "published", "version": done["version"]}

    def preview(self, placement: str, rules: Sequence[RuleDocument], *, limit: int) -> dict[str, Any]:
        """Start one and wait until it has ended."""
        path = f"/v1/placements/{placement}/previews"
        state: dict[str, Any] = self._ask("POST", path, {"rules": rules, "limit": limit}).json()
        while state["state"] == "running":
            time.sleep(POLL_SECONDS)
            state = self._ask("GET", f"{path}/{state['id']}").json()
        return state

    def _ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
        content = None if body is None else msgspec.json.encode(body)
        try:
            answer = self._client.request(method, path, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise Unreachable(f"no answer from {self._client.base_url}: {type(error).__name__}") from None
        if answer.is_success:
            return answer
        if "problem+json" not in answer.headers.get("content-type", ""):
            raise Unreachable(f"{self._client.base_url} answered {answer.status_code}: is this the server?")
        problem = answer.json()
        lines = [f"{one['field']}: {one['message']}" for one in problem.get("errors", [])]
        raise click.ClickException("\n".join(lines) or f"{problem['title']}: {problem.get('detail', '')}")
