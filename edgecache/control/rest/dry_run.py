"""What an invalidation would remove, asked of every node. Law: nothing is changed by asking.

Memory is looked at at once. A disk takes longer: its node is asked again until it has looked.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass
from functools import partial

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Config
from edgecache.control.cloudfront.context import ApiServices, OperationContext
from edgecache.control.cloudfront.distributions import distribution
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.nodes.explain import ConfiguredNodes
from edgecache.control.rest.auth import bounded_body, require_operator
from edgecache.control.rest.invalidations import InvalidationBody, items_wanted
from edgecache.control.rest.inventory import PlaceInventory, asked_of_all
from edgecache.rules.invalidation.items import Item, ItemKind

NAMED = b"named"
SPELLED_BYTES_MAX = 16_384  # half of what a head may have
EXAMPLES = 5  # of one node
ASK_AGAIN_S = 0.1
ASKED_MAX = 50  # five seconds: a disk that needs longer is busy


class DiskNamed(msgspec.Struct, frozen=True):
    """What a disk has of it, among the entries that were looked at. Most are in memory too."""

    entries: int = 0
    size_bytes: int = 0
    looked_at: int = 0
    held: int = 0


class NodeNamed(msgspec.Struct, frozen=True):
    """What one process holds of it, among the entries that were looked at.

    `disk` None: it is still being looked at.
    """

    node: str
    role: str
    location: str
    entries: int
    size_bytes: int
    examples: tuple[str, ...]
    looked_at: int
    held: int
    disk: DiskNamed | None = DiskNamed()


@dataclass(frozen=True, slots=True)
class DryRunReport:
    """A distribution's items, as nodes are asked about them."""

    distribution: str
    items: tuple[Item, ...]

    def spell(self) -> bytes:
        """As it stands in a field. ValueError when it is too long for one."""
        text = base64.urlsafe_b64encode(msgspec.json.encode((self.distribution, self.items)))
        if len(text) > SPELLED_BYTES_MAX:
            raise ValueError("too many items for a dry run: ask for some of them")
        return NAMED + b":" + text

    @classmethod
    def read(cls, spelled: bytes) -> DryRunReport:
        """What was spelled. ValueError."""
        try:
            data = base64.urlsafe_b64decode(spelled.removeprefix(NAMED + b":"))
        except binascii.Error as error:
            raise ValueError(str(error)) from error
        return cls(*msgspec.json.decode(data, type=tuple[str, tuple[tuple[ItemKind, str], ...]]))


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
