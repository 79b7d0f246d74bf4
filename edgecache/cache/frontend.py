"""Viewers' frontend: routes and admits a request, decorates the response.

Law: what a stranger asks is routed and admitted here before any tier hears of it.

Of a response's fields those of the stored or received response, with status and span, are
`rules.response.status_and_ranges`'s to decide; those of policies, Server and Server-Timing
`rules.response.headers_policy`'; here are added Age, Via, X-Cache, X-Amz-Cf-Pop, X-Amz-Cf-Id and
Cache-Status, Date where a policy took it away, and Accept-Ranges where nothing was said of ranges.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from edgecache.cache.environment import product_name, via_pseudonym
from edgecache.cache.error_pages import ErrorPages
from edgecache.cache.function_events import NO_ENGINE, FunctionEvents
from edgecache.cache.outcome import (
    BY_FUNCTION,
    CacheResult,
    Errand,
    ErrorPageErrand,
    Hit,
    Outcome,
    Refusal,
    TriggerErrand,
    age_field,
    cache_status,
)
from edgecache.cache.purge import PURGE, Purger, decide_purge
from edgecache.cache.rule_answers import (
    MANY_PASSWORDS,
    UNAVAILABLE,
    UNKNOWN_HOST,
    ChallengeAnswers,
    PasswordCheck,
    PasswordChecker,
    allow_field,
    challenge_answer,
    options_of,
    options_of_site,
    password_answer,
    redirect_answer,
    redirect_page,
    refusal,
)
from edgecache.cache.tier import Tier
from edgecache.cache.viewer_triggers import ViewerTriggers
from edgecache.cluster.certificates import CHALLENGE_PATH
from edgecache.config.functions import FunctionConfig
from edgecache.config.listen import ViewerPorts
from edgecache.functions.lambda_runner import NO_LAMBDAS, LambdaInvoker
from edgecache.http.dates import format_date
from edgecache.http.message import Fields, Request, combined_value, first_value, without
from edgecache.rules.caching.error_caching import page_for, replacement
from edgecache.rules.caching.reuse import bypass
from edgecache.rules.private.key_ring import MESSAGES, TrustedKeys
from edgecache.rules.private.signature_check import SignatureAccepted
from edgecache.rules.private.signature_fields import SignatureRefused
from edgecache.rules.reasons import MissReason
from edgecache.rules.response.headers_policy import (
    ServerTiming,
    public_fields,
    repeatable,
    viewer_fields,
    wants_timing,
    with_alternative,
    with_timing,
)
from edgecache.rules.routing import (
    PlaceOf,
    Route,
    RoutedRequest,
    RouteTable,
    locate,
    never,
    nowhere,
)
from edgecache.rules.viewer.access import (
    AMBIGUOUS_PATH,
    PAGE_STANDS_FOR,
    AccessRedirect,
    AccessRefused,
    EntryPoint,
    RefusalReason,
    admit,
    counted_down,
    is_listed,
)
from edgecache.rules.viewer.basic_auth import AUTHORIZATION
from edgecache.rules.viewer.geo import NOWHERE
from edgecache.rules.viewer.headers import with_viewer_headers
from edgecache.rules.viewer.rate_limits import RateLimited, TokenBuckets, own_buckets
from edgecache.rules.viewer.request_headers import without_removed
from edgecache.upstream.interface import Body, OnInterim

SIGNED_LEASE_S_MAX = 60.0  # an answer's lease runs on the steady clock, a signature on the wall's:
# so long goes unnoticed that an administrator has set the clock past a signature's end
LIMITED = "Too many requests were made in too short a time. Try again later."
MOVED = "The same is to be had over https."

_ANEW = frozenset({b"via", b"cache-status", b"x-cache"})


class AwaitedFact(Enum):
    """A fact that a decision may have to wait for."""

    CHALLENGE = auto()  # whether a challenge of ACME is ours to answer
    PASSWORD = auto()  # whether it is right


class DecisionErrand(Struct, frozen=True):
    """Wait for a fact that a decision needs, and then decide, with or without it."""

    request: Request
    wait: Callable[[], Awaitable[None]]
    decide: Callable[[float], Hit | ViewerErrand | Refusal]


ViewerErrand = Errand | DecisionErrand
Waited = frozenset[AwaitedFact]
NOT_YET: Waited = frozenset()


@dataclass(frozen=True, slots=True)
class FrontendEnvironment:
    """Environment of a viewers' frontend: places, chance, its ports, the wall clock."""

    place_of: PlaceOf = nowhere
    chance: Callable[[], float] = never  # from [0, 1): Server-Timing, staging distributions
    ports: ViewerPorts = ViewerPorts()  # noqa: RUF009 - a tuple never changes
    inner_layer: str = "EDGE"  # who asks the origins: "REC" behind a regional cache
    wall_clock: Callable[[], float] | None = None  # for signatures; None: the tier's own clock
    challenges: ChallengeAnswers | None = None  # of ACME; None: they go their ordinary way
    buckets: TokenBuckets | None = None  # of rate limits; None: of this frontend alone
    passwords: PasswordChecker | None = None  # None: nobody is let in by one
    purger: Purger | None = None  # None: there is no control to ask
    functions: FunctionEvents | None = None  # None: there is no engine to run any
    lambdas: LambdaInvoker | None = None  # None: no Lambda function is run


class ViewerFrontend:
    """Frontend towards viewers: host to distribution, path to behavior, then the tier."""

    def __init__(
        self, tier: Tier, table: RouteTable, brand: str, world: FrontendEnvironment | None = None
    ) -> None:
        self.tier = tier
        self.table = table  # replaced whole when the configuration changes
        self.brand = brand
        self.product = product_name(brand)
        self.pop = tier.name
        self._own_via = b"1.1 " + via_pseudonym(self.pop, brand)
        self._world = world or FrontendEnvironment()
        self._entrance = EntryPoint(brand.encode(), self._world.ports)
        self._clock = tier.world.clock
        self.buckets = self._world.buckets or own_buckets(b"", self._clock())
        self._pages = ErrorPages(tier, self._prepare)
        lambdas = self._world.lambdas or NO_LAMBDAS
        self._triggers = ViewerTriggers(lambdas, self._prepare, self._clock)

    @property
    def functions(self) -> FunctionEvents | None:
        """What runs functions; None: there is no engine."""
        return self._world.functions

    def use_functions(self, functions: tuple[FunctionConfig, ...]) -> None:
        """The functions are these from now on."""
        if self._world.functions is not None:
            self._world.functions.use(functions)

    @property
    def bucket_bytes(self) -> int:
        """What the buckets of rate limits take."""
        return self.buckets.held_bytes

    def decide(
        self, request: Request, now: float, *, waited: Waited = NOT_YET, draw: float | None = None
    ) -> Hit | ViewerErrand | Refusal:
        """Hit, refusal or errand for a viewer's request, concluded without waiting.

        `waited`: facts that are known by now, if ever. `draw`: what chance has said before.
        """
        chance = self._world.chance if draw is None else partial(float, draw)
        routed = locate(request, self.table, self._world.place_of, chance, now)
        if routed is None:
            return (
                UNKNOWN_HOST if self.table.unavailable_site(request.host) is None else UNAVAILABLE
            )
        route = routed.route
        if request.path.startswith(CHALLENGE_PATH) and (told := self._challenged(request, waited)):
            return told
        if request.path == b"*":
            return options_of_site(request, routed.site.behaviors[-1][1])
        if routed.ambiguous:
            return refusal(AMBIGUOUS_PATH, request)
        if route.rate_limits and (limited := self._limited(request, route, now, waited)):
            return limited
        if route.purge is not None and request.method == PURGE:
            return self._purged(routed)
        refused = admit(request, route, routed.place.country or None, self._entrance)
        if request.method == b"OPTIONS" and refused is None:
            counted = counted_down(routed.request)
            if counted is None:
                return options_of(route.behavior)
            routed = replace(routed, request=counted)
        conclusion: Hit | Errand | Refusal
        if refused is None and (route.redirects or route.basic_auth):
            ruled = self._by_rules(request, route, waited)
            if ruled is not None:
                return ruled
        if route.basic_auth is not None and not route.basic_auth.forwards:
            routed = routed.without((AUTHORIZATION,))
        if refused is not None:
            conclusion = self._refuse(refused, routed.request, route)
        elif route.trust is not None:
            conclusion = self._private(routed, route.trust, now)
        elif route.runs_functions:
            conclusion = self._by_functions(routed.request, routed, now)
        else:
            conclusion = self.tier.decide(routed.request, route, now)
            if isinstance(conclusion, Hit):
                conclusion = self._with_lease(conclusion, routed.request)
        if isinstance(conclusion, Errand) and route.distribution.custom_error_responses:
            return replace(conclusion, received=routed.received)  # of which that for a page is made
        return conclusion

    def _limited(
        self, request: Request, route: Route, now: float, waited: Waited
    ) -> Refusal | None:
        """The refusal of who asks too often; each request is counted once, however it is decided.

        Strangers take nobody's tokens.
        """
        if AwaitedFact.PASSWORD in waited or not is_listed(request, route):
            return None
        limited = self.buckets.take_for(route.rate_limits, request, now)
        return None if limited is None else self._refuse_limited(limited, request)

    def _by_rules(
        self, request: Request, route: Route, waited: Waited
    ) -> Refusal | DecisionErrand | None:
        """What the rules of the behavior answer by themselves: redirects, then passwords."""
        sent = redirect_answer(request, route, self._world.ports)
        if sent is not None or route.basic_auth is None:
            return sent
        answer = password_answer(request, route.basic_auth, self._world.passwords)
        if not isinstance(answer, PasswordCheck):
            return answer
        again = self._once_known(AwaitedFact.PASSWORD, request, waited, route)
        if again is None:
            return replace(MANY_PASSWORDS, close=request.has_body)
        return DecisionErrand(request, answer.wait, again)

    def _purged(self, routed: RoutedRequest) -> Refusal | DecisionErrand | ErrorPageErrand:
        """What becomes of a PURGE; who may not GET there may not do that."""
        request, route = routed.received, routed.route
        as_get = replace(request, method=b"GET")
        refused = admit(as_get, route, routed.place.country or None, self._entrance)
        if refused is not None:
            no_token = routed.without((AUTHORIZATION,))  # an origin of pages is no operator
            return self._refuse(refused, no_token.request, route)
        decision = decide_purge(request, route, self._world.purger)
        if isinstance(decision, Refusal):
            return decision
        return DecisionErrand(request, decision.wait, decision.decide)

    def _once_known(
        self, fact: AwaitedFact, request: Request, waited: Waited, route: Route | None = None
    ) -> Callable[[float], Hit | ViewerErrand | Refusal] | None:
        """The decision once `fact` was waited for, on the side that `route` is of; None where it
        was."""
        if fact in waited:
            return None
        side = None if route is None else route.side
        draw = None if side is None else 0.0 if side.staging else never()
        return partial(self.decide, request, waited=waited | {fact}, draw=draw)

    def _private(
        self, routed: RoutedRequest, trust: TrustedKeys, now: float
    ) -> Hit | Errand | Refusal:
        """The tier's conclusion behind a signature by `trust`, or the refusal."""
        route = routed.route
        wall = now if self._world.wall_clock is None else self._world.wall_clock()
        signature = trust.opens(routed.received, wall)
        request = routed.unsigned(signature)
        if isinstance(signature, SignatureRefused):
            page = page_for(request, route, 403)
            if page is not None:
                return ErrorPageErrand(request, route, page)
            close, fault = request.has_body, signature.fault
            return Refusal(403, MESSAGES[fault], close=close, code=str(fault), reason=str(fault))
        if route.runs_functions:
            conclusion = self._by_functions(request, routed, now)
        else:
            conclusion = self.tier.decide(request, route, now)
        if not isinstance(conclusion, Hit):
            return conclusion
        until = 0.0 if signature.by_address else now + _lease_s(signature, wall)
        hit = replace(conclusion, until=min(conclusion.until, until), runs=None)
        return self._with_lease(hit, request)

    def _challenged(self, request: Request, waited: Waited) -> Refusal | DecisionErrand | None:
        """The answer to a challenge of ACME, or the wait for it; None: it is none of ours."""
        again = self._once_known(AwaitedFact.CHALLENGE, request, waited)
        answered = challenge_answer(request, self._world.challenges)
        if answered is None or isinstance(answered, Refusal):
            return answered
        return None if again is None else DecisionErrand(request, answered.wait, again)

    def _by_functions(
        self, request: Request, routed: RoutedRequest, now: float
    ) -> Hit | Errand | Refusal:
        """The tier's conclusion, by way of the functions of the route."""
        if not (routed.route.request_function or routed.route.response_function):
            return self._by_lambdas(request, routed)
        functions = self._world.functions
        if functions is None:
            return replace(NO_ENGINE, close=request.has_body)
        conclusion = functions.decide(self.tier, request, routed, now)
        return self._with_lease(conclusion, request) if isinstance(conclusion, Hit) else conclusion

    def _by_lambdas(self, request: Request, routed: RoutedRequest) -> TriggerErrand:
        """What is to be waited for before the tier is asked, for a request that is let in."""
        why = bypass(request, routed.route) or MissReason.FUNCTION
        return TriggerErrand(request, routed.route, why, routed.received)

    async def _conclude(
        self, errand: TriggerErrand, on_interim: OnInterim, request: Request, body: Body | None
    ) -> Outcome | Refusal:
        """What comes of a request that the functions of viewers' events have seen."""
        conclusion: Hit | Errand | Refusal
        conclusion = self.tier.decide(request, errand.route, self._clock())
        if isinstance(conclusion, Hit):
            conclusion = self._with_lease(conclusion, request)
        if isinstance(conclusion, Hit):
            return self.tier.serve(conclusion, request, self._clock())
        if isinstance(conclusion, Refusal):
            return conclusion
        conclusion = replace(conclusion, received=errand.received)
        return await self.run(conclusion, body, on_interim)

    def _refuse_limited(self, limited: RateLimited, request: Request) -> Refusal:
        """A request too many: no page of the distribution stands for that, nor is it kept."""
        counted = self.tier.world.counters.labeled["rate_limited"]
        counted.labels(limited.rule.limit.name).value += 1
        retry = ((b"retry-after", b"%d" % limited.retry_after_s),)
        close, result = request.has_body, CacheResult.LIMIT
        return Refusal(429, LIMITED, result, close=close, fields=retry, result=result)

    def _refuse(
        self, refused: AccessRefused | AccessRedirect, request: Request, route: Route
    ) -> Refusal | ErrorPageErrand:
        if isinstance(refused, AccessRedirect):
            return redirect_page(refused.status, refused.location, MOVED)
        if refused.why is RefusalReason.ACCESS_LIST:
            self._count_denied(route)
        if refused.why in PAGE_STANDS_FOR:
            page = page_for(request, route, refused.status)
            if page is not None:
                return ErrorPageErrand(request, route, page)
        if refused.status == 405:  # RFC 9110 §15.5.6 wants to hear what is allowed
            return replace(refusal(refused, request), fields=allow_field(route.behavior))
        return refusal(refused, request)

    def _count_denied(self, route: Route) -> None:
        listed = f"{route.distribution.id} {route.behavior.path_pattern}"
        self.tier.world.counters.labeled["access_denied"].labels(listed, "behavior").value += 1

    def _with_lease(self, hit: Hit, request: Request) -> Hit | ErrorPageErrand:
        """A hit, or the page that stands for it; repeated only where bytes say it all."""
        site, status = hit.route.distribution, hit.plan.status
        if hit.functions is not None:
            status = hit.entry.head.status  # no page stands for what a function has said
        page = replacement(site, status) if status >= 400 else None
        if page is not None:
            return ErrorPageErrand(request, hit.route, page)
        if not repeatable(request, hit.route) or hit.route.depends_on_viewer:
            return replace(hit, until=0.0, runs=None)
        return hit

    async def run(
        self, errand: Errand, body: Body | None, on_interim: OnInterim
    ) -> Outcome | Refusal:
        """Do an errand: see Tier.run, and ErrorPages where the distribution has pages.

        A refusal is what a viewer-response function has made of the outcome.
        """
        if isinstance(errand, TriggerErrand):
            return await self._triggers.run(
                errand, body, partial(self._conclude, errand, on_interim)
            )
        pages, functions = errand.route.distribution.custom_error_responses, self._world.functions
        if not pages and not isinstance(errand, ErrorPageErrand):
            outcome = await self.tier.run(errand, body, on_interim)
        else:
            outcome = await self._pages.run(errand, self.table, body, on_interim)
        if functions is None or not errand.route.response_function:
            return outcome
        given = functions.respond(errand.request, errand.route, outcome)
        if given is not outcome:
            self._pages.drop(outcome)
        return given

    def _prepare(self, request: Request, route: Route) -> Request:
        """The request of the tier on this route, for one as received."""
        place = self._world.place_of(request.client[0]) if route.needs_place else NOWHERE
        request = with_viewer_headers(request, route.viewer_headers, place)
        request = without_removed(request, route.viewer_fields_removed)
        if route.basic_auth is not None and not route.basic_auth.forwards:
            request = replace(request, fields=without(request.fields, (AUTHORIZATION,)))
        return request if route.trust is None else route.trust.stripped(request)

    def dressed(
        self, outcome: Outcome, request_id: bytes, asked: tuple[Request, Route] | None,
        took_s: float,
    ) -> Fields:  # fmt: skip
        """The outcome's fields as a viewer gets them, `took_s` after the request began.

        `asked` None: a page of our own, on which no policy bears.
        """
        word = f"{outcome.result} from {self.brand}"
        if outcome.status >= 400 and outcome.result not in BY_FUNCTION:
            word = f"Error from {self.brand}"
        fields = public_fields(outcome.fields, _ANEW)
        if asked is not None:
            fields = self._apply_policy(fields, outcome, *asked)
            if wants_timing(*asked, self._world.chance()):
                fields = with_timing(fields, self._timing(outcome, request_id, took_s))
            if self._world.ports.quic:
                fields = with_alternative(fields, asked[1], self._world.ports.quic)
        return (
            *fields,
            *age_field(outcome),
            (b"via", self._via(outcome.fields)),
            (b"x-cache", word.encode()),
            (b"x-amz-cf-pop", self.pop.encode()),
            (b"cache-status", cache_status(outcome, self.pop)),
            (b"x-amz-cf-id", request_id),
        )

    def _apply_policy(
        self, fields: Fields, outcome: Outcome, request: Request, route: Route
    ) -> Fields:
        dated = first_value(fields, b"date") is not None
        fields = viewer_fields(fields, request, route, self.product)
        if dated and first_value(fields, b"date") is None:  # taken away by a policy: then ours
            fields = (*fields, (b"date", format_date(self._clock())))
        cached = outcome.age_s is not None and outcome.status in (200, 206)
        if cached and route.semantics.offers_ranges:
            names = {name for name, _ in fields}
            if names.isdisjoint((b"accept-ranges", b"content-encoding")):
                fields = (*fields, (b"accept-ranges", b"bytes"))
        return fields

    def _timing(self, outcome: Outcome, request_id: bytes, took_s: float) -> ServerTiming:
        here = outcome.trace.hit or outcome.trace.collapsed
        word = {CacheResult.HIT: "hit", CacheResult.REFRESH_HIT: "refresh"}.get(
            outcome.result, "miss"
        )
        if outcome.trace.hit:
            word = "hit"
        layer = "EDGE" if here and word != "miss" else self._world.inner_layer
        return ServerTiming(word, layer, self.pop, request_id, took_s)

    def _via(self, fields: Fields) -> bytes:
        own = self._own_via
        before = combined_value(fields, b"via")
        return own if before is None else before + b", " + own


def _lease_s(signature: SignatureAccepted, wall: float) -> float:
    return min(signature.until - wall, SIGNED_LEASE_S_MAX)
