"""Credentials between processes: each signs one message, for one receiver, and is used once.

Law: what is signed is all that decides what is given: the whole head between tiers, and the request
line and the body towards control. A credential is

    1.<key id>.<sender>.<run>.<number>.<epoch seconds>.<base64 of HMAC-SHA-256>

The key of the MAC is derived from the installation's secret for the receiver, and from that for the
sender (`receiving_key`, `sending_key`; HKDF, RFC 5869), so that a credential for one receiver is
none for another, and who has a sender's key alone can be nobody else. Of several regional caches
each has its own key of each sender, made of the one for all of them: an edge that knows this needs
nothing new when a regional cache is added. `run` is new with each start
of a process, and `number` with each credential: see `rules/replay_window.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from binascii import b2a_base64
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from enum import StrEnum

from edgecache.rules.replay_window import ReplayMemory, ReplayVerdict

AUTH_SCHEME = "Edgecache"  # of Authorization (RFC 9110 §11.4), towards control
CONTROL, REGIONAL = "control", "regional"  # places of one process; an edge's is `edge-LOCATION`
NAME_SERVER = "nameserver"  # the place of its workers
_NAMED_REGIONAL = "regional-"  # and the name of one of several regional caches
ASKING = ("edge-", _NAMED_REGIONAL)  # how those begin that ask regional caches
AGE_S_MAX = 60.0  # a request waits for its turn at most so long, and a clock may be behind
SKEW_S_MAX = 30.0  # how far another machine's clock may be ahead; Kerberos allows 300
RUN_BYTES = 8
CREDENTIAL_BYTES_MAX = 512  # names of 100, numbers, and a signature of 44, with room
KEY_BYTES = 32  # of HMAC-SHA-256
SENDING_KEYS_MAX = (
    4_096  # as many as senders may have credentials under way, with keys that overlap
)

_CREDENTIAL = re.compile(
    rb"(1\.([A-Za-z0-9_-]{1,64})\.(([A-Za-z0-9-]{1,100})\.[0-9a-f]{16})"
    rb"\.([0-9]{1,18})\.([0-9]{1,12}))\.([A-Za-z0-9+/]{43}=)"
)
_WORKER = re.compile(r"(edge-[A-Za-z0-9-]{1,64}|nameserver)-[0-9]{1,9}")
_PART = re.compile(r"part:([A-Za-z0-9-]{1,100})((?::[a-z]+=[A-Za-z0-9+/]{43}=)+)")


class CredentialVerdict(StrEnum):
    """Verdict on a credential, and so why a message is refused."""

    OK = "ok"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown-key"
    BAD_SIGNATURE = "bad-signature"  # another secret, sender, receiver, message, number or time
    EXPIRED = "expired"
    FROM_THE_FUTURE = "from-the-future"
    REPLAYED = "replayed"
    FULL = "full"  # more runs, of its place or of all, than there is room to remember


class CredentialSigner:
    """Credentials of one process, `name`, for one receiver, the place `to`.

    It signs when it was told by which secrets (`use`). `clock`: epoch seconds.
    """

    def __init__(
        self,
        name: str,
        to: str,
        clock: Callable[[], float],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._name, self._to = name, to
        self._clock = clock
        self._run = random_bytes(RUN_BYTES).hex()
        self._number = 0
        self._key = self._start = b""

    def use(self, secrets: Mapping[str, str]) -> None:
        """Sign with the newest of `secrets` (by id, the newest last) from now on.

        Each is the installation's own or a part of it (`part_of`). ValueError for a part that is
        not for this.
        """
        key_id = [*secrets][-1]
        self._key = sending_key(secrets[key_id], place_of(self._name), self._to)
        self._start = f"1.{key_id}.{self._name}.{self._run}.".encode("ascii")

    def sign(self, message: bytes) -> bytes:
        """A credential for `message`, to be sent now and once."""
        assert self._key, "told no secrets"
        self._number += 1
        claim = b"%b%d.%d" % (self._start, self._number, self._clock())
        mac = hmac.digest(self._key, claim + b"\n" + message, "sha256")
        return claim + b"." + b2a_base64(mac, newline=False)


class CredentialVerifier:
    """Admits credentials made for one receiver, the place `at`, each once; none until `use`.

    `refused` counts those that are not, by verdict.
    """

    def __init__(
        self,
        at: str,
        clock: Callable[[], float],
        refused: MutableMapping[str, int] | None = None,
    ) -> None:
        self._refused = Counter[str]() if refused is None else refused
        self._at = at
        self._clock = clock
        self._replays = ReplayMemory(AGE_S_MAX + SKEW_S_MAX)
        self._keys: dict[bytes, bytes] = {}
        self._sending: dict[tuple[bytes, bytes], tuple[bytes, bytes]] = {}

    def use(self, secrets: Mapping[str, str]) -> None:
        """Accept what `secrets` have signed from now on, and nothing else. ValueError as above."""
        keys = {key_id: receiving_key(secret, self._at) for key_id, secret in secrets.items()}
        self._keys = {key_id.encode("ascii"): key for key_id, key in keys.items()}
        self._sending.clear()

    def sender(self, credential: bytes, message: bytes) -> str:
        """The name of the process that signed `message`; empty when nobody of ours did, now."""
        verdict, name = self.verify(credential, message)
        if verdict is CredentialVerdict.OK:
            return name
        self._refused[verdict] += 1
        return ""

    def verify(self, credential: bytes, message: bytes) -> tuple[CredentialVerdict, str]:
        """The verdict on a credential that came with `message`, and whom it names.

        One that is good is used up.
        """
        parts = (
            _CREDENTIAL.fullmatch(credential) if len(credential) < CREDENTIAL_BYTES_MAX else None
        )
        if parts is None:
            return CredentialVerdict.MALFORMED, ""
        claim, key_id, run, name, number, at, mac = parts.groups()
        known = self._sending.get((key_id, name)) or self._sending_key(key_id, name)
        if known is None:
            return CredentialVerdict.UNKNOWN_KEY, ""
        key, place = known
        expected = hmac.digest(key, claim + b"\n" + message, "sha256")
        if not hmac.compare_digest(b2a_base64(expected, newline=False), mac):
            return CredentialVerdict.BAD_SIGNATURE, ""
        if len(self._sending) < SENDING_KEYS_MAX:
            self._sending[key_id, name] = known
        return self._in_time_and_once(place, run, int(number), int(at)), name.decode()

    def _in_time_and_once(
        self, place: bytes, run: bytes, number: int, at: int
    ) -> CredentialVerdict:
        now = self._clock()
        if now - at > AGE_S_MAX:
            return CredentialVerdict.EXPIRED
        if at - now > SKEW_S_MAX:
            return CredentialVerdict.FROM_THE_FUTURE
        taken = self._replays.take(place, run, number, at, now)
        return _VERDICTS[taken]

    def _sending_key(self, key_id: bytes, name: bytes) -> tuple[bytes, bytes] | None:
        """The key of the sender that says it is `name`, and its place."""
        receiving, place = self._keys.get(key_id), place_of(name.decode())
        if receiving is None:
            return None
        return _key_of_sender(receiving, place, self._at), place.encode("ascii")

    @property
    def size_bytes(self) -> int:
        """About what it holds of those who sent, in bytes."""
        return self._replays.size_bytes + len(self._sending) * 2 * CREDENTIAL_BYTES_MAX


_VERDICTS = {
    ReplayVerdict.FIRST: CredentialVerdict.OK,
    ReplayVerdict.REPLAYED: CredentialVerdict.REPLAYED,
    ReplayVerdict.FULL: CredentialVerdict.FULL,
}


def claimed_sender(credential: bytes) -> str:
    """Whom a credential names, be it good or not; empty when it is none."""
    parts = _CREDENTIAL.fullmatch(credential) if len(credential) < CREDENTIAL_BYTES_MAX else None
    return "" if parts is None else parts[4].decode("ascii")


def control_message(method: str, target: bytes, digest: str) -> bytes:
    """What a node signs of a request to control: all of it but fields that control does not read.

    `target`: path and query as on the wire. `digest`: see `content_digest`.
    """
    return b"%b %b\n%b" % (method.encode(), target, digest.encode("latin-1"))


def content_digest(body: bytes) -> str:
    """The value of Content-Digest (RFC 9530 §2) for a body, by which its head is signed with it.

    Empty for none.
    """
    return f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode()}:" if body else ""


def place_of(name: str) -> str:
    """The place of the process `name`: workers of a location share one, and name servers."""
    worker = _WORKER.fullmatch(name)
    return worker[1] if worker else name


def edge_place(location: str) -> str:
    """The place of the workers of a location."""
    return f"edge-{location}"


def is_edge(name: str) -> bool:
    """Whether a process, or a place, is an edge's."""
    return name.startswith("edge-")


def is_regional(name: str) -> bool:
    """Whether a process, or a place, is a regional cache's."""
    return name == REGIONAL or name.startswith(_NAMED_REGIONAL)


def is_name_server(name: str) -> bool:
    """Whether a process, or a place, is a name server's."""
    return place_of(name) == NAME_SERVER


def receiving_key(secret: str, at: str) -> bytes:
    """The key by which the place `at` admits all who send to it. ValueError for another's part.

    Regional caches have one, and tell by `at` what is sent to each.
    """
    part = _part(secret)
    if part is None:
        extracted = hmac.digest(b"edgecache credentials", secret.encode(), "sha256")
        return _derived(extracted, f"to {REGIONAL if is_regional(at) else at}")
    place, keys = part
    if place != at:
        raise ValueError(f"the secret is a part for {place}, not for {at}")
    return keys["own"]


def sealing_key(secret: str, place: str) -> bytes:
    """The key by which control seals what is for `place` alone. ValueError as above."""
    return _derived(receiving_key(secret, place), "seal")


def sending_key(secret: str, sender: str, to: str) -> bytes:
    """The key by which the place `sender` signs for the place `to`. ValueError as above."""
    part = _part(secret)
    if part is None:
        return _key_of_sender(receiving_key(secret, to), sender, to)
    place, keys = part
    known = REGIONAL if is_regional(to) else to
    if place != sender or known not in keys:
        raise ValueError(f"the secret is a part for {place}, not for {sender} towards {to}")
    return _key_towards(keys[known], to)


def part_of(secret: str, place: str) -> str:
    """What of an installation's secret an edge's machine needs: it can be nobody but `place`."""
    keys = {to: sending_key(secret, place, to) for to in (REGIONAL, CONTROL)}
    keys["own"] = receiving_key(secret, place)
    spelled = "".join(f":{name}={b64encode(key).decode()}" for name, key in keys.items())
    return f"part:{place}{spelled}"


def part_place(secret: str) -> str:
    """The place that a part of a secret is for; empty for an installation's own."""
    part = _part(secret)
    return "" if part is None else part[0]


def _part(secret: str) -> tuple[str, dict[str, bytes]] | None:
    """The place and the keys of a part; None when `secret` is an installation's own."""
    part = _PART.fullmatch(secret)
    if part is None:
        return None
    pairs = [pair.split("=", 1) for pair in part[2][1:].split(":")]
    return part[1], {name: b64decode(key) for name, key in pairs}


def _key_of_sender(receiving: bytes, sender: str, at: str) -> bytes:
    return _key_towards(_derived(receiving, f"from {sender}"), at)


def _key_towards(sending: bytes, to: str) -> bytes:
    """A sender's key for one of several regional caches, of the one for all; others as they are."""
    return _derived(sending, f"at {to}") if to.startswith(_NAMED_REGIONAL) else sending


def _derived(key: bytes, purpose: str) -> bytes:
    """HKDF-Expand of one block (RFC 5869 §2.3)."""
    return hmac.digest(key, purpose.encode() + b"\x01", "sha256")
