"""The dashboard of one control: its parts, what runs beside them, and the handlers of its figures.

Law: whoever may read everything sees it; a stream ends with the session that opened it. What pages
cost is bounded: one state a second however many there are, and none without any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecache.control.dashboard.live_part import WINDOW_S
from edgecache.control.dashboard.live_state import LiveState
from edgecache.control.dashboard.live_stream import EventPublisher, EventStream, encode_event
from edgecache.control.dashboard.page import PageFiles
from edgecache.control.dashboard.rankings import WINDOWS_S, Rankings
from edgecache.control.dashboard.ring_file import RingFile
from edgecache.control.dashboard.series_answer import (
    SeriesAnswers,
    SeriesQuery,
    UnknownSeriesError,
)
from edgecache.control.dashboard.series_recorder import SeriesRecorder
from edgecache.control.dashboard.session_handlers import SESSION, SessionAdmission, private
from edgecache.control.dashboard.traffic_series import SeriesTable
from edgecache.control.dashboard.traffic_step import rates
from edgecache.control.nodes.other_controls import ControlAnswers
from edgecache.control.rest.auth import require_operator
from edgecache.control.rest.call import RouteHandler, json_response
from edgecache.control.state.invalidations import Invalidations
from edgecache.runtime.environment import BlockingCalls

if TYPE_CHECKING:
    from edgecache.control.rest.app import ControlServices

FILE = Path("dashboard") / "traffic.rings"  # in state_dir
SECOND_CHARS_MAX = 12
LOOK_S = 0.5  # whether a page was opened
MIN_STATE_S = 0.05  # what a state has to be late by is not made up for
OVER = "the session is over: log in again"


class Dashboard:
    """All parts. `pause` waits so many seconds; `thread` is for the file."""

    def __init__(
        self,
        control: ControlServices,
        sessions: SessionAdmission,
        invalidations: Invalidations,
        state_dir: Path,
        thread: BlockingCalls,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        alone = lambda: not control.everywhere.controls()[1:]  # noqa: E731
        self.table = SeriesTable(control.wall, alone)
        control.nodes.on_report = self.table.observe
        self.recorder = SeriesRecorder(
            self.table, lambda: RingFile(state_dir / FILE), thread, pause
        )
        controls = ControlAnswers(control.everywhere)
        self.answers = SeriesAnswers(self.recorder, controls)
        self.rankings = Rankings(
            control.log_readers, control.wall, self._requests_s, thread, pause, controls
        )
        self.publisher = EventPublisher()
        self.state = LiveState(control, self.table, invalidations, controls)
        self.files = PageFiles()
        self._control = control
        self.sessions = sessions
        control.memory["dashboard"] = lambda: sum(self.sizes().values())
        self._pause = pause

    def handlers(self) -> dict[str, RouteHandler]:
        """A handler for each operation, by name."""
        return {
            **self.files.handlers(),
            **self.sessions.handlers(),
            "dashboard_live": self.live,
            "dashboard_series": self.series,
            "dashboard_ranks": self.ranks,
            "dashboard_part": self.part,
            "dashboard_steps": self.steps,
            "dashboard_ranked": self.ranked,
        }

    def works(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        """What runs beside the handlers, for good."""
        return [self.run, self.recorder.run, self.rankings.run]

    async def run(self) -> None:
        """Make the state once a second while somebody looks, for good."""
        while True:
            wall = self._control.wall()
            if not self.publisher.streams:
                await self._pause(LOOK_S)
                continue
            await self.publish()
            took_s = self._control.wall() - wall
            await self._pause(max(1.0 - max(took_s, 0.0), MIN_STATE_S))

    async def publish(self) -> None:
        """Make the state, and let all pages have it."""
        self.rankings.want()
        self.state.of_control = self.sizes()
        document = await self.state.document(self.publisher.streams)
        event = encode_event("state", msgspec.json.encode(document), str(self.table.second - 1))
        self.publisher.publish(event)

    def sizes(self) -> dict[str, int]:
        """Bytes by what holds them."""
        return {
            "series": self.table.size_bytes,
            "ranks": self.rankings.size_bytes,
            "page": self.files.size_bytes,
            "streams": self.publisher.size_bytes,
        }

    async def live(self, request: Request) -> Response:
        """GET /dashboard/live."""
        require_operator(request, self._control.tokens)
        after = _event_number(request)

        async def first() -> bytes:
            history = await self.answers.newest(after)
            return encode_event("history", msgspec.json.encode(history))

        by_session = SESSION in request.scope

        def why_over() -> str:
            return OVER if by_session and self.sessions.session_of(request) is None else ""

        return EventStream(self.publisher, first, why_over, _end)

    async def series(self, request: Request) -> Response:
        """GET /dashboard/series."""
        require_operator(request, self._control.tokens)
        query = _series_query(request)
        try:
            return private(json_response(await self.answers.answer(query)))
        except UnknownSeriesError as error:
            raise HTTPException(404, str(error)) from error

    async def ranks(self, request: Request) -> Response:
        """GET /dashboard/ranks."""
        require_operator(request, self._control.tokens)
        seconds = _window_s(request)
        self.rankings.want()
        return private(json_response(await self.rankings.answer(seconds)))

    async def part(self, request: Request) -> Response:
        """GET /dashboard/part, which another control asks while a page of its own is open."""
        require_operator(request, self._control.tokens)
        return json_response(self.state.own())

    async def steps(self, request: Request) -> Response:
        """GET /dashboard/steps: likewise, what `series` is made of."""
        require_operator(request, self._control.tokens)
        until = request.query_params.get("until", "0")
        if not until.isascii() or not until.isdecimal() or len(until) > SECOND_CHARS_MAX:
            raise HTTPException(400, f"until: {until[:32]!r} is no second")
        return json_response(await self.answers.own(_series_query(request), int(until)))

    async def ranked(self, request: Request) -> Response:
        """GET /dashboard/ranked: likewise, what `ranks` is made of."""
        require_operator(request, self._control.tokens)
        seconds = _window_s(request)
        self.rankings.want()
        return json_response(await self.rankings.own(seconds))

    def _requests_s(self) -> float:
        return float(rates(self.table.total.last(WINDOW_S), WINDOW_S)["requests_s"])


def _end(why: str) -> bytes:
    return encode_event("end", msgspec.json.encode({"error": why}))


def _series_query(request: Request) -> SeriesQuery:
    try:
        return SeriesQuery.read(request.query_params)
    except ValueError as error:
        raise HTTPException(400, str(error)) from error


def _window_s(request: Request) -> int:
    text = request.query_params.get("seconds", str(WINDOWS_S[1]))
    if text not in map(str, WINDOWS_S):
        known = ", ".join(map(str, WINDOWS_S))
        raise HTTPException(400, f"seconds: {text[:32]!r} is not one of {known}")
    return int(text)


def _event_number(request: Request) -> int:
    """The second of the last state that a page has; 0: it has none."""
    text = request.headers.get("last-event-id", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= SECOND_CHARS_MAX else 0
