"""The small side of the API for people with curl: JSON in, JSON out, `/docs` to read.

Law: it does nothing that CloudFront's API does not do by the same functions.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgecache.cluster.tokens import Tokens
from edgecache.config.aws.unsupported import unsupported
from edgecache.config.refused_distributions import unavailable_reasons
from edgecache.control.cloudfront.context import ApiServices, OperationContext, arn, page
from edgecache.control.cloudfront.distributions import deployed, distribution
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.rest import invalidations as json_invalidations
from edgecache.control.rest import releases as json_releases
from edgecache.control.rest.auth import bounded_body, require_operator, require_reader
from edgecache.control.rest.openapi import description, docs_page
from edgecache.control.state.catalog import NotAdoptedError, adopt, give_back
from edgecache.control.state.compose import NotComposedError
from edgecache.control.state.resources import Resource, ResourceKind, domain_name_of

DOCS_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"


class DistributionSummary(msgspec.Struct, frozen=True):
    """A distribution in a few words; `source` says who may change it.

    `unsupported` are members it asks for and is served without; with `unavailable`, why it answers
    503, it is not served.
    """

    id: str
    arn: str
    domain_name: str
    aliases: list[str]
    enabled: bool
    status: str
    source: str
    comment: str
    etag: str
    unsupported: list[str] = []
    unavailable: list[str] = []


class DistributionSummaries(msgspec.Struct, frozen=True):
    """A page of distributions; `next` is the `marker` of the next one, empty at the end."""

    distributions: list[DistributionSummary]
    next: str = ""


SCHEMAS = (
    DistributionSummary,
    DistributionSummaries,
    *json_invalidations.SCHEMAS,
    *json_releases.SCHEMAS,
)


@dataclass(frozen=True, slots=True)
class RestApi:
    """The endpoints, over the same world as the API's."""

    world: ApiServices
    tokens: Tokens

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            self._route("/distributions", self.list_sites),
            self._route("/distributions/{id}", self.get_site),
            self._route("/distributions/{id}/adoption", self.adopt, "POST"),
            self._route("/distributions/{id}/adoption", self.give_back, "DELETE"),
            self._route("/distributions/{id}/releases", json_releases.list_releases),
            self._route("/distributions/{id}/releases", json_releases.cut_release, "POST"),
            self._route(
                "/distributions/{id}/releases/active", json_releases.activate_release, "POST"
            ),
            self._route(
                "/distributions/{id}/releases/{number}", json_releases.delete_release, "DELETE"
            ),
            self._route("/invalidations", json_invalidations.invalidate, "POST"),
            self._route("/invalidations/{distribution}", json_invalidations.list_invalidations),
            self._route("/invalidations/{distribution}/{id}", json_invalidations.get_invalidation),
            Route("/openapi.json", self._openapi, methods=["GET"]),
            Route("/docs", self._docs, methods=["GET"]),
        ]

    def list_sites(self, call: OperationContext) -> DistributionSummaries:
        known = call.catalog.of(ResourceKind.DISTRIBUTION)
        listed = page(call.given, known, lambda one: one.id, lambda one: self._site(call, one))
        return DistributionSummaries(listed.get("Items", []), listed.get("NextMarker", ""))

    def get_site(self, call: OperationContext) -> DistributionSummary:
        return self._site(call, distribution(call, call.given["id"]))

    def adopt(self, call: OperationContext) -> DistributionSummary:
        return self._site(call, adopt(call.catalog, call.given["id"]))

    def give_back(self, call: OperationContext) -> DistributionSummary:
        give_back(call.catalog, call.given["id"])
        return self.get_site(call)

    def _site(self, call: OperationContext, one: Resource) -> DistributionSummary:
        return DistributionSummary(
            id=one.id,
            arn=arn(one),
            domain_name=one.domain_name or domain_name_of(one.id),
            aliases=one.config["Aliases"].get("Items", []),
            enabled=one.config["Enabled"],
            status="Deployed" if deployed(call, one) else "InProgress",
            source=one.source,
            comment=one.config["Comment"],
            etag=one.etag,
            unsupported=_places(call, one),
            unavailable=unavailable_reasons(call.catalog.published, one.id),
        )

    async def _openapi(self, request: Request) -> Response:
        require_reader(request, self.tokens)
        return _json(description(SCHEMAS))

    async def _docs(self, request: Request) -> Response:
        require_reader(request, self.tokens)
        headers = {"content-security-policy": DOCS_POLICY}
        return Response(docs_page(description(SCHEMAS)), media_type="text/html", headers=headers)

    def _route(
        self, path: str, do: Callable[[OperationContext], Any], method: str = "GET"
    ) -> Route:
        return Route(path, self._endpoint(do), methods=[method])

    def _endpoint(
        self, do: Callable[[OperationContext], Any]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            require_operator(request, self.tokens)
            given: dict[str, Any] = dict(request.path_params)
            given["Marker"] = request.query_params.get("marker")
            given["MaxItems"] = request.query_params.get("max_items")
            given |= {name: request.query_params.get(name) for name in ("wait_s", "path")}
            if request.method == "POST":
                given["body"] = await bounded_body(request)
            return await _answered(do, OperationContext(self.world, given))

        return answer


def _places(call: OperationContext, one: Resource) -> list[str]:
    found = unsupported(one.config, geo=bool(call.catalog.file.geo_database))
    return list(dict.fromkeys(member.member.place for member in found))


async def _answered(do: Callable[[OperationContext], Any], call: OperationContext) -> Response:
    try:
        if inspect.iscoroutinefunction(do):
            told = await do(call)
        else:
            told = await call.world.run(partial(do, call))
    except ApiError as fault:
        return _json({"error": fault.message, "code": fault.code}, fault.status)
    except msgspec.DecodeError as error:
        return _json({"error": str(error)}, 400)
    except NotAdoptedError as error:
        return _json({"error": str(error)}, 409)
    except NotComposedError as error:
        return _json({"error": "it would not pass the checks", "problems": error.lines}, 409)
    return _json(*told) if isinstance(told, tuple) else _json(told)


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
