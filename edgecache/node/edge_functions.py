"""Functions of a node: their runners with this process's clocks, place and counters.

Law: without an engine an edge starts all the same, and every request whose behavior has a function
is answered that it could not run. So it is without `node` for Lambda functions.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from edgecache.cache.function_events import FunctionEvents
from edgecache.cluster.inspection import FunctionLogPage, FunctionLogQuery, LoggedRun
from edgecache.config.functions import PythonHookConfig
from edgecache.config.listen import TcpAddress, parse_listen
from edgecache.config.model import Config, Location
from edgecache.functions.interface import FunctionLog, FunctionWorld, StoreOf, no_store
from edgecache.functions.lambda_process import start_worker
from edgecache.functions.lambda_runner import LambdaRunner, LambdaWorld
from edgecache.functions.runner import FunctionRunner
from edgecache.observe.counters import Counters
from edgecache.runtime.environment import DaemonThread, random_bytes
from edgecache.server.http1.head_cache_functions import BYTES_MAX, SHARE, FunctionHeadCache
from edgecache.server.http2.head_cache import Http2FunctionHeadCache
from edgecache.server.listener import Listener
from edgecache.server.request_tracing import RequestIds

LOGS_MAX = 256  # of runs; each at most ten kilobytes
PAGE_CHARS_MAX = 262_144  # of lines in one answer to who reads them
_Cache = TypeVar("_Cache", bound=FunctionHeadCache)


class FunctionLogBuffer:
    """The last of what functions logged in this process, for who follows it: CloudFront's function
    log, live. It waits for nobody: who reads too slowly is told how many runs it missed.
    """

    def __init__(self, clock: Callable[[], float], instance: str) -> None:
        self.runs: deque[LoggedRun] = deque(maxlen=LOGS_MAX)
        self._clock = clock
        self._instance = instance
        self._last = 0  # the number of the newest

    def add(self, log: FunctionLog) -> None:
        """A run has logged something."""
        self._last += 1
        run = LoggedRun(self._clock(), log.function, log.request_id, log.distribution, log.lines)
        self.runs.append(run)

    def page(self, who: tuple[str, str, str], query: FunctionLogQuery) -> FunctionLogPage:
        """What came since, as much as one answer has; `who` is this process."""
        oldest = self._last - len(self.runs) + 1
        seen = query.seen.get(self._instance)
        known = seen is not None and 0 <= seen <= self._last
        first = max(oldest, seen + 1) if known and seen is not None else oldest
        lost = first - seen - 1 if known and seen is not None else 0
        found: list[LoggedRun] = []
        chars = 0
        for run in islice(self.runs, first - oldest, None):
            chars += sum(map(len, run.lines))
            if found and chars > PAGE_CHARS_MAX:
                break
            found.append(run)
        last = first + len(found) - 1
        return FunctionLogPage(*who, self._instance, tuple(found), last, lost)

    @property
    def size_bytes(self) -> int:
        """About what it takes."""
        return sum(len(line) for run in self.runs for line in run.lines)


logger = logging.getLogger("edgecache.functions")


def lambda_runner(
    config: Config,
    clock: Callable[[], float],
    counters: Counters,
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
) -> LambdaRunner:
    """The Lambda functions of a node. What they print is told on standard error."""
    start = partial(
        start_worker,
        thread=DaemonThread("lambda"),
        tell=partial(logger.info, "Lambda function %s: %s"),
    )
    runner = LambdaRunner(LambdaWorld(start, clock, spawn, counters, logger.warning))
    runner.use(config.lambda_functions)
    return runner


class EdgeFunctions:
    """What an edge's functions are made of; `store_of` may be set before it is used."""

    def __init__(
        self,
        clock: Callable[[], float],
        counters: Counters,
        hooks: tuple[PythonHookConfig, ...] = (),
        *,
        memo: bool = True,
    ) -> None:
        """`hooks` are those of the file this process was started with."""
        self.store_of: StoreOf = no_store
        self.logs = FunctionLogBuffer(clock, random_bytes(8).hex())
        self._clock = clock
        self._counters = counters
        self._runner: FunctionRunner | None = None
        self._hooks = hooks
        self._memo = memo
        self._head_caches: list[FunctionHeadCache] = []

    def events(self, config: Config, location: Location) -> FunctionEvents:
        """Those of `config`, for the frontend of a location."""
        address = parse_listen(location.listen, config.state_dir)
        host = address.host if isinstance(address, TcpAddress) else ""
        self._runner = FunctionRunner(
            FunctionWorld(
                time.thread_time,
                self._clock,
                lambda store_id: self.store_of(store_id),
                self.logs.add,
                (location.name, host, location.region),
                self._counters,
            ),
            self._hooks,
        )
        events = FunctionEvents(self._runner, RequestIds(random_bytes).next)
        events.use(config.functions)
        return events

    def use_head_caches(self, listener: Listener) -> None:
        """Have a listener give hits again that functions have seen, by the versions it repeats."""
        if not self._memo:
            return
        listener.use_function_heads(self._head_cache(listener, FunctionHeadCache))
        if listener.http2_head_cache is not None:
            listener.use_http2_function_heads(self._head_cache(listener, Http2FunctionHeadCache))

    def _head_cache(self, listener: Listener, kind: type[_Cache]) -> _Cache:
        made = kind(min(BYTES_MAX, int(listener.account.budget_bytes * SHARE)))
        self._head_caches.append(made)
        return made

    @property
    def size_bytes(self) -> int:
        """What their contexts and logs take, and what is known of their hits."""
        taken = self.logs.size_bytes
        taken += sum(one.size_bytes for one in self._head_caches)
        return taken + (0 if self._runner is None else self._runner.size_bytes)
