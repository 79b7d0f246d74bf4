"""Routing: host to distribution, path to behavior, and a viewer's request on its route.

Law: nothing outside this file decides which distribution and behavior a request meets; deciding,
explaining and checking signatures all ask `locate`. CloudFront Developer Guide, "Cache behavior
settings" (path pattern) and "Alternate domain names".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from edgecache.config.dns import distribution_label
from edgecache.config.htpasswd import Htpasswd
from edgecache.config.model import (
    AccessList,
    Behavior,
    Config,
    Distribution,
    LambdaFunctionAssociation,
    Origin,
    OriginGroup,
    RateLimit,
    UnavailableSite,
)
from edgecache.config.networks import AddressRanges
from edgecache.http.message import Fields, Request, without
from edgecache.http.target import NOT_NORMAL, normalized_path, readings
from edgecache.rules.globs import glob
from edgecache.rules.invalidation.releases import Patterns, compile_releases
from edgecache.rules.private.key_ring import KeyRing, TrustedKeys, key_ring
from edgecache.rules.private.signature_check import SignatureAccepted
from edgecache.rules.private.signature_fields import SignatureRefused
from edgecache.rules.semantics import SEMANTICS, Semantics
from edgecache.rules.viewer.access_list import (
    AccessListMatcher,
    compile_access_list,
    compile_ip_sets,
)
from edgecache.rules.viewer.basic_auth import BasicAuthRule, compile_basic_auth
from edgecache.rules.viewer.continuous_deployment import (
    ServedSide,
    TrafficRule,
    paired,
    without_session,
)
from edgecache.rules.viewer.geo import NOWHERE, GeoPlace
from edgecache.rules.viewer.headers import (
    depends_on_viewer,
    named_headers,
    needs_place,
    with_viewer_headers,
)
from edgecache.rules.viewer.rate_limits import RateLimitRule, compile_rate_limits
from edgecache.rules.viewer.redirects import RedirectRule, compile_redirects
from edgecache.rules.viewer.request_headers import removed_names, set_fields, without_removed

NO_SECRETS: Mapping[str, str] = {}
VIEWER_EVENTS = frozenset({"viewer-request", "viewer-response"})
ORIGIN_EVENTS = frozenset({"origin-request", "origin-response"})

PlaceOf = Callable[[str], GeoPlace]  # of an address


class RuleFiles(Struct, frozen=True):
    """What the files that a configuration names hold, by path; of a file not read nothing."""

    ip_sets: Mapping[str, AddressRanges] = {}
    htpasswd: Mapping[str, Htpasswd] = {}


NO_FILES = RuleFiles()


class Route(Struct, frozen=True, eq=False, weakref=True):
    """Where a request goes. Compared by identity: made once for each behavior of a generation."""

    distribution: Distribution
    behavior: Behavior
    origin: Origin  # the first to be asked
    semantics: Semantics
    group: OriginGroup | None = None
    origins: tuple[Origin, ...] = ()  # the members of the group, in its order
    viewer_headers: frozenset[bytes] | None = None  # see viewer.headers.named_headers
    needs_place: bool = False  # a header or the restriction asks for the viewer's place
    depends_on_viewer: bool = False  # see viewer.headers.depends_on_viewer
    trust: TrustedKeys | None = None  # whose signatures open it; None: it is public
    releases: Patterns = ()  # of the distribution
    redirects: tuple[RedirectRule, ...] = ()  # of the behavior, as the next three
    viewer_fields_removed: frozenset[bytes] = frozenset()  # before the key is made
    origin_fields: Fields = ()  # set in what an origin is sent
    access_list: AccessListMatcher | None = None  # whose addresses may ask; None: everybody's
    rate_limits: tuple[RateLimitRule, ...] = ()  # asked before anything else is
    basic_auth: BasicAuthRule | None = None
    purge: PurgeRule | None = None  # None: PURGE is a method as any other
    request_function: str = ""  # that runs at viewer-request, by its name; empty: none
    response_function: str = ""  # the same, at viewer-response
    lambdas: Mapping[str, LambdaFunctionAssociation] = {}  # by event
    runs_functions: bool = False  # any at an event of viewers: no hit of it is repeated
    side: ServedSide | None = None  # of a continuous deployment; None: there is none


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A distribution with its patterns compiled, in order, the default last."""

    distribution: Distribution
    behaviors: tuple[tuple[re.Pattern[bytes], Route], ...]
    private: bool = False  # some behavior is not everybody's: see `_guard`
    uses_files: bool = False  # some behavior goes by what files hold
    limits_by_fields: tuple[RateLimitRule, ...] = ()  # whose buckets fields of requests name
    traffic: TrafficRule | None = None  # of a primary: which of its requests `staging` serves
    staging: Site | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RouteTable:
    """Every name that leads to a site of one generation."""

    exact: dict[bytes, Site | None]  # None: the name of one that is disabled or unavailable
    wildcard: Mapping[bytes, Site | None]  # by what a host ends in: ".example.com"
    by_id: dict[str, Site]
    any_host: Site | None
    unavailable: Mapping[bytes, UnavailableSite] = field(default_factory=dict)  # by name
    location_limits: tuple[RateLimit, ...] = ()  # that stand before those of each behavior
    ip_sets: Mapping[str, AddressRanges] = field(default_factory=dict)  # what is known, by name
    wildcard_bytes_max: int = field(init=False)  # of the longest

    def __post_init__(self) -> None:
        longest = max(map(len, self.wildcard), default=0)
        object.__setattr__(self, "wildcard_bytes_max", longest)

    def site(self, host: bytes) -> Site | None:
        """The site that answers to `host` (lower case, no port): exact, then wildcard, then any.

        The name of a disabled distribution is still its own: no other answers to it.
        """
        if host in self.exact:
            return self.exact[host]
        suffix = self.wildcard_suffix(host)
        return self.any_host if suffix is None else self.wildcard[suffix]

    def wildcard_suffix(self, host: bytes) -> bytes | None:
        """The longest of `wildcard` that `host` ends in, in no more steps than that has labels."""
        at = host.find(b".", max(0, len(host) - self.wildcard_bytes_max))
        while at >= 0:
            if host[at:] in self.wildcard:
                return host[at:]
            at = host.find(b".", at + 1)
        return None

    def unavailable_site(self, host: bytes) -> UnavailableSite | None:
        """The one whose name `host` is; None when another answers to it, or nobody."""
        if host in self.exact:
            return self.unavailable.get(host)
        wild = self.wildcard_suffix(host)
        return self.unavailable.get(b"*" if wild is None else b"*" + wild)

    def gives_494(self, host: bytes) -> bool:
        """Whether an oversized head is answered as CloudFront does, by the rules of who `host` is.

        Where that is nobody, any site that goes by them decides.
        """
        named = self.site(host.lower().partition(b":")[0])
        sites = self.by_id.values() if named is None else (named,)
        return any(site.behaviors[0][1].semantics.oversized_heads_are_494 for site in sites)

    def routes(self) -> Iterator[Route]:
        """Every route there is."""
        for site in self.by_id.values():
            for _, found in site.behaviors:
                yield found


class PurgeRule(Struct, frozen=True, eq=False):
    """Whose PURGE is taken on a route, and whether it makes stale instead of removing."""

    access_list: AccessListMatcher
    soft: bool


class RuleWorld(Struct, frozen=True, eq=False):
    """What routes of one generation are compiled of, beside the distributions."""

    ring: KeyRing
    ip_sets: Mapping[str, AddressRanges]
    htpasswd: Mapping[str, Htpasswd]
    rate_limits: tuple[RateLimitRule, ...] = ()  # of the location
    access_lists: dict[AccessList, AccessListMatcher] = msgspec.field(default_factory=dict)

    def access_list(self, listed: AccessList | None) -> AccessListMatcher | None:
        """The matcher of a list: the same for all that are equal."""
        if listed is None:
            return None
        if listed not in self.access_lists:
            self.access_lists[listed] = compile_access_list(listed, self.ip_sets)
        return self.access_lists[listed]


class RoutedRequest(Struct, frozen=True, eq=False):
    """A viewer's request where it goes, and what that makes of it."""

    received: Request
    request: Request  # its path the default root object's for `/`, its viewer headers ours
    site: Site
    route: Route
    place: GeoPlace = NOWHERE  # the viewer's, where the route needs it
    ambiguous: bool = False  # to be refused: see matched_route

    def without(self, names: tuple[bytes, ...]) -> RoutedRequest:
        """The same, of a request that never had fields of these names."""
        received = replace(self.received, fields=without(self.received.fields, names))
        request = replace(self.request, fields=without(self.request.fields, names))
        return replace(self, received=received, request=request)

    def unsigned(self, opened: SignatureAccepted | SignatureRefused | None = None) -> Request:
        """The request as the tiers have it: less what a signature was presented in.

        `opened` is what TrustedKeys.opens said of it.
        """
        trust = self.route.trust
        return self.request if trust is None else trust.stripped(self.request, opened)


def compile_routes(
    config: Config,
    native: Mapping[str, str] = NO_SECRETS,
    former: RouteTable | None = None,
    files: RuleFiles = NO_FILES,
    location: str = "",
) -> RouteTable:
    """The table of a configuration that has passed `check`, at a location by its name.

    `native`: see trust.key_ring. Of a `former` table's sites those are kept whose distributions
    say the same.
    """
    limits = next((one.rate_limits for one in config.locations if one.name == location), ())
    sites = former.by_id if former is not None and former.location_limits == limits else {}
    ip_sets = compile_ip_sets(config.ip_sets, files.ip_sets)
    located = compile_rate_limits(f"location {location}", limits)
    world = RuleWorld(key_ring(config, native), ip_sets, files.htpasswd, located)
    exact: dict[bytes, Site | None] = {}
    wildcard: dict[bytes, Site | None] = {}
    by_id: dict[str, Site] = {}
    any_host = None
    zone = "" if config.dns is None else config.dns.zone
    for distribution in config.distributions:
        if distribution.enabled:
            site = _kept(sites.get(distribution.id), distribution)
            by_id[distribution.id] = site or _compile_site(distribution, world)
    by_id = paired(config, by_id)
    for distribution in config.distributions:
        site = None if distribution.staging else by_id.get(distribution.id)
        for name in (distribution.domain_name, *distribution.aliases):
            folded = name.lower().encode("ascii")
            if folded == b"*":
                any_host = site
            elif folded.startswith(b"*."):
                wildcard[folded[1:]] = site
            elif folded:
                exact[folded] = site
    for distribution in config.distributions if zone else ():
        site = None if distribution.staging else by_id.get(distribution.id)
        exact[_name_in_zone(distribution, zone)] = site
    unavailable = _names_held(config.unavailable, exact, wildcard, taken=any_host is not None)
    names = exact, wildcard, by_id, any_host, unavailable
    return RouteTable(*names, limits, world.ip_sets)


def _name_in_zone(distribution: Distribution, zone: str) -> bytes:
    """The name of a distribution in the operator's own zone: nobody else's, whatever they say."""
    label = distribution_label(distribution.id, distribution.domain_name)
    return f"{label}.{zone.rstrip('.').lower()}".encode("ascii")


def matched_route(site: Site, path: bytes) -> Route | None:
    """The first behavior whose pattern matches the normalized path; None: it is to be refused.

    Where something is private, all an origin may read in the path is matched, and a private
    behavior wins: else `/private;x/a` would be a way around the signature, the password or the
    address that `/private/a` needs. Refused is what origins read too differently to be matched at
    all, and what leads to behaviors that trust different signers, users or addresses.
    """
    if not site.private:
        return _first(site, path if NOT_NORMAL.search(path) is None else normalized_path(path))
    every = readings(path)
    if every is None:
        return None
    if every == (path,) and path != b"/":  # as most: nobody reads anything else in it
        return _first(site, path)
    found = [_first(site, reading) for reading in every]
    root = site.distribution.default_root_object
    if root and b"/" in every:  # whoever folds `//` finds the root object there
        found.append(_first(site, b"/" + root.encode()))
    private = [one for one in found if _guard(one)]
    if not private or (_guard(found[0]) and len(found) == 1):
        return found[0]
    if any(_guard(one) != _guard(private[0]) for one in private):
        return None
    return found[0] if _guard(found[0]) else private[0]


def nowhere(_address: str) -> GeoPlace:
    """No place is known: its headers are left out."""
    return NOWHERE


def never() -> float:
    """The largest draw there is: only what is always done is done."""
    return 1 - 2**-53


def locate(
    request: Request,
    table: RouteTable,
    place_of: PlaceOf = nowhere,
    chance: Callable[[], float] = never,
    now: float = 0.0,
) -> RoutedRequest | None:
    """Where a viewer's `request`, as received, goes; None: no site of the table has its host.

    `chance`, from [0, 1), decides between a distribution and its staging one by weight, unless the
    request belongs to a session at `now` (epoch seconds).
    """
    site = table.site(request.host)
    if site is None:
        return None
    if site.traffic is not None and site.staging is not None:
        if site.traffic.sends_to_staging(request.fields, chance, now):
            site = site.staging
        request = replace(request, fields=without_session(request.fields))
    inner = request
    if request.path == b"/" and site.distribution.default_root_object:
        inner = replace(request, path=b"/" + site.distribution.default_root_object.encode())
    matched = matched_route(site, inner.path)
    found = route(site, inner.path) if matched is None else matched
    place = place_of(request.client[0]) if found.needs_place else NOWHERE
    if found.viewer_headers is not None:
        inner = with_viewer_headers(inner, found.viewer_headers, place)
    if found.viewer_fields_removed:
        inner = without_removed(inner, found.viewer_fields_removed)
    return RoutedRequest(request, inner, site, found, place, ambiguous=matched is None)


def route(site: Site, path: bytes) -> Route:
    """The route of a path of the operator's own, which is never refused; else see matched_route."""
    return matched_route(site, path) or _first(site, normalized_path(path))


def pattern(path_pattern: str) -> re.Pattern[bytes]:
    """The expression of a path pattern; a leading slash in it makes no difference."""
    return re.compile(b"/" + glob(path_pattern.removeprefix("/").encode()), re.DOTALL)


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


def _kept(former: Site | None, distribution: Distribution) -> Site | None:
    """The former site, where the distribution is the same; keys may be others."""
    if former is None or former.private or former.uses_files:
        return None
    if former.behaviors[0][1].side is not None:  # its policy may be another
        return None
    if former.distribution is distribution or former.distribution == distribution:
        return former
    return None


def _compile_site(distribution: Distribution, world: RuleWorld) -> Site:
    ordered = (*distribution.behaviors, distribution.default_behavior)
    routes = [
        (pattern(behavior.path_pattern), _route_of(distribution, behavior, world))
        for behavior in ordered
    ]
    last_route = routes[-1][1]
    routes[-1] = (pattern("*"), last_route)
    private = any(_guard(found) for _, found in routes)
    uses_files = any(one.access_list or one.basic_auth or one.purge for _, one in routes)
    limits = dict.fromkeys(one for _, found in routes for one in found.rate_limits)
    by_fields = tuple(one for one in limits if one.kind in ("header", "cookie"))
    return Site(distribution, tuple(routes), private, uses_files, by_fields)


def _route_of(distribution: Distribution, behavior: Behavior, world: RuleWorld) -> Route:
    """A behavior names an origin or an origin group; their ids share one space."""
    origins = {origin.id: origin for origin in distribution.origins}
    groups = {group.id: group for group in distribution.origin_groups}
    group = groups.get(behavior.origin)
    ids = (behavior.origin,) if group is None else group.members
    members = tuple(origins[member] for member in ids)
    named = named_headers(distribution, behavior)
    functions = {one.event_type: one.runs for one in behavior.function_associations}
    lambdas: dict[str, LambdaFunctionAssociation] = {
        one.event_type: one for one in behavior.lambda_function_associations
    }
    return Route(
        distribution,
        behavior,
        origin=members[0],
        semantics=SEMANTICS[distribution.semantics],
        group=group,
        origins=members,
        viewer_headers=named,
        needs_place=distribution.geo_restriction.kind != "none" or needs_place(named),
        depends_on_viewer=depends_on_viewer(distribution, behavior),
        trust=world.ring.trust(behavior),
        releases=compile_releases(distribution.releases),
        redirects=compile_redirects(behavior.redirects),
        viewer_fields_removed=removed_names(behavior.request_headers),
        origin_fields=set_fields(behavior.request_headers),
        access_list=world.access_list(behavior.access_list),
        rate_limits=world.rate_limits + compile_rate_limits(distribution.id, behavior.rate_limits),
        basic_auth=compile_basic_auth(behavior.basic_auth, world.htpasswd),
        purge=_purge_rule(behavior, world),
        request_function=functions.get("viewer-request", ""),
        response_function=functions.get("viewer-response", ""),
        lambdas=lambdas,
        runs_functions=bool(functions) or not VIEWER_EVENTS.isdisjoint(lambdas),
    )


def _purge_rule(behavior: Behavior, world: RuleWorld) -> PurgeRule | None:
    if behavior.purge is None:
        return None
    matcher = world.access_list(behavior.purge.access_list)
    assert matcher is not None, "a purge has a list"
    return PurgeRule(matcher, behavior.purge.soft)


def _guard(found: Route) -> tuple[object, ...]:
    """What lets viewers in on a route: signers, users, addresses; empty: it is everybody's."""
    trust, auth, listed = found.trust, found.behavior.basic_auth, found.behavior.access_list
    if trust is None and auth is None and listed is None:
        return ()
    signers = (frozenset(trust.keys), frozenset(trust.native)) if trust is not None else None
    return signers, auth, listed


def _first(site: Site, matched: bytes) -> Route:
    for matches, found in site.behaviors:
        if matches.fullmatch(matched):
            return found
    return site.behaviors[-1][1]
