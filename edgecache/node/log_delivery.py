"""Delivery of distributions' log files: from the spool of this machine to the buckets they name.

Law: no viewer waits for it. One process of a machine sends; each bucket is tried by itself, later
each time while it fails, and what finds no room in the spool is dropped oldest first and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecache.config.model import Config
from edgecache.config.observation import LogBucket, LogDelivery
from edgecache.node.log_store import DeliveryError, LogStore
from edgecache.observe.counters import Counters
from edgecache.observe.log_spool import LogDestination, LogSpool, split_records, with_cookie
from edgecache.observe.spool_folder import SpooledFile, SpoolFolder
from edgecache.runtime.environment import BlockingCalls

logger = logging.getLogger("edgecache.server")

SPOOL_NAME = "log-delivery"  # in state_dir
PASS_S = 1.0  # between two looks at the spool
RETRY_S_MIN = 1.0
RETRY_S_MAX = 300.0  # a store that is well again has its files five minutes later
SEND_S_MAX = 600.0  # of one file: 32 MiB at 55 KB/s


@dataclass(frozen=True, slots=True)
class DeliveryWorld:
    """What a delivery needs of its process: times in epoch seconds, threads for the state's disk.

    `store` makes the store of a bucket.
    """

    clock: Callable[[], float]
    random: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]
    threads: BlockingCalls
    store: Callable[[LogBucket], LogStore]
    counters: Counters


@dataclass(frozen=True, slots=True)
class LogRoute:
    """Where lines of a distribution go, and whether they show cookies."""

    destination: LogDestination
    cookies: bool


@dataclass(slots=True)
class _Target:
    """A bucket, and how its last delivery went."""

    bucket: LogBucket
    store: LogStore
    checked: bool = False  # for what is sure to be missing
    task: asyncio.Task[None] | None = None
    sending: Path | None = None
    failed: str = ""  # the key that failed last; the next one is tried first
    problem: str = ""
    retry_at: float = 0.0
    retry_s: float = RETRY_S_MIN


def log_routes(config: Config) -> dict[str, LogRoute]:
    """Where the lines of each distribution go; those that go nowhere are not in it."""
    known = {bucket.bucket for bucket in config.log_delivery.buckets}
    return {
        one.id: LogRoute(
            LogDestination(one.logging.bucket, one.logging.prefix), one.logging.include_cookies
        )
        for one in config.distributions
        if one.logging.enabled and one.logging.bucket in known
    }


class LogDeliverer:
    """One process's part in it: it spools its lines, and sends everybody's where no other does.

    See `log_outputs.RecordConsumer`.
    """

    def __init__(self, spool: LogSpool, folder: SpoolFolder, world: DeliveryWorld) -> None:
        self.spool = spool
        self.routes: Mapping[str, LogRoute] = {}
        self.was_wanted = False  # by any distribution: records that wait may have second lines
        self._folder = folder
        self._world = world
        self._settings = LogDelivery()
        self._targets: dict[str, _Target] = {}
        self._leaving = False
        self._problem = ""
        self._was_full = False
        self._homeless: frozenset[str] = frozenset()
        self._counted: set[str] = set()  # buckets that files have waited for

    def use(self, config: Config) -> None:
        """Deliver by `config` from now on."""
        self.routes = log_routes(config)
        self.was_wanted |= bool(self.routes)
        self._settings = config.log_delivery
        self.spool.interval_s = config.log_delivery.interval_s
        held = self._targets
        self._targets = {}
        for bucket in config.log_delivery.buckets:
            same = held.get(bucket.bucket)
            if same is None or same.bucket != bucket:
                same = _Target(bucket, self._world.store(bucket))
            self._targets[bucket.bucket] = same
        for target in held.values():
            if target not in self._targets.values() and target.task is not None:
                target.task.cancel()

    @property
    def extended(self) -> bool:
        """Whether any line is wanted."""
        return bool(self.routes)

    @property
    def shows_cookies(self) -> bool:
        """Whether any line is wanted with its cookies."""
        return any(route.cookies for route in self.routes.values())

    def offer(self, records: Sequence[bytes]) -> None:
        """Spool what distributions want of these records. Blocks on the disk, and never fails."""
        if not self.was_wanted:
            return
        routes = self.routes
        wanted: dict[str, list[bytes]] = {}
        for line, second in split_records(b"".join(records)):
            id = second.partition(b"\t")[0].decode("latin-1")
            if (route := routes.get(id)) is not None:
                shown = with_cookie(line, second) if route.cookies else line
                wanted.setdefault(id, []).append(shown)
        for id, lines in wanted.items():
            self.spool.write(routes[id].destination, id, lines)

    def hand_over(self) -> None:
        """A successor serves: it sends as well, after what is on its way."""
        self._leaving = True

    async def run(self) -> None:
        """Send what waits, for ever."""
        while True:
            await self.step()
            await self._world.pause(PASS_S)

    async def step(self) -> None:
        """Look at the spool once, and begin to send to each bucket that may be tried."""
        try:
            files = await self._look()
        except OSError as error:
            self._tell_spool(error.strerror or str(error))
            return
        by_bucket: dict[str, list[SpooledFile]] = {}
        for file in files:
            by_bucket.setdefault(file.destination.bucket, []).append(file)
        self._tell_homeless(by_bucket)
        wanted = {route.destination.bucket for route in self.routes.values()}
        for name, target in self._targets.items():
            due = self._world.clock() >= target.retry_at
            waits = by_bucket.get(name, []) if due else []
            new = name in wanted and not target.checked
            if (waits or new) and not _is_running(target):
                # A task of its own: it may hang as long as it likes.
                work = self._send_all(target, waits)
                target.task = asyncio.get_running_loop().create_task(work)

    async def _check(self, target: _Target) -> None:
        """Tell at the start what would be told when the first file is due, an hour later."""
        try:
            await target.store.check()
        except (DeliveryError, OSError) as error:
            target.problem = str(error)
            logger.error("logs are not delivered to %s: %s", target.bucket.bucket, error)

    async def close(self) -> None:
        """Stop sending, and leave every file to whoever comes next."""
        tasks = [one.task for one in self._targets.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._world.threads(self.spool.close)
        self._folder.release()

    async def sent(self) -> None:
        """Wait until nothing is on its way."""
        tasks = [one.task for one in self._targets.values() if one.task is not None]
        await asyncio.gather(*tasks)

    async def _look(self) -> list[SpooledFile]:
        """The files that wait, where this process is the one that sends; else none."""
        files: list[SpooledFile] = []
        busy = [one.sending for one in self._targets.values() if one.sending is not None]

        def look() -> None:
            self.spool.close_due()
            if self._leaving and not busy:
                self._folder.release()
            elif self._folder.hold():
                files.extend(self._folder.collect(self._settings.spool_bytes_max, busy))

        await self._world.threads(look)
        self._tell_spool(self.spool.problem or self._folder.problem)
        if self._folder.is_full and not self._was_full:
            limit = self._settings.spool_bytes_max
            logger.error("%s is full (%d bytes): its oldest files are dropped", SPOOL_NAME, limit)
        self._was_full = self._folder.is_full
        self._world.counters.log_lines_lost = self.spool.lost + self._folder.lost
        self._count_waiting(files)
        return files

    def _count_waiting(self, files: list[SpooledFile]) -> None:
        """What waits for each bucket; zero where something did."""
        gauges = self._world.counters.labeled_gauges
        now, seen = self._world.clock(), {file.destination.bucket for file in files}
        for bucket in self._counted | seen:
            of_bucket = [file.at for file in files if file.destination.bucket == bucket]
            oldest_s = int(now - of_bucket[0]) if of_bucket else 0
            gauges["log_files_waiting"].labels(bucket).value = len(of_bucket)
            gauges["log_oldest_waiting"].labels(bucket).value = max(oldest_s, 0)
        self._counted |= seen

    async def _send_all(self, target: _Target, files: list[SpooledFile]) -> None:
        """Send files to one bucket until one fails; that one comes last the next time."""
        if not target.checked:
            target.checked = True
            await self._check(target)
        for file in _after(files, target.failed):
            if not await self._world.threads(file.path.exists):
                continue  # dropped for room meanwhile
            target.sending = file.path
            try:
                async with asyncio.timeout(SEND_S_MAX):
                    await target.store.put(file.key, file.path)
                await self._world.threads(file.path.unlink)
            except (DeliveryError, OSError) as error:
                self._fail(target, file, str(error) or "it took too long", len(files))
                return
            except Exception as error:  # a defect: told as it is, and not told every second
                self._fail(target, file, repr(error), len(files))
                return
            finally:
                target.sending = None
            delivered = self._world.counters.labeled["log_files_delivered"]
            delivered.labels(target.bucket.bucket).value += 1
            self._succeed(target)

    def _fail(self, target: _Target, file: SpooledFile, why: str, waiting: int) -> None:
        if why != target.problem:
            name = target.bucket.bucket
            logger.error("logs are not delivered to %s: %s (%d files wait)", name, why, waiting)
        target.problem, target.failed = why, file.key
        wait_s = target.retry_s * (0.5 + self._world.random() / 2)
        target.retry_at = self._world.clock() + wait_s
        target.retry_s = min(2 * target.retry_s, RETRY_S_MAX)

    def _succeed(self, target: _Target) -> None:
        if target.problem:
            logger.warning("logs are delivered to %s again", target.bucket.bucket)
        target.problem, target.failed = "", ""
        target.retry_at, target.retry_s = 0.0, RETRY_S_MIN

    def _tell_spool(self, problem: str) -> None:
        if problem and problem != self._problem:
            logger.error("lines for log delivery are lost or wait in %s: %s", SPOOL_NAME, problem)
        self._problem = problem

    def _tell_homeless(self, by_bucket: Mapping[str, list[SpooledFile]]) -> None:
        homeless = frozenset(by_bucket) - frozenset(self._targets)
        for name in sorted(homeless - self._homeless):
            logger.error(
                "logs are not delivered to %s: no log_delivery.buckets has it (%d files wait)",
                name,
                len(by_bucket[name]),
            )
        self._homeless = homeless


def _is_running(target: _Target) -> bool:
    return target.task is not None and not target.task.done()


def _after(files: list[SpooledFile], failed: str) -> list[SpooledFile]:
    """The files in their order, but those through `failed` last: one bad file holds up none."""
    keys = [file.key for file in files]
    start = keys.index(failed) + 1 if failed in keys else 0
    return [*files[start:], *files[:start]]
