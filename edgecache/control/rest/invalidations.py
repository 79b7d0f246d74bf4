"""Invalidations in JSON: CloudFront's items, and those beyond it. Law: what is told is on disk."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from edgecache.control.cloudfront.context import Call
from edgecache.control.cloudfront.distributions import distribution
from edgecache.control.cloudfront.errors import Fault
from edgecache.control.cloudfront.invalidations import accepted
from edgecache.control.state.invalidations import LIST_MAX, Record, Wanted
from edgecache.control.state.resources import Resource, drawn
from edgecache.rules.invalidation.items import Item, Kind, item, items_of, with_root

WAIT_S_MAX = 30.0  # below the 60 s after which common proxies give up on a silent response


class InvalidationWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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


class InvalidationTold(msgspec.Struct, frozen=True):
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


class InvalidationsTold(msgspec.Struct, frozen=True):
    """A page, the newest first; `next` is the `marker` of the next one, empty at the end."""

    invalidations: list[InvalidationTold]
    next: str = ""


SCHEMAS = (InvalidationWanted, InvalidationTold, InvalidationsTold)


def items_wanted(wanted: InvalidationWanted, one: Resource) -> tuple[Item, ...]:
    """The items of a wish. A Fault names what is wrong with them."""
    try:
        items = with_root(items_of(wanted.paths), one.config["DefaultRootObject"])
        for kind, texts in (
            (Kind.TAG, wanted.tags),
            (Kind.GLOB, wanted.globs),
            (Kind.HOST, wanted.hosts),
            (Kind.PREFIX, wanted.prefixes),
        ):
            items += tuple(item(kind, text) for text in texts)
    except ValueError as error:
        raise Fault("InvalidArgument", str(error)) from None
    if not items:
        raise Fault("InvalidArgument", "nothing is named: give paths, tags, globs, hosts, prefixes")
    return items


def invalidate(call: Call) -> tuple[InvalidationTold, int]:
    """POST /invalidations."""
    asked = msgspec.json.decode(call.given["body"], type=InvalidationWanted)
    one = distribution(call, asked.distribution)
    reference = asked.caller_reference or drawn("R", call.catalog.random)
    wanted = Wanted(one.id, items_wanted(asked, one), reference, asked.soft)
    return told(call, accepted(call, wanted)), 201


async def get_invalidation(call: Call) -> InvalidationTold:
    """GET /invalidations/DISTRIBUTION/ID?wait_s=: as it is, or once it is Completed."""
    wait_s = _seconds(call.given.get("wait_s"))
    record = await call.world.run(partial(_found, call))
    if wait_s and await call.world.invalidations.wait(record, wait_s):
        record = await call.world.run(partial(_found, call))
    return told(call, record)


def _found(call: Call) -> Record:
    one = distribution(call, call.given["distribution"])
    record = call.world.invalidations.get(one.id, call.given["id"])
    if record is None:
        raise Fault("NoSuchInvalidation", "The specified invalidation does not exist.")
    return record


def list_invalidations(call: Call) -> InvalidationsTold:
    """GET /invalidations/DISTRIBUTION?marker=."""
    one = distribution(call, call.given["distribution"])
    found = call.world.invalidations.page(one.id, call.given.get("Marker") or "")
    page = found[:LIST_MAX]
    more = page[-1].id if len(found) > LIST_MAX else ""
    return InvalidationsTold([told(call, record) for record in page], more)


def told(call: Call, record: Record) -> InvalidationTold:
    """A record as JSON has it."""
    waiting: list[str] = []
    if record.completed_at is None:
        waiting = call.world.invalidations.waiting_for(record)
    return InvalidationTold(
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
        raise Fault("InvalidArgument", "wait_s is not a number") from None
    if not 0 <= seconds <= WAIT_S_MAX:
        raise Fault("InvalidArgument", f"wait_s is not between 0 and {WAIT_S_MAX:g}")
    return seconds
