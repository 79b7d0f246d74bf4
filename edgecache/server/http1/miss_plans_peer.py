"""Miss plans of a tier that other tiers ask. Law: as for viewers; a call's own lines are read anew.

What a tier of ours knows of invalidations stands in the block of fields, which is good under one
log of invalidations only. Its credential is for one head, and is used up by being looked at: so
that is done last, when nothing else can keep the call from being sent on.
"""

from __future__ import annotations

from typing import Any

from edgecache.cache.outcome import FetchErrand
from edgecache.cache.peer_frontend import PeerFrontend
from edgecache.cluster.credentials import is_edge
from edgecache.http.message import Request
from edgecache.server.http1.head_cache_fields import BLOCK_BYTES_MAX, LINE_BYTES_MAX
from edgecache.server.http1.interface import Http1Connection
from edgecache.server.http1.miss_plans import BYTES_MAX, MissPlans, comes_plainly
from edgecache.server.http1.planned_miss import MissCall
from edgecache.server.listener import Listener
from edgecache.server.request_log import RequestSummary
from edgecache.upstream.peer.heads import PeerCall, read_peer_call, read_peer_fields

SHARE = 1 / 64  # of memory_bytes, where BYTES_MAX is more


class PeerMissPlans(MissPlans):
    """Plans of what edges miss. All they say but what is a call's own is part of the block."""

    def begin(self, connection: Any, data: bytes, now: float) -> bool:
        call = read_peer_call(data)
        block = None if call is None else self._blocks.get(data[call.end :])
        if call is None or block is None or call.trace or call.amzn_trace:
            return False
        listener = connection.listener
        if connection.session is not None or block.epoch != listener.marks.epoch:
            return False

        def admits() -> bool:
            return is_edge(listener.frontend.sender(call.credential, call.message(data)))

        client = (call.client.decode("ascii"), 0)
        asked = MissCall(call.id, len(data), client, "", admits)
        return self._begin(connection, block, data[: call.start], asked, now)

    def learn(
        self, connection: Http1Connection, head: bytes, errand: FetchErrand, request: Request,
        summary: RequestSummary,
    ) -> None:  # fmt: skip
        call, frontend = read_peer_call(head), connection.listener.frontend
        if call is None or not isinstance(frontend, PeerFrontend) or not is_edge(request.peer):
            return
        block = head[call.end :]
        if not _is_worth(call, block) or not self._wants(block, connection, errand.route):
            return
        plain = not (errand.request.behavior or errand.request.origin_change)
        if connection.session is not None or not plain or not comes_plainly(request):
            return
        site = frontend.table.by_id.get(read_peer_fields(request.fields).distribution)
        known = self._keep(connection, (block, site), errand, summary)
        if known is not None:
            known.epoch = connection.listener.marks.epoch


def _is_worth(call: PeerCall, block: bytes) -> bool:
    """Whether a head is short, and of no trace."""
    short = call.start <= LINE_BYTES_MAX and len(block) <= BLOCK_BYTES_MAX
    return short and not (call.trace or call.amzn_trace)


def plan_misses(listener: Listener, *, wanted: bool) -> None:
    """Have a listener, of viewers or of other tiers, plan misses, if that is wanted."""
    if wanted:
        kind = PeerMissPlans if listener.from_peers else MissPlans
        bytes_max = min(BYTES_MAX, int(listener.account.budget_bytes * SHARE))
        listener.use_miss_plans(kind(bytes_max))
