"""WebSockets pass through: never looked up, stored or shared (RFC 6455 §4, RFC 9110 §7.8)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from edgecache.http.framing import BODY_BYTES_PER_S_MIN
from edgecache.http.message import Response, first_value
from edgecache.server.websocket import ENDING_S_MAX, IDLE_S_MAX
from edgecache.upstream.interface import Reply
from tests.world.origin import HeldBody
from tests.world.play import Play
from tests.world.viewer import Viewer

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 §1.3
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
OPENING = {"connection": "Upgrade", "upgrade": "websocket", "sec_websocket_version": "13"}


class HeldTunnel(HeldBody):
    """A tunnel's far side, held by the play."""

    def __init__(self) -> None:
        super().__init__(None)
        self.received = bytearray()
        self.ended = False
        self.hung_up = False
        self.room: asyncio.Future[None] | None = None

    def write(self, data: bytes) -> None:
        self.received += data

    async def writable(self) -> None:
        if self.room is not None:
            await self.room

    def end_writing(self) -> None:
        self.ended = True

    def hang_up(self) -> None:
        self.hung_up = True


def opens(play: Play, target: str = "/chat", **fields: str) -> Viewer:
    return play.viewer().asks(target, sec_websocket_key=KEY, **OPENING, **fields)


def accepts(play: Play) -> HeldTunnel:
    """The origin's 101."""
    tunnel = HeldTunnel()
    fields = (
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-accept", ACCEPT),
    )
    now = play.clock.now
    play.origin._next_open().set_result(Reply(Response(101, b"", fields, now, now), tunnel))
    play.loop.settle()
    return tunnel


def opened(play: Play) -> HeldTunnel:
    """A WebSocket that stands; its opening is read and taken off the viewer's side."""
    viewer = opens(play)
    play.origin.hears("/chat")
    tunnel = accepts(play)
    got = viewer.got()
    assert got is not None
    assert got.head.status == 101
    viewer.transport.written.clear()
    return tunnel


@pytest.mark.parametrize("scene", [{}, {"regional": True}, {"semantics": "rfc9111"}], ids=str)
def test_the_handshake_passes_both_ways(
    stage: Callable[..., Play], scene: dict[str, object]
) -> None:
    play = stage(**scene)
    viewer = opens(play, sec_websocket_protocol="chat")
    heard = play.origin.hears("/chat", upgrade="websocket", sec_websocket_key=KEY)
    assert first_value(heard.request.fields, b"sec-websocket-version") == b"13"
    assert first_value(heard.request.fields, b"sec-websocket-protocol") == b"chat"
    tunnel = accepts(play)
    got = viewer.got()
    assert got is not None
    assert got.head.status == 101
    assert (got.field("connection"), got.field("upgrade")) == ("Upgrade", "websocket")
    assert got.field("sec-websocket-accept") == ACCEPT.decode()
    assert got.field("content-length") is None
    assert got.field("transfer-encoding") is None
    viewer.transport.written.clear()
    viewer.sends(b"ping")
    tunnel.put(b"pong")
    play.loop.settle()
    assert bytes(tunnel.received) == b"ping"
    assert bytes(viewer.transport.written) == b"pong"


def test_it_is_never_answered_from_the_store_nor_shared(play: Play) -> None:
    play.viewer("b").asks("/chat")
    play.origin.answers(200, "stored", cache="max-age=60")
    play.viewer("b").gets(200)
    opens(play)
    play.origin.hears("/chat")
    play.origin.hears("/chat", upgrade="websocket")
    play.viewer("c").asks("/chat").gets(200, "stored", x_cache="Hit")
    play.viewer("d").asks("/chat", sec_websocket_key=KEY, **OPENING)
    play.origin.hears("/chat", upgrade="websocket")


@pytest.mark.parametrize("status", [200, 400, 426, 503])
def test_any_other_status_is_an_ordinary_response(play: Play, status: int) -> None:
    viewer = opens(play)
    play.origin.answers(status, "no")
    viewer.gets(status)
    viewer.asks("/next")
    play.origin.hears("/chat")
    play.origin.hears("/next")


def test_what_is_sent_before_the_101_is_the_tunnels(play: Play) -> None:
    viewer = opens(play)
    viewer.sends(b"early")
    tunnel = accepts(play)
    assert bytes(tunnel.received) == b"early"


NOT_ONE = [
    {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2_settings": "AAMAAABk"},
    {"connection": "Upgrade", "upgrade": "websocket"},  # no key, no version
    {"connection": "Upgrade", "upgrade": "websocket, h2c", "sec_websocket_version": "13"},
    {"upgrade": "websocket", "sec_websocket_version": "13", "sec_websocket_key": KEY},
]


@pytest.mark.parametrize("fields", NOT_ONE, ids=["h2c", "no key", "two", "no connection"])
def test_other_upgrades_are_ignored_and_not_forwarded(play: Play, fields: dict[str, str]) -> None:
    viewer = play.viewer().asks("/chat", **fields)
    play.origin.hears("/chat", upgrade=None, connection=None, http2_settings=None)
    play.origin.answers(200, "plain", cache="max-age=60")
    viewer.gets(200, "plain")


def test_ten_idle_minutes_end_it(play: Play) -> None:
    tunnel = opened(play)
    viewer = play.viewer()
    play.advance(IDLE_S_MAX - 1)
    viewer.sends(b"x")
    play.advance(IDLE_S_MAX - 1)
    tunnel.put(b"y")
    play.loop.settle()
    play.advance(IDLE_S_MAX - 1)
    assert not viewer.transport.closed
    play.advance(2)
    assert viewer.transport.closed
    viewer.leaves()
    assert tunnel.hung_up


def test_an_end_of_one_direction_is_passed_on(play: Play) -> None:
    tunnel = opened(play)
    viewer = play.viewer()
    viewer.sends(b"last")
    assert viewer.connection.eof_received()
    play.loop.settle()
    assert bytes(tunnel.received) == b"last"
    assert tunnel.ended
    tunnel.put(b"bye")
    tunnel.put(b"")
    play.loop.settle()
    assert bytes(viewer.transport.written) == b"bye"
    assert viewer.transport.closed
    assert not viewer.transport.aborted
    assert tunnel.hung_up


def test_the_origins_end_leaves_the_viewers_direction_open(play: Play) -> None:
    tunnel = opened(play)
    viewer = play.viewer()
    tunnel.put(b"")
    play.loop.settle()
    assert viewer.transport.ended
    viewer.sends(b"still")
    assert bytes(tunnel.received) == b"still"
    viewer.connection.eof_received()
    play.loop.settle()
    assert tunnel.hung_up


@pytest.mark.parametrize("side", ["origin", "viewer"])
@pytest.mark.parametrize(("size", "lasts"), [(1, False), (300, True)])
def test_once_one_side_has_ended_the_other_goes_on_at_a_rate(
    side: str, size: int, lasts: bool, play: Play
) -> None:
    """Or it is held open by a byte now and then, with nobody at the other end."""
    tunnel = opened(play)
    viewer = play.viewer()
    if side == "origin":
        tunnel.put(b"")
    else:
        viewer.connection.eof_received()
    play.loop.settle()
    for _ in range(int(3 * ENDING_S_MAX)):
        if viewer.transport.closed:
            break
        if side == "origin":
            viewer.sends(b"x" * size)
        else:
            tunnel.put(b"x" * size)
        play.loop.settle()
        play.advance(1)
    assert viewer.transport.closed is not lasts
    viewer.leaves()
    assert tunnel.hung_up


@pytest.mark.parametrize("side", ["origin", "viewer"])
def test_seconds_of_silence_end_it_once_one_side_has_ended(side: str, play: Play) -> None:
    """RFC 6455 §7.1.1: the other ends at once; ten minutes would be held by who does not."""
    tunnel = opened(play)
    viewer = play.viewer()
    if side == "origin":
        tunnel.put(b"")
    else:
        viewer.connection.eof_received()
    play.loop.settle()
    play.advance(ENDING_S_MAX - 1)
    said = bytes(int(ENDING_S_MAX * BODY_BYTES_PER_S_MIN))
    if side == "origin":
        viewer.sends(said)  # the silence begins anew
    else:
        tunnel.put(said)
    play.loop.settle()
    play.advance(ENDING_S_MAX - 1)
    assert not viewer.transport.closed
    play.advance(2)
    assert viewer.transport.closed
    viewer.leaves()
    assert tunnel.hung_up


def test_an_origin_that_breaks_off_resets_the_viewer(play: Play) -> None:
    tunnel = opened(play)
    tunnel.break_off()
    play.loop.settle()
    assert play.viewer().transport.aborted
    assert tunnel.closed


def test_a_viewer_is_read_no_faster_than_the_origin_takes(play: Play) -> None:
    tunnel = opened(play)
    viewer = play.viewer()
    tunnel.room = play.loop.create_future()
    viewer.sends(b"a")
    viewer.sends(bytes(40_000))
    assert viewer.transport.reading
    viewer.sends(bytes(40_000))
    assert not viewer.transport.reading
    tunnel.room.set_result(None)
    tunnel.room = None
    play.loop.settle()
    assert viewer.transport.reading
    assert len(tunnel.received) == 80_001


def test_an_origin_is_read_no_faster_than_the_viewer_takes(play: Play) -> None:
    tunnel = opened(play)
    viewer = play.viewer()
    viewer.connection.pause_writing()
    tunnel.put(b"one")
    tunnel.put(b"two")
    play.loop.settle()
    assert bytes(viewer.transport.written) == b"one"
    viewer.connection.resume_writing()
    play.loop.settle()
    assert bytes(viewer.transport.written) == b"onetwo"


def test_it_is_logged_when_it_ends(play: Play) -> None:
    tunnel = opened(play)
    viewer = play.viewer()
    viewer.sends(b"12345")
    play.access_log.flush()
    assert b"/chat" not in play.log
    tunnel.put(b"1234567")
    play.loop.settle()
    viewer.leaves()
    assert tunnel.hung_up
    play.access_log.flush()
    record = play.log.decode().splitlines()[-1].split("\t")
    assert (record[7], record[8], record[13], record[16]) == ("/chat", "101", "Miss", "ws")
    assert int(record[3]) > 7
    assert int(record[17]) > 5


def test_a_worker_that_stops_does_not_wait_for_it(play: Play) -> None:
    tunnel = opened(play)
    play.viewer().connection.shutdown()
    play.loop.settle()
    assert play.viewer().transport.closed
    assert tunnel.hung_up
