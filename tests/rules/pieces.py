"""Requests, responses and routes, short to write: a field is a line, as on the wire."""

from __future__ import annotations

from typing import Any

from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    Distribution,
    HeaderSelection,
    ItemBehavior,
    Origin,
    OriginRequestPolicy,
    Selection,
    SemanticsName,
)
from edgecache.http.dates import format_date
from edgecache.http.message import Fields, Request, Response
from edgecache.rules.routing import Route, compile_routes, route
from edgecache.rules.viewer.geo import GeoPlace

NOW = 1_800_000_000.0  # 2027-01-15, a whole second
DAY = 86_400
YEAR = 365 * DAY

ZURICH = GeoPlace(
    country="CH",
    country_name="Switzerland",
    region="ZH",
    region_name="Zurich",
    city="Z%C3%BCrich",
    latitude="47.36820",
    longitude="8.56710",
    metro_code="",
    postal_code="8000",
    time_zone="Europe/Zurich",
    asn="559",
)


def lines(*given: str) -> Fields:
    """`name: value` each."""
    parted = (line.partition(":") for line in given)
    return tuple(
        (name.lower().encode("latin-1"), value.strip(" ").encode("latin-1"))
        for name, _, value in parted
    )


def asks(target: str = "/a", *given: str, method: str = "GET", **more: Any) -> Request:
    """A request for `target`; `host` stays out of the fields unless it is given as a line."""
    path, mark, query = target.encode("latin-1").partition(b"?")
    more = {"host": b"site.test", **more}
    return Request(method.encode(), path, query if mark else None, lines(*given), **more)


def answer(status: int = 200, *given: str, at: float = NOW, took: float = 0.0) -> Response:
    """A response that came at `at`, `took` seconds after it was asked for."""
    return Response(status, b"", lines(*given), at - took, at)


def date(seconds: float) -> str:
    """So many seconds from NOW, as a field's value."""
    return format_date(NOW + seconds).decode()


def site_of(
    policy: CachePolicy | None = None,
    extra: OriginRequestPolicy | None = None,
    semantics: SemanticsName = "cloudfront",
    **behavior: Any,
) -> Route:
    """The default route of a distribution with one behavior."""
    only = Behavior(
        origin="o", cache_policy=policy or CachePolicy(), origin_request_policy=extra, **behavior
    )
    distribution = Distribution(
        id="EONE",
        domain_name="done.cloudfront.net",
        origins=(Origin(id="o", domain_name="origin.test"),),
        default_behavior=only,
        semantics=semantics,
    )
    return route(compile_routes(Config(distributions=(distribution,))).by_id["EONE"], b"/")


def rfc_site() -> Route:
    """As `edgecache serve` has it: host and query in the key, everything else left to Vary."""
    policy = CachePolicy(headers=headers("Host"), query_strings=Selection(behavior="all"))
    return site_of(policy, semantics="rfc9111")


def headers(*names: str) -> HeaderSelection:
    """These headers, by name."""
    return HeaderSelection(behavior="whitelist", items=names)


def chosen(behavior: ItemBehavior, *names: str) -> Selection:
    """A selection of query strings or cookies."""
    return Selection(behavior=behavior, items=names)
