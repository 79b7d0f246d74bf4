"""Explanation of a request: what the rules, its origin and every node would make of it.

Law: to explain changes nothing; no origin is asked, nothing is counted, no entry is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from msgspec.structs import replace as replace_struct
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from edgecache.cluster.tokens import Tokens
from edgecache.config.listen import ViewerPorts, viewer_ports
from edgecache.config.model import Config
from edgecache.config.refused_distributions import ignored_members, without_refused
from edgecache.control.nodes.explain import (
    ConfiguredNodes,
    OriginExplanation,
    PlaceExplanation,
    explain_origin,
)
from edgecache.control.rest.auth import require_operator
from edgecache.control.rest.call import RouteHandler, json_response
from edgecache.control.rest.inventory import published_config
from edgecache.control.state.live_log import LiveLog
from edgecache.http.head import parse_request_head
from edgecache.http.message import BadMessage, HeadLimits, Request
from edgecache.rules.explanation import Explanation, explain, locate_unsigned
from edgecache.rules.routing import compile_routes
from edgecache.rules.viewer.access import EntryPoint, is_of_grpc

_HEADER = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_MAJOR = {"": 1, "1.1": 1, "2": 2, "3": 3}
_METHOD = re.compile(r"[A-Z][A-Z0-9_\-]{0,31}")


@dataclass(frozen=True, slots=True)
class ExplainQuery:
    """A request to explain. `headers` are lines, `Name: value`."""

    url: str
    method: str = "GET"
    headers: tuple[str, ...] = ()
    http_version: str = ""  # 1.1, 2 or 3; empty: 1.1, and 2 for a call of gRPC


@dataclass(frozen=True, slots=True)
class ExplainServices:
    """Services that explaining needs: the wall clock, nodes to ask, secrets of our tokens."""

    clock: Callable[[], float]
    nodes: ConfiguredNodes | None = None
    native: Mapping[str, str] = field(default_factory=dict)  # by id; see rules.private.key_ring


@dataclass(frozen=True, slots=True)
class ExplainReport:
    """The whole explanation; `places` is empty when no node was or could be asked."""

    rules: Explanation
    origin: OriginExplanation | None = None  # what it would be sent on a miss; None: nothing
    places: tuple[PlaceExplanation, ...] = ()


def viewer_request(wanted: ExplainQuery, config: Config) -> Request:
    """The request a viewer would make, read as strictly. ValueError says what is wrong."""
    try:
        parts = urlsplit(wanted.url)
    except ValueError as error:
        raise ValueError(f"{wanted.url}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.username is not None:
        raise ValueError(f"{wanted.url} is not http://HOST/PATH or https://HOST/PATH")
    if not _METHOD.fullmatch(wanted.method):
        raise ValueError(f"{wanted.method} is not a method")
    major = _major(wanted.http_version, parts.scheme)
    matches = [_HEADER.fullmatch(line) for line in wanted.headers]
    for line, match in zip(wanted.headers, matches, strict=True):
        if match is None:
            raise ValueError(f"{line!r} is not `Name: value`")
    lines = [f"{match[1]}: {match[2].rstrip()}" for match in matches if match is not None]
    if not any(line.lower().startswith("host:") for line in lines):
        lines.insert(0, f"Host: {parts.netloc}")
    _, _, rest = wanted.url.partition("//")
    target = rest.partition("#")[0].removeprefix(parts.netloc)
    target = target if target.startswith("/") else "/" + target
    head = "\r\n".join([f"{wanted.method} {target} HTTP/1.1", *lines, "", ""])
    bounds = config.limits
    limits = HeadLimits(
        bounds.head_bytes_max,
        bounds.url_bytes_max,
        bounds.fields_max,
        bounds.underscores_in_headers,
    )
    try:
        request = parse_request_head(head.encode(), limits, parts.scheme.encode())
    except BadMessage as bad:
        raise ValueError(f"a viewer would be refused with {bad.status}: {bad.why}") from bad
    if not wanted.http_version and is_of_grpc(request):
        major = 2  # no other asks so
    return request if major == 1 else replace_struct(request, major=major)


def _major(http_version: str, scheme: str) -> int:
    """ValueError where there is no such version of HTTP, or none over `scheme`."""
    major = _MAJOR.get(http_version)
    if major is None:
        raise ValueError(f"{http_version} is not one of 1.1, 2, 3")
    if major == 3 and scheme == "http":
        raise ValueError("HTTP/3 is asked by https:// alone")
    return major


async def explain_everywhere(
    request: Request, config: Config, services: ExplainServices
) -> ExplainReport:
    """Answers of the rules, the origin and every node to a viewer's `request` under `config`."""
    config = without_refused(config)
    table = compile_routes(config, services.native)
    entry_point = EntryPoint(config.brand.encode(), _ports(config))
    rules = explain(request, table, entry_point, services.clock())
    where = locate_unsigned(request, table)
    if where is None:
        return ExplainReport(rules)
    lacking = map(str, ignored_members(where.site.distribution, config))
    of_locations = (*location_protocol_lines(config, request), *location_limit_lines(config))
    viewer_rules = of_locations + rules.viewer_rules
    rules = replace(rules, unsupported=tuple(lacking), viewer_rules=viewer_rules)
    origin = None if rules.admission.status else explain_origin(where, config)
    places = () if services.nodes is None else await services.nodes.ask(where, config)
    return ExplainReport(rules, origin, places)


def location_protocol_lines(config: Config, request: Request) -> Iterator[str]:
    """The locations that do not speak the version of HTTP that `request` came by."""
    if request.major == 1:
        return
    word = "h3" if request.major == 3 else "h2" if request.scheme == b"https" else "h2c"
    for location in config.locations:
        if word not in location.spoken:
            yield f"protocols of {location.name}: {word} is not spoken there"


def location_limit_lines(config: Config) -> Iterator[str]:
    """The rate limits of locations, which are asked before those of the behavior."""
    for location in config.locations:
        for limit in location.rate_limits:
            said = f"{limit.requests_per_s:g} requests a second, {limit.burst} at once"
            yield f"rate_limits of {location.name}: {limit.name}: {said}, by {limit.key}"


def _ports(config: Config) -> ViewerPorts:
    """Of the location that speaks for all: the first one with TLS, else the first."""
    ordered = sorted(config.locations, key=lambda place: not place.listen_tls)
    return viewer_ports(ordered[0]) if ordered else ViewerPorts()


def explain_handlers(
    log: LiveLog, tokens: Tokens, services: ExplainServices
) -> dict[str, RouteHandler]:
    """`GET /explain?url=…&method=…&header=Name:%20value`: `ExplainReport` as JSON, for operators.

    `header` may be given several times, `http_version` is 1.1, 2 or 3. 400 when no viewer could
    make such a request.
    """

    async def explain_request(http_request: HttpRequest) -> Response:
        require_operator(http_request, tokens)
        config = published_config(log)
        query = http_request.query_params
        if "url" not in query:
            raise HTTPException(400, "url: required")
        wanted = ExplainQuery(
            query["url"],
            query.get("method", "GET"),
            tuple(query.getlist("header")),
            query.get("http_version", ""),
        )
        try:
            request = viewer_request(wanted, config)
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return json_response(await explain_everywhere(request, config, services))

    return {"explain_request": explain_request}
