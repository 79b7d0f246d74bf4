"""What an invalidation would remove, asked of every node. Law: nothing is changed by asking.

Memory is looked at at once. A disk takes longer: its node is asked again until it has looked.
"""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgecache.cluster.inspection import (
    DryRunReport,
    NodeNamed,
)
from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Config
from edgecache.control.cloudfront.context import ApiServices, OperationContext
from edgecache.control.cloudfront.distributions import distribution
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.nodes.explain import ConfiguredNodes
from edgecache.control.rest.auth import bounded_body, require_operator
from edgecache.control.rest.invalidations import InvalidationBody, items_wanted
from edgecache.control.rest.inventory import PlaceInventory, asked_of_all

ASK_AGAIN_S = 0.1
ASKED_MAX = 50  # five seconds: a disk that needs longer is busy


async def named(
    nodes: ConfiguredNodes, config: Config, trial: DryRunReport
) -> tuple[PlaceInventory[NodeNamed], ...]:
    """What every process says to a trial."""
    for _ in range(ASKED_MAX):
        asked = asked_of_all(nodes, config, trial.spell(), NodeNamed)
        found = tuple(await asyncio.gather(*asked))
        if all(node.disk is not None for place in found for node in place.nodes):
            break
        await asyncio.sleep(ASK_AGAIN_S)
    return found


def dry_run_route(world: ApiServices, tokens: Tokens, nodes: ConfiguredNodes) -> Route:
    """`POST /invalidations/dry-run`: as `POST /invalidations`; `PlaceInventory[NodeNamed]`."""

    async def tried(request: Request) -> Response:
        require_operator(request, tokens)
        body = await bounded_body(request)
        try:
            wanted = msgspec.json.decode(body, type=InvalidationBody)
            call = OperationContext(world, {})
            one = await world.run(partial(distribution, call, wanted.distribution))
            trial = DryRunReport(one.id, items_wanted(wanted, one))
            found = await named(nodes, world.catalog.file, trial)
        except ApiError as fault:
            told = {"error": fault.message, "code": fault.code}
            return Response(msgspec.json.encode(told), fault.status, media_type="application/json")
        except (msgspec.DecodeError, ValueError) as error:
            raise HTTPException(400, str(error)) from error
        return Response(msgspec.json.encode(found), media_type="application/json")

    return Route("/invalidations/dry-run", tried, methods=["POST"])
