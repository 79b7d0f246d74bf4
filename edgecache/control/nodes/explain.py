"""Questions to nodes about one request, and the request its origin would be sent.

Law: regional is asked what an edge would ask it. The same rules dress the origin's request as on
the wire, and no secret is told: a signature is made for each request and a custom header is often
a password, so neither is shown.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace as replace_struct

from edgecache.cache.environment import via_pseudonym
from edgecache.config.model import Config, Origin
from edgecache.config.secrets import KeyPair
from edgecache.control.nodes.workers import NodeAccess, WorkerGroup, ask_workers
from edgecache.http.head import request_head
from edgecache.http.message import Fields, Request, without
from edgecache.origin.identity import HEADER, IdentitySigner
from edgecache.rules.caching.key import forwarded, without_connection_options
from edgecache.rules.caching.reuse import bypass
from edgecache.rules.explanation import TierExplanation, text
from edgecache.rules.reasons import MissReason
from edgecache.rules.rendezvous import home, object_key
from edgecache.rules.response.headers_policy import public_fields
from edgecache.rules.routing import RoutedRequest
from edgecache.rules.viewer.access import is_grpc_call, with_grpc_fields, with_passage, with_upgrade
from edgecache.upstream.interface import Call
from edgecache.upstream.origin_auth import OriginAuth, OriginCredentials
from edgecache.upstream.origin_request import agent_of, endpoint_of, wire_request
from edgecache.upstream.peer import heads as peer_fields

SIGNED = "(signed)"
CUSTOM = "(from the configuration)"
_VIEWER = ("(the viewer)", 0)
_ANY_ID = b"(made for each request)"
_NOBODY = "nobody"
_OF_PROOFS = {HEADER.decode(), "x-amz-date"}


@dataclass(frozen=True, slots=True)
class OriginExplanation:
    """A request to an origin, as it stands on the wire."""

    origin: str
    address: str
    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    group: str = ""
    then: tuple[str, ...] = ()  # the other members of the group, asked when it fails over
    fails_over_on: tuple[int, ...] = ()
    protocol: str = "http1.1"  # as `protocol` of an origin has it


@dataclass(frozen=True, slots=True)
class PlaceExplanation:
    """The answers of the processes at one address. `problem`: why fewer than `workers` answered.

    `asked_first_by`: of a regional cache the locations whose edges ask it for this object.
    """

    name: str
    role: str
    address: str
    workers: int
    nodes: tuple[TierExplanation, ...]
    problem: str = ""
    machine: str = ""
    asked_first_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfiguredNodes(NodeAccess):
    """The nodes of an installation, as its configuration has them."""

    async def ask(self, where: RoutedRequest, config: Config) -> tuple[PlaceExplanation, ...]:
        """The entries each place holds for the request, edges first."""
        heads = {"edge": self._head(where.received, where, _version_field(where))}
        heads["regional"] = self._head(request_to_regional(where), where)
        homes = _homes(where, config)
        asked = [
            self._place(place, heads[place.role], homes.get(place.name, ()))
            for place in self.groups(config)
        ]
        return tuple(await asyncio.gather(*asked))

    async def _place(
        self, place: WorkerGroup, head: bytes, asked_first_by: Sequence[str]
    ) -> PlaceExplanation:
        nodes, problem = await ask_workers(self, place, head, TierExplanation)
        return PlaceExplanation(
            place.name,
            place.role,
            str(place.address or ""),
            place.workers,
            nodes,
            problem,
            place.machine,
            tuple(asked_first_by),
        )

    def _head(self, request: Request, where: RoutedRequest, more: Fields = ()) -> bytes:
        fields: Fields = (
            (b"host", request.authority or b"unknown.invalid"),
            *without(public_fields(request.fields), (b"host",)),
            (peer_fields.EXPLAIN, b"1"),
            (peer_fields.DISTRIBUTION, where.route.distribution.id.encode()),
            (peer_fields.SCHEME, request.scheme),
            *more,
        )
        return request_head(request.method, request.target, fields)


def _version_field(where: RoutedRequest) -> Fields:
    """What tells an edge by which version of HTTP the viewer would ask."""
    major = where.received.major
    return () if major == 1 else ((peer_fields.HTTP_VERSION, b"%d" % major),)


def _homes(where: RoutedRequest, config: Config) -> dict[str, list[str]]:
    """The locations that ask each of several regional caches for this object, by its name."""
    found: dict[str, list[str]] = {}
    key = object_key(where.request, where.route)
    for location in config.locations if config.regional_caches else ():
        cache = home(config.regional_caches, location.region, key)
        found.setdefault(cache.name, []).append(location.name)
    return found


def explain_origin(where: RoutedRequest, config: Config) -> OriginExplanation:
    """The request the first origin of the route would get on a miss."""
    route, origin = where.route, where.route.origin
    asked = request_to_regional(where)
    asker = f"edge-{config.locations[0].name}-1" if config.locations else "edge"
    if config.regional_tier:
        asker = config.regional_tier[0].place
        asked = forwarded(asked, route, cacheable=_cacheable(where))
        if _upgrades(where):
            asked = with_upgrade(asked, where.request)
    is_call = is_grpc_call(where.request, route)
    if is_call:  # which no regional cache hears of
        asked = with_grpc_fields(forwarded(where.request, route, cacheable=False), where.request)
    asked = with_passage(replace_struct(asked, client=_VIEWER, id=_ANY_ID), config.brand.encode())
    via = via_pseudonym(asker, config.brand)
    outgoing = wire_request(
        Call(asked, route), via, _placeholder_auth(config).prove, agent_of(config.brand)
    )
    line, *lines = outgoing.head.split(b"\r\n")[:-2]
    method, target, _ = line.split(b" ")
    group = route.group
    return OriginExplanation(
        origin=origin.id,
        address=endpoint_of(origin, asked.scheme).where,
        method=text(method),
        target=text(target),
        fields=tuple(_shown_field(item, origin) for item in lines),
        group="" if group is None else group.id,
        then=tuple(other.id for other in route.origins[1:]),
        fails_over_on=() if group is None else group.status_codes,
        protocol=_protocol(where, is_call=is_call),
    )


def _protocol(where: RoutedRequest, *, is_call: bool) -> str:
    """What the origin is asked by: a call of gRPC goes by HTTP/2, whatever the origin has."""
    origin = where.route.origin
    if is_call:
        return "h2"
    secure = endpoint_of(origin, where.request.scheme).tls is not None
    if origin.protocol == "http2" and (not secure or _upgrades(where)):
        return "http1.1"  # CloudFront: by HTTP/2 over TLS alone, and no WebSocket
    return origin.protocol


def _upgrades(where: RoutedRequest) -> bool:
    return bypass(without_connection_options(where.request), where.route) is MissReason.UPGRADE


def request_to_regional(where: RoutedRequest) -> Request:
    """The request as an edge passes it on."""
    inner = without_connection_options(where.request)
    found = forwarded(inner, where.route, cacheable=_cacheable(where))
    if _upgrades(where):
        found = with_upgrade(found, inner)
    return found


def _cacheable(where: RoutedRequest) -> bool:
    return bypass(without_connection_options(where.request), where.route) is None


def _placeholder_auth(config: Config) -> OriginAuth:
    """Origin authentication as a node's, with keys that are nobody's."""
    return OriginAuth(
        OriginCredentials(
            clock=lambda: 0.0,
            identity=IdentitySigner({_NOBODY: _NOBODY}, lambda: 0.0),
            controls={control.id: control for control in config.origin_access_controls},
            key_pairs=defaultdict(lambda: KeyPair(_NOBODY, _NOBODY)),
            values=defaultdict(bytes),
        )
    )


def _shown_field(line: bytes, origin: Origin) -> tuple[str, str]:
    name, _, value = text(line).partition(": ")
    folded = name.lower()
    if folded in {header.lower() for header in (*origin.custom_headers, *origin.secret_headers)}:
        return name, CUSTOM
    ours = folded == "authorization" and _NOBODY in value
    return name, SIGNED if ours or folded in _OF_PROOFS else value
