"""Redirects that lead back to where they began, found by following them as a browser would.

Law: every redirect of a configuration is followed from URLs that it matches, through all rules that
send viewers elsewhere, until something is served, leaves for a host that is not ours, or comes
again. What only a certain path leads around in is not found.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgecache.config.listen import ViewerPorts
from edgecache.config.model import Behavior, Config, Distribution
from edgecache.config.problems import Problem
from edgecache.config.viewer_rules import Redirect
from edgecache.http.message import BadMessage, BadReason, Request
from edgecache.http.target import DEFAULT_PORTS, authority
from edgecache.rules.routing import RouteTable, compile_routes, locate
from edgecache.rules.viewer.access import AccessRedirect, EntryPoint, admit
from edgecache.rules.viewer.redirects import redirection

HOPS_MAX = 10  # curl follows 50, browsers 20; nobody means more than two
HOSTS_MAX = 8  # of one redirect that are tried
RUNS = ("x", "x/y", "")  # what the stars of a pattern are tried with


def redirect_loops(config: Config) -> Iterator[Problem]:
    """A warning for each redirect that is found to lead around, with one way it goes."""
    if not any(one.redirects for site in config.distributions for one in _all(site)):
        return
    table = compile_routes(config)
    for index, site in enumerate(config.distributions):
        for place, behavior in _places(site, f"distributions[{index}]"):
            for number, redirect in enumerate(behavior.redirects):
                for start in _starts(site, behavior, redirect):
                    way = way_around(start, table)
                    if way:
                        where = f"{place}.redirects[{number}]"
                        yield Problem(where, f"leads around: {' -> '.join(way)}")
                        break


def way_around(url: str, table: RouteTable) -> list[str]:
    """The URLs a viewer of `url` is sent to, where that has no end; else none."""
    way = [url]
    while (there := _next(way[-1], table)) is not None:
        if there in way or len(way) == HOPS_MAX:
            return [*way, there]
        way.append(there)
    return []


def _next(url: str, table: RouteTable) -> str | None:
    """Where a browser is sent that asks for `url`; None: nowhere."""
    request = _request(url)
    routed = None if request is None else locate(request, table)
    if request is None or routed is None or routed.ambiguous:
        return None
    entrance = EntryPoint(ports=ViewerPorts())
    said = admit(request, routed.route, None, entrance)
    if isinstance(said, AccessRedirect):
        return said.location.decode("latin-1")
    sent = None
    if said is None:
        sent = redirection(request, routed.route.redirects, entrance.ports)
    if sent is None:
        return None
    location = sent.location.decode("latin-1")
    if not location.startswith("/"):
        return location
    return f"{request.scheme.decode()}://{request.authority.decode('latin-1')}{location}"


def _request(url: str) -> Request | None:
    """The request of a browser; None: it makes none of that."""
    scheme, _, rest = url.partition("://")
    name, slash, target = rest.partition("/")
    path, mark, query = f"{slash}{target}".partition("?")
    try:
        host, port = authority(name.encode("latin-1"), BadReason.HOST)
    except BadMessage:
        return None
    port = b"" if port == DEFAULT_PORTS[scheme.encode()] else port
    asked = query.encode("latin-1") if mark else None
    return Request(
        b"GET", path.encode("latin-1") or b"/", asked, (), host, scheme.encode(), port=port
    )


def _starts(site: Distribution, behavior: Behavior, redirect: Redirect) -> Iterator[str]:
    names = redirect.hosts or (*site.aliases, site.domain_name)
    hosts = [name.lower().replace("*", "w") for name in names if name][:HOSTS_MAX]
    pattern = redirect.path or behavior.path_pattern
    paths = dict.fromkeys(
        "/" + pattern.removeprefix("/").replace("*", run).replace("?", "q") for run in RUNS
    )
    for host in hosts:
        for path in paths:
            yield f"http://{host}{path}"
            yield f"https://{host}{path}"


def _all(site: Distribution) -> tuple[Behavior, ...]:
    return (*site.behaviors, site.default_behavior)


def _places(site: Distribution, where: str) -> Iterator[tuple[str, Behavior]]:
    for index, behavior in enumerate(site.behaviors):
        yield f"{where}.behaviors[{index}]", behavior
    yield f"{where}.default_behavior", site.default_behavior
