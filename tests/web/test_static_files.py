"""Style sheets and scripts: how long browsers keep them."""

from __future__ import annotations

from tests.serving import Side
from web.admin.shell.render import asset


def cache_of(side: Side, address: str) -> str:
    return str(side.client.get(address).headers["cache-control"])


def test_browsers_keep_a_file_for_good_while_its_address_names_its_content(side: Side):
    address = asset("charts.js")
    assert "immutable" in cache_of(side, address)
    assert "immutable" not in cache_of(side, address.partition("?")[0])
    assert "immutable" not in cache_of(side, address[:-1] + "x")


def test_nothing_is_kept_for_good_that_is_not_a_file_of_the_pages(side: Side):
    for path in ("missing.js?v=missing", "../web/app.py?v=missing", "%2e%2e/app.py?v=missing"):
        answer = side.client.get(f"/static/{path}")
        assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store"), path
