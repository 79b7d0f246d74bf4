"""Content of key value stores over HTTP, for the nodes whose functions read them.

A node that holds a former version of a store is told what has changed since by the log; one that
holds none, or fell behind, asks here for all of it: see `cluster/key_values.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecache.control.nodes.refusals import NodeAdmission
from edgecache.control.rest.auth import require_node
from edgecache.control.rest.call import RouteHandler
from edgecache.control.state.database_thread import RETRY_AFTER, StateRun
from edgecache.control.state.key_values import KeyValues
from edgecache.control.state.live_log import LiveLog

BEHIND = "another control knows more: number {} has not been heard of here yet"


@dataclass(slots=True, eq=False)
class KeyValueContents:
    """What stores hold, for nodes that sign their questions.

    The workers of every location ask within moments: the content that was told last is kept as it
    was sent, at most one of five megabytes.
    """

    values: KeyValues
    live: LiveLog
    admission: NodeAdmission
    run: StateRun
    _told: tuple[str, int, bytes] = ("", 0, b"")  # store and version, and its JSON

    def handlers(self) -> dict[str, RouteHandler]:
        """A handler for each operation, by name."""
        return {"key_value_content": self.content}

    async def content(self, request: Request) -> Response:
        """GET /key-value-contents/ID?after=: all of a store, as of that number or a later."""
        require_node(request, self.admission)
        after = request.query_params.get("after", "0")
        if not (after.isdecimal() and after.isascii() and len(after) < 20):
            raise HTTPException(400, "after: not a number")
        if self.live.last_seq < int(after):
            raise HTTPException(503, BEHIND.format(after), {"retry-after": RETRY_AFTER})
        text = await self.run(partial(self._text, request.path_params["id"]))
        if text is None:
            raise HTTPException(404, "there is no such key value store")
        return Response(text, media_type="application/json")

    def _text(self, id: str) -> bytes | None:
        """On the state's thread."""
        facts = self.values.facts(id)
        if facts is not None and self._told[:2] == (id, facts.version):
            return self._told[2]
        found = self.values.content(id)
        if found is None:
            return None
        text = msgspec.json.encode(found)
        self._told = (id, found.version, text)
        return text
