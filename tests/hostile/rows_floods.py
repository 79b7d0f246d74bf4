"""Rows of section 14 about the store and the origins behind it: floods, scans, cold starts."""

from __future__ import annotations

from collections import Counter

from edgecache.rules.invalidation.items import ItemKind
from edgecache.store.invalidation import Invalidation
from tests.hostile.recorder import Script, response, told_of
from tests.hostile.stage import HOST, HostilePlay, scene_of
from tests.hostile.story import asks
from tests.hostile.strict import Seen
from tests.hostile.trial import MANY, Trial, answered, stage_of

CONNECTIONS = 10  # to the origin
WORKING_SET = 50  # objects that are asked for again and again
OBJECT_BYTES = 1_000
MEMORY_BYTES = 4 * WORKING_SET * OBJECT_BYTES
SCANNED = 20  # times the working set
LOST_MAX = 0.05


def _slowly(seen: Seen) -> Script:
    body = told_of(seen)
    head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: %d\r\n\r\n" % len(body)
    return Script((head + body,), every_s=0.5)


class _Crowd:
    """Many who ask for different objects at once, some of them for the same."""

    def __init__(self, play: HostilePlay, word: str) -> None:
        self.play = play
        self.clients = [play.client(f"{word}{n}") for n in range(MANY)]
        for n in range(MANY):
            data = b"GET /o%d HTTP/1.1\r\n%b\r\n" % (n // 2, HOST)
            play.viewers[f"{word}{n}"].connection.data_received(data)
        self.peak = 0

    def all_answered(self) -> Counter[int]:
        """Time passes; the most connections there were to the origin meanwhile are noted."""
        for _ in range(12):
            self.play.passes(1)
            self.peak = max(self.peak, self.play.recorder.open)
        return Counter(c.answers([b"GET"])[0].status for c in self.clients)


def cold_start(memo: bool) -> str:
    scene = scene_of(memo, origin={"connections_max": CONNECTIONS, "connection_timeout_s": 60})
    play = HostilePlay(scene, _slowly)
    crowd = _Crowd(play, "cold")
    assert crowd.all_answered() == {200: MANY}
    assert crowd.peak == CONNECTIONS, crowd.peak
    asked = len(play.recorder.seen)
    assert asked == MANY // 2, asked
    play.listener.marks.apply(
        Invalidation(1, play.clock(), "EPLAY", ((ItemKind.PATH, "/*"),), False)
    )
    again = _Crowd(play, "again")
    assert again.all_answered() == {200: MANY}
    assert again.peak == CONNECTIONS
    assert len(play.recorder.seen) == 2 * asked
    play.close()
    return f"{CONNECTIONS} connections at most, each object asked for once"


def vast_upload(memo: bool) -> str:
    """64 GiB, to a path that is stored: nothing of it waits here, nothing of it goes up."""
    play = stage_of(memo)
    answered(play, "warm", b"/p")
    client = play.client("a")
    client.sends([asks(b"/p", b"Content-Length: %d" % 2**36, method=b"POST")])
    (one,) = client.answers([b"POST"])
    assert one.status == 413
    assert client.closed
    chunked = play.client("b")
    chunked.sends([asks(b"/p", b"Transfer-Encoding: chunked", method=b"POST")])
    connection = play.viewers["b"].connection
    for _ in range(20):
        chunked.sends([b"1000\r\n" + b"x" * 4_096 + b"\r\n"])
    assert connection.body is not None
    assert connection.body.waiting_bytes <= 4_096
    play.viewers["b"].leaves()
    play.rests()
    answered(play, "after", b"/p")
    play.close()
    return "413, closed; in chunks it is passed on as it comes"


def _large(seen: Seen) -> Script:
    body = b"GET %b\n" % seen.target
    return response(body.ljust(OBJECT_BYTES, b"."), b"Cache-Control: max-age=600")


def _hits(play: HostilePlay, scanning: bool) -> int:
    """Of the working set, asked for ten times over, with or without strangers in between."""
    hits = scanned = 0
    client, scanner = (play.client(f"{word}{len(play.viewers)}") for word in ("hot", "scan"))
    for _ in range(10):
        for n in range(WORKING_SET):
            client.sends([asks(b"/hot%d" % n)])
            (one,) = client.answers([b"GET"])
            hits += (b"x-cache", b"Hit from cloudfront") in one.fields
            for _ in range(SCANNED // 10 if scanning else 0):
                scanned += 1
                scanner.sends([asks(b"/p?%d" % scanned)])
        play.passes(1)
    return hits


def scan(memo: bool) -> str:
    """X18, X08: one-hit wonders by the thousand beside a working set that fits four times."""
    play = HostilePlay(scene_of(memo, memory_bytes=MEMORY_BYTES), _large)
    try:
        _hits(play, scanning=False)
        quiet, during = _hits(play, scanning=False), _hits(play, scanning=True)
        assert quiet == 10 * WORKING_SET, quiet
        lost = 1 - during / quiet
        assert lost <= LOST_MAX, f"{lost:.0%} of the hits are lost to the scan"
        assert play.edge.store.size_bytes <= MEMORY_BYTES
    finally:
        play.close()
    return f"{lost:.1%} of the hits lost to {SCANNED * WORKING_SET} strangers"


FLOODS = [
    Trial("X11", "64 GiB posted to a stored path", vast_upload),
    Trial("X15", "a cold start, and an invalidation of all, under load", cold_start),
    Trial("X18", f"a scan of {SCANNED * WORKING_SET} one-hit wonders", scan),
]  # fmt: skip
