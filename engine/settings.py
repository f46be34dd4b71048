"""The settings of a process: `TAP2_*` environment variables, each with its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

PREFIX = "TAP2_"
RATE = r"\A[1-9][0-9]{0,8}/(second|minute|hour|day)\Z"
SECRET = frozenset({"customer_key", "database_url", "oidc_client_secret"})


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    host: Annotated[str, Meta(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="The port to listen on.", ge=0, le=65535)] = 8000
    workers: Annotated[int, Meta(description="Server processes; more than one needs PostgreSQL.", ge=1)] = 1
    data: Annotated[str, Meta(description="The folder of the SQLite database and the customer key.")] = "data"
    database_url: Annotated[str, Meta(description="`postgresql://...`; empty: SQLite in the data folder.")] = ""
    database_wait_seconds: Annotated[
        float, Meta(description="At start, how long to wait for a PostgreSQL that cannot be reached.", ge=0)
    ] = 60.0
    customer_key: Annotated[
        str,
        Meta(
            pattern=r"\A(.{32,})?\Z",
            description="Secret that customer ids are hashed with, at least 32 characters; "
            "empty: a key file in the data folder, made at first start.",
        ),
    ] = ""
    keep_alive_seconds: Annotated[
        int, Meta(description="How long an idle connection stays open; more than a proxy's own limit.", ge=1)
    ] = 75
    worker_start_seconds: Annotated[
        int, Meta(description="How long a worker may take to answer its supervisor, also while it starts.", ge=5)
    ] = 60
    demo: Annotated[bool, Meta(description="Serve a demo merchant with simulated shoppers.")] = False
    demo_days: Annotated[
        int, Meta(description="Simulated days that a new demo on SQLite has behind it; 0: none.", ge=0, le=90)
    ] = 30
    demo_rate: Annotated[float, Meta(description="Simulated checkouts a second.", gt=0, le=1000)] = 25.0
    secure_cookies: Annotated[bool, Meta(description="Behind TLS: `__Host-` cookies with `Secure`, and HSTS.")] = False
    oidc_issuer: Annotated[
        str,
        Meta(
            pattern=r"\A(https://.+|http://(localhost|127\.0\.0\.1)(:[0-9]+)?(/.*)?)?\Z",
            description="The OpenID provider that people may log in with, as `https://...`; empty: none.",
        ),
    ] = ""
    oidc_client_id: Annotated[str, Meta(description="What the provider calls this server.")] = ""
    oidc_client_secret: Annotated[
        str, Meta(description="The secret that the provider gave this server; empty: a public client.")
    ] = ""
    oidc_name: Annotated[str, Meta(description="What people call the provider.", max_length=60)] = "single sign-on"
    decision_timeout_ms: Annotated[
        int, Meta(description="After this long a checkout gets the fallback order.", ge=10)
    ] = 1000
    retention_days: Annotated[
        int, Meta(description="Days that decisions, outcomes and customers' usage are kept.", ge=90)
    ] = 400
    half_life_days: Annotated[
        float, Meta(description="A customer's past choice counts half after this many days.", gt=0)
    ] = 45.0
    refresh_seconds: Annotated[
        float, Meta(description="How often beliefs are looked at for a refresh of the draws.", gt=0)
    ] = 0.5
    decision_rate: Annotated[
        str, Meta(pattern=RATE, description="Decisions that a secret key may ask for, as in `200/second`.")
    ] = "200/second"
    outcome_rate: Annotated[
        str, Meta(pattern=RATE, description="Outcomes that a secret key may report, as in `1000/second`.")
    ] = "1000/second"
    public_rate: Annotated[
        str,
        Meta(
            pattern=RATE,
            description="Decisions and outcomes of one address with a publishable key, as in `600/minute`.",
        ),
    ] = "600/minute"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="debug, info, warning or error.")
    ] = "info"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read `TAP2_*`; `msgspec.ValidationError` names what is wrong, unknown names are refused."""
        given = {name[len(PREFIX) :].lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
        unknown = sorted(set(given) - set(cls.__struct_fields__))
        if unknown:
            raise msgspec.ValidationError(f"unknown setting {PREFIX}{unknown[0].upper()}")
        return msgspec.convert(given, cls, strict=False)


def describe(settings: Settings) -> list[dict[str, Any]]:
    """Every setting with its variable, value, default and meaning; secrets are masked."""
    schema = msgspec.json.schema(Settings)["$defs"]["Settings"]["properties"]
    return [
        {
            "variable": PREFIX + name.upper(),
            "value": _shown(name, getattr(settings, name)),
            "default": schema[name].get("default", ""),
            "meaning": schema[name]["description"],
        }
        for name in Settings.__struct_fields__
    ]


def _shown(name: str, value: object) -> object:
    return "(set)" if value and name in SECRET else value
