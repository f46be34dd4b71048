"""The settings of a process: `TAP2_*` environment variables, each with its meaning."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from engine.webhooks.addresses import networks_of

PREFIX = "TAP2_"
RATE = r"\A[1-9][0-9]{0,8}/(second|minute|hour|day)\Z"
SECRET = frozenset(
    {
        "customer_key",
        "master_key",
        "master_key_command",
        "database_url",
        "replica_url",
        "oidc_client_secret",
        "smtp_password",
    }
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    host: Annotated[str, Meta(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="The port to listen on.", ge=0, le=65535)] = 8000
    workers: Annotated[int, Meta(description="Server processes, which share the database.", ge=1)] = 1
    data: Annotated[str, Meta(description="The folder of the SQLite database and the customer key.")] = "data"
    database_url: Annotated[str, Meta(description="`postgresql://...`. If empty, SQLite in the data folder.")] = ""
    database_wait_seconds: Annotated[
        float, Meta(description="How long the start waits for a PostgreSQL that it cannot reach.", ge=0)
    ] = 60.0
    replica_url: Annotated[
        str,
        Meta(
            pattern=r"\A(postgres(ql)?(\+asyncpg)?://.*)?\Z",
            description="A read replica of the PostgreSQL database, from which previews, exports and evaluations read "
            "the log. If empty, they read it from the database itself.",
        ),
    ] = ""
    customer_key: Annotated[
        str,
        Meta(
            pattern=r"\A(.{32,})?\Z",
            description="The secrets for hashing customer ids, at least 32 characters each, with commas between them: "
            "the last hashes, newer ones before it encrypt the hashes. If empty, a key file in the data folder, "
            "created at the first start.",
        ),
    ] = ""
    master_key: Annotated[
        str,
        Meta(
            pattern=r"\A([^,\s]{32,}(,[^,\s]{32,})*)?\Z",
            description="The secrets that data keys are encrypted with, at least 32 characters each, with commas "
            "between them: the first encrypts, all decrypt. If empty, `master.key` in the data folder, or the "
            "customer key.",
        ),
    ] = ""
    master_key_command: Annotated[
        str,
        Meta(
            description="A command that prints these secrets instead, one a line, such as a client of a key management "
            "service. It runs at each start, without a shell, for at most 20 seconds."
        ),
    ] = ""
    keep_alive_seconds: Annotated[
        int, Meta(description="How long an idle connection stays open. Set it above the proxy's limit.", ge=1)
    ] = 75
    trusted_proxies: Annotated[
        str,
        Meta(
            pattern=r"\A[0-9a-fA-F.:/]+(,[0-9a-fA-F.:/]+)*\Z",
            description="Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted, "
            "with commas between them.",
        ),
    ] = "127.0.0.1,::1"
    worker_start_seconds: Annotated[
        int, Meta(description="How long a worker may take to answer its supervisor, including its start.", ge=5)
    ] = 60
    demo: Annotated[bool, Meta(description="Serve a demo merchant with simulated shoppers.")] = False
    demo_days: Annotated[
        int, Meta(description="Days of simulated history in a new demo on SQLite; 0 means none.", ge=0, le=90)
    ] = 30
    demo_rate: Annotated[float, Meta(description="Simulated checkouts per second.", gt=0, le=1000)] = 25.0
    secure_cookies: Annotated[bool, Meta(description="Set behind TLS: `__Host-` cookies with `Secure`, and HSTS.")] = (
        False
    )
    sign_up: Annotated[
        bool,
        Meta(
            description="Let everybody who reaches this server open an account for a merchant. With a mail server, "
            "they must follow a link in a mail first; without one, addresses are not checked."
        ),
    ] = False
    sign_up_tier: Annotated[str, Meta(description="The tier of merchants who sign up. If empty, none.")] = ""
    oidc_issuer: Annotated[
        str,
        Meta(
            pattern=r"\A(https://.+|http://(localhost|127\.0\.0\.1)(:[0-9]+)?(/.*)?)?\Z",
            description="The OpenID provider for log-ins, as `https://...`. If empty, none.",
        ),
    ] = ""
    oidc_client_id: Annotated[str, Meta(description="The client id of this server at the provider.")] = ""
    oidc_client_secret: Annotated[
        str, Meta(description="The client secret at the provider. If empty, a public client.")
    ] = ""
    oidc_name: Annotated[str, Meta(description="The name of the provider on the log-in button.", max_length=60)] = (
        "single sign-on"
    )
    decision_timeout_ms: Annotated[
        int, Meta(description="After this time, a checkout gets the fallback order.", ge=10)
    ] = 1000
    slow_decision_ms: Annotated[
        int,
        Meta(
            description="An alert is raised if one decision in 20 takes longer. 0: half of TAP2_DECISION_TIMEOUT_MS.",
            ge=0,
        ),
    ] = 0
    retention_days: Annotated[
        int, Meta(description="How many days the server keeps decisions, outcomes and customers' usage.", ge=90)
    ] = 400
    inactive_days: Annotated[
        int,
        Meta(
            description="After so many days without a visit, the server forgets what a customer wanted. Refusals stay.",
            ge=90,
        ),
    ] = 548
    half_life_days: Annotated[
        float, Meta(description="After this many days, a customer's past choice counts half.", gt=0)
    ] = 45.0
    refresh_seconds: Annotated[float, Meta(description="How often the engine checks for new evidence.", gt=0)] = 0.5
    decision_rate: Annotated[
        str, Meta(pattern=RATE, description="Decisions that a secret key may request, such as `200/second`.")
    ] = "200/second"
    outcome_rate: Annotated[
        str, Meta(pattern=RATE, description="Outcomes that a secret key may report, such as `1000/second`.")
    ] = "1000/second"
    public_rate: Annotated[
        str,
        Meta(
            pattern=RATE,
            description="Decisions and outcomes from one address with a publishable key, such as `600/minute`.",
        ),
    ] = "600/minute"
    webhook_attempts: Annotated[
        int, Meta(description="How often the server tries to deliver an event to a webhook.", ge=1, le=10)
    ] = 3
    webhook_networks: Annotated[
        str,
        Meta(
            pattern=r"\A([0-9a-fA-F.:/]+(,[0-9a-fA-F.:/]+)*)?\Z",
            description="Networks of your own that webhooks may call, also by `http` and at any port, with commas "
            "between them. If empty, webhooks call only `https` addresses on the internet.",
        ),
    ] = ""
    public_url: Annotated[
        str,
        Meta(
            pattern=r"\A(https?://[^\s/?#]+(/[A-Za-z0-9._~-]+)*)?\Z",
            description="Where people reach this server, as `https://checkout.example.com`, for links in mails. "
            "If it has a path, as `https://example.com/checkout`, all addresses begin with it. If empty, mails have no "
            "links.",
        ),
    ] = ""
    smtp_host: Annotated[
        str, Meta(description="The mail server for reports and alerts. If empty, no mail is sent.")
    ] = ""
    smtp_port: Annotated[int, Meta(description="The port of the mail server.", ge=1, le=65535)] = 587
    smtp_tls: Annotated[
        Literal["starttls", "tls", "none"],
        Meta(
            description="`starttls` (usually port 587), `tls` (usually port 465), or `none` for a server of your own."
        ),
    ] = "starttls"
    smtp_user: Annotated[str, Meta(description="The user at the mail server. If empty, no log-in.")] = ""
    smtp_password: Annotated[str, Meta(description="The password at the mail server.")] = ""
    smtp_from: Annotated[
        str,
        Meta(
            pattern=r"\A([^\s@<>]+@[^\s@<>]+)?\Z",
            description="The address that mails come from, such as `tap2@example.com`. Needed with a mail server.",
        ),
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="debug, info, warning or error.")
    ] = "info"

    def __post_init__(self) -> None:
        """Raise `ValueError` where a text is no network or no command, or settings do not go together."""
        networks_of(self.webhook_networks)
        if self.master_key_command:
            _check_command(self.master_key_command, is_alone=not self.master_key)
        if self.replica_url and not self.database_url:
            raise ValueError("replica_url needs the database_url of the PostgreSQL that it follows")
        if self.smtp_host and not self.smtp_from:
            raise ValueError("smtp_from is needed with smtp_host")
        if self.sign_up and self.smtp_host and not self.public_url:
            raise ValueError("public_url is needed with sign_up and smtp_host, for the links in mails")

    @property
    def alert_ms(self) -> int:
        """Return the duration of decisions beyond which an alert is raised, in milliseconds."""
        return self.slow_decision_ms or self.decision_timeout_ms // 2

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read `TAP2_*`; raise `msgspec.ValidationError` for a wrong value or an unknown name."""
        values = {name[len(PREFIX) :].lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
        unknown = sorted(set(values) - set(cls.__struct_fields__))
        if unknown:
            raise msgspec.ValidationError(f"unknown setting {PREFIX}{unknown[0].upper()}")
        return msgspec.convert(values, cls, strict=False)


def _check_command(command: str, *, is_alone: bool) -> None:
    if not is_alone:
        raise ValueError("master_key_command: set it or master_key, not both")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"master_key_command: {error}") from None
    if not words:
        raise ValueError("master_key_command: there is no program in it")


def describe(settings: Settings) -> list[dict[str, Any]]:
    """Return every setting with its variable, value, default and meaning; mask secrets."""
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
