"""Releases over the REST API: list, cut, activate, delete. Law: each change is one generation."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import msgspec

from edgecache.control.cloudfront.distributions import distribution
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.rest.call import RestCall
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.releases import NoSuchReleaseError, ReleaseInUseError
from edgecache.control.state.resources import Resource

_PATTERN = re.compile(r"[\x21-\x7e]{1,255}")  # CloudFront's bound on a path pattern


class ReleaseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For which paths to cut one, or (with `number`) which one to activate."""

    path: str = "*"
    number: int | None = None


class ReleaseReport(msgspec.Struct, frozen=True):
    """A release; 0 is what there was before the first. Time in seconds of the epoch."""

    path: str
    number: int
    created_at: float
    current: bool


class ReleaseReports(msgspec.Struct, frozen=True):
    """All of a distribution. `deployed` when every node goes by the ones that are current."""

    releases: list[ReleaseReport]
    deployed: bool


def list_releases(call: RestCall) -> ReleaseReports:
    """GET /distributions/ID/releases."""
    return _reports(call, distribution(call.context, call.path["id"]))


def cut_release(call: RestCall) -> tuple[ReleaseReports, int]:
    """POST /distributions/ID/releases: the next one for a path pattern, current at once."""
    site, body = distribution(call.context, call.path["id"]), _body(call)
    with _changing(call, f"{site.id} {body.path}") as catalog:
        catalog.releases.cut(site.id, body.path, catalog.clock())
    return _reports(call, site), 201


def activate_release(call: RestCall) -> ReleaseReports:
    """POST /distributions/ID/releases/active: one that is kept is current again."""
    site, body = distribution(call.context, call.path["id"]), _body(call)
    if body.number is None:
        raise ApiError("InvalidArgument", "number: which release is to be current")
    with _changing(call, f"{site.id} {body.path} {body.number}") as catalog:
        catalog.releases.activate(site.id, body.path, body.number)
    return _reports(call, site)


def delete_release(call: RestCall) -> ReleaseReports:
    """DELETE /distributions/ID/releases/NUMBER?path=: its objects go."""
    site, number = distribution(call.context, call.path["id"]), call.path["number"]
    if not number.isdecimal() or len(number) > 9:
        raise ApiError("InvalidArgument", f"{number!r} is not the number of a release")
    pattern = call.query.get("path") or "*"
    with _changing(call, f"{site.id} {pattern} {number}") as catalog:
        catalog.releases.delete(site.id, pattern, int(number))
    return _reports(call, site)


@contextlib.contextmanager
def _changing(call: RestCall, subject: str) -> Iterator[Catalog]:
    try:
        with call.context.changing(subject):
            yield call.services.catalog
    except NoSuchReleaseError as error:
        raise ApiError("NoSuchResource", str(error)) from None
    except ReleaseInUseError as error:
        raise ApiError("ResourceInUse", str(error)) from None


def _body(call: RestCall) -> ReleaseBody:
    body = msgspec.json.decode(call.body or b"{}", type=ReleaseBody)
    if not _PATTERN.fullmatch(body.path):
        raise ApiError("InvalidArgument", f"path: {body.path[:40]!r} is not a path pattern")
    return body


def _reports(call: RestCall, site: Resource) -> ReleaseReports:
    catalog = call.services.catalog
    releases = [
        ReleaseReport(one.pattern, one.number, one.created_at, one.current)
        for one in catalog.releases.of(site.id)
    ]
    return ReleaseReports(releases, call.services.deployed(catalog.generation))
