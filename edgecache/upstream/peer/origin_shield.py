"""Origin shield: of several regional caches those that alone ask an origin.

CloudFront Developer Guide, "Using Amazon CloudFront Origin Shield": edge, regional cache, the
regional cache of the shield's region, origin. Law: a regional cache that another one asks never
asks a third, whatever its configuration says: there is no way round in a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgecache.rules.routing import Route
from edgecache.upstream.interface import Call, Reply, Upstream


class ShieldedOrigins:
    """The origins, and the regional caches that shield some of them.

    `shields` maps what an origin's `origin_shield` may name to the tier of that region or name;
    None: this process is of it. What is not in it shields nothing. `is_regional`: whether a
    process is a regional cache, by its name.
    """

    def __init__(self, origins: Upstream, is_regional: Callable[[str], bool]) -> None:
        self._origins = origins
        self._is_regional = is_regional
        self.shields: Mapping[str, Upstream | None] = {}

    def is_shield(self, route: Route) -> bool:
        """Whether this process asks the origin of `route` for others, too."""
        shield = route.origin.origin_shield
        if shield is None or not shield.enabled:
            return False
        return self.shields.get(shield.region, self) is None

    async def fetch(self, call: Call) -> Reply:
        """The response of the origin, or of its shield. UpstreamError."""
        shield = call.route.origin.origin_shield
        if shield is not None and shield.enabled and not self._is_regional(call.request.peer):
            tier = self.shields.get(shield.region)
            if tier is not None:
                return await tier.fetch(call)
        return await self._origins.fetch(call)
