"""Dry run of an invalidation: every node says what it would remove. Law: asking changes nothing.

Memory is looked at at once. A disk takes longer: its node is asked again until it has looked.
"""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecache.cluster.inspection import DryRunQuery, NodeNamed
from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Config
from edgecache.control.cloudfront.context import ApiServices, OperationContext
from edgecache.control.cloudfront.distributions import distribution
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.nodes.explain import ConfiguredNodes
from edgecache.control.rest.auth import require_operator
from edgecache.control.rest.call import RouteHandler, bounded_body, json_response
from edgecache.control.rest.invalidations import InvalidationBody, requested_items
from edgecache.control.rest.inventory import PlaceInventory, ask_every_place

ASK_AGAIN_S = 0.1
ASKED_MAX = 50  # five seconds: a disk that needs longer is busy


async def dry_run(
    nodes: ConfiguredNodes, config: Config, wanted: DryRunQuery
) -> tuple[PlaceInventory[NodeNamed], ...]:
    """The entries of every process that the items name."""
    for _ in range(ASKED_MAX):
        inventories = await ask_every_place(nodes, config, wanted.spell(), NodeNamed)
        if all(node.disk is not None for place in inventories for node in place.nodes):
            break
        await asyncio.sleep(ASK_AGAIN_S)
    return inventories


def dry_run_handlers(
    services: ApiServices, tokens: Tokens, nodes: ConfiguredNodes
) -> dict[str, RouteHandler]:
    """`POST /invalidations/dry-run`: as `POST /invalidations`; `PlaceInventory[NodeNamed]`."""

    async def dry_run_invalidation(request: Request) -> Response:
        require_operator(request, tokens)
        content = await bounded_body(request)
        try:
            body = msgspec.json.decode(content, type=InvalidationBody)
            context = OperationContext(services, {})
            site = await services.run(partial(distribution, context, body.distribution))
            wanted = DryRunQuery(site.id, requested_items(body, site))
            inventories = await dry_run(nodes, services.catalog.file, wanted)
        except ApiError as error:
            return json_response({"error": error.message, "code": error.code}, error.status)
        except (msgspec.DecodeError, ValueError) as error:
            raise HTTPException(400, str(error)) from error
        return json_response(inventories)

    return {"dry_run_invalidation": dry_run_invalidation}
