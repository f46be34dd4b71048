"""Which addresses webhooks may call: hosts on the internet by `https`, and networks that the operator allows.

The text of an address is read once, strictly, and only the parts that were read are used to connect: two readers of the
same text could disagree about its host.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from engine.model.errors import Invalid, invalid

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PORTS = (443, 8443)
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?P<port>:[0-9]{1,5})?(?P<target>/.*)?\Z",
    re.IGNORECASE | re.ASCII,
)
_TARGET = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*\Z", re.ASCII)
# No last label of digits or of hex digits behind 0x: resolvers read such hosts as addresses.
_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])\Z", re.ASCII)
_LOCAL = (".arpa", ".internal", ".intranet", ".invalid", ".lan", ".local", ".localhost", ".onion")
_NOT_PUBLIC = tuple(
    ip_network(network)
    for network in (
        # IETF protocols, relays of 6to4, and the host that Azure answers machines from.
        "192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32",
        # IPv6 that stands for an IPv4 address: Teredo and other protocols, 6to4.
        "2001::/23", "2002::/16",
        # For documentation.
        "2001:db8::/32", "3fff::/20",
    )
)  # fmt: skip
_GLOBAL_IPV6 = ip_network("2000::/3")


class HookAddress(NamedTuple):
    """An address that was checked: scheme, host in small letters, port, and path with query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def is_usual(self) -> bool:
        """Return whether the internet may be called so."""
        return self.scheme == "https" and self.port in PORTS and _literal(self.host) is None

    @property
    def authority(self) -> str:
        """Return the host, with its port where it is not the scheme's own."""
        own = 443 if self.scheme == "https" else 80
        return self.host if self.port == own else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def without_path(url: str) -> str:
    """Return the address of an endpoint without what may be a secret of the receiver."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}/{'…' if path else ''}"


def networks_of(text: str) -> tuple[Network, ...]:
    """Read networks with commas between them; raise `ValueError`."""
    return tuple(ip_network(part) for part in text.split(",") if part)


def read_address(url: str, networks: Sequence[Network]) -> HookAddress:
    """Read the address of an endpoint; raise `Invalid` for one that webhooks never call."""
    match = _URL.match(url)
    if match is None:
        raise _wrong("must be an address such as https://shop.example.com/webhooks, without a name or password")
    scheme, host = match["scheme"].lower(), match["host"].lower()
    port = int(match["port"][1:]) if match["port"] else 443 if scheme == "https" else 80
    address = HookAddress(scheme, host, port, match["target"] or "/")
    if not _TARGET.match(address.target):
        raise _wrong("must not contain blanks, #, or characters outside ASCII; write them as %20")
    _check_host(address, networks)
    return address


def _check_host(address: HookAddress, networks: Sequence[Network]) -> None:
    literal = _literal(address.host)
    if literal is not None:
        if not _is_inside(literal, networks):
            raise _wrong("must name a host, not an IP address")
    elif address.host != "localhost" and not _NAME.match(address.host):
        raise _wrong("must name a host on the internet, such as shop.example.com")
    if networks:
        if not 0 < address.port < 65536:
            raise _wrong("must have a port between 1 and 65535")
        return
    if address.host == "localhost" or address.host.endswith(_LOCAL):
        raise _wrong("must name a host on the internet, not one of a private network")
    if address.scheme != "https":
        raise _wrong("must begin with https://")
    if address.port not in PORTS:
        raise _wrong(f"must have the port {' or '.join(map(str, PORTS))}")


def _wrong(message: str) -> Invalid:
    return invalid("url", message)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def may_call(host: Address, address: HookAddress, networks: Sequence[Network]) -> bool:
    """Return whether a webhook may connect to an IP address that its host has."""
    return _is_inside(host, networks) or (address.is_usual and is_public(host))


def is_public(host: Address) -> bool:
    """Return whether an address is on the internet, and not another network's under a different name."""
    if not host.is_global or host.is_multicast or host.is_reserved or _is_inside(host, _NOT_PUBLIC):
        return False
    return isinstance(host, IPv4Address) or (host.scope_id is None and host in _GLOBAL_IPV6)


def _is_inside(host: Address, networks: Sequence[Network]) -> bool:
    return any(host.version == network.version and host in network for network in networks)
