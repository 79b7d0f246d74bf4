"""Routing. Law: nothing outside this file decides which distribution and behavior a request meets.

CloudFront Developer Guide, "Cache behavior settings" (path pattern) and "Alternate domain names".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from edgecache.config.model import Behavior, Config, Distribution, Origin


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """Where a request goes. Compared by identity: made once for each behavior of a generation."""

    distribution: Distribution
    behavior: Behavior
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A distribution with its patterns compiled, in order, the default last."""

    distribution: Distribution
    behaviors: tuple[tuple[re.Pattern[bytes], Route], ...]


@dataclass(frozen=True, slots=True, eq=False)
class RouteTable:
    """Every name that leads to a site of one generation."""

    exact: dict[bytes, Site]
    wildcard: tuple[tuple[bytes, Site], ...]  # (".example.com", site), the longest first
    by_id: dict[str, Site]
    any_host: Site | None

    def site(self, host: bytes) -> Site | None:
        """The site that answers to `host` (lower case, no port): exact, then wildcard, then any."""
        found = self.exact.get(host)
        if found is not None:
            return found
        for suffix, site in self.wildcard:
            if host.endswith(suffix):
                return site
        return self.any_host


def compile_routes(config: Config) -> RouteTable:
    """The table of a configuration that has passed `check`; disabled distributions stay out."""
    exact: dict[bytes, Site] = {}
    wildcard: dict[bytes, Site] = {}
    by_id: dict[str, Site] = {}
    any_host = None
    for distribution in config.distributions:
        if not distribution.enabled:
            continue
        site = _compile_site(distribution)
        by_id[distribution.id] = site
        for name in (distribution.domain_name, *distribution.aliases):
            folded = name.lower().encode("ascii")
            if folded == b"*":
                any_host = site
            elif folded.startswith(b"*."):
                wildcard[folded[1:]] = site
            elif folded:
                exact[folded] = site
    longest_first = sorted(wildcard.items(), key=lambda item: -len(item[0]))
    return RouteTable(exact, tuple(longest_first), by_id, any_host)


def _compile_site(distribution: Distribution) -> Site:
    origins = {origin.id: origin for origin in distribution.origins}
    ordered = (*distribution.behaviors, distribution.default_behavior)
    routes = [
        (pattern(behavior.path_pattern), Route(distribution, behavior, origins[behavior.origin]))
        for behavior in ordered
    ]
    last_route = routes[-1][1]
    routes[-1] = (pattern("*"), last_route)
    return Site(distribution, tuple(routes))


def route(site: Site, path: bytes) -> Route:
    """The first behavior whose pattern matches the normalized path."""
    matched = normalized_path(path)
    for matches, found in site.behaviors:
        if matches.fullmatch(matched):
            return found
    return site.behaviors[-1][1]


def pattern(path_pattern: str) -> re.Pattern[bytes]:
    """`*` is any bytes, `?` exactly one, the rest literal; a leading slash makes no difference.

    What stands between two stars is taken where it first matches and not looked for again (an
    atomic group), so that matching is linear in the path however many stars there are.
    """
    first, *rest = path_pattern.removeprefix("/").encode().split(b"*")
    parts = [b"/" + _literal(first)]
    if rest:
        parts += [b"(?>.*?" + _literal(middle) + b")" for middle in rest[:-1] if middle]
        parts.append(b".*" + _literal(rest[-1]))
    return re.compile(b"".join(parts), re.DOTALL)


def _literal(text: bytes) -> bytes:
    return b".".join(re.escape(piece) for piece in text.split(b"?"))


@lru_cache(maxsize=4096)
def normalized_path(path: bytes) -> bytes:
    """For matching only: doubled slashes folded, dot segments removed (RFC 3986 §5.2.4)."""
    if b"//" not in path and b"/." not in path:
        return path
    kept: list[bytes] = []
    segments = re.sub(rb"/+", b"/", path).split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)
