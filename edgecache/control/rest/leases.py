"""The log over HTTP, and the leases that come with it: nodes that follow, leave, are removed.

Law: what a node asks for every second waits for no disk. That it asks says that it has applied all
up to a number; that it is answered with all there is gives it a lease: see `nodes/barrier.py`.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edgecache.cluster.lease import Instance
from edgecache.cluster.log_entries import NESTED, LogPage, Speaker, from_query, refusal
from edgecache.control.nodes.barrier import ALL
from edgecache.control.rest.auth import require_node, require_operator
from edgecache.control.rest.call import RouteHandler, json_response
from edgecache.control.state.database import Authorship
from edgecache.control.state.database_thread import RETRY_AFTER
from edgecache.control.state.invalidations import history_start

if TYPE_CHECKING:
    from edgecache.control.rest.app import ControlServices

TRIMMED_AT_ONCE = 100  # invalidations: one write of the disk for so many
WAIT_S_MAX = 30.0  # below the 60 s after which common proxies give up on a silent response
INSTANCE_MAX = 64  # letters of what a node calls its run, and of a mark
NOT_COMMITTED = "the database accepts nothing now: no lease is granted"
BEHIND = "another control knows more: number {} has not been heard of here yet"
BEAT_S_MAX = 2.0  # that a node of a former release waits for one, which comes each second
RETRY = {"retry-after": RETRY_AFTER}
SEQ_MAX = 2**63 - 1  # SQLite's largest integer


class _Asked(NamedTuple):
    """What a node has said: when, who it is, and the entry that it was brought up to."""

    at: float
    speaker: Speaker
    after: int
    mark: str
    poll: int  # its number among those of this node, 0 of one of a former release
    held: int = 0  # the configuration that it has, if it knows changes of one


class _LeaseHandlers:
    """The operations, over control's services."""

    def __init__(self, control: ControlServices) -> None:
        self._control = control
        self._log = control.log
        self._barrier = control.barrier
        self._group = control.group

    async def follow_log(self, request: Request) -> Response:
        """The entries after `after`; waits for one up to `wait_s` seconds when there is none."""
        asked_at = self._barrier.now
        node = _instance(request, require_node(request, self._control.admission))
        speaker = from_query(request.query_params)
        if why := refusal(node.name, speaker):
            raise HTTPException(409, why)
        after = int(_query_number(request, "after", int, SEQ_MAX))
        wait_s = min(_query_number(request, "wait_s", float, math.inf), WAIT_S_MAX)
        if after and request.query_params.get("epoch", "") not in ("", self._log.epoch):
            # The numbers are another log's, and say nothing here.
            return json_response(self._log.live.after(0))
        poll = int(_query_number(request, "poll", int, SEQ_MAX))
        mark = request.query_params.get("mark", "")[:INSTANCE_MAX]
        if not await self._has(after, mark):
            return json_response(self._log.live.of_another_history(mark))
        if after <= self._log.live.last_seq:
            low = int(_query_number(request, "low", int, SEQ_MAX))
            self._barrier.acknowledge(node, after, low)
        self._write_later()
        if not self._barrier.is_recorded(node):
            await self._record(node, min(after, self._log.live.last_seq))
        held = int(_query_number(request, "configuration", int, SEQ_MAX)) if after else 0
        page = await self._log.live.wait(after, wait_s, held)
        asked = _Asked(asked_at, speaker, after, mark, poll, held)
        if self._group is not None:
            page = await self._page_of_several(page, asked)
            if not await self._has(after, mark):
                page = self._log.live.of_another_history(mark)
        return json_response(self._with_lease(node, page, asked))

    async def _has(self, after: int, mark: str) -> bool:
        """Whether the entry with this number is the one that the node was told, or is to come."""
        live = self._log.live
        if not mark or after > live.last_seq:
            return True
        known = live.mark_of(after)
        return mark == (known or await self._control.run(partial(self._log.mark_of, after)))

    async def _record(self, node: Instance, after: int) -> None:
        if self._group is None:
            record = partial(self._barrier.record, node)
        else:
            record = partial(self._group.record, node, after)
        self._barrier.admit(node, await self._control.run(record))

    async def _page_of_several(self, page: LogPage, asked: _Asked) -> LogPage:
        """The page as it is once this control knows what the node knows, and has beaten for it."""
        assert self._group is not None
        live, after = self._log.live, asked.after
        if after > page.last_seq:
            if not await live.reach(after, BEAT_S_MAX):
                if asked.mark and self._group.has_beaten_since(asked.at):  # all there is was read
                    return live.of_another_history(asked.mark)
                raise HTTPException(503, BEHIND.format(after), RETRY)
            page = live.after(after, held=asked.held)
        if asked.speaker.protocol < NESTED:
            await self._group.wait_for_beat(asked.at, BEAT_S_MAX)
            page = live.after(after, held=asked.held)
        return page

    def _with_lease(self, node: Instance, page: LogPage, asked: _Asked) -> LogPage:
        """The page that leaves now, and the lease it grants. Nothing is awaited between the two."""
        if page.upto != page.last_seq or asked.after > page.last_seq:
            return page
        if not self._barrier.is_recorded(node):
            raise HTTPException(503, "removed meanwhile", RETRY)
        lease_s = self._barrier.grant(node, page.upto, asked.at, asked.poll)
        if not lease_s:
            raise HTTPException(503, NOT_COMMITTED, RETRY)
        return replace(page, lease_s=lease_s)

    def _write_later(self) -> None:
        """Start the writes that no answer waits for."""
        control, live = self._control, self._log.live
        upto, reserve = live.last_seq, control.configured().reserve
        if reserve is not None:
            upto = history_start(live, control.wall() - reserve.retention_s)
        if live.entries_upto(upto) > TRIMMED_AT_ONCE:
            # Only where there is something to trim: it looks at every node.
            upto = min(upto, self._barrier.low() if self._group is None else self._group.low())
            if live.entries_upto(upto) > TRIMMED_AT_ONCE:
                control.later.start("trim", partial(self._log.trim, upto))
        if self._barrier.forgets:
            control.later.start("forget", self._barrier.forget)

    async def leave_node(self, request: Request) -> Response:
        """A node serves no more, or follows another control: nobody needs to wait for it here."""
        name = require_node(request, self._control.admission)
        if name != request.path_params["name"]:
            raise HTTPException(403, "the credential names another node")
        node = _instance(request, name)
        poll = int(_query_number(request, "poll", int, SEQ_MAX)) or ALL
        if not self._barrier.remove_instance(node, poll):
            return JSONResponse({})  # it was long on its way, and the node has come back since
        self._control.nodes.leave(name, node.instance)
        self._write_later()
        return JSONResponse({})

    async def remove_node(self, request: Request) -> Response:
        """An operator says that a node will not come back: of all machines, or one `instance`."""
        author = require_operator(request, self._control.tokens)
        node = _instance(request, request.path_params["name"])
        removed = self._barrier.remove(node.name, node.instance)
        self._control.nodes.remove(node.name, node.instance)
        by = Authorship(author, f"remove_node {node.name} {node.instance}".strip())
        removed += await self._control.run(partial(self._forget_removed, node, by))
        return JSONResponse({"removed": removed})

    def _forget_removed(self, node: Instance, by: Authorship) -> int:
        with self._log.recorded(by):
            self._barrier.forget()
            return 0 if self._group is None else self._group.remove(node.name, node.instance)


def lease_handlers(control: ControlServices) -> dict[str, RouteHandler]:
    """A handler for each operation, by name."""
    handlers = _LeaseHandlers(control)
    return {
        "follow_log": handlers.follow_log,
        "leave_node": handlers.leave_node,
        "remove_node": handlers.remove_node,
    }


def _instance(request: Request, name: str) -> Instance:
    query = request.query_params
    return Instance(name, query.get("instance", "")[:INSTANCE_MAX], query.get("serves") == "1")


def _query_number(request: Request, name: str, kind: type[int] | type[float], most: float) -> float:
    try:
        number = kind(request.query_params.get(name, "0"))
    except ValueError as error:
        raise HTTPException(400, f"{name}: not a number") from error
    if not 0 <= number <= most:
        raise HTTPException(400, f"{name}: out of range")
    return number
