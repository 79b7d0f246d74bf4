"""Rows of one message: bytes in, the answers, and what the origin may have seen of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgecache.config.model import SemanticsName
from tests.hostile.recorder import Script, echo, response, told_of
from tests.hostile.stage import HOST, Client, HostilePlay, scene_of
from tests.hostile.strict import Seen

WARM = b"/hit.css"
OFFSETS_MAX = 1_000  # inputs up to so many bytes are cut at every offset
FEW = 40  # offsets of longer ones: those of their first line


@dataclass(frozen=True, slots=True)
class Message:
    """An input and the right answer to it.

    `status` are the final statuses admitted for each answer, in order; `origin` the method, target
    and body of each request the origin may read whole; `never` bytes it may not read at all.
    """

    id: str
    data: bytes
    status: tuple[tuple[int, ...], ...]
    closed: bool | None = True  # None: either
    origin: tuple[tuple[bytes, bytes, bytes], ...] = ()
    never: bytes = b""
    methods: tuple[bytes, ...] = ()
    begun: bool = False  # a request whose body turns bad may have begun upstream, and is cut
    wrong: str = ""  # why this is known to fail
    only: SemanticsName | None = None  # the rules it is about, if it is about one of them

    def label(self) -> str:
        """The input as the list of rows writes it: `\u23ce` is CR LF, `H` the Host field."""
        text = self.data.replace(HOST, b"H\r\n").decode("latin-1").replace("\r\n", "\u23ce")
        shown = "".join(c if c == "\u23ce" else ascii(c)[1:-1] for c in text)
        return shown if len(shown) <= 100 else f"{shown[:75]} ... {shown[-20:]}"


def refused(
    id: str,
    *inputs: bytes,
    status: tuple[int, ...] = (400,),
    begun: bool = False,
    wrong: str = "",
    only: SemanticsName | None = None,
) -> list[Message]:
    """`400c`: one answer, the connection closed, nothing at the origin."""
    return [Message(id, data, (status,), begun=begun, wrong=wrong, only=only) for data in inputs]


def cuts(data: bytes, step: int = 1) -> Iterator[list[bytes]]:
    """The whole, a byte at a time, and two pieces cut at every (or every so many) offset."""
    yield [data]
    if len(data) <= OFFSETS_MAX:
        yield [data[at : at + 1] for at in range(len(data))]
    for at in range(1, len(data) if len(data) <= OFFSETS_MAX else FEW, step):
        yield [data[:at], data[at:]]


def stage(memo: bool) -> HostilePlay:
    """A play with one object in it, asked for twice so that the memo has it."""
    play = HostilePlay(scene_of(memo), _answers)
    for _ in range(2):
        ask(play, f"warmer{len(play.viewers)}", WARM)
    return play


def _answers(seen: Seen) -> Script:
    """Each asking of a row's own target must reach the origin: only the common ones are kept."""
    if seen.target in (WARM, b"/f", b"/"):
        return echo(seen)
    return response(told_of(seen), b"Cache-Control: no-store")


def ask(play: HostilePlay, name: str, target: bytes) -> bytes:
    """What a clean client gets for a GET; its body is of this very request."""
    client = play.client(name)
    client.sends([b"GET %b HTTP/1.1\r\n%b\r\n" % (target, HOST)])
    (answered,) = client.answers([b"GET"])
    assert answered.status == 200
    assert answered.body.startswith(b"GET %b\n" % target), answered.body[:100]
    return answered.body


def attempt(play: HostilePlay, message: Message, pieces: list[bytes]) -> str:
    """One client sends the input, cut so; the answers given, in a word. AssertionError."""
    name = f"v{len(play.viewers)}"
    recorder = play.recorder
    seen, cut, raw = len(recorder.seen), len(recorder.cut), len(recorder.raw)
    client = play.client(name)
    client.sends(pieces)
    answers = client.answers(list(message.methods))
    statuses = [answer.status for answer in answers]
    assert len(statuses) == len(message.status), f"{statuses}: {client.output[:300]!r}"
    for status, admitted in zip(statuses, message.status, strict=True):
        assert status in admitted, f"{status} is none of {admitted}"
    if message.closed is not None:
        assert client.closed is message.closed, "closed" if client.closed else "open"
    found = tuple((one.method, one.target, one.body) for one in recorder.seen[seen:])
    assert found == message.origin, f"the origin saw {found}"
    if not message.begun:
        assert len(recorder.cut) == cut, recorder.cut
        assert message.origin or len(recorder.raw) == raw, recorder.raw[raw:]
    if message.never:
        assert message.never not in recorder.raw[raw:], recorder.raw[raw:]
    _afterwards(play, client)
    return " ".join(map(str, statuses)) + (", closed" if client.closed else "")


def _afterwards(play: HostilePlay, client: Client) -> None:
    """O2: what comes next on this connection gets its own answer."""
    if not client.closed:
        nonce = b"/nonce-%d" % len(play.viewers)
        client.sends([b"GET %b HTTP/1.1\r\n%b\r\n" % (nonce, HOST)])
        (answered,) = client.answers([b"GET"])
        assert answered.status == 200
        assert answered.body.startswith(b"GET %b\n" % nonce), answered.body[:100]


def victims(play: HostilePlay) -> None:
    """O3: a clean client then gets the honest bodies, and nothing that was smuggled was done."""
    assert not [seen for seen in play.recorder.seen if seen.target.startswith(b"/admin")]
    for target in (WARM, b"/f", b"/"):
        ask(play, f"clean{len(play.viewers)}", target)
