"""A person at a browser without scripts: logs in, follows links, sends forms."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx

from engine.model.account import Role
from tests.serving import Server, Side

PASSWORD = "correct horse battery staple"
CSRF = re.compile(r'name="csrf" value="([^"]+)"')
VERSION = re.compile(r'name="version" value="(\d+)"')
WITHOUT_MODE = ("/admin/live", "/admin/test", "/admin/theme", "/admin/logout", "/admin/profile", "/admin/join")
_numbers = itertools.count(1)


@dataclass
class Person:
    """A person who is logged in. The path `/admin/rules` means the rules of their present side."""

    client: httpx.Client
    email: str
    mode: str = "live"

    def address(self, path: str) -> str:
        """Return the path on this person's side, unless it has a side or belongs to both."""
        if path.startswith(WITHOUT_MODE):
            return path
        return path.replace("/admin", f"/admin/{self.mode}", 1)

    def get(self, path: str) -> str:
        """Return the page's text with entities decoded; fail if its status is not 200."""
        answer = self.client.get(self.address(path))
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return unescape(answer.text)

    def csrf(self, path: str = "/admin/") -> str:
        return csrf_in(self.client.get(self.address(path)).text)

    def send(self, path: str, **values: Any) -> httpx.Response:
        """Send a form as a page of ours would."""
        return self.client.post(self.address(path), data={"csrf": self.csrf(), **values})

    def version(self, path: str) -> str:
        """Return the version in the form on this page."""
        match = VERSION.search(self.client.get(self.address(path)).text)
        assert match, f"no form at {path}"
        return match.group(1)

    def publish(self, placement: str = "payment_methods") -> None:
        """Publish the placement's draft, as the button on its page does."""
        page = self.client.get(self.address(f"/admin/placements/{placement}/changes")).text
        revision = re.search(r'name="revision" value="(\d+)"', page)
        assert revision, "there is nothing to publish"
        answer = self.send(f"/admin/placements/{placement}/changes", act="publish", revision=revision.group(1))
        assert answer.status_code == 303, answer.text

    def switch_to(self, mode: str) -> None:
        self.mode = mode


def csrf_in(text: str) -> str:
    match = CSRF.search(text)
    assert match, "the page has no form"
    return match.group(1)


def add_person(server: Server, side: Side, *, role: Role = "admin") -> Person:
    """Add a person to this merchant and log in through the page."""
    email = f"person-{next(_numbers)}@example.com"
    server.run(server.engine.team.add_user(email, "Person", side.merchant.slug, role, PASSWORD))
    client = server.client()
    answer = log_in(client, email, PASSWORD)
    assert answer.status_code == 303, answer.text
    return Person(client, email)


def log_in(client: httpx.Client, email: str, password: str, *, next_path: str = "") -> httpx.Response:
    csrf = csrf_in(client.get("/admin/login").text)
    values = {"csrf": csrf, "email": email, "password": password, "next": next_path}
    return client.post("/admin/login", data=values)
