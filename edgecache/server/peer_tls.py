"""TLS towards other tiers of ours. Law: who shows no certificate of this installation says nothing.

The certificate's place must be the one that each credential names: an edge's opens nothing to
another location.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from edgecache.cluster.certificates import CertificateFile, PeerCertificate, shown_certificate
from edgecache.cluster.credentials import CONTROL, is_edge, is_regional, place_of
from edgecache.server.tls import Certificate, Session, TlsPort


@dataclass(frozen=True, slots=True, eq=False)
class PeerSession(Session):
    """A connection of another tier; `shown` is its certificate."""

    shown: PeerCertificate | None = None

    @property
    def told(self) -> bytes:
        """Nothing: what a viewer's connection is the edge has said."""
        return b""

    def covers(self, host: bytes) -> bool:
        """A tier asks for every site."""
        return True

    def admits(self, sender: str) -> bool:
        """Whether `sender`, a process that signed a message, is of the certificate's place."""
        return self.shown is not None and place_of(sender) == self.shown.identity.place


class PeerTlsPort(TlsPort):
    """The port of a regional cache: `held` is its certificate, `clock` gives epoch seconds."""

    def __init__(self, held: CertificateFile, clock: Callable[[], float]) -> None:
        self.held = held
        self.revoked: frozenset[str] = frozenset()
        self._clock = clock
        self.certificates = ()
        self.context = held.server
        context = held.server
        self._any = Certificate(
            context, ssl.TLSVersion.TLSv1_3, frozenset(), frozenset({b"*"}), None,
            datetime.max.replace(tzinfo=UTC),
        )  # fmt: skip

    def session(self, ssl_object: ssl.SSLObject) -> Session:
        """The parameters of a finished handshake; refused for who may not ask."""
        shown, suite = shown_certificate(ssl_object), ssl_object.cipher()
        protocol = ssl_object.version() or ""
        refused = shown is None or not self.is_good(shown)
        return PeerSession(self._any, protocol, suite[0] if suite else "", False, refused, shown)

    def is_good(self, shown: PeerCertificate) -> bool:
        """Whether a certificate is a cache's or control's, and is still taken."""
        place = shown.identity.place
        if (
            not (is_edge(place) or is_regional(place) or place == CONTROL)
            or shown.identity.node in self.revoked
        ):
            return False
        return self._clock() < shown.ends
