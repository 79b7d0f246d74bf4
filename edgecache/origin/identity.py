"""Origin access identity: signer and verifier of requests to origins, by HMAC-SHA-256.

Law: a signature opens one method, host and target, for one window. CloudFront: "Restrict access to
an Amazon S3 origin" is the idea; the signature is itsdangerous'. The field is
`x-edgecache-identity: <key id>.<epoch seconds>.<base64url of HMAC-SHA-256>`; a third part before
the signature names the origin access identity we come as, for policies of buckets. What it does
not bind: the body, and the other fields. Imports nothing of ours.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from enum import StrEnum

from itsdangerous import Signer

HEADER = b"x-edgecache-identity"
SALT = b"edgecache.origin.identity"
WINDOW_S = 60  # the clocks of two machines differ by less, and a stolen field soon opens nothing
KEYS_MAX = 16  # as many as a rotation ever overlaps; each costs two hashes at start

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VALUE = re.compile(
    rb"(([A-Za-z0-9_-]{1,64})\.([0-9]{1,12})(?:\.([A-Za-z0-9_-]{1,64}))?)\.([A-Za-z0-9_-]{43})"
)


class IdentityVerdict(StrEnum):
    """Verdict on a request's identity, and so why a gate stays shut."""

    OK = "ok"
    MISSING = "missing"
    MALFORMED = "malformed"  # not of our form, or more than one
    UNKNOWN_KEY = "unknown-key"
    BAD_SIGNATURE = "bad-signature"  # another key, or another method, host, target or time
    EXPIRED = "expired"  # signed longer ago than the window
    FROM_THE_FUTURE = "from-the-future"  # signed further ahead than the window


class IdentitySigner:
    """Signs requests to origins with the newest key.

    `keys`: id (letters, digits, `-`, `_`; at most 64) to secret, the newest last. `clock`: epoch
    seconds. ValueError for no key, too many, an odd id or an empty secret.
    """

    def __init__(self, keys: Mapping[str, str], clock: Callable[[], float]) -> None:
        derived = _derived(keys)
        self._key_id = list(derived)[-1]
        self._key = derived[self._key_id]
        self._clock = clock

    def sign(
        self, method: bytes, host: bytes, target: bytes, identity: str = ""
    ) -> tuple[tuple[bytes, bytes], ...]:
        """The fields to add to a request.

        `host` and `target` are the bytes that go on the wire: the value of Host, and path with
        query (RFC 9112 §3.2.1). `identity` is the id of the origin access identity, if one is
        named: letters, digits, `-`, `_`; at most 64.
        """
        claim = b"%b.%d" % (self._key_id, self._clock())
        if identity:
            claim += b"." + identity.encode("ascii")
        signature = self._key.get_signature(_bound(claim, method, host, target))
        return ((HEADER, claim + b"." + signature),)


class IdentityVerifier:
    """Tells whether a request was signed by one of `keys` within the window around now.

    Arguments as for the signer; `window_s` seconds reach back and ahead, since either clock may
    be the slow one (S3's RequestTimeTooSkewed is symmetric, too).
    """

    def __init__(
        self, keys: Mapping[str, str], clock: Callable[[], float], window_s: float = WINDOW_S
    ) -> None:
        self._keys = _derived(keys)
        self._clock = clock
        self._window_s = window_s

    def verify(
        self, method: bytes, host: bytes, target: bytes, value: bytes | None
    ) -> IdentityVerdict:
        """The verdict on the field's value (None: there is none) for the request as received."""
        if value is None:
            return IdentityVerdict.MISSING
        parts = _VALUE.fullmatch(value)
        if parts is None:
            return IdentityVerdict.MALFORMED
        claim, key_id, signed_at, _, signature = parts.groups()
        key = self._keys.get(key_id)
        if key is None:
            return IdentityVerdict.UNKNOWN_KEY
        # The encoded forms are compared, not the decoded ones as Signer.unsign does: a lenient
        # base64 reader takes several spellings of one signature.
        expected = key.get_signature(_bound(claim, method, host, target))
        if not hmac.compare_digest(expected, signature):
            return IdentityVerdict.BAD_SIGNATURE
        return self._in_window(int(signed_at))

    def _in_window(self, signed_at: int) -> IdentityVerdict:
        age_s = self._clock() - signed_at
        if age_s > self._window_s:
            return IdentityVerdict.EXPIRED
        if -age_s > self._window_s:
            return IdentityVerdict.FROM_THE_FUTURE
        return IdentityVerdict.OK


def identity_named(value: bytes) -> str:
    """The origin access identity that a verified value names; empty when it names none."""
    parts = _VALUE.fullmatch(value)
    return (parts[4] or b"").decode() if parts else ""


def _bound(claim: bytes, method: bytes, host: bytes, target: bytes) -> bytes:
    """The bytes that are signed. Lengths make it injective: no two requests have the same."""
    if target.find(b"?") == len(target) - 1:  # ASGI cannot tell an empty query from none
        target = target[:-1]
    lengths = b"%d.%d.%d" % (len(claim), len(method), len(host))
    return b"\n".join((lengths, claim, method, host, target))


def _derived(keys: Mapping[str, str]) -> dict[bytes, Signer]:
    """A signer for each key with the derivation done, so that a signature costs one HMAC."""
    if not 1 <= len(keys) <= KEYS_MAX:
        raise ValueError(f"identity keys: {len(keys)} given, expected 1 to {KEYS_MAX}")
    ready: dict[bytes, Signer] = {}
    for key_id, secret in keys.items():
        if not _KEY_ID.fullmatch(key_id):
            raise ValueError(f"identity key id {key_id!r}: expected 1-64 of A-Z a-z 0-9 _ -")
        if not secret:
            raise ValueError(f"identity key {key_id!r}: the secret is empty")
        derived = Signer(
            secret, salt=SALT, key_derivation="hmac", digest_method=hashlib.sha256
        ).derive_key()
        ready[key_id.encode()] = Signer(
            derived, salt=SALT, key_derivation="none", digest_method=hashlib.sha256
        )
    return ready
