"""Routing. Law: nothing outside this file decides which distribution and behavior a request meets.

CloudFront Developer Guide, "Cache behavior settings" (path pattern) and "Alternate domain names".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from edgecache.config.model import (
    Behavior,
    Config,
    Distribution,
    Origin,
    OriginGroup,
    UnavailableSite,
)
from edgecache.http.target import normalized_path, readings
from edgecache.rules.globs import glob
from edgecache.rules.invalidation.releases import Patterns, compiled
from edgecache.rules.private.key_ring import KeyRing, TrustedKeys, key_ring
from edgecache.rules.semantics import SEMANTICS, Semantics
from edgecache.rules.viewer.headers import named_headers

NO_SECRETS: Mapping[str, str] = {}


class Route(Struct, frozen=True, eq=False, weakref=True):
    """Where a request goes. Compared by identity: made once for each behavior of a generation."""

    distribution: Distribution
    behavior: Behavior
    origin: Origin  # the first to be asked
    semantics: Semantics
    group: OriginGroup | None = None
    origins: tuple[Origin, ...] = ()  # the members of the group, in its order
    viewer_headers: frozenset[bytes] | None = None  # see viewer_headers.named_headers
    trust: TrustedKeys | None = None  # whose signatures open it; None: it is public
    releases: Patterns = ()  # of the distribution


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A distribution with its patterns compiled, in order, the default last."""

    distribution: Distribution
    behaviors: tuple[tuple[re.Pattern[bytes], Route], ...]
    private: bool = False  # some behavior opens to signatures only


@dataclass(frozen=True, slots=True, eq=False)
class RouteTable:
    """Every name that leads to a site of one generation."""

    exact: dict[bytes, Site | None]  # None: the name of one that is disabled or unavailable
    wildcard: tuple[tuple[bytes, Site | None], ...]  # (".example.com", site), the longest first
    by_id: dict[str, Site]
    any_host: Site | None
    unavailable: Mapping[bytes, UnavailableSite] = field(default_factory=dict)  # by name

    def site(self, host: bytes) -> Site | None:
        """The site that answers to `host` (lower case, no port): exact, then wildcard, then any.

        The name of a disabled distribution is still its own: no other answers to it.
        """
        if host in self.exact:
            return self.exact[host]
        for suffix, site in self.wildcard:
            if host.endswith(suffix):
                return site
        return self.any_host

    def unavailable_site(self, host: bytes) -> UnavailableSite | None:
        """The one whose name `host` is; None when another answers to it, or nobody."""
        if host in self.exact:
            return self.unavailable.get(host)
        wild = next((suffix for suffix, _ in self.wildcard if host.endswith(suffix)), None)
        return self.unavailable.get(b"*" if wild is None else b"*" + wild)

    def routes(self) -> Iterator[Route]:
        """Every route there is."""
        for site in self.by_id.values():
            for _, found in site.behaviors:
                yield found


def compile_routes(config: Config, native: Mapping[str, str] = NO_SECRETS) -> RouteTable:
    """The table of a configuration that has passed `check`; `native`: see trust.key_ring."""
    ring = key_ring(config, native)
    exact: dict[bytes, Site | None] = {}
    wildcard: dict[bytes, Site | None] = {}
    by_id: dict[str, Site] = {}
    any_host = None
    for distribution in config.distributions:
        site = _compile_site(distribution, ring) if distribution.enabled else None
        if site is not None:
            by_id[distribution.id] = site
        for name in (distribution.domain_name, *distribution.aliases):
            folded = name.lower().encode("ascii")
            if folded == b"*":
                any_host = site
            elif folded.startswith(b"*."):
                wildcard[folded[1:]] = site
            elif folded:
                exact[folded] = site
    unavailable = _names_held(config.unavailable, exact, wildcard, taken=any_host is not None)
    longest_first = sorted(wildcard.items(), key=lambda item: -len(item[0]))
    return RouteTable(exact, tuple(longest_first), by_id, any_host, unavailable)


def _names_held(
    sites: Iterable[UnavailableSite],
    exact: dict[bytes, Site | None],
    wildcard: dict[bytes, Site | None],
    *,
    taken: bool,
) -> dict[bytes, UnavailableSite]:
    """The names of those that are not served; they lead to no other, and take none from others."""
    found: dict[bytes, UnavailableSite] = {}
    for site in sites:
        for name in site.names:
            folded = name.lower().encode("ascii", "replace")
            held = wildcard if folded.startswith(b"*.") else exact
            key = folded[1:] if folded.startswith(b"*.") else folded
            if key in held or (folded == b"*" and taken):
                continue
            if folded != b"*":
                held[key] = None
            if site.enabled:
                found[folded] = site
    return found


def _compile_site(distribution: Distribution, ring: KeyRing) -> Site:
    ordered = (*distribution.behaviors, distribution.default_behavior)
    routes = [
        (pattern(behavior.path_pattern), _route_of(distribution, behavior, ring))
        for behavior in ordered
    ]
    last_route = routes[-1][1]
    routes[-1] = (pattern("*"), last_route)
    private = any(found.trust is not None for _, found in routes)
    return Site(distribution, tuple(routes), private)


def _route_of(distribution: Distribution, behavior: Behavior, ring: KeyRing) -> Route:
    """A behavior names an origin or an origin group; their ids share one space."""
    origins = {origin.id: origin for origin in distribution.origins}
    groups = {group.id: group for group in distribution.origin_groups}
    group = groups.get(behavior.origin)
    members = (behavior.origin,) if group is None else group.members
    found = tuple(origins[member] for member in members)
    named = named_headers(distribution, behavior)
    trust, releases = ring.trust(behavior), compiled(distribution.releases)
    semantics = SEMANTICS[distribution.semantics]
    return Route(distribution, behavior, found[0], semantics, group, found, named, trust, releases)


def matched_route(site: Site, path: bytes) -> Route | None:
    """The first behavior whose pattern matches the normalized path; None: it is to be refused.

    Where something is private, all an origin may read in the path is matched, and a private
    behavior wins: else `/private;x/a` would be a way around the signature that `/private/a` needs.
    Refused is what origins read too differently to be matched at all, and what leads to behaviors
    that trust different signers.
    """
    if not site.private:
        return _first(site, normalized_path(path))
    every = readings(path)
    if every is None:
        return None
    found = [_first(site, reading) for reading in every]
    root = site.distribution.default_root_object
    if root and b"/" in every:  # whoever folds `//` finds the root object there
        found.append(_first(site, b"/" + root.encode()))
    private = [one for one in found if one.trust is not None]
    if not private or (found[0].trust is not None and len(found) == 1):
        return found[0]
    if any(_signers(one) != _signers(private[0]) for one in private):
        return None
    return found[0] if found[0].trust is not None else private[0]


def _signers(found: Route) -> tuple[frozenset[str], frozenset[str]]:
    assert found.trust is not None
    return frozenset(found.trust.keys), frozenset(found.trust.native)


def route(site: Site, path: bytes) -> Route:
    """As matched_route, for a path of the operator's own, which is never refused."""
    return matched_route(site, path) or _first(site, normalized_path(path))


def _first(site: Site, matched: bytes) -> Route:
    for matches, found in site.behaviors:
        if matches.fullmatch(matched):
            return found
    return site.behaviors[-1][1]


def pattern(path_pattern: str) -> re.Pattern[bytes]:
    """The expression of a path pattern; a leading slash in it makes no difference."""
    return re.compile(b"/" + glob(path_pattern.removeprefix("/").encode()), re.DOTALL)
