"""Rows of section 14 about what others still get while some hold connections to the origin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgecache.config.model import MIB
from tests.hostile.recorder import Script, response, told_of
from tests.hostile.stage import Client, HostilePlay, scene_of
from tests.hostile.story import asks
from tests.hostile.strict import Seen
from tests.hostile.trial import MANY, Trial
from tests.world.play import Scene

CONNECTIONS = 10  # to the origin
SECONDS = 20
LARGE = 1_048_576


def _scenes(memo: bool) -> Iterator[Scene]:
    """Both semantics, one tier and two; with memory for 64 KiB of each upload."""
    more: dict[str, Any] = {
        "memory_bytes": 64 * MIB,
        "origin": {"connections_max": CONNECTIONS},
    }
    for semantics in ("cloudfront", "rfc9111"):
        yield scene_of(memo, semantics=semantics, **more)
    yield scene_of(memo, regional=True, **more)


def _bystander(play: HostilePlay, number: int) -> int:
    """A miss, as another viewer asks for it; 0 when there is no answer within a second."""
    client = play.client(f"by{number}")
    client.sends([asks(b"/by%d" % number)])
    play.passes(1)
    answers = client.answers([b"GET"])
    return answers[0].status if answers else 0


def _posts(play: HostilePlay, begin: bytes) -> list[Client]:
    clients = []
    for n in range(MANY):
        client = play.client(f"post{n}")
        lines = b"Content-Length: %d" % LARGE
        client.sends([asks(b"/up%d" % n, lines, method=b"POST") + begin])
        clients.append(client)
    return clients


def _trickled(memo: bool, begin: bytes, open_max: int) -> str:
    for scene in _scenes(memo):
        play = HostilePlay(scene, lambda seen: response(told_of(seen)))
        clients = _posts(play, begin)
        most = 0
        for second in range(SECONDS):
            for client in clients:
                client.sends([b"x"])
            most = max(most, play.recorder.open)
            assert _bystander(play, second) == 200, second
        assert most <= open_max + 1, most
        for n in range(MANY):
            play.viewers[f"post{n}"].leaves()
        play.rests()
        assert _bystander(play, SECONDS) == 200
        play.close()
    return f"{SECONDS} of {SECONDS} misses are answered within a second; at most {open_max} held"


def slow_posts(memo: bool) -> str:
    return _trickled(memo, b"", 0)


def slow_large_posts(memo: bool) -> str:
    """They have sent enough to be passed on, and stop."""
    return _trickled(memo, b"x" * 65_536, CONNECTIONS // 2)


def posts_in_the_line(memo: bool) -> str:
    """Beyond their share uploads wait for each other, and then are told so."""
    play = HostilePlay(
        scene_of(memo, origin={"connections_max": 2}), lambda seen: response(told_of(seen))
    )
    clients = [play.client(name) for name in "abc"]
    for n, client in enumerate(clients):
        lines = b"Content-Length: 70000"
        client.sends([asks(b"/%d" % n, lines, method=b"POST"), b"x" * 66_000])
    assert play.recorder.open == 1
    clients[0].sends([b"x" * 4_000])
    assert clients[0].answers([b"POST"])[0].status == 200
    play.passes(11)
    assert clients[2].answers([b"POST"])[0].status == 503
    clients[1].sends([b"x" * 4_000])
    assert clients[1].answers([b"POST"])[0].status == 200
    play.close()
    return "one after the other; 503 after 10 s"


def _large(seen: Seen) -> Script:
    if seen.target.startswith(b"/large"):
        head = b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n" % LARGE
        return Script((head, *(b"x" * 65_536,) * (LARGE // 65_536)))
    return response(told_of(seen))


def unread_answers(memo: bool) -> str:
    """Large answers that are not stored, and nobody reads: all connections are held by them."""
    for scene in _scenes(memo):
        play = HostilePlay(scene, _large)
        for n in range(CONNECTIONS):
            client = play.client(f"slow{n}")
            viewer = play.viewers[f"slow{n}"]
            viewer.transport.is_not_read(viewer.connection)
            client.sends([asks(b"/large%d" % n)])
        play.passes(1)
        statuses = []
        for second in range(SECONDS):
            statuses.append(_bystander(play, second))
            for n in range(CONNECTIONS):
                play.viewers[f"slow{n}"].transport.takes(1_000)
        late = statuses.index(200)
        assert late <= 2, statuses
        assert set(statuses[late:]) == {200}, statuses
        cut = sum(end.is_closing() for end in play.recorder.ends[:CONNECTIONS])
        assert 1 <= cut <= CONNECTIONS // 2, cut
        play.close()
    return "others are answered after 2 s; at most half of the slow ones are cut off"


SHARES = [
    Trial("X04", f"{MANY} POSTs, a byte a second each", slow_posts),
    Trial("X04", f"{MANY} POSTs that stop after 64 KiB", slow_large_posts),
    Trial("X04", "more uploads than may be under way at once", posts_in_the_line),
    Trial("X05", "large answers that nobody reads", unread_answers),
]  # fmt: skip
