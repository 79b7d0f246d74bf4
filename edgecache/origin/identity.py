"""Origin access identity: signer and verifier of requests to origins, by HMAC-SHA-256.

Law: a signature opens one method, host and target, once, within one window. CloudFront: "Restrict
access to an Amazon S3 origin" is the idea. The field is

    x-edgecache-identity: <key id>.<epoch seconds>.<run>.<number>.<base64url of HMAC-SHA-256>

`run` is new with each start of a signer, `number` with each signature. A fifth part before the
signature names the origin access identity we come as, for policies of buckets. What it does not
bind: the body, and the other fields.

The key is derived for the host that is asked (`host_key`), so that an application that has its own
hosts' keys (`host_keys`) can sign for no other. A former release signed with one key for all, and
without run and number: a verifier takes that where it is told to. Imports nothing of ours but
replay windows.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from itsdangerous import Signer

from edgecache.rules.replay_window import RUNS_MAX, ReplayMemory, ReplayVerdict

HEADER = b"x-edgecache-identity"
SALT = b"edgecache.origin.identity"
WINDOW_S = 60  # the clocks of two machines differ by less, and a stolen field soon opens nothing
KEYS_MAX = 16  # as many as a rotation ever overlaps; each costs two hashes at start
RUN_BYTES = 8
HOSTS = "hosts:"  # what stands before keys of hosts, in place of an installation's secret

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VALUE = re.compile(
    rb"(([A-Za-z0-9_-]{1,64})\.([0-9]{1,12})(?:\.([0-9a-f]{16})\.([0-9]{1,18}))?"
    rb"(?:\.([A-Za-z0-9_-]{1,64}))?)\.([A-Za-z0-9_-]{43})"
)
_HOST_KEY = re.compile(r"([!-+\-.0-<>-~:]{1,255})=([A-Za-z0-9+/]{43}=)")


class IdentityVerdict(StrEnum):
    """Verdict on a request's identity, and so why a gate stays shut."""

    OK = "ok"
    MISSING = "missing"
    MALFORMED = "malformed"  # not of our form, or more than one
    UNKNOWN_KEY = "unknown-key"
    BAD_SIGNATURE = "bad-signature"  # another key, or another method, host, target or time
    EXPIRED = "expired"  # signed longer ago than the window
    FROM_THE_FUTURE = "from-the-future"  # signed further ahead than the window
    UNKNOWN_HOST = "unknown-host"  # not one of those that are admitted
    FORMER = "former"  # signed as by a former release, which is not admitted here
    REPLAYED = "replayed"  # used before
    FULL = "full"  # more signers within the window than there is room for


class IdentitySigner:
    """Signs requests to origins with the newest key.

    `keys`: id (letters, digits, `-`, `_`; at most 64) to secret, the newest last. `clock`: epoch
    seconds. ValueError for no key, too many, an odd id or an empty secret.
    """

    def __init__(
        self,
        keys: Mapping[str, str],
        clock: Callable[[], float],
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._clock = clock
        self._run = random_bytes(RUN_BYTES).hex().encode()
        self._number = 0
        self.use(keys)

    def use(self, keys: Mapping[str, str]) -> None:
        """Sign with the newest of these from now on, in the same run. ValueError as above."""
        _check_keys(keys)
        key_id = [*keys][-1]
        self._key_id, self._secret = key_id.encode(), keys[key_id]

    def sign(
        self, method: bytes, host: bytes, target: bytes, identity: str = ""
    ) -> tuple[tuple[bytes, bytes], ...]:
        """The fields to add to a request, for one sending.

        `host` and `target` are the bytes that go on the wire: the value of Host, and path with
        query (RFC 9112 §3.2.1). `identity` is the id of the origin access identity, if one is
        named: letters, digits, `-`, `_`; at most 64. ValueError for a host without a key.
        """
        self._number += 1
        claim = b"%b.%d.%b.%d" % (self._key_id, self._clock(), self._run, self._number)
        if identity:
            claim += b"." + identity.encode("ascii")
        key = host_key(self._secret, host)
        if key is None:
            raise ValueError("the identity's secret has no key for this host")
        return ((HEADER, claim + b"." + _signature(key, _bound(claim, method, host, target))),)


class IdentityVerifier:
    """Tells whether a request was signed by one of `keys` within the window around now, and once.

    Arguments as for the signer; `window_s` seconds reach back and ahead, since either clock may
    be the slow one (S3's RequestTimeTooSkewed is symmetric, too). `hosts`: the names that may be
    asked for, without ports; none given: all for which there is a key. `accepts_former`: whether
    signatures of a former release count, which are good for the whole window and any host.
    """

    def __init__(
        self,
        keys: Mapping[str, str],
        clock: Callable[[], float],
        window_s: float = WINDOW_S,
        hosts: Iterable[str] = (),
        *,
        accepts_former: bool = False,
    ) -> None:
        self._clock = clock
        self._window_s = window_s
        if isinstance(hosts, str):  # each of its letters would be a host, and nothing admitted
            raise ValueError(f"identity hosts: {hosts!r} is one name, expected a list")
        self._hosts = frozenset(host_name(host.encode("idna")) for host in hosts)
        self._accepts_former = accepts_former
        self._replays = ReplayMemory(window_s, per_sender_max=RUNS_MAX)
        self.use(keys)

    def use(self, keys: Mapping[str, str]) -> None:
        """Accept what these sign from now on, and nothing else. ValueError as for the signer."""
        _check_keys(keys)
        self._keys = {key_id.encode(): secret for key_id, secret in keys.items()}
        self._former = _derived(keys) if self._accepts_former else {}

    def verify(
        self, method: bytes, host: bytes, target: bytes, value: bytes | None
    ) -> IdentityVerdict:
        """The verdict on the field's value (None: there is none) for the request as received.

        A signature that is good is used up.
        """
        if value is None:
            return IdentityVerdict.MISSING
        parts = _VALUE.fullmatch(value)
        if parts is None:
            return IdentityVerdict.MALFORMED
        if self._hosts and host_name(host) not in self._hosts:
            return IdentityVerdict.UNKNOWN_HOST
        claim, key_id, signed_at, run, number, _, signature = parts.groups()
        if key_id not in self._keys:
            return IdentityVerdict.UNKNOWN_KEY
        expected = self._expected(key_id, _bound(claim, method, host, target), host, run)
        if isinstance(expected, IdentityVerdict):
            return expected
        # The encoded forms are compared, not the decoded ones as Signer.unsign does: a lenient
        # base64 reader takes several spellings of one signature.
        if not hmac.compare_digest(expected, signature):
            return IdentityVerdict.BAD_SIGNATURE
        verdict = self._in_window(int(signed_at))
        if verdict is IdentityVerdict.OK and run is not None:
            taken = self._replays.take(b"", run, int(number), int(signed_at), self._clock())
            return _VERDICTS[taken]
        return verdict

    def _expected(
        self, key_id: bytes, bound: bytes, host: bytes, run: bytes | None
    ) -> bytes | IdentityVerdict:
        """The signature of what is `bound`, or why none is good."""
        if run is not None:
            key = host_key(self._keys[key_id], host)
            return IdentityVerdict.UNKNOWN_HOST if key is None else _signature(key, bound)
        former = self._former.get(key_id)
        return IdentityVerdict.FORMER if former is None else former.get_signature(bound)

    def _in_window(self, signed_at: int) -> IdentityVerdict:
        age_s = self._clock() - signed_at
        if age_s > self._window_s:
            return IdentityVerdict.EXPIRED
        if -age_s > self._window_s:
            return IdentityVerdict.FROM_THE_FUTURE
        return IdentityVerdict.OK


_VERDICTS = {
    ReplayVerdict.FIRST: IdentityVerdict.OK,
    ReplayVerdict.REPLAYED: IdentityVerdict.REPLAYED,
    ReplayVerdict.FULL: IdentityVerdict.FULL,
}


def identity_named(value: bytes) -> str:
    """The origin access identity that a verified value names; empty when it names none."""
    parts = _VALUE.fullmatch(value)
    return (parts[6] or b"").decode() if parts else ""


def host_name(host: bytes) -> bytes:
    """The name in a value of Host, in lower case and without its port."""
    name, colon, port = host.lower().rpartition(b":")
    return name if colon and port.isdigit() else host.lower()


def host_key(secret: str, host: bytes) -> bytes | None:
    """The key for a value of Host, whatever its port; None where keys of hosts have none for it."""
    name = host_name(host)
    if is_of_hosts(secret):
        return _host_keys(secret).get(name)
    return hmac.digest(secret.encode(), SALT + b".host\n" + name, "sha256")


def is_of_hosts(secret: str) -> bool:
    """Whether it is keys of some hosts, and not an installation's secret, which has any host's."""
    return secret.startswith(HOSTS)


def host_keys(secret: str, hosts: Iterable[str]) -> str:
    """What of an installation's secret an application needs that is asked as these hosts."""
    names = [host_name(host.encode("idna")) for host in hosts]
    keys = ((name.decode(), host_key(secret, name)) for name in names)
    return HOSTS + ",".join(f"{name}={b64encode(key or b'').decode()}" for name, key in keys)


def _host_keys(secret: str) -> dict[bytes, bytes]:
    """Keys by host; none at all where a part of the secret is of another form."""
    found = [_HOST_KEY.fullmatch(part) for part in secret.removeprefix(HOSTS).split(",")]
    if not all(found):
        return {}
    return {part[1].encode(): b64decode(part[2]) for part in found if part}


def _signature(key: bytes, bound: bytes) -> bytes:
    return urlsafe_b64encode(hmac.digest(key, bound, "sha256")).rstrip(b"=")


def _bound(claim: bytes, method: bytes, host: bytes, target: bytes) -> bytes:
    """The bytes that are signed. Lengths make it injective: no two requests have the same."""
    if target.find(b"?") == len(target) - 1:  # ASGI cannot tell an empty query from none
        target = target[:-1]
    lengths = b"%d.%d.%d" % (len(claim), len(method), len(host))
    return b"\n".join((lengths, claim, method, host, target))


def _check_keys(keys: Mapping[str, str]) -> None:
    if not 1 <= len(keys) <= KEYS_MAX:
        raise ValueError(f"identity keys: {len(keys)} given, expected 1 to {KEYS_MAX}")
    for key_id, secret in keys.items():
        if not _KEY_ID.fullmatch(key_id):
            raise ValueError(f"identity key id {key_id!r}: expected 1-64 of A-Z a-z 0-9 _ -")
        if not secret:
            raise ValueError(f"identity key {key_id!r}: the secret is empty")
        if is_of_hosts(secret) and not _host_keys(secret):
            raise ValueError(f"identity key {key_id!r}: no keys of hosts")


def _derived(keys: Mapping[str, str]) -> dict[bytes, Signer]:
    """A signer as of a former release for each key."""
    ready: dict[bytes, Signer] = {}
    for key_id, secret in keys.items():
        derived = Signer(
            secret, salt=SALT, key_derivation="hmac", digest_method=hashlib.sha256
        ).derive_key()
        ready[key_id.encode()] = Signer(
            derived, salt=SALT, key_derivation="none", digest_method=hashlib.sha256
        )
    return ready
