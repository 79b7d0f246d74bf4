"""Peer credentials: how a tier proves to another that both are of one installation."""

from __future__ import annotations

from collections.abc import Callable

from cachetools import TTLCache

from edgecache.cluster.tokens import Purpose, Tokens

RENEW_S = 20.0  # a third of what a token is good for, so that none arrives too old
KNOWN_MAX = 4_096  # credentials seen good lately: four generations of a thousand nodes
KNOWN_S = 10.0  # how long a good one is not checked again; it may outlive its end by this


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
