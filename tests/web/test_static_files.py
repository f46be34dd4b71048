"""Style sheets and scripts: how long browsers keep them."""

from __future__ import annotations

from tests.serving import Side
from web.admin.shell.render import asset


def cache_of(side: Side, address: str) -> str:
    return str(side.client.get(address).headers["cache-control"])


def test_files_with_a_content_hash_are_immutable(side: Side):
    address = asset("charts.js")
    assert "immutable" in cache_of(side, address)
    assert "immutable" not in cache_of(side, address.partition("?")[0])
    assert "immutable" not in cache_of(side, address[:-1] + "x")


def test_other_files_are_not_immutable(side: Side):
    for path in ("missing.js?v=missing", "../web/app.py?v=missing", "%2e%2e/app.py?v=missing"):
        answer = side.client.get(f"/static/{path}")
        assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store"), path
