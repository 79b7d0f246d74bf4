"""Lambda functions at the events of viewers, before and after what the tier concludes.

Law: what a function failed at, or answered by itself, is answered at once, and nothing of it is
stored. Developer Guide, "CloudFront events that can trigger a Lambda@Edge function": at
viewer-response a function is not asked where the status is 400 or more, and where a function at
viewer-request or a page of the distribution answers.

A request of such a behavior is always an errand: no hit of it is concluded without waiting, so none
is repeated by the bytes that asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from edgecache.cache.function_events import with_root_object
from edgecache.cache.outcome import CacheResult, Outcome, Refusal, TriggerErrand
from edgecache.functions.event import FunctionResponse, Json, differences
from edgecache.functions.header_rules import ValidationProblem
from edgecache.functions.lambda_event import (
    BODY_BYTES_MAX,
    changed_body,
    changed_request,
    changed_response,
    generated_response,
    is_answer,
    lambda_event,
    merged_fields,
    shown_request,
    shown_response,
    shows_body,
)
from edgecache.functions.lambda_pool import LambdaError, LambdaFailure
from edgecache.functions.lambda_runner import LambdaCall, LambdaInvoker, LambdaStory
from edgecache.functions.origin_triggers import FAULTS, event_config, included_body
from edgecache.http.message import FunctionRecord, Request, first_value, replaced
from edgecache.rules.routing import Route
from edgecache.rules.viewer.access import counted_down
from edgecache.upstream.faults import Fault
from edgecache.upstream.interface import Body, WholeBody

# The sentences of CloudFront's own pages.
WHY = {
    LambdaFailure.EXECUTION: "The Lambda function associated with the CloudFront distribution is "
    "invalid or could not run.",
    LambdaFailure.VALIDATION: "The Lambda function returned an invalid value: a header, status, "
    "body, origin or URI that it may not set.",
    LambdaFailure.LIMIT: "The Lambda function associated with the CloudFront distribution was "
    "throttled.",
}
STATUSES = {
    LambdaFailure.EXECUTION: 503,
    LambdaFailure.VALIDATION: 502,
    LambdaFailure.LIMIT: 503,
}
FAILURES = {fault: failure for failure, fault in FAULTS.items()}

Conclude = Callable[[Request, Body | None], Awaitable[Outcome | Refusal]]
"""What the tier, and the pages of the distribution, make of a request with its body."""


def lambda_refusal(failure: LambdaFailure, record: FunctionRecord | None = None) -> Refusal:
    """The page of what a Lambda function failed at."""
    word = str(failure)
    return Refusal(
        STATUSES[failure], WHY[failure], word, result=CacheResult(word), reason=word,
        functions=record,
    )  # fmt: skip


def of_fault(fault: Fault) -> Refusal | None:
    """The same where it failed at an origin's event; None: it is no fault of a Lambda function."""
    failure = FAILURES.get(fault)
    return None if failure is None else lambda_refusal(failure)


class ViewerTriggers:
    """Runs the Lambda functions of viewers' events. `prepare` makes a request, as received, one of
    the tier.
    """

    def __init__(
        self,
        lambdas: LambdaInvoker,
        prepare: Callable[[Request, Route], Request],
        clock: Callable[[], float],
    ) -> None:
        self._lambdas = lambdas
        self._prepare = prepare
        self._clock = clock

    async def run(
        self, errand: TriggerErrand, body: Body | None, conclude: Conclude
    ) -> Outcome | Refusal:
        """What `conclude` gives, by way of the functions. UpstreamError."""
        record = FunctionRecord(errand.request.id)
        request, route = replace(errand.request, functions=record), errand.route
        try:
            if "viewer-request" in route.lambdas:
                changed = await self._at_request(errand, request, body)
                if isinstance(changed, Refusal):
                    return changed
                request, body = changed
            outcome = await conclude(request, body)
            if isinstance(outcome, Refusal) or "viewer-response" not in route.lambdas:
                return outcome
            return await self._at_response(request, route, outcome)
        except LambdaError as error:
            record.problem = str(error)
            return lambda_refusal(error.failure, record)

    async def _at_request(
        self, errand: TriggerErrand, prepared: Request, body: Body | None
    ) -> tuple[Request, Body | None] | Refusal:
        """The request of the tier as the function wants it, or the function's answer."""
        received, route = errand.received, errand.route
        assert received is not None, "given by who made the errand"
        association, shown_body = route.lambdas["viewer-request"], None
        asked = replace(received, id=prepared.id)
        if route.trust is not None:
            asked = route.trust.stripped(asked)
        if association.include_body and shows_body(asked):
            limit = BODY_BYTES_MAX["viewer-request"]
            shown_body, body = await included_body(asked, body, limit)
        shown = shown_request(asked, _with_host(asked).fields, shown_body)
        event = lambda_event(event_config(asked, route, "viewer-request"), shown)
        returned = await self._invoke(association.function_arn, asked, event)
        self._remember("viewer-request", (asked, route), (shown, returned))
        try:
            if is_answer(returned):
                assert isinstance(returned, dict), "is_answer says so"
                given = generated_response(returned, "viewer-request")
                return _answer(given, prepared, route)
            changed, wanted = changed_request(asked, shown, returned, "viewer-request")
            assert isinstance(returned, dict), "judged above"
            new_body = changed_body(shown, returned, "viewer-request")
        except ValidationProblem as problem:
            raise self._lambdas.refused(association.function_arn, str(problem)) from problem
        fields = merged_fields(asked.fields, _with_host(asked).fields, wanted)
        changed = replace(changed, fields=fields)
        if new_body is not None:
            if body is not None:
                body.close()
            changed, body = _with_length(changed, len(new_body)), WholeBody(new_body)
        return self._of_tier(changed, prepared, route), body

    def _of_tier(self, changed: Request, former: Request, route: Route) -> Request:
        """The request of the tier for one as received, and as a function has changed it."""
        if changed.method == b"OPTIONS":
            changed = counted_down(changed) or changed
        own = replace(
            self._prepare(changed, route),
            id=former.id,
            functions=former.functions,
            trace=former.trace,
            amzn_trace=former.amzn_trace,
            record=former.record,
        )
        return with_root_object(own, former, route)

    async def _at_response(
        self, request: Request, route: Route, outcome: Outcome
    ) -> Outcome | Refusal:
        """What viewers get, as the function wants it; see the law for when it is not asked."""
        skipped = outcome.status >= 400 or outcome.status == 101
        if skipped or outcome.result is CacheResult.ERROR:
            return outcome
        fields = outcome.fields
        if outcome.length is not None:
            fields = (*fields, (b"content-length", b"%d" % outcome.length))
        if outcome.age_s is not None:
            fields = (*fields, (b"age", b"%d" % outcome.age_s))
        association = route.lambdas["viewer-response"]
        shown = shown_response(outcome.status, outcome.reason, fields)
        inner = shown_request(request, _with_host(request).fields)
        event = lambda_event(event_config(request, route, "viewer-response"), inner, shown)
        try:
            returned = await self._invoke(association.function_arn, request, event)
            self._remember("viewer-response", (request, route), (shown, returned))
            given = changed_response(shown, returned, "viewer-response")
        except ValidationProblem as problem:
            close_body(outcome)
            raise self._lambdas.refused(association.function_arn, str(problem)) from problem
        except BaseException:
            close_body(outcome)
            raise
        outcome.fields = merged_fields(outcome.fields, fields, given.fields)
        outcome.reason = given.reason
        return outcome

    async def _invoke(self, function: str, request: Request, event: Json) -> object:
        request_id = request.id.decode("latin-1")
        return await self._lambdas.invoke(LambdaCall(function, event, request_id))

    def _remember(
        self, event: str, asked: tuple[Request, Route], change: tuple[Json, object]
    ) -> None:
        request, route = asked
        self._lambdas.tell(
            LambdaStory(
                route.distribution.id,
                event,
                request.target.decode("latin-1"),
                route.lambdas[event].function_arn,
                tuple(differences(*change)),
                self._clock(),
            )
        )


def close_body(outcome: Outcome) -> None:
    """Nobody reads the outcome's body."""
    body, outcome.body = outcome.body, None
    if body is not None and not isinstance(body, bytes | memoryview):
        body.close()


def _with_host(request: Request) -> Request:
    """The request with the host it was sent to, which HTTP/2 says apart."""
    if first_value(request.fields, b"host") is not None:
        return request
    return replace(request, fields=((b"host", request.authority), *request.fields))


def _with_length(request: Request, length: int) -> Request:
    fields = request.fields
    if first_value(fields, b"content-length") is not None:
        fields = replaced(fields, b"content-length", b"%d" % length)
    return replace(request, fields=fields, length=length)


def _answer(given: FunctionResponse, request: Request, route: Route) -> Refusal:
    result = CacheResult.LAMBDA_RESPONSE
    return Refusal(
        given.status, "", str(result), result=result, given=given, asked=(request, route),
        functions=request.functions,
    )  # fmt: skip
