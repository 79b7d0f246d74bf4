"""Replay of logged requests through the keys, lifetimes and stores of a configuration.

Law: keys, lifetimes, storability and eviction are the product's own functions; what is simulated is
the time alone, which is the log's. A hit is one that no origin was asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

from edgecache.config.model import Config, Location
from edgecache.control.replay.logged_requests import LoggedRequest
from edgecache.http.message import Request, Response
from edgecache.rules.caching.freshness import assess
from edgecache.rules.caching.key import cache_key
from edgecache.rules.caching.storability import refusal_to_store
from edgecache.rules.routing import Route, compile_routes, locate
from edgecache.store.entry import ENTRY_OVERHEAD_BYTES
from edgecache.store.eviction import Eviction, EvictionRefused
from edgecache.store.memory_account import divide_memory
from edgecache.store.s3fifo_queues import Resident

HEAD_BYTES = 250  # of a stored head, packed: see store.entry
LOCATIONS_MAX = 1_000  # of a log: each is a store of its own
SEED = 20_270_115  # which of several workers a request meets
CACHED = ("Hit", "RefreshHit", "Miss", "OriginShieldHit", "MissGeneratedResponse", "")
_LOOKED_UP = (b"GET", b"HEAD", b"OPTIONS")


class StoredObject(Resident, kw_only=True):
    """An object in a replayed store; fresh until an epoch second."""

    fresh_until: float = 0.0


@dataclass(slots=True)
class HitCounts:
    """Requests and bytes, and those of hits, there and here."""

    requests: int = 0
    octets: int = 0
    hits_there: int = 0
    hit_octets_there: int = 0
    hits_here: int = 0
    hit_octets_here: int = 0

    def ratios(self) -> dict[str, float | None]:
        """Shares of requests and bytes, 0 to 1; None where there are none."""
        return {
            "requests_there": _share(self.hits_there, self.requests),
            "bytes_there": _share(self.hit_octets_there, self.octets),
            "requests_here": _share(self.hits_here, self.requests),
            "bytes_here": _share(self.hit_octets_here, self.octets),
        }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


@dataclass(slots=True)
class ReplayResult:
    """What a replay counted, by distribution and path pattern; `passed_over` by result."""

    total: HitCounts = field(default_factory=HitCounts)
    behaviors: dict[tuple[str, str], HitCounts] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)
    nowhere: Counter[str] = field(default_factory=Counter)  # by host that no distribution has
    backwards: int = 0  # requests of before the one before them
    knows_results: bool = False
    objects: int = 0  # in the stores, at the end


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """`memory_bytes` of each worker, None: as the file says; `host` of requests that have none."""

    memory_bytes: int | None = None
    host: bytes = b""
    one_location: bool = False


class Replay:
    """A replay under a configuration. Feed it by `run`, once."""

    def __init__(self, config: Config, settings: ReplaySettings) -> None:
        self._table = compile_routes(config)
        self._config = config
        self._settings = settings
        self._random = Random(SEED)
        self._stores: dict[str, list[_Store]] = {}
        self.result = ReplayResult()
        sites = [*self._table.by_id.values()]
        self._only = sites[0].distribution if len(sites) == 1 else None

    def run(self, requests: Iterable[LoggedRequest]) -> Iterator[int]:
        """Ask for each; gives how many are done, every 10,000."""
        now = 0.0
        for count, logged in enumerate(requests, 1):
            if logged.at < now:
                self.result.backwards += 1
            now = max(now, logged.at)
            self._ask(logged, now)
            if count % 10_000 == 0:
                yield count
        self.result.objects = sum(
            len(one.objects) for each in self._stores.values() for one in each
        )

    def _ask(self, logged: LoggedRequest, now: float) -> None:
        result = self.result
        result.knows_results |= bool(logged.result)
        is_error = not logged.result and logged.status >= 300 and logged.status != 304
        if logged.result not in CACHED or is_error or logged.status == 0:
            result.passed_over[logged.result or f"status {logged.status}"] += 1
            return
        host = self._host(logged)
        where = None if host is None else locate(_request(logged, host), self._table)
        if where is None:
            if len(result.nowhere) < LOCATIONS_MAX:
                result.nowhere[logged.host.decode("latin-1")] += 1
            return
        route = where.route
        key = (route.distribution.id, route.behavior.path_pattern)
        is_hit = self._is_hit(logged, where.request, route, now)
        for counts in (result.total, result.behaviors.setdefault(key, HitCounts())):
            _count(counts, logged, is_hit=is_hit)

    def _host(self, logged: LoggedRequest) -> bytes | None:
        """The name by which the table knows whose request it is."""
        for name in (logged.host, logged.site, self._settings.host):
            if name and self._table.site(name) is not None:
                return name
        if self._only is None:
            return logged.host if self._table.any_host is not None else None
        names = [self._only.domain_name, *self._only.aliases]
        known = [one for one in names if one and not one.startswith("*")]
        return known[0].lower().encode() if known else (logged.host or b"any.invalid")

    def _is_hit(self, logged: LoggedRequest, request: Request, route: Route, now: float) -> bool:
        if request.method not in _LOOKED_UP:
            return False
        head = Response(logged.status if logged.status != 304 else 200, b"", (), now, now)
        key = cache_key(request, route)
        store = self._store(logged)
        found = store.objects.get(key)
        if found is not None and now < found.fresh_until:
            found.uses += 1
            return True
        lifetime_s = assess(head, route).lifetime_s
        if found is not None:  # an origin is asked, and says that it holds or sends another
            found.uses += 1
            found.fresh_until = now + lifetime_s
        elif refusal_to_store(request, head, route) is None and lifetime_s > 0:
            store.put(StoredObject(key=key, size_bytes=_size(key, logged),
                                   fresh_until=now + lifetime_s))  # fmt: skip
        return False

    def _store(self, logged: LoggedRequest) -> _Store:
        name = "" if self._settings.one_location else logged.location
        if name not in self._stores and len(self._stores) >= LOCATIONS_MAX:
            name = ""
        stores = self._stores.get(name)
        if stores is None:
            stores = self._stores[name] = self._made(name)
        return stores[0] if len(stores) == 1 else self._random.choice(stores)

    def _made(self, name: str) -> list[_Store]:
        """The stores of a location's workers, by the file's location of the name, or its first."""
        locations = self._config.locations
        default = locations[0] if locations else Location(name="", listen="")
        location = next((one for one in locations if one.name == name), default)
        memory = self._settings.memory_bytes or location.memory_bytes
        return [_Store(divide_memory(memory).store_bytes) for _ in range(location.workers)]


class _Store:
    def __init__(self, budget_bytes: int) -> None:
        self.objects: dict[bytes, StoredObject] = {}
        self._eviction = Eviction[StoredObject](budget_bytes)

    def put(self, new: StoredObject) -> None:
        victims = self._eviction.admit(new)
        if isinstance(victims, EvictionRefused):
            return
        for victim, _ in victims:
            del self.objects[victim.key]
        self.objects[new.key] = new


def _request(logged: LoggedRequest, host: bytes) -> Request:
    """The request as far as the log has it."""
    named = (
        (b"host", logged.host or host),
        (b"user-agent", logged.agent),
        (b"referer", logged.referer),
        (b"cookie", logged.cookie),
    )
    fields = tuple((name, value) for name, value in named if value)
    scheme = logged.scheme if logged.scheme in (b"http", b"https") else b"https"
    return Request(logged.method, logged.path, logged.query, fields, host, scheme)


def _size(key: bytes, logged: LoggedRequest) -> int:
    body = logged.sent_bytes if logged.content_bytes is None else logged.content_bytes
    return len(key) + HEAD_BYTES + body + ENTRY_OVERHEAD_BYTES


def _count(counts: HitCounts, logged: LoggedRequest, *, is_hit: bool) -> None:
    there = logged.result == "Hit"
    counts.requests += 1
    counts.octets += logged.sent_bytes
    counts.hits_there += there
    counts.hits_here += is_hit
    counts.hit_octets_there += logged.sent_bytes if there else 0
    counts.hit_octets_here += logged.sent_bytes if is_hit else 0
