"""Mail servers for tests: one in memory, whose failures a test sets, and a real one that speaks SMTP."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult

from engine.model.mailing.mail import MailContent, MailFault

SENDER = "tap2@shop.example"


class MemoryMailServer:
    """Accepts each message, or fails with `fault` if it is set; counts accepted messages by Message-ID."""

    sender = SENDER

    def __init__(self) -> None:
        self.fault: MailFault = ""
        self.accepted: Counter[str] = Counter()
        self.messages: list[EmailMessage] = []
        self.attempts = 0

    async def send(self, message: EmailMessage, recipient: str) -> MailFault:
        assert message["To"] == recipient
        self.attempts += 1
        if not self.fault:
            self.accepted[message["Message-ID"]] += 1
            self.messages.append(message)
        return self.fault


async def compose(mail: Any) -> MailContent:
    """Write a mail that names its subject."""
    return MailContent(f"Report {mail.period}", f"{mail.kind} {mail.subject}")


class Mailbox:
    """Keeps the messages of a real server; answers `refuse` to recipients and `refuse_content` to contents, if set."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.logins: list[str] = []
        self.refuse = ""
        self.refuse_content = ""
        self.port = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuse_content:
            return self.refuse_content
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        name = data.login.decode()
        self.logins.append(name)
        return AuthResult(success=data.password == b"mail secret", handled=False)


@asynccontextmanager
async def mail_server(*, with_login: bool = False, trusted: ssl.SSLContext | None = None) -> AsyncIterator[Mailbox]:
    """Run a server on a free port of this machine."""
    mailbox = Mailbox()
    options: dict[str, Any] = {"tls_context": trusted, "require_starttls": True} if trusted else {}
    if with_login:
        options |= {"authenticator": mailbox.authenticate, "auth_required": True, "auth_require_tls": False}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mailbox, hostname="localhost", **options), "127.0.0.1", 0)
    try:
        mailbox.port = server.sockets[0].getsockname()[1]
        yield mailbox
    finally:
        server.close()
