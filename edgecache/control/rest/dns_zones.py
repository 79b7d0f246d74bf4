"""Zones that the API made, over HTTP, for name servers: which there are, and all of one.

A name server that holds a former version is told what has changed since by the log; one that holds
none, or fell behind, asks here: see `cluster/dns_zones.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecache.cluster.credentials import is_name_server
from edgecache.cluster.dns_zones import DnsZoneIndex
from edgecache.control.nodes.refusals import NodeAdmission
from edgecache.control.nodes.registry import acknowledged
from edgecache.control.rest.app import ControlServices
from edgecache.control.rest.auth import require_node
from edgecache.control.rest.call import RouteHandler
from edgecache.control.rest.key_values import BEHIND
from edgecache.control.state.database_thread import RETRY_AFTER, StateRun
from edgecache.control.state.hosted_zones import HostedZones
from edgecache.control.state.live_log import LiveLog


@dataclass(slots=True, eq=False)
class ZoneContents:
    """Zones for name servers, which sign their questions.

    All workers ask within moments: the content that was told last is kept as it was sent.
    """

    zones: HostedZones
    live: LiveLog
    admission: NodeAdmission
    run: StateRun
    _told: tuple[str, int, bytes] = ("", 0, b"")  # zone and version, and its JSON

    def handlers(self) -> dict[str, RouteHandler]:
        """A handler for each operation, by name."""
        return {"list_zones": self.index, "zone_content": self.content}

    async def index(self, request: Request) -> Response:
        """GET /dns-zones?after=: the ids of all, as of that number or a later."""
        self._admit(request)
        zones = await self.run(self.zones.all)
        text = msgspec.json.encode(DnsZoneIndex(tuple(one.id for one in zones)))
        return Response(text, media_type="application/json")

    async def content(self, request: Request) -> Response:
        """GET /dns-zones/ID?after=: all of a zone, as of that number or a later."""
        self._admit(request)
        text = await self.run(partial(self._text, request.path_params["id"]))
        if text is None:
            raise HTTPException(404, "there is no such zone")
        return Response(text, media_type="application/json")

    def _admit(self, request: Request) -> None:
        if not is_name_server(require_node(request, self.admission)):
            raise HTTPException(403, "zones are for name servers")
        after = request.query_params.get("after", "0")
        if not (after.isdecimal() and after.isascii() and len(after) < 20):
            raise HTTPException(400, "after: not a number")
        if self.live.last_seq < int(after):
            raise HTTPException(503, BEHIND.format(after), {"retry-after": RETRY_AFTER})

    def _text(self, id: str) -> bytes | None:
        """On the state's thread."""
        zone = self.zones.get(id)
        if zone is not None and self._told[:2] == (id, zone.version):
            return self._told[2]
        found = self.zones.content(id)
        if found is None:
            return None
        text = msgspec.json.encode(found)
        self._told = (id, found.version, text)
        return text


def acknowledged_by_name_servers(control: ControlServices) -> int:
    """The number of the log up to which every name server answers: none says of more.

    One that is silent counts for as long as it is listed, or until an operator removes it.
    """
    listing = control.everywhere.listing()
    return acknowledged(listing, control.nodes.running_s, control.log.live.last_seq)
