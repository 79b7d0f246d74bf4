"""Recorder of the series: ends each second, and has the rings' file written on a thread.

Law: what is written may be ten seconds late (a crash loses no more), and nobody waits for a disk;
one that fails is told once, and memory goes on without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from edgecache.control.dashboard.report_differences import SeriesName
from edgecache.control.dashboard.ring_file import RESOLUTIONS, Resolution, RingFile, WrittenStep
from edgecache.control.dashboard.traffic_series import FOLD_S, FoldedSeries, SeriesTable
from edgecache.runtime.environment import BlockingCalls
from edgecache.runtime.stderr_log import warn

SYNC_S = 60  # a power failure loses no more
RETRY_S = 10  # between attempts to open a file that cannot be
TICK_S = 0.25  # a second is over so much later at most

ReadSteps = list[tuple[int, ...] | None]
_Begun = tuple[int, Resolution, tuple[int, ...]]
_T = TypeVar("_T")


class SeriesRecorder:
    """The series of a control and their file. `open_file` and all that is done with it blocks, on
    `thread`; `pause` waits so many seconds.
    """

    def __init__(
        self,
        table: SeriesTable,
        open_file: Callable[[], RingFile],
        thread: BlockingCalls,
        pause: Callable[[float], Awaitable[None]],
        tell: Callable[[str], None] = warn,
    ) -> None:
        self._tell = tell
        self.table = table
        self._open_file = open_file
        self._thread = thread
        self._pause = pause
        self._file: RingFile | None = None
        self._trouble = ""
        self.on_second: Callable[[int], None] = lambda second: None

    async def run(self) -> None:
        """Count the seconds, for good."""
        await self.begin()
        try:
            while True:
                await self._pause(TICK_S)
                await self.step()
        finally:
            self.flush()

    async def begin(self) -> None:
        """Go on where the file ends."""
        if self._file is not None:
            return
        now = self.table.second
        opened = await self._tried(partial(_opened, self._open_file, now))
        if opened is None:
            return
        self._file, names, begun = opened
        self.table.adopt(names)
        for index, resolution, step in begun:
            self.table.resume(index, resolution, step)

    async def step(self) -> None:
        """One turn of `run`."""
        for second in self.table.tick():
            if self._file is None and second % RETRY_S == 0:
                await self.begin()
            steps = self.table.due(second)
            folded: list[FoldedSeries] = []
            freed: list[int] = []
            if (second + 1) % FOLD_S == 0:
                folded, freed = [*self.table.fold()], self.table.free_idle()
            if self._file is not None and (steps or folded or freed):
                given, self.table.given = self.table.given, []
                work = partial(self._write, steps, folded, freed, given, second)
                await self._tried(work)
            self.on_second(second)

    def flush(self) -> None:
        """Write what is known, at once: this process ends."""
        given, self.table.given = self.table.given, []
        with contextlib.suppress(OSError):
            self._write(self.table.unwritten(), [], [], given, self.table.second)

    def close(self) -> None:
        """Write what is known, and let the file go."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    async def read(self, index: int, resolution: Resolution, first: int, last: int) -> ReadSteps:
        """Steps of a series as `RingFile.read` has them; none where there is no file."""
        nothing: ReadSteps = [None] * len(range(first, last + 1, resolution.step_s))
        file = self._file
        if file is None:
            return nothing
        found = await self._tried(partial(file.read, index, resolution, first, last))
        return nothing if found is None else found

    async def aside(self, work: Callable[[], _T]) -> _T:
        """The result of work that takes a while and touches nothing, done on the file's thread."""
        return await self._thread(work)

    @property
    def problem(self) -> str:
        """Why nothing is kept beyond memory; empty: it is."""
        return self._trouble

    def _write(
        self,
        steps: list[WrittenStep],
        folded: list[FoldedSeries],
        freed: list[int],
        given: list[tuple[int, SeriesName]],
        second: int,
    ) -> None:
        file = self._file
        if file is None:
            return
        for index, name in given:
            file.give_place(index, name)
        file.write(steps)
        for one in folded:
            file.fold(one.place, one.into, second)
            file.give_place(one.place, one.name)
        for index in freed:
            file.clear(index)
        if second % SYNC_S == SYNC_S - 1:
            file.sync()

    async def _tried(self, work: Callable[[], _T]) -> _T | None:
        try:
            found = await self._thread(work)
        except OSError as error:
            if str(error) != self._trouble:
                self._tell(f"the dashboard's numbers are kept in memory alone: {error}")
            self._trouble = str(error)
            return None
        self._trouble = ""
        return found


def _opened(
    open_file: Callable[[], RingFile], now: int
) -> tuple[RingFile, dict[SeriesName, int], list[_Begun]]:
    """The file, the places in it, and steps that are not over at `now`."""
    file = open_file()
    names = file.names()
    begun: list[_Begun] = []
    for index in names.values():
        for resolution in RESOLUTIONS:
            began_at = now // resolution.step_s * resolution.step_s
            (step,) = file.read(index, resolution, began_at, began_at)
            if step is not None:
                begun.append((index, resolution, step))
    return file, names, begun
