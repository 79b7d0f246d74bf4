"""Preconditions of operations: the resource exists, If-Match is its ETag, and it may be changed.

So may what a distribution asks for: some of what a file may say is not for callers of the API.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgecache.config.problems import quoted
from edgecache.control.cloudfront.context import OperationContext, kind_words
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.origin_reach import origin_problems
from edgecache.control.state.resources import Resource, ResourceKind, ResourceSource

_COMPLETION = "ResponseCompletionTimeout"  # at least the read timeout
# API reference, Origin, CustomOriginConfig, S3OriginConfig, VpcOriginConfig: the API's model has
# these bounds in its prose alone. A file may go beyond them.
_ORIGIN_BOUNDS = {
    "OriginReadTimeout": (1, 120, "InvalidOriginReadTimeout"),
    "OriginKeepaliveTimeout": (1, 120, "InvalidOriginKeepaliveTimeout"),
    "ConnectionTimeout": (1, 10, "InvalidArgument"),
    "ConnectionAttempts": (1, 3, "InvalidArgument"),
    _COMPLETION: (1, 86_400, "InvalidArgument"),  # no most is told: a day, as in a file
}
_ORIGIN_KINDS = ("CustomOriginConfig", "S3OriginConfig", "VpcOriginConfig")


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


def require_allowed(
    call: OperationContext, config: dict[str, Any], before: Resource | None = None
) -> None:
    """Refuse what only the file may ask for; `before` is the distribution that `config` replaces.

    InvalidOrigin, InvalidArgument, CNAMEAlreadyExists, InvalidOrigin...Timeout.
    """
    for place, trouble in origin_problems(config, call.catalog.file):
        raise ApiError("InvalidOrigin", f"The parameter {place}: {trouble}.")
    for code, place, trouble in _timeout_problems(config, before.config if before else {}):
        raise ApiError(code, f"The parameter {place}: {trouble}.")
    if "*" in config["Aliases"].get("Items", ()):
        raise ApiError(
            "InvalidArgument", 'The parameter Aliases: "*" is every name there is, and nobody\'s.'
        )
    # The checks see the names of those that are served; the others are to be served again.
    for site in call.catalog.published.unavailable:
        own = before is not None and before.id == site.id
        held = set() if own else {name.lower() for name in site.names}
        for index, alias in enumerate(config["Aliases"].get("Items", ())):
            if alias.lower() in held:
                place = f"Aliases.Items[{index}]"
                trouble = f"{quoted(alias)} is already that of the distribution {site.id}"
                raise ApiError("CNAMEAlreadyExists", f"The parameter {place}: {trouble}.")


def _timeout_problems(
    config: dict[str, Any], before: dict[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """Code, place and trouble of timeouts CloudFront has not.

    What an origin had before, from a file or a former version, it may keep.
    """
    former = {one["Id"]: _timeouts(one) for one in before.get("Origins", {}).get("Items", ())}
    for index, origin in enumerate(config["Origins"].get("Items", ())):
        now, had = _timeouts(origin), former.get(origin["Id"], {})
        if now == had:
            continue
        where = f"Origins.Items[{index}]"
        for place, value in now.items():
            low, high, code = _ORIGIN_BOUNDS[place.rpartition(".")[2]]
            if not low <= value <= high and value != had.get(place):
                yield code, f"{where}.{place}", f"{value} is outside {low} to {high}"
        read_s = max((now[place] for place in now if place.endswith("ReadTimeout")), default=0)
        if now.get(_COMPLETION, read_s) < read_s:
            trouble = f"{now[_COMPLETION]} is less than OriginReadTimeout, {read_s}"
            yield "InvalidArgument", f"{where}.{_COMPLETION}", trouble


def _timeouts(origin: dict[str, Any]) -> dict[str, int]:
    """Timeouts and attempts by place in the document of an origin, with defaults filled in."""
    places = dict(origin)
    for kind in _ORIGIN_KINDS:
        places |= {f"{kind}.{name}": value for name, value in origin.get(kind, {}).items()}
    named = [(place, place.rpartition(".")[2]) for place in places]
    return {place: places[place] for place, name in named if name in _ORIGIN_BOUNDS}
