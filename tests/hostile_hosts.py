"""Addresses that a webhook must never call, in all the ways in which they can be written."""

from __future__ import annotations

import random
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network

INTERNAL = (
    "0.0.0.0", "10.0.0.1", "10.255.255.254", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.254", "192.0.0.1",
    "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:93.184.215.14",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1",
    "2001:20::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1",
    "ff02::1", "4000::1", "5f00::1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "93.184.215.14", "172.15.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "2a00:1450::1")
_NETWORKS = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
    "::/96", "::ffff:0:0/96", "64:ff9b::/96", "2001::/32", "2002::/16", "fc00::/7", "fe80::/10", "ff00::/8",
)  # fmt: skip
_NAMES = (
    "localhost", "localhost.", "LOCALHOST", "metadata", "metadata.google.internal", "instance-data", "kubernetes",
    "kubernetes.default.svc.cluster.local", "redis", "db.internal", "printer.local", "1.0.0.127.in-addr.arpa",
)  # fmt: skip


def internal_hosts(count: int, *, seed: int = 1) -> Iterator[str]:
    """Yield addresses inside networks that are not the internet."""
    rng = random.Random(seed)
    for number in range(count):
        network = ip_network(_NETWORKS[number % len(_NETWORKS)])
        number = int(network.network_address) + rng.randrange(min(network.num_addresses, 2**120))
        yield str(IPv4Address(number) if network.version == 4 else IPv6Address(number))


def hostile_urls(count: int, *, seed: int = 1) -> list[str]:
    """Return so many addresses at least, each once."""
    urls: dict[str, None] = dict.fromkeys(url for name in _NAMES for url in _written(name))
    for host in internal_hosts(10 * count, seed=seed):
        forms = (
            _forms(IPv4Address(host)) if "." in host and ":" not in host else [f"[{host}]", f"[{host}%25eth0]", host]
        )
        urls |= dict.fromkeys(url for form in forms for url in _written(form))
        if len(urls) >= count:
            break
    return list(urls)


def _forms(host: IPv4Address) -> list[str]:
    """Return the texts that resolvers and browsers read as an IPv4 address."""
    number, parts = int(host), str(host).split(".")
    a, b, c, d = map(int, parts)
    wide = str(host).translate({ord(digit): ord("\uff10") + int(digit) for digit in "0123456789"})
    pairs = f"{a:x}{b:02x}:{c:x}{d:02x}"
    return [
        str(host), str(number), hex(number), f"0{number:o}", f"{host}.", ".".join(f"0{int(part):o}" for part in parts),
        ".".join(hex(int(part)) for part in parts), f"{a}.{(b << 16) + (c << 8) + d}", f"{a}.{b}.{(c << 8) + d}",
        f"0x{a:x}.{b}.{c}.0{d:o}", f"{a}.{b}.{c}.{d + 256}", wide, str(host).replace(".", "\u3002"),
        str(host).replace(".", "%2e"), f"[::ffff:{host}]", f"[::ffff:{pairs}]", f"[64:ff9b::{host}]",
        f"[2002:{pairs}::1]", f"{a}%2E{b}.{c}.{d}",
    ]  # fmt: skip


def _written(host: str) -> list[str]:
    """Return addresses that lead to a host, or that some readers take for it."""
    return [
        f"https://{host}/", f"http://{host}/", f"https://{host}:22/", f"https://{host}:443/hook", f"//{host}/",
        f"https://shop.example.com@{host}/", f"https://shop.example.com:pw@{host}/", f"https://{host}#@shop.example.com/",
        f"https://{host}\\@shop.example.com/", f"https://shop.example.com\\@{host}/", f"https:\\\\{host}/",
        f"https://{host}%00.shop.example.com/", f"https://{host}\t/", f"https://{host}\r\nHost: shop.example.com/",
        f" https://{host}/", f"https:///{host}/", f"https:{host}", f"gopher://{host}:6379/_", f"file://{host}/etc/passwd",
        f"https://{host}?@shop.example.com/", f"ftp://{host}/",
    ]  # fmt: skip
