"""Other tiers are answered again as they were concluded to be: on the wire, in log and counters."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.cache.peer_frontend import PeerFrontend
from edgecache.http.message import Fields, Request
from edgecache.server.http1 import head_cache_peer
from edgecache.server.http1.head_cache_peer import USES_LEAST, PeerHeadCache
from edgecache.server.listener import Listener
from edgecache.server.request_log import RequestLog
from edgecache.server.request_tracing import RequestIds
from edgecache.upstream.peer.heads import PeerTemplateKey, peer_head, shared_lines, signed_head
from tests.world.credentials import signer, verifier
from tests.world.play import Play, Scene


class Peers(Play):
    """A play whose edge is asked by another tier, which signs what it sends."""

    def _listener(self) -> Listener:
        seen = super()._listener()
        self.admitted = verifier("regional", self.clock)
        self.signers = {
            "good": signer("edge-a-1", "regional", self.clock),
            "bad": signer("edge-a-1", "regional", self.clock, {"k1": "b" * 32}),
        }
        front = PeerFrontend(self.edge, seen.frontend.table, self.admitted.sender)
        memo = PeerHeadCache() if self.scene.memo else None
        requests = RequestLog("regional", self._counters, self.access_log)
        ids = RequestIds(lambda count: bytes(count))
        return Listener(front, self.scene.limits, self.clock, ids, requests, "cloudfront", memo)

    def head(self, ask: Ask, request_id: bytes = b"id") -> bytes:
        """A call as it is sent."""
        alike = PeerTemplateKey(ask.fields, b"site.test", b"http", "EPLAY", b"", ask.mark)
        request = Request(
            b"GET", ask.path, None, ask.fields, client=("192.0.2.7", 0), id=request_id
        )
        bare = peer_head(request, shared_lines(alike))
        return signed_head(bare, self.signers[ask.credential].sign)

    def called(self, ask: Ask, request_id: bytes = b"id") -> bytes:
        """What a peer is sent for a call; the origin answers, if it is asked."""
        return self.sent(self.head(ask, request_id), ask.credential)

    def sent(self, head: bytes, name: str = "good") -> bytes:
        """What `head` is answered with."""
        peer = self.viewer(name)
        peer.sends(head)
        while any(not future.done() for _, future in self.origin._open):
            self.origin.answers(200, "body", cache="max-age=9", etag='"e"')
        written = bytes(peer.transport.written)
        peer.transport.written.clear()
        if peer.transport.closed:
            peer.leaves()
            del self.viewers[name]
        return written

    @property
    def repeated(self) -> int:
        """How many answers the memo has given since it was last asked."""
        return sum(known.times for known in self.head_cache or ())


class Ask(NamedTuple):
    """A call of a peer."""

    path: bytes = b"/a"
    fields: Fields = ()
    mark: bytes = b":0"
    credential: str = "good"


def warmed() -> Peers:
    """A play in which /a was asked for so often that it is remembered."""
    play = Peers(Scene())
    for _ in range(USES_LEAST + 2):
        assert play.called(Ask()).startswith(b"HTTP/1.1 200 OK")
    assert play.repeated == 1
    return play


def test_what_is_asked_for_again_and_again_is_repeated_with_the_id_of_each_call() -> None:
    play = warmed()
    play.called(Ask(), b"one-more")
    play.access_log.flush()
    assert b"\tone-more\t" in bytes(play.log).splitlines()[-1]
    assert play.repeated == 2
    play.origin.hears("/a")
    play.origin.hears_nothing()
    play.close()


def test_a_credential_is_for_one_head_and_once_though_its_answer_is_remembered() -> None:
    play = warmed()
    head = play.head(Ask())
    assert play.sent(head).startswith(b"HTTP/1.1 200 OK")
    assert play.repeated == 2
    assert play.sent(head).startswith(b"HTTP/1.1 403 ")
    assert play.called(Ask(b"/b")).startswith(b"HTTP/1.1 200 OK")
    other = play.head(Ask(b"/b")).replace(b"GET /b ", b"GET /a ")
    assert play.sent(other).startswith(b"HTTP/1.1 403 ")
    assert play.called(Ask(credential="bad")).startswith(b"HTTP/1.1 403 ")
    assert play.repeated == 2
    play.close()


def test_a_credential_that_a_lapsed_hit_was_asked_with_is_not_used_up() -> None:
    play = warmed()
    play.operator.leases(0.0)
    assert not play.called(Ask()).startswith(b"HTTP/1.1 403 ")
    play.close()


def test_who_knows_of_more_than_we_do_is_not_answered_out_of_memory() -> None:
    play = warmed()
    newer = Ask(mark=b":1")
    assert b"fwd=" in play.called(newer)  # asked of the origin anew
    play.operator.invalidates("/other")
    for _ in range(USES_LEAST + 2):
        play.called(newer)
    before = play.repeated
    play.called(newer)
    assert play.repeated == before + 1
    play.operator.edge.begin("another-log", 0)
    play.called(newer)
    assert play.repeated == before + 1
    play.close()


CONDITIONS: tuple[Fields, ...] = ((), (), (), ((b"if-none-match", b'"e"'),))
ASKS = st.builds(
    Ask,
    st.just(b"/a"),
    st.sampled_from(CONDITIONS),
    st.sampled_from([b":0", b":0", b":0", b":1", b":2", b"x:0", b""]),
    st.sampled_from(["good", "good", "good", "good", "bad"]),
)
EVENTS = st.sampled_from(["", "", "", "", "/b", "/a", "soft /a", "log", "lease", "evicted"])
STEPS = st.lists(st.tuples(ASKS, EVENTS, st.sampled_from([0, 0, 0, 1, 4])), max_size=25)


@settings(max_examples=60)
@given(STEPS)
def test_a_transcript_is_the_same_with_and_without(steps: list[tuple[Ask, str, int]]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(head_cache_peer, "USES_LEAST", 0)
        assert transcript(steps, memo=True) == transcript(steps, memo=False)


def transcript(steps: list[tuple[Ask, str, int]], *, memo: bool) -> object:
    """All that is written to peers, the log, and what was counted."""
    play, written = Peers(Scene(memo=memo)), []
    usual = [(Ask(), "", 0)] * 3
    for number, (ask, event, seconds) in enumerate([*usual, *steps]):
        written.append(play.called(ask, b"id-%d" % number))
        happens(play, event)
        play.advance(seconds)
        written.append(play.called(Ask(), b"then-%d" % number))
    play.access_log.flush()
    counted = play.counters.snapshot()
    play.close()
    return written, bytes(play.log), counted["totals"], counted["words"]


def happens(play: Peers, event: str) -> None:
    """What changes what may be answered."""
    match event.split():
        case ["soft", path]:
            play.operator.invalidates(path, soft=True)
        case ["log"]:
            play.operator.edge.begin(f"log-{play.clock()}", 0)
        case ["lease"]:
            play.operator.leases(2.0)
        case ["evicted"]:
            stored = play.edge.store.keys()
            for key in stored:
                play.edge.store.remove(key)
        case [path]:
            play.operator.invalidates(path)


def test_a_ping_is_answered_counted_nowhere_and_logged_nowhere() -> None:
    play = Peers(Scene())
    got = play.sent(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 204 ")
    play.access_log.flush()
    assert (bytes(play.log), play.counters.requests) == (b"", {})
    play.close()
