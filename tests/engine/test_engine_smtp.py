"""Mails against a real SMTP server: logging in, encryption, and what each refusal means."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from engine.mailing.smtp import SmtpTransport
from engine.settings import Settings, describe
from tests.mailboxes import SENDER, Mailbox, mail_server

pytestmark = pytest.mark.anyio


def settings(box: Mailbox, **changes: Any) -> Settings:
    usual: dict[str, Any] = {"smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_tls": "none", "smtp_from": SENDER}
    return Settings(**(usual | changes))


def message(text: str = "Grüße") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = SENDER, "ada@shop.example", "Figures"
    made["Message-ID"] = "<rep_1.2026-11-21.abc@shop.example>"
    made.set_content(text)
    made.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="figures.pdf")
    return made


async def send(chosen: Settings) -> str:
    return await SmtpTransport(chosen).send(message(), "ada@shop.example")


@pytest.fixture
def trusted(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server and of a client that knows its certificate."""
    key, today = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(today).not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(address, critical=False).sign(key, hashes.SHA256())
    )  # fmt: skip
    file, pem = tmp_path / "server.pem", serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(plain + certificate.public_bytes(pem))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(file)
    client = ssl.create_default_context(cadata=certificate.public_bytes(pem).decode())
    return server, client


async def test_a_server_gets_the_whole_mail() -> None:
    async with mail_server() as box:
        assert await send(settings(box)) == ""
    [got] = box.messages
    assert box.recipients == ["ada@shop.example"]
    assert got["Message-ID"] == message()["Message-ID"]
    body = got.get_body()
    assert body is not None
    assert body.get_content().strip() == "Grüße"
    assert [part.get_filename() for part in got.iter_attachments()] == ["figures.pdf"]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_server_with_a_password_requires_login() -> None:
    async with mail_server(with_login=True) as box:
        assert await send(settings(box, smtp_user="tap2", smtp_password="mail secret")) == ""
        assert await send(settings(box, smtp_user="tap2", smtp_password="wrong")) == "login"
    assert (set(box.logins), len(box.messages)) == ({"tap2"}, 1)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [("550 no such user", "recipient"), ("450 try later", "busy")],
)
async def test_refused_recipient_is_distinguished_from_a_busy_server(answer: str, fault: str) -> None:
    async with mail_server() as box:
        box.refuse = answer
        assert await send(settings(box)) == fault


@pytest.mark.parametrize(("answer", "fault"), [("554 looks like spam", "refused"), ("451 disk full", "busy")])
async def test_refused_content_is_distinguished_from_a_busy_server(answer: str, fault: str) -> None:
    async with mail_server() as box:
        box.refuse_content = answer
        assert await send(settings(box)) == fault


async def test_unreachable_server_has_the_fault_connection() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        box = Mailbox()
        box.port = free.getsockname()[1]
    assert await send(settings(box)) == "connection"


async def test_a_mail_is_encrypted_or_not_sent(trusted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server, client = trusted
    async with mail_server() as plain:
        assert await send(settings(plain, smtp_tls="starttls")) == "tls", "it offers no encryption"
    async with mail_server(trusted=server) as box:
        assert await send(settings(box, smtp_tls="starttls")) == "tls", "nobody vouches for its certificate"
        monkeypatch.setattr(ssl, "create_default_context", lambda *_arguments, **_named: client)
        assert await send(settings(box, smtp_tls="starttls")) == ""
    assert (len(plain.messages), len(box.messages)) == (0, 1)


def test_the_password_is_masked_and_a_sender_is_needed() -> None:
    shown = {row["variable"]: row["value"] for row in describe(Settings(smtp_password="mail secret"))}
    assert shown["TAP2_SMTP_PASSWORD"] == "(set)"
    with pytest.raises(msgspec.ValidationError, match="smtp_from"):
        Settings.from_environment({"TAP2_SMTP_HOST": "mail.example.com"})
    assert SmtpTransport(Settings()).sender == ""
