"""Check access by key and address, and the limits on reports of browsers, without a server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.model.errors import Forbidden
from engine.model.timestamps import DAY
from web.http import access
from web.http.access import (
    HINTS_A_DAY,
    HintLimit,
    access_of,
    address_of,
    check_merchant,
    secret_access_of,
)
from web.http.problem_details import Unauthorized

SECRET = SimpleNamespace(may_configure=True, merchant=SimpleNamespace(slug="shop"))
PUBLISHABLE = SimpleNamespace(may_configure=False, merchant=SimpleNamespace(slug="shop"))
KEYS = {"sk_1": SECRET, "pk_1": PUBLISHABLE}


def request(*headers: tuple[str, str], host: str | None = "10.0.0.1") -> Any:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    engine = SimpleNamespace(accounts=SimpleNamespace(access=KEYS.get))
    return SimpleNamespace(
        scope={"headers": raw},
        app=SimpleNamespace(state=SimpleNamespace(engine=engine)),
        client=None if host is None else SimpleNamespace(host=host),
    )


# Addresses


@pytest.mark.parametrize(("host", "address"), [
    ("10.0.0.1", "10.0.0.1"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
    ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
    ("fe80::1%eth0", "fe80::/64"),
    ("::1", "::/64"),
    ("not:an:address", "not:an:address"),
    ("", ""),
    (None, ""),
])  # fmt: skip
def test_visitor_has_one_address(host: str | None, address: str) -> None:
    assert address_of(request(host=host)) == address


# Keys


@pytest.mark.parametrize("header", ["Bearer sk_1", "bearer sk_1", "BEARER   sk_1  "])
def test_a_key_is_read_from_its_header(header: str) -> None:
    assert access_of(request(("accept", "x"), ("authorization", header))) is SECRET


@pytest.mark.parametrize("headers", [
    [], [("authorization", "")], [("authorization", "sk_1")], [("authorization", "Basic sk_1")],
    [("authorization", "Bearer nothing")], [("authorization", "Bearer")], [("x-authorization", "Bearer sk_1")],
    [("authorization", "Bearer sk_1\xff")],
])  # fmt: skip
def test_unknown_key_is_refused(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(Unauthorized, match="neither expired nor revoked"):
        access_of(request(*headers))


def test_only_a_secret_key_may_configure() -> None:
    assert secret_access_of(request(("authorization", "Bearer sk_1"))) is SECRET
    with pytest.raises(Forbidden, match="a publishable key may only request decisions"):
        secret_access_of(request(("authorization", "Bearer pk_1")))


@pytest.mark.parametrize("merchant_id", [None, "shop"])
def test_named_merchant_must_own_the_key(merchant_id: str | None) -> None:
    check_merchant(SECRET, merchant_id)  # type: ignore[arg-type]


@pytest.mark.parametrize("merchant_id", ["", "Shop", "other"])
def test_another_merchant_is_forbidden_with_the_field(merchant_id: str) -> None:
    with pytest.raises(Forbidden) as refused:
        check_merchant(SECRET, merchant_id, field="merchant")  # type: ignore[arg-type]
    assert refused.value.field == "merchant"


# Hints of browsers


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    now = [20_000 * DAY]
    monkeypatch.setattr(access, "now_ms", lambda: now[0])
    return now


def test_an_address_gives_few_hints_a_day(clock: list[int]) -> None:
    limit = HintLimit()
    allowed = [limit.allows("pk_1", "10.0.0.1") for _ in range(HINTS_A_DAY + 5)]
    assert allowed == [True] * HINTS_A_DAY + [False] * 5
    assert limit.allows("pk_1", "10.0.0.2")
    assert limit.allows("pk_2", "10.0.0.1")


def test_the_next_day_begins_anew(clock: list[int]) -> None:
    limit = HintLimit()
    for _ in range(HINTS_A_DAY + 5):
        limit.allows("pk_1", "10.0.0.1")
    clock[0] += DAY
    assert limit.allows("pk_1", "10.0.0.1")


def test_address_is_limited_to_a_small_share_of_a_key(clock: list[int]) -> None:
    limit = HintLimit()
    for number in range(5_000):
        limit.allows("pk_1", f"10.0.{number // 250}.{number % 250}")
    allowed = sum(limit.allows("pk_1", "192.168.0.1") for _ in range(200))
    assert 45 < allowed < 60


def test_very_many_addresses_do_not_fill_the_memory(clock: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MOST_ADDRESSES", 10)
    limit = HintLimit()
    for number in range(100):
        assert limit.allows("pk_1", str(number))
        assert len(limit._of_address) <= 10
