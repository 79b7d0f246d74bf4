"""A machine with a spool, buckets that fail as they are told, and processes that deliver."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from edgecache.config.model import Behavior, Config, Distribution, Logging, Origin
from edgecache.config.observation import LogBucket, LogDelivery
from edgecache.node.log_delivery import DeliveryWorld, LogDeliverer
from edgecache.node.log_store import DeliveryError
from edgecache.observe.counters import Counters
from edgecache.observe.log_spool import LogDestination, LogSpool
from edgecache.observe.spool_folder import SpoolFolder
from tests.observe.test_log_spool import HEADER, Clock

T = TypeVar("T")
BUCKET = "logs.s3.amazonaws.com"
WEB = LogDestination(BUCKET, "web")


@dataclass
class Bucket:
    """A bucket that fails as often as it is told to, and keeps what it is given."""

    failures: list[str] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    tries: int = 0
    held: asyncio.Event | None = None  # no answer comes until it is set

    missing: str = ""
    defects: int = 0

    async def check(self) -> None:
        """See `LogStore`."""
        if self.missing:
            raise DeliveryError(self.missing)

    async def put(self, key: str, file: Path) -> None:
        """See `LogStore`."""
        self.tries += 1
        if self.held is not None:
            await self.held.wait()
        if self.defects:
            self.defects -= 1
            raise KeyError("a defect")
        if self.failures:
            raise DeliveryError(self.failures.pop(0))
        self.objects[key] = unpacked(file)


def unpacked(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes())


async def no_pause(_seconds: float) -> None:
    raise AssertionError


async def at_once(work: Callable[[], T]) -> T:
    return work()


def threads(work: Callable[[], T]) -> Awaitable[T]:
    return at_once(work)


class Machine:
    """The spool of a machine, its clock, its buckets, and processes that deliver."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "spool"
        self.clock = Clock()
        self.buckets: dict[str, Bucket] = {}
        self.counters: list[Counters] = []
        self._numbers = itertools.count()

    def process(self, config: Config) -> LogDeliverer:
        spool = LogSpool(self.folder, self.unique, self.clock, HEADER)
        counters = Counters()
        world = DeliveryWorld(self.clock, lambda: 1.0, no_pause, threads, self.store, counters)
        made = LogDeliverer(spool, SpoolFolder(self.folder), world)
        made.use(config)
        self.counters.append(counters)
        return made

    def delivered(self, process: int = 0) -> int:
        """How many files a process has delivered to the bucket."""
        return self.counters[process].labeled["log_files_delivered"].labels(BUCKET).value

    def waiting(self, process: int = 0) -> tuple[int, int]:
        """How many files wait for the bucket, and how long the oldest has, by a process."""
        gauges = self.counters[process].labeled_gauges
        names = ("log_files_waiting", "log_oldest_waiting")
        files, oldest_s = (gauges[name].labels(BUCKET).value for name in names)
        return files, oldest_s

    def unique(self) -> str:
        return f"{next(self._numbers):08x}"

    def store(self, bucket: LogBucket) -> Bucket:
        return self.buckets.setdefault(bucket.bucket, Bucket())

    def later(self, seconds: float) -> None:
        self.clock.now += seconds

    @property
    def objects(self) -> dict[str, bytes]:
        """What the bucket has, without what makes each name unique."""
        return {key.rsplit(".", 2)[0]: body for key, body in self.buckets[BUCKET].objects.items()}


def site(id: str, logging: Logging) -> Distribution:
    return Distribution(
        id=id,
        origins=(Origin(id="o", domain_name="o.test"),),
        default_behavior=Behavior(origin="o"),
        logging=logging,
    )


def config(*buckets: str, cookies: bool = False, **settings: int) -> Config:
    placed = tuple(LogBucket(bucket=name, folder="/logs") for name in buckets or (BUCKET,))
    logged = Logging(enabled=True, bucket=BUCKET, prefix="web", include_cookies=cookies)
    return Config(
        distributions=(site("E1", logged),),
        log_delivery=LogDelivery(buckets=placed, **settings),
    )


async def step(*processes: LogDeliverer) -> None:
    for process in processes:
        await process.step()
        await process.sent()
