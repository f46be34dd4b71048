"""Hand mails to the operator's SMTP server."""

from __future__ import annotations

import asyncio
import ssl
from email.message import EmailMessage

import aiosmtplib

from engine.model.mailing.mail import MailFault
from engine.settings import Settings

SECONDS = 20.0
BUSY = range(400, 500)


class SmtpTransport:
    """Opens a connection for each mail. Answers of the server are only counted: they may name recipients."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._trusted: ssl.SSLContext | None = None

    @property
    def sender(self) -> str:
        """Return the address that mails come from; empty where no server is set."""
        return self._settings.smtp_from if self._settings.smtp_host else ""

    async def send(self, message: EmailMessage, recipient: str) -> MailFault:
        """Hand a message to the server; return why it was not accepted."""
        settings = self._settings
        is_plain = settings.smtp_tls == "none"
        if self._trusted is None and not is_plain:
            # Reading the certificates of all authorities takes 50 ms, which no decision should wait for.
            self._trusted = await asyncio.to_thread(ssl.create_default_context)
        try:
            await aiosmtplib.send(
                message,
                recipients=[recipient],
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_user or None,
                password=settings.smtp_password or None,
                use_tls=settings.smtp_tls == "tls",
                start_tls=settings.smtp_tls == "starttls",
                tls_context=self._trusted,
                timeout=SECONDS,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            return fault_of(error)
        return ""


def fault_of(error: BaseException) -> MailFault:
    """Return what an error of a delivery is to us."""
    if isinstance(error.__cause__, ssl.SSLError) or isinstance(error, ssl.SSLError):
        return "tls"
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            codes = [refusal.code for refusal in error.recipients]
            return "busy" if any(code in BUSY for code in codes) else "recipient"
        case aiosmtplib.SMTPAuthenticationError():
            return "login"
        case aiosmtplib.SMTPSenderRefused():
            return "sender"
        case aiosmtplib.SMTPTimeoutError() | TimeoutError():
            return "timeout"
        case aiosmtplib.SMTPDataError():
            return "busy" if error.code in BUSY else "refused"
        case aiosmtplib.SMTPResponseException():
            return "busy"
        case aiosmtplib.SMTPException() if "STARTTLS" in str(error):
            return "tls"
    return "connection"
