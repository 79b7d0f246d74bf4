"""Miss plans: how what is not in the cache is fetched, by the blocks of fields that ask for it.

Law: it holds no rules and waits for nothing; it repeats what `decide`, the tier and the origin's
side have worked out for the same block of fields on the same route, for another path. Whether a
path is of that route, routing is asked; what is stored, failed or under way under its key, the
tier is. Without it everything is the same, but slower.

A plan is made of a miss that the general path has decided, from the second time on that its block
is met: most blocks that come once do not come again.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct, field

from edgecache.cache.fetch_plan import FetchPlan
from edgecache.cache.frontend import ViewerFrontend
from edgecache.cache.outcome import FetchErrand
from edgecache.cluster.certificates import CHALLENGE_PATH
from edgecache.http.head import keeps_alive
from edgecache.http.message import Request, names_in
from edgecache.http.response_lines import ResponseLine, ResponseLines
from edgecache.rules.response.headers_policy import repeatable
from edgecache.rules.routing import Route, RouteTable, Site, matched_route
from edgecache.server.http1.head_cache_fields import LINE_BYTES_MAX, worth_remembering
from edgecache.server.http1.interface import Http1Connection
from edgecache.server.http1.planned_miss import PlannedMiss
from edgecache.server.http1.reply_template import ReplyTemplate, reply_template
from edgecache.server.listener import Listener
from edgecache.server.request_log import RequestSummary
from edgecache.server.tls import Session

BYTES_MAX = 8 * 1024 * 1024  # of blocks with their plans and templates: more than a thousand
SHARE = 1 / 64  # of memory_bytes, where that is less
MET_MAX = 4_096  # blocks of which it is remembered that they came once
TEMPLATES_MAX = 32  # of one plan: forms of responses
PLAN_BYTES = 6_144  # of a plan beside its texts, as estimated; so the next
TEMPLATE_BYTES = 4_096
_MET_BYTES = 100
_LINE = re.compile(
    rb"GET (/[\x21\x22\x24-\x3e\x40-\x5b\x5d-\x7e]*)(?:\?([\x21\x22\x24-\x7e]*))? HTTP/1\.1"
)
# What is asked for on terms that are judged against what is stored, or with more to come.
_UNUSUAL = frozenset(
    {b"range", b"if-range", b"if-match", b"if-none-match", b"if-modified-since"}
    | {b"if-unmodified-since", b"expect", b"upgrade", b"content-length", b"transfer-encoding"}
)


class MissPlan:
    """How what is missed on one route is fetched and answered for one block of fields."""

    __slots__ = ("_asked", "_lines", "_listener", "_templates", "fetch", "route", "summary")

    def __init__(
        self, fetch: FetchPlan, asked: tuple[Request, Route], summary: RequestSummary,
        listener: Listener, lines: ResponseLines,
    ) -> None:  # fmt: skip
        self.fetch = fetch
        self.route = asked[1]
        self.summary = summary
        self._asked = asked
        self._listener = listener
        self._lines = lines
        self._templates: dict[tuple[bytes, ...], ReplyTemplate | None] = {}

    def lines_of(self, head: bytes) -> list[ResponseLine] | None:
        """The lines of a response's head; None: it is to be read as a whole."""
        limits = self.fetch.upstream.head_limits
        if len(head) + 4 > limits.head_bytes_max:
            return None
        lines = self._lines.read(head)
        return None if lines is None or len(lines) > limits.fields_max else lines

    def template(self, lines: list[ResponseLine]) -> ReplyTemplate | None:
        """What responses of the form of these lines are answered with."""
        form = tuple([line.form for line in lines])
        try:
            return self._templates[form]
        except KeyError:
            made = reply_template(self.fetch, lines, self._asked, self.summary, self._listener)
        if len(self._templates) >= TEMPLATES_MAX:
            del self._templates[next(iter(self._templates))]
        self._templates[form] = made
        return made


class BlockPlans(Struct, eq=False):
    """The plans of one block of fields by route, on one site."""

    table: RouteTable
    site: Site
    session: Session | None
    only: Route | None  # where the site has no other
    plans: dict[Route, MissPlan] = field(default_factory=dict)


class MissPlans:
    """Plans of one listener, by blocks of fields; those longest there are forgotten first."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self.begun = 0  # fetches
        self._bytes_max = bytes_max
        self._blocks: dict[bytes, BlockPlans] = {}
        self._met: dict[int, None] = {}  # hashes of blocks that came once
        self._lines = ResponseLines()
        self._table: RouteTable | None = None
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """About what all of it takes, at most."""
        return self._size_bytes + self._lines.size_bytes + len(self._met) * _MET_BYTES

    def begin(self, connection: Any, data: bytes, now: float) -> bool:
        """Fetch what `data` asks for, if it is one head, its block has a plan, and that fits."""
        cut = data.find(b"\r\n")
        block = self._blocks.get(data[cut:])
        listener = connection.listener
        if (
            block is None
            or block.session is not connection.session
            or block.table is not listener.frontend.table
            or connection.trusted
            or listener.handing_over
            or cut > LINE_BYTES_MAX
        ):
            return False
        match = _LINE.fullmatch(data, 0, cut)
        if match is None or cut > listener.limits.url_bytes_max:
            return False
        path = match[1]
        if path == b"/" or path.startswith(CHALLENGE_PATH):
            return False
        route = block.only or matched_route(block.site, path)
        plan = None if route is None else block.plans.get(route)
        if plan is None:
            return False
        errands, limits = listener.connections.errands, listener.limits
        if errands.total >= limits.errands_max or not listener.account.admits:
            return False
        if not errands.take(connection.network, limits.errands_per_address_max):
            return False
        planned = PlannedMiss(connection, plan, (path, match[2]), listener.ids.peek(), len(data))
        if not planned.begin(now):
            errands.give_back(connection.network)
            return False
        listener.ids.next()  # which it has
        self.begun += 1
        connection.begin_planned(planned, now)
        return True

    def learn(
        self, connection: Http1Connection, head: bytes, errand: FetchErrand, request: Request,
        summary: RequestSummary,
    ) -> None:  # fmt: skip
        """Make a plan of a miss that was decided for these bytes, if the like of it may be."""
        listener = connection.listener
        block, frontend = head[head.find(b"\r\n") :], listener.frontend
        if not isinstance(frontend, ViewerFrontend) or not self._comes_again(block):
            return
        if not worth_remembering(head, listener.limits.head_bytes_max):
            return
        if not _may_plan(connection, request, errand.route):
            return
        if frontend.table is not self._table:
            self.clear()
            self._table = frontend.table
        site = frontend.table.by_id.get(errand.route.distribution.id)  # Host is in a block
        fetch = frontend.tier.plan(errand)
        if site is None or fetch is None:
            return
        plan = MissPlan(fetch, (errand.request, errand.route), summary, listener, self._lines)
        only = errand.route if len(site.behaviors) == 1 and not site.private else None
        known = self._blocks.get(block)
        if known is None or known.session is not connection.session:
            known = self._blocks[block] = BlockPlans(frontend.table, site, connection.session, only)
        known.plans[errand.route] = plan
        self._size_bytes += len(block) + PLAN_BYTES + fetch.size_bytes
        while self._size_bytes > self._bytes_max and self._blocks:
            self._forget(next(iter(self._blocks)))

    def sweep(self, table: RouteTable) -> None:
        """Forget what was made for another table than this one."""
        if self._table is not table and self._blocks:
            self.clear()
            self._table = None

    def clear(self) -> None:
        """Forget everything."""
        self._blocks.clear()
        self._met.clear()
        self._size_bytes = 0

    def _comes_again(self, block: bytes) -> bool:
        """Whether a block was met before; from now on it was."""
        hashed = hash(block)
        if hashed in self._met:
            return True
        if len(self._met) >= MET_MAX:
            del self._met[next(iter(self._met))]
        self._met[hashed] = None
        return False

    def _forget(self, block: bytes) -> None:
        for plan in self._blocks.pop(block).plans.values():
            self._size_bytes -= len(block) + PLAN_BYTES + plan.fetch.size_bytes


def plan_misses(listener: Listener, *, wanted: bool) -> None:
    """Have a listener of viewers plan misses, if that is wanted."""
    if wanted:
        bytes_max = min(BYTES_MAX, int(listener.account.budget_bytes * SHARE))
        listener.use_miss_plans(MissPlans(bytes_max))


def _may_plan(connection: Http1Connection, request: Request, route: Route) -> bool:
    """Whether what was decided for a request is decided so for each that has its fields, on this
    connection or another: by whoever sends it, and whenever.
    """
    listener = connection.listener
    if connection.trusted or request.client is not connection.client:
        return False
    if listener.tracing is not None or listener.moved_s is not None:
        return False
    if not names_in(request.fields).isdisjoint(_UNUSUAL) or not keeps_alive(1, request.fields):
        return False
    depends = route.depends_on_viewer or route.needs_place or route.viewer_headers is not None
    asks = route.rate_limits or route.access_list or route.redirects or route.basic_auth
    behavior = route.behavior
    return not (
        depends
        or asks
        or route.trust is not None
        or route.runs_functions
        or route.response_function
        or route.lambdas
        or route.distribution.custom_error_responses
        or behavior.limit_rate is not None
        or not repeatable(request, route)
    )
