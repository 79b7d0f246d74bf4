"""Fronts. Law: what a stranger asks is routed and admitted here before any tier hears of it.

`ViewerFront` meets viewers; `PeerFront` meets other tiers, which prove who they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edgecache.http.message import Fields, Request, first_value, without
from edgecache.rules.routing import Route, RouteTable, route
from edgecache.tier.answer import Errand, Found, Outcome, Refusal, Result
from edgecache.tier.tier import Tier
from edgecache.upstream import peer_fields
from edgecache.upstream.base import Body, OnInterim, UpstreamError

UNKNOWN_HOST = Refusal(403, "Bad request. No distribution answers to this host name.")
NOT_A_PEER = Refusal(403, "Only edges of this installation are answered here.", close=True)
METHOD_REFUSED = Refusal(
    403,
    "This distribution is not configured to allow the HTTP request method that was used for "
    "this request.",
    "InvalidRequestMethod",
)
BODY_REFUSED = Refusal(403, "Bad request. A GET or HEAD carries no body.", close=True)
NO_SUCH_ROUTE = Refusal(421, "This distribution is not served here.")


class ViewerFront:
    """Host to distribution, path to behavior, then the tier."""

    def __init__(self, tier: Tier, table: RouteTable, brand: str) -> None:
        self.tier = tier
        self.table = table  # replaced whole when the configuration changes
        self.brand = brand
        self.pop = tier.name

    def decide(self, request: Request, now: float) -> Found | Errand | Refusal:
        """What can be said of a viewer's request without waiting."""
        site = self.table.site(request.host)
        if site is None:
            return UNKNOWN_HOST
        root = site.distribution.default_root_object
        if root and request.path == b"/":
            request = replace(request, path=b"/" + root.encode())
        found = route(site, request.path)
        refusal = admit(request, found)
        if refusal is not None:
            return refusal
        return self.tier.decide(request, found, now)

    async def run(self, errand: Errand, body: Body | None, on_interim: OnInterim) -> Outcome:
        """Do what `decide` could not: see Tier.run."""
        return await self.tier.run(errand, body, on_interim)

    def dressed(self, outcome: Outcome, request_id: bytes) -> Fields:
        """The outcome's fields as a viewer gets them."""
        word = f"{outcome.result} from {self.brand}"
        if outcome.status >= 400:
            word = f"Error from {self.brand}"
        return (
            *_public(without(outcome.fields, (b"via", b"cache-status", b"x-cache"))),
            *_aged(outcome),
            (b"via", self._via(outcome.fields)),
            (b"x-cache", word.encode()),
            (b"x-amz-cf-pop", self.pop.encode()),
            (b"cache-status", _status_list(outcome, self.pop)),
            (b"x-amz-cf-id", request_id),
        )

    def _via(self, fields: Fields) -> bytes:
        name = self.brand if self.pop == self.brand else f"{self.pop.lower()}.{self.brand}.net"
        own = f"1.1 {name} ({self.brand})".encode()
        before = first_value(fields, b"via")
        return own if before is None else before + b", " + own


def admit(request: Request, found: Route) -> Refusal | None:
    """Whether the behavior lets this request in at all."""
    plain = found.distribution.semantics == "rfc9111"  # where any method may pass but TRACE
    allowed = request.method.decode("ascii") in found.behavior.allowed_methods
    if request.method == b"TRACE" or not (plain or allowed):
        return METHOD_REFUSED
    if request.has_body and request.method in (b"GET", b"HEAD"):
        return BODY_REFUSED
    return None


class PeerFront:
    """The front of a regional cache: edges only, each with its credential."""

    def __init__(self, tier: Tier, table: RouteTable, admits: Callable[[bytes], bool]) -> None:
        self.tier = tier
        self.table = table
        self._admits = admits

    def decide(self, request: Request, now: float) -> Found | Errand | Refusal:
        """What can be said of a peer's request without waiting."""
        credential = first_value(request.fields, peer_fields.CREDENTIAL)
        if credential is None or not self._admits(credential):
            return NOT_A_PEER
        named = first_value(request.fields, peer_fields.DISTRIBUTION) or b""
        site = self.table.by_id.get(named.decode("latin-1"))
        if site is None:
            return NO_SUCH_ROUTE
        inner = replace(
            request,
            fields=_public(request.fields),
            scheme=first_value(request.fields, peer_fields.SCHEME) or b"http",
            client=(_text(first_value(request.fields, peer_fields.CLIENT)), 0),
        )
        return self.tier.decide(inner, route(site, inner.path), now)

    async def run(self, errand: Errand, body: Body | None, on_interim: OnInterim) -> Outcome:
        """Do what `decide` could not: see Tier.run. A failure is told as one, not as a page."""
        try:
            return await self.tier.run(errand, body, on_interim)
        except UpstreamError as error:
            fields = ((peer_fields.FAULT, error.fault.encode()),)
            return Outcome(error.status, b"", fields, b"", 0, Result.ERROR)

    def dressed(self, outcome: Outcome, request_id: bytes) -> Fields:
        """The outcome's fields as a peer gets them."""
        return (
            *_public(without(outcome.fields, (b"cache-status",))),
            *_aged(outcome),
            (b"cache-status", _status_list(outcome, self.tier.name)),
            (peer_fields.RESULT, outcome.result.encode()),
        )


Front = ViewerFront | PeerFront


def _aged(outcome: Outcome) -> Fields:
    return () if outcome.age_s is None else ((b"age", b"%d" % outcome.age_s),)


def _status_list(outcome: Outcome, name: str) -> bytes:
    """Cache-Status: the origin's side first, ours last (RFC 9211 §2)."""
    own = outcome.trace.write(name)
    before = first_value(outcome.fields, b"cache-status")
    return own if before is None or outcome.trace.hit else before + b", " + own


def _public(fields: Fields) -> Fields:
    return tuple(item for item in fields if not item[0].startswith(peer_fields.PREFIX))


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("latin-1")
