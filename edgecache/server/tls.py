"""TLS towards viewers. Law: the certificate decides which sites a connection may ask for.

Several distributions share a port, each with its certificate, chosen by the server's name in the
hello (SNI, RFC 6066 §3); a name nobody has, or none, gets the default one. A request for a site
the chosen certificate is not for is misdirected (RFC 9110 §15.5.20).
CloudFront Developer Guide, "Supported protocols and ciphers between viewers and CloudFront".
"""

from __future__ import annotations

import ssl
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime

from edgecache.cache.outcome import Refusal

HTTP_1_1 = ("http/1.1",)
HTTP_2 = "h2"
SESSIONS_MAX = 4_096  # certificates times suites; a refused one only costs its entry
MISDIRECTED = Refusal(
    421,
    "The certificate of this connection is not for the host name.",
    "InvalidRequest",
    reason="misdirected",
)
NOT_BY_HTTP_2 = Refusal(
    421,
    "The host name is served by HTTP/1.1 alone: ask on a connection of its own.",
    "InvalidRequest",
    reason="misdirected",
)
NOT_BY_HTTP_3 = Refusal(
    421,
    "The host name is not served by HTTP/3: ask on a connection of its own, over TCP.",
    "InvalidRequest",
    reason="misdirected",
)

_SHOWN = "edgecache_certificate"  # of an ssl.SSLObject: the certificate its viewer was shown
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

    `names` are those it answers to, `covers` all it is for. `http2`: these distributions allow
    HTTP/2; those that do not have a `Certificate` of their own, made of the same bytes or not.
    """

    context: ssl.SSLContext
    minimum: ssl.TLSVersion
    names: frozenset[bytes]
    covers: frozenset[bytes]
    identity: Hashable  # of what it was made of
    ends: datetime
    file: str = ""  # where it was read, if it was
    name: str = ""  # the first it is for
    begins: datetime | None = None
    http2: bool = True
    pem: tuple[bytes, bytes] = field(default=(b"", b""), repr=False)  # its chain, and its key


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

    @property
    def adequate_for_http2(self) -> bool:
        """Whether version and suite are none that RFC 9113 §9.2.2 and Appendix A forbid."""
        good = self.cipher.startswith(("ECDHE-", "DHE-"))
        return self.protocol == "TLSv1.3" or (
            good and ("GCM" in self.cipher or "CHA" in self.cipher)
        )

    def admits(self, sender: str) -> bool:
        """Whether a process that signed a message may be at the other end of it."""
        return True

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
    protocols: tuple[str, ...] = HTTP_1_1  # by ALPN (RFC 7301), the best first, where allowed
    context: ssl.SSLContext = field(init=False)
    _by_name: dict[bytes, Certificate] = field(default_factory=dict)
    _sessions: dict[tuple[Certificate, str, str, bool], Session] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.context = context_of(_V2, "")
        self.context.sni_callback = self._choose
        self.use(self.certificates)

    def use(self, certificates: tuple[Certificate, ...]) -> None:
        """Replace them from the next handshake on; open connections keep theirs."""
        self.certificates = certificates
        without = [name for name in self.protocols if name != HTTP_2]
        for one in certificates:
            one.context.set_alpn_protocols([*self.protocols] if one.http2 else without)
        self._by_name = {name: one for one in reversed(certificates) for name in one.names}
        self._sessions = {}

    def offer(self, protocols: tuple[str, ...]) -> None:
        """Offer these by ALPN from the next handshake on."""
        self.protocols = protocols
        self.use(self.certificates)

    def chosen(self, name: str | None) -> Certificate:
        """The certificate for a name of SNI: exact, wildcard, of any host, then the default."""
        host = (name or "").lower().removesuffix(".").encode("ascii", "replace")
        spellings = (host, *_wildcards(host), b"*")
        named = (self._by_name[name] for name in spellings if name in self._by_name)
        return next(named, self.certificates[0])

    def session(self, ssl_object: ssl.SSLObject) -> Session:
        """The parameters of a finished handshake."""
        # Replaced meanwhile, perhaps: it is the one that was shown which decides.
        certificate: Certificate = getattr(ssl_object, _SHOWN, None) or self.certificates[0]
        protocol, suite = ssl_object.version() or "", ssl_object.cipher()
        resumed = bool(ssl_object.session_reused)
        key = (certificate, protocol, suite[0] if suite else "", resumed)
        session = self._sessions.get(key)
        if session is None:
            refused = certificate.minimum is _V3 and protocol != "TLSv1.3"
            session = Session(*key, refused)
            if certificate in self.certificates and len(self._sessions) < SESSIONS_MAX:
                self._sessions[key] = session
        return session

    def _choose(
        self, ssl_object: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        if not self.certificates:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        certificate = self.chosen(name)
        ssl_object.context = certificate.context
        setattr(ssl_object, _SHOWN, certificate)
        return None


def context_of(minimum: ssl.TLSVersion, suites: str) -> ssl.SSLContext:
    """A server's context: no renegotiation; tickets and TLS 1.3 as they are.

    It offers HTTP/1.1, until its port offers more.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols([*HTTP_1_1])
    if suites:
        context.set_ciphers(suites)
    return context


def _wildcards(host: bytes) -> list[bytes]:
    """The wildcard aliases that lead to `host`, the longest first."""
    labels = host.split(b".")
    return [b"*." + b".".join(labels[at:]) for at in range(1, len(labels))]
