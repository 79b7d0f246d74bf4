"""A node that knows several controls: it follows one, and the next as soon as that fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

import httpx
import pytest

from edgecache.cluster.lease import LEASE_S
from edgecache.cluster.log_entries import LogEntry, LogPage
from edgecache.node.control_contact import ControlContact
from edgecache.node.control_endpoints import RETURN_S, ControlEndpoint, ControlEndpoints
from edgecache.node.log_follower import (
    PATIENCE_S,
    WAIT_S_OF_SEVERAL,
    FollowerEnvironment,
    LogFollower,
)

Answer = httpx.Response | Exception


class Stop(Exception):
    """The script of a play has ended."""


class Play:
    """Two controls that give scripted answers in one order, and a node that follows."""

    low = 0

    def __init__(self, *answers: Answer) -> None:
        self.answers = [*answers]
        self.asked: list[tuple[str, str, str]] = []  # which, after or path, wait_s
        self.queries: list[httpx.QueryParams] = []
        self.timeouts: list[float] = []
        self.paused: list[float] = []
        self.leases: list[tuple[float, float]] = []
        self.applied: list[int] = []
        self.epoch = ""
        self.now = 7.0
        endpoints = [ControlEndpoint(f"http://{one}", self._client(one)) for one in "ab"]
        self.controls = ControlEndpoints("edge-1", endpoints, lambda: self.now, lambda: 0.5)
        self.first, self.second = sorted(
            "ab", key=lambda one: self.controls.current.url != f"http://{one}"
        )

    def _client(self, name: str) -> httpx.AsyncClient:
        def answer(request: httpx.Request) -> httpx.Response:
            query = request.url.params
            what = query.get("after", request.url.path)
            self.asked.append((name, what, query.get("wait_s", "")))
            self.queries.append(query)
            self.timeouts.append(request.extensions["timeout"]["read"])
            if request.url.path.endswith("/leave"):
                return httpx.Response(200, json={})
            if not self.answers:
                raise Stop
            given = self.answers.pop(0)
            if isinstance(given, Exception):
                raise given
            return given

        return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url=f"http://{name}")

    def begin(self, page: LogPage) -> bool:
        same, self.epoch = page.epoch == self.epoch, page.epoch
        return same

    def apply(self, entry: LogEntry) -> Awaitable[None] | None:
        self.applied.append(entry.seq)
        return None

    def confirm(self, asked_at: float, lease_s: float) -> None:
        self.leases.append((asked_at, lease_s))

    async def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.now += seconds

    def follow(self, after: int = 0) -> None:
        world = FollowerEnvironment(lambda: self.now, self.pause, lambda: 0.5, bytes)
        contact = ControlContact(
            "edge-1", self.controls.current.url, "secrets.json", lambda: self.now
        )
        follower = LogFollower(
            "edge-1", self.controls, lambda _message: b"t", world, contact=contact
        )

        async def main() -> None:
            with pytest.raises(Stop):
                await follower.follow(after, self)

        asyncio.run(main())


def page(upto: int, lease_s: float = LEASE_S, epoch: str = "e") -> httpx.Response:
    entries = [{"seq": upto, "at": 1.0, "kind": "other", "body": {}}] if upto else []
    content = {
        "entries": entries, "last_seq": upto, "upto": upto, "epoch": epoch, "floor": 0,
        "protocol": 3, "lease_s": lease_s, "mark": f"mark{upto}",
    }  # fmt: skip
    return httpx.Response(200, json=content)


SILENT = httpx.ReadTimeout("silent")
GONE = httpx.ConnectError("refused")


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(SILENT, id="it does not answer"),
        pytest.param(GONE, id="it is not there"),
        pytest.param(httpx.Response(403, json={"error": "no"}), id="it refuses"),
        pytest.param(httpx.Response(503, json={"error": "no lease"}), id="it has no lease"),
        pytest.param(httpx.Response(200, content=b"{"), id="it says nothing that helps"),
    ],
)
def test_it_goes_on_with_the_next_at_once(failure: Answer) -> None:
    play = Play(page(1), failure, page(2))
    play.follow()
    first, second = play.first, play.second
    assert [who for who, _, _ in play.asked][:3] == [first, first, second]
    assert play.asked[2][1] == "1"  # from where it was
    assert play.paused == []


def test_the_next_one_is_asked_for_its_lease_and_does_not_wait() -> None:
    play = Play(page(1), SILENT, page(1), page(1))
    play.follow()
    waits = [float(wait) for _, _, wait in play.asked]
    assert waits == [0.0, WAIT_S_OF_SEVERAL, 0.0, WAIT_S_OF_SEVERAL, WAIT_S_OF_SEVERAL]
    assert play.timeouts == [wait + PATIENCE_S for wait in waits]


def test_a_lease_counts_as_it_was_granted() -> None:
    """By whichever; the newest takes the place of the one before, also where it is shorter."""
    play = Play(page(1, lease_s=3.5), SILENT, page(1, lease_s=2.25))
    play.follow()
    assert [lease_s for _, lease_s in play.leases] == [3.5, 2.25]


def test_it_says_the_mark_of_what_it_applied_last() -> None:
    play = Play(page(4), SILENT, page(5))
    play.follow()
    assert [query["mark"] for query in play.queries] == ["", "mark4", "mark4", "mark5"]


def test_another_history_is_begun_from_its_start() -> None:
    play = Play(page(4), SILENT, page(3, epoch="f"), page(2, epoch="f"))
    play.follow()
    assert [after for _, after, _ in play.asked] == ["0", "4", "4", "0", "2"]
    assert [query["mark"] for query in play.queries] == ["", "mark4", "mark4", "", "mark2"]
    assert len(play.leases) == 2  # none with the page of the other history


def test_it_pauses_when_all_have_failed() -> None:
    play = Play(page(1), SILENT, GONE, GONE, GONE)
    play.follow()
    assert len(play.paused) == 2  # after each has failed once more
    assert [who for who, _, _ in play.asked] == [
        play.first, play.first, play.second, play.first, play.second, play.first
    ]  # fmt: skip


def test_it_returns_to_its_first_choice_and_tells_the_other() -> None:
    play = Play(page(1), SILENT, page(1), page(1), page(1))
    play.controls.settle()
    original = play.confirm

    def confirm(asked_at: float, lease_s: float) -> None:
        original(asked_at, lease_s)
        if len(play.leases) == 3:
            play.now += RETURN_S

    play.confirm = confirm  # type: ignore[method-assign]
    play.follow()
    first, second = play.first, play.second
    asked = [(who, what) for who, what, _ in play.asked]
    assert asked == [
        (first, "0"), (first, "1"), (second, "1"), (second, "1"), (first, "1"),
        (second, "/nodes/edge-1/leave"), (first, "1"),
    ]  # fmt: skip


def test_a_return_that_fails_costs_nothing() -> None:
    play = Play(page(1), SILENT, page(1), SILENT, page(1))
    original = play.confirm

    def confirm(asked_at: float, lease_s: float) -> None:
        original(asked_at, lease_s)
        if len(play.leases) == 2:
            play.now += RETURN_S

    play.confirm = confirm  # type: ignore[method-assign]
    play.follow()
    first, second = play.first, play.second
    assert [who for who, _, _ in play.asked] == [first, first, second, first, second, second]


def test_which_one_is_followed_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "edgecache.server")
    play = Play(page(1), SILENT, page(1))
    play.follow()
    line = f"control at http://{play.first} is not followed any more: silent; "
    assert [record.getMessage() for record in caplog.records] == [f"{line}http://{play.second} is"]
