"""A client of a running server, for commands."""

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
    """The server does not answer, or is not a Tap2 server."""

    exit_code = 2


class Remote:
    """Calls the API with a secret key; a refusal ends the command with its reasons."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=60)

    def close(self) -> None:
        self._client.close()

    def rule_set(self, placement: str) -> RuleSet:
        response = self._call("GET", f"/v1/placements/{placement}/rule-set")
        return msgspec.json.decode(response.content, type=RuleSet)

    def publish(self, placement: str, rule_set: RuleSet, *, reason: str) -> dict[str, Any]:
        """Import into the draft and publish it, or send it for review if required."""
        draft = f"/v1/placements/{placement}/draft"
        imported = self._call("PUT", draft, {"rules": rule_set.rules, "scenarios": rule_set.scenarios}, ANY)
        if not imported.json()["changes"]:
            return {"placement": placement, "state": "unchanged"}
        version = {"If-Match": imported.headers["etag"]}
        if imported.json()["review"]:
            self._call("POST", f"{draft}/review", {"why": reason}, version)
            return {"placement": placement, "state": "in review: a second person must approve it in the browser"}
        published = self._call("POST", f"{draft}/publish", {"why": reason}, version).json()
        return {"placement": placement, "state": "published", "version": published["version"]}

    def preview(self, placement: str, rules: Sequence[RuleDocument], *, limit: int) -> dict[str, Any]:
        """Start a preview and wait until it has ended."""
        path = f"/v1/placements/{placement}/previews"
        state: dict[str, Any] = self._call("POST", path, {"rules": rules, "limit": limit}).json()
        while state["state"] == "running":
            time.sleep(POLL_SECONDS)
            state = self._call("GET", f"{path}/{state['id']}").json()
        return state

    def _call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
        content = None if body is None else msgspec.json.encode(body)
        try:
            response = self._client.request(method, path, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise Unreachable(f"no answer from {self._client.base_url}: {type(error).__name__}") from None
        if response.is_success:
            return response
        if "problem+json" not in response.headers.get("content-type", ""):
            raise Unreachable(f"{self._client.base_url} answered {response.status_code}: is this the server?")
        problem = response.json()
        lines = [f"{item['field']}: {item['message']}" for item in problem.get("errors", [])]
        raise click.ClickException("\n".join(lines) or f"{problem['title']}: {problem.get('detail', '')}")
