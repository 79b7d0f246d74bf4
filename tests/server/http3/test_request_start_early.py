"""Early requests (0-RTT): what is answered before the handshake is complete, and what may not be.

What another has recorded and says again is a connection whose handshake is never complete: it may
be given a hit, which it cannot read, and no origin hears of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from aioquic.tls import SessionTicket

from edgecache.server.http3.connection import QuicViewerConnection
from edgecache.server.http3.quic import ViewerQuicConnection, quic_configuration
from edgecache.server.http3.session_tickets import AGE_ERROR_S_MAX, SessionTickets
from tests.world.http3_viewer import Http3Viewer, quic_test_certificate
from tests.world.play import Play, Scene
from tests.world.udp_client import tls_port


@dataclass
class Resumption:
    """A play whose listener gives tickets, and a viewer that has one."""

    play: Play
    tickets: SessionTickets
    given: list[SessionTicket]

    def viewer(self, ticket: SessionTicket | None = None) -> Http3Viewer:
        """One that has not connected yet, and resumes."""
        play = self.play
        made = Http3Viewer(
            play.listener, play.loop, ("192.0.2.7", 4_000 + len(play.viewers)), play.tasks,
            tickets=self.tickets, resumes=ticket or self.given[0],
        )  # fmt: skip
        play.viewers[f"early {len(play.viewers)}"] = made  # type: ignore[assignment]
        return made

    @property
    def early(self) -> int:
        return self.play.counters.http3_early_requests


def tickets_of(play: Play) -> SessionTickets:
    """Those of one process."""
    return SessionTickets(b"s" * 32, b"", lambda: play.clock.now, os.urandom)


@pytest.fixture
def resumption(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resumption]:
    """`/a` is stored."""
    play = Play(Scene(semantics="rfc9111"))
    tickets = tickets_of(play)  # ages are the library's to tell
    monkeypatch.setattr("aioquic.tls.utcnow", lambda: datetime.fromtimestamp(play.clock.now, UTC))
    first = Http3Viewer(play.listener, play.loop, ("192.0.2.7", 3_999), play.tasks, tickets=tickets)
    play.viewers["first"] = first  # type: ignore[assignment]
    first.asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "body", cache="max-age=600")
    first.gets(200, "body")
    yield Resumption(play, tickets, first.given)
    play.close()


def first_flight(viewer: Http3Viewer) -> list[bytes]:
    """What a viewer sends before it has heard anything."""
    return [datagram for datagram, _ in viewer.quic.datagrams_to_send(viewer.port.loop.time())]


def asks(viewer: Http3Viewer, target: str, method: str = "GET", host: str = "site.test") -> int:
    """A request that is not sent yet."""
    assert viewer.http3 is not None
    stream = viewer.quic.get_next_available_stream_id()
    head = [
        (b":method", method.encode()), (b":scheme", b"http"), (b":authority", host.encode()),
        (b":path", target.encode()),
    ]  # fmt: skip
    viewer.http3.send_headers(stream, head, end_stream=True)
    return stream


def test_one_ticket_is_given(resumption: Resumption) -> None:
    assert len(resumption.given) == 1
    assert resumption.early == 0


def test_a_hit_comes_with_the_first_answer(resumption: Resumption) -> None:
    viewer = resumption.viewer()
    viewer.asks("/a").gets(200, "body")
    assert viewer.quic.tls.early_data_accepted
    assert resumption.early == 1
    viewer.asks("/a").gets(200, "body")  # the handshake is complete
    assert resumption.early == 1


@pytest.mark.parametrize(
    ("target", "method", "status"),
    [
        ("/a?q", "GET", 425), ("/a?", "HEAD", 425), ("/a", "POST", 425), ("/a", "OPTIONS", 425),
        ("/a", "PURGE", 425), ("/a", "HEAD", 200),
    ],
)  # fmt: skip
def test_what_may_change_something_is_to_be_asked_again(
    resumption: Resumption, target: str, method: str, status: int
) -> None:
    """RFC 8470 §5.2."""
    viewer = resumption.viewer()
    stream = viewer.begins(target, method)
    assert viewer.answers[stream].status == status
    resumption.play.origin.hears_nothing()


def test_an_origin_is_asked_once_the_handshake_is_complete(resumption: Resumption) -> None:
    viewer = resumption.viewer()
    asks(viewer, "/b")
    for datagram in first_flight(viewer):
        viewer.viewed.receive(datagram, viewer.address)
    viewer.viewed.transmit()
    resumption.play.loop.settle()
    assert resumption.early == 1
    assert len(viewer.viewed.streams) == 1
    resumption.play.origin.hears_nothing()
    viewer.flushes()
    resumption.play.origin.hears("/b")
    resumption.play.origin.answers(200, "b")
    resumption.play.loop.settle()


def test_a_stale_hit_waits_since_its_origin_would_be_asked(resumption: Resumption) -> None:
    play = resumption.play
    play.viewer("x").asks("/swr")
    play.origin.hears("/swr")
    play.origin.answers(200, "old", cache="max-age=1, stale-while-revalidate=60")
    play.viewer("x").gets(200)
    play.advance(2)
    viewer = resumption.viewer()
    asks(viewer, "/swr")
    for datagram in first_flight(viewer):
        viewer.viewed.receive(datagram, viewer.address)
    viewer.viewed.transmit()
    play.loop.settle()
    play.origin.hears_nothing()
    viewer.flushes()
    play.origin.hears("/swr")
    play.origin.answers(200, "new")
    play.loop.settle()


class Echo:
    """A process of the location that is sent what somebody has recorded."""

    def __init__(
        self, resumption: Resumption, tickets: SessionTickets, viewer: Http3Viewer
    ) -> None:
        play, port = resumption.play, viewer.port
        first = viewer.quic.original_destination_connection_id
        quic = ViewerQuicConnection(
            quic_configuration(play.listener.limits.idle_s_max), first, None, viewer.served._ids,
            lambda _name: quic_test_certificate(),
        )  # fmt: skip
        quic.tickets = tickets
        port.unproven += 1
        self.connection = QuicViewerConnection(port, quic, ("198.51.100.9", 9), first)
        self._play = play

    def hears(self, recorded: list[bytes]) -> None:
        for datagram in recorded:
            self.connection.receive(datagram, ("198.51.100.9", 9))
        self.connection.transmit()
        self._play.loop.settle()


def test_what_is_said_again_is_not_taken(resumption: Resumption) -> None:
    """By the same process: a full handshake, which only its viewer can complete."""
    viewer = resumption.viewer()
    asks(viewer, "/a")
    recorded = first_flight(viewer)
    for datagram in recorded:
        viewer.viewed.receive(datagram, viewer.address)
    assert resumption.early == 1
    echo = Echo(resumption, resumption.tickets, viewer)
    echo.hears(recorded)
    assert not echo.connection.quic.tls.early_data_accepted
    assert resumption.early == 1
    echo.connection.forget()
    viewer.flushes()


def test_said_again_to_another_process_no_origin_hears_of_it(resumption: Resumption) -> None:
    viewer = resumption.viewer()
    asks(viewer, "/b")
    asks(viewer, "/b", "POST")
    recorded = first_flight(viewer)
    echo = Echo(resumption, tickets_of(resumption.play), viewer)
    echo.hears(recorded)
    assert echo.connection.quic.tls.early_data_accepted
    assert resumption.early == 2
    resumption.play.advance(resumption.play.listener.limits.head_s_max + 1)
    resumption.play.origin.hears_nothing()
    assert not echo.connection.streams
    echo.connection.forget()


def test_a_ticket_that_is_older_than_it_says_is_no_good(resumption: Resumption) -> None:
    """A hello that was held back (RFC 8446 §8.3); its viewer is served by a full handshake."""
    late = replace(
        resumption.given[0], age_add=resumption.given[0].age_add + int(AGE_ERROR_S_MAX * 1_000) + 9
    )
    viewer = resumption.viewer(late)
    viewer.asks("/a").gets(200, "body")
    assert not viewer.quic.tls.early_data_accepted
    assert not viewer.quic.tls.session_resumed
    assert resumption.early == 0


def test_who_sends_nothing_early_resumes(resumption: Resumption) -> None:
    """Without a certificate and its signature, whenever within the hour."""
    viewer = resumption.viewer(replace(resumption.given[0], max_early_data_size=None))
    viewer.asks("/b", "POST")
    assert viewer.quic.tls.session_resumed
    resumption.play.origin.hears("/b")
    resumption.play.origin.answers(200, "b")
    viewer.gets(200, "b")
    assert resumption.early == 0


def test_a_forged_ticket_is_a_full_handshake(resumption: Resumption) -> None:
    viewer = resumption.viewer(replace(resumption.given[0], ticket=b"x" * 120))
    viewer.asks("/a").gets(200, "body")
    assert not viewer.quic.tls.session_resumed
    assert resumption.early == 0


def test_an_early_request_is_for_the_names_of_its_certificate(resumption: Resumption) -> None:
    viewer = resumption.viewer()
    viewer.viewed.certificate = tls_port(b"other.test").certificates[0]
    stream = viewer.begins("/a")
    assert viewer.answers[stream].status == 421
    assert resumption.early == 1


def test_where_it_is_off_what_was_given_before_counts_no_more(resumption: Resumption) -> None:
    viewer = resumption.viewer()
    viewer.served.tickets = None  # `early_data` was taken away meanwhile
    viewer.asks("/a").gets(200, "body")
    assert not viewer.quic.tls.early_data_accepted
    assert resumption.early == 0
