"""Addresses to listen on, parsed and compared. Law: `HOST:PORT` or `unix:NAME`, nothing else.

`listen` is what a process binds, `advertise` what others connect to.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from edgecache.config.model import Bucket, Config, Control, Location, RegionalCache

PATH_BYTES_MAX = 107  # sun_path holds 108 with its final NUL (unix(7))
_TCP = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_UNIX_NAME = re.compile(r"/?[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host name or address (IPv6 without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"

    @property
    def name(self) -> str:
        """The host as it stands in a URL or in Host: IPv6 in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def is_loopback(self) -> bool:
        """Whether nobody on another machine can reach it, as far as it says so itself."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def is_any(self) -> bool:
        """Whether it is every address of the machine, and so the name of none."""
        return self.host in _ANY

    @property
    def url(self) -> str:
        """The URL by which a client on this machine reaches it: any-address becomes loopback."""
        return f"http://{self.reached}"

    @property
    def reached(self) -> TcpAddress:
        """The address by which a client on this machine reaches it."""
        return TcpAddress(_ANY.get(self.host, self.host), self.port)


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket's path: absolute, or relative to the current folder as `state_dir` is."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class UdpAddress:
    """Where datagrams come: a host name or address (IPv6 without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"udp:{TcpAddress(self.host, self.port)}"


StreamAddress = TcpAddress | UnixAddress
Address = StreamAddress | UdpAddress


class ViewerPorts(NamedTuple):
    """The ports of a location: where it listens, and where redirect-to-https sends viewers.

    `redirect` 0: what can be told from the port that a viewer named. `quic` is where viewers find
    HTTP/3; 0: nowhere.
    """

    http: int = 80
    https: int = 443
    redirect: int = 0
    quic: int = 0


def parse_listen(text: str, state_dir: str) -> StreamAddress:
    """Parse an address; `unix:NAME` stands in `state_dir`. ValueError says what is wrong."""
    if text.startswith("unix:"):
        return _parse_unix(text.removeprefix("unix:"), state_dir)
    match = _TCP.fullmatch(text)
    if match is None:
        raise ValueError("is not HOST:PORT or unix:NAME")
    port = int(match[2])
    if not 1 <= port <= 65_535:
        raise ValueError("has a port outside 1 to 65535")
    return TcpAddress(match[1].strip("[]"), port)


def _parse_unix(name: str, state_dir: str) -> UnixAddress:
    if not _UNIX_NAME.fullmatch(name) or ".." in name.split("/"):
        raise ValueError("is not HOST:PORT or unix:NAME")
    path = str(PurePosixPath(state_dir) / name)
    if len(path.encode()) > PATH_BYTES_MAX:
        raise ValueError(f"makes a socket path longer than {PATH_BYTES_MAX} bytes: {path}")
    return UnixAddress(path)


def tcp_address(text: str) -> TcpAddress:
    """A checked `HOST:PORT`. ValueError for anything else."""
    address = parse_listen(text, "")
    if isinstance(address, UnixAddress):
        raise ValueError("is not HOST:PORT")
    return address


def advertised(part: Control | RegionalCache | Location, state_dir: str) -> StreamAddress:
    """Where other processes reach a part: `advertise`, else where it listens.

    Every address becomes loopback, which is right on its own machine alone.
    """
    address = parse_listen(part.advertise or part.listen, state_dir)
    return address.reached if isinstance(address, TcpAddress) else address


def names_no_machine(part: Control | RegionalCache | Location | None) -> bool:
    """Whether others cannot know where to reach a part: it listens everywhere, and says no more."""
    if part is None or part.advertise or part.listen.startswith("unix:"):
        return False
    return tcp_address(part.listen).is_any


def control_names(config: Config, machine: str) -> tuple[str, ...]:
    """The Hosts control is asked by without a proof, beside loopback; `machine`: its host name."""
    control = config.control
    if control is None:
        return ()
    addresses = [tcp_address(text) for text in (control.listen, control.advertise) if text]
    own = [address.name for address in addresses if not address.is_any]
    return (*own, *([machine] if machine else []), *control.names)


def speaks_tls(part: Control | RegionalCache | None, config: Config) -> bool:
    """Whether control or the regional cache speaks TLS where it listens: see `Cluster`."""
    if part is None or not config.cluster.mutual_tls:
        return False
    return reaches_out(parse_listen(part.listen, config.state_dir))


def reaches_out(address: Address) -> bool:
    """Whether other machines may reach who listens at `address`."""
    return isinstance(address, TcpAddress) and not address.is_loopback


def dns_addresses(config: Config) -> list[Address]:
    """Where the name server of a configuration that has passed the checks answers, if it has one:
    at each address by UDP and by TCP.
    """
    settings = config.dns
    listening = [] if settings is None else [tcp_address(text) for text in settings.listen]
    datagrams = [UdpAddress(one.host, one.port) for one in listening]
    return [*datagrams, *listening]


def viewer_ports(location: Location) -> ViewerPorts:
    """The ports of a location that has passed the checks."""
    plain = parse_listen(location.listen, "")
    secure = tcp_address(location.listen_tls).port if location.listen_tls else 443
    port = plain.port if isinstance(plain, TcpAddress) else 80
    quic = 0 if quic_address(location) is None else location.redirect_port or secure
    return ViewerPorts(port, secure, location.redirect_port, quic)


def quic_address(location: Location) -> UdpAddress | None:
    """Where a location that has passed the checks speaks HTTP/3, if it does: its TLS's, by UDP."""
    if "h3" not in location.spoken or not location.listen_tls:
        return None
    secure = tcp_address(location.listen_tls)
    return UdpAddress(secure.host, secure.port)


def overlaps(one: Address, other: Address) -> bool:
    """Whether both cannot be listened on at once: the same, or any-address on the same port."""
    if isinstance(one, TcpAddress) and isinstance(other, TcpAddress):
        same_host = one.host == other.host or one.host in _ANY or other.host in _ANY
        return one.port == other.port and same_host
    return one == other


def bucket_hosts(bucket: Bucket) -> tuple[str, ...]:
    """The names the bucket may be asked by: where it listens, and those of the setting.

    What was signed for any other origin opens nothing here.
    """
    address = tcp_address(bucket.listen)
    own = () if address.is_any else (address.name,)
    return (*own, *(("localhost",) if address.is_loopback else ()), *bucket.hosts)
