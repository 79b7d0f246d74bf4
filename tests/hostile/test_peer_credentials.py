"""Between tiers: who captured what an edge sent gets nothing by it, whatever is changed."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from edgecache.cluster.credentials import AGE_S_MAX
from edgecache.http.message import BadMessage
from edgecache.server.http1.connection import ViewerConnection
from edgecache.upstream.peer.heads import signed_head
from tests.world.credentials import signer, without_credential
from tests.world.peers import PeeredPlay
from tests.world.play import Scene
from tests.world.transport import FakeTransport

SECRET = b"for her alone"
REFUSALS = (
    b"HTTP/1.1 403 ",
    b"HTTP/1.1 400 ",
    b"HTTP/1.1 501 ",
    b"HTTP/1.1 505 ",
    b"HTTP/1.1 414 ",
)


@pytest.fixture(params=[True, False], ids=["head-cache", "no-head-cache"])
def play(request: pytest.FixtureRequest) -> Iterator[PeeredPlay]:
    """Two tiers, of which the inner one holds /private and /public."""
    made = PeeredPlay(Scene(memo=request.param, regional=True))
    for path, body in (("/private", SECRET.decode()), ("/public", "for everybody")):
        made.viewer().asks(path)
        made.origin.hears(path)
        made.origin.answers(200, body, cache="max-age=600")
        made.viewer().gets(200)
    yield made
    made.close()


def sent(play: PeeredPlay, head: bytes) -> bytes:
    """What the regional cache answers to bytes of a stranger's."""
    settings: Any = SimpleNamespace(loaded_app=SimpleNamespace(listener=play.inner))
    state = SimpleNamespace(connections=set(), tasks=play.tasks)
    connection = ViewerConnection(settings, state, {}, play.loop)
    transport = FakeTransport()
    connection.connection_made(transport)
    connection.data_received(head)
    play.loop.settle()
    written = bytes(transport.written)
    transport.closed = True
    connection.connection_lost(None)
    return written


def fresh(play: PeeredPlay, head: bytes) -> bytes:
    """`head` with a credential that was captured before it arrived."""

    return signed_head(without_credential(head), play.signer.sign)


def test_a_captured_head_is_answered_once(play: PeeredPlay) -> None:
    private = play.heads[0]
    assert private.startswith(b"GET /private ")
    assert b"Edgecache-Fault: peer" in sent(play, private)
    captured = fresh(play, private)
    assert SECRET in sent(play, captured)
    for _ in range(3):
        assert SECRET not in sent(play, captured)


@pytest.mark.parametrize(
    ("is_", "becomes"),
    [
        (b"GET /public ", b"GET /private "),
        (b"GET /public ", b"HEAD /public "),
        (b"GET /public ", b"PURGE /public "),
        (b"/public HTTP", b"/public?a HTTP"),
        (b"Host: site.test", b"Host: other.test"),
        (b"Edgecache-Distribution: ", b"Edgecache-Distribution: X"),
        (b"Edgecache-Scheme: http", b"Edgecache-Scheme: https"),
        (b"Edgecache-Id: ", b"Edgecache-Id: 0"),
        (b"Edgecache-Client: ", b"Edgecache-Client: 1"),
        (b"\r\n\r\n", b"\r\nCookie: session=hers\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nAuthorization: Bearer hers\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nEdgecache-Explain: 1\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello"),
        (b"edge-LHR50-1.", b"control."),
        (b"edge-LHR50-1.", b"regional."),
        (b"edge-LHR50-1.", b"edge-LHR50-2."),
    ],
)
def test_a_captured_head_is_for_nothing_else(play: PeeredPlay, is_: bytes, becomes: bytes) -> None:
    captured = fresh(play, play.heads[1])
    assert captured.count(is_) == 1, captured
    answer = sent(play, captured.replace(is_, becomes))
    assert answer.startswith(b"HTTP/1.1 403 "), answer[:200]
    assert sent(play, captured).startswith(b"HTTP/1.1 200 "), "the forged one used it up"


def test_no_byte_of_it_can_be_another(play: PeeredPlay) -> None:
    captured = fresh(play, play.heads[0])
    for at, byte in enumerate(captured):
        other = captured[:at] + bytes([byte ^ 0x01]) + captured[at + 1 :]
        try:
            answer = sent(play, other)
        except BadMessage:
            continue
        assert SECRET not in answer, other
        assert not answer or answer.startswith(REFUSALS) or b" 4" in answer[:13], answer[:100]
    assert SECRET in sent(play, captured)


@pytest.mark.parametrize("which", ["late", "of-control", "for-control", "another-secret"])
def test_what_proves_something_else_proves_nothing_here(play: PeeredPlay, which: str) -> None:

    bare = without_credential(play.heads[0])
    made = {
        "late": play.signer,
        "of-control": signer("control", "regional", play.clock),
        "for-control": signer("edge-LHR50-1", "control", play.clock),
        "another-secret": signer("edge-LHR50-1", "regional", play.clock, {"k1": "b" * 32}),
    }[which]
    captured = signed_head(bare, made.sign)
    if which == "late":
        play.advance(AGE_S_MAX + 1)
    assert SECRET not in sent(play, captured)
