"""Peers' frontend: admits other tiers of ours, and takes the route from their fields.

Law: nobody is answered but a cache of this installation whose credential is for this very head: an
edge, or a regional cache where this one shields the origin.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from edgecache.cache.frontend import ViewerFrontend
from edgecache.cache.outcome import (
    CacheResult,
    Errand,
    ErrorPageErrand,
    Hit,
    Outcome,
    PassErrand,
    Refusal,
    TierErrand,
    TriggerErrand,
    age_field,
    cache_status,
)
from edgecache.cache.rule_answers import refusal
from edgecache.cache.tier import Tier
from edgecache.cluster.credentials import ASKING, is_edge, is_regional
from edgecache.config.functions import FunctionConfig
from edgecache.functions.header_rules import ValidationProblem
from edgecache.functions.origin_change import OriginRoutes
from edgecache.http.message import Fields, HeadLimits, Request, is_short, without
from edgecache.rules.response.headers_policy import public_fields
from edgecache.rules.routing import Route, RouteTable, Site, matched_route
from edgecache.rules.viewer.access import (
    AMBIGUOUS_PATH,
)
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Body, OnInterim
from edgecache.upstream.peer import heads as peer_fields
from edgecache.upstream.peer.heads import (
    CredentialSender,
    PeerCall,
    head_sender,
    read_peer_fields,
    read_peer_head,
)

NOT_A_PEER = Refusal(
    403,
    "Only edges of this installation are answered here.",
    close=True,
    fields=((peer_fields.FAULT, Fault.PEER.encode()),),
    reason=Fault.PEER,
)
NO_SUCH_ROUTE = Refusal(421, "This distribution is not served here.", reason="no-such-route")
NOT_A_SHIELD = Refusal(
    403,
    "This regional cache is no origin shield of this origin.",
    fields=((peer_fields.FAULT, Fault.SHIELD.encode()),),
    reason=Fault.SHIELD,
)


def _is_no_shield(_route: Route) -> bool:
    return False


class PeerFrontend:
    """Frontend of a regional cache: edges, and regional caches that it is the shield for.

    `sender` tells who signed a message, by a credential, which is used up; `is_shield` whether
    other regional caches may ask here for what is on a route.
    """

    def __init__(
        self,
        tier: Tier,
        table: RouteTable,
        sender: CredentialSender,
        is_shield: Callable[[Route], bool] = _is_no_shield,
    ) -> None:
        self.tier = tier
        self.table = table
        self.sender = sender
        self.is_shield = is_shield
        self._marks = tier.world.marks
        self._origin_routes = OriginRoutes()

    def use_functions(self, _functions: tuple[FunctionConfig, ...]) -> None:
        """Edges have run them; what they asked for may be of another configuration."""
        self._origin_routes = OriginRoutes()

    @property
    def bucket_bytes(self) -> int:
        """Of rate limits: edges have asked them."""
        return 0

    def read_head(
        self, head: bytes, limits: HeadLimits, scheme: bytes, client: tuple[str, int]
    ) -> Request:
        """The request of a head, with who signed it. BadMessage."""
        return read_peer_head(head, limits, scheme, client, head_sender(head, self.sender))

    def admits_repeated(self, call: PeerCall, head: bytes) -> bool:
        """Whether a cache signed this head, of which all but the credential was admitted before.

        What is repeated is a hit, which asks nobody.
        """
        return self.sender(call.credential, call.message(head)).startswith(ASKING)

    def decide(self, request: Request, now: float) -> Hit | TierErrand | Refusal:
        """Hit, refusal or errand for a peer's request, concluded without waiting."""
        if not is_edge(request.peer):
            return self._decide_as_shield(request, now)
        routed = self.routed(request)
        return routed if isinstance(routed, Refusal) else self.tier.decide(*routed, now)

    def _decide_as_shield(self, request: Request, now: float) -> Hit | TierErrand | Refusal:
        """The same for another regional cache, which alone may ask a shield.

        Where this one is none, by another configuration, nobody waits here for who waits there;
        what is for one viewer alone waits for nobody, and goes to the origin.
        """
        if not is_regional(request.peer):
            return NOT_A_PEER
        routed = self.routed(request)
        if isinstance(routed, Refusal):
            return routed
        conclusion = self.tier.decide(*routed, now)
        waits = not isinstance(conclusion, Hit | PassErrand)
        return NOT_A_SHIELD if waits and not self.is_shield(routed[1]) else conclusion

    def routed(self, request: Request) -> tuple[Request, Route] | Refusal:
        """The viewer's request that a peer's stands for, and its route."""
        fields = request.fields
        said = (
            read_peer_fields(fields) if is_short(fields) else read_peer_fields.__wrapped__(fields)
        )
        site = self.table.by_id.get(said.distribution)
        if site is None:
            return NO_SUCH_ROUTE
        if not request.id:
            client = (said.client.decode("latin-1"), 0)
            request = replace(request, id=said.id, client=client)
        mark = self._marks.read(said.mark)
        inner = replace(
            request, fields=said.fields, scheme=said.scheme, release=said.release, mark=mark,
            of_tier=True,
        )  # fmt: skip
        route = matched_route(site, inner.path)
        if said.behavior:
            inner = replace(inner, behavior=said.behavior)
            route = _named_route(site, said.behavior)
            if route is None:
                return NO_SUCH_ROUTE
        if route is None:
            return refusal(AMBIGUOUS_PATH, request)
        if said.origin_change:
            try:
                route = self._origin_routes.of(route, said.origin_change)
            except ValidationProblem:
                return NO_SUCH_ROUTE  # by another configuration than the edge's
            inner = replace(inner, origin_change=said.origin_change)
        return inner, route

    async def run(self, errand: Errand, body: Body | None, on_interim: OnInterim) -> Outcome:
        """Do an errand: see Tier.run. A failure is told as one, not as a page."""
        assert not isinstance(errand, ErrorPageErrand | TriggerErrand), "those are for viewers"
        try:
            return await self.tier.run(errand, body, on_interim)
        except UpstreamError as error:
            fields = ((peer_fields.FAULT, error.fault.encode()),)
            return Outcome(error.status, b"", fields, b"", 0, CacheResult.ERROR)

    def dressed(
        self, outcome: Outcome, _request_id: bytes, _asked: tuple[Request, Route] | None,
        _took_s: float,
    ) -> Fields:  # fmt: skip
        """The outcome's fields as a peer gets them."""
        fault = tuple(field for field in outcome.fields if field[0] == peer_fields.FAULT)
        return (
            *public_fields(without(outcome.fields, (b"cache-status",))),
            *age_field(outcome),
            (b"cache-status", cache_status(outcome, self.tier.name)),
            *fault,
            (peer_fields.RESULT, outcome.result.encode()),
            (peer_fields.MARK, self._marks.spell(outcome.mark)),
        )


def _named_route(site: Site, pattern: bytes) -> Route | None:
    """The route of the behavior with this pattern; None: there is none any more."""
    patterns = (route for _, route in site.behaviors)
    return next((one for one in patterns if one.behavior.path_pattern.encode() == pattern), None)


Frontend = ViewerFrontend | PeerFrontend
