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
from collections.abc import Callable
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
from edgecache.server.http1.planned_miss import MissCall, PlannedMiss
from edgecache.server.http1.reply_template import ReplyTemplate, reply_template
from edgecache.server.listener import Listener
from edgecache.server.request_log import RequestSummary
from edgecache.server.tls import Session

BYTES_MAX = 8 * 1024 * 1024  # of blocks with their plans and templates: more than a thousand
MET_MAX = 4_096  # blocks of which it is remembered that they came once
TEMPLATES_MAX = 32  # of one plan: forms of responses
PLAN_BYTES = 6_144  # of a plan beside its texts, as estimated; so the next
TEMPLATE_BYTES = 4_096
FORM_BYTES = 64  # of a line in the form of a template: the line is shared
FORMS_MIN = 16  # of which it is not asked whether they come again
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
    """How what is missed on one route is fetched and answered for one block of fields.

    `lines`: those of responses, which all plans share; `grows` is told of bytes it takes more.
    """

    __slots__ = (
        "_asked", "_grows", "_lines", "_listener", "_made", "_templates", "_used", "fetch",
        "forgotten",
        "route", "size_bytes", "summary",
    )  # fmt: skip

    def __init__(
        self, fetch: FetchPlan, asked: tuple[Request, Route, RequestSummary], listener: Listener,
        lines: ResponseLines, grows: Callable[[MissPlan, int], None],
    ) -> None:  # fmt: skip
        self.fetch = fetch
        self.route, self.summary = asked[1:]
        self.size_bytes = 0
        self.forgotten = False
        self._asked = asked[:2]
        self._listener = listener
        self._lines = lines
        self._grows = grows
        self._templates: dict[tuple[bytes, ...], ReplyTemplate | None] = {}
        self._made = self._used = 0

    @property
    def pays(self) -> bool:
        """Whether forms of responses come again: to judge one anew costs more than a plan saves."""
        return self._made <= FORMS_MIN or self._used >= self._made

    def lines_of(self, head: bytes) -> list[ResponseLine] | None:
        """The lines of a response's head; None: it is to be read as a whole."""
        limits = self.fetch.upstream.head_limits
        if len(head) + 4 > limits.head_bytes_max:
            return None
        lines = self._lines.read(head)
        return None if lines is None or len(lines) > limits.fields_max else lines

    def template(self, lines: list[ResponseLine], mark: int) -> ReplyTemplate | None:
        """What responses of the form of these lines, asked for at `mark`, are answered with."""
        mark = mark if self._listener.from_peers else 0  # viewers are not told of it
        form = (b"%d" % mark, *[line.form for line in lines])
        try:
            found = self._templates[form]
        except KeyError:
            return self._make(form, lines, mark)
        self._used += 1
        return found

    def _make(
        self, form: tuple[bytes, ...], lines: list[ResponseLine], mark: int
    ) -> ReplyTemplate | None:
        self._made += 1
        if not self.pays:
            return None
        made = reply_template(self.fetch, (lines, mark), self._asked, self.summary, self._listener)
        self._templates[form] = made
        more = _size_of(form, made)
        if len(self._templates) > TEMPLATES_MAX:
            oldest = next(iter(self._templates))
            more -= _size_of(oldest, self._templates.pop(oldest))
        self._grows(self, more)
        return made


def _size_of(form: tuple[bytes, ...], template: ReplyTemplate | None) -> int:
    """About what a template takes."""
    size = FORM_BYTES * len(form)
    return size if template is None else size + TEMPLATE_BYTES + 2 * len(template.text)


class BlockPlans(Struct, eq=False):
    """The plans of one block of fields by route, on one site."""

    table: RouteTable
    site: Site
    session: Session | None
    only: Route | None  # where the site has no other
    epoch: str = ""  # of the log of invalidations, where a mark of it stands in the block
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
        if block is None or block.session is not connection.session or connection.trusted:
            return False
        ids = connection.listener.ids
        asked = MissCall(ids.peek(), len(data), connection.client, connection.network)
        if not self._begin(connection, block, data[:cut], asked, now):
            return False
        ids.next()  # which it has
        return True

    def _begin(
        self, connection: Any, block: BlockPlans, line: bytes, asked: MissCall, now: float
    ) -> bool:
        """Fetch what a request line asks for, with a block of fields that has plans."""
        listener = connection.listener
        limits, errands = listener.limits, listener.connections.errands
        if block.table is not listener.frontend.table or listener.handing_over:
            return False
        match = _LINE.fullmatch(line)
        if match is None or len(line) > min(LINE_BYTES_MAX, limits.url_bytes_max):
            return False
        path = match[1]
        if path == b"/" or path.startswith(CHALLENGE_PATH):
            return False
        route = block.only or matched_route(block.site, path)
        plan = None if route is None else block.plans.get(route)
        if plan is None or not plan.pays:
            return False
        if errands.total >= limits.errands_max or not listener.account.admits:
            return False
        if not errands.take(asked.network, limits.errands_per_address_max):
            return False
        planned = PlannedMiss(connection, plan, (path, match[2]), asked)
        if not planned.begin(now):
            errands.give_back(asked.network)
            return False
        self.begun += 1
        connection.begin_planned(planned, now)
        return True

    def learn(
        self, connection: Http1Connection, head: bytes, errand: FetchErrand, request: Request,
        summary: RequestSummary,
    ) -> None:  # fmt: skip
        """Make a plan of a miss that was decided for these bytes, if the like of it may be."""
        listener = connection.listener
        frontend = listener.frontend
        if not isinstance(frontend, ViewerFrontend):
            return
        block = head[head.find(b"\r\n") :]
        if not self._wants(block, connection, errand.route) or not worth_remembering(
            head, listener.limits.head_bytes_max
        ):
            return
        if _may_plan(connection, request, errand.route):
            site = frontend.table.by_id.get(errand.route.distribution.id)  # Host is in a block
            self._keep(connection, (block, site), errand, summary)

    def _wants(self, block: bytes, connection: Http1Connection, route: Route) -> bool:
        """Whether a block comes again, and has no plan for the route."""
        if connection.listener.frontend.table is not self._table:
            self.clear()
            self._table = connection.listener.frontend.table
        known = self._blocks.get(block)
        if known is not None and known.session is connection.session and route in known.plans:
            return False
        return self._comes_again(block)

    def _keep(
        self, connection: Http1Connection, where: tuple[bytes, Site | None], errand: FetchErrand,
        summary: RequestSummary,
    ) -> BlockPlans | None:  # fmt: skip
        """Make the plan; `where`: of which block, on which site."""
        (block, site), listener = where, connection.listener
        fetch = listener.frontend.tier.plan(errand)
        if site is None or fetch is None:
            return None
        asked = errand.request, errand.route, summary
        plan = MissPlan(fetch, asked, listener, self._lines, self._grow)
        only = errand.route if len(site.behaviors) == 1 and not site.private else None
        known = self._blocks.get(block)
        if known is not None and known.session is not connection.session:
            self._forget(block)
            known = None
        if known is None:
            table = listener.frontend.table
            known = self._blocks[block] = BlockPlans(table, site, connection.session, only)
        known.plans[errand.route] = plan
        self._grow(plan, len(block) + PLAN_BYTES + fetch.size_bytes)
        return known

    def _grow(self, plan: MissPlan, more: int) -> None:
        """A plan takes so many bytes more; those longest there make room."""
        if plan.forgotten:  # and still used by who began with it
            return
        plan.size_bytes += more
        self._size_bytes += more
        while self._size_bytes > self._bytes_max and self._blocks:
            self._forget(next(iter(self._blocks)))

    def sweep(self, table: RouteTable) -> None:
        """Forget what was made for another table than this one."""
        if self._table is not table and self._blocks:
            self.clear()
            self._table = None

    def clear(self) -> None:
        """Forget everything."""
        for block in list(self._blocks):
            self._forget(block)
        self._met.clear()

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
            self._size_bytes -= plan.size_bytes
            plan.size_bytes = 0
            plan.forgotten = True


def comes_plainly(request: Request) -> bool:
    """Whether a request is for the whole, on no terms, and its connection stays."""
    usual = names_in(request.fields).isdisjoint(_UNUSUAL)
    return usual and keeps_alive(request.minor, request.fields)


def _may_plan(connection: Http1Connection, request: Request, route: Route) -> bool:
    """Whether what was decided for a request is decided so for each that has its fields, on this
    connection or another: by whoever sends it, and whenever.
    """
    listener = connection.listener
    if connection.trusted or request.client is not connection.client:
        return False
    if listener.tracing is not None or listener.moved_s is not None:
        return False
    if not comes_plainly(request):
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
