"""Rows played again and again on one stage, beside somebody who asks for what is cached.

What one attempt leaves is small beside what a process has; what thousands leave is not. Looked at:
resident memory, descriptors, tasks, flights, and how long the bystander waits for its own answer.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from statistics import median
from typing import Any

from tests.hostile.recorder import Responder, Script, echo, response, told_of
from tests.hostile.settings import LONG
from tests.hostile.stage import HOST, Client, HostilePlay, scene_of
from tests.hostile.story import asks
from tests.hostile.strict import Seen
from tests.hostile.usage import resident_bytes
from tests.world.http2_wire import WireClient
from tests.world.viewer import Viewer

MIB = 1024 * 1024
TIMES = 40_000 if LONG else 4_000
SECONDS_MAX = 300.0 if LONG else 3.0  # a slower machine plays a row less often
WARM_TIMES = 400  # until what is kept on purpose is full
BETWEEN = 20  # attempts from one look of the bystander to the next
GROWTH_BYTES_MAX = 6 * MIB  # a kilobyte and a half for each of 4,000
SLOWER_MAX = 5.0  # than at the beginning; what grows with each attempt is slower without end
NOISE_S = 0.002
BYSTANDER = b"/bystander"  # which the rows of section 12 must let be open


@dataclass(frozen=True, slots=True)
class Repeated:
    """What is sent again and again, each by a client of its own that then leaves.

    `turns` of the loop pass before it leaves; None: until all is at rest. `origins`: one for each
    of the inputs, instead of `origin` for all.
    """

    id: str
    what: str
    inputs: Sequence[bytes]
    origin: Responder = echo
    turns: int | None = None
    origins: Sequence[Responder] = ()
    scene: Mapping[str, Any] = field(default_factory=dict)
    http2: bool = False  # the inputs are what a connection of HTTP/2 sends


@dataclass(slots=True)
class Looked:
    """What the bystander and the process looked like."""

    times: int = 0
    latencies_s: list[float] = field(default_factory=list)
    grown_bytes: int = 0

    def __str__(self) -> str:
        early, late = self.early_and_late_s
        return (
            f"{self.times} times: {self.grown_bytes / MIB:+.1f} MiB; a bystander's hit took "
            f"{early * 1e3:.2f} ms at first, {late * 1e3:.2f} ms in the end (medians)"
        )

    @property
    def early_and_late_s(self) -> tuple[float, float]:
        quarter = max(1, len(self.latencies_s) // 4)
        return median(self.latencies_s[:quarter]), median(self.latencies_s[-quarter:])


def repeat(row: Repeated, memo: bool) -> Looked:
    """Play it; AssertionError where something stays behind or gets slower."""
    play = HostilePlay(scene_of(memo, **row.scene), _beside(row.origin))
    looked, bystander = Looked(), play.client("bystander")
    try:
        _look(bystander, looked)
        origins = [_beside(origin) for origin in row.origins or [row.origin] * len(row.inputs)]
        inputs = cycle(zip(row.inputs, origins, strict=True))
        _attempts(play, row, inputs, WARM_TIMES)
        before, started = _resident(), time.monotonic()
        looked.latencies_s.clear()
        while looked.times < TIMES and time.monotonic() - started < SECONDS_MAX:
            _attempts(play, row, inputs, BETWEEN)
            looked.times += BETWEEN
            _look(bystander, looked)
        looked.grown_bytes = _resident() - before
        _is_clean(play, looked)
    finally:
        play.close()
    return looked


def _beside(origin: Responder) -> Responder:
    def responder(seen: Seen) -> Script:
        return echo(seen) if seen.target == BYSTANDER else origin(seen)

    return responder


def _attempts(
    play: HostilePlay, row: Repeated, inputs: Iterable[tuple[bytes, Responder]], times: int
) -> None:
    for _, (data, origin) in zip(range(times), inputs, strict=False):
        play.recorder.responder = origin
        viewer = _attacker(play, http2=row.http2)
        viewer.connection.data_received(data)
        if row.turns is None:
            play.rests()
        else:
            play.loop.settle(row.turns)
        viewer.transport.closed = True
        viewer.connection.connection_lost(None)
        play.rests()
    _forget(play)


def _attacker(play: HostilePlay, *, http2: bool) -> Viewer | WireClient:
    """A new connection, which the play does not keep."""
    if not http2:
        play.client("attacker")
        return play.viewers.pop("attacker")
    client = WireClient(play)
    play.viewers.popitem()
    return client


def _forget(play: HostilePlay) -> None:
    """What the stage itself keeps of each attempt."""
    play.recorder.seen.clear()
    play.recorder.cut.clear()
    play.recorder.raw = b""
    play.recorder.ends = [end for end in play.recorder.ends if not end.is_closing()]


def _look(bystander: Client, looked: Looked) -> None:
    began = time.perf_counter()
    bystander.sends([asks(BYSTANDER)])
    looked.latencies_s.append(time.perf_counter() - began)
    (answer,) = bystander.answers([b"GET"])
    redirected = b"\r\nlocation: https://site.test%b\r\n" % BYSTANDER in bystander.output.lower()
    assert answer.status == (301 if redirected else 200)
    assert redirected or answer.body.startswith(b"GET %b\n" % BYSTANDER)


def _resident() -> int:
    gc.collect()
    return resident_bytes()


def _is_clean(play: HostilePlay, looked: Looked) -> None:
    left = [task for task in play.tasks if not task.done()]
    assert not left, left
    assert len(play.edge.flights) == 0
    assert looked.grown_bytes <= GROWTH_BYTES_MAX, str(looked)
    early, late = looked.early_and_late_s
    assert late <= SLOWER_MAX * early + NOISE_S, str(looked)


def _partly(seen: Seen) -> Script:
    """A part of what was promised, too little for the rest to be worth fetching for nobody."""
    return Script((b"HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n", b"h" * 262_144))


def _failing(seen: Seen) -> Script:
    return Script((b"rubbish\r\n\r\n",), "fin")


def _uncacheable(seen: Seen) -> Script:
    return response(told_of(seen), b"Cache-Control: no-store", b"Set-Cookie: a=b")


def _many(make: Callable[[int], bytes], count: int = WARM_TIMES) -> tuple[bytes, ...]:
    return tuple(make(number) for number in range(count))


_BAD = b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 30_000 + b"\r\nBad header: x\r\n\r\n"
REPEATED = [
    Repeated("F01", "an equal bad head of 30 KB", (_BAD,)),
    Repeated("F01", "bad heads, each different",
             _many(lambda n: _BAD.replace(b"X:", b"X%d:" % n), 200)),
    Repeated("X08", "heads with fields of their own",
             _many(lambda n: asks(b"/p", b"X-%d: " % n + b"v" * 2_000))),
    Repeated("X08", "queries of their own", _many(lambda n: asks(b"/p?%d" % n))),
    Repeated("X17", "bodies that break off as they arrive",
             _many(lambda n: asks(b"/big/%d" % n)), _partly, turns=30),
    Repeated("O28", "viewers that leave before the answer",
             _many(lambda n: asks(b"/left/%d" % n)), turns=2),
    Repeated("C19", "uploads cut off in mid-chunk",
             (asks(b"/p", b"Transfer-Encoding: chunked", method=b"POST", body=b"5\r\nhel"),)),
    Repeated("O13", "an origin that answers rubbish",
             _many(lambda n: asks(b"/bad/%d" % n)), _failing),
    Repeated("O30", "answers for one viewer alone",
             _many(lambda n: asks(b"/own", b"Cookie: a=%d" % n)), _uncacheable),
]  # fmt: skip
