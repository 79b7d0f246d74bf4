"""Endpoints, requests for the wire, and the connector of the real network.

Law: only `Network` here opens a connection.

An *endpoint* is an address with what makes connections to it interchangeable.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from math import inf
from typing import Any, Literal, NoReturn

from cachetools import LRUCache
from msgspec import Struct
from msgspec.structs import replace

from edgecache.config.origins import Reach
from edgecache.http.message import OriginRecord, Response
from edgecache.rules.origin_addresses import Listeners, address_trouble
from edgecache.upstream.faults import Fault
from edgecache.upstream.happy_eyeballs import race
from edgecache.upstream.interface import Body
from edgecache.upstream.resolver import NameResolver

logger = logging.getLogger("edgecache.upstream")

TlsMinimum = Literal["TLSv1.2", "TLSv1.3"]

FORBIDDEN_MAX = 1_000  # origins whose refusal was told, and is not told again


class TlsName(Struct, frozen=True):
    """The name a TLS connection asks for (SNI), which the certificate must have, and who vouches.

    `ca_file` is the file of authorities, the system's when empty. Where both client files are
    named, they say who we are. `minimum` is the oldest version spoken; TLS 1.3 always is.
    """

    server_name: str
    ca_file: str = ""
    client_certificate_file: str = ""
    client_key_file: str = ""
    minimum: TlsMinimum = "TLSv1.2"
    other_name: str = ""  # which the certificate may have instead
    certificate_names: tuple[str, ...] = ()  # one of which it must have in place of both
    offers: tuple[str, ...] = ("http/1.1",)  # what it may choose from (ALPN, RFC 7301)
    is_verified: bool = True  # else whoever answers will do: of health checks alone


class Endpoint(Struct, frozen=True):
    """A TCP address, or a Unix socket when `path` is set; two equal ones share connections."""

    host: str
    port: int
    path: str | None = None
    tls: TlsName | None = None
    connections_max: int = 256  # `Origin.connections_max`
    idle_s: float = 5  # CloudFront's keep-alive timeout for custom origins
    connection_s_max: float = inf  # of age: an older one is not used again
    reach: Reach = "own"
    slow_share: float = 0.5  # of its connections, for uploads and for slow readers
    http2: bool = False  # it is asked by HTTP/2: by ALPN, without TLS by prior knowledge
    negotiates: bool = False  # by HTTP/1.1 where it does not choose HTTP/2
    tunnels: bool = False  # they hold connections for hours, and must not take those of requests

    @property
    def slow_max(self) -> int:
        """How many connections uploads may hold, and how many slow readers when others wait."""
        return max(1, int(self.connections_max * self.slow_share))

    def named(self, name: str) -> Endpoint:
        """The endpoint for who asks by TLS for `name`, which the certificate may have, too."""
        tls = self.tls
        if tls is None or not name:
            return self
        return replace(self, tls=replace(tls, server_name=name, other_name=tls.server_name))

    def by_http2(self) -> Endpoint:
        """The endpoint, to be asked by HTTP/2."""
        tls = None if self.tls is None else replace(self.tls, offers=("h2",))
        return replace(self, http2=True, negotiates=False, tls=tls)

    def by_http1(self) -> Endpoint:
        """The endpoint, to be asked by HTTP/1.1."""
        tls = None if self.tls is None else replace(self.tls, offers=("http/1.1",))
        return replace(self, http2=False, negotiates=False, tls=tls)

    def negotiated(self) -> Endpoint:
        """The endpoint, to be asked by what TLS agrees on; without TLS by HTTP/1.1."""
        if self.tls is None:
            return self
        tls = replace(self.tls, offers=("h2", "http/1.1"))
        return replace(self, http2=True, negotiates=True, tls=tls)

    @property
    def where(self) -> str:
        """For the log: the path, or `host:port`."""
        return f"unix:{self.path}" if self.path is not None else f"{self.host}:{self.port}"


class Timeouts(Struct, frozen=True):
    """How long each step may take, in seconds."""

    connect_s: float = 10  # for a connection of the pool or a new one, its handshake included
    response_s: float = 30  # from the request's end to the end of the response's head
    read_s: float = 30  # between two arrivals of body bytes


class WireRequest(Struct, frozen=True):
    """A request ready for the wire. `head` says how `body` is framed.

    Content-Length when `body.length` is known, else chunked, which the pool does. `server_name` is
    what TLS asks for in place of the endpoint's own name: the Host, where that is a viewer's.
    """

    method: bytes
    head: bytes
    body: Body | None = None
    timeouts: Timeouts = Timeouts()
    on_interim: Callable[[Response], None] | None = None
    upgrade: bool = False  # the connection may become a tunnel
    server_name: str = ""
    sign: Callable[[bytes], bytes] | None = None  # gives `head` with what is good for one sending
    record: OriginRecord | None = None  # of the request, for the log
    two_way: bool = False  # body and response at once, and trailers of both (gRPC)

    def sent_head(self) -> bytes:
        """The head as it is sent now."""
        return self.head if self.sign is None else self.sign(self.head)

    @property
    def replayable(self) -> bool:
        """May be sent again after the first sending got no byte of answer (RFC 9110 §9.2.2)."""
        return self.body is None and self.method in _IDEMPOTENT


_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})

Connector = Callable[[Endpoint, Callable[[], asyncio.Protocol]], Awaitable[asyncio.BaseTransport]]
"""Opens a connection to an endpoint for a new protocol. OSError and ssl.SSLError when it cannot."""


class Network:
    """The connector of the real world: the running loop's sockets, certificates verified.

    `listeners` are our own: no origin is there.
    """

    def __init__(self, names: NameResolver, listeners: Listeners | None = None) -> None:
        self._names = names
        self._listeners = listeners or Listeners()
        self._contexts: dict[TlsName, ssl.SSLContext] = {}
        self._told: LRUCache[str, str] = LRUCache(FORBIDDEN_MAX)
        self.refuses: Callable[[Any], bool] | None = None  # a peer, by the `ssl` object to it

    def renew(self) -> None:
        """Read certificates and authorities anew for the connections to come."""
        self._contexts.clear()

    async def __call__(
        self, endpoint: Endpoint, protocol: Callable[[], asyncio.Protocol]
    ) -> asyncio.BaseTransport:
        transport = await self._connected(endpoint, protocol)
        tls = endpoint.tls
        refuses = self.refuses if tls is not None and tls.client_certificate_file else None
        if refuses is not None and refuses(transport.get_extra_info("ssl_object")):
            transport.abort()
            raise ssl.CertificateError("its certificate is taken no more")
        if tls is not None and (tls.other_name or tls.certificate_names):
            try:
                _check_names(transport, tls)
            except BaseException:
                transport.abort()
                raise
        return transport

    async def _connected(
        self, endpoint: Endpoint, protocol: Callable[[], asyncio.Protocol]
    ) -> asyncio.Transport:
        """A connection; of two names that its certificate may have, neither is looked for yet."""
        loop = asyncio.get_running_loop()
        context = self._context(endpoint.tls)
        name = endpoint.tls.server_name if endpoint.tls else None
        if endpoint.path is not None:
            self._admit_path(endpoint, endpoint.path)
            transport, _ = await loop.create_unix_connection(
                protocol, endpoint.path, ssl=context, server_hostname=name
            )
            return transport
        addresses = self._admitted(endpoint, await self._names.addresses(endpoint.host))
        if len(addresses) == 1:
            try:
                transport, _ = await loop.create_connection(
                    protocol, addresses[0], endpoint.port, ssl=context, server_hostname=name
                )
            except (ConnectionError, TimeoutError, asyncio.CancelledError):
                self._names.unreachable(endpoint.host)
                raise
            return transport
        connected = await self._raced(endpoint, addresses)
        transport, _ = await loop.create_connection(
            protocol, sock=connected, ssl=context, server_hostname=name
        )
        return transport

    async def _raced(self, endpoint: Endpoint, addresses: tuple[str, ...]) -> socket.socket:
        """A TCP connection to the first of them that answers (RFC 8305)."""
        try:
            return await race(
                addresses,
                lambda address: _open_socket(address, endpoint.port),
                lambda address: self._names.failed(endpoint.host, address),
            )
        except (OSError, asyncio.CancelledError):
            self._names.unreachable(endpoint.host)
            raise

    def _admitted(self, endpoint: Endpoint, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """Those of an endpoint's addresses that an origin may have. ForbiddenAddressError."""
        if endpoint.reach == "own":
            return addresses
        admitted, trouble = [], ""
        for address in addresses:
            why = address_trouble(address, endpoint.reach)
            if not why and self._listeners.has(address, endpoint.port):
                why = "an address of our own"
            if why:
                trouble = f"{address} is {why}"
            else:
                admitted.append(address)
        if not admitted:
            self._refuse(endpoint.where, trouble)
        return tuple(admitted)

    def _admit_path(self, endpoint: Endpoint, path: str) -> None:
        """ForbiddenAddressError where no origin may be."""
        if endpoint.reach == "public":
            self._refuse(endpoint.where, "a socket is taken from a file alone")
        ours = map(os.path.realpath, self._listeners.paths)
        if endpoint.reach != "own" and os.path.realpath(path) in ours:
            self._refuse(endpoint.where, "it is an address of our own")

    def _refuse(self, where: str, trouble: str) -> NoReturn:
        if self._told.get(where) != trouble:  # once: it is asked for again and again
            self._told[where] = trouble
            logger.error("the origin %s is not asked: %s", where, trouble)
        raise ForbiddenAddressError(trouble)

    def _context(self, tls: TlsName | None) -> ssl.SSLContext | None:
        if tls is None:
            return None
        several = "*" if tls.other_name or tls.certificate_names else ""
        wanted = replace(tls, server_name="", other_name=several, certificate_names=())
        context = self._contexts.get(wanted)
        if context is None:
            context = self._contexts[wanted] = _tls_context(wanted)
        return context


async def _open_socket(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:
        made.close()
        raise
    return made


def is_local(address: str) -> bool:
    """Whether an address is this machine's: then the way to it begins there. Sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as way:
        try:
            way.connect((address, 9))  # RFC 863's port: any would do
        except OSError:
            return False
        return bool(way.getsockname()[0] == address)


def _tls_context(wanted: TlsName) -> ssl.SSLContext:
    """A context that verifies servers and shows our certificate. ssl.SSLError for bad files."""
    try:
        context = ssl.create_default_context(cafile=wanted.ca_file or None)
        if wanted.client_certificate_file:
            context.load_cert_chain(
                wanted.client_certificate_file, wanted.client_key_file, password=_no_password
            )
    except OSError as error:
        raise ssl.SSLError(*error.args) from error
    context.minimum_version = _MINIMUM[wanted.minimum]
    context.check_hostname = wanted.is_verified and not wanted.other_name  # OpenSSL's knows one
    if not wanted.is_verified:
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([*wanted.offers])
    return context


_MINIMUM = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def _check_names(transport: asyncio.BaseTransport, tls: TlsName) -> None:
    """ssl.CertificateError where a connection's certificate is for none of its names."""
    certificate = transport.get_extra_info("peercert") or {}
    if tls.certificate_names:
        if not has_allowed_name(certificate, tls.certificate_names):
            raise ssl.CertificateError(f"names none of {', '.join(tls.certificate_names)}")
        return
    if not has_name(certificate, tls.server_name, tls.other_name):
        raise ssl.CertificateError(f"names neither {tls.server_name} nor {tls.other_name}")


def has_name(certificate: dict[str, Any], *names: str) -> bool:
    """Whether a certificate, as `ssl` decodes it, is for one of these names or addresses.

    RFC 9525 §6.3: alternative names alone, and `*` stands for one whole leftmost label. What it
    lists as an address and is none (`ssl` says `<invalid>`) is passed over.
    """
    listed = certificate.get("subjectAltName", ())
    domains = {name.lower() for kind, name in listed if kind == "DNS"}
    addresses = {_address(name) for kind, name in listed if kind == "IP Address"} - {None}
    for name in names:
        if (address := _address(name)) is not None:
            if address in addresses:
                return True
            continue
        domain = name.lower().rstrip(".")
        parent = domain.partition(".")[2]
        if domain in domains or ("." in parent and f"*.{parent}" in domains):
            return True
    return False


def has_allowed_name(certificate: dict[str, Any], names: tuple[str, ...]) -> bool:
    """Whether a certificate is for one of these; `*.` stands for one label of a name it has."""
    listed = certificate.get("subjectAltName", ())
    domains = {name.lower() for kind, name in listed if kind == "DNS"}
    parents = {domain.partition(".")[2] for domain in domains}  # of `*.` in it, too
    wild = {name.lower().removeprefix("*.") for name in names if name.startswith("*.")}
    plain = [name for name in names if not name.startswith("*.")]
    return has_name(certificate, *plain) or not wild.isdisjoint(parents)


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _no_password() -> str:
    """OpenSSL would ask at the terminal for the password of an encrypted key."""
    return ""


class ForbiddenAddressError(OSError):
    """An origin is where none may be; the message says which address, and why not."""


# What has run out here says nothing of whom we wanted to reach.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def connect_fault(error: BaseException) -> Fault:
    """What a failure to connect is called."""
    if isinstance(error, OSError) and error.errno in _OURS:
        return Fault.BUSY
    if isinstance(error, ForbiddenAddressError):
        return Fault.FORBIDDEN
    if isinstance(error, ssl.SSLError | ssl.CertificateError):
        unspoken = "NO_APPLICATION_PROTOCOL" in (getattr(error, "reason", None) or "")
        return Fault.NOT_HTTP2 if unspoken else Fault.TLS  # RFC 7301 §3.2
    if isinstance(error, socket.gaierror | UnicodeError):  # a label no DNS name may have
        return Fault.NAME
    return Fault.CONNECT_TIMEOUT if isinstance(error, TimeoutError) else Fault.REFUSED
