"""Releases in JSON: listed, cut, activated, deleted. Law: each change is one generation."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import msgspec

from edgecache.control.cloudfront.context import OperationContext
from edgecache.control.cloudfront.distributions import distribution
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.state.releases import NoSuchReleaseError, ReleaseInUseError, ReleaseRecord

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


SCHEMAS = (ReleaseBody, ReleaseReport, ReleaseReports)


def list_releases(call: OperationContext) -> ReleaseReports:
    """GET /distributions/ID/releases."""
    one = distribution(call, call.given["id"])
    return _told(call, call.catalog.releases.of(one.id))


def cut_release(call: OperationContext) -> tuple[ReleaseReports, int]:
    """POST /distributions/ID/releases: the next one for a path pattern, current at once."""
    one, wanted = distribution(call, call.given["id"]), _wanted(call)
    with _changing(call):
        call.catalog.releases.cut(one.id, wanted.path, call.catalog.clock())
    return _told(call, call.catalog.releases.of(one.id)), 201


def activate_release(call: OperationContext) -> ReleaseReports:
    """POST /distributions/ID/releases/active: one that is kept is current again."""
    one, wanted = distribution(call, call.given["id"]), _wanted(call)
    if wanted.number is None:
        raise ApiError("InvalidArgument", "number: which release is to be current")
    with _changing(call):
        call.catalog.releases.activate(one.id, wanted.path, wanted.number)
    return _told(call, call.catalog.releases.of(one.id))


def delete_release(call: OperationContext) -> ReleaseReports:
    """DELETE /distributions/ID/releases/NUMBER?path=: its objects go."""
    one, number = distribution(call, call.given["id"]), str(call.given["number"])
    if not number.isdecimal() or len(number) > 9:
        raise ApiError("InvalidArgument", f"{number!r} is not the number of a release")
    with _changing(call):
        call.catalog.releases.delete(one.id, call.given.get("path") or "*", int(number))
    return _told(call, call.catalog.releases.of(one.id))


@contextlib.contextmanager
def _changing(call: OperationContext) -> Iterator[None]:
    try:
        with call.catalog.changing():
            yield
    except NoSuchReleaseError as error:
        raise ApiError("NoSuchResource", str(error)) from None
    except ReleaseInUseError as error:
        raise ApiError("ResourceInUse", str(error)) from None


def _wanted(call: OperationContext) -> ReleaseBody:
    wanted = msgspec.json.decode(call.given["body"] or b"{}", type=ReleaseBody)
    if not _PATTERN.fullmatch(wanted.path):
        raise ApiError("InvalidArgument", f"path: {wanted.path[:40]!r} is not a path pattern")
    return wanted


def _told(call: OperationContext, records: list[ReleaseRecord]) -> ReleaseReports:
    releases = [
        ReleaseReport(one.pattern, one.number, one.created_at, one.current) for one in records
    ]
    return ReleaseReports(releases, call.world.deployed(call.catalog.generation))
