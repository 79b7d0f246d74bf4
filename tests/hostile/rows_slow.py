"""Rows of section 14 about viewers: slow, silent, too many. Numbers are scaled down."""

from __future__ import annotations

from edgecache.config.model import Limits
from tests.hostile.stage import HOST, Client, HostilePlay
from tests.hostile.story import asks
from tests.hostile.trial import MANY, Trial, answered, stage_of
from tests.world.transport import FakeTransport


def _unread(play: HostilePlay, bytes_unsent: int) -> tuple[Client, FakeTransport]:
    """A viewer whose connection has so many bytes it does not take, and its transport."""
    client = play.client("a")
    viewer = play.viewers["a"]
    viewer.transport.unsent_bytes = bytes_unsent
    viewer.connection.pause_writing()
    return client, viewer.transport


def _aborted_after(play: HostilePlay, client: Client, s_max: int, each_s: int = 0) -> str:
    """How long its connection stays, while the viewer takes `each_s` bytes a second."""
    began = play.clock.now
    while not client.aborted and play.clock.now < began + s_max:
        play.viewers["a"].transport.unsent_bytes -= each_s
        play.passes(1)
    assert client.aborted
    play.close()
    return f"aborted after {play.clock.now - began:g} s"


def slow_heads(memo: bool) -> str:
    play = stage_of(memo)
    clients = [play.client(f"s{n}") for n in range(MANY)]
    for client in clients:
        client.sends([b"GET / HTTP/1.1\r\n" + HOST])
    for second in range(12):
        play.passes(1)
        for client in clients:
            client.sends([b"X-%d: a\r\n" % second])
    assert all(client.closed for client in clients)
    assert {client.answers([b"GET"])[0].status for client in clients} == {408}
    answered(play, "probe")
    play.close()
    return "408, closed after 10 s"


def silent_connections(memo: bool) -> str:
    play = stage_of(memo)
    clients = [play.client(f"s{n}") for n in range(MANY)]
    play.passes(11)
    assert all(client.closed and not client.output for client in clients)
    answered(play, "probe")
    play.close()
    return "closed after 10 s"


def one_byte_when_idle(memo: bool) -> str:
    play = stage_of(memo)
    client = play.client("a")
    client.sends([asks(b"/p")])
    client.answers([b"GET"])
    client.sends([b"G"])
    play.passes(11)
    assert client.closed
    play.close()
    return "closed after 10 s"


def slow_upload(memo: bool) -> str:
    play = stage_of(memo)
    client = play.client("a")
    client.sends([asks(b"/p", b"Content-Length: 100000", method=b"POST")])
    play.passes(31)
    assert client.closed
    assert not play.recorder.seen
    assert play.recorder.open == 0, "the origin's connection is still held"
    word = str(client.answers([b"POST"])[0].status)
    assert word == "408", word
    play.close()
    return "408, closed after 30 s of silence"


def trickling_upload(memo: bool) -> str:
    """As slowhttptest -B: never silent for long, and never done."""
    play = stage_of(memo)
    client = play.client("a")
    client.sends([asks(b"/p", b"Content-Length: 4096", method=b"POST")])
    for second in range(60):
        if client.closed:
            break
        play.passes(1)
        if second % 9 == 0:
            client.sends([b"x"])
    assert client.closed
    assert play.recorder.open == 0
    assert client.answers([b"POST"])[0].status == 408
    play.close()
    return f"408, closed after {second} s"


def trickling_reader(memo: bool) -> str:
    """As slowhttptest -X: it takes a little, again and again."""
    play = stage_of(memo)
    client, _ = _unread(play, 100_000)
    return _aborted_after(play, client, 60, each_s=100)


def steady_reader(memo: bool) -> str:
    """Slow as a modem of 1998 is slow: it is let be."""
    play = stage_of(memo)
    client, transport = _unread(play, 1_000_000)
    for _ in range(120):
        transport.unsent_bytes -= 1_000
        play.passes(1)
    assert not client.aborted
    transport.unsent_bytes = 0
    play.viewers["a"].connection.resume_writing()
    play.close()
    return "served"


def last_bytes_not_taken(memo: bool) -> str:
    """Closed by us, with bytes left that the viewer does not take: it does not stay for ever."""
    play = stage_of(memo)
    client = play.client("a")
    client.sends([asks(b"/p", b"Connection: close")])
    assert client.closed
    play.viewers["a"].transport.unsent_bytes = 10_000
    return _aborted_after(play, client, 200)


def slow_reader(memo: bool) -> str:
    play = stage_of(memo)
    client, _ = _unread(play, 100_000)
    client.sends([asks(b"/p") * 3])
    assert not client.output
    play.passes(31)
    assert client.aborted
    play.close()
    return "aborted after 30 s without progress"


def idle_go_first(memo: bool) -> str:
    play = stage_of(memo, limits=Limits(connections_max=20))
    try:
        for n in range(20):
            answered(play, f"idle{n}")
        answered(play, "late")
    finally:
        play.close()
    return "an idle connection is closed for it"


def one_address(memo: bool) -> str:
    """The most that one may have; another address is let in all the same."""
    play = stage_of(memo, limits=Limits(connections_per_address_max=20))
    for n in range(20):
        play.client(f"busy{n}").sends([b"GET / HTTP/1.1\r\n"])
    late = play.client("late")
    assert late.answers([b"GET"])[0].status == 503
    assert late.closed
    assert b"Retry-After: 1\r\n" in late.output
    play.address = "192.0.2.2"
    answered(play, "neighbor")
    play.close()
    return "503, closed; a neighbor is served"


def one_network(memo: bool) -> str:
    """Each from another address of its own 2^64."""
    play = stage_of(memo, limits=Limits(connections_per_address_max=20))
    for n in range(20):
        play.address = f"2001:db8:0:1:{n:x}::{n:x}"
        play.client(f"busy{n}").sends([b"GET / HTTP/1.1\r\n"])
    play.address = "2001:db8:0:1::ffff"
    late = play.client("late")
    assert late.answers([b"GET"])[0].status == 503
    assert late.closed
    play.address = "2001:db8:0:2::1"
    answered(play, "neighbor")
    play.close()
    return "503, closed; a neighbor is served"


def half_heads_everywhere(memo: bool) -> str:
    """Every place is held by half a head, a byte a second, each from an address of its own."""
    play = stage_of(memo, limits=Limits(connections_max=20))
    clients = []
    for n in range(20):
        play.address = f"198.51.100.{n}"
        clients.append(play.client(f"half{n}"))
        clients[n].sends([b"GET / HTTP/1.1\r\nX-"])
    for _ in range(3):
        play.passes(1)
        for client in clients:
            client.sends([b"a"])
    play.address = "192.0.2.2"
    answered(play, "late")
    assert sum(client.closed for client in clients) == 1
    play.close()
    return "after 2 s the oldest is closed for it"


def shed_when_full(memo: bool) -> str:
    """None is idle: each has begun a request."""
    play = stage_of(memo, limits=Limits(connections_max=20))
    for n in range(20):
        play.client(f"busy{n}").sends([b"GET / HTTP/1.1\r\n"])
    late = play.client("late")
    assert late.answers([b"GET"])[0].status == 503
    assert late.closed
    play.close()
    return "503, closed"


def unread_pipeline(memo: bool) -> str:
    play = stage_of(memo)
    answered(play, "warmer", b"/p")
    client = play.client("a")
    viewer = play.viewers["a"]
    viewer.connection.pause_writing()
    for _ in range(MANY):
        if not viewer.transport.reading:
            break
        client.sends([asks(b"/p") * 100])
    assert not viewer.transport.reading
    assert not client.output
    held = len(viewer.connection.heads)
    assert held < 2 * 65_536, held
    viewer.connection.resume_writing()
    play.rests()
    count = len(client.answers([]))
    assert count == held // len(asks(b"/p"))
    assert viewer.transport.reading
    play.close()
    return f"reading paused, then {count} answers"


SLOW = [
    Trial("X01", f"{MANY} slow heads", slow_heads),
    Trial("X02", f"{MANY} connections that send nothing", silent_connections),
    Trial("X03", "one byte on an idle connection", one_byte_when_idle),
    Trial("X04", "a body that stops coming", slow_upload),
    Trial("X04", "a body that comes at 7 bytes a minute", trickling_upload),
    Trial("X05", "a reader that stops reading", slow_reader),
    Trial("X05", "a reader of 100 bytes a second", trickling_reader),
    Trial("X05", "a reader of 1,000 bytes a second", steady_reader),
    Trial("X05", "the last 10,000 bytes are not taken", last_bytes_not_taken),
    Trial("X06", "a newcomer when all others are idle", idle_go_first),
    Trial("X06", "a newcomer when all others are busy", shed_when_full),
    Trial("X06", "one address takes all it may", one_address),
    Trial("X06", "one /64 of IPv6 takes all it may", one_network),
    Trial("X06", "a newcomer when all others are in the middle of a head", half_heads_everywhere),
    Trial("X07", f"{100 * MANY} pipelined requests, answers unread", unread_pipeline),
]  # fmt: skip
