"""Function logs: what functions have logged in the edges, for who follows them.

Law: nothing is kept here: who follows says what it has seen, and each process keeps the last of its
own runs.
"""

from __future__ import annotations

import asyncio

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecache.cluster.inspection import FUNCTION_LOGS, FunctionLogPage, FunctionLogQuery
from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Config
from edgecache.control.nodes.explain import ConfiguredNodes
from edgecache.control.rest.auth import require_operator
from edgecache.control.rest.call import RouteHandler, json_response
from edgecache.control.rest.inventory import PlaceInventory, ask_place, published_config
from edgecache.control.state.live_log import LiveLog


class FunctionLogs(Struct, frozen=True):
    """What was logged, by place, and what to ask with the next time."""

    places: tuple[PlaceInventory[FunctionLogPage], ...]
    next: str


async def function_logs(
    nodes: ConfiguredNodes, config: Config, query: FunctionLogQuery
) -> FunctionLogs:
    """What functions of every edge have logged since."""
    asked = [
        ask_place(nodes, place, query.spell(), FunctionLogPage)
        for place in nodes.groups(config)
        if place.role == "edge"
    ]
    places = tuple(await asyncio.gather(*asked))
    seen = {one.instance: one.last for place in places for one in place.nodes}
    kept = {**query.seen, **seen} if any(place.problem for place in places) else seen
    return FunctionLogs(places, _cursor(FunctionLogQuery(kept)))


def _cursor(query: FunctionLogQuery) -> str:
    return query.spell().removeprefix(FUNCTION_LOGS + b":").decode("ascii")


def function_log_handlers(
    log: LiveLog, tokens: Tokens, nodes: ConfiguredNodes
) -> dict[str, RouteHandler]:
    """`GET /function-logs?after=CURSOR`: JSON, for operators."""

    async def logs(request: Request) -> Response:
        require_operator(request, tokens)
        config = published_config(log)
        try:
            query = FunctionLogQuery.read(request.query_params.get("after", "").encode("ascii"))
            query.spell()
        except ValueError as error:
            raise HTTPException(400, f"after: {error}") from error
        return json_response(await function_logs(nodes, config, query))

    return {"list_function_logs": logs}
