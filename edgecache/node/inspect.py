"""Inspection of a node's store: explain, statistics, objects and dry runs, for operators.

Law: a look leaves no trace, and nobody waits here. Who asks proves to be of this installation, as
peers do. Nothing is counted or logged, no origin is asked, and no entry grows more recent by it. A
dry run over the disk is begun by who asks first, and told to who asks again: it reads a few rows at
a time in threads that read, so that viewers go before it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import islice

import msgspec
from msgspec.structs import replace

from edgecache.cache.frontend import ViewerFrontend
from edgecache.cache.function_events import FunctionTrace
from edgecache.cache.lookup import decide_entry
from edgecache.cache.outcome import FetchErrand, Hit, Refusal, SlicesErrand
from edgecache.cache.peer_frontend import Frontend
from edgecache.cache.tier import Tier
from edgecache.cluster.credentials import CONTROL
from edgecache.cluster.inspection import (
    EXAMPLES,
    FUNCTION_LOGS,
    NAMED,
    OBJECTS,
    OBJECTS_LOOKED_AT,
    STATS,
    DiskNamed,
    DryRunQuery,
    FunctionLogPage,
    FunctionLogQuery,
    InventoryQuery,
    ListedObject,
    NodeNamed,
    ObjectOrder,
    StoreObjects,
    StoreStats,
)
from edgecache.config.lambda_functions import label_of
from edgecache.functions.lambda_runner import LambdaStory
from edgecache.http.head import response_head
from edgecache.http.message import Request, first_value, names_in
from edgecache.node.edge_functions import FunctionLogBuffer
from edgecache.rules.caching.key import cache_key, read_key, without_connection_options
from edgecache.rules.caching.reuse import bypass
from edgecache.rules.caching.vary import answers
from edgecache.rules.explanation import (
    EntryFacts,
    LookupExplanation,
    StoredExplanation,
    TierExplanation,
    locate_unsigned,
    stored,
)
from edgecache.rules.invalidation.items import subject_of
from edgecache.rules.reasons import MissReason
from edgecache.rules.response.headers_policy import public_fields
from edgecache.rules.routing import Route
from edgecache.store.disk.store import DiskStore
from edgecache.store.disk.walk import ROWS_PER_STEP
from edgecache.store.entry import Entry
from edgecache.store.memory import MemoryStore
from edgecache.upstream.peer import heads as peer_fields
from edgecache.upstream.peer.heads import CredentialSender, head_sender

_MAJOR = {b"2": 2, b"3": 3}  # of the viewer's version of HTTP, as control names it
SCANS_MAX = 4  # at once: people ask, one or two of them
ROWS_LOOKED_AT = 100_000  # as of memory; in a second or two, viewers in between
TOLD_S_MAX = 60.0  # what nobody came back for by then is looked for anew

Who = tuple[str, str, str]
"""Name, role and location of a process."""


@dataclass(slots=True)
class _DiskScan:
    began_at: float
    found: DiskNamed | None = None


class DiskDryRun:
    """Dry runs over the disk that are under way in this process."""

    def __init__(self) -> None:
        self._scans: dict[DryRunQuery, _DiskScan] = {}

    def ask(self, tier: Tier, trial: DryRunQuery, now: float) -> DiskNamed | None:
        """The result for the disk; None while it is under way: ask again."""
        if tier.disk is None:
            return DiskNamed()
        late = [one for one, scan in self._scans.items() if now - scan.began_at > TOLD_S_MAX]
        for one in late:
            del self._scans[one]
        scan = self._scans.get(trial)
        if scan is None:
            if len(self._scans) < SCANS_MAX:
                scan = self._scans[trial] = _DiskScan(now)
                tier.world.spawn(_scan(scan, tier.disk, tier, trial))
        elif scan.found is not None:
            del self._scans[trial]
        return None if scan is None else scan.found


@dataclass(frozen=True, slots=True)
class Inspector:
    """Answers inspection requests at a listener: those that control signed.

    `sender` tells who signed a message, by a credential, which is used up.
    """

    node: str
    role: str
    location: str
    front: Frontend
    sender: CredentialSender
    disk_trials: DiskDryRun = field(default_factory=DiskDryRun)
    function_logs: FunctionLogBuffer | None = None  # None: no functions run here
    stories: Callable[[], Iterable[LambdaStory]] = tuple  # of Lambda functions, the oldest first

    def reply(self, head: bytes, request: Request, now: float) -> bytes:
        """The whole response; empty when `request`, read from `head`, is to be served as usual."""
        if peer_fields.EXPLAIN not in names_in(request.fields):
            return b""
        if (request.peer or head_sender(head, self.sender)) != CONTROL:
            return b""
        answer = self._inspect(
            first_value(request.fields, peer_fields.EXPLAIN) or b"", request, now
        )
        body = msgspec.json.encode(answer)
        fields = (
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        )
        return response_head(200, b"", fields) + body

    def _inspect(
        self, asked: bytes, request: Request, now: float
    ) -> TierExplanation | StoreStats | StoreObjects | NodeNamed | FunctionLogPage:
        who, tier = (self.node, self.role, self.location), self.front.tier
        if asked == STATS:
            return store_stats(who, tier, now)
        if asked.startswith(OBJECTS):
            wanted = InventoryQuery.read(request.path.decode("latin-1"), asked)
            return store_objects(who, tier.store, wanted, now)
        if asked.startswith(NAMED):
            trial = DryRunQuery.read(asked)
            return dry_run_result(who, tier, trial, self.disk_trials.ask(tier, trial, now))
        if asked.startswith(FUNCTION_LOGS):
            if self.function_logs is None:
                return FunctionLogPage(*who, "")
            return self.function_logs.page(who, FunctionLogQuery.read(asked))
        return self.story(request, now)

    def story(self, request: Request, now: float) -> TierExplanation:
        """The explanation of a request."""
        trace = FunctionTrace()
        found = self._routed(request, trace)
        if found is None:
            return self._explanation(LookupExplanation.REFUSE, "no site answers to this host")
        if isinstance(found, Refusal):
            told = self._explanation(LookupExplanation.REFUSE, str(found.result))
            return dataclasses.replace(told, functions=tuple(trace.lines))
        inner, route = found
        inner = without_connection_options(inner)
        passes = bypass(inner, route)
        if passes is not None:
            told = self._explanation(LookupExplanation.BYPASS, passes)
        else:
            told = self._looked_up((inner, route), now, trace)
        lines = (*trace.lines, *self._lambda_lines(request, inner, route, now))
        return dataclasses.replace(told, functions=lines)

    def _routed(
        self, request: Request, trace: FunctionTrace
    ) -> tuple[Request, Route] | Refusal | None:
        """The request that is looked up, and its route; a refusal is the answer of a function."""
        if not isinstance(self.front, ViewerFrontend):
            routed = self.front.routed(request)
            return None if isinstance(routed, Refusal) else routed
        viewer = replace(
            request,
            fields=public_fields(request.fields),
            scheme=first_value(request.fields, peer_fields.SCHEME) or request.scheme,
            major=_MAJOR.get(first_value(request.fields, peer_fields.HTTP_VERSION) or b"", 1),
            client=("", 0),
        )
        where = locate_unsigned(viewer, self.front.table)
        functions = self.front.functions
        if where is None or functions is None:
            return None if where is None else (where.request, where.route)
        return functions.explain(where, trace)

    def _lambda_lines(
        self, received: Request, request: Request, route: Route, now: float
    ) -> Iterator[str]:
        """What Lambda functions of this route made of these paths last: they are not run for it."""
        paths = {text.decode("latin-1") for text in (received.path, request.path)}
        last = {
            one.event: one
            for one in self.stories()
            if one.distribution == route.distribution.id and one.target.partition("?")[0] in paths
        }
        for event, association in route.lambdas.items():
            story = last.get(event)
            if story is not None and story.function == association.function_arn:
                said = f"{label_of(story.function)} at {event}, {max(0.0, now - story.at):.0f} s"
                yield from (f"{said} ago: {line}" for line in story.lines)

    def _looked_up(
        self, found: tuple[Request, Route], now: float, trace: FunctionTrace
    ) -> TierExplanation:
        tier, (request, route) = self.front.tier, found
        entries = tier.filtered.peek(cache_key(request, route))
        if not entries:
            reserve, key = tier.world.reserve, cache_key(request, route)
            asked = reserve is not None and reserve.serves(key)
            words = f"{MissReason.ABSENT}, unless the reserve has it"
            why = words if asked else MissReason.ABSENT
            return self._explanation(LookupExplanation.FETCH, why)
        own = next((e for e in entries if answers(e.selected, request.fields)), None)
        held = tuple(_stored(entry, route, now, entry is own) for entry in entries)
        if own is None:
            return self._explanation(LookupExplanation.FETCH, MissReason.VARIANT, held)
        concluded = decide_entry(own, request, route, now)
        functions = self.front.functions if isinstance(self.front, ViewerFrontend) else None
        if functions is not None and isinstance(concluded, Hit):
            functions.explain_hit(concluded, request, trace)
        return self._explanation(*_words(concluded), held)

    def _explanation(
        self, what: LookupExplanation, why: str = "", held: tuple[StoredExplanation, ...] = ()
    ) -> TierExplanation:
        return TierExplanation(self.node, self.role, self.location, what, str(why), held)


def store_stats(who: Who, tier: Tier, now: float) -> StoreStats:
    """Figures of a node's store."""
    sample = tier.world.counters.snapshot()
    return StoreStats(*who, tier.store.budget_bytes, tier.store.oldest_s(now), sample)


def store_objects(who: Who, store: MemoryStore, wanted: InventoryQuery, now: float) -> StoreObjects:
    """The objects in memory that a query lists first, among the oldest OBJECTS_LOOKED_AT."""
    prefix = wanted.prefix.encode()
    looked_at = islice(store, OBJECTS_LOOKED_AT)
    if wanted.order is ObjectOrder.LARGEST:
        listed = nlargest(wanted.limit, _under(prefix, looked_at), key=lambda one: one.size_bytes)
    else:
        listed = nlargest(wanted.limit, _under(prefix, looked_at), key=lambda one: one.uses)
    objects = tuple(_listed(entry, now) for entry in listed)
    return StoreObjects(*who, objects, min(OBJECTS_LOOKED_AT, len(store)), len(store))


def dry_run_result(who: Who, tier: Tier, trial: DryRunQuery, disk: DiskNamed | None) -> NodeNamed:
    """What an invalidation would remove from memory, the oldest looked at, and from disk."""
    entries = size_bytes = 0
    examples: list[str] = []
    looked_at = islice(tier.store, OBJECTS_LOOKED_AT)
    for entry in tier.world.marks.named(looked_at, trial.distribution, trial.items):
        entries += 1
        size_bytes += entry.size_bytes
        if len(examples) < EXAMPLES:
            examples.append(_target(entry))
    held = len(tier.store)
    looked = min(OBJECTS_LOOKED_AT, held)
    return NodeNamed(*who, entries, size_bytes, tuple(examples), looked, held, disk)


def _stored(entry: Entry, route: Route, now: float, own: bool) -> StoredExplanation:
    held = EntryFacts(entry.head, entry.length, entry.size_bytes, entry.selected, entry.part)
    return stored(held, route, entry.assessment(route), now, answers=own)


def _words(concluded: Hit | FetchErrand | SlicesErrand | Refusal) -> tuple[LookupExplanation, str]:
    match concluded:
        case Hit(refresh=None):
            return LookupExplanation.HIT, ""
        case Hit():
            return LookupExplanation.STALE, MissReason.EXPIRED
        case SlicesErrand(hit=hit):  # slices that are missing are fetched
            return _words(hit)
        case FetchErrand(validate=True, why=why):
            return LookupExplanation.VALIDATE, why
        case FetchErrand(why=why):
            return LookupExplanation.FETCH, why
        case _:
            return LookupExplanation.REFUSE, "only-if-cached"


def _target(entry: Entry) -> str:
    return subject_of(entry.key, ()).target.decode("latin-1")


def _under(prefix: bytes, entries: Iterator[Entry]) -> Iterator[Entry]:
    for entry in entries:
        # To look for the bytes anywhere first spares most keys being read.
        if prefix == b"/" or (prefix in entry.key and _path(entry).startswith(prefix)):
            yield entry


def _path(entry: Entry) -> bytes:
    return read_key(entry.key).path


def _listed(entry: Entry, now: float) -> ListedObject:
    key = read_key(entry.key)
    target = key.path if key.query is None else key.path + b"?" + key.query
    return ListedObject(
        key.distribution,
        target.decode("latin-1"),
        key.host.decode("latin-1"),
        entry.size_bytes,
        entry.uses,
        round(now - entry.head.received_at, 3),
        round(entry.expires_at - now, 3) if entry.expires_at else None,
    )


async def _scan(scan: _DiskScan, disk: DiskStore, tier: Tier, trial: DryRunQuery) -> None:
    entries = size_bytes = looked_at = after = 0
    while looked_at < ROWS_LOOKED_AT:
        rows = await disk.heads(after, min(ROWS_PER_STEP, ROWS_LOOKED_AT - looked_at))
        if not rows:
            break
        heads = [row.entry for row in rows if row.entry is not None]
        for entry in tier.world.marks.named(heads, trial.distribution, trial.items):
            entries += 1
            size_bytes += _size(entry)
        looked_at, after = looked_at + len(rows), rows[-1].id
    scan.found = DiskNamed(entries, size_bytes, looked_at, disk.engine.totals.objects)


def _size(entry: Entry) -> int:
    return entry.size_bytes + (0 if entry.stored is None else entry.stored.length)
