"""HTTP entry of Route 53's API. Law: every answer is XML of its form, whatever goes wrong."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgecache.control.cloudfront.authentication import CallerAuthentication
from edgecache.control.cloudfront.context import READS
from edgecache.control.cloudfront.endpoint import METHODS, XML, answered
from edgecache.control.cloudfront.errors import ApiError, error_document
from edgecache.control.cloudfront.model import Operation
from edgecache.control.cloudfront.request_parser import ParsedCall, read_request, unknown_members
from edgecache.control.cloudfront.response_writer import write_answer
from edgecache.control.cloudfront.validation import validate
from edgecache.control.rest.call import bounded_body
from edgecache.control.route53.call import (
    PENDING,
    Document,
    Route53Call,
    Route53Services,
    Run,
)
from edgecache.control.route53.health_checks import ON_LOOP
from edgecache.control.route53.model import (
    NAMESPACE,
    PREFIX,
    Route53Error,
    as_route53_error,
    route53,
)
from edgecache.rules.permissions import ROUTE53, refusal

SERVICE = "route53"
SYNCED_S_MAX = 2.0  # name servers take milliseconds; SDKs' waiters ask again after 30 seconds
SYNCED_POLLS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Route53Endpoint:
    """The HTTP endpoint of the whole API. `pause` waits for seconds; `random` gives bytes."""

    services: Route53Services
    callers: CallerAuthentication
    actions: Mapping[str, Run]
    pause: Callable[[float], Awaitable[None]]
    random: Callable[[int], bytes]

    def route(self) -> Route:
        """Everything below the version of the API; to stand before CloudFront's."""
        return Route(f"{PREFIX}{{rest:path}}", self.answer, methods=METHODS)

    async def answer(self, request: Request) -> Response:
        id = str(uuid.UUID(bytes=self.random(16), version=4))
        return await answered(id, partial(self._answer, request), _error_response)

    async def _answer(self, request: Request) -> Response:
        operation, values = await self._run_operation(request)
        written = write_answer(operation, values)
        return Response(written.body, operation.status, written.headers)

    async def _run_operation(self, request: Request) -> tuple[Operation, dict[str, Any]]:
        try:
            body = await bounded_body(request)
        except HTTPException as error:
            raise Route53Error("RequestEntityTooLarge", error.detail) from error
        caller = self.callers.authenticate(request, body, SERVICE)
        operation, path = _operation(request)
        function = self.actions.get(operation.name)
        if function is None:
            raise Route53Error(
                "NotImplemented",
                f"{operation.name} is not supported here; `edgecache api --route53` tells what is.",
            )
        values = _input(operation, path, request, body)
        if why := refusal(caller.limits, operation.name, ROUTE53.get(operation.name), ""):
            raise Route53Error("AccessDenied", f"{caller.name}: {why}")
        if operation.takes is not None:
            validate(operation.takes, values)
        base = str(request.base_url).rstrip("/")
        down = self.services.down() if operation.name == "TestDNSAnswer" else ()
        call = Route53Call(
            self.services, values, base, self.services.acknowledged(), down, caller.name,
            operation.name,
        )  # fmt: skip
        return operation, await self._output(operation, function, call)

    async def _output(self, operation: Operation, function: Run, call: Route53Call) -> Document:
        """What an operation gives; the status of a change is waited for, for a moment."""
        if operation.name in ON_LOOP:
            return function(call)
        services = self.services
        run = services.api.run if operation.method in READS else services.api.change
        for poll in range(SYNCED_POLLS):
            output = await run(partial(function, call))
            if operation.name != "GetChange" or output["ChangeInfo"]["Status"] != PENDING:
                break
            if poll < SYNCED_POLLS - 1:
                await self.pause(SYNCED_S_MAX / SYNCED_POLLS)
                call = replace(call, acknowledged=services.acknowledged())
        return output


def _input(
    operation: Operation, path: dict[str, str], request: Request, body: bytes
) -> dict[str, Any]:
    """The operation's input. InvalidInput: there is something in it that no member is for."""
    query_text = request.scope["query_string"].decode("latin-1")
    query = dict(parse_qsl(query_text, keep_blank_values=True))
    headers = {name.lower(): value for name, value in request.headers.items()}
    values = read_request(operation, ParsedCall(path, query, headers, body))
    if unknown := unknown_members(operation, body):
        raise Route53Error("InvalidInput", f"Not known here: {', '.join(unknown)}.")
    return values


def _operation(request: Request) -> tuple[Operation, dict[str, str]]:
    path = (request.scope.get("raw_path") or request.scope["path"].encode()).decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    match = None
    if path.startswith(f"{PREFIX}/"):
        match = route53().match(request.method, path, query)
    if match is None:
        raise Route53Error(
            "UnknownOperation", f"{request.method} {path} is no operation of the API."
        )
    return match


def _error_response(fault: ApiError, id: str) -> Response:
    said = as_route53_error(fault)
    return Response(error_document(said, id, NAMESPACE), said.status, media_type=XML)
