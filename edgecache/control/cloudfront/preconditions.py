"""Preconditions of operations: the resource exists, If-Match is its ETag, and it may be changed."""

from __future__ import annotations

from edgecache.control.cloudfront.context import OperationContext, kind_words
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.state.resources import Resource, ResourceKind, ResourceSource


def require_resource(call: OperationContext, kind: ResourceKind, id: str, missing: str) -> Resource:
    """The resource a call is about; an ApiError of the code `missing` when there is none."""
    resource = call.catalog.get(kind, id)
    if resource is None:
        raise ApiError(missing, f"The specified {kind_words(kind)} does not exist: {id}")
    return resource


def require_current(call: OperationContext, resource: Resource) -> None:
    """Refuse a call whose If-Match does not name the current version."""
    given = call.input.get("IfMatch")
    if not given or not given.isalnum():
        raise ApiError(
            "InvalidIfMatchVersion",
            "The If-Match version is missing or not valid for the resource.",
        )
    if given != resource.etag:
        raise ApiError(
            "PreconditionFailed",
            "The request failed because it didn't meet the preconditions in one or more "
            "request-header fields: If-Match names another version.",
        )


def require_changeable(resource: Resource, managed: str) -> None:
    """Refuse to change a resource the API did not make; `managed` is the code for CloudFront's."""
    name = f"The {kind_words(resource.kind)} {resource.id}"
    if resource.source is ResourceSource.MANAGED:
        raise ApiError(managed, f"{name} is managed: it is the same for everybody.")
    if resource.source is ResourceSource.FILE:
        way = (
            f"or let the API take it over with: edgecache adopt {resource.id}"
            if resource.kind is ResourceKind.DISTRIBUTION
            else "or make one over the API with another name"
        )
        raise ApiError(
            "AccessDenied", f"{name} is declared in the configuration file: change it there, {way}"
        )
