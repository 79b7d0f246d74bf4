"""Real-time logs of a process: which records go where, tries, and what is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from edgecache.config.model import Behavior, Config, Distribution, Origin
from edgecache.config.observation import RealtimeLog, RealtimeLogStream
from edgecache.node.realtime_logs import RealtimeLogs, RealtimeWorld
from edgecache.node.send_queue import BATCH_PIECES, RETRIES_MAX, WAITING_BYTES_MAX, StreamError
from edgecache.observe.counters import Counters
from edgecache.observe.log_record import RecordExtras
from tests.observe.test_log_reader import SOURCE, line

STREAM = RealtimeLogStream(stream="one", to="tcp://127.0.0.1:9")


class Sink:
    """A stream that fails as often as it is told to, and keeps what it takes."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.batches: list[list[bytes]] = []
        self.closed = 0

    async def send(self, pieces: Sequence[bytes]) -> None:
        """See `BatchReceiver`."""
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append([*pieces])

    async def close(self) -> None:
        """See `BatchReceiver`."""
        self.closed += 1

    @property
    def lines(self) -> list[bytes]:
        return [one for batch in self.batches for one in batch]


class Edge:
    """One process with its streams."""

    def __init__(self, config: Config) -> None:
        self.sinks: dict[str, Sink] = {}
        self.counters = Counters()
        self.pauses: list[float] = []
        self.sizes: list[int] = []
        world = RealtimeWorld(
            self.pause, lambda: 1.0, self.stream, self.counters, self.sizes.append
        )
        self.logs = RealtimeLogs(SOURCE, world)
        self.logs.use(config)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def stream(self, stream: RealtimeLogStream) -> Sink:
        self.sinks[stream.stream] = Sink()
        return self.sinks[stream.stream]

    async def step(self) -> None:
        self.logs.step()
        await self.logs.sent()
        self.logs.step()

    def counted(self, what: str, stream: str = "one") -> int:
        return self.counters.labeled[f"realtime_log_{what}"].labels(stream).value


def config(*logs: RealtimeLog, streams: Sequence[RealtimeLogStream] = (STREAM,)) -> Config:
    site = Distribution(
        id="E1",
        origins=(Origin(id="o", domain_name="o.test"),),
        default_behavior=Behavior(origin="o", realtime_log="all"),
        behaviors=(
            Behavior(origin="o", path_pattern="/[a] b/*", realtime_log="some"),
            Behavior(origin="o", path_pattern="/quiet/*"),
        ),
    )
    return Config(distributions=(site,), realtime_log_streams=tuple(streams), realtime_logs=logs)


ALL = RealtimeLog(name="all", stream="one", fields=("cs-uri-stem",))
SOME = RealtimeLog(name="some", stream="one", fields=("sc-status", "cs-uri-stem"))


def asked(path: bytes, behavior: str = "*", site: str = "E1", id: str = "id==") -> bytes:
    return line(path, id=id, extras=RecordExtras(site, behavior))


def play(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


def test_records_go_where_their_behavior_says() -> None:
    async def scene() -> None:
        edge = Edge(config(ALL, SOME))
        assert edge.logs.extended
        edge.logs.offer(
            [
                asked(b"/a"),
                asked(b"/b", "/[a] b/*"),
                asked(b"/c", "/quiet/*"),
                asked(b"/d", site="E2"),
                line(b"/e", extras=None),
            ]
        )
        await edge.step()
        assert edge.sinks["one"].lines == [b"/a\n", b"200\t/b\n"]
        assert (edge.counted("sent"), edge.counted("lost")) == (2, 0)

    play(scene)


def test_a_url_gets_json_lines() -> None:
    async def scene() -> None:
        url = RealtimeLogStream(stream="one", to="http://127.0.0.1:9/logs")
        edge = Edge(config(ALL, streams=[url]))
        edge.logs.offer([asked(b"/a")])
        await edge.step()
        assert edge.sinks["one"].lines == [b'{"cs-uri-stem":"/a"}\n']

    play(scene)


def test_without_a_log_nothing_is_looked_at() -> None:
    edge = Edge(config())
    assert not edge.logs.extended
    assert not edge.logs.shows_cookies
    edge.logs.offer([asked(b"/a")])
    assert Edge(
        config(RealtimeLog(name="all", stream="one", fields=("cs-cookie",)))
    ).logs.shows_cookies


def test_so_many_of_a_hundred_are_sampled() -> None:
    async def scene() -> None:
        edge = Edge(config(RealtimeLog(name="all", stream="one", sampling_rate=1)))
        ids = [f"{a}{b}x==" for a in "ABz" for b in "AZz9"]
        edge.logs.offer([asked(b"/a", id=id) for id in ids])
        await edge.step()
        assert len(edge.sinks["one"].lines) == 2  # AA and AZ are of the first 41 of 4,096

    play(scene)


def test_a_batch_is_tried_again_and_counted_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        edge = Edge(config(ALL))
        edge.sinks["one"].failures = [StreamError("refused")] * RETRIES_MAX
        edge.logs.offer([asked(b"/a")])
        await edge.step()
        assert edge.sinks["one"].lines == [b"/a\n"]
        assert (edge.counted("sent"), edge.counted("lost")) == (1, 0)
        assert edge.pauses == [0.25, 0.5, 1.0, 2.0]

    with caplog.at_level(logging.WARNING):
        play(scene)
    assert [record.getMessage() for record in caplog.records] == [
        "real-time log lines are not taken by one: refused",
        "real-time log lines are taken by one again",
    ]


def test_what_is_not_taken_is_lost_and_counted() -> None:
    async def scene() -> None:
        edge = Edge(config(ALL))
        edge.sinks["one"].failures = [StreamError("refused")] * (RETRIES_MAX + 2)
        edge.logs.offer([asked(b"/a")] * (BATCH_PIECES + 1))
        await edge.step()
        assert edge.counted("lost") == BATCH_PIECES + 1  # the second batch was tried once
        edge.logs.offer([asked(b"/b")])
        await edge.step()
        assert edge.sinks["one"].lines == [b"/b\n"]

    play(scene)


def test_a_defect_of_one_stream_is_not_anothers() -> None:
    async def scene() -> None:
        other = RealtimeLogStream(stream="two", to="unix:/run/two.sock")
        some = RealtimeLog(name="some", stream="two", fields=("cs-uri-stem",))
        edge = Edge(config(ALL, some, streams=[STREAM, other]))
        edge.sinks["one"].failures = [KeyError("a defect")] * 99
        edge.logs.offer([asked(b"/a"), asked(b"/b", "/[a] b/*")])
        await edge.step()
        assert edge.sinks["two"].lines == [b"/b\n"]
        assert edge.counted("lost") == 1

    play(scene)


def test_what_waits_is_bounded_and_measured() -> None:
    async def scene() -> None:
        edge = Edge(config(ALL))
        size = len(b"/\n") + 4_000
        count = WAITING_BYTES_MAX // size + 10
        edge.logs.offer([asked(b"/" + b"a" * 4_000)] * count)
        edge.logs.step()
        assert 0 < edge.sizes[-1] <= WAITING_BYTES_MAX
        assert edge.counted("lost") == 10
        await edge.step()
        assert edge.sizes[-1] == 0
        assert len(edge.sinks["one"].lines) == count - 10
        assert max(map(len, edge.sinks["one"].batches)) <= BATCH_PIECES

    play(scene)


def test_a_stream_that_stays_keeps_what_waits_and_one_that_goes_loses_it() -> None:
    async def scene() -> None:
        edge = Edge(config(ALL))
        edge.logs.offer([asked(b"/a")])
        edge.logs.use(config(ALL, SOME))
        first = edge.sinks["one"]
        await edge.step()
        assert first.lines == [b"/a\n"]
        edge.logs.offer([asked(b"/b")])
        edge.logs.use(config(ALL, streams=[RealtimeLogStream(stream="one", to="tcp://[::1]:9")]))
        assert edge.counted("lost") == 1
        assert edge.sinks["one"] is not first
        edge.logs.use(config(ALL, streams=[]))
        assert not edge.logs.extended

    play(scene)


def test_what_waits_is_sent_when_the_process_ends() -> None:
    async def scene() -> None:
        edge = Edge(config(ALL))
        edge.logs.offer([asked(b"/a")])
        await edge.logs.close()
        assert edge.sinks["one"].lines == [b"/a\n"]
        assert edge.sinks["one"].closed == 1

    play(scene)
