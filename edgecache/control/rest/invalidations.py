"""Invalidations in JSON: CloudFront's items, and those beyond it. Law: what is told is on disk."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from edgecache.control.cloudfront.context import OperationContext
from edgecache.control.cloudfront.distributions import distribution
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.invalidations import accepted
from edgecache.control.state.invalidations import LIST_MAX, InvalidationRecord, InvalidationRequest
from edgecache.control.state.resources import Resource, drawn
from edgecache.rules.invalidation.items import Item, ItemKind, item, items_of, with_root

WAIT_S_MAX = 30.0  # below the 60 s after which common proxies give up on a silent response


class InvalidationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to invalidate. `paths` are CloudFront's; tags, globs, hosts and prefixes are beyond it.

    `soft` makes stale instead of removing. With a `caller_reference` the same again is accepted
    once.
    """

    distribution: str
    paths: list[str] = []
    tags: list[str] = []
    globs: list[str] = []
    hosts: list[str] = []
    prefixes: list[str] = []
    caller_reference: str = ""
    soft: bool = False


class InvalidationReport(msgspec.Struct, frozen=True):
    """An invalidation; times in seconds of the epoch. `waiting_for` names the nodes that may serve
    what it removes still."""

    id: str
    distribution: str
    status: str
    created_at: float
    completed_at: float | None
    caller_reference: str
    paths: list[str]
    soft: bool
    waiting_for: list[str]


class InvalidationReports(msgspec.Struct, frozen=True):
    """A page, the newest first; `next` is the `marker` of the next one, empty at the end."""

    invalidations: list[InvalidationReport]
    next: str = ""


SCHEMAS = (InvalidationBody, InvalidationReport, InvalidationReports)


def items_wanted(wanted: InvalidationBody, one: Resource) -> tuple[Item, ...]:
    """The items of a wish. A Fault names what is wrong with them."""
    try:
        items = with_root(items_of(wanted.paths), one.config["DefaultRootObject"])
        for kind, texts in (
            (ItemKind.TAG, wanted.tags),
            (ItemKind.GLOB, wanted.globs),
            (ItemKind.HOST, wanted.hosts),
            (ItemKind.PREFIX, wanted.prefixes),
        ):
            items += tuple(item(kind, text) for text in texts)
    except ValueError as error:
        raise ApiError("InvalidArgument", str(error)) from None
    if not items:
        raise ApiError(
            "InvalidArgument", "nothing is named: give paths, tags, globs, hosts, prefixes"
        )
    return items


def invalidate(call: OperationContext) -> tuple[InvalidationReport, int]:
    """POST /invalidations."""
    asked = msgspec.json.decode(call.given["body"], type=InvalidationBody)
    one = distribution(call, asked.distribution)
    reference = asked.caller_reference or drawn("R", call.catalog.random)
    wanted = InvalidationRequest(one.id, items_wanted(asked, one), reference, asked.soft)
    return told(call, accepted(call, wanted)), 201


async def get_invalidation(call: OperationContext) -> InvalidationReport:
    """GET /invalidations/DISTRIBUTION/ID?wait_s=: as it is, or once it is Completed."""
    wait_s = _seconds(call.given.get("wait_s"))
    record = await call.world.run(partial(_found, call))
    if wait_s and await call.world.invalidations.wait(record, wait_s):
        record = await call.world.run(partial(_found, call))
    return told(call, record)


def _found(call: OperationContext) -> InvalidationRecord:
    one = distribution(call, call.given["distribution"])
    record = call.world.invalidations.get(one.id, call.given["id"])
    if record is None:
        raise ApiError("NoSuchInvalidation", "The specified invalidation does not exist.")
    return record


def list_invalidations(call: OperationContext) -> InvalidationReports:
    """GET /invalidations/DISTRIBUTION?marker=."""
    one = distribution(call, call.given["distribution"])
    found = call.world.invalidations.page(one.id, call.given.get("Marker") or "")
    page = found[:LIST_MAX]
    more = page[-1].id if len(found) > LIST_MAX else ""
    return InvalidationReports([told(call, record) for record in page], more)


def told(call: OperationContext, record: InvalidationRecord) -> InvalidationReport:
    """A record as JSON has it."""
    waiting: list[str] = []
    if record.completed_at is None:
        waiting = call.world.invalidations.waiting_for(record)
    return InvalidationReport(
        id=record.id,
        distribution=record.distribution,
        status=record.status,
        created_at=record.created_at,
        completed_at=record.completed_at,
        caller_reference=record.caller_reference,
        paths=list(record.paths),
        soft=record.soft,
        waiting_for=waiting,
    )


def _seconds(text: Any) -> float:
    try:
        seconds = float(text or 0)
    except ValueError:
        raise ApiError("InvalidArgument", "wait_s is not a number") from None
    if not 0 <= seconds <= WAIT_S_MAX:
        raise ApiError("InvalidArgument", f"wait_s is not between 0 and {WAIT_S_MAX:g}")
    return seconds
