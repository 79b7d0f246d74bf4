"""Lambda functions at the events of origins, as an upstream around them.

Law: an origin is asked as its function wants it, or not at all. The functions run on the tier that
asks the origin, once for each origin that is tried, on misses and on validations. What a function
gives in the origin's place is stored as the origin's would be; what it fails at is nobody's answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from msgspec.structs import replace

from edgecache.functions.event import FunctionResponse, Json, differences
from edgecache.functions.header_rules import ValidationProblem
from edgecache.functions.lambda_event import (
    BODY_BYTES_MAX,
    IncludedBody,
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
from edgecache.functions.lambda_origin import origin_call, shown_origin
from edgecache.functions.lambda_pool import LambdaError, LambdaFailure
from edgecache.functions.lambda_runner import LambdaCall, LambdaInvoker, LambdaStory
from edgecache.functions.origin_change import OriginRoutes, note_of
from edgecache.http.forwarded_for import hop_fields
from edgecache.http.message import Fields, Request, Response, first_value, without
from edgecache.rules.routing import ORIGIN_EVENTS, Route
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Body, Call, Reply, Upstream, WholeBody
from edgecache.upstream.origin_request import host_of
from edgecache.upstream.request_body import read_start

FAULTS = {
    LambdaFailure.EXECUTION: Fault.LAMBDA_EXECUTION,
    LambdaFailure.VALIDATION: Fault.LAMBDA_VALIDATION,
    LambdaFailure.LIMIT: Fault.LAMBDA_LIMIT,
}
_HOPS = (b"via", b"x-forwarded-for")


class OriginTold(NamedTuple):
    """What an origin hears of us beside the request's own fields."""

    via: bytes  # our pseudonym
    agent: bytes


class OriginTriggers:
    """The origins behind the Lambda functions of their behaviors' events."""

    def __init__(
        self,
        origins: Upstream,
        lambdas: LambdaInvoker,
        told: OriginTold,
        clock: Callable[[], float],
    ) -> None:
        self._origins = origins
        self._lambdas = lambdas
        self._told = told
        self._clock = clock
        self._routes = OriginRoutes()

    def fetch(self, call: Call) -> Awaitable[Reply]:
        """The origin's response, or the function's. UpstreamError."""
        if not call.route.lambdas or ORIGIN_EVENTS.isdisjoint(call.route.lambdas):
            return self._origins.fetch(call)
        return self._fetch(call)

    async def _fetch(self, call: Call) -> Reply:
        try:
            if "origin-request" in call.route.lambdas:
                asked = await self._at_request(call)
                if isinstance(asked, Reply):
                    return asked
                call = asked
            reply = await self._origins.fetch(call)
            if "origin-response" not in call.route.lambdas or reply.head.status == 101:
                return reply
            return await self._at_response(call, reply)
        except LambdaError as error:
            raise UpstreamError(FAULTS[error.failure], "Lambda function") from error

    async def _at_request(self, call: Call) -> Call | Reply:
        """The call as the function wants it, or what it answers by itself."""
        association = call.route.lambdas["origin-request"]
        body, call = await _read_body(call, included=association.include_body)
        shown_fields = self._shown_fields(call)
        shown = shown_request(call.request, shown_fields, body)
        shown["origin"] = shown_origin(call.route.origin, call.request.scheme)
        event = lambda_event(event_config(call.request, call.route, "origin-request"), shown)
        returned = await self._invoke(association.function_arn, call, event)
        self._remember("origin-request", association.function_arn, call, (shown, returned))
        try:
            if is_answer(returned):
                assert isinstance(returned, dict), "is_answer says so"
                return self._answer(generated_response(returned, "origin-request"), call)
            return self._changed(call, shown_fields, shown, returned)
        except ValidationProblem as problem:
            raise self._lambdas.refused(association.function_arn, str(problem)) from problem

    def _changed(self, call: Call, shown_fields: Fields, shown: Json, returned: object) -> Call:
        request, wanted = changed_request(call.request, shown, returned, "origin-request")
        assert isinstance(returned, dict), "judged above"
        route, new_body = call.route, changed_body(shown, returned, "origin-request")
        change = origin_call(shown["origin"], returned.get("origin", shown["origin"]))
        if change is not None:
            route = self._routes.of(route, note_of(change))
        fields = self._sent_fields(call, shown_fields, wanted)
        moved = route.origin.domain_name != call.route.origin.domain_name
        if moved and first_value(fields, b"host") is None and (host := _host(wanted)):
            fields = (*fields, (b"host", host))  # as the function left it
        request = replace(request, fields=fields)
        body = call.body
        if new_body is not None:
            if body is not None:
                body.close()
            request, body = replace(request, length=len(new_body)), WholeBody(new_body)
        return replace(call, request=request, route=route, body=body)

    def _shown_fields(self, call: Call) -> Fields:
        """The fields as the origin would hear them: ours among them."""
        request = call.request
        own = [field for field in request.fields if field[0] not in (b"host", *_HOPS)]
        fills = call.route.semantics.fills_user_agent
        if fills and first_value(request.fields, b"user-agent") is None:
            own.append((b"user-agent", self._told.agent))
        host = (b"host", host_of(call.route.origin, request))
        return (host, *own, *hop_fields(request, self._told.via))

    def _sent_fields(self, call: Call, shown: Fields, wanted: Fields) -> Fields:
        """The request's own fields with what differs; what is ours is added where it is sent."""
        before = call.request.fields
        merged = merged_fields(shown, shown, wanted)
        if merged is shown:
            return before
        agent = first_value(merged, b"user-agent")
        if agent is None and call.route.semantics.fills_user_agent:
            raise ValidationProblem("the header User-Agent is not taken away here: say another")
        ours = set(_HOPS)
        for name in (b"host", b"user-agent"):
            added = first_value(before, name) is None
            if added and first_value(merged, name) == first_value(shown, name):
                ours.add(name)
        hops = tuple(field for field in before if field[0] in _HOPS)
        return (*without(merged, ours), *hops)

    def _answer(self, given: FunctionResponse, call: Call) -> Reply:
        """A response in the origin's place, as if it had come from there."""
        if call.body is not None:
            call.body.close()
        now, body = self._clock(), given.body or b""
        fields = given.fields
        if given.status != 204:
            fields = (*fields, (b"content-length", b"%d" % len(body)))
        head = Response(given.status, given.reason, fields, now, now)
        whole = WholeBody(b"" if call.request.method == b"HEAD" else body)
        return Reply(head, whole, generated=True)

    async def _at_response(self, call: Call, reply: Reply) -> Reply:
        """The response as the function wants it."""
        association, head = call.route.lambdas["origin-response"], reply.head
        shown = shown_response(head.status, head.reason, head.fields)
        request = shown_request(call.request, self._shown_fields(call))
        request["origin"] = shown_origin(call.route.origin, call.request.scheme)
        config = event_config(call.request, call.route, "origin-response")
        try:
            event = lambda_event(config, request, shown)
            returned = await self._invoke(association.function_arn, call, event)
            self._remember("origin-response", association.function_arn, call, (shown, returned))
            given = changed_response(shown, returned, "origin-response")
        except ValidationProblem as problem:
            reply.body.close()
            raise self._lambdas.refused(association.function_arn, str(problem)) from problem
        except BaseException:
            reply.body.close()
            raise
        return _changed_reply(call, reply, given)

    async def _invoke(self, function: str, call: Call, event: Json) -> object:
        request_id = call.request.id.decode("latin-1")
        return await self._lambdas.invoke(LambdaCall(function, event, request_id))

    def _remember(self, event: str, function: str, call: Call, change: tuple[Json, object]) -> None:
        self._lambdas.tell(
            LambdaStory(
                call.route.distribution.id,
                event,
                call.request.target.decode("latin-1"),
                function,
                tuple(differences(*change)),
                self._clock(),
            )
        )


def event_config(request: Request, route: Route, event: str) -> Json:
    """`config` of an event."""
    site = route.distribution
    return {
        "distributionDomainName": site.domain_name or site.id,
        "distributionId": site.id,
        "eventType": event,
        "requestId": request.id.decode("latin-1"),
    }


async def included_body(
    request: Request, body: Body | None, bytes_max: int
) -> tuple[IncludedBody, Body | None]:
    """What a body begins with, and the body, none of which is lost. Whatever reading it raises."""
    if body is None:
        return IncludedBody(b"", truncated=False), None
    begun = await read_start(body, bytes_max + 1)
    data = begun.beginning
    return IncludedBody(data[:bytes_max], truncated=len(data) > bytes_max), begun


async def _read_body(call: Call, *, included: bool) -> tuple[IncludedBody | None, Call]:
    if not included or not shows_body(call.request):
        return None, call
    limit = BODY_BYTES_MAX["origin-request"]
    shown, body = await included_body(call.request, call.body, limit)
    return shown, replace(call, body=body)


def _host(fields: Fields) -> bytes:
    return first_value(fields, b"host") or b""


def _changed_reply(call: Call, reply: Reply, given: FunctionResponse) -> Reply:
    head = reply.head
    fields = merged_fields(head.fields, head.fields, given.fields)
    reason = given.reason if given.status != head.status or given.reason else head.reason
    if given.body is not None:
        reply.body.close()
        body = b"" if call.request.method == b"HEAD" or given.status == 204 else given.body
        length = (b"content-length", b"%d" % len(given.body))
        fields = (*without(fields, (b"content-length",)), length)
        reply.body = WholeBody(body)
    reply.head = replace(head, status=given.status, reason=reason, fields=fields)
    return reply
