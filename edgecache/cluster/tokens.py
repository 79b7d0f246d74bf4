"""Operators' tokens. Law: a token names its bearer, and soon ends.

Processes do not bear tokens: see `credentials`. No node has the keys of these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from itsdangerous import BadSignature, TimestampSigner

TOKEN_BYTES_MAX = 512  # a name of 256, a time and a signature of 43, with room
SKEW_S_MAX = 30.0  # how far another machine's clock may be ahead; Kerberos allows 300
AGE_S_MAX = 3600.0  # the default session of an AWS role
SALT = "edgecache.control.operator"


class _Signer(TimestampSigner):
    """A signer on an injected clock."""

    def __init__(self, keys: Sequence[str], clock: Callable[[], float]) -> None:
        super().__init__(list(keys), salt=SALT, key_derivation="hmac", digest_method=hashlib.sha256)
        self._clock = clock

    def get_timestamp(self) -> int:
        return int(self._clock())


class Tokens:
    """Makes and checks tokens. Signs with the last of `keys`, and accepts all of them."""

    def __init__(self, keys: Sequence[str], clock: Callable[[], float]) -> None:
        self._clock = clock
        self.use(keys)

    def use(self, keys: Sequence[str]) -> None:
        """These keys count from now on, and no others. ValueError for none, or an empty one."""
        if not keys or not all(keys):
            raise ValueError("a token needs a key")
        self._signer = _Signer(keys, self._clock)

    def issue(self, name: str) -> str:
        """A token for the bearer `name`, good from now on for `AGE_S_MAX` seconds."""
        return self._signer.sign(name).decode()

    def verify(self, token: str) -> str | None:
        """The name in a token that is ours and in time; else None."""
        if len(token) > TOKEN_BYTES_MAX or not token.isascii():
            return None
        try:
            name, made = self._signer.unsign(token, return_timestamp=True)
        except BadSignature:
            return None
        age_s = self._clock() - made.timestamp()
        return name.decode() if -SKEW_S_MAX <= age_s <= AGE_S_MAX else None

    def age_s(self, token: str) -> float:
        """How old a token that was verified is; negative where its maker's clock is ahead."""
        _, made = self._signer.unsign(token, return_timestamp=True)
        return self._clock() - made.timestamp()
