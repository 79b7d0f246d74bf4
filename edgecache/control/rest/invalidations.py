"""Invalidations over the REST API: CloudFront's items, and those beyond it.

Law: an invalidation that was accepted, or is called Completed, is so on disk.
"""

from __future__ import annotations

from functools import partial

import msgspec

from edgecache.control.cloudfront.distributions import distribution
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.invalidations import accept_invalidation
from edgecache.control.rest.call import RestCall
from edgecache.control.state.invalidations import LIST_MAX, InvalidationRecord, InvalidationRequest
from edgecache.control.state.resources import Resource, random_id
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


def requested_items(body: InvalidationBody, site: Resource) -> tuple[Item, ...]:
    """The items a body names, of a distribution. ApiError says what is wrong with them."""
    try:
        items = with_root(items_of(body.paths), site.config["DefaultRootObject"])
        for kind, texts in (
            (ItemKind.TAG, body.tags),
            (ItemKind.GLOB, body.globs),
            (ItemKind.HOST, body.hosts),
            (ItemKind.PREFIX, body.prefixes),
        ):
            items += tuple(item(kind, text) for text in texts)
    except ValueError as error:
        raise ApiError("InvalidArgument", str(error)) from None
    if not items:
        raise ApiError(
            "InvalidArgument", "nothing is named: give paths, tags, globs, hosts, prefixes"
        )
    return items


def create_invalidation(call: RestCall) -> tuple[InvalidationReport, int]:
    """POST /invalidations."""
    body = msgspec.json.decode(call.body, type=InvalidationBody)
    context = call.context
    site = distribution(context, body.distribution)
    reference = body.caller_reference or random_id("R", context.catalog.random)
    wanted = InvalidationRequest(site.id, requested_items(body, site), reference, body.soft)
    return _report(call, accept_invalidation(context, wanted)), 201


async def get_invalidation(call: RestCall) -> InvalidationReport:
    """GET /invalidations/DISTRIBUTION/ID?wait_s=: at once, or once it is Completed."""
    wait_s = _seconds(call.query.get("wait_s"))
    services = call.services
    record = await services.run(partial(_record, call))
    if wait_s and await services.invalidations.wait(record, wait_s):
        record = await services.run(partial(_record, call))
    return _report(call, record)


def list_invalidations(call: RestCall) -> InvalidationReports:
    """GET /invalidations/DISTRIBUTION?marker=."""
    site = distribution(call.context, call.path["distribution"])
    records = call.services.invalidations.page(site.id, call.query.get("marker") or "")
    page = records[:LIST_MAX]
    more = page[-1].id if len(records) > LIST_MAX else ""
    return InvalidationReports([_report(call, record) for record in page], more)


def _record(call: RestCall) -> InvalidationRecord:
    site = distribution(call.context, call.path["distribution"])
    record = call.services.invalidations.get(site.id, call.path["id"])
    if record is None:
        raise ApiError("NoSuchInvalidation", "The specified invalidation does not exist.")
    return record


def _report(call: RestCall, record: InvalidationRecord) -> InvalidationReport:
    waiting: list[str] = []
    if record.completed_at is None:
        waiting = call.services.invalidations.waiting_for(record)
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


def _seconds(text: str | None) -> float:
    try:
        seconds = float(text or 0)
    except ValueError:
        raise ApiError("InvalidArgument", "wait_s is not a number") from None
    if not 0 <= seconds <= WAIT_S_MAX:
        raise ApiError("InvalidArgument", f"wait_s is not between 0 and {WAIT_S_MAX:g}")
    return seconds
