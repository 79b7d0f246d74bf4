"""Rate limits: whose bucket a request draws on, and token buckets in memory of a fixed size.

Law: nothing outside this file decides whether a request is one too many. A request draws on every
limit of its behavior or on none, once; one that is refused takes nothing. Time is an argument.

A bucket is kept as the instant at which it will be full (the generic cell rate algorithm of ITU-T
I.371, annex A): a token bucket exactly, in one number. With a part of its key's digest that is one
word of 64 bits. Processes may share a table: what is read may be of a moment ago, so a request is
refused without a lock, and lets itself in under one, having looked again. Strangers choose keys, so
the table never grows: a newcomer takes the place of the fullest of eight buckets, whose owner loses
nothing where it was full already. Digests are keyed, so that nobody can choose whose place that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b
from math import ceil
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from edgecache.config.rate_limits import LimitRate, RateLimit
from edgecache.http.message import Request, combined_value, cookie_pairs, field_values
from edgecache.http.target import normalized_path
from edgecache.rules.viewer.client_shares import client_network

WORD_BYTES = 8
BUCKETS = 131_072  # 1 MiB; nginx's `limit_req_zone ... 1m` has 8,000 to 16,000
WAYS = 8  # places that a bucket may have; CPU caches have as many
_PERSON_BYTES = blake2b.PERSON_SIZE
_INSTANT_BITS = 44  # microseconds: half a year, and then from the beginning
_INSTANT = (1 << _INSTANT_BITS) - 1
_TAG = 0xFFFF_FFFF_FFFF_FFFF & ~_INSTANT
_PAST = 1 << (_INSTANT_BITS - 1)  # so far ahead nothing is: it is behind
_US = 1_000_000
_APART = 60 * _US  # by more the clocks of processes, and the turns of their loops, never differ

STEP_S = 0.125  # of a body at its rate: eight timers a second are felt by nobody
STEP_BYTES_MAX = 65_536
CATCH_UP_S = 0.25


Lock = AbstractContextManager[None]
Writes = list[tuple[int, int]]  # places in the table, and the words that go there


class RateLimitRule(Struct, frozen=True, eq=False):
    """A limit of a behavior, as it is asked. Compared by identity."""

    limit: RateLimit
    person: bytes  # of its digests: another limit, or the same with other numbers, has others
    interval_us: int  # in which one token comes
    slack_us: int  # how far ahead a bucket may be full and still have a token
    kind: str
    name: bytes = b""  # of the header or cookie
    segments: int = 0  # of the path; 0: all

    def value(self, request: Request) -> bytes | None:
        """What of a request, as received, says whose bucket it draws on; None: its address's.

        So does one that lacks the header or cookie: leaving it out opens nothing.
        """
        if self.kind == "path":
            return first_segments(request.path, self.segments)
        if self.kind == "header":
            return combined_value(request.fields, self.name)
        return _cookie(request, self.name) if self.kind == "cookie" else None


class RateLimited(Struct, frozen=True):
    """A request is one too many: by which limit, and when the next one is not."""

    rule: RateLimitRule
    retry_after_s: int


class TokenBuckets:
    """A table of token buckets, of a fixed number of words.

    `words`: zeros at first, WAYS times a power of two. `began`: the clock's epoch seconds at the
    table's instant 0. Processes that share the words agree on that and on the secret, and have a
    `lock` that one of them holds at a time.
    """

    def __init__(
        self, words: memoryview, secret: bytes, began: float, lock: Lock | None = None
    ) -> None:
        sets = len(words) // WAYS
        assert sets.bit_count() == 1, "a power of two"
        assert words.format == "Q", "of words"
        self._words = words
        self._last_set = sets - 1
        self._secret = secret
        self._began = began
        self._lock = lock
        self._asked = False

    @property
    def held_bytes(self) -> int:
        """What it takes, however many keys there are; 0 until something was asked of it."""
        return len(self._words) * WORD_BYTES if self._asked else 0

    def clear(self) -> None:
        """Every bucket is full again."""
        self._words[:] = memoryview(bytes(len(self._words) * WORD_BYTES)).cast("Q")

    def bucket(self, rule: RateLimitRule, value: bytes | None, network: str = "") -> int:
        """The bucket of a key: 64 bits of its digest. `value` None: that of the network."""
        data = b"address " + network.encode() if value is None else b"value " + value
        digest = blake2b(data, digest_size=WORD_BYTES, key=self._secret, person=rule.person)
        return int.from_bytes(digest.digest(), "little")

    def take(
        self, rules: Sequence[RateLimitRule], buckets: Iterable[int], now: float
    ) -> RateLimited | None:
        """Take a token from each bucket, or say which has none; then none is taken of any.

        `now` in epoch seconds.
        """
        self._asked = True
        instant = round((now - self._began) * _US)
        drawn = [*zip(rules, buckets, strict=True)]
        writes = self._look(drawn, instant)
        if isinstance(writes, RateLimited):
            return writes
        if self._lock is not None:
            with self._lock:
                writes = self._look(drawn, instant)
                if isinstance(writes, RateLimited):
                    return writes
                self._write(writes)
            return None
        for at, word in writes:
            self._words[at] = word
        return None

    def _look(self, drawn: list[tuple[RateLimitRule, int]], instant: int) -> RateLimited | Writes:
        """What is to be written for a token of each, or which has none."""
        writes: Writes = []
        for rule, bucket in drawn:
            tag = bucket & _TAG
            at, ahead = self._find(bucket, tag, instant)
            if ahead > rule.slack_us:
                if ahead <= rule.slack_us + rule.interval_us + _APART:
                    return RateLimited(rule, max(1, ceil((ahead - rule.slack_us) / _US)))
                ahead = 0  # farther than a bucket can be: it is of half a year ago
            writes.append((at, tag | ((instant + ahead + rule.interval_us) & _INSTANT)))
        return writes

    def _write(self, writes: Writes) -> None:
        for at, word in writes:
            self._words[at] = word

    def take_for(
        self, rules: Sequence[RateLimitRule], request: Request, now: float
    ) -> RateLimited | None:
        """As `take`, from the buckets of a request as received."""
        network = client_network(request.client[0])
        buckets = [self.bucket(rule, rule.value(request), network) for rule in rules]
        return self.take(rules, buckets, now)

    def _find(self, bucket: int, tag: int, instant: int) -> tuple[int, int]:
        """Where the bucket is or may be put, and in how many microseconds it will be full."""
        first = (bucket & self._last_set) * WAYS
        words = self._words[first : first + WAYS].tolist()
        for at, word in enumerate(words, first):
            if word & _TAG == tag:
                return at, _ahead(word, instant)
        fullest = min(words, key=lambda word: _ahead(word, instant))
        return first + words.index(fullest), 0


def _ahead(word: int, instant: int) -> int:
    """In how many microseconds the bucket will be full; a place that nobody has is."""
    ahead = (word - instant) & _INSTANT if word else 0
    return ahead if ahead < _PAST else 0


def own_buckets(secret: bytes, began: float, count: int = BUCKETS) -> TokenBuckets:
    """A table of one process."""
    return TokenBuckets(memoryview(bytearray(count * WORD_BYTES)).cast("Q"), secret, began)


def compile_rate_limits(scope: str, limits: Iterable[RateLimit]) -> tuple[RateLimitRule, ...]:
    """Limits that have passed the checks, in their order; `scope` says whose: the same names in
    another one are other limits.
    """
    return tuple(_rule(scope, limit) for limit in limits)


def first_segments(path: bytes, count: int) -> bytes:
    """So many segments of a path, decoded once and without dot segments; 0: all of them.

    Else each spelling of the same path (`/%61`, `//a`) would be a bucket of its own.
    """
    whole = normalized_path(unquote_to_bytes(path))
    return b"/".join(whole.split(b"/")[: count + 1]) if count else whole


def _rule(scope: str, limit: RateLimit) -> RateLimitRule:
    kind, rest = limit.key_parts
    interval_us = max(1, round(_US / limit.requests_per_s))
    said = "\0".join((scope, limit.name, limit.key, str(limit.requests_per_s), str(limit.burst)))
    return RateLimitRule(
        limit=limit,
        person=blake2b(said.encode(), digest_size=_PERSON_BYTES).digest(),
        interval_us=interval_us,
        slack_us=(limit.burst - 1) * interval_us,
        kind=kind,
        name=rest.lower().encode() if kind == "header" else rest.encode(),
        segments=int(rest) if kind == "path" and rest else 0,
    )


def _cookie(request: Request, name: bytes) -> bytes | None:
    """The first cookie of a name, as applications read it; its names tell case apart."""
    for field in field_values(request.fields, b"cookie"):
        for found, value in cookie_pairs(field):
            if found == name:
                return value or b""
    return None


class BodyPace:
    """When more of one body may be sent: a LimitRate, from the first byte on.

    What a viewer or an origin has held up is caught up with for CATCH_UP_S, and no more.
    """

    __slots__ = ("_due", "_free", "_rate", "step_bytes")

    def __init__(self, rate: LimitRate) -> None:
        self._free = rate.after_bytes
        self._rate = rate.bytes_per_s
        self._due = -1.0  # nothing went at the rate yet
        self.step_bytes = max(1, min(STEP_BYTES_MAX, int(rate.bytes_per_s * STEP_S)))

    def next_step(self, size: int) -> int:
        """How many of `size` bytes go next, in one piece."""
        return min(size, self._free or self.step_bytes)

    def wait_s(self, count: int, now: float) -> float:
        """For how long nothing is sent, once `count` bytes were, by `next_step`, at `now`."""
        if self._free:
            self._free -= count
            return 0.0
        self._due = max(self._due, now - CATCH_UP_S) if self._due >= 0 else now
        self._due += count / self._rate
        return max(0.0, self._due - now)
