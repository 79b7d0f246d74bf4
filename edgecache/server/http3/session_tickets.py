"""Session tickets: what a viewer resumes TLS with, and may send its first requests under (0-RTT).

Law: nothing is kept for who was given one: all of it is in the ticket, sealed with a key that
follows from the location's secret and the hour, so that each of its workers opens it (RFC 8446
§4.6.1). It counts for the name it was given under, for an hour, and while what viewers were told
stands: windows and SETTINGS that early requests are made by may not shrink (RFC 9000 §7.4.1, RFC
9114 §7.2.4.2). Early data is taken where the viewer's age of the ticket agrees with ours, and of
each hello once in a process (RFC 8446 §8): else the handshake is a full one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LIFETIME_S = 3_600  # of at most seven days (RFC 8446 §4.6.1)
AGE_ERROR_S_MAX = 10.0  # of a viewer's clock and its way here (§8.3)
HELLOS_MAX = 1_000  # remembered, of which early data was taken; where there is no room it is not
_HOUR_BYTES, _NONCE_BYTES, _AGE_MODULUS = 4, 12, 1 << 32
_FACTS = struct.Struct(">HIQB")  # suite, what is added to the age, when it was given, secret's size


class TicketFacts(NamedTuple):
    """What a ticket says."""

    cipher_suite: int
    age_added: int  # to the age that a viewer tells, in milliseconds
    issued_ms: int  # epoch
    secret: bytes  # of resumption
    name: str  # that its viewer asked for (SNI)


class SessionTickets:
    """Tickets of all processes of a location, whose `secret` it is, and hellos that came to one.

    `context` is what viewers are told of windows and SETTINGS; `clock` gives epoch seconds.
    """

    def __init__(
        self,
        secret: bytes,
        context: bytes,
        clock: Callable[[], float],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._secret, self._context = secret, context
        self._clock, self._random_bytes = clock, random_bytes
        self._hellos: dict[bytes, float] = {}  # when they came (epoch seconds), the oldest first

    def age_added(self) -> int:
        """What a ticket's viewer is to add to its age, so that nobody else can read it."""
        return int.from_bytes(self._random_bytes(4), "big")

    @property
    def now_ms(self) -> int:
        """Epoch milliseconds."""
        return int(self._clock() * 1_000)

    def seal(self, facts: TicketFacts) -> bytes:
        """A ticket."""
        name = facts.name.encode()
        head = _FACTS.pack(facts.cipher_suite, facts.age_added, facts.issued_ms, len(facts.secret))
        hour = self._hour().to_bytes(_HOUR_BYTES, "big")
        nonce = self._random_bytes(_NONCE_BYTES)
        return hour + nonce + self._cipher(hour).encrypt(nonce, head + facts.secret + name, hour)

    def open(self, ticket: bytes, name: str) -> TicketFacts | None:
        """What a ticket says; None: it is forged, too old, for another name or other settings."""
        hour, nonce = ticket[:_HOUR_BYTES], ticket[_HOUR_BYTES : _HOUR_BYTES + _NONCE_BYTES]
        if len(nonce) < _NONCE_BYTES or not 0 <= self._hour() - int.from_bytes(hour, "big") <= 1:
            return None
        try:
            plain = self._cipher(hour).decrypt(nonce, ticket[_HOUR_BYTES + _NONCE_BYTES :], hour)
        except InvalidTag:
            return None
        suite, age_added, issued_ms, size = _FACTS.unpack_from(plain)
        secret = plain[_FACTS.size : _FACTS.size + size]
        named = plain[_FACTS.size + size :].decode()
        facts = TicketFacts(suite, age_added, issued_ms, secret, named)
        is_fresh = 0 <= self.now_ms - issued_ms <= LIFETIME_S * 1_000
        return facts if is_fresh and facts.name == name else None

    def admits_early(self, facts: TicketFacts, told_age: int, binder: bytes) -> bool:
        """Whether early data of a hello is taken: its ticket's age is right, and it came once."""
        now = self._clock()
        age_ms = (told_age - facts.age_added) % _AGE_MODULUS
        if abs(age_ms - (self.now_ms - facts.issued_ms)) > AGE_ERROR_S_MAX * 1_000:
            return False
        for hello, came_at in list(self._hellos.items()):
            if now - came_at <= 2 * AGE_ERROR_S_MAX:  # who comes later is told so by its age
                break
            del self._hellos[hello]
        if binder in self._hellos or len(self._hellos) >= HELLOS_MAX:
            return False
        self._hellos[binder] = now
        return True

    def _hour(self) -> int:
        return int(self._clock()) // LIFETIME_S

    def _cipher(self, hour: bytes) -> AESGCM:
        told, person = hour + self._context, b"session-tickets"
        return AESGCM(blake2b(told, key=self._secret, digest_size=32, person=person).digest())
