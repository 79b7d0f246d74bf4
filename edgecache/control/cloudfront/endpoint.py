"""HTTP entry of CloudFront's API. Law: every answer is XML of its form, whatever goes wrong."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from edgecache.control.cloudfront.authentication import Caller, CallerAuthentication
from edgecache.control.cloudfront.context import READS, ApiServices, OperationContext
from edgecache.control.cloudfront.errors import ApiError, error_document
from edgecache.control.cloudfront.model import PREFIX, VERSION, Operation, api
from edgecache.control.cloudfront.operations import OperationFunction
from edgecache.control.cloudfront.request_parser import ParsedCall, read_request, unknown_members
from edgecache.control.cloudfront.response_writer import write_answer
from edgecache.control.cloudfront.tags import distribution_of
from edgecache.control.cloudfront.validation import validate
from edgecache.control.rest.call import bounded_body
from edgecache.control.state.database import StateBusyError
from edgecache.control.state.database_thread import BUSY, RETRY_AFTER
from edgecache.rules.permissions import ARN, CLOUDFRONT, refusal

logger = logging.getLogger("edgecache.control")

EVERYWHERE_S_MAX = 2.0  # nodes take a few milliseconds; one that is away must not hold up a caller
EVERYWHERE_POLLS = 100
METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
XML = "text/xml"
UNSUPPORTED = "edgecache-unsupported"  # members a distribution asks for and is served without


@dataclass(frozen=True, slots=True, eq=False)
class ApiEndpoint:
    """The HTTP endpoint of the whole API. `pause` waits for seconds; `random` gives bytes."""

    services: ApiServices
    callers: CallerAuthentication
    actions: Mapping[str, OperationFunction]
    pause: Callable[[float], Awaitable[None]]
    random: Callable[[int], bytes]

    def route(self) -> Route:
        """Everything below the version of the API, and below those that are gone."""
        return Route("/20{rest:path}", self.answer, methods=METHODS)

    async def answer(self, request: Request) -> Response:
        id = str(uuid.UUID(bytes=self.random(16), version=4))
        return await answered(id, partial(self._answer, request), error_response)

    async def _answer(self, request: Request) -> Response:
        operation, values, unsupported = await self._run_operation(request)
        written = write_answer(operation, values)
        response = Response(written.body, operation.status, written.headers)
        if unsupported:
            response.headers[UNSUPPORTED] = ", ".join(dict.fromkeys(unsupported))
        return response

    async def _run_operation(self, request: Request) -> tuple[Operation, dict[str, Any], list[str]]:
        """The operation that was asked for, its output, and the members that are served without."""
        try:
            body = await bounded_body(request)
        except HTTPException as error:
            raise ApiError("RequestEntityTooLarge", error.detail) from error
        caller = self.callers.authenticate(request, body)
        operation, path = _operation(request)
        function = self.actions.get(operation.name)
        if function is None:
            raise ApiError(
                "NotImplemented",
                f"{operation.name} is not supported here; `edgecache api --list` tells what is.",
            )
        query_text = request.scope["query_string"].decode("latin-1")
        query = dict(parse_qsl(query_text, keep_blank_values=True))
        headers = {name.lower(): value for name, value in request.headers.items()}
        values = read_request(operation, ParsedCall(path, query, headers, body))
        require_permitted(caller, operation.name, values)
        if operation.takes is not None:
            validate(operation.takes, values)
        base = str(request.base_url).rstrip("/")
        call = OperationContext(
            self.services, values, base, author=caller.name, operation=operation.name
        )
        call.unsupported.extend(unknown_members(operation, body))
        await self._wait_until_done(function, call)
        run = self.services.run if request.method in READS else self.services.change
        output = await run(partial(function.run, call))
        return operation, output, call.unsupported

    async def _wait_until_done(self, action: OperationFunction, call: OperationContext) -> None:
        if action.is_done is None:
            return
        for _ in range(EVERYWHERE_POLLS):
            if await self.services.run(partial(action.is_done, call)):
                return
            await self.pause(EVERYWHERE_S_MAX / EVERYWHERE_POLLS)


async def answered(
    id: str, run: Callable[[], Awaitable[Response]], refused: Callable[[ApiError, str], Response]
) -> Response:
    """The answer to the request `id`: what `run` gives, or what `refused` makes of its fault.

    Whatever goes wrong is told in the form of the API; of a fault of ours, that there was one.
    """
    try:
        response = await run()
    except ApiError as fault:
        response = refused(fault, id)
    except StateBusyError:
        response = refused(ApiError("ServiceUnavailable", BUSY), id)
        response.headers["retry-after"] = RETRY_AFTER
    except ClientDisconnect:
        response = Response()  # nobody reads it
    except Exception:
        logger.exception("request %s failed", id)
        response = refused(ApiError("InternalFailure", "An unknown error has occurred."), id)
    response.headers["x-amzn-requestid"] = id
    if response.body:
        response.headers.setdefault("content-type", XML)
    return response


def _operation(request: Request) -> tuple[Operation, dict[str, str]]:
    path = (request.scope.get("raw_path") or request.scope["path"].encode()).decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    if not path.startswith(f"{PREFIX}/"):
        raise ApiError("UnknownOperation", f"The only version of the API here is {VERSION}.")
    match = api().match(request.method, path, query)
    if match is None:
        raise ApiError("UnknownOperation", f"{request.method} {path} is no operation of the API.")
    return match


def require_permitted(caller: Caller, operation: str, values: Mapping[str, Any]) -> None:
    """AccessDenied where the caller's limits do not permit an operation on this input."""
    permission = CLOUDFRONT.get(operation)
    distribution = ""
    if permission is not None:
        distribution = str(values.get(permission.distribution, ""))
        if permission.distribution == ARN:
            distribution = distribution_of(distribution)
    if why := refusal(caller.limits, operation, permission, distribution):
        raise ApiError("AccessDenied", f"{caller.name}: {why}")


def error_response(fault: ApiError, id: str) -> Response:
    """A fault as the answer to the request `id`."""
    return Response(error_document(fault, id), fault.status, media_type=XML)
