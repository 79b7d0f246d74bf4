"""Retry tokens: what a viewer repeats to show that it can be reached at its address.

Law: nothing is kept for who was sent one (RFC 9000 §8.1.2): the token says it all, and a MAC over
address, time and ids says that we made it. The key follows from the location's secret and the hour;
a token counts for some seconds, for the address and the connection id it was made for.
"""

from __future__ import annotations

import hmac
import ipaddress
from hashlib import blake2b
from typing import NamedTuple

LIFETIME_S = 15  # viewers repeat it at once (§8.1.3)
AHEAD_S = 2  # of a clock of another process
KEY_S = 3_600
_MARK = b"\x01"
_TIME_BYTES = 5
_MAC_BYTES = 16
ADDRESS_ID_BYTES_MAX = 20


class RetryOrigin(NamedTuple):
    """What a token is good for."""

    client: tuple[str, int]
    retry_id: bytes  # the id that Retry came with


class RetryTokens:
    """Tokens of all processes of a location, whose `secret` it is."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, origin: RetryOrigin, original_id: bytes, now: float) -> bytes:
        """A token; `original_id` is the id that the viewer had chosen first."""
        start = _MARK + int(now).to_bytes(_TIME_BYTES, "big") + original_id
        return start + self._mac(start, origin, int(now))

    def original_id(self, token: bytes, origin: RetryOrigin, now: float) -> bytes | None:
        """The id of `make`; None: it is forged, another's, or too old."""
        start, mac = token[:-_MAC_BYTES], token[-_MAC_BYTES:]
        known = len(start) - 1 - _TIME_BYTES
        if start[:1] != _MARK or not 0 <= known <= ADDRESS_ID_BYTES_MAX:
            return None
        made_at = int.from_bytes(start[1 : 1 + _TIME_BYTES], "big")
        if not -AHEAD_S <= int(now) - made_at <= LIFETIME_S:
            return None
        if not hmac.compare_digest(mac, self._mac(start, origin, made_at)):
            return None
        return start[1 + _TIME_BYTES :]

    def _mac(self, start: bytes, origin: RetryOrigin, made_at: int) -> bytes:
        hour = (made_at // KEY_S).to_bytes(8, "big")
        key = blake2b(hour, key=self._secret, digest_size=32, person=b"retry-tokens").digest()
        host, port = origin.client
        address = ipaddress.ip_address(host.partition("%")[0]).packed + port.to_bytes(2, "big")
        told = bytes((len(origin.retry_id), len(address))) + origin.retry_id + address + start
        return blake2b(told, key=key, digest_size=_MAC_BYTES).digest()
