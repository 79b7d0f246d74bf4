"""Request log: what a request adds to counters and to the access log.

CloudFront Developer Guide, "Standard log file fields".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from edgecache.cache.outcome import CacheResult
from edgecache.http.message import Fields
from edgecache.observe.access_log import AccessLog
from edgecache.observe.counters import Counters
from edgecache.observe.log_record import EXTRA_FIELDS, FIELDS
from edgecache.server.request_log import RequestLog, RequestOutcome, RequestSummary
from edgecache.upstream.faults import Fault
from tests.rules.pieces import NOW, asks, lines
from tests.world.play import Play
from tests.world.records import joined

REQUEST = asks("/a b?c=1", "host: site.test", "referer: r", "user-agent: u u", "user-agent: second")


class Listening:
    """A request log, and what it wrote."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.written = bytearray()
        self.log = AccessLog(joined(self.written.extend))
        self.requests = RequestLog("LHR50-P1", self.counters, self.log)

    def tell(self, told: RequestOutcome) -> dict[str, str]:
        """The record, by the names of its fields."""
        asked = RequestSummary.by(REQUEST, ("d1.cloudfront.net", "E1"), 123)
        self.requests.tell(asked, told, ("192.0.2.1", 4711), b"id==", NOW, 0.25)
        self.log.flush()
        record = self.written.decode().splitlines()[-1]
        return dict(zip(FIELDS.split(" "), record.split("\t"), strict=True))


def test_a_record_has_what_was_asked_and_what_was_told() -> None:
    fields = lines("content-type: text/plain", "content-length: 10", "age: 1")
    record = Listening().tell(
        RequestOutcome(200, CacheResult.MISS, 321, fields, first_byte_s=0.125)
    )
    expected = {
        "date": "2027-01-15", "time": "08:00:00", "x-edge-location": "LHR50-P1",
        "sc-bytes": "321", "c-ip": "192.0.2.1", "cs-method": "GET",
        "cs(Host)": "d1.cloudfront.net", "cs-uri-stem": "/a%20b", "sc-status": "200",
        "cs(Referer)": "r", "cs(User-Agent)": "u%20u", "cs-uri-query": "c=1", "cs(Cookie)": "-",
        "x-edge-result-type": "Miss", "x-edge-request-id": "id==", "x-host-header": "site.test",
        "cs-protocol": "http", "cs-bytes": "123", "time-taken": "0.250", "x-forwarded-for": "-",
        "ssl-protocol": "-", "ssl-cipher": "-", "x-edge-response-result-type": "Miss",
        "cs-protocol-version": "HTTP/1.1", "c-port": "4711", "time-to-first-byte": "0.125",
        "x-edge-detailed-result-type": "Miss", "sc-content-type": "text/plain",
        "sc-content-len": "10", "sc-range-start": "-", "sc-range-end": "-",
        "fle-status": "-", "fle-encrypted-fields": "-", "distribution-tenant-id": "-",
        "connection-id": "-",
    }  # fmt: skip
    assert record == expected


@pytest.mark.parametrize(
    ("status", "fields", "span"),
    [
        (206, lines("content-range: bytes 3-7/10"), ("3", "7")),
        (206, lines("content-type: multipart/byteranges; boundary=x"), ("-", "-")),
        (206, lines("content-range: items 1-2/3"), ("-", "-")),
        (416, lines("content-range: bytes */10"), ("-", "-")),
        (200, lines("content-range: bytes 3-7/10"), ("-", "-")),
    ],
)
def test_the_range_that_was_sent(status: int, fields: Fields, span: tuple[str, str]) -> None:
    record = Listening().tell(RequestOutcome(status, CacheResult.HIT, 1, fields))
    assert (record["sc-range-start"], record["sc-range-end"]) == span


@pytest.mark.parametrize(
    ("status", "result", "word"),
    [
        (200, CacheResult.HIT, "Hit"),
        (304, CacheResult.HIT, "Hit"),
        (200, CacheResult.REFRESH_HIT, "RefreshHit"),
        (301, CacheResult.REDIRECT, "Redirect"),
        (404, CacheResult.HIT, "Error"),
        (502, CacheResult.ERROR, "Error"),
        (0, CacheResult.ERROR, "Error"),
        pytest.param(503, CacheResult.CAPACITY, "CapacityExceeded"),
        pytest.param(503, CacheResult.LIMIT, "LimitExceeded"),
    ],
)
def test_the_word_for_a_result(status: int, result: CacheResult, word: str) -> None:
    listening = Listening()
    record = listening.tell(RequestOutcome(status, result, 1))
    assert (record["x-edge-result-type"], record["sc-status"]) == (word, f"{status:03}")
    assert listening.counters.requests == {word: 1}


def test_counters_add_up() -> None:
    listening = Listening()
    for status, result in (
        (200, CacheResult.MISS),
        (200, CacheResult.HIT),
        (404, CacheResult.MISS),
    ):
        listening.tell(RequestOutcome(status, result, 100))
    assert list(listening.counters.distributions) == ["E1"]
    counters = listening.counters.distributions["E1"]
    assert (counters.bytes_out, counters.bytes_in) == (300, 369)
    assert counters.requests() == {"Miss": 1, "Hit": 1, "Error": 1}
    assert counters.results["Miss"].bytes_out == 100
    assert counters.results["Error"].time_taken.sum == 0.25
    assert counters.statuses[2:5] == [2, 0, 1]


def test_without_a_log_it_only_counts() -> None:
    counters = Counters()
    requests = RequestLog("LHR50", counters, None)
    asked = RequestSummary.by(REQUEST, ("d", "E1"), 5)
    requests.tell(asked, RequestOutcome(200, CacheResult.HIT, 7), ("192.0.2.1", 1), b"id", NOW, 0.0)
    assert counters.distributions["E1"].bytes_out == 7


@pytest.mark.parametrize(
    ("method", "status", "body", "length"),
    [
        ("GET", 200, "hello", "5"),
        ("GET", 204, "", "-"),
        ("GET", 404, "gone", "4"),
        ("HEAD", 200, "", "-"),
        ("POST", 200, "", "0"),
    ],
)
def test_the_length_is_logged_for_a_miss_as_for_a_hit(
    stage: Callable[..., Play], method: str, status: int, body: str, length: str
) -> None:
    play = stage(semantics="rfc9111")
    for turn in range(2):
        play.viewer().asks("/a", method)
        if method != "GET" or not turn:
            play.origin.answers(status, body, cache="max-age=60")
        play.viewer().gets(status, body)
    assert lengths(play) == [length] * 2


def test_the_length_of_a_page_of_our_own_is_logged(play: Play) -> None:
    got = play.viewer().asks("/a", host="nobody.test").gets(403)
    assert lengths(play) == [str(len(got.body))]


def lengths(play: Play) -> list[str]:
    """Every record's sc-content-len."""
    play.access_log.flush()
    records = [line.split("\t") for line in play.log.decode().splitlines()]
    return [record[FIELDS.split(" ").index("sc-content-len")] for record in records]


def extended(play: Play) -> list[dict[str, str]]:
    """Every record's two lines, by the names of their fields."""
    play.access_log.flush()
    rows, names = play.log.decode().split("\n"), f"{FIELDS} {EXTRA_FIELDS}".split(" ")
    pairs = zip(rows[::2], rows[1::2], strict=False)
    return [
        dict(zip(names, [*one.split("\t"), *two.split("\t")], strict=True)) for one, two in pairs
    ]


def test_a_hit_remembered_before_records_were_extended_has_no_half_of_a_second_line(
    stage: Callable[..., Play],
) -> None:
    """What belongs to the hit was not remembered: the viewer's part would stand in its place."""
    play = stage()
    for path in ("/a", "/b"):
        play.viewer().asks(path)
        play.origin.answers(200, "body", cache="max-age=60")
        play.viewer().gets(200)
    for _ in range(3):
        play.viewer().asks("/a").gets(200)
    play.listener.request_log.extended = True
    for path in ("/b", "/b", "/b", "/a", "/a"):  # a head is learned with one, and meets the other
        play.viewer("b").asks(path, user_agent="another").gets(200)
    for _ in range(3):  # and the other way round
        play.viewer().asks("/b").gets(200)
    play.access_log.flush()
    widths = Counter(line.count("\t") + 1 for line in play.log.decode().splitlines())
    assert widths.keys() == {len(FIELDS.split(" ")), len(EXTRA_FIELDS.split(" "))}
    assert widths[len(FIELDS.split(" "))] == 13


@pytest.mark.parametrize("cookies", [False, True])
def test_an_extended_record_says_where_it_went_and_why(
    stage: Callable[..., Play], cookies: bool
) -> None:
    play = stage()
    requests = play.listener.request_log
    requests.extended, requests.cookies = True, cookies
    play.viewer().asks("/a", cookie="a=1")
    play.advance(0.25)
    play.origin.answers(200, "body", cache="max-age=60")
    play.viewer().gets(200)
    for _ in range(3):  # the slow way, learned, repeated
        play.viewer().asks("/a", cookie="a=1").gets(200)
    play.viewer().asks("/a", host="nobody.test").gets(403)
    play.viewer().asks("/b")
    play.origin.fails()
    play.viewer().gets(502)
    miss, *hits, nobody, failed = extended(play)
    common = {
        "distribution-id": "EPLAY", "cache-behavior-path-pattern": "*", "trace-id": "-",
        "cookie": "a=1" if cookies else "-", "cs(Cookie)": "-",
    }  # fmt: skip
    asked = {"reason": "absent", "origin-id": "o", "origin-status": "200", "origin-fbl": "0.250"}
    unasked = {"reason": "-", "origin-id": "-", "origin-status": "-", "origin-fbl": "-"}
    assert (common | asked).items() <= miss.items()
    assert [(common | unasked).items() <= hit.items() for hit in hits] == [True] * 3
    assert {hit["timestamp(ms)"] for hit in hits} == {f"{play.clock.now * 1000:.0f}"}
    assert (unasked | {"reason": "unknown-host", "distribution-id": "-"}).items() <= nobody.items()
    assert (asked | {"reason": Fault.REFUSED, "origin-status": "-", "origin-fbl": "-"}).items() <= (
        failed.items()
    )
