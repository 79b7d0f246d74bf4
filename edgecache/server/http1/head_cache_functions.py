"""Head cache of hits that functions have seen: their functions run for each, and only that.

Law: no hit is given by it whose functions have not run for this very request, and said, letter by
letter, what they said when `decide` concluded it. What they are given is made of the same bytes as
then; the id, the viewer's address and the time are this request's own. Where anything else is said,
or the hit's lease does not stand, the request is decided as any other, by what has been said.

What one viewer's place or connection bears on, and what costs tokens, is not kept: functions run
after all that is asked before them, and here nothing is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from edgecache.cache.frontend import ViewerFrontend
from edgecache.cache.function_events import FunctionEvents, RequestRuns
from edgecache.cache.outcome import Hit
from edgecache.functions.run_template import RunStep, RunTemplate
from edgecache.functions.runner import FunctionError
from edgecache.http.message import Request
from edgecache.rules.routing import Route, RouteTable
from edgecache.rules.viewer.access_list import AccessListMatcher
from edgecache.server.http1.head_cache import (
    CachedHit,
    FieldBlock,
    HeadCache,
    RepeatingConnection,
    may_repeat,
)
from edgecache.server.http1.head_cache_fields import worth_remembering
from edgecache.server.http1.interface import Http1Connection
from edgecache.server.http1.rendered_hit import (
    HEAD_END,
    RenderedHit,
    RenderedHitLease,
    RenderedResponse,
)
from edgecache.server.output_buffer import SMALL_BODY_BYTES
from edgecache.server.request_log import RequestOutcome, RequestSummary
from edgecache.store.eviction import REPRIEVES_MAX
from edgecache.store.memory_account import LINE_BYTES

BYTES_MAX = 8 * 1024 * 1024  # of heads and what functions are given and say: some thousand
SHARE = 1 / 64  # of memory_bytes, where that is less
OUTPUTS_MAX = 4  # of one function to one head: more is chance, or the time


class FunctionHit(NamedTuple):
    """A hit that functions have seen, to be learned: its bytes, and what they said of it."""

    answer: RenderedHit
    hit: Hit
    wire: RenderedResponse  # the answer as its version of HTTP has it


class RunBranch(Struct, eq=False):
    """A run at one event of a head: what the function is given, and what follows what it says."""

    template: RunTemplate
    outputs: dict[str, OutputBranch] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Whether one of its hits is still stored."""
        return any(hit.answer.alive for hit in self.hits())

    @property
    def size_bytes(self) -> int:
        """About what it takes, with all that follows."""
        size = self.template.size_bytes
        for text, output in self.outputs.items():
            size += len(text) + LINE_BYTES
            size += 0 if output.next is None else output.next.size_bytes
        return size

    def hits(self) -> Iterator[CachedHit]:
        """Those that follow."""
        for output in self.outputs.values():
            if output.next is None:
                yield output.cached
            else:
                yield from output.next.hits()

    def output_branch(self, step: RunStep, cached: CachedHit) -> OutputBranch:
        """What follows on what was said in a step; the oldest of many is forgotten."""
        found = self.outputs.pop(step.text, None) or OutputBranch(cached, step.logs)
        found.cached = cached
        if len(self.outputs) >= OUTPUTS_MAX:
            del self.outputs[next(iter(self.outputs))]
        self.outputs[step.text] = found
        return found


class OutputBranch(Struct, eq=False):
    """What follows on what a function says: the run at the next event, if there is one, or else the
    hit; of what is said first, the hit tells whether the next run is worth it.
    """

    cached: CachedHit
    logs: tuple[str, ...]
    next: RunBranch | None = None


class FunctionHead(Struct, eq=False):
    """A head whose functions have run, all of its bytes; and its parts of a log line."""

    block: FieldBlock
    table: RouteTable
    access_list: AccessListMatcher | None
    first: RunBranch
    used: bool = False  # answered since its place was last looked at

    @property
    def size_bytes(self) -> int:
        """About what it takes, beside its bytes."""
        return self.first.size_bytes

    def learn(self, steps: tuple[RunStep, ...], cached: CachedHit) -> None:
        """A hit was concluded in these steps."""
        run = self.first
        for index, step in enumerate(steps):
            output = run.output_branch(step, cached)
            if index + 1 == len(steps):
                output.next = None
                return
            template = steps[index + 1].template
            if output.next is None or output.next.template != template:
                output.next = RunBranch(template)
            run = output.next


class FunctionHeadCache(HeadCache):
    """Hits behind functions; by whole heads, the oldest forgotten first (CLOCK)."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        super().__init__(0, 0)
        self.size_bytes = 0
        self._bytes_max = bytes_max
        self.heads: dict[bytes, FunctionHead] = {}

    def hit(self, connection: Http1Connection, data: bytes, now: float) -> bool:
        found = self.repeated(connection, data, len(data), now)
        if found is None:
            return False
        cached, request_id = found
        answer, body = cached.answer, cached.answer.body
        if len(body) <= SMALL_BODY_BYTES:
            connection.transport.write(b"".join((answer.start, request_id, HEAD_END, body)))
        else:
            connection.outgoing.write(b"".join((answer.start, request_id, HEAD_END)), body)
        connection.deadline = now + connection.listener.limits.idle_s_max
        return True

    def repeated(
        self, connection: RepeatingConnection, data: bytes, received: int, now: float
    ) -> tuple[CachedHit, bytes] | None:
        """Run the functions of a head of so many bytes; what it is to be given, with the id of
        that. It is logged. None: it is to be decided.
        """
        head = self.heads.get(data)
        if head is None or not _may_run(head, connection, now):
            return None
        listener = connection.listener
        events = _events_of(connection)
        runs = RequestRuns(listener.ids.peek(), now)
        said = self._said(head.first, runs, connection, events)
        request_id = b""
        if said and self.fits(connection, said[-1].cached):
            request_id = self._repeat(connection, said[-1].cached, head.block, received, now)
        if not request_id:
            events.begun = runs
            listener.ids.next()  # which it has
            return None
        head.used = True
        for one in said:
            if one.logs:
                _log(events, head.first, said, request_id)
                break
        return said[-1].cached, request_id

    def fits(self, _connection: RepeatingConnection, _cached: CachedHit) -> bool:
        """Whether a hit can be sent now."""
        return True

    def _said(
        self, first: RunBranch, runs: RequestRuns, connection: RepeatingConnection,
        events: FunctionEvents,
    ) -> list[OutputBranch]:  # fmt: skip
        """What the functions of a head say for a request; empty: not all of it is known."""
        found: list[OutputBranch] = []
        run: RunBranch | None = first
        while run is not None:
            if found and not self._is_worth(found[-1].cached, connection, runs.now):
                return []
            said = events.said(run.template, runs, connection.client[0])
            output = None if isinstance(said, FunctionError) else run.outputs.get(said.text)
            if output is None:
                return []
            found.append(output)
            run = output.next
        return found

    def _is_worth(self, cached: CachedHit, connection: RepeatingConnection, now: float) -> bool:
        """Whether the next function is to see a hit; `_repeat` judges whether it is given."""
        entry = cached.answer.entry
        fresh = entry.alive and entry.stale_from is None and now < cached.until
        return fresh and entry.mark == connection.listener.marks.last

    def learn(
        self,
        connection: RepeatingConnection,
        head: bytes,
        request: Request,
        summary: RequestSummary,
        lease: RenderedHitLease | FunctionHit,
    ) -> None:
        """Keep a hit that functions have seen."""
        assert isinstance(lease, FunctionHit), "others are the head cache's"
        (answer, hit, wire), listener = lease, connection.listener
        known = hit.runs
        if known is None or not known.steps or connection.trusted:
            return
        if answer.own_body or not answer.has_id:
            return
        if _costs_or_differs(answer.route):
            return
        if not may_repeat(connection, replace(hit, until=known.until), request):
            return
        if not worth_remembering(head, listener.limits.head_bytes_max):
            return
        outcome = RequestOutcome(answer.status, answer.result, 0, answer.fields, route=answer.route)
        outcome.key, outcome.stored = answer.entry.key, answer.entry
        outcome.functions = answer.functions
        parts = listener.request_log.parts(summary, outcome)
        cached = CachedHit.of(RenderedHitLease(answer, known.until, wire), parts)
        table = listener.frontend.table
        if table is not self._table:
            self.clear()
            self._table = table
        kept = self.heads.get(head)
        if kept is None or kept.block.session is not connection.session:
            block = FieldBlock(
                (), connection.session, parts.agent, parts.host, parts.rest, parts.extras
            )
            first = RunBranch(known.steps[0].template)
            kept = FunctionHead(block, table, answer.route.access_list, first)
        self._forget(head)
        kept.learn(known.steps, cached)
        self._keep(head, kept)
        listener.made()

    def _forget(self, head: bytes) -> None:
        known = self.heads.pop(head, None)
        if known is not None:
            self.size_bytes -= len(head) + known.size_bytes

    def _keep(self, head: bytes, kept: FunctionHead) -> None:
        """Add a head, and forget those that were not asked for since they came to their place."""
        self.heads[head] = kept
        self.size_bytes += len(head) + kept.size_bytes
        reprieves = REPRIEVES_MAX
        while self.size_bytes > self._bytes_max and self.heads:
            oldest = next(iter(self.heads))
            other = self.heads[oldest]
            if other.used and reprieves:
                reprieves -= 1
                other.used = False
                self.heads[oldest] = self.heads.pop(oldest)
            else:
                self._forget(oldest)

    def sweep(self) -> None:
        """Let go of heads none of whose hits will be given again, and of the bodies they hold."""
        dead = [head for head, one in self.heads.items() if not one.first.alive]
        for head in dead:
            self._forget(head)

    def clear(self) -> None:
        self.heads.clear()
        self.size_bytes = 0

    def __iter__(self) -> Iterator[CachedHit]:
        return (hit for one in self.heads.values() for hit in one.first.hits())

    def __len__(self) -> int:
        return len(self.heads)


def _events_of(connection: RepeatingConnection) -> FunctionEvents:
    """What runs functions there."""
    frontend = connection.listener.frontend
    assert isinstance(frontend, ViewerFrontend), "peers have no functions"
    assert frontend.functions is not None, "nothing was learned without"
    return frontend.functions


def _may_run(head: FunctionHead, connection: RepeatingConnection, now: float) -> bool:
    """Whether the decision of a request with this head would run its functions, too."""
    listener, listed = connection.listener, head.access_list
    return (
        head.table is listener.frontend.table
        and head.block.session is connection.session
        and not connection.trusted
        and not listener.handing_over
        and now < listener.marks.lease_until
        and (listed is None or listed in connection.admitted)
    )


def _costs_or_differs(route: Route) -> bool:
    """Whether more than the bytes of a request bears on what its functions are given, or on whether
    they are asked.
    """
    return bool(
        route.viewer_headers
        or route.depends_on_viewer
        or route.rate_limits
        or route.basic_auth is not None
        or route.trust is not None
    )


def _log(
    events: FunctionEvents, first: RunBranch, said: list[OutputBranch], request_id: bytes
) -> None:
    """Hand on what functions have logged, once more."""
    run: RunBranch | None = first
    for one in said:
        assert run is not None, "each was said by a run"
        if one.logs:
            events.runner.log(run.template, request_id.decode("ascii"), one.logs)
        run = one.next
