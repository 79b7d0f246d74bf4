"""Freshness lifetime, age and staleness allowances of a stored response.

Law: nothing outside this file decides how long a response may be reused. `assess` reads a stored
response's facts once, for one route, into an Assessment; everything later is arithmetic on it. RFC
9111 §4.2, RFC 5861, RFC 9213; CloudFront Developer Guide, "Managing how long content stays in the
cache (expiration)" and "How CloudFront caches HTTP 4xx and 5xx".
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from edgecache.config.model import CachePolicy, CustomErrorResponse
from edgecache.http.cache_control import Directives, parse_directives
from edgecache.http.dates import parse_date
from edgecache.http.function_cache import CONFIGURED_BYTES, DIRECTIVES_BYTES, cached
from edgecache.http.message import (
    Fields,
    Response,
    combined_value,
    field_values,
    first_value,
    is_short,
    list_members,
    without,
)
from edgecache.http.structured_fields import parse_targeted
from edgecache.rules.caching.error_caching import error_caching_s
from edgecache.rules.routing import Route

HEURISTIC_FRACTION = 0.1  # RFC 9111 §4.2.2: "a typical setting of this fraction might be 10%"
HEURISTIC_S_MAX = 86_400.0  # a day: RFC 7234 asked for a Warning beyond it
# RFC 9110 §15.1, less 206, which is stored only in parts.
HEURISTIC_STATUSES = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})
ERRORS_ALWAYS = frozenset({404, 414, 500, 501, 502, 503, 504})
ERRORS_ON_REQUEST = frozenset({400, 403, 405, 412, 415})
STALE_S_CUT_OFF = 86_400.0  # RFC 9111 §4.2.4 sets no bound; Varnish keeps objects as long in grace
Errors = tuple[CustomErrorResponse, ...]
_SAID_BYTES_KNOWN = 256  # as for Cache-Control alone


@dataclass(frozen=True, slots=True)
class TtlStep:
    """A step on the way to a lifetime: the rule that fired, and the seconds it left."""

    rule: str
    ttl_s: float
    because: str


class Assessment(Struct, frozen=True):
    """Lifetime, age and staleness allowances of a stored response on one route; all in seconds."""

    lifetime_s: float  # fresh while its age is below this
    age_on_arrival_s: float
    rule: str  # what gave the lifetime: "s-maxage", "max-age", "expires", "default", ...
    stale_while_revalidate_s: float = 0.0
    stale_if_error_s: float = 0.0
    stale_if_cut_off_s: float = 0.0  # when upstream cannot be reached at all
    validate_always: bool = False  # no-cache, or Vary: * under CloudFront's rules
    never_stale: bool = False  # must-revalidate and its kin: stale is never served

    def age(self, received_at: float, now: float) -> float:
        """Age in seconds (RFC 9111 §4.2.3); never negative."""
        return self.age_on_arrival_s + max(0.0, now - received_at)

    def fresh_until(self, received_at: float) -> float:
        """The epoch second from which it is stale."""
        return received_at + self.lifetime_s - self.age_on_arrival_s


def assess(head: Response, route: Route) -> Assessment:
    """The assessment of `head`, a response we stored or might, on `route`."""
    targets = route.distribution.cache_control_targets
    if not route.semantics.policy_ttls_decide:
        return _assess_rfc9111(head, *response_directives(head.fields, targets))
    names = _said_names(targets)
    said = tuple([field for field in head.fields if field[0] in names])
    if b"expires" in dict(said):
        return _assess_cloudfront(head, route)  # counts from its Date, or its arrival
    assessed = _assessed if is_short(said, _SAID_BYTES_KNOWN) else _assessed.__wrapped__
    return assessed(head.status, said, route)


def ttl_steps(head: Response, route: Route) -> tuple[TtlStep, ...]:
    """How the lifetime in `assess` comes about; the last step has it."""
    directives, targeted = response_directives(
        head.fields, route.distribution.cache_control_targets
    )
    if not route.semantics.policy_ttls_decide:
        found = _assess_rfc9111(head, directives, targeted)
        return (TtlStep(found.rule, found.lifetime_s, "RFC 9111 §4.2.1, in its order"),)
    policy, errors = route.behavior.cache_policy, route.distribution.custom_error_responses
    return cloudfront_ttl_steps(head, policy, directives, errors)


def directives_of(fields: Fields) -> Directives:
    """The Cache-Control of a message."""
    return parse_directives(tuple(field_values(fields, b"cache-control")))


def response_directives(fields: Fields, targets: tuple[str, ...]) -> tuple[Directives, bool]:
    """The directives that bind us, and whether they are targeted (RFC 9213 §2.2).

    `targets` are field names, the one that counts most first. A valid, non-empty targeted field
    replaces Cache-Control, Expires and the targets after it altogether.
    """
    names = _directive_names(targets)
    named = tuple([field for field in fields if field[0] in names])
    return (
        _binding(named, targets)
        if is_short(named, _SAID_BYTES_KNOWN)
        else _binding.__wrapped__(named, targets)
    )


def age_value(fields: Fields) -> float:
    """The Age field in seconds; the first member where there are several; 0 when malformed."""
    return float(_first_age(fields) or 0)


def with_one_age(fields: Fields) -> Fields:
    """The fields with the Age that counts alone, in seconds; without Age when it is malformed."""
    age = _first_age(fields)
    others = without(fields, (b"age",))
    return others if age is None else (*others, (b"age", b"%d" % age))


def cloudfront_ttl(
    head: Response, policy: CachePolicy, directives: Directives, errors: Errors = ()
) -> tuple[float, str]:
    """Seconds an object is kept without asking, and the rule that said so."""
    last = cloudfront_ttl_steps(head, policy, directives, errors)[-1]
    return last.ttl_s, last.rule


def cloudfront_ttl_steps(
    head: Response, policy: CachePolicy, directives: Directives, errors: Errors = ()
) -> tuple[TtlStep, ...]:
    """Each rule that bore on the TTL, in order; the last one gave it."""
    named, rule = _explicit_lifetime(head, directives, False)
    least, most = float(policy.ttl_s_min), float(policy.ttl_s_max)
    if head.status >= 400:
        caching_s = error_caching_s(errors, head.status)
        kept = TtlStep("error-caching", caching_s, "ErrorCachingMinTTL of this status")
        if named is None or named <= caching_s:
            return (kept,)
        return kept, TtlStep(rule, named, "the error says longer")
    if directives.has(b"no-store") or _unqualified(directives):
        return (TtlStep("min-ttl", least, "no-store, no-cache or private: MinTTL alone counts"),)
    if named is None:
        usual = TtlStep("default", float(policy.ttl_s_default), "nothing says it: DefaultTTL")
        if usual.ttl_s >= least:
            return (usual,)
        return usual, TtlStep("min-ttl", least, "raised to MinTTL")
    steps = [TtlStep(rule, named, "what the origin says")]
    if named < least:
        steps.append(TtlStep("min-ttl", least, "raised to MinTTL"))
    if steps[-1].ttl_s > most:
        steps.append(TtlStep("max-ttl", most, "cut to MaxTTL"))
    return tuple(steps)


@cached(1_024, 2_560)  # an origin says the same of most of its objects
def _assessed(status: int, said: Fields, route: Route) -> Assessment:
    """The assessment of every head that says so: no other field has a say in it."""
    return _assess_cloudfront(Response(status, b"", said), route)


@cached(512, CONFIGURED_BYTES)  # one for each distribution's targets
def _said_names(targets: tuple[str, ...]) -> frozenset[bytes]:
    """Names of the fields that bear on an assessment by CloudFront's rules."""
    return frozenset({b"age", b"expires", b"vary"}) | _directive_names(targets)


@cached(512, CONFIGURED_BYTES)
def _directive_names(targets: tuple[str, ...]) -> frozenset[bytes]:
    return frozenset({b"cache-control", *[name.lower().encode("ascii") for name in targets]})


@cached(256, DIRECTIVES_BYTES)
def _binding(fields: Fields, targets: tuple[str, ...]) -> tuple[Directives, bool]:
    for name in targets:
        values = field_values(fields, name.lower().encode("ascii"))
        if values:
            targeted = parse_targeted(values)
            if targeted is not None:
                return targeted, True
    return directives_of(fields), False


def _assess_rfc9111(head: Response, directives: Directives, targeted: bool) -> Assessment:
    lifetime, rule = _explicit_lifetime(head, directives, targeted)
    if lifetime is None:
        lifetime, rule = _heuristic_lifetime(head, directives)
    shared_strict = (
        directives.has(b"must-revalidate")
        or directives.has(b"proxy-revalidate")
        or directives.has(b"s-maxage")  # §5.2.2.10: implies proxy-revalidate
    )
    return Assessment(
        lifetime_s=lifetime,
        age_on_arrival_s=_corrected_initial_age(head),
        rule=rule,
        stale_while_revalidate_s=float(directives.seconds(b"stale-while-revalidate") or 0),
        stale_if_error_s=float(directives.seconds(b"stale-if-error") or 0),
        stale_if_cut_off_s=STALE_S_CUT_OFF,
        validate_always=directives.has(b"no-cache") and not directives.field_names(b"no-cache"),
        never_stale=shared_strict,
    )


def _first_age(fields: Fields) -> int | None:
    """RFC 9111 §5.1: of several members the first is used; one that is no number is ignored."""
    value = first_value(fields, b"age")
    if value is None:
        return None
    first = value.split(b",")[0].strip()
    return min(int(first[:20]), 2**31) if first.isdigit() else None


def _corrected_initial_age(head: Response) -> float:
    """RFC 9111 §4.2.3: the larger of apparent age and Age plus the time the answer took."""
    dated = parse_date(first_value(head.fields, b"date") or b"")
    apparent = max(0.0, head.received_at - dated) if dated is not None else 0.0
    delay = max(0.0, head.received_at - head.requested_at)
    return max(apparent, age_value(head.fields) + delay)


def _explicit_lifetime(
    head: Response, directives: Directives, targeted: bool
) -> tuple[float | None, str]:
    """RFC 9111 §4.2.1, in its order."""
    for name in (b"s-maxage", b"max-age"):
        seconds = directives.seconds(name)
        if seconds is not None:
            return float(seconds), name.decode()
    expires = field_values(head.fields, b"expires")
    if expires and not targeted:
        return _expires_in(head, expires), "expires"
    return None, "none"


def _expires_in(head: Response, expires: list[bytes]) -> float:
    at = parse_date(expires[0]) if len(set(expires)) == 1 else None
    if at is None:
        return 0.0  # §5.3: an invalid date, "0" above all, is a time in the past
    dated = parse_date(first_value(head.fields, b"date") or b"")
    return max(0.0, at - (head.received_at if dated is None else dated))


def _heuristic_lifetime(head: Response, directives: Directives) -> tuple[float, str]:
    """RFC 9111 §4.2.2."""
    modified = parse_date(first_value(head.fields, b"last-modified") or b"")
    if modified is None:
        return 0.0, "none"
    if head.status not in HEURISTIC_STATUSES and not directives.has(b"public"):
        return 0.0, "none"
    dated = parse_date(first_value(head.fields, b"date") or b"")
    since = (head.received_at if dated is None else dated) - modified
    return min(max(0.0, since) * HEURISTIC_FRACTION, HEURISTIC_S_MAX), "heuristic"


def _assess_cloudfront(head: Response, route: Route) -> Assessment:
    directives, _ = response_directives(head.fields, route.distribution.cache_control_targets)
    policy = route.behavior.cache_policy
    errors = route.distribution.custom_error_responses
    lifetime, rule = cloudfront_ttl(head, policy, directives, errors)
    vary_any = b"*" in list_members(combined_value(head.fields, b"vary") or b"")
    # No stale copy is ever older than MaxTTL, whoever allows it.
    room = max(0.0, policy.ttl_s_max - lifetime)
    allowed = directives.seconds(b"stale-if-error")
    return Assessment(
        lifetime_s=lifetime,
        age_on_arrival_s=age_value(head.fields),
        rule=rule,
        stale_while_revalidate_s=min(room, directives.seconds(b"stale-while-revalidate") or 0),
        # With no directive a stale copy is served when the origin fails, up to MaxTTL.
        stale_if_error_s=room if allowed is None else min(room, allowed),
        validate_always=vary_any and policy.ttl_s_min == 0,
        never_stale=policy.ttl_s_max == 0,
    )


def _unqualified(directives: Directives) -> bool:
    """no-cache or private that covers the whole response, not just named fields."""
    return any(
        directives.has(name) and not directives.field_names(name)
        for name in (b"no-cache", b"private")
    )
