"""Custom error pages, fetched through the cache. Law: a page is served like any object of its path.

The rules say which page stands for a status; it comes through the behavior of its own path, out of
the same tier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from edgecache.cache.outcome import (
    CacheResult,
    Errand,
    ErrorPageErrand,
    Hit,
    Outcome,
    Refusal,
    TriggerErrand,
)
from edgecache.cache.tier import Tier
from edgecache.http.message import Fields, Request
from edgecache.rules.caching.error_caching import Replacement, page_for, page_request
from edgecache.rules.routing import Route, RouteTable, route
from edgecache.upstream.faults import OF_LAMBDA, Fault, UpstreamError
from edgecache.upstream.interface import Body, OnInterim

# CloudFront: no page for CapacityExceeded, nor for what a function failed at.
_PAGELESS = OF_LAMBDA | {Fault.BUSY, Fault.LOOP}


@dataclass(frozen=True, slots=True)
class ErrorPages:
    """Runs errands whose errors may be answered with a page of the distribution."""

    tier: Tier
    prepared: Callable[[Request, Route], Request]  # a viewer's request as received, for a route

    async def run(
        self, errand: Errand, table: RouteTable, body: Body | None, on_interim: OnInterim
    ) -> Outcome:
        """As Tier.run, with the page that stands for the error, if one does.

        The page's path is routed by `table`.
        """
        assert not isinstance(errand, TriggerErrand), "its functions are run before"
        if isinstance(errand, ErrorPageErrand):
            return await self._fetch(errand, table, errand.page)
        try:
            outcome = await self.tier.run(errand, body, on_interim)
        except UpstreamError as error:
            page = self._page(errand, error.status)
            if page is None or error.fault in _PAGELESS:
                raise
            outcome = await self._fetch(errand, table, page)
            if error.fault is Fault.MAINTENANCE:
                outcome.fields = (*outcome.fields, *retry_after(errand.route))
            return outcome
        page = self._page(errand, outcome.status)
        if page is None:
            return outcome
        self.drop(outcome)
        return await self._fetch(errand, table, page)

    def _page(self, errand: Errand, status: int) -> Replacement | None:
        return page_for(errand.request, errand.route, status)

    async def _fetch(self, errand: Errand, table: RouteTable, page: Replacement) -> Outcome:
        """The page under its status; when it fails itself, that second failure."""
        site = table.by_id.get(errand.route.distribution.id)
        page_route = errand.route if site is None else route(site, page.path)
        request = self._request(errand, page_route, page)
        now = self.tier.world.clock()
        conclusion = self.tier.decide(request, page_route, now)
        if isinstance(conclusion, Hit):
            outcome = self.tier.serve(conclusion, request, now)
        else:
            assert not isinstance(conclusion, Refusal), "a page's request has no directives"
            outcome = await self.tier.run(conclusion)
        if outcome.status < 300:
            outcome.status, outcome.reason = page.status, b""
        outcome.result = CacheResult.ERROR
        if errand.request.method == b"HEAD":
            self.drop(outcome)
        return outcome

    def _request(self, errand: Errand, page_route: Route, page: Replacement) -> Request:
        """The request for the page: prepared anew, for what one route lets pass or makes is
        another's to take away."""
        received = page_request(errand.received or errand.request, page)
        if errand.route.trust is not None:
            received = errand.route.trust.stripped(received)
        asked = errand.request
        own = replace(
            received,
            id=asked.id,
            trace=asked.trace,
            amzn_trace=asked.amzn_trace,
            record=asked.record,
        )
        return self.prepared(own, page_route)

    def drop(self, outcome: Outcome) -> None:
        """Send nothing of the body; what is being stored is still received."""
        body, outcome.body = outcome.body, None
        if body is None or isinstance(body, bytes | memoryview):
            return
        if outcome.trace.stored:
            self.tier.world.spawn(_read_on(body))
        else:
            body.close()


def retry_after(route: Route) -> Fields:
    """When a behavior in maintenance is to be asked again (RFC 9110 §10.2.3)."""
    return ((b"retry-after", b"%d" % route.behavior.maintenance.retry_after_s),)


async def _read_on(body: Body) -> None:
    try:
        while await body.read():
            pass
    except UpstreamError:
        pass  # then it is not stored
    finally:
        body.close()
