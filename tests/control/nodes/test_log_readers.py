"""Readers at control: what they are told, what they lose, and when they are forgotten."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import msgspec
import pytest

from edgecache.cluster.log_readers import (
    READERS_MAX,
    ROWS_MAX,
    LogSubscription,
    ReaderBatch,
    ReaderBatches,
)
from edgecache.control.nodes.log_readers import (
    IDLE_S,
    ROWS_TOLD_MAX,
    ROWS_WAITING_MAX,
    LogLines,
    LogReaderRegistry,
    TooManyReadersError,
)
from edgecache.observe.traffic_summary import TrafficSample

STATUS = LogSubscription("", "status>=500", ("sc-status",))


class Control:
    """A registry, and its clock."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.now = 0.0
        self.runner = runner
        numbers = itertools.count(1)
        self.readers = LogReaderRegistry(lambda: self.now, lambda: f"r{next(numbers)}")

    def send(self, *batches: ReaderBatch, node: str = "edge-A-1") -> None:
        self.readers.deliver(node, msgspec.json.encode(ReaderBatches([*batches])))

    def read(self, id: str, wait_s: float = 0.0) -> LogLines:
        found = self.runner.run(self.readers.read(id, wait_s))
        assert found is not None
        return found

    def knows(self, id: str) -> bool:
        return self.runner.run(self.readers.read(id, 0)) is not None


@pytest.fixture
def control() -> Iterator[Control]:
    with asyncio.Runner() as runner:
        yield Control(runner)


def test_nodes_hear_of_readers_until_they_end(control: Control) -> None:
    assert control.readers.subscriptions() == ()
    id = control.readers.begin(STATUS)
    assert control.readers.subscriptions() == (msgspec.structs.replace(STATUS, id=id),)
    assert control.readers.end(id)
    assert not control.readers.end(id)
    assert control.readers.subscriptions() == ()
    assert not control.knows(id)


def test_lines_of_all_nodes_come_to_their_reader(control: Control) -> None:
    first, second = control.readers.begin(STATUS), control.readers.begin(STATUS)
    control.send(ReaderBatch(first, [["500"]]), ReaderBatch(second, [["501"]], 3))
    control.send(ReaderBatch(first, [["502"]]), ReaderBatch("gone", [["503"]]), node="edge-B-1")
    told = control.read(first)
    assert told == LogLines(("sc-status",), [["500"], ["502"]], 0, ["edge-A-1", "edge-B-1"])
    assert control.read(first) == LogLines(("sc-status",), [], 0, [])
    assert control.read(second).lost == 3
    assert control.read(second).lost == 0


def test_a_slow_reader_loses_lines_and_is_told_how_many(control: Control) -> None:
    id = control.readers.begin(STATUS)
    for _ in range(ROWS_WAITING_MAX // ROWS_MAX + 1):
        control.send(ReaderBatch(id, [["500"]] * ROWS_MAX))
    told = control.read(id)
    assert (len(told.rows), told.lost) == (ROWS_TOLD_MAX, ROWS_MAX)
    left = [len(control.read(id).rows) for _ in range(6)]
    assert sum(left) == ROWS_WAITING_MAX - ROWS_TOLD_MAX


def test_bytes_that_wait_are_bounded(control: Control) -> None:
    id = control.readers.begin(STATUS)
    for _ in range(6):
        control.send(ReaderBatch(id, [["a" * 8_000]] * 100))
    assert control.read(id).lost > 0
    control.send(ReaderBatch(id, [["a" * 8_000]]))
    assert control.read(id).lost == 0


def test_who_waits_is_told_as_soon_as_something_comes(control: Control) -> None:
    async def scene() -> LogLines | None:
        id = control.readers.begin(STATUS)
        waits = asyncio.create_task(control.readers.read(id, 60))
        await asyncio.wait([waits], timeout=0)
        control.send(ReaderBatch(id, [["500"]]))
        return await asyncio.wait_for(waits, 5)

    told = control.runner.run(scene())
    assert told is not None
    assert told.rows == [["500"]]


def test_who_asks_no_more_is_forgotten(control: Control) -> None:
    idle, asks = control.readers.begin(STATUS), control.readers.begin(STATUS)
    control.now = IDLE_S
    control.read(asks)
    assert len(control.readers.subscriptions()) == 2
    control.now = IDLE_S + 1
    assert [one.id for one in control.readers.subscriptions()] == [asks]
    assert not control.knows(idle)


def test_there_are_so_many_at_most_and_the_newest_is_refused(control: Control) -> None:
    for _ in range(READERS_MAX):
        control.readers.begin(STATUS)
    with pytest.raises(TooManyReadersError, match=f"{READERS_MAX} read already"):
        control.readers.begin(STATUS)
    control.now = IDLE_S + 1
    control.readers.begin(STATUS)


def test_summaries_of_nodes_add_up(control: Control) -> None:
    id = control.readers.begin(LogSubscription("", summary=True))
    control.send(ReaderBatch(id, summary=TrafficSample(requests=2, outcomes={"hit": 2})))
    control.send(ReaderBatch(id, summary=TrafficSample(requests=3, outcomes={"miss": 3})))
    told = control.read(id).summary
    assert told is not None
    assert told.requests == 5
    assert (told.outcomes["hit"], told.outcomes["miss"]) == (2, 3)
    told = control.read(id).summary
    assert told is not None
    assert told.requests == 0


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b'{"batches":[{"id":1}]}', b'{"batches":[{"id":"r1","lost":-1}]}',
        msgspec.json.encode(ReaderBatches([ReaderBatch("r1", [[]] * (ROWS_MAX + 1))])),
        msgspec.json.encode(ReaderBatches([ReaderBatch("r1")] * (READERS_MAX + 1))),
        msgspec.json.encode(ReaderBatches([ReaderBatch("r1", [["a" * 9_000]])])),
        msgspec.json.encode(
            ReaderBatches([ReaderBatch("r1", summary=TrafficSample(viewers="AAAA"))])
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(control: Control, content: bytes) -> None:
    control.readers.begin(LogSubscription("", summary=True))
    with pytest.raises(ValueError, match=r".+"):
        control.readers.deliver("edge-A-1", content)


def test_rows_of_another_form_are_not_shown(control: Control) -> None:
    id = control.readers.begin(STATUS)
    control.send(ReaderBatch(id, [["500", "more"], [], ["501"]]))
    told = control.read(id)
    assert (told.rows, told.lost) == ([["501"]], 2)
