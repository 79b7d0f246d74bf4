"""Signed tokens of processes, operators and tiers. Law: a token names its bearer, and soon ends.

A token serves one purpose. Peer credentials are tokens by which a tier proves to another that both
are of one installation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from enum import StrEnum

from cachetools import TTLCache
from itsdangerous import BadSignature, TimestampSigner

TOKEN_BYTES_MAX = 512  # a name of 256, a time and a signature of 43, with room
SKEW_S_MAX = 30.0  # how far another machine's clock may be ahead; Kerberos allows 300

RENEW_S = 20.0  # a third of what a token is good for, so that none arrives too old
KNOWN_MAX = 4_096  # credentials seen good lately: four generations of a thousand nodes
KNOWN_S = 10.0  # how long a good one is not checked again; it may outlive its end by this


class Purpose(StrEnum):
    """Purpose of a token; a token of one purpose is refused for another."""

    NODE = "node"  # to follow the log and report
    OPERATOR = "operator"  # to change what is published
    PEER = "peer"  # a tier to the next one


AGE_S_MAX = {
    Purpose.NODE: 60.0,  # made anew for every request
    Purpose.OPERATOR: 3600.0,  # the default session of an AWS role
    Purpose.PEER: 60.0,  # made anew three times as often
}


class _Signer(TimestampSigner):
    """A signer on an injected clock."""

    def __init__(self, keys: Sequence[str], purpose: Purpose, clock: Callable[[], float]) -> None:
        super().__init__(
            list(keys),
            salt=f"edgecache.control.{purpose}",
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )
        self._clock = clock

    def get_timestamp(self) -> int:
        return int(self._clock())


class Tokens:
    """Makes and checks tokens. Signs with the last of `keys`, and accepts all of them."""

    def __init__(self, keys: Sequence[str], clock: Callable[[], float]) -> None:
        if not keys or not all(keys):
            raise ValueError("a token needs a key")
        self._clock = clock
        self._signers = {purpose: _Signer(keys, purpose, clock) for purpose in Purpose}

    def issue(self, purpose: Purpose, name: str) -> str:
        """A token for the bearer `name`, good from now on for `AGE_S_MAX` seconds."""
        return self._signers[purpose].sign(name).decode()

    def verify(self, purpose: Purpose, token: str) -> str | None:
        """The name in a token that is ours, for this purpose and in time; else None."""
        if len(token) > TOKEN_BYTES_MAX or not token.isascii():
            return None
        try:
            name, made = self._signers[purpose].unsign(token, return_timestamp=True)
        except BadSignature:
            return None
        age_s = self._clock() - made.timestamp()
        in_time = -SKEW_S_MAX <= age_s <= AGE_S_MAX[purpose]
        return name.decode() if in_time else None


class PeerCredentials:
    """Issues this process's credential and admits those of others."""

    def __init__(self, tokens: Tokens, name: str, clock: Callable[[], float]) -> None:
        self._tokens = tokens
        self._name = name
        self._clock = clock
        self._issued = b""
        self._issued_at = float("-inf")
        self._known: TTLCache[bytes, bool] = TTLCache(KNOWN_MAX, KNOWN_S, timer=clock)

    def issue(self) -> bytes:
        """The credential to send now; the same one for a while."""
        now = self._clock()
        if not 0 <= now - self._issued_at < RENEW_S:
            self._issued = self._tokens.issue(Purpose.PEER, self._name).encode()
            self._issued_at = now
        return self._issued

    def admits(self, credential: bytes) -> bool:
        """Whether a credential is ours and in time. Only good ones are remembered."""
        if credential in self._known:
            return True
        good = self._tokens.verify(Purpose.PEER, credential.decode("latin-1")) is not None
        if good:
            self._known[credential] = True
        return good
