"""Rows of sections 10, 11 and 14 that take time or number rather than bytes, scaled down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgecache.config.model import Limits
from tests.hostile.recorder import Responder, Script, echo, response, told_of
from tests.hostile.stage import HOST, HostilePlay
from tests.hostile.story import asks
from tests.hostile.strict import Seen
from tests.world.play import Scene

MANY = 200  # connections or requests, where the row says thousands


@dataclass(frozen=True, slots=True)
class Trial:
    """A row that is a small play of its own."""

    id: str
    what: str
    play: Callable[[bool], str]  # with the memo or without; the answer in a word
    wrong: str = ""


def _stage(memo: bool, origin: Responder = echo, limits: Limits | None = None) -> HostilePlay:
    return HostilePlay(Scene(memo=memo, limits=limits or Limits()), origin)


def _answered(play: HostilePlay, name: str, target: bytes = b"/probe") -> None:
    client = play.client(name)
    client.sends([asks(target)])
    (answered,) = client.answers([b"GET"])
    assert answered.status == 200
    assert answered.body.startswith(b"GET %b\n" % target)


def slow_heads(memo: bool) -> str:
    play = _stage(memo)
    clients = [play.client(f"s{n}") for n in range(MANY)]
    for client in clients:
        client.sends([b"GET / HTTP/1.1\r\n" + HOST])
    for second in range(12):
        play.passes(1)
        for client in clients:
            client.sends([b"X-%d: a\r\n" % second])
    assert all(client.closed for client in clients)
    assert {client.answers([b"GET"])[0].status for client in clients} == {408}
    _answered(play, "probe")
    play.close()
    return "408, closed after 10 s"


def silent_connections(memo: bool) -> str:
    play = _stage(memo)
    clients = [play.client(f"s{n}") for n in range(MANY)]
    play.passes(11)
    assert all(client.closed and not client.output for client in clients)
    _answered(play, "probe")
    play.close()
    return "closed after 10 s"


def one_byte_when_idle(memo: bool) -> str:
    play = _stage(memo)
    client = play.client("a")
    client.sends([asks(b"/p")])
    client.answers([b"GET"])
    client.sends([b"G"])
    play.passes(11)
    assert client.closed
    play.close()
    return "closed after 10 s"


def slow_upload(memo: bool) -> str:
    play = _stage(memo)
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


def slow_reader(memo: bool) -> str:
    play = _stage(memo)
    client = play.client("a")
    viewer = play.viewers["a"]
    viewer.transport.unsent_bytes = 100_000
    viewer.connection.pause_writing()
    client.sends([asks(b"/p") * 3])
    assert not client.output
    play.passes(31)
    assert client.aborted
    play.close()
    return "aborted after 30 s without progress"


def idle_go_first(memo: bool) -> str:
    play = _stage(memo, limits=Limits(connections_max=20))
    try:
        for n in range(20):
            _answered(play, f"idle{n}")
        _answered(play, "late")
    finally:
        play.close()
    return "an idle connection is closed for it"


def shed_when_full(memo: bool) -> str:
    """None is idle: each has begun a request."""
    play = _stage(memo, limits=Limits(connections_max=20))
    for n in range(20):
        play.client(f"busy{n}").sends([b"GET / HTTP/1.1\r\n"])
    late = play.client("late")
    assert late.answers([b"GET"])[0].status == 503
    assert late.closed
    play.close()
    return "503, closed"


def unread_pipeline(memo: bool) -> str:
    play = _stage(memo)
    _answered(play, "warmer", b"/p")
    client = play.client("a")
    viewer = play.viewers["a"]
    viewer.connection.pause_writing()
    for _ in range(MANY):
        if not viewer.transport.reading:
            break
        client.sends([asks(b"/p") * 100])
    assert not viewer.transport.reading
    assert not client.output
    held = len(viewer.connection._held)
    assert held < 2 * 65_536, held
    viewer.connection.resume_writing()
    play.rests()
    count = len(client.answers([]))
    assert count == held // len(asks(b"/p"))
    assert viewer.transport.reading
    play.close()
    return f"reading paused, then {count} answers"


def key_flood(memo: bool) -> str:
    play = HostilePlay(Scene(memo=memo, memory_bytes=100_000), echo)
    for n in range(5 * MANY):
        client = play.client(f"k{n % 50}")
        client.sends([asks(b"/p?%d" % n)])
    assert play.edge.store.size_bytes <= 100_000
    assert len(play.edge.store) < 5 * MANY
    _answered(play, "probe")
    play.close()
    return "the store stays within its budget"


def random_misses(memo: bool) -> str:
    def absent(seen: Seen) -> Script:
        return response(told_of(seen), status=b"404 Not Found")

    play = HostilePlay(Scene(memo=memo, memory_bytes=100_000), absent)
    for n in range(5 * MANY):
        play.client(f"k{n % 50}").sends([asks(b"/%d" % n)])
    assert play.edge.store.size_bytes <= 100_000
    play.close()
    return "negative entries within the budget"


def herd(memo: bool) -> str:
    play = _stage(memo)
    clients = [play.client(f"h{n}") for n in range(MANY)]
    for client in clients:
        play.viewers[f"h{clients.index(client)}"].connection.data_received(asks(b"/hot"))
    play.rests()
    assert len(play.recorder.seen) == 1
    assert {client.answers([b"GET"])[0].status for client in clients} == {200}
    play.close()
    return "1 origin request, every viewer answered"


def herd_on_failure(memo: bool) -> str:
    def dead(seen: Seen) -> Script:
        return Script((b"rubbish\r\n\r\n",), "fin")

    play = _stage(memo, dead)
    clients = [play.client(f"h{n}") for n in range(MANY)]
    for n in range(MANY):
        play.viewers[f"h{n}"].connection.data_received(asks(b"/hot"))
    play.rests()
    statuses = {client.answers([b"GET"])[0].status for client in clients}
    assert statuses == {502}, statuses
    count = len(play.recorder.seen)
    assert count <= 2, count
    play.close()
    return f"502 for all, {count} origin requests"


def silent_origin(memo: bool) -> str:
    play = _stage(memo, lambda seen: Script(()))
    client = play.client("a")
    client.sends([asks(b"/p")])
    for _ in range(100):
        if client.output:
            break
        play.passes(1)
    assert client.answers([b"GET"])[0].status == 504
    assert len(play.recorder.seen) <= 3
    assert play.recorder.open == 0
    play.close()
    return "504 after the attempts configured"


def leader_leaves(memo: bool) -> str:
    play = _stage(memo)
    leader, other = play.client("leader"), play.client("other")
    play.viewers["leader"].connection.data_received(asks(b"/p"))
    play.viewers["other"].connection.data_received(asks(b"/p"))
    play.loop.settle(4)
    play.viewers["leader"].leaves()
    play.rests()
    assert not leader.output
    assert other.answers([b"GET"])[0].status == 200
    play.close()
    return "the others get theirs"


def private_after_all(memo: bool) -> str:
    def private(seen: Seen) -> Script:
        count[0] += 1
        return response(b"secret %d" % count[0], b"Cache-Control: private", b"Set-Cookie: a=b")

    count = [0]
    play = _stage(memo, private)
    clients = [play.client(f"h{n}") for n in range(20)]
    for n in range(20):
        play.viewers[f"h{n}"].connection.data_received(asks(b"/hot"))
    play.rests()
    bodies = [client.answers([b"GET"])[0].body for client in clients]
    assert len(set(bodies)) == 20, bodies
    play.close()
    return "each gets an answer of its own"


def upload_cut_off(memo: bool) -> str:
    play = _stage(memo)
    client = play.client("a")
    client.sends([asks(b"/p", b"Transfer-Encoding: chunked", method=b"POST", body=b"5\r\nhel")])
    play.viewers["a"].leaves()
    play.rests()
    assert not client.output
    assert not play.recorder.seen
    assert play.recorder.open == 0
    assert not any(cut.endswith(b"0\r\n\r\n") for cut in play.recorder.cut)
    play.close()
    return "the origin's connection is broken off"


def clock_steps(memo: bool) -> str:
    play = _stage(memo)
    _answered(play, "a", b"/p")
    play.clock.now -= 5
    client = play.client("b")
    client.sends([asks(b"/p")])
    (answered,) = client.answers([b"GET"])
    ages = [int(value) for name, value in answered.fields if name == b"age"]
    assert all(age >= 0 for age in ages)
    play.close()
    return "Age is never negative"


EXHAUSTION = [
    Trial("C19", "the client dies in mid-chunk", upload_cut_off),
    Trial("O12", "accepts, then silence", silent_origin),
    Trial("O28", "the first client leaves in mid-fill", leader_leaves),
    Trial("O29", f"the leader fails with {MANY} waiters", herd_on_failure),
    Trial("O30", "the answer to collapsed requests is private", private_after_all),
    Trial("X01", f"{MANY} slow heads", slow_heads),
    Trial("X02", f"{MANY} connections that send nothing", silent_connections),
    Trial("X03", "one byte on an idle connection", one_byte_when_idle),
    Trial("X04", "a body that stops coming", slow_upload),
    Trial("X05", "a reader that stops reading", slow_reader),
    Trial("X06", "a newcomer when all others are idle", idle_go_first),
    Trial("X06", "a newcomer when all others are busy", shed_when_full),
    Trial("X07", f"{100 * MANY} pipelined requests, answers unread", unread_pipeline),
    Trial("X08", f"{5 * MANY} distinct query strings", key_flood),
    Trial("X14", f"one cold key under {MANY} clients", herd),
    Trial("X17", f"{5 * MANY} random 404s", random_misses),
    Trial("Z07", "the clock steps back", clock_steps),
]  # fmt: skip
