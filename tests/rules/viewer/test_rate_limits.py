"""Rate limits: whose bucket a request draws on, what a bucket gives, and a table that is full."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.config.model import LimitRate, RateLimit
from edgecache.http.message import Fields, Request
from edgecache.rules.viewer.rate_limits import (
    CATCH_UP_S,
    STEP_BYTES_MAX,
    STEP_S,
    WAYS,
    BodyPace,
    RateLimited,
    RateLimitRule,
    TokenBuckets,
    compile_rate_limits,
    first_segments,
    own_buckets,
)
from tests.world.clock import START

SECRET = b"of the test"


def rule(
    key: str = "address", requests_per_s: float = 10, burst: int = 1, name: str = "n"
) -> RateLimitRule:
    limit = RateLimit(name=name, key=key, requests_per_s=requests_per_s, burst=burst)
    return rules(limit)[0]


def rules(*limits: RateLimit, site: str = "E1") -> tuple[RateLimitRule, ...]:
    return compile_rate_limits(site, limits)


def request(path: bytes = b"/", fields: Fields = (), address: str = "192.0.2.1") -> Request:
    return Request(
        method=b"GET", scheme=b"http", host=b"site.test", port=b"", path=path, query=None,
        fields=fields, minor=1, client=(address, 40_000),
    )  # fmt: skip


def table(sets: int = 64) -> TokenBuckets:
    return own_buckets(SECRET, START, sets * WAYS)


def admitted(
    buckets: TokenBuckets, one: RateLimitRule, value: bytes, times: Iterable[float]
) -> int:
    bucket = buckets.bucket(one, value)
    return sum(buckets.take((one,), (bucket,), START + at) is None for at in times)


VALUES: list[tuple[str, Request, bytes | None]] = [
    ("address", request(), None),
    ("header:X-Api-Key", request(fields=((b"x-api-key", b"k"),)), b"k"),
    ("header:x-api-key", request(fields=((b"x-api-key", b"k"), (b"x-api-key", b"l"))), b"k, l"),
    ("header:X-Api-Key", request(fields=((b"x-api-key", b""),)), b""),
    ("header:X-Api-Key", request(), None),
    ("cookie:session", request(fields=((b"cookie", b"a=1; session=s"),)), b"s"),
    ("cookie:session", request(fields=((b"cookie", b"a=1"), (b"cookie", b"session=s"))), b"s"),
    ("cookie:session", request(fields=((b"cookie", b"session=s; session=t"),)), b"s"),
    ("cookie:Session", request(fields=((b"cookie", b"session=s"),)), None),
    ("cookie:session", request(), None),
    ("path", request(b"/a/b/c"), b"/a/b/c"),
    ("path:1", request(b"/a/b/c"), b"/a"),
    ("path:2", request(b"/a/b/c"), b"/a/b"),
    ("path:2", request(b"/a"), b"/a"),
    ("path:1", request(b"/"), b"/"),
]


@pytest.mark.parametrize(("key", "asked", "value"), VALUES)
def test_what_says_whose_bucket_it_is(key: str, asked: Request, value: bytes | None) -> None:
    assert rule(key).value(asked) == value


@pytest.mark.parametrize(
    "path", [b"/a/b", b"//a/b", b"/%61/b", b"/x/../a/b", b"/./a/b?", b"/a%2Fb"]
)
def test_a_path_has_one_bucket_however_it_is_spelled(path: bytes) -> None:
    assert first_segments(path.rstrip(b"?"), 2) == b"/a/b"


SAME = [
    ("192.0.2.1", "192.0.2.1", True),
    ("192.0.2.1", "192.0.2.2", False),
    ("2001:db8::1", "2001:db8::2", True),
    ("2001:db8::1", "2001:db8:0:1::1", False),
    ("::ffff:192.0.2.1", "192.0.2.1", True),
    ("", "", True),  # over a socket file: one bucket for all who come so
]


@pytest.mark.parametrize(("first", "second", "same"), SAME)
def test_an_address_is_a_client(first: str, second: str, same: bool) -> None:
    buckets, limits = table(), (rule(),)
    assert buckets.take_for(limits, request(address=first), START) is None
    refused = buckets.take_for(limits, request(address=second), START)
    assert (refused is not None) is same


def test_who_leaves_the_header_out_draws_on_its_address() -> None:
    buckets, limits = table(), (rule("header:x-key"),)
    assert buckets.take_for(limits, request(), START) is None
    assert buckets.take_for(limits, request(), START) is not None
    assert buckets.take_for(limits, request(address="192.0.2.2"), START) is None
    # and no header's value is anybody's address
    said = request(fields=((b"x-key", b"192.0.2.1"),))
    assert buckets.take_for(limits, said, START) is None


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (rules(RateLimit(name="n", requests_per_s=10, burst=1)), True),
        (rules(RateLimit(name="n", requests_per_s=10, burst=2)), False),
        (rules(RateLimit(name="n", requests_per_s=11, burst=1)), False),
        (rules(RateLimit(name="m", requests_per_s=10, burst=1)), False),
        (rules(RateLimit(name="n", requests_per_s=10, burst=1), site="E2"), False),
    ],
)
def test_a_limit_is_its_distribution_its_name_and_its_numbers(
    other: tuple[RateLimitRule, ...], same: bool
) -> None:
    buckets = table()
    assert (buckets.bucket(rule(), b"v") == buckets.bucket(other[0], b"v")) is same


ASKED: list[tuple[float, int, list[float], int]] = [
    (10, 1, [0, 0], 1),
    (10, 1, [0, 0.05], 1),
    (10, 1, [0, 0.1], 2),
    (10, 5, [0.0] * 9, 5),
    (10, 5, [0.0] * 9 + [0.1] * 9, 6),
    (10, 5, [0.0] * 9 + [0.5] * 9, 10),
    (10, 5, [0.0] * 9 + [86_400] * 9, 10),  # no more than the burst, however long it rested
    (0.001, 1, [0, 999, 1_000], 2),
    (10_000, 1, [0, 0.0001, 0.00015], 2),
]


@pytest.mark.parametrize(("requests_per_s", "burst", "times", "count"), ASKED)
def test_what_a_bucket_gives(
    requests_per_s: float, burst: int, times: list[float], count: int
) -> None:
    assert admitted(table(), rule("path", requests_per_s, burst), b"v", times) == count


@pytest.mark.parametrize(
    ("requests_per_s", "burst", "retry_after_s"),
    [(10, 1, 1), (1, 1, 1), (0.1, 1, 10), (0.1, 3, 10), (0.003, 1, 334)],
)
def test_when_to_come_again(requests_per_s: float, burst: int, retry_after_s: int) -> None:
    buckets, one = table(), rule("path", requests_per_s, burst)
    bucket = (buckets.bucket(one, b"v"),)
    for _ in range(burst):
        assert buckets.take((one,), bucket, START) is None
    assert buckets.take((one,), bucket, START) == RateLimited(one, retry_after_s)
    assert buckets.take((one,), bucket, START + retry_after_s) is None


def test_all_limits_let_it_pass_or_none_is_asked() -> None:
    """What one refuses takes no token from the other."""
    buckets = table()
    wide, narrow = rule("path", 0.001, 3, "wide"), rule("path", 0.001, 1, "narrow")
    drawn = [buckets.bucket(one, b"v") for one in (wide, narrow)]
    assert buckets.take((wide, narrow), drawn, START) is None
    for _ in range(5):
        refused = buckets.take((wide, narrow), drawn, START)
        assert refused is not None
        assert refused.rule is narrow
    assert [buckets.take((wide,), drawn[:1], START) is None for _ in range(3)] == [
        True, True, False,
    ]  # fmt: skip


class ModelBucket:
    """A token bucket as textbooks have it."""

    def __init__(self, requests_per_s: float, burst: int) -> None:
        self.rate, self.burst = requests_per_s, burst
        self.tokens, self.at = float(burst), 0.0

    def take(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1 - 1e-6:
            return False
        self.tokens -= 1
        return True


# In whole intervals of microseconds, so that both reckon exactly.
RATES = st.sampled_from([0.01, 0.5, 1, 2, 8, 10, 50, 100])
STEPS = st.lists(st.integers(0, 40), max_size=60)  # of a quarter of the interval


@given(RATES, st.integers(1, 7), STEPS)
def test_it_is_a_token_bucket(requests_per_s: float, burst: int, steps: list[int]) -> None:
    one, model, buckets = rule("path", requests_per_s, burst), None, own_buckets(SECRET, 0.0, WAYS)
    model = ModelBucket(requests_per_s, burst)
    bucket = (buckets.bucket(one, b"v"),)
    for quarters in itertools.accumulate(steps):
        now = quarters * 0.25 / requests_per_s
        assert (buckets.take((one,), bucket, now) is None) is model.take(now)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2_000_000)), max_size=80))
def test_never_more_than_the_burst_and_what_came_since(asked: list[tuple[int, int]]) -> None:
    """For every key and every stretch of time, whatever others ask meanwhile."""
    requests_per_s, burst = 5, 3
    one, buckets = rule("path", requests_per_s, burst), own_buckets(SECRET, 0.0, 4 * WAYS)
    now_us, given_to = 0, dict[int, list[float]]()
    for key, pause_us in asked:
        now_us += pause_us
        if buckets.take((one,), (buckets.bucket(one, b"%d" % key),), now_us / 1e6) is None:
            given_to.setdefault(key, []).append(now_us / 1e6)
    for times in given_to.values():
        for first, last in itertools.combinations(range(len(times)), 2):
            allowed = burst + (times[last] - times[first]) * requests_per_s
            assert last - first + 1 <= allowed + 1e-3


def test_a_table_full_of_addresses_takes_no_more_bytes() -> None:
    buckets, one = table(sets=16), rule("address", 0.01, 2)
    assert buckets.held_bytes == 0
    for number in range(10_000):
        client = request(address=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
        assert buckets.take_for((one,), client, START) is None, "a newcomer has a full bucket"
    assert buckets.held_bytes == 16 * WAYS * 8


def test_the_fullest_bucket_makes_way() -> None:
    """Who is at its limit is remembered longer than who asked once."""
    buckets, one = table(sets=1), rule("path", 0.01, 4)
    for _ in range(4):
        assert buckets.take((one,), (buckets.bucket(one, b"greedy"),), START) is None
    for number in range(100):
        buckets.take((one,), (buckets.bucket(one, b"%d" % number),), START + 1)
    assert buckets.take((one,), (buckets.bucket(one, b"greedy"),), START + 2) is not None


def test_nobody_can_choose_whose_place_it_takes() -> None:
    assert len({own_buckets(b"%d" % n, START).bucket(rule(), b"v") for n in range(9)}) == 9


def test_two_processes_share_what_they_write_to() -> None:
    words = memoryview(bytearray(WAYS * 8 * 8)).cast("Q")
    first, second = (TokenBuckets(words, SECRET, START) for _ in range(2))
    one = rule("path", 1, 2)
    bucket = (first.bucket(one, b"v"),)
    assert first.take((one,), bucket, START) is None
    assert second.take((one,), bucket, START) is None
    assert first.take((one,), bucket, START) is not None
    assert second.take((one,), bucket, START) is not None


@pytest.mark.parametrize("behind_s", [0.000_001, 0.002, 1, 30])
def test_a_process_that_is_behind_opens_nothing(behind_s: float) -> None:
    """What it takes for now is of the beginning of its turn; another has written since."""
    buckets, one = table(), rule("path", 10, 3)
    bucket = (buckets.bucket(one, b"v"),)
    for _ in range(3):
        assert buckets.take((one,), bucket, START + 100) is None
    for _ in range(3):
        assert buckets.take((one,), bucket, START + 100 - behind_s) is not None


class BusyLock(contextlib.AbstractContextManager[None]):
    """A lock whose holder before does something with it."""

    def __init__(self) -> None:
        self.before: Callable[[], object] = int

    def __exit__(self, *_: object) -> None: ...

    def __enter__(self) -> None:
        self.before()


def test_what_another_took_meanwhile_is_gone() -> None:
    """It is looked at again under the lock; who is refused does not wait for it."""
    words, lock = memoryview(bytearray(WAYS * 8)).cast("Q"), BusyLock()
    one = rule("path", 0.01, 2)
    mine, yours = TokenBuckets(words, SECRET, START, lock), TokenBuckets(words, SECRET, START)
    bucket = (mine.bucket(one, b"v"),)
    lock.before = lambda: [yours.take((one,), bucket, START) for _ in range(2)]
    assert mine.take((one,), bucket, START) is not None
    lock.before = lambda: pytest.fail("it waited for the lock")
    assert mine.take((one,), bucket, START) is not None


@pytest.mark.parametrize("days", [1, 100, 102, 203, 204, 400])
def test_a_bucket_of_long_ago_is_full(days: int) -> None:
    """Instants begin anew after half a year."""
    buckets, one = table(), rule("path", 0.01, 1)
    bucket = (buckets.bucket(one, b"v"),)
    assert buckets.take((one,), bucket, START) is None
    later = START + days * 86_400
    assert buckets.take((one,), bucket, later) is None
    assert buckets.take((one,), bucket, later) is not None


# How fast a body goes.


def sent_after(rate: LimitRate, size: int, stalls: dict[int, float] | None = None) -> float:
    """Seconds it takes; `stalls`: the viewer takes nothing for so long, after so many bytes."""
    pace, now, sent = BodyPace(rate), START, 0
    while sent < size:
        count = pace.next_step(size - sent)
        assert count <= max(STEP_BYTES_MAX, rate.after_bytes)
        sent += count
        for at in [at for at in stalls or {} if at <= sent]:
            now += (stalls or {}).pop(at)
        now += pace.wait_s(count, now)
    return now - START


MIB = 1024 * 1024
PACES: list[tuple[LimitRate, int, float]] = [
    (LimitRate(bytes_per_s=MIB), 4 * MIB, 4),
    (LimitRate(bytes_per_s=MIB, after_bytes=MIB), 4 * MIB, 3),
    (LimitRate(bytes_per_s=MIB, after_bytes=4 * MIB), 4 * MIB, 0),
    (LimitRate(bytes_per_s=MIB, after_bytes=8 * MIB), 4 * MIB, 0),
    (LimitRate(bytes_per_s=1_024), 10_240, 10),
    (LimitRate(bytes_per_s=100 * MIB), 400 * MIB, 4),
]


@pytest.mark.parametrize(("rate", "size", "seconds"), PACES)
def test_a_body_takes_as_long_as_its_rate_says(rate: LimitRate, size: int, seconds: float) -> None:
    assert sent_after(rate, size) == pytest.approx(seconds, rel=0.001)


def test_what_was_held_up_is_not_caught_up_with_at_once() -> None:
    took_s = sent_after(LimitRate(bytes_per_s=MIB), 4 * MIB, {MIB: 10.0})
    assert took_s == pytest.approx(14 - CATCH_UP_S, abs=2 * STEP_S)
