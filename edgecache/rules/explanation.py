"""Explanation of a request: route, access, key, freshness and stored entries as text.

Law: it tells what the rules concluded, and concludes nothing by itself; an entry's age and lifetime
are told as the rules judge them. What is told is text, so that it can be JSON and be read; bytes
are decoded as Latin-1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from msgspec import structs

from edgecache.config.caches import allows_http2, allows_http3
from edgecache.config.lambda_functions import label_of
from edgecache.config.units import shown_size
from edgecache.http.message import Request, Response, first_value
from edgecache.http.target import normalized_path
from edgecache.rules.caching.compression import BODY_BYTES_MIN, coding_for, why_never_compressed
from edgecache.rules.caching.freshness import Assessment, TtlStep, ttl_steps
from edgecache.rules.caching.key import cache_key, has_query, key_parts, without_connection_options
from edgecache.rules.caching.reuse import bypass, collapses
from edgecache.rules.caching.stored_parts import StoredPart
from edgecache.rules.caching.vary import Selected
from edgecache.rules.private.signature_fields import SignatureRefused
from edgecache.rules.routing import Route, RoutedRequest, RouteTable, locate
from edgecache.rules.viewer.access import AMBIGUOUS_PATH, AccessRedirect, EntryPoint, admit
from edgecache.rules.viewer.redirects import redirection

PREFIXES_MAX = 32  # of a path; CloudFront's URLs rarely have a tenth of that many segments
_COMPRESSIBLE = ((b"content-type", b"text/html"),)


@dataclass(frozen=True, slots=True)
class BehaviorMatch:
    """Which distribution and behavior, and why."""

    distribution: str
    name: str  # of the distribution, that the host matched; `*`: it takes any
    semantics: str
    behavior: int  # its place in the order of patterns; the default comes last
    pattern: str
    passed_over: tuple[str, ...]  # the patterns before it, which did not match
    path: str  # the default root object stands in for `/`
    matched_as: str  # the path as patterns see it
    deployment: str = ""  # what part of the requests which distribution serves; empty: all


@dataclass(frozen=True, slots=True)
class AccessExplanation:
    """Whether the request may enter. `status` 0: it may."""

    status: int = 0
    why: str = ""
    location: str = ""  # where a redirect leads


@dataclass(frozen=True, slots=True)
class KeyPart:
    """A part of a key. None: the request has no such header or value, which is not empty."""

    name: str
    values: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The conclusions of the configuration alone. Without `choice` no site answers."""

    url: str
    method: str
    choice: BehaviorMatch | None = None
    admission: AccessExplanation = AccessExplanation()
    bypass: str = ""  # why nothing is looked up or stored; then there is no key
    key: str = ""
    key_parts: tuple[KeyPart, ...] = ()
    collapses: bool = False
    compresses: str = ""  # the coding, for what is compressible by type and length
    invalidated_by: tuple[str, ...] = ()
    unavailable: tuple[str, ...] = ()  # why the distribution of this name answers 503
    unsupported: tuple[str, ...] = ()  # what the distribution asks for and is served without
    never_compressed: str = ""  # why not, though the behavior has `compress`
    viewer_rules: tuple[str, ...] = ()  # of the behavior, that bear on the request
    http_version: str = "1.1"  # the viewer's


class LookupExplanation(StrEnum):
    """Action a tier would take on the request now."""

    HIT = "hit"
    STALE = "stale"  # served as it is, and refreshed in the background
    VALIDATE = "validate"  # upstream is asked whether what is stored still holds
    FETCH = "fetch"
    BYPASS = "bypass"  # upstream is asked, and nothing looked up or stored
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class StoredExplanation:
    """A stored response. Times are seconds; `ttl_left_s` is below zero once it is stale."""

    answers: bool  # it is what this request would be given, not only one under the same key
    status: int
    body_bytes: int
    size_bytes: int  # with what it costs to keep
    age_s: float
    ttl_s: float
    ttl_left_s: float
    ttl: tuple[TtlStep, ...]
    stale_while_revalidate_s: float
    stale_if_error_s: float
    etag: str
    last_modified: str
    content_encoding: str
    variant: tuple[tuple[str, str | None], ...]  # the request headers it was chosen by
    part: str = ""  # of which bytes, when it is not the whole


@dataclass(frozen=True, slots=True)
class TierExplanation:
    """One process's explanation of a request."""

    node: str
    role: str
    location: str
    now: LookupExplanation
    why: str = ""  # the reason word, as in Cache-Status
    stored: tuple[StoredExplanation, ...] = ()
    functions: tuple[str, ...] = ()  # what they make of request and response, line by line


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """A stored response's facts, as the store has them."""

    head: Response
    body_bytes: int
    size_bytes: int
    selected: Selected
    part: StoredPart | None


def locate_unsigned(request: Request, table: RouteTable, now: float = 0.0) -> RoutedRequest | None:
    """Where a viewer's `request` goes, as the tiers have it; None: no site has its host.

    Where a weight decides, and no session at `now`, that is the primary distribution.
    """
    routed = locate(request, table, now=now)
    return None if routed is None else structs.replace(routed, request=routed.unsigned())


def explain(request: Request, table: RouteTable, entrance: EntryPoint, now: float) -> Explanation:
    """The rules' conclusions on a viewer's `request` at `now` (wall clock, epoch seconds).

    The viewer's country is not known, nor the address unless the request has it.
    """
    url = text(b"%b://%b%b" % (request.scheme, request.authority, request.target))
    where = locate_unsigned(request, table, now)
    told = Explanation(url, text(request.method), http_version=text(request.version))
    if where is None:
        unserved = table.unavailable_site(request.host)
        return replace(told, unavailable=() if unserved is None else unserved.reasons)
    told = replace(
        told,
        choice=_choice(where, table),
        admission=_admission(where, entrance, now),
        viewer_rules=_viewer_rules(where),
    )
    inner = without_connection_options(where.request)
    passes = bypass(inner, where.route)
    if passes is not None:
        return replace(told, bypass=str(passes))
    parts = key_parts(inner, where.route)
    return replace(
        told,
        key=text(cache_key(inner, where.route)),
        key_parts=tuple(KeyPart(name, tuple(map(text_or_none, items))) for name, items in parts),
        collapses=collapses(inner, where.route),
        compresses=_compresses(inner, where.route),
        never_compressed=why_never_compressed(where.route),
        invalidated_by=invalidated_by(where),
    )


def invalidated_by(where: RoutedRequest) -> tuple[str, ...]:
    """Invalidation paths that remove the object, the closest first.

    Developer Guide, "Specify the files to invalidate": query strings count where they are keyed.
    """
    path, query = where.request.path, where.request.query
    keyed = query is not None and has_query(where.route.behavior.cache_policy)
    exact = where.request.target if keyed else path
    folders = [path[: at + 1] for at in range(len(path)) if path[at : at + 1] == b"/"]
    prefixes = [path, *reversed(folders[-PREFIXES_MAX:])]
    found = [exact, *(prefix + b"*" for prefix in dict.fromkeys(prefixes)), b"/*"]
    return tuple(map(text, dict.fromkeys(found)))


def text(data: bytes) -> str:
    """Bytes as they can be told."""
    return data.decode("latin-1")


def text_or_none(data: bytes | None) -> str | None:
    """As `text`, of what may be absent."""
    return None if data is None else text(data)


def stored(
    held: EntryFacts, route: Route, found: Assessment, now: float, *, answers: bool
) -> StoredExplanation:
    """The explanation of the stored response `held` on `route` at `now` (epoch seconds)."""
    head = held.head

    def value(name: bytes) -> str:
        return text(first_value(head.fields, name) or b"")

    return StoredExplanation(
        answers=answers,
        status=head.status,
        body_bytes=held.body_bytes,
        size_bytes=held.size_bytes,
        age_s=round(found.age(head.received_at, now), 3),
        ttl_s=found.lifetime_s,
        ttl_left_s=round(found.fresh_until(head.received_at) - now, 3),
        ttl=ttl_steps(head, route),
        stale_while_revalidate_s=found.stale_while_revalidate_s,
        stale_if_error_s=found.stale_if_error_s,
        etag=value(b"etag"),
        last_modified=value(b"last-modified"),
        content_encoding=value(b"content-encoding"),
        variant=tuple((text(name).strip(), text_or_none(item)) for name, item in held.selected),
        part=_part(held.part),
    )


def _choice(where: RoutedRequest, table: RouteTable) -> BehaviorMatch:
    site = where.site
    index = next(i for i, (_, found) in enumerate(site.behaviors) if found is where.route)
    patterns = [found.behavior.path_pattern for _, found in site.behaviors[:-1]]
    return BehaviorMatch(
        distribution=site.distribution.id,
        name=_matched_name(where.received.host, table),
        semantics=site.distribution.semantics,
        behavior=index,
        pattern=[*patterns, "*"][index],
        passed_over=tuple(patterns[:index]),
        path=text(where.request.path),
        matched_as=text(normalized_path(where.request.path)),
        deployment=_deployment(where, table),
    )


def _deployment(where: RoutedRequest, table: RouteTable) -> str:
    """What a continuous deployment policy says of the requests of a primary distribution."""
    primary = table.site(where.received.host)
    if primary is None or primary.traffic is None or primary.staging is None:
        return ""
    rule, staging = primary.traffic, primary.staging.distribution.id
    share = f"{rule.weight:.2%} of requests, by chance"
    if rule.header:
        share = f"requests with {text(rule.header)}: {text(rule.value)}"
    elif rule.idle_s:
        share += f", for sessions of {rule.idle_s} s idle and {rule.session_s_max} s at most"
    side = "staging" if where.site is primary.staging else "primary"
    return f"{side} of {primary.distribution.id}; its staging {staging} serves {share}"


def _matched_name(host: bytes, table: RouteTable) -> str:
    if host in table.exact:
        return text(host)
    return "*" + text(table.wildcard_suffix(host) or b"")


def _admission(where: RoutedRequest, entrance: EntryPoint, now: float) -> AccessExplanation:
    route = where.route
    if not _is_offered(where):
        return AccessExplanation(421, "misdirected")
    if not where.received.client[0]:
        route = structs.replace(route, access_list=None)  # whose address is not known
    refused = admit(where.received, route, None, entrance)
    if where.ambiguous:
        refused = AMBIGUOUS_PATH
    if refused is None:
        sent = redirection(where.received, where.route.redirects, entrance.ports)
        if sent is None:
            return _signature(where, now)
        return AccessExplanation(sent.status, f"redirects[{sent.index}]", text(sent.location))
    if isinstance(refused, AccessRedirect):
        return AccessExplanation(refused.status, "redirect-to-https", text(refused.location))
    return AccessExplanation(refused.status, str(refused.why))


def _is_offered(where: RoutedRequest) -> bool:
    """Whether the distribution does the viewer's version of HTTP, where TLS has to agree on it."""
    major, version = where.received.major, where.site.distribution.http_version
    if major == 1 or where.received.scheme != b"https":
        return True
    return allows_http2(version) if major == 2 else allows_http3(version)


def _viewer_rules(where: RoutedRequest) -> tuple[str, ...]:
    """What the rules of the behavior make of a request that is let in."""
    route, rules = where.route, []
    removed = [name for name, _ in where.received.fields if name in route.viewer_fields_removed]
    if removed:
        names = ", ".join(text(name) for name in dict.fromkeys(removed))
        rules.append(f"request_headers: {names} of the viewer not taken")
    if route.origin_fields:
        names = ", ".join(text(name) for name, _ in route.origin_fields)
        rules.append(f"request_headers: {names} set towards the origin")
    if route.request_function:
        rules.append(
            f"function {route.request_function} runs at viewer-request: what is told here of the"
            " key and the origin is of the request before it; each edge tells what it makes of it"
        )
    for event, one in route.lambdas.items():
        label = label_of(one.function_arn)
        rules.append(f"Lambda function {label} runs at {event}: nodes tell what it made of it last")
    auth = route.behavior.basic_auth
    if auth is not None:
        rules.append(f"basic_auth: a user of {auth.file} may enter (no password is asked for here)")
    if route.purge is not None:
        rules.append("purge: PURGE is taken, from whom its access list names, with a token")
    if route.behavior.maintenance.enabled:
        rules.append("maintenance: the origin is not asked; what is stored, else 503")
    return (*rules, *_limits(where))


def _limits(where: RoutedRequest) -> Iterator[str]:
    """Which rate limits it draws on, and by which key; none is drawn on by being explained."""
    for rule in where.route.rate_limits:
        limit, value = rule.limit, rule.value(where.received)
        key = limit.key if rule.kind != "path" else f"path {text(value or b'')}"
        if value is None:
            key = "the viewer's address"
            if rule.kind != "address":
                key += f", as it has no {limit.key.replace(':', ' ')}"
        said = f"{limit.requests_per_s:g} requests a second, {limit.burst} at once, by {key}"
        yield f"rate_limits: {limit.name}: {said}"
    pace = where.route.behavior.limit_rate
    if pace is not None:
        after = f" after {shown_size(pace.after_bytes)}" if pace.after_bytes else ""
        yield f"limit_rate: {shown_size(pace.bytes_per_s)} a second{after}"


def _signature(where: RoutedRequest, now: float) -> AccessExplanation:
    """Of a behavior that names signers."""
    trust = where.route.trust
    opened = None if trust is None else trust.opens(where.received, now)
    if isinstance(opened, SignatureRefused):
        return AccessExplanation(403, f"{opened.fault}: {opened.detail}")
    return AccessExplanation()


def _compresses(request: Request, found: Route) -> str:
    """The coding a page of text would get that is just long enough."""
    page = Response(200, b"", _COMPRESSIBLE)
    return text(coding_for(request, page, BODY_BYTES_MIN, found) or b"")


def _part(part: StoredPart | None) -> str:
    if part is None:
        return ""
    total = "*" if part.total is None else str(part.total)
    return f"bytes {part.first}-{part.after - 1}/{total}"
