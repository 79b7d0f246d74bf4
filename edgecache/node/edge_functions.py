"""Functions of an edge: their runner with this process's clocks, place and counters.

Law: without an engine an edge starts all the same, and every request whose behavior has a function
is answered that it could not run.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from edgecache.cache.function_events import FunctionEvents
from edgecache.config.listen import TcpAddress, parse_listen
from edgecache.config.model import Config, Location
from edgecache.functions.interface import FunctionLog, FunctionWorld, StoreOf, no_store
from edgecache.functions.runner import FunctionRunner
from edgecache.observe.counters import Counters
from edgecache.runtime.environment import random_bytes
from edgecache.server.request_log import RequestIds

LOGS_MAX = 256  # of runs; each at most ten kilobytes


class EdgeFunctions:
    """What an edge's functions are made of; `store_of` may be set before it is used.

    `logs` has the last of what they logged, the newest last: CloudFront's live function log, of
    this process.
    """

    def __init__(self, clock: Callable[[], float], counters: Counters) -> None:
        self.store_of: StoreOf = no_store
        self.logs: deque[FunctionLog] = deque(maxlen=LOGS_MAX)
        self._clock = clock
        self._counters = counters
        self._runner: FunctionRunner | None = None

    def events(self, config: Config, location: Location) -> FunctionEvents:
        """Those of `config`, for the frontend of a location."""
        address = parse_listen(location.listen, config.state_dir)
        host = address.host if isinstance(address, TcpAddress) else ""
        self._runner = FunctionRunner(
            FunctionWorld(
                time.thread_time,
                self._clock,
                lambda store_id: self.store_of(store_id),
                self.logs.append,
                (location.name, host, location.region),
                self._counters,
            )
        )
        events = FunctionEvents(self._runner, RequestIds(random_bytes).next)
        events.use(config.functions)
        return events

    @property
    def size_bytes(self) -> int:
        """What their contexts and logs take."""
        logs = sum(len(line) for log in self.logs for line in log.lines)
        return logs + (0 if self._runner is None else self._runner.size_bytes)
