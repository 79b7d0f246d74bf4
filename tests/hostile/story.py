"""Rows of several steps: who sends what, what they get, and what the origin reads of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.hostile.recorder import Responder, echo
from tests.hostile.stage import HOST, Client, HostilePlay, scene_of

Check = Callable[[HostilePlay], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One exchange. 0 among `status` stands for an aborted connection.

    `has` and `lacks` are looked for in head and body of the answer; `reaches` is how many whole
    requests it makes at the origin (None: any), `never` bytes the origin must not read in it.
    """

    data: bytes
    status: tuple[int, ...] = (200,)
    has: bytes = b""
    lacks: tuple[bytes, ...] = ()
    reaches: int | None = None
    never: tuple[bytes, ...] = ()
    later_s: float = 0


@dataclass(frozen=True, slots=True)
class Story:
    """Steps on one stage, each by a client of its own."""

    id: str
    what: str
    steps: tuple[Step, ...]
    origin: Responder = echo
    scene: dict[str, Any] = field(default_factory=dict)
    finally_: Check | None = None
    wrong: str = ""


def asks(target: bytes, *lines: bytes, method: bytes = b"GET", body: bytes = b"") -> bytes:
    """A request for site.test."""
    more = b"".join(line + b"\r\n" for line in lines)
    return b"%b %b HTTP/1.1\r\n%b%b\r\n%b" % (method, target, HOST, more, body)


def perform(story: Story, memo: bool, *, two_tiers: bool = False) -> str:
    """Play it; the answers given, in a word. AssertionError where it goes wrong."""
    scene = scene_of(memo, regional=two_tiers, **story.scene)
    play = HostilePlay(scene, story.origin)
    said = []
    try:
        for number, step in enumerate(story.steps):
            play.passes(step.later_s)
            client = play.client(f"c{number}")
            said.append(_take(play, client, step))
        if story.finally_ is not None:
            story.finally_(play)
        if not story.scene.get("memory_bytes"):
            _own_answer(play)
    finally:
        play.close()
    return " ".join(said)


def _take(play: HostilePlay, client: Client, step: Step) -> str:
    recorder = play.recorder
    seen, raw = len(recorder.seen), len(recorder.raw)
    client.sends([step.data])
    play.rests()
    output = client.output
    if client.aborted:
        assert 0 in step.status, output[:300]
        word = "aborted"
    else:
        answered = client.answers([step.data.split(b" ", 1)[0]])
        assert len(answered) == 1, output[:300]
        assert answered[0].whole or client.closed, output[:300]
        assert answered[0].status in step.status, output[:400]
        word = str(answered[0].status)
    assert step.has in output, output[:600]
    for bytes_ in step.lacks:
        assert bytes_ not in output, output[:600]
    for bytes_ in step.never:
        assert bytes_.lower() not in recorder.raw[raw:].lower(), recorder.raw[raw:]
    if step.reaches is not None:
        assert len(recorder.seen) - seen == step.reaches, recorder.seen[seen:]
    return word


def _own_answer(play: HostilePlay) -> None:
    """O2 on the pooled connections: what is asked next is answered by its own answer."""
    play.recorder.responder = echo
    client = play.client("last")
    client.sends([asks(b"/nonce")])
    (answered,) = client.answers([b"GET"])
    assert answered.status == 200
    assert answered.body.startswith(b"GET /nonce\n")
