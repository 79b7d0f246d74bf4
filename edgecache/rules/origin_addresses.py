"""Addresses an origin may have: the defense against SSRF and DNS rebinding.

Law: they are judged as connected to, never as written. A name says nothing of where it leads, and
an address has many spellings; what counts is what a look-up gave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from edgecache.config.listen import Address, TcpAddress, UnixAddress
from edgecache.config.origins import Reach

_Network = IPv4Network | IPv6Network


def _networks(text: str) -> tuple[_Network, ...]:
    return tuple(map(ip_network, text.split()))


# RFC 3927, RFC 4291 §2.5.6; the last is where EC2 tells instances their credentials over IPv6.
_LINK_LOCAL = _networks("169.254.0.0/16 fe80::/10 fd00:ec2::254/128")
# RFC 1122 §3.2.1.3, RFC 4291 §2.5.3.
_THIS_HOST = _networks("0.0.0.0/8 ::/128")
_LOOPBACK = (*_networks("127.0.0.0/8 ::1/128"), *_THIS_HOST)
# RFC 1918, RFC 6598, RFC 4193, RFC 3879; of RFC 6890 what no public server has either: protocol
# assignments (a cloud tells instances their credentials there), benchmarks, the reserved block, and
# a network's own NAT64 (RFC 8215), behind which any IPv4 address may be.
_PRIVATE = _networks(
    "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7 fec0::/10"
    " 192.0.0.0/24 198.18.0.0/15 240.0.0.0/4 64:ff9b:1::/48"
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052


def address_trouble(address: str, reach: Reach) -> str:
    """The kind of a forbidden address, empty when it is allowed. ValueError if it is none."""
    if reach == "own":
        return ""
    plain = _plain(address)
    if _within(plain, _LINK_LOCAL):
        return "a link-local address"
    if reach == "public" and _within(plain, _LOOPBACK):
        return "a loopback address"
    return "a private address" if reach == "public" and _within(plain, _PRIVATE) else ""


def _plain(address: str) -> IPv4Address | IPv6Address:
    """The address meant: an IPv4 address that is written as one of IPv6 is that address."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return found.ipv4_mapped
        if found.sixtofour is not None:
            return found.sixtofour
        if found in _NAT64:
            return IPv4Address(int(found) & 0xFFFF_FFFF)
    return found


def _within(address: IPv4Address | IPv6Address, networks: Iterable[_Network]) -> bool:
    return any(address in network for network in networks)


class Listeners:
    """Where we listen ourselves. `is_local` says whether an address is one of this machine's."""

    def __init__(
        self, addresses: Iterable[Address] = (), is_local: Callable[[str], bool] = lambda _: False
    ) -> None:
        tcp = [one for one in addresses if isinstance(one, TcpAddress)]
        self.paths = frozenset(one.path for one in addresses if isinstance(one, UnixAddress))
        self._is_local = is_local
        self._exact = frozenset((_host(one.host), one.port) for one in tcp)
        # On every address of this machine, or on one that only a look-up knows.
        self._ports = frozenset(one.port for one in tcp if not _is_single(one.host))

    def has(self, address: str, port: int) -> bool:
        """Whether a connection there would be one to ourselves."""
        plain = _plain(address)
        if (str(plain), port) in self._exact:
            return True
        if _within(plain, _THIS_HOST):  # whatever listens on loopback
            return any(port == known for _, known in self._exact)
        if port not in self._ports:
            return False
        return _within(plain, _LOOPBACK) or self._is_local(str(plain))


def _host(host: str) -> str:
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(_plain(host))
    except ValueError:
        return host


def _is_single(host: str) -> bool:
    """Whether it is one address, not all of a machine, nor a name."""
    try:
        found = _plain(host)
    except ValueError:
        return False
    return not found.is_unspecified
