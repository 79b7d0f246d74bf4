"""The small side of the API for people with curl: JSON in, JSON out, `/docs` to read.

Law: it does nothing that CloudFront's API does not do by the same functions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgecache.control.admission import bounded_body, require_operator
from edgecache.control.adoption import NotAdoptedError, adopt, give_back
from edgecache.control.api.call import Call, World, arn
from edgecache.control.api.distributions import deployed, distribution
from edgecache.control.api.faults import Fault
from edgecache.control.api.invalidations import accepted, items_for
from edgecache.control.api.listing import page
from edgecache.control.composition import NotComposedError
from edgecache.control.invalidations import Record, Wanted
from edgecache.control.openapi import description, docs_page
from edgecache.control.resources import Kind, Resource, domain_name_of, drawn
from edgecache.control.tokens import Tokens

DOCS_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"


class Site(msgspec.Struct, frozen=True):
    """A distribution in a few words; `source` says who may change it."""

    id: str
    arn: str
    domain_name: str
    aliases: list[str]
    enabled: bool
    status: str
    source: str
    comment: str
    etag: str


class Sites(msgspec.Struct, frozen=True):
    """A page of distributions; `next` is the `marker` of the next one, empty at the end."""

    distributions: list[Site]
    next: str = ""


class InvalidationWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to invalidate. With a `caller_reference` the same again is accepted once."""

    distribution: str
    paths: list[str]
    caller_reference: str = ""
    soft: bool = False


class InvalidationTold(msgspec.Struct, frozen=True):
    """An invalidation; `created_at` in seconds of the epoch."""

    id: str
    distribution: str
    status: str
    created_at: float
    caller_reference: str
    paths: list[str]


SCHEMAS = (Site, Sites, InvalidationWanted, InvalidationTold)


@dataclass(frozen=True, slots=True)
class JsonSide:
    """The endpoints, over the same world as the API's."""

    world: World
    tokens: Tokens

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            self._route("/distributions", self.list_sites),
            self._route("/distributions/{id}", self.get_site),
            self._route("/distributions/{id}/adoption", self.adopt, "POST"),
            self._route("/distributions/{id}/adoption", self.give_back, "DELETE"),
            self._route("/invalidations", self.invalidate, "POST"),
            self._route("/invalidations/{distribution}/{id}", self.get_invalidation),
            Route("/openapi.json", _openapi, methods=["GET"]),
            Route("/docs", _docs, methods=["GET"]),
        ]

    def list_sites(self, call: Call) -> Sites:
        known = call.catalog.of(Kind.DISTRIBUTION)
        listed = page(call.given, known, lambda one: one.id, lambda one: self._site(call, one))
        return Sites(listed.get("Items", []), listed.get("NextMarker", ""))

    def get_site(self, call: Call) -> Site:
        return self._site(call, distribution(call, call.given["id"]))

    def adopt(self, call: Call) -> Site:
        return self._site(call, adopt(call.catalog, call.given["id"]))

    def give_back(self, call: Call) -> Site:
        give_back(call.catalog, call.given["id"])
        return self.get_site(call)

    def invalidate(self, call: Call) -> tuple[InvalidationTold, int]:
        asked = msgspec.json.decode(call.given["body"], type=InvalidationWanted)
        one = distribution(call, asked.distribution)
        reference = asked.caller_reference or drawn("R", call.catalog.random)
        wanted = Wanted(one.id, items_for(one, asked.paths), reference, asked.soft)
        return _told(accepted(call, wanted)), 201

    def get_invalidation(self, call: Call) -> InvalidationTold:
        one = distribution(call, call.given["distribution"])
        record = self.world.invalidations.get(one.id, call.given["id"])
        if record is None:
            raise Fault("NoSuchInvalidation", "The specified invalidation does not exist.")
        return _told(record)

    def _site(self, call: Call, one: Resource) -> Site:
        return Site(
            id=one.id,
            arn=arn(one),
            domain_name=one.domain_name or domain_name_of(one.id),
            aliases=one.config["Aliases"].get("Items", []),
            enabled=one.config["Enabled"],
            status="Deployed" if deployed(call, one) else "InProgress",
            source=one.source,
            comment=one.config["Comment"],
            etag=one.etag,
        )

    def _route(self, path: str, do: Callable[[Call], Any], method: str = "GET") -> Route:
        return Route(path, self._endpoint(do), methods=[method])

    def _endpoint(self, do: Callable[[Call], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            require_operator(request, self.tokens)
            given: dict[str, Any] = dict(request.path_params)
            given["Marker"] = request.query_params.get("marker")
            given["MaxItems"] = request.query_params.get("max_items")
            if request.method == "POST":
                given["body"] = await bounded_body(request)
            return _answered(do, Call(self.world, given))

        return answer


def _answered(do: Callable[[Call], Any], call: Call) -> Response:
    try:
        told = do(call)
    except Fault as fault:
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


def _told(record: Record) -> InvalidationTold:
    return InvalidationTold(
        id=record.id,
        distribution=record.distribution,
        status=record.status,
        created_at=record.created_at,
        caller_reference=record.caller_reference,
        paths=list(record.paths),
    )


async def _openapi(request: Request) -> Response:
    return _json(description(SCHEMAS))


async def _docs(request: Request) -> Response:
    headers = {"content-security-policy": DOCS_POLICY}
    return Response(docs_page(description(SCHEMAS)), media_type="text/html", headers=headers)
