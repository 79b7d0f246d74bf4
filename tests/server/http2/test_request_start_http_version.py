"""What a distribution's `http_version` says of requests that come by HTTP/2."""

from __future__ import annotations

import pytest

from edgecache.http.http2 import frames
from edgecache.http.http2.frames import settings_frame
from edgecache.http.http2.header_block import literal, status_field
from tests.server.test_tls_connection import secure, session
from tests.world.http2_wire import WireClient, get, open_client
from tests.world.play import Play, Scene

ASKED = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":path", b"/"),
    (b":authority", b"site.test"),
)
GET = frames.frame(
    frames.HEADERS,
    frames.END_HEADERS | frames.END_STREAM,
    1,
    b"".join([literal(*field) for field in ASKED]),
)  # fmt: skip


def over_tls(play: Play) -> WireClient:
    secure(play, session(b"site.test", b"other.test"))
    return WireClient(play, settings=settings_frame({}))


@pytest.mark.parametrize("version", ["http1.1", "http3"])
def test_who_is_not_served_by_http_2_is_misdirected(version: str) -> None:
    """On a connection for another name, or one that was open before (RFC 9110 §15.5.20)."""
    play = Play(Scene(site={"http_version": version}))
    client = over_tls(play).says(GET)
    (head,) = [one for one in client.hears() if one.kind == frames.HEADERS]
    assert head.payload.startswith(status_field(421))
    play.origin.hears_nothing()
    play.close()


@pytest.mark.parametrize("version", ["http2", "http2and3"])
def test_who_is_served_by_it_is_answered(version: str) -> None:
    play = Play(Scene(site={"http_version": version}))
    client = over_tls(play).says(GET)
    play.origin.answers(200, "body")
    (head,) = [one for one in client.hears() if one.kind == frames.HEADERS]
    assert head.payload.startswith(status_field(200))
    play.close()


def test_prior_knowledge_is_the_locations_to_give() -> None:
    """Over a connection without TLS the first bytes have said it, and nothing was offered."""
    play = Play(Scene(site={"http_version": "http1.1"}))
    client = open_client(play).says(get(1))
    play.origin.answers(200, "body")
    (head,) = [one for one in client.hears() if one.kind == frames.HEADERS]
    assert head.payload.startswith(status_field(200))
    play.close()
