"""Dev mode over HTTP: whether all is ready, the clock, and the way back to the start.

Law: an answer is given once it is true of every process. The clock moves at one instant for all;
what is waited for is that nodes have leases again, since theirs end with the time that has passed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from edgecache.cluster.lease import LEASE_S
from edgecache.cluster.tokens import Tokens
from edgecache.config.origin_map import check_origin_map
from edgecache.config.problems import Problems
from edgecache.control.nodes.barrier import Barrier
from edgecache.control.nodes.registry import NodeRegistry
from edgecache.control.rest.auth import require_operator
from edgecache.control.rest.call import RouteHandler, bounded_body, json_response
from edgecache.control.state.database import Authorship
from edgecache.control.state.database_thread import StateRun
from edgecache.control.state.live_log import LiveLog
from edgecache.control.state.reset import StateReset
from edgecache.runtime.dev_mode import DevMode

ADVANCE_S_MAX = 315_576_000.0  # ten years, in all: beyond what certificates and dates can tell
ANSWERS_S_MAX = LEASE_S + 2  # for nodes, which take milliseconds; of one that hangs or is gone
# the lease ends by then
LEASES_S_MAX = 2.0
LEFT_S = 0.4 * LEASE_S  # of a lease, that a node has whom nothing is to hold up
LOOK_S = 0.002


class ClockBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far the clock is to be moved ahead, in seconds."""

    advance_s: float


class OriginMapBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where origins are connected to, by patterns of their names; the first that fits counts."""

    origin_map: dict[str, str]


class ClockReport(msgspec.Struct, frozen=True):
    """What the clock shows (epoch seconds), and how far that is ahead of the machine's."""

    now: float
    offset_s: float


class ReadyReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether everything answers, and what does not yet."""

    ready: bool
    waiting_for: tuple[str, ...] = ()


@dataclass(slots=True)
class DevHandlers:
    """The operations of dev mode. `expected` are the names of all nodes; `pause` waits."""

    mode: DevMode
    reset_state: StateReset
    live: LiveLog
    nodes: NodeRegistry
    barrier: Barrier
    tokens: Tokens
    run: StateRun
    expected: Collection[str]
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def handlers(self) -> dict[str, RouteHandler]:
        """A handler for each operation, by name."""
        return {
            "dev_ready": self.ready,
            "dev_reset": self.reset,
            "dev_clock": self.clock,
            "dev_advance_clock": self.advance,
            "dev_origin_map": self.origin_map,
            "dev_map_origins": self.map_origins,
        }

    async def ready(self, request: Request) -> Response:
        missing = tuple(self._missing())
        return json_response(ReadyReport(not missing, missing), 503 if missing else 200)

    def _missing(self) -> list[str]:
        reported = {one.name: one.status.generation for one in self.nodes.processes()}
        leased = {one.name for one in self.barrier.leased()}
        names = [
            name
            for name in self.expected
            if reported.get(name) != self.live.generation or name not in leased
        ]
        return names if self.mode.is_prepared else [*names, "what is to be done at the start"]

    async def origin_map(self, request: Request) -> Response:
        return json_response(OriginMapBody(self.reset_state.origin_map))

    async def map_origins(self, request: Request) -> Response:
        """Connect origins to these places from now on, until the next reset."""
        author = require_operator(request, self.tokens)
        problems = Problems()
        try:
            body = msgspec.json.decode(await bounded_body(request), type=OriginMapBody)
        except msgspec.DecodeError as error:
            return json_response({"error": str(error)}, 400)
        check_origin_map(body.origin_map, "origin_map", problems)
        if problems.found:
            return json_response({"error": "; ".join(map(str, problems.found))}, 400)
        by = Authorship(author, "map_origins")
        async with self._turn:
            seq = await self.run(partial(self.reset_state.map_origins, body.origin_map, by))
            if not await self.barrier.wait(seq, ANSWERS_S_MAX):
                names = ", ".join(self.barrier.waiting_for(seq))
                return json_response({"error": f"not mapped everywhere: {names}"}, 503)
            return json_response(OriginMapBody(self.reset_state.origin_map))

    async def clock(self, request: Request) -> Response:
        return json_response(self._shown())

    def _shown(self) -> ClockReport:
        return ClockReport(self.mode.clocks().wall(), self.mode.moved_s())

    async def advance(self, request: Request) -> Response:
        author = require_operator(request, self.tokens)
        try:
            body = msgspec.json.decode(await bounded_body(request), type=ClockBody)
        except msgspec.DecodeError as error:
            return json_response({"error": str(error)}, 400)
        async with self._turn:
            if why := _refusal(body.advance_s, self.mode.moved_s()):
                return json_response({"error": why}, 400)
            if body.advance_s:
                by = Authorship(author, f"advance_clock {body.advance_s:g} s")
                await self._move(self.mode.moved_s() + body.advance_s, by)
            return json_response(self._shown())

    async def reset(self, request: Request) -> Response:
        author = require_operator(request, self.tokens)
        by = Authorship(author, "reset")
        async with self._turn:
            back = self.mode.moved_s() != 0.0
            seq = await self.run(partial(self.reset_state.start_over, by, back=back))
            self.nodes.start_over(seq)
            if not await self.barrier.wait(seq, ANSWERS_S_MAX):
                names = ", ".join(self.barrier.waiting_for(seq))
                return json_response({"error": f"not reset everywhere: {names}"}, 503)
            if back:  # nobody has a lease, or takes one, until it is told that this is done
                await self._move(0.0, by)
        return Response(status_code=204)

    async def _move(self, ahead_s: float, by: Authorship) -> None:
        """Move the clock, and wait until nodes that had a lease have one again; for one that is
        silent, not for long.
        """
        before = self.barrier.leased()
        self.mode.move(ahead_s)
        self.barrier.clock_moved()
        await self.run(partial(self.reset_state.tell_clock, by))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEASES_S_MAX):
                while before - self.barrier.leased(LEFT_S):
                    await self.pause(LOOK_S)


def _refusal(advance_s: float, moved_s: float) -> str:
    """Why the clock is not moved ahead by so much; empty when it is."""
    if advance_s < 0:
        return (
            f"advance_s: {advance_s:g} is negative: the clock goes back by POST /_edgecache/reset"
        )
    if advance_s + moved_s > ADVANCE_S_MAX:
        return f"advance_s: {advance_s:g} is more than ten years in all"
    return ""
