"""Webhooks call no internal address, however it is written and whatever a name server says."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import httpcore
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from engine.model.errors import Invalid
from engine.settings import Settings
from engine.webhooks.addresses import is_public, networks_of, read_address, without_path
from engine.webhooks.checked_connections import SystemResolver
from engine.webhooks.sender import Sender
from tests.hostile_hosts import INTERNAL, PUBLIC, hostile_urls, internal_hosts
from tests.receivers import LOOPBACK, Receiver

LOCAL = networks_of(LOOPBACK)
TRUSTED = httpcore.default_ssl_context()


@pytest.fixture
def opened(monkeypatch):
    """The addresses of opened sockets; no connection is made."""
    addresses = []

    async def connect(_self, host, port, *_more, **_options):
        addresses.append((host, port))
        raise httpcore.ConnectError

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    return addresses


def resolver(*answers):
    """Answer each question with the next of these addresses, and then with the last again."""
    left = list(answers)

    async def resolve(_host, _port):
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


async def post(url, resolve, *, networks=(), seconds=2.0, trusted=TRUSTED):
    sender = Sender(networks, resolve=resolve, seconds=seconds, trusted=trusted)
    try:
        return await sender.post(read_address(url, networks), b"{}", {"webhook-id": "evt_1"})
    finally:
        sender.close()


# Texts


@pytest.mark.anyio
async def test_five_thousand_hostile_addresses_are_never_called(opened):
    urls = hostile_urls(5_000)
    assert len(set(urls)) == len(urls) >= 5_000
    system, read = SystemResolver(), 0
    for url in urls:
        try:
            address = read_address(url, ())
        except Invalid:
            continue
        read += 1
        # What can be read is a name, so only a name server could lead it astray.
        assert not address.host.replace(".", "").isdigit()
        answer = await post(url, resolver(["127.0.0.1"]))
        assert answer == (None, "internal_address"), url
    system.close()
    assert opened == []
    assert read < 0.2 * len(urls)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com/hooks?a=b&c=%20",
        "https://shop.example.com",
        "https://shop.example.com:8443/",
        "HTTPS://Shop.Example.COM/Hooks",
        "https://xn--bcher-kva.example.com/",
        "https://a-1.b2.co/~x/(y)",
    ],
)
def test_addresses_on_the_internet_are_read(url):
    address = read_address(url, ())
    assert address.host == address.host.lower()
    assert read_address(address.url, ()) == address


def test_the_port_and_path_are_kept_and_shown_only_in_part():
    address = read_address("https://shop.example.com:8443/T0/secret?key=1", ())
    assert (address.port, address.target, address.authority) == (8443, "/T0/secret?key=1", "shop.example.com:8443")
    assert without_path(address.url) == "https://shop.example.com:8443/…"
    assert without_path("https://shop.example.com/") == "https://shop.example.com/"


def test_invalid_address_names_the_field():
    for url, words in (
        ("http://shop.example.com/", "https://"),
        ("https://shop.example.com:8080/", "443 or 8443"),
        ("https://10.0.0.1/", "not an IP address"),
        ("https://shop.local/", "private network"),
        ("https://ann:pw@shop.example.com/", "without a name or password"),
        ("https://shop.example.com/a b", "blanks"),
        ("https://2130706433/", "a host on the internet"),
    ):
        with pytest.raises(Invalid, match=words) as caught:
            read_address(url, ())
        assert caught.value.field == "url"


# Addresses by number


def test_no_internal_address_is_public():
    assert [text for text in INTERNAL if is_public(ip_address(text))] == []
    assert [text for text in PUBLIC if not is_public(ip_address(text))] == []
    assert [text for text in internal_hosts(3_000) if is_public(ip_address(text))] == []


@pytest.mark.anyio
@pytest.mark.parametrize("text", INTERNAL)
async def test_a_name_that_leads_inside_is_not_called(opened, text):
    for answer in ([text], ["93.184.215.14", text], [text, "2606:4700::1111"]):
        assert await post("https://shop.example.com/", resolver(answer)) == (None, "internal_address")
    assert opened == []


@pytest.mark.anyio
async def test_dns_rebinding_is_prevented(opened):
    resolve = resolver(["93.184.215.14"], ["127.0.0.1"])
    assert await post("https://shop.example.com/", resolve) == (None, "connection")
    assert opened == [("93.184.215.14", 443)]
    assert await post("https://shop.example.com/", resolve) == (None, "internal_address")
    assert len(opened) == 1


@pytest.mark.anyio
async def test_a_second_address_is_tried_and_no_third(opened):
    await post("https://shop.example.com:8443/", resolver(["93.184.215.14", "2606:4700::1111", "1.1.1.1"]))
    assert opened == [("93.184.215.14", 8443), ("2606:4700::1111", 8443)]


@pytest.mark.anyio
async def test_a_host_without_address_is_unresolved():
    async def unknown(_host, _port):
        raise OSError

    assert await post("https://shop.example.com/", unknown) == (None, "unresolved")
    assert await post("https://shop.example.com/", resolver([])) == (None, "unresolved")
    assert await post("https://shop.example.com/", resolver(["fe80::1%eth0"])) == (None, "internal_address")
    assert await post("https://shop.example.com/", resolver(["nonsense"])) == (None, "internal_address")


# What an operator allows


@pytest.mark.anyio
async def test_http_and_unusual_ports_require_allowed_networks(opened):
    url = "http://shop.example.com:8080/"
    assert await post(url, resolver(["127.0.0.1"]), networks=LOCAL) == (None, "connection")
    assert await post(url, resolver(["93.184.215.14"]), networks=LOCAL) == (None, "internal_address")
    assert await post(url, resolver(["10.0.0.1"]), networks=LOCAL) == (None, "internal_address")
    assert await post("https://shop.example.com/", resolver(["93.184.215.14"]), networks=LOCAL) == (None, "connection")
    assert opened == [("127.0.0.1", 8080), ("93.184.215.14", 443)]
    for other in ("http://10.0.0.1/", "http://[::2]/", "http://127.0.0.1:0/", "http://127.1/"):
        with pytest.raises(Invalid):
            read_address(other, LOCAL)
    assert read_address("http://[::1]:80/", LOCAL).url == "http://[::1]/"


def test_invalid_network_setting_is_refused():
    with pytest.raises(msgspec.ValidationError, match="network"):
        Settings.from_environment({"TAP2_WEBHOOK_NETWORKS": "1.2.3"})
    assert Settings.from_environment({"TAP2_WEBHOOK_NETWORKS": "10.0.0.0/8,::1"}).webhook_networks


# TLS


@pytest.mark.anyio
async def test_tls_verifies_the_name_when_connecting_to_an_address(tmp_path):
    server, client = contexts(tmp_path, "hooks.example.com")
    names = []
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    async with Receiver() as _, Receiver() as receiver:
        await receiver.start(server)
        url, resolve = f"https://hooks.example.com:{receiver.port}/a?b", resolver(["127.0.0.1"])
        assert await post(url, resolve, networks=LOCAL, trusted=client) == (204, "")
        [request] = receiver.received
        assert (names, request.path) == (["hooks.example.com"], "/a?b")
        assert request.headers["host"] == f"hooks.example.com:{receiver.port}"
        wrong = url.replace("hooks.", "other.")
        assert await post(wrong, resolve, networks=LOCAL, trusted=client) == (None, "tls")
        assert await post(url, resolve, networks=LOCAL) == (None, "tls"), "nobody signed this certificate"


def contexts(folder, name):
    """Return the contexts of a server whose certificate is for a name, and of a client that trusts it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(key.private_bytes(*form) + certificate)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=certificate.decode())


def test_the_hostile_list_covers_both_versions():
    assert {ipaddress.ip_address(text).version for text in INTERNAL} == {4, 6}
