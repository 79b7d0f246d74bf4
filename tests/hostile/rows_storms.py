"""Rows of sections 10 and 14 about origins in trouble: slow beyond reason, failing, flapping."""

from __future__ import annotations

from collections import Counter

from edgecache.config.model import Limits
from tests.hostile.recorder import Script, response, told_of
from tests.hostile.stage import HOST, HostilePlay, scene_of
from tests.hostile.story import asks
from tests.hostile.strict import Seen
from tests.hostile.trial import MANY, Trial

HEAD = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n"
STALE = b"Cache-Control: max-age=1, stale-if-error=600"


def _answered_status(play: HostilePlay, name: str, target: bytes, *lines: bytes) -> int:
    client = play.client(name)
    client.sends([asks(target, *lines)])
    (answered,) = client.answers([b"GET"])
    return answered.status


def _seconds_until(play: HostilePlay, name: str, most: int) -> int:
    """How long one viewer's wait takes until the connection is cut or the answer is there."""
    client = play.client(name)
    client.sends([asks(b"/slow")])
    for second in range(1, most + 1):
        play.passes(1)
        if client.closed or client.output.endswith(b"</html>\n"):
            return second
    raise AssertionError(f"still waiting after {most} s: {client.output[-80:]!r}")


def drip_of_body(memo: bool) -> str:
    """A byte every ten seconds is never silence, and never an end."""
    pieces = (HEAD + b"Content-Length: 100000\r\n\r\n", *(b"x",) * 500)
    play = HostilePlay(scene_of(memo), lambda seen: Script(pieces, every_s=10))
    seconds = _seconds_until(play, "a", 60)
    assert seconds <= 35, seconds
    assert play.recorder.open == 0
    assert len(play.edge.store) == 0
    play.recorder.responder = lambda seen: response(told_of(seen))
    assert _answered_status(play, "after", b"/slow") == 200
    play.close()
    return f"cut off after {seconds} s, not stored"


def drip_of_head(memo: bool) -> str:
    pieces = (b"HTTP/1.1 200 OK\r\n", *(b"X-%d: y\r\n" % n for n in range(60)))
    play = HostilePlay(
        scene_of(memo, origin={"connection_attempts": 1}),
        lambda seen: Script(pieces, every_s=1),
    )
    seconds = _seconds_until(play, "a", 60)
    assert seconds <= 31, seconds
    assert play.client("a").answers([b"GET"])[0].status == 504
    assert play.recorder.open == 0
    play.close()
    return f"504 after {seconds} s"


def events(memo: bool) -> str:
    """What has no length may be a stream of events: slow by nature, and let through."""
    head, event = HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"3\r\n:\n\n\r\n"
    pieces = (head, *(event,) * 9, b"0\r\n\r\n")
    play = HostilePlay(scene_of(memo), lambda seen: Script(pieces, every_s=15))
    client = play.client("a")
    client.sends([asks(b"/events")])
    play.passes(200)
    (answered,) = client.answers([b"GET"])
    assert answered.whole
    assert answered.body == b":\n\n" * 9
    play.close()
    return "passed on to its end"


def _broken_page(seen: Seen) -> Script:
    if seen.target.startswith(b"/broken"):
        return response(b"sorry", status=b"503 Service Unavailable")
    return response(told_of(seen), STALE)


def _beside(play: HostilePlay, word: str) -> str:
    """Three times a second a page that always fails, once a second one that never does."""
    for second in range(MANY // 10):
        for n in range(3):
            assert _answered_status(play, f"b{second}-{n}", b"/broken%d-%d" % (second, n)) == 503
        assert _answered_status(play, f"g{second}", b"/good%d" % second) == 200, second
        play.passes(1)
    play.close()
    return word


def broken_page(memo: bool) -> str:
    """What is said of a URL is no evidence about the origin, in either semantics."""
    for semantics in ("cloudfront", "rfc9111"):
        scene = scene_of(memo, semantics=semantics, origin={"circuit_breaker": True})
        _beside(HostilePlay(scene, _broken_page), semantics)
    return f"every one of {2 * (MANY // 10)} good misses is answered"


def breaking_page(memo: bool) -> str:
    """A page for which the origin closes without a word."""

    def answer(seen: Seen) -> Script:
        broken = seen.target.startswith(b"/broken")
        return Script((), "fin") if broken else _broken_page(seen)

    play = HostilePlay(scene_of(memo, semantics="rfc9111"), answer)
    for n in range(MANY):  # of an origin that nobody has heard of yet
        assert _answered_status(play, f"a{n}", b"/broken-%d" % n) == 502
    for second in range(MANY // 10):
        for n in range(3):
            target = b"/broken%d-%d" % (second, n)
            assert _answered_status(play, f"b{second}-{n}", target) == 502
        assert _answered_status(play, f"g{second}", b"/good%d" % second) == 200, second
        play.passes(1)
    play.close()
    return f"every one of {MANY // 10} good misses is answered"


def slow_probe(memo: bool) -> str:
    """A circuit that is open, and a POST a byte a second as the first to try: nobody waits."""
    play = HostilePlay(scene_of(memo, semantics="rfc9111"), lambda seen: response(told_of(seen)))
    play.recorder.refuses = True
    for n in range(30):
        _answered_status(play, f"n{n}", b"/n%d" % n)
    play.recorder.refuses = False
    play.passes(1)
    slow = play.client("slow")
    slow.sends([asks(b"/post", b"Content-Length: 1000", method=b"POST"), b"x"])
    play.passes(1)
    assert _answered_status(play, "after", b"/after") == 200
    assert _answered_status(play, "then", b"/then") == 200
    play.close()
    return "a second later others are answered"


def flapping(memo: bool) -> str:
    """There for a while, away for a while; what was kept is served stale, the origin left alone."""
    play = HostilePlay(scene_of(memo, semantics="rfc9111"), _broken_page)
    assert _answered_status(play, "warm", b"/kept") == 200
    play.passes(6)  # and what was kept of connections is closed
    play.recorder.refuses = True
    for n in range(30):
        _answered_status(play, f"n{n}", b"/new%d" % n)
    before = play.recorder.tried
    statuses = Counter(_answered_status(play, f"o{n}", b"/other%d" % n) for n in range(MANY))
    assert statuses == {503: MANY}, statuses
    assert play.recorder.tried == before, "it is asked while the circuit is open"
    told = play.client("told")
    told.sends([asks(b"/told")])
    assert b"detail=OriginCircuitOpen" in told.output
    assert _answered_status(play, "stale", b"/kept") == 200
    tried = _trickle(play, 12)
    play.recorder.refuses = False
    well = next(s for s in range(40) if _well_after_a_second(play, s))
    assert _answered_status(play, "again", b"/fresh") == 200
    play.close()
    return f"503 at once or stale; {tried} attempts in 12 s; well again {well + 1} s after it is"


def _trickle(play: HostilePlay, seconds: int) -> int:
    """While it is away many ask, and few are let through to try."""
    before = play.recorder.tried
    for second in range(seconds):
        play.passes(1)
        for n in range(10):
            _answered_status(play, f"p{second}-{n}", b"/probe%d-%d" % (second, n))
    tried = play.recorder.tried - before
    assert 1 <= tried <= 2 * seconds, tried
    return tried


def _well_after_a_second(play: HostilePlay, second: int) -> bool:
    play.passes(1)
    return _answered_status(play, f"w{second}", b"/w%d" % second) == 200


def _asked_often(play: HostilePlay) -> None:
    for n in range(5 * MANY):
        status = _answered_status(play, f"s{n}", b"/s%d" % n)
        assert status in (502, 503), status
        if n % 20 == 0:
            play.passes(1)


# A fifth, and the reserve of a retry budget with what fills it up each second.
_TRIED_MAX = 5 * MANY * 1.2 + 10 + 5 * MANY / 20


def retry_storm(memo: bool) -> str:
    """Everything fails before an answer; each would be tried three times."""
    asked = 0
    for semantics in ("rfc9111", "cloudfront"):  # a URL may do it: no circuit opens
        play = HostilePlay(scene_of(memo, semantics=semantics), lambda seen: Script((), "rst"))
        _asked_often(play)
        asked = max(asked, len(play.recorder.seen))
        assert asked <= _TRIED_MAX, asked
        play.close()
    return f"{asked} origin requests for {5 * MANY}"


def refused_storm(memo: bool) -> str:
    """Nobody listens: connecting is what would be tried again."""
    play = HostilePlay(scene_of(memo, semantics="rfc9111"), lambda seen: Script(()))
    play.recorder.refuses = True
    _asked_often(play)
    tried = play.recorder.tried
    assert tried <= 5 * MANY * 1.2, tried
    play.close()
    play = HostilePlay(scene_of(memo, semantics="cloudfront"), lambda seen: Script(()))
    play.recorder.refuses = True
    _asked_often(play)
    unbroken = play.recorder.tried
    assert unbroken <= _TRIED_MAX, unbroken
    play.close()
    return f"{tried} connections tried for {5 * MANY} requests; without a circuit {unbroken}"


def speaks_unasked(memo: bool) -> str:
    """An idle connection that says something is closed: it would be the next one's answer."""
    play = HostilePlay(scene_of(memo), lambda seen: response(told_of(seen)))
    assert _answered_status(play, "a", b"/a") == 200
    (end,) = play.recorder.ends
    end.protocol.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    play.rests()
    assert play.recorder.open == 0
    client = play.client("b")
    client.sends([asks(b"/b")])
    (answered,) = client.answers([b"GET"])
    assert answered.body.startswith(b"GET /b\n")
    play.close()
    return "closed; the next answer is its own"


def many_probes(memo: bool) -> str:
    """X19: ten times what is let in at once is asked for at once."""
    play = HostilePlay(
        scene_of(memo, limits=Limits(errands_max=20)), lambda seen: response(told_of(seen))
    )
    for n in range(MANY):
        play.client(f"v{n}")
        data = b"GET /v%d HTTP/1.1\r\n%b\r\n" % (n, HOST)
        play.viewers[f"v{n}"].connection.data_received(data)
    play.rests()
    statuses = Counter(play.client(f"v{n}").answers([b"GET"])[0].status for n in range(MANY))
    assert statuses == {200: 20, 503: MANY - 20}, statuses
    shed = play.client(f"v{MANY - 1}").output
    assert b"Retry-After: 1\r\n" in shed
    assert _answered_status(play, "after", b"/after") == 200
    play.close()
    return f"20 answered, {MANY - 20} told 503 with Retry-After at once; the next one 200"


STORMS = [
    Trial("O11", "a body of known length, a byte every 10 s", drip_of_body),
    Trial("O11", "a head, a field every second", drip_of_head),
    Trial("O11", "events every 15 s, of no known length", events),
    Trial("O31", "is there and away by turns", flapping),
    Trial("O31", "a page that always answers 503, beside good ones", broken_page),
    Trial("O31", "a page for which it closes without a word, beside good ones", breaking_page),
    Trial("O31", "a POST, a byte a second, while it is left alone", slow_probe),
    Trial("O22", "an idle connection speaks", speaks_unasked),
    Trial("X16", "every request is reset", retry_storm),
    Trial("X16", "every connection is refused", refused_storm),
    Trial("X19", "ten times as many at once as are let in", many_probes),
]  # fmt: skip
