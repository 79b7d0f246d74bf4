"""Releases in JSON: listed, cut, activated, deleted. Law: each change is one generation."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import msgspec

from edgecache.control.cloudfront.context import Call
from edgecache.control.cloudfront.distributions import distribution
from edgecache.control.cloudfront.errors import Fault
from edgecache.control.state.releases import NoSuchReleaseError, Record, ReleaseInUseError

_PATTERN = re.compile(r"[\x21-\x7e]{1,255}")  # CloudFront's bound on a path pattern


class ReleaseWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For which paths to cut one, or (with `number`) which one to activate."""

    path: str = "*"
    number: int | None = None


class ReleaseTold(msgspec.Struct, frozen=True):
    """A release; 0 is what there was before the first. Time in seconds of the epoch."""

    path: str
    number: int
    created_at: float
    current: bool


class ReleasesTold(msgspec.Struct, frozen=True):
    """All of a distribution. `deployed` when every node goes by the ones that are current."""

    releases: list[ReleaseTold]
    deployed: bool


SCHEMAS = (ReleaseWanted, ReleaseTold, ReleasesTold)


def list_releases(call: Call) -> ReleasesTold:
    """GET /distributions/ID/releases."""
    one = distribution(call, call.given["id"])
    return _told(call, call.catalog.releases.of(one.id))


def cut_release(call: Call) -> tuple[ReleasesTold, int]:
    """POST /distributions/ID/releases: the next one for a path pattern, current at once."""
    one, wanted = distribution(call, call.given["id"]), _wanted(call)
    with _changing(call):
        call.catalog.releases.cut(one.id, wanted.path, call.catalog.clock())
    return _told(call, call.catalog.releases.of(one.id)), 201


def activate_release(call: Call) -> ReleasesTold:
    """POST /distributions/ID/releases/active: one that is kept is current again."""
    one, wanted = distribution(call, call.given["id"]), _wanted(call)
    if wanted.number is None:
        raise Fault("InvalidArgument", "number: which release is to be current")
    with _changing(call):
        call.catalog.releases.activate(one.id, wanted.path, wanted.number)
    return _told(call, call.catalog.releases.of(one.id))


def delete_release(call: Call) -> ReleasesTold:
    """DELETE /distributions/ID/releases/NUMBER?path=: its objects go."""
    one, number = distribution(call, call.given["id"]), str(call.given["number"])
    if not number.isdecimal() or len(number) > 9:
        raise Fault("InvalidArgument", f"{number!r} is not the number of a release")
    with _changing(call):
        call.catalog.releases.delete(one.id, call.given.get("path") or "*", int(number))
    return _told(call, call.catalog.releases.of(one.id))


@contextlib.contextmanager
def _changing(call: Call) -> Iterator[None]:
    try:
        with call.catalog.changing():
            yield
    except NoSuchReleaseError as error:
        raise Fault("NoSuchResource", str(error)) from None
    except ReleaseInUseError as error:
        raise Fault("ResourceInUse", str(error)) from None


def _wanted(call: Call) -> ReleaseWanted:
    wanted = msgspec.json.decode(call.given["body"] or b"{}", type=ReleaseWanted)
    if not _PATTERN.fullmatch(wanted.path):
        raise Fault("InvalidArgument", f"path: {wanted.path[:40]!r} is not a path pattern")
    return wanted


def _told(call: Call, records: list[Record]) -> ReleasesTold:
    releases = [
        ReleaseTold(one.pattern, one.number, one.created_at, one.current) for one in records
    ]
    return ReleasesTold(releases, call.world.deployed(call.catalog.generation))
