"""Follower of control's log: long polls, back-off, reports of a node's status.

Law: control may be away for any time; the node goes on, and catches up from the last entry it
applied. Of several controls it follows one, and the next one as soon as that does not answer in
time, refuses it or has no lease to give; a lease counts as it was granted, by whichever.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx
import msgspec

from edgecache.cluster.credentials import AUTH_SCHEME, content_digest, control_message
from edgecache.cluster.log_entries import (
    OURS,
    LogEntry,
    LogPage,
    Speaker,
    as_query,
    read_page,
    refusal,
)
from edgecache.cluster.log_readers import LogSubscription
from edgecache.cluster.node_status import NodeStatus, ReportAnswer
from edgecache.node.control_contact import ControlContact
from edgecache.node.control_endpoints import ControlEndpoints
from edgecache.node.followed_configuration import (
    FollowedConfiguration,
    MissedChangeError,
    UnknownSettingsError,
)

WAIT_S = 1.0  # a third of the lease that each answer gives
WAIT_S_OF_SEVERAL = 0.4  # with PATIENCE_S less than a second: one that hangs is left within it
PATIENCE_S = 0.4  # beyond the wait, with one of several that says nothing; a world's round trip
ANSWER_S_MAX = 10.0  # beyond the wait, for the answer itself
BACK_OFF_S_FIRST = 0.25
BACK_OFF_S_MAX = 1.0  # a control that came back is followed again within this
DOUBLINGS_MAX = 16  # past the longest back-off; keeps the power small
IDLE_S_MAX = 0.2  # between polls that brought nothing, in case control does not wait
LEAVE_S_MAX = 1.0


class EntryNotAppliedError(Exception):
    """An entry waits for something of control's that cannot be had now: it is to be tried again."""


class LogConsumer(Protocol):
    """The node, as the follower of the log needs it."""

    def begin(self, page: LogPage) -> bool:
        """Take note of a page; False when it is of another log, to be followed from its start."""
        ...

    def apply(self, entry: LogEntry) -> Awaitable[None] | None:
        """Apply the next entry. UnknownSettingsError: it stands, and no lease is taken.

        EntryNotAppliedError: it is to be told again, by this control or another.
        """
        ...

    def confirm(self, asked_at: float, lease_s: float) -> None:
        """Note that all entries there were at this time have been applied; take a lease from it."""
        ...

    @property
    def low(self) -> int:
        """The least log number of anything stored or under way."""
        ...


@dataclass(frozen=True, slots=True)
class FollowerEnvironment:
    """World of a follower: the tier's clock, a way to wait, a number in [0, 1), random bytes."""

    clock: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]
    random: Callable[[], float]
    random_bytes: Callable[[int], bytes]


class LogFollower:
    """Client of control's log. `sign` gives a credential for a message (`cluster.credentials`)."""

    def __init__(
        self,
        name: str,
        controls: ControlEndpoints,
        sign: Callable[[bytes], bytes],
        world: FollowerEnvironment,
        *,
        serves: bool = False,
        machine: str = "",
        contact: ControlContact | None = None,
    ) -> None:
        """`serves`: the node goes on serving without a lease. `contact` says when there is none."""
        self._name = name
        self._controls = controls
        self._followed = controls.current  # the one that answered last
        self._is_new = True  # whether the current one has yet to answer for the first time
        self._is_late = False  # whether the lease of the last answer was half over when it came
        self._sign = sign
        self._world = world
        self.serves = serves
        run = world.random_bytes(8).hex()
        self.instance = f"{machine}.{run}" if machine else run  # see lease.Instance
        self._contact = contact
        self._epoch = ""  # of the log that was told last
        self._mark = ""  # of the number that was applied last, as told
        self._configuration = FollowedConfiguration()
        self._polls = 0  # so many in this run, of whatever control
        self.failures = 0  # polls failed in a row: above 0, control is away
        self.drained_caches: frozenset[str] = frozenset()  # regional caches, as control said last
        self.drained = False  # whether an operator drains this node, as control said last
        self.closed_locations: frozenset[str] = frozenset()  # those away, as control said last
        self.unhealthy_checks: frozenset[str] = frozenset()  # health checks by id, the same
        self.log_readers: tuple[LogSubscription, ...] = ()  # who reads this node's log, through it

    async def follow(self, after: int, consumer: LogConsumer) -> None:
        """Apply every entry after number `after`, in order, until cancelled.

        What else `apply` raises ends it. Asking for what comes next says that all before it is
        applied.
        """
        while True:
            self._is_new |= self._controls.try_first_choice()
            asked_at, was_late = self._world.clock(), self._is_late
            page = await self._poll(after, consumer.low)
            if page is None:
                await self._next_control()
                continue
            self._epoch = page.epoch
            if not consumer.begin(page) and after:
                after, self._mark = 0, ""
                continue
            try:
                await self._apply(page, consumer)
            except MissedChangeError:
                # It is held no more, so that the whole is told; not in a loop, whatever says it.
                await self._world.pause(back_off_s(1, self._world.random()))
                continue
            except UnknownSettingsError as error:
                control = Speaker(page.protocol, page.release)
                self._differs(f"{error}; control runs {control}, this node {OURS}")
                self.failures += 1
                await self._world.pause(BACK_OFF_S_MAX)
                continue
            except EntryNotAppliedError as error:
                if self._contact is not None:
                    self._contact.silent(str(error))
                await self._next_control()
                continue
            self.failures = 0
            self._answered(HTTPStatus.OK)
            after, self._mark = page.upto, page.mark
            if after == page.last_seq:
                consumer.confirm(asked_at, page.lease_s)
                took_s = self._world.clock() - asked_at
                self._is_late = len(self._controls) == 1 and not 0 <= took_s < page.lease_s / 2
                await self._settle()
            if page.entries or (was_late and not self._is_late):
                continue
            if self._world.clock() - asked_at < WAIT_S / 2:
                await self._world.pause(self._world.random() * IDLE_S_MAX)

    async def _apply(self, page: LogPage, consumer: LogConsumer) -> None:
        for entry in page.entries:
            told = self._configuration.read(entry)
            applied = consumer.apply(told)
            if inspect.isawaitable(applied):
                await applied
            self._configuration.was_applied(told)

    async def _next_control(self) -> None:
        """Go on with another control; wait when all of them have failed."""
        self.failures += 1
        if len(self._controls) > 1:
            self._controls.move()
            self._is_new = True
            if self.failures % len(self._controls):
                return
        await self._world.pause(back_off_s(self.failures, self._world.random()))

    async def _settle(self) -> None:
        """Follow the current one: it has given a lease, in the place of a former one's."""
        left = self._controls.settle()
        if self._contact is not None and self._followed is not self._controls.current:
            self._contact.moved(self._controls.current.url)
        self._followed, self._is_new = self._controls.current, False
        if left is not None:
            await self._leave(left.client)

    @property
    def problem(self) -> str:
        """What control says or is, where that is what is wrong: it refuses this node, is away."""
        return "" if self._contact is None else self._contact.problem

    async def leave(self) -> None:
        """Tell control that this node serves no more; if it cannot be told, its lease runs out."""
        await self._leave(self._controls.current.client)

    async def _leave(self, client: httpx.AsyncClient) -> None:
        with contextlib.suppress(httpx.HTTPError):
            query = {"instance": self.instance, "serves": int(self.serves), "poll": self._polls}
            target = f"/nodes/{self._name}/leave?{urlencode(query)}"
            headers = self._headers("POST", target, b"")
            await client.post(target, content=b"", headers=headers, timeout=LEAVE_S_MAX)

    async def report(self, status: NodeStatus) -> bool:
        """Send control the status of this node; False when control did not take it."""
        content = msgspec.json.encode(status)
        try:
            target = f"/nodes/{self._name}"
            headers = self._headers("POST", target, content)
            client = self._controls.current.client
            answer = await client.post(
                target, content=content, headers=headers, timeout=self._answer_s_max
            )
        except httpx.HTTPError:
            self.log_readers = ()
            return False
        if _without_stream(answer).is_success:
            with contextlib.suppress(msgspec.DecodeError):
                told = msgspec.json.decode(answer.content, type=ReportAnswer)
                self.drained, self.drained_caches = told.drain, frozenset(told.drained_caches)
                self.log_readers = told.log_readers
                if told.closed_locations is not None:
                    self.closed_locations = frozenset(told.closed_locations)
                if told.unhealthy_checks is not None:
                    self.unhealthy_checks = frozenset(told.unhealthy_checks)
        return answer.is_success

    async def send_log(self, content: bytes) -> bool:
        """Send control what readers of this node's log look for; False when it is not taken."""
        target = f"/nodes/{self._name}/log-lines"
        headers = self._headers("POST", target, content)
        client = self._controls.current.client
        try:
            answer = await client.post(
                target, content=content, headers=headers, timeout=self._answer_s_max
            )
        except httpx.HTTPError:
            return False
        return _without_stream(answer).is_success

    async def ask(self, target: str, fields: Mapping[str, str]) -> httpx.Response | None:
        """Control's answer to another question of this node's; None when it cannot be had."""
        try:
            headers = {**fields, **self._headers("GET", target, b"")}
            client = self._controls.current.client
            answer = await client.get(target, headers=headers, timeout=ANSWER_S_MAX)
        except httpx.HTTPError:
            return None
        return _without_stream(answer)

    async def _poll(self, after: int, low: int) -> LogPage | None:
        several = len(self._controls) > 1
        wait_s = WAIT_S_OF_SEVERAL if several else WAIT_S
        if (self._is_new and several) or self._is_late:  # its lease is wanted at once
            wait_s = 0.0
        query: dict[str, Any] = {"after": after, "wait_s": wait_s, "low": low}
        self._polls += 1
        query |= {"instance": self.instance, "serves": int(self.serves), "poll": self._polls}
        query["configuration"] = self._configuration.held
        query |= {"epoch": self._epoch, "mark": self._mark, **as_query(OURS)}
        target = f"/log?{urlencode(query)}"
        headers = self._headers("GET", target, b"")
        try:
            client = self._controls.current.client
            answer = await client.get(target, headers=headers, timeout=wait_s + self._answer_s_max)
            content = _without_stream(answer).content
            page = read_page(content) if answer.is_success else None
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            if self._contact is not None:
                self._contact.silent(str(error) or type(error).__name__)
            return None
        if page is None:
            self._answered(answer.status_code, _error(content))
        elif why := refusal("control", Speaker(page.protocol, page.release)):
            self._differs(why)
            return None
        return page

    def _answered(self, status: int, error: str = "") -> None:
        if self._contact is not None:
            self._contact.answered(status, error)

    def _differs(self, why: str) -> None:
        if self._contact is not None:
            self._contact.differs(why)

    @property
    def _answer_s_max(self) -> float:
        """How long control may say nothing before, or in the middle of, an answer."""
        return PATIENCE_S if len(self._controls) > 1 else ANSWER_S_MAX

    def _headers(self, method: str, target: str, content: bytes) -> dict[str, str]:
        digest = content_digest(content)
        credential = self._sign(control_message(method, target.encode(), digest))
        headers = {"authorization": f"{AUTH_SCHEME} {credential.decode()}"}
        return headers | {"content-digest": digest} if digest else headers


def back_off_s(failures: int, random: float) -> float:
    """Seconds before the next try: doubling, bounded, half of it at random.

    "Exponential Backoff And Jitter", AWS Architecture Blog ("equal jitter").
    """
    longest = BACK_OFF_S_FIRST * (1 << min(failures - 1, DOUBLINGS_MAX))
    return min(longest, BACK_OFF_S_MAX) * (0.5 + random / 2)


def _error(content: bytes) -> str:
    """What control says of a request that it refuses."""
    try:
        return str(msgspec.json.decode(content, type=dict[str, Any]).get("error", ""))
    except msgspec.DecodeError:
        return ""


def _without_stream(answer: httpx.Response) -> httpx.Response:
    """The answer, freed with the last that refers to it: its stream would refer to it in turn.

    It holds a whole configuration, and a cycle that was alive when the collector set aside what it
    had seen stays there (see `runtime/memory_tuning.py`).
    """
    answer.stream = httpx.ByteStream(b"")  # what it brought has been read
    return answer
