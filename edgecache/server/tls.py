"""TLS towards viewers. Law: the certificate decides which sites a connection may ask for.

Several distributions share a port, each with its certificate, chosen by the server's name in the
hello (SNI, RFC 6066 §3); a name nobody has, or none, gets the default one. A request for a site
the chosen certificate is not for is misdirected (RFC 9110 §15.5.20).
CloudFront Developer Guide, "Supported protocols and ciphers between viewers and CloudFront".
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from edgecache.cache.outcome import Refusal
from edgecache.config.model import Config, Distribution, UnavailableSite
from edgecache.config.refused_distributions import names_of
from edgecache.server.dev_certificate import (
    LOCAL,
    RENEW_DAYS,
    DevelopmentCertificate,
    alternative_names,
    development,
)

SESSIONS_MAX = 4_096  # certificates times suites; a refused one only costs its entry
MISDIRECTED = Refusal(
    421, "The certificate of this connection is not for the host name.", "InvalidRequest"
)

_V2, _V3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
_AEAD = "ECDHE+AESGCM:ECDHE+CHACHA20"
_SHA2 = f"{_AEAD}:ECDHE+AES+SHA256:ECDHE+AES+SHA384"

# RFC 8996 retires what is older than TLS 1.2, and OpenSSL 3 does not speak it at its default
# security level: the older policies mean 1.2 here, with every suite OpenSSL still offers.
POLICIES: dict[str, tuple[ssl.TLSVersion, str]] = {
    "SSLv3": (_V2, ""),
    "TLSv1": (_V2, ""),
    "TLSv1_2016": (_V2, ""),
    "TLSv1.1_2016": (_V2, ""),
    "TLSv1.2_2018": (_V2, f"{_SHA2}:AESGCM:AES128-SHA256"),
    "TLSv1.2_2019": (_V2, _SHA2),
    "TLSv1.2_2021": (_V2, _AEAD),
    "TLSv1.2_2025": (_V2, _AEAD),
    "TLSv1.3_2025": (_V3, ""),
}
"""CloudFront's security policies: the oldest version, and the suites of TLS 1.2 ("": OpenSSL's)."""


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """A certificate and the distributions that share it.

    `names` are those it answers to, `covers` all it is for.
    """

    context: ssl.SSLContext
    minimum: ssl.TLSVersion
    names: frozenset[bytes]
    covers: frozenset[bytes]
    identity: Hashable  # of what it was made of
    ends: datetime


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """TLS session parameters of a connection; one object per combination, compared by identity."""

    certificate: Certificate
    protocol: str  # as CloudFront logs it: TLSv1.3
    cipher: str
    resumed: bool
    refused: bool = False  # older than the certificate's policy admits

    @property
    def told(self) -> bytes:
        """The value of CloudFront-Viewer-TLS."""
        handshake = "sessionResumed" if self.resumed else "fullHandshake"
        return f"{self.protocol}:{self.cipher}:{handshake}".encode()

    def covers(self, host: bytes) -> bool:
        """Whether the certificate is for `host` (lower case, no port)."""
        covers = self.certificate.covers
        if host in covers or b"*" in covers or b"*." + host.partition(b".")[2] in covers:
            return True  # a wildcard of a certificate is for one label (RFC 9525 §6.3)
        return any(name in self.certificate.names for name in _wildcards(host))


@dataclass(slots=True, eq=False)
class TlsPort:
    """The certificates of one port, and the context that chooses among them."""

    certificates: tuple[Certificate, ...] = ()  # the first is the default
    context: ssl.SSLContext = field(init=False)
    _by_name: dict[bytes, Certificate] = field(default_factory=dict)
    _by_context: dict[ssl.SSLContext, Certificate] = field(default_factory=dict)
    _sessions: dict[tuple[Certificate, str, str, bool], Session] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.context = context_of(_V2, "")
        self.context.sni_callback = self._choose
        self.use(self.certificates)

    def use(self, certificates: tuple[Certificate, ...]) -> None:
        """Replace them from the next handshake on; open connections keep theirs."""
        self.certificates = certificates
        self._by_name = {name: one for one in reversed(certificates) for name in one.names}
        self._by_context = {one.context: one for one in certificates}
        self._sessions = {}

    def chosen(self, name: str | None) -> Certificate:
        """The certificate for a name of SNI: exact, wildcard, of any host, then the default."""
        host = (name or "").lower().removesuffix(".").encode("ascii", "replace")
        spellings = (host, *_wildcards(host), b"*")
        named = (self._by_name[name] for name in spellings if name in self._by_name)
        return next(named, self.certificates[0])

    def session(self, ssl_object: ssl.SSLObject) -> Session:
        """The parameters of a finished handshake."""
        certificate = self._by_context.get(ssl_object.context) or self.certificates[0]
        protocol, suite = ssl_object.version() or "", ssl_object.cipher()
        resumed = bool(ssl_object.session_reused)
        key = (certificate, protocol, suite[0] if suite else "", resumed)
        session = self._sessions.get(key)
        if session is None:
            refused = certificate.minimum is _V3 and protocol != "TLSv1.3"
            session = Session(*key, refused)
            if len(self._sessions) < SESSIONS_MAX:
                self._sessions[key] = session
        return session

    def _choose(
        self, ssl_object: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        if not self.certificates:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        ssl_object.context = self.chosen(name).context
        return None


def context_of(minimum: ssl.TLSVersion, suites: str) -> ssl.SSLContext:
    """A server's context: HTTP/1.1 only, no renegotiation; tickets and TLS 1.3 as they are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    if suites:
        context.set_ciphers(suites)
    return context


def load_certificates(
    config: Config, now: datetime, former: Iterable[Certificate] = ()
) -> tuple[Certificate, ...]:
    """The certificates of every enabled distribution, the default one first.

    Distributions with the same file and policy share one; each that names no file has a
    development certificate of its own. What has not changed is taken from `former`. OSError
    (ssl.SSLError is one) when a file cannot be read or is no certificate with its key.
    """
    known = {one.identity: one for one in former if one.ends > now + timedelta(days=RENEW_DAYS)}
    wanted = [_Wanted.of(one) for one in config.distributions if one.enabled]
    wanted += [_Wanted.of_unavailable(one) for one in config.unavailable if one.enabled]
    theirs = _from_files([one for one in wanted if one.certificate_file], known)
    without = [one for one in wanted if not one.certificate_file]
    if wanted and not without:
        return theirs
    names = [name for one in without for name in one.names]
    made = development(config.state_dir, names, now)
    default = _Source(made.default, b"", "TLSv1").loaded(frozenset(), known)
    ours = [_development(one, made, known) for one in without]
    return (default, *ours, *theirs)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What decides about the certificate of a distribution. Names are in lower case."""

    names: tuple[str, ...]
    policy: str
    certificate_file: str
    key_file: str

    @classmethod
    def of(cls, one: Distribution) -> _Wanted:
        given = one.viewer_certificate
        names = tuple(name.lower() for name in names_of(one))
        policy = given.minimum_protocol_version
        return cls(names, policy, given.certificate_file, given.key_file)

    @classmethod
    def of_unavailable(cls, one: UnavailableSite) -> _Wanted:
        """Its names answer 503, by a certificate that its viewers trust."""
        names = tuple(name.lower() for name in one.names)
        return cls(names, "TLSv1", one.certificate_file, one.key_file)


@dataclass(frozen=True, slots=True)
class _Source:
    """PEM bytes of a certificate and, where it is not among them, of its key; and a policy."""

    certificate: bytes
    key: bytes
    policy: str

    def loaded(
        self,
        names: frozenset[bytes],
        known: Mapping[Hashable, Certificate],
        identity: Hashable = None,
    ) -> Certificate:
        """The certificate in a context of its own, or in the one that is known."""
        identity = identity or (self, names)
        if identity in known:
            return known[identity]
        minimum, suites = POLICIES.get(self.policy, (_V3, ""))
        context = context_of(minimum, suites)
        with _file_of(self.certificate) as path, _file_of(self.key or self.certificate) as key:
            context.load_cert_chain(path, key)
        found = x509.load_pem_x509_certificate(self.certificate)
        covers = names | frozenset(_bytes(alternative_names(found)))
        return Certificate(context, minimum, names, covers, identity, found.not_valid_after_utc)


def _from_files(
    wanted: Sequence[_Wanted], known: Mapping[Hashable, Certificate]
) -> tuple[Certificate, ...]:
    """One for each file and policy, for the names of all that share it."""
    names: dict[_Source, set[bytes]] = {}
    for one in wanted:
        key = Path(one.key_file).read_bytes() if one.key_file else b""
        source = _Source(Path(one.certificate_file).read_bytes(), key, one.policy)
        names.setdefault(source, set()).update(_bytes(one.names))
    return tuple(source.loaded(frozenset(held), known) for source, held in names.items())


def _development(
    one: _Wanted, made: DevelopmentCertificate, known: Mapping[Hashable, Certificate]
) -> Certificate:
    """Of a distribution's own names; the authority's key says whose it is."""
    identity = (one.names, one.policy, made.default)
    if identity in known:
        return known[identity]
    local = LOCAL if "*" in one.names or not one.names else ()
    source = _Source(made.certificate((*one.names, *local)), b"", one.policy)
    return source.loaded(frozenset(_bytes(one.names)), known, identity)


@contextmanager
def _file_of(data: bytes) -> Iterator[str]:
    """A path to bytes that are on no disk: OpenSSL's readers want one."""
    descriptor = os.memfd_create("edgecache-tls")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _wildcards(host: bytes) -> list[bytes]:
    """The wildcard aliases that lead to `host`, the longest first."""
    labels = host.split(b".")
    return [b"*." + b".".join(labels[at:]) for at in range(1, len(labels))]


def _bytes(names: Iterable[str]) -> Iterable[bytes]:
    return (name.lower().encode("ascii") for name in names)
