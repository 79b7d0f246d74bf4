"""Functions in the life of a viewer's request: before the key is made, and before it is answered.

Law: what a function failed at, or gave a response of its own to, is answered at once; nothing of it
is stored. Developer Guide, "How CloudFront Functions work": the behavior is chosen before, and what
a function makes of the path changes it no more. At viewer-response a function is not asked where
the status is 400 or more, where a function or a page of the distribution answers, and for a
redirect to https.

An answer that a function has seen is nobody else's: it is never repeated by the bytes that asked
alone. Its hit says what functions were given and said (`HitRuns`), by which it may be found again
once they have run for the next who asks, and have said the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from edgecache.cache.outcome import CacheResult, Errand, Hit, HitRuns, Outcome, Refusal
from edgecache.cache.tier import Tier
from edgecache.config.functions import FunctionConfig
from edgecache.functions.context import RunOutput, RunText
from edgecache.functions.event import (
    FunctionResponse,
    Json,
    applied_request,
    applied_response,
    differences,
    is_response,
    request_object,
    response_object,
    text_of,
)
from edgecache.functions.header_rules import ValidationProblem
from edgecache.functions.origin_change import OriginRoutes, note_of
from edgecache.functions.run_template import RunStep, RunTemplate
from edgecache.functions.runner import FunctionError, FunctionFailure, FunctionRunner, Run
from edgecache.http.message import Fields, FunctionRecord, Request
from edgecache.rules.routing import Route, RoutedRequest

# The sentences of CloudFront's own pages.
_WHY = {
    FunctionFailure.EXECUTION: "The CloudFront function associated with the CloudFront "
    "distribution is invalid or could not run.",
    FunctionFailure.VALIDATION: "The CloudFront function returned an invalid value: a header, "
    "status, body or URI that it may not set.",
    FunctionFailure.THROTTLED: "The CloudFront function associated with the CloudFront "
    "distribution was throttled.",
}
_RESULTS = {
    FunctionFailure.EXECUTION: CacheResult.FUNCTION_EXECUTION,
    FunctionFailure.VALIDATION: CacheResult.FUNCTION_VALIDATION,
    FunctionFailure.THROTTLED: CacheResult.FUNCTION_THROTTLED,
}
NO_ENGINE = Refusal(
    503, _WHY[FunctionFailure.EXECUTION], FunctionFailure.EXECUTION,
    result=CacheResult.FUNCTION_EXECUTION, reason="no-function-engine",
)  # fmt: skip


class FunctionTrace(Struct):
    """What functions made of a request and its response, line by line, for who explains it."""

    lines: list[str] = msgspec.field(default_factory=list)

    def tell(self, function: str, shown: Json, given: object) -> None:
        """What a function was shown, and what it gave back, as far as the two differ."""
        self.lines += [f"{function}: {change}" for change in differences(shown, given)]


class RequestRuns(Struct):
    """The runs of one request: its id, its time (epoch seconds), and what functions said.

    `said` has what was asked of them before the request was read, by input.
    """

    id: bytes
    now: float
    said: list[tuple[str, RunText | FunctionError]] = msgspec.field(default_factory=list)
    steps: list[RunStep] = msgspec.field(default_factory=list)


class FunctionEvents:
    """Runs the functions of routes for a frontend. `next_id` gives a request its id."""

    def __init__(self, runner: FunctionRunner, next_id: Callable[[], bytes]) -> None:
        self.runner = runner
        self.trace: FunctionTrace | None = None  # where what is run is written down
        self.begun: RequestRuns | None = None  # of the request that is decided next
        self._next_id = next_id
        self._routes = OriginRoutes()

    def use(self, functions: Iterable[FunctionConfig]) -> None:
        """The functions are these from now on."""
        self.runner.use(functions)
        self._routes = OriginRoutes()

    def decide(
        self, tier: Tier, request: Request, routed: RoutedRequest, now: float
    ) -> Hit | Errand | Refusal:
        """The tier's conclusion for `request`, routed so, by way of the functions of its route."""
        runs, self.begun = self.begun, None
        if runs is None or runs.now != now or request.id:
            runs = RequestRuns(request.id or self._next_id(), now)
        route, record = routed.route, FunctionRecord(runs.id)
        own = replace(request, id=record.id, functions=record)
        if route.request_function:
            changed = self._at_request(own, routed.received.path, route, runs)
            if isinstance(changed, Refusal):
                return changed
            own, route = changed
        conclusion: Hit | Errand | Refusal = tier.decide(own, route, now)
        return self._hit(conclusion, own, runs) if isinstance(conclusion, Hit) else conclusion

    def said(
        self, template: RunTemplate, runs: RequestRuns, address: str
    ) -> RunText | FunctionError:
        """What a function says for a request of the viewer at `address`: it runs once, though it
        may be asked for by the request's bytes, and again by its decision.
        """
        text = template.text(runs.id.decode("ascii"), address, runs.now)
        for asked, said in runs.said:
            if asked == text:
                return said
        found: RunText | FunctionError
        try:
            found = self.runner.run_text(template.function, text, runs.now)
        except FunctionError as error:
            found = error
        runs.said.append((text, found))
        return found

    def explain(
        self, routed: RoutedRequest, trace: FunctionTrace
    ) -> tuple[Request, Route] | Refusal:
        """What a viewer-request function makes of a request, told to `trace`; it is run and counted
        as for any viewer.
        """
        record, runs = FunctionRecord(b"explained"), self._explained()
        request = replace(routed.request, id=record.id, functions=record)
        if not routed.route.request_function:
            return request, routed.route
        self.trace = trace
        try:
            return self._at_request(request, routed.received.path, routed.route, runs)
        finally:
            self.trace = None

    def explain_hit(self, hit: Hit, request: Request, trace: FunctionTrace) -> None:
        """What a viewer-response function makes of a hit, told to `trace`."""
        self.trace = trace
        try:
            self._hit(hit, request, self._explained())
        finally:
            self.trace = None

    def _explained(self) -> RequestRuns:
        return RequestRuns(b"explained", self.runner.world.clock())

    def _at_request(
        self, request: Request, received_path: bytes, route: Route, runs: RequestRuns
    ) -> tuple[Request, Route] | Refusal:
        """The request and the route as a viewer-request function wants them, or its answer."""
        record = _record_of(request)
        asked = replace(request, path=received_path)
        event = _event(asked, route, "viewer-request")
        shown = request_object(asked)
        event["request"] = shown
        try:
            output = self._run(route.request_function, event, asked, runs)
            record.request_data = output.data or ""
            if self.trace is not None:
                self.trace.tell(route.request_function, shown, output.result)
            if is_response(output.result):
                empty = response_object(200, b"", ())
                given = applied_response((), empty, output.result, "viewer-request")
                return self._answer(given, request, route, CacheResult.FUNCTION_RESPONSE)
            changed = applied_request(asked, shown, output.result)
            if output.origin is not None:
                note = note_of(output.origin)
                route = self._routes.of(route, note)
                changed = replace(changed, origin_change=note)
        except ValidationProblem as problem:
            return self._invalid(route.request_function, problem, record)
        except FunctionError as error:
            return self._failed(error, record)
        return with_root_object(changed, request, route), route

    def _hit(self, hit: Hit, request: Request, runs: RequestRuns) -> Hit | Refusal:
        """A hit that is nobody else's, as a viewer-response function wants it."""
        record = _record_of(request)
        own = replace(hit, until=0.0, functions=record)
        route, plan = hit.route, hit.plan
        if not route.response_function or plan.status >= 400:
            return _with_runs(own, hit.until, runs)
        reason = hit.entry.head.reason if plan.status == hit.entry.head.status else b""
        given = self._at_response(request, route, (plan.status, reason, plan.fields), runs)
        if isinstance(given, Refusal):
            return given
        if given.body is not None:
            return self._answer(given, request, route, CacheResult.HIT)
        record.reason = given.reason
        own = replace(own, plan=replace(plan, status=given.status, fields=given.fields))
        return _with_runs(own, hit.until, runs)

    def respond(self, request: Request, route: Route, outcome: Outcome) -> Outcome | Refusal:
        """What upstream gave, as a viewer-response function wants it; see the law for when."""
        skipped = outcome.status >= 400 or outcome.status == 101
        if skipped or outcome.result is CacheResult.ERROR or request.functions is None:
            return outcome
        head = (outcome.status, outcome.reason, outcome.fields)
        if outcome.length is not None:
            head = (*head[:2], (*head[2], (b"content-length", b"%d" % outcome.length)))
        runs = RequestRuns(request.id, self.runner.world.clock())
        given = self._at_response(request, route, head, runs)
        if isinstance(given, Refusal):
            return given
        if given.body is not None:
            return self._answer(given, request, route, outcome.result)
        outcome.status, outcome.reason, outcome.fields = given.status, given.reason, given.fields
        if given.status in (204, 304):
            return self._answer(replace(given, body=b""), request, route, outcome.result)
        return outcome

    def _at_response(
        self, request: Request, route: Route, head: tuple[int, bytes, Fields], runs: RequestRuns
    ) -> FunctionResponse | Refusal:
        record, shown = _record_of(request), response_object(*head)
        event = _event(request, route, "viewer-response")
        event["request"], event["response"] = request_object(request), shown
        try:
            output = self._run(route.response_function, event, request, runs)
            record.response_data = output.data or ""
            if self.trace is not None:
                self.trace.tell(route.response_function, shown, output.result)
            given = applied_response(head[2], shown, output.result)
        except ValidationProblem as problem:
            return self._invalid(route.response_function, problem, record)
        except FunctionError as error:
            return self._failed(error, record)
        reason = given.reason
        if given.status != head[0] and reason == head[1]:
            reason = b""  # the status has its own
        return replace(given, reason=reason)

    def _run(self, function: str, event: Json, request: Request, runs: RequestRuns) -> RunOutput:
        raw = None if request.query is None else text_of(request.query)
        template = self.runner.template(Run(function, event, raw))
        said = self.said(template, runs, request.client[0])
        if isinstance(said, FunctionError):
            raise said
        output = self.runner.read(template, runs.id.decode("ascii"), said)
        runs.steps.append(RunStep(template, said.text, output.logs))
        return output

    def _answer(
        self, given: FunctionResponse, request: Request, route: Route, result: CacheResult
    ) -> Refusal:
        """A response with the body that a function gave it."""
        own = given if given.body is not None else replace(given, body=b"")
        return Refusal(
            own.status, "", str(result), result=result, given=own, asked=(request, route),
            functions=request.functions,
        )  # fmt: skip

    def _invalid(
        self, function: str, problem: ValidationProblem, record: FunctionRecord
    ) -> Refusal:
        return self._failed(self.runner.refused(function, str(problem)), record)

    def _failed(self, error: FunctionError, record: FunctionRecord) -> Refusal:
        if self.trace is not None:
            self.trace.lines.append(f"{error.failure}: {error}")
        record.problem = str(error)
        status = 502 if error.failure is FunctionFailure.VALIDATION else 503
        word = str(error.failure)
        return Refusal(
            status, _WHY[error.failure], word, result=_RESULTS[error.failure],
            reason=word, functions=record,
        )  # fmt: skip


def _with_runs(own: Hit, until: float, runs: RequestRuns) -> Hit:
    """A hit that functions have seen, with what they said of it, where it has a lease."""
    if not until or own.refresh is not None:
        return own
    return replace(own, runs=HitRuns(until, tuple(runs.steps)))


def _record_of(request: Request) -> FunctionRecord:
    assert request.functions is not None, "given before a function is run"
    return request.functions


def _event(request: Request, route: Route, event_type: str) -> Json:
    """What every event says beside request and response."""
    site = route.distribution
    return {
        "version": "1.0",
        "context": {
            "distributionDomainName": site.domain_name or site.id,
            "distributionId": site.id,
            "eventType": event_type,
            "requestId": request.id.decode("ascii"),
        },
        "viewer": {"ip": request.client[0]},
    }


def with_root_object(changed: Request, former: Request, route: Route) -> Request:
    """`changed`, its path the default root object's for `/`; with the behavior that was chosen."""
    root = route.distribution.default_root_object
    if changed.path == b"/" and root:
        changed = replace(changed, path=b"/" + root.encode())
    if changed.path != former.path:
        changed = replace(changed, behavior=route.behavior.path_pattern.encode())
    return changed
