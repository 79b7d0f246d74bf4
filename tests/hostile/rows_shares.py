"""Rows of section 14 about what others still get while some hold connections to the origin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgecache.config.model import MIB, Limits
from tests.hostile.recorder import Script, response, told_of
from tests.hostile.stage import Client, HostilePlay, scene_of
from tests.hostile.story import asks
from tests.hostile.strict import Seen
from tests.hostile.trial import MANY, Trial
from tests.world.play import Scene

CONNECTIONS = 10  # to the origin
SECONDS = 20
LARGE = 1_048_576


def _scenes(memo: bool, **limits: Any) -> Iterator[Scene]:
    """Both semantics, one tier and two; with memory for 64 KiB of each upload."""
    more: dict[str, Any] = {
        "memory_bytes": 64 * MIB,
        "origin": {"connections_max": CONNECTIONS},
        "limits": Limits(**({"uploads_per_address_max": MANY} | limits)),
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


def _endless(seen: Seen) -> Script:
    """Events, one a second, for as long as somebody listens."""
    if seen.target.startswith(b"/events"):
        head = b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"
        return Script((head, *(b"8\r\ndata: 1\n\r\n",) * (4 * SECONDS)), every_s=1)
    return response(told_of(seen))


def _one_clients(memo: bool, request: bytes, **limits: int) -> str:
    """Many from one address, and a bystander at another; then all leave."""
    for scene in _scenes(memo, **limits):
        play = HostilePlay(scene, _endless)
        clients = [play.client(f"one{n}") for n in range(MANY)]
        for n, client in enumerate(clients):
            client.sends([request % n])
        play.passes(1)
        refused = [client for client in clients if b" 503 " in client.output[:13]]
        assert len(refused) == MANY - CONNECTIONS // 2, len(refused)
        assert all(b"\r\nRetry-After: 1\r\n" in client.output for client in refused)
        play.address = "192.0.2.2"
        for second in range(SECONDS):
            assert _bystander(play, second) == 200, second
        for n in range(MANY):
            play.viewers[f"one{n}"].leaves()
        play.rests()
        play.address = "192.0.2.1"
        assert _bystander(play, SECONDS) == 200
        play.close()
    share = CONNECTIONS // 2
    return f"{share} go on, {MANY - share} are told 503 at once; others' misses are answered"


def endless_events(memo: bool) -> str:
    return _one_clients(memo, asks(b"/events%d"))


def one_clients_uploads(memo: bool) -> str:
    upload = asks(b"/up%d", b"Content-Length: 10", method=b"POST") + b"begin"
    return _one_clients(memo, upload, uploads_per_address_max=CONNECTIONS // 2)


SHARES = [
    Trial("X04", f"{MANY} POSTs, a byte a second each", slow_posts),
    Trial("X04", f"{MANY} POSTs that stop after 64 KiB", slow_large_posts),
    Trial("X04", "more uploads than may be under way at once", posts_in_the_line),
    Trial("X04", f"{MANY} uploads from one address", one_clients_uploads),
    Trial("X05", "large answers that nobody reads", unread_answers),
    Trial("X05", f"{MANY} answers without an end, from one address", endless_events),
]  # fmt: skip
