"""A UDP port: whose a datagram is, what begins a connection, and what a stranger gets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from aioquic.quic.packet import QuicErrorCode
from msgspec.structs import replace

from edgecache.config.model import Limits
from edgecache.server.http3.connection_ids import ConnectionIds
from edgecache.server.http3.port import UNPROVEN_MAX
from tests.world.play import Play, Scene
from tests.world.udp_client import SECRET, UdpClient, UdpStage

NO_PROTOCOL = QuicErrorCode.CRYPTO_ERROR + 120  # no_application_protocol (RFC 8446 §6)


@pytest.fixture
def udp(tmp_path: Path) -> Iterator[UdpStage]:
    play = Play(Scene(site={"http_version": "http3"}, limits=Limits(connections_per_address_max=3)))
    made = UdpStage(play, tmp_path / "state")
    yield made
    made.close()
    play.close()


def answers(udp: UdpStage, body: str = "one") -> None:
    udp.play.origin.hears("/a")
    udp.play.origin.answers(200, body, cache="max-age=60")


def test_a_request_has_its_answer_and_its_line(udp: UdpStage) -> None:
    client = udp.client(udp.port(1))
    stream = client.asks()
    answers(udp)
    client.speaks()
    assert (client.statuses[stream], client.bodies[stream]) == (200, b"one")
    again = client.asks()
    assert client.bodies[again] == b"one"
    udp.play.access_log.flush()
    lines = [line.split("\t") for line in udp.play.log.decode().splitlines()]
    said = [(line[5], line[13], line[20], line[23]) for line in lines if len(line) > 23]
    assert [(one[0], one[1], one[2][:7], one[3]) for one in said] == [
        ("GET", "Miss", "TLSv1.3", "HTTP/3.0"), ("GET", "Hit", "TLSv1.3", "HTTP/3.0"),
    ]  # fmt: skip
    assert udp.play.counters.http3_requests == 2


def test_a_site_that_is_not_for_it_is_refused_by_name(udp: UdpStage) -> None:
    """By 421 where the connection is another name's, in the handshake where it is its own."""
    port = udp.port(1)
    site = udp.play.listener.frontend.table.site(b"site.test")
    assert site is not None
    client = udp.client(port)
    client.speaks()
    other = replace(site.distribution, http_version="http2")
    object.__setattr__(site, "distribution", other)
    stream = client.asks()
    assert client.statuses[stream] == 421
    refused = udp.client(port).speaks()
    assert refused.ended == NO_PROTOCOL


def test_a_name_of_another_certificate_is_misdirected(udp: UdpStage) -> None:
    client = udp.client(udp.port(1))
    stream = client.asks(host=b"nobody.test")
    assert client.statuses[stream] == 421


def test_retry_where_handshakes_are_many(udp: UdpStage) -> None:
    """RFC 9000 §8.1.2: who repeats the token is let in, and nothing was kept for it meanwhile."""
    port = udp.port(1)
    port.unproven += UNPROVEN_MAX
    client = udp.client(port)
    client.sends()
    assert not port._by_id
    stream = client.asks()
    answers(udp)
    client.speaks()
    assert client.statuses[stream] == 200
    assert udp.play.counters.http3_retries == 1
    assert port.unproven == UNPROVEN_MAX


def test_a_forged_token_and_one_of_another_address_are_refused(udp: UdpStage) -> None:
    """§8.1.3: they end with INVALID_TOKEN, and nothing is kept."""
    port = udp.port(1)
    port.unproven += UNPROVEN_MAX
    for change in ("a byte", "the address", "the time"):
        client = udp.client(port)
        client.sends()
        client.receives()
        token = client.quic._peer_token
        assert token
        if change == "a byte":
            client.quic._peer_token = token[:-1] + bytes((token[-1] ^ 1,))
        elif change == "the address":
            client.moves()
        else:
            udp.play.clock.now += 16
        client.speaks()
        assert client.ended == QuicErrorCode.INVALID_TOKEN, change
    assert not port._by_id
    assert udp.play.counters.http3_ends["invalid_token"] == 3


def test_no_more_than_three_times_what_came_is_sent_before_an_address_is_validated(
    udp: UdpStage,
) -> None:
    """§8.1: whoever was named as the sender, and how often the answer is lost."""
    client = udp.client(udp.port(1))
    (first, *_) = client.quic.datagrams_to_send(udp.play.loop.time())
    client.socket.sendto(first[0], client.server)
    received = 0
    for _ in range(300):
        udp.play.clock.now += 0.05
        udp.play.loop.settle()
        udp.listener.sweep()
        received += sum(map(len, heard(client)))
    assert len(first[0]) < received <= 3 * len(first[0])


def heard(client: UdpClient) -> list[bytes]:
    client.heard.clear()
    client.receives()
    return [*client.heard]


def test_a_version_that_is_not_spoken(udp: UdpStage) -> None:
    """§6.1: named, to who said enough; not to Version Negotiation, which would go on for ever."""
    client = udp.client(udp.port(1))
    sock = client.socket
    ids = b"\x08" + b"d" * 8 + b"\x08" + b"s" * 8
    for version, size, answered in ((0x1A2A3A4A, 1_200, 1), (0x1A2A3A4A, 1_199, 0), (0, 1_200, 0)):
        start = b"\xc0" + version.to_bytes(4, "big") + ids
        sock.sendto(start + bytes(size - len(start)), client.server)
        udp.play.loop.settle()
        got = heard(client)
        assert len(got) == answered
        assert all(one[1:5] == bytes(4) and b"\0\0\0\1" in one[5:] for one in got)


@pytest.mark.parametrize(
    "datagram",
    [b"", b"\0", b"\x40", b"\xc0\0\0\0\1", b"\xff" * 1_200, b"\x40" + b"i" * 1_199],
)
def test_what_cannot_be_read_is_dropped(udp: UdpStage, datagram: bytes) -> None:
    client = udp.client(udp.port(1))
    client.socket.sendto(datagram, client.server)
    udp.play.loop.settle()
    assert not heard(client)
    assert not udp.state.connections


def test_an_initial_that_cannot_be_decrypted_makes_no_connection(udp: UdpStage) -> None:
    port = udp.port(1)
    client = udp.client(port)
    start = b"\xc3\0\0\0\1\x08" + b"d" * 8 + b"\x08" + b"s" * 8 + b"\0\x44\x90"
    client.socket.sendto(start + os.urandom(1_200 - len(start)), client.server)
    udp.play.loop.settle()
    assert not heard(client)
    assert not port._by_id
    assert port.unproven == 0


def test_an_address_that_changes_keeps_its_connection(udp: UdpStage) -> None:
    """§9: and counts as what it is from then on."""
    client = udp.client(udp.port(1))
    client.asks(host=b"nobody.test")
    (connection,) = udp.state.connections
    before = connection.client
    client.moves()
    stream = client.asks(host=b"nobody.test")
    assert client.statuses[stream] == 421
    assert connection.client == client.socket.getsockname() != before
    assert len(udp.listener.connections) == 1


def test_another_process_relays_what_is_not_its_own(udp: UdpStage) -> None:
    """A connection stays with its process, whichever reads its datagrams; also when that has
    handed over its port."""
    own, other = udp.port(1), udp.port(2)
    client = udp.client(own)
    client.asks(host=b"nobody.test")
    client.moves()
    client.server = other.address  # type: ignore[attr-defined]
    own.close()
    stream = client.asks(host=b"nobody.test")
    assert client.statuses[stream] == 421
    assert not other._by_id
    assert len(own._by_id) > 0


def test_a_connection_that_is_no_more_is_reset(udp: UdpStage) -> None:
    """§10.3: by whoever of the location reads it, with less than it answers; forged ids are not."""
    client = udp.client(udp.port(2))
    killed = ConnectionIds(SECRET, 77, os.urandom)
    gone = killed.issue()
    client.socket.sendto(b"\x40" + gone + bytes(30), client.server)
    udp.play.loop.settle()
    (reset,) = heard(client)
    assert reset[-16:] == killed.reset_token(gone)
    assert len(reset) < 49
    assert reset[0] & 0xC0 == 0x40
    client.socket.sendto(b"\x40" + gone[:-1] + bytes(31), client.server)
    client.socket.sendto(b"\x40" + gone + bytes(2), client.server)  # too short to answer
    udp.play.loop.settle()
    assert not heard(client)
    for _ in range(300):
        client.socket.sendto(b"\x40" + gone + bytes(30), client.server)
        udp.play.loop.settle()
    assert len(heard(client)) < 210


def test_no_more_connections_of_an_address_than_may_be(udp: UdpStage) -> None:
    """Those at rest make way; where none does, CONNECTION_REFUSED."""
    port = udp.port(1)
    first = [udp.client(port) for _ in range(3)]
    for client in first:
        client.asks()  # waits for the origin
    refused = udp.client(port).speaks()
    assert refused.ended == QuicErrorCode.CONNECTION_REFUSED
    answers(udp)
    for client in first:
        client.speaks()
    taken = udp.client(port)
    stream = taken.asks()
    assert taken.statuses[stream] == 200
    assert first[0].speaks().ended == 0x100


def test_what_the_library_throws_ends_one_connection(
    udp: UdpStage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    port = udp.port(1)
    broken, bystander = udp.client(port), udp.client(port)
    broken.asks(host=b"nobody.test")
    bystander.asks(host=b"nobody.test")
    connection = next(
        one for one in udp.state.connections if one.client == broken.socket.getsockname()
    )

    def throws(*_: object) -> None:
        raise RuntimeError("packet builder capacity exhausted")

    monkeypatch.setattr(connection.quic, "receive_datagram", throws)
    broken.asks(host=b"nobody.test")
    assert udp.play.counters.http3_ends["failed"] == 1
    stream = bystander.asks(host=b"nobody.test")
    assert bystander.statuses[stream] == 421
    assert [record.message for record in caplog.records] == ["a QUIC connection failed"]
