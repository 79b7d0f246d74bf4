"""Custom error responses: the page that stands for an error status, and the error's TTL.

Law: nothing outside this file decides which page stands for which status. CloudFront Developer
Guide, "Generate custom error responses" and "Control how long CloudFront caches errors".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from edgecache.config.model import CustomErrorResponse, Distribution
from edgecache.http.message import Request, without
from edgecache.rules.caching.key import CONDITIONS
from edgecache.rules.routing import Route
from edgecache.rules.viewer.access import is_grpc_call

ERROR_S_MIN = 10.0  # CloudFront's ErrorCachingMinTTL where nothing is configured
_OF_THE_REQUEST = CONDITIONS | {
    b"cache-control", b"expect", b"pragma", b"range", b"transfer-encoding"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Replacement:
    """A page of the distribution's own, and the status it goes out with."""

    path: bytes
    query: bytes | None
    status: int


def configured(errors: Iterable[CustomErrorResponse], status: int) -> CustomErrorResponse | None:
    """The distribution's custom response for an error status; None when it has none."""
    for error in errors:
        if error.error_code == status:
            return error
    return None


def error_caching_s(errors: Iterable[CustomErrorResponse], status: int) -> float:
    """Seconds an error is kept at least (ErrorCachingMinTTL)."""
    found = configured(errors, status)
    return ERROR_S_MIN if found is None else float(found.error_caching_ttl_s_min)


def replacement(distribution: Distribution, status: int) -> Replacement | None:
    """The page that stands for `status`; None when viewers get the error as it is."""
    if status < 400 or not distribution.custom_error_responses:
        return None
    found = configured(distribution.custom_error_responses, status)
    if found is None or not found.response_page_path:
        return None
    path, mark, query = found.response_page_path.encode().partition(b"?")
    return Replacement(path, query if mark else None, found.response_code or status)


def page_for(request: Request, route: Route, status: int) -> Replacement | None:
    """The page that stands for `status` to `request`; calls of gRPC get every error as it is.

    CloudFront Developer Guide, "Using gRPC with CloudFront distributions".
    """
    if route.behavior.grpc and is_grpc_call(request, route):
        return None
    return replacement(route.distribution, status)


def page_request(request: Request, page: Replacement) -> Request:
    """The request for the page: a GET by the same viewer, of the whole, unconditionally."""
    fields = tuple(
        field for field in without(request.fields, _OF_THE_REQUEST)
        if not field[0].startswith(b"content-")
    )  # fmt: skip
    return replace(
        request, method=b"GET", path=page.path, query=page.query, fields=fields, length=0
    )
