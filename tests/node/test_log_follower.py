"""The node's side of the log: it follows, survives control's absence, and reports."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import httpx
import pytest

from edgecache.cluster.log_entries import LogEntry, LogPage
from edgecache.cluster.node_status import NodeStatus
from edgecache.node.control_contact import ControlContact
from edgecache.node.control_endpoints import ControlEndpoints
from edgecache.node.log_follower import (
    BACK_OFF_S_MAX,
    IDLE_S_MAX,
    EntryNotAppliedError,
    FollowerEnvironment,
    LogFollower,
    back_off_s,
)
from edgecache.observe.counters import Counters

Answer = httpx.Response | Exception


class Stop(Exception):
    """The script of a play has ended."""


class Control:
    """A control plane that gives scripted answers, and notes what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.tokens: list[str] = []
        self.paused: list[float] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.params.get("after", request.url.path))
        self.tokens.append(request.headers["authorization"])
        if not self.answers:
            raise Stop
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def pause(self, seconds: float) -> None:
        self.paused.append(seconds)

    def bus(self, client: httpx.AsyncClient) -> LogFollower:
        numbers = iter(range(100))
        world = FollowerEnvironment(lambda: 7.0, self.pause, lambda: 0.5, bytes)
        contact = ControlContact("edge-1", "http://control.test", "secrets.json", lambda: 7.0)
        return LogFollower(
            "edge-1",
            ControlEndpoints.only(client),
            lambda _message: b"t%d" % next(numbers),
            world,
            contact=contact,
        )

    def client(self) -> httpx.AsyncClient:
        transport = httpx.MockTransport(self.answer)
        return httpx.AsyncClient(transport=transport, base_url="http://control.test")

    def followed(self, after: int = 0) -> list[int]:
        """The numbers a node applies until the script ends."""
        return self.node(after).applied

    def node(self, after: int = 0) -> Node:
        """A node that has followed until the script ended."""
        node = Node()
        self.play(node, after)
        return node

    def play(self, node: Node, after: int = 0) -> None:
        """Let a node follow until the script ends."""

        async def play() -> None:
            async with self.client() as client:
                with pytest.raises(Stop):
                    await self.bus(client).follow(after, node)

        asyncio.run(play())


class Node:
    """A follower that notes what it was given, and since when it was told it is up to date."""

    low = 0

    def __init__(self) -> None:
        self.applied: list[int] = []
        self.confirmed: list[float] = []
        self.epoch = "e1"

    def begin(self, page: LogPage) -> bool:
        same, self.epoch = page.epoch == self.epoch, page.epoch
        return same

    def apply(self, entry: LogEntry) -> Awaitable[None] | None:
        self.applied.append(entry.seq)
        return None

    def confirm(self, asked_at: float, lease_s: float) -> None:
        self.confirmed.append(asked_at)


def page(*seqs: int, last: int | None = None, epoch: str = "e1") -> httpx.Response:
    entries = [{"seq": seq, "at": 1.0, "kind": "config", "body": {}} for seq in seqs]
    newest = seqs[-1] if last is None else last
    upto = seqs[-1] if seqs else newest
    told = {"entries": entries, "last_seq": newest, "upto": upto, "epoch": epoch, "floor": 0}
    return httpx.Response(200, json={**told, "more": "unknown"})


def test_entries_are_applied_once_and_in_order() -> None:
    control = Control(page(1, 2, last=3), page(3))
    assert control.followed() == [1, 2, 3]
    assert control.asked == ["0", "2", "3"]
    assert control.tokens == ["Edgecache t0", "Edgecache t1", "Edgecache t2"]
    assert control.paused == []


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("silent"),
        httpx.RemoteProtocolError("closed"),
        httpx.Response(401, json={"error": "late"}),
        httpx.Response(502, text="<html>"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"entries": [{}], "last_seq": 1}),
    ],
    ids=lambda failure: repr(failure),
)
def test_a_failure_is_waited_out_and_nothing_is_lost(failure: Answer) -> None:
    control = Control(page(1), failure, page(2))
    assert control.followed() == [1, 2]
    assert control.asked == ["0", "1", "1", "2"]
    assert control.paused == [0.25 * 0.75]


def test_back_off_grows_and_starts_anew() -> None:
    away = [httpx.ConnectError("refused") for _ in range(5)]
    control = Control(*away[:3], page(1), *away[3:])
    control.followed()
    assert control.paused == [0.1875, 0.375, 0.75, 0.1875, 0.375]


@pytest.mark.parametrize("random", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("failures", [1, 2, 7, 100, 10**9])
def test_back_off_is_bounded(failures: int, random: float) -> None:
    assert 0.125 <= back_off_s(failures, random) <= BACK_OFF_S_MAX


def test_an_empty_page_does_not_spin() -> None:
    control = Control(page(last=4), page(last=4))
    assert control.followed(after=4) == []
    assert control.paused == [0.5 * IDLE_S_MAX] * 2


def test_a_log_that_was_replaced_is_followed_from_its_start() -> None:
    control = Control(page(last=2, epoch="e2"), page(1, 2, epoch="e2"))
    assert control.followed(after=9) == [1, 2]
    assert control.asked == ["9", "0", "2"]


def test_a_node_is_confirmed_once_it_has_applied_all_there_is() -> None:
    assert Control(page(1, 2, last=3)).node().confirmed == []
    assert Control(page(1, 2, last=3), page(3), page(last=3)).node().confirmed == [7.0, 7.0]


def test_what_apply_raises_ends_it() -> None:
    control = Control(page(1, 2))

    class Failing(Node):
        async def apply(self, entry: LogEntry) -> None:
            raise LookupError(entry.seq)

    async def play() -> None:
        async with control.client() as client:
            with pytest.raises(LookupError, match="1"):
                await control.bus(client).follow(0, Failing())

    asyncio.run(play())


@pytest.mark.parametrize("where", ["poll", "pause"])
def test_a_follower_can_be_cancelled_wherever_it_waits(where: str) -> None:
    async def play() -> None:
        reached = asyncio.Event()

        async def stay(*_: object) -> httpx.Response:
            reached.set()
            await asyncio.Event().wait()
            raise AssertionError

        async def pause(seconds: float) -> None:
            await stay()

        answer = stay if where == "poll" else Control(httpx.ConnectError("refused")).answer
        transport = httpx.MockTransport(answer)
        async with httpx.AsyncClient(transport=transport, base_url="http://c.test") as client:
            world = FollowerEnvironment(lambda: 0.0, pause, lambda: 0.0, bytes)
            bus = LogFollower("n", ControlEndpoints.only(client), lambda _message: b"t", world)
            task = asyncio.create_task(bus.follow(0, Node()))
            await asyncio.wait_for(reached.wait(), 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(play())


def status() -> NodeStatus:
    return NodeStatus(role="edge", pid=1, generation=1, sample=Counters().snapshot())


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        (httpx.Response(200, json={"generation": 1}), True),
        (httpx.Response(503, json={"error": "full"}), False),
        (httpx.ConnectError("refused"), False),
    ],
    ids=["taken", "refused", "away"],
)
def test_a_report_says_whether_it_was_taken(answer: Answer, taken: bool) -> None:
    control = Control(answer)

    async def play() -> bool:
        async with control.client() as client:
            return await control.bus(client).report(status())

    assert asyncio.run(play()) is taken
    assert control.asked == ["/nodes/edge-1"]


def test_an_entry_that_waits_for_control_is_told_again_and_gives_no_lease() -> None:
    class Waiting(Node):
        def apply(self, entry: LogEntry) -> Awaitable[None] | None:
            if len(control.asked) < 3:
                raise EntryNotAppliedError("key value store s: no answer")
            return super().apply(entry)

    node = Waiting()
    control = Control(page(1), page(1), page(1))
    control.play(node)
    assert (control.asked, node.applied) == (["0", "0", "0", "1"], [1])
    assert len(node.confirmed) == 1
    assert len(control.paused) == 2  # after each that failed


def test_a_lease_that_is_half_over_when_it_comes_is_asked_for_anew_at_once() -> None:
    """The clock was moved meanwhile (dev mode), or control took its time."""
    waits: list[str] = []

    class Late(Control):
        now = 7.0

        def answer(self, request: httpx.Request) -> httpx.Response:
            waits.append(request.url.params["wait_s"])
            if len(waits) == 1:
                self.now += 3_600
            return super().answer(request)

        def bus(self, client: httpx.AsyncClient) -> LogFollower:
            made = super().bus(client)
            made._world = FollowerEnvironment(lambda: self.now, self.pause, lambda: 0.5, bytes)
            return made

    control = Late(page(1), page(last=1), page(last=1))
    control.play(Node())
    assert waits == ["1.0", "0.0", "1.0", "1.0"]
    assert control.paused == [0.5 * IDLE_S_MAX]  # only where nothing hurries
