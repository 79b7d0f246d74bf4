"""Handlers of the REST API's operations on the state. Law: JSON in, JSON out, errors too.

An operation is a function of a `RestCall` that gives a value, or a value and a status; it runs in
the thread of the state. Only operators call. `/docs` and `/openapi.json` tell what there is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from edgecache.cluster.tokens import Tokens
from edgecache.control.cloudfront.context import READS, ApiServices
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.rest import changes, distributions, invalidations, releases
from edgecache.control.rest.auth import require_operator, require_reader
from edgecache.control.rest.call import RestCall, RouteHandler, bounded_body, json_response
from edgecache.control.rest.openapi import docs_page, openapi_document
from edgecache.control.state.catalog import NotAdoptedError
from edgecache.control.state.compose import NotComposedError

DOCS_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"

RestOperation = Callable[[RestCall], Any]

OPERATIONS: dict[str, RestOperation] = {
    "list_distributions": distributions.list_distributions,
    "get_distribution": distributions.get_distribution,
    "adopt_distribution": distributions.adopt_distribution,
    "give_back_distribution": distributions.give_back_distribution,
    "list_releases": releases.list_releases,
    "cut_release": releases.cut_release,
    "activate_release": releases.activate_release,
    "delete_release": releases.delete_release,
    "create_invalidation": invalidations.create_invalidation,
    "list_invalidations": invalidations.list_invalidations,
    "get_invalidation": invalidations.get_invalidation,
    "get_configuration": changes.get_configuration,
    "list_changes": changes.list_changes,
    "get_change": changes.get_change,
}


@dataclass(frozen=True, slots=True)
class RestApi:
    """The operations of the table, over the same services as CloudFront's API."""

    services: ApiServices
    tokens: Tokens

    def handlers(self) -> dict[str, RouteHandler]:
        """A handler for each operation, by name."""
        handlers = {name: self._handler(name, operation) for name, operation in OPERATIONS.items()}
        return handlers | {"openapi": self.openapi, "docs": self.docs}

    async def openapi(self, request: Request) -> Response:
        require_reader(request, self.tokens)
        return json_response(openapi_document())

    async def docs(self, request: Request) -> Response:
        require_reader(request, self.tokens)
        headers = {"content-security-policy": DOCS_POLICY}
        return Response(docs_page(openapi_document()), media_type="text/html", headers=headers)

    def _handler(self, name: str, operation: RestOperation) -> RouteHandler:
        async def handle(request: Request) -> Response:
            author = require_operator(request, self.tokens)
            body = await bounded_body(request) if request.method == "POST" else b""
            path, query = request.path_params, request.query_params
            call = RestCall(self.services, path, query, body, author, name)
            return await _response(operation, call, reads=request.method in READS)

        return handle


async def _response(operation: RestOperation, call: RestCall, *, reads: bool) -> Response:
    try:
        if inspect.iscoroutinefunction(operation):
            result = await operation(call)
        else:
            run = call.services.run if reads else call.services.change
            result = await run(partial(operation, call))
    except ApiError as error:
        return json_response({"error": error.message, "code": error.code}, error.status)
    except msgspec.DecodeError as error:
        return json_response({"error": str(error)}, 400)
    except NotAdoptedError as error:
        return json_response({"error": str(error)}, 409)
    except NotComposedError as error:
        problems = {"error": "it would not pass the checks", "problems": error.lines}
        return json_response(problems, 409)
    return json_response(*result) if isinstance(result, tuple) else json_response(result)
