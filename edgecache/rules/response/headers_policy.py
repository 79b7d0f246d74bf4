"""Response headers policies, Server, Vary and Server-Timing of responses to viewers.

Law: nothing of this is stored: a changed policy holds at once, for hits and misses alike. Age, Via,
X-Cache, Cache-Status and what else says how a response came about is added behind it, by the
frontend (`cache/frontend.py`). CloudFront Developer Guide, "Understand response headers policies"
and "Request and response behavior for custom origins" (Vary, Server).
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.config.caches import allows_http3
from edgecache.config.model import ResponseHeadersPolicy, SetHeader
from edgecache.http.message import (
    HOP_BY_HOP,
    Fields,
    Request,
    combined_value,
    field_values,
    first_value,
    list_members,
    replaced,
    without,
)
from edgecache.rules.caching.reuse import forwards_cookies
from edgecache.rules.response.cors import with_cors
from edgecache.rules.routing import Route

_KEPT = HOP_BY_HOP | frozenset(
    b"content-encoding content-length expect host via warning x-accel-buffering x-accel-charset"
    b" x-accel-limit-rate x-accel-redirect x-amzn-auth x-amzn-cf-billing x-amzn-cf-id"
    b" x-amzn-cf-xff x-amzn-errortype x-amzn-fle-profile x-amzn-header-count x-amzn-header-order"
    b" x-amzn-lambda-integration-tag x-amzn-requestid x-cache x-forwarded-proto x-real-ip".split()
)
_KEPT_PREFIXES = (b"x-amz-cf-", b"x-edge-")
_DEVICE = b"cloudfront-is-"
ALTERNATIVE_S = 86_400  # for which a viewer may know of HTTP/3: RFC 7838's own default
PEER_PREFIX = b"edgecache-"  # of the fields tiers tell each other: see upstream.peer.heads
_PEER_PREFIX_BYTES = len(PEER_PREFIX)
TARGETED = b"edgecache-cache-control"  # an origin's word to every tier of ours (RFC 9213)


@dataclass(frozen=True, slots=True)
class ServerTiming:
    """Metrics of a Server-Timing field for one response; durations in seconds."""

    word: str  # "hit", "refresh" or "miss"
    layer: str  # who had it, or who asked the origin: "EDGE" or "REC"
    pop: str
    request_id: bytes
    first_byte_s: float

    def write(self) -> bytes:
        """The metrics of the field (CloudFront's `cdn-` words)."""
        own = f'cdn-cache-{self.word},cdn-pop;desc="{self.pop}"'
        own += f',cdn-rid;desc="{self.request_id.decode("ascii")}"'
        taken = f"{max(0.0, self.first_byte_s) * 1000:.0f}"
        if self.word == "miss":
            own += f',cdn-upstream-layer;desc="{self.layer}",cdn-upstream-fbl;dur={taken}'
        else:
            own += f',cdn-hit-layer;desc="{self.layer}"'
        return f"{own},cdn-downstream-fbl;dur={taken}".encode()


def public_fields(fields: Fields, less: frozenset[bytes] = frozenset()) -> Fields:
    """The fields but those tiers tell each other, and those named in `less`."""
    return tuple(
        [
            item
            for item in fields
            if item[0] not in less
            and (item[0][:_PEER_PREFIX_BYTES] != PEER_PREFIX or item[0] == TARGETED)
        ]
    )


def viewer_fields(fields: Fields, request: Request, route: Route, product: bytes) -> Fields:
    """An outcome's fields as a viewer of `route` gets them; `product` is our name in Server."""
    if route.semantics.edits_vary_and_server:
        names = {name for name, _ in fields}
        if b"vary" in names:
            fields = vary_for_viewer(fields, route)
        if b"server" not in names:
            fields = (*fields, (b"server", product))
    policy = route.behavior.response_headers_policy
    return fields if policy is None else applied(fields, request, policy, product)


def applied(
    fields: Fields, request: Request, policy: ResponseHeadersPolicy, product: bytes
) -> Fields:
    """`fields` under a response headers policy: its removals first, then what it adds.

    A Date that was removed is for the caller to set: rules have no clock.
    """
    gone = {name.lower().encode() for name in policy.remove if removable(name)}
    if gone:
        fields = without(fields, gone)
    if b"server" in gone:
        fields = (*fields, (b"server", product))
    if policy.cors is not None:
        fields = with_cors(fields, request, policy.cors)
    for header in (*policy.security, *policy.custom):
        fields = _set(fields, header)
    return fields


def _set(fields: Fields, header: SetHeader) -> Fields:
    name = header.name.lower().encode()
    sent = first_value(fields, name) is not None
    if not removable(header.name) or (sent and not header.override):
        return fields
    return replaced(fields, name, header.value.encode())


def removable(name: str) -> bool:
    """Whether a policy may touch the header of this name: framing and our own words it may not."""
    folded = name.lower().encode()
    return folded not in _KEPT and not folded.startswith(_KEPT_PREFIXES)


def vary_for_viewer(fields: Fields, route: Route) -> Fields:
    """Vary less the names this route does not forward: those choose nothing here."""
    values = field_values(fields, b"vary")
    if not values:
        return fields
    members = [member for value in values for member in list_members(value)]
    kept = [member for member in members if _varies(member.lower(), route)]
    if len(kept) == len(members):
        return fields
    rest = without(fields, (b"vary",))
    return (*rest, (b"vary", b", ".join(kept))) if kept else rest


def _varies(name: bytes, route: Route) -> bool:
    if name == b"accept-encoding":
        return True
    if name == b"*":  # a MinTTL above zero overrides it: the object is shared all the same
        return route.behavior.cache_policy.ttl_s_min == 0
    if name == b"cookie":
        return forwards_cookies(route)
    if name == b"user-agent" and _forwards_device(route):
        return True
    return _forwards(name, route)


def _forwards(name: bytes, route: Route) -> bool:
    """Whether the viewer's header of this name reaches the origin on this route."""
    if name in _names(route.behavior.cache_policy.headers.items):
        return True
    extra = route.behavior.origin_request_policy
    if extra is None or extra.headers.behavior == "none":
        return False
    listed = name in _names(extra.headers.items)
    if extra.headers.behavior == "allExcept":
        return not listed
    return listed or extra.headers.behavior != "whitelist"


def _forwards_device(route: Route) -> bool:
    extra = route.behavior.origin_request_policy
    items = route.behavior.cache_policy.headers.items
    items += () if extra is None or extra.headers.behavior == "allExcept" else extra.headers.items
    return any(name.startswith(_DEVICE) for name in _names(items))


def _names(items: tuple[str, ...]) -> set[bytes]:
    return {name.lower().encode() for name in items}


def wants_timing(request: Request, route: Route, chance: float) -> bool:
    """Whether this answer carries Server-Timing; `chance` is drawn from [0, 1) for each."""
    percent = _timing_percent(route)
    if percent is None:
        return False
    return chance * 100 < percent or _asks_for_timing(request)


def with_timing(fields: Fields, timing: ServerTiming) -> Fields:
    """`fields` with Server-Timing. On a miss the origin's own metrics follow ours, else they go."""
    value = timing.write()
    before = combined_value(fields, b"server-timing")
    if before is not None and timing.word == "miss":
        value += b"," + before
    return replaced(fields, b"server-timing", value)


def repeatable(request: Request, route: Route) -> bool:
    """Whether the same bytes get the same fields again: not where chance or the clock decide."""
    policy = route.behavior.response_headers_policy
    if policy is None:
        return True
    if any(name.lower() == "date" for name in policy.remove):
        return False
    percent = policy.server_timing_percent
    return percent is None or (percent <= 0 and not _asks_for_timing(request))


def _timing_percent(route: Route) -> float | None:
    policy = route.behavior.response_headers_policy
    return None if policy is None else policy.server_timing_percent


def _asks_for_timing(request: Request) -> bool:
    pragma = combined_value(request.fields, b"pragma")
    return pragma is not None and b"server-timing" in {
        member.lower() for member in list_members(pragma)
    }


def with_alternative(fields: Fields, route: Route, port: int) -> Fields:
    """With Alt-Svc (RFC 7838 §3) for HTTP/3 at `port`, where the distribution allows it.

    An origin's is about its own port, and gives way; what a policy sets is the operator's.
    """
    if not allows_http3(route.distribution.http_version):
        return fields
    policy = route.behavior.response_headers_policy
    if policy is not None:
        named = (*(one.name for one in policy.custom), *policy.remove)
        if any(name.lower() == "alt-svc" for name in named):
            return fields
    said = b'h3=":%d"; ma=%d' % (port, ALTERNATIVE_S)
    return (*without(fields, (b"alt-svc",)), (b"alt-svc", said))
