"""Who may speak to control. Law: a token names its bearer, serves one purpose, and soon ends."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from enum import StrEnum

from itsdangerous import BadSignature, TimestampSigner

TOKEN_BYTES_MAX = 512  # a name of 256, a time and a signature of 43, with room
SKEW_S_MAX = 30.0  # how far another machine's clock may be ahead; Kerberos allows 300


class Purpose(StrEnum):
    """What a token is good for; a token of one purpose is refused for another."""

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
