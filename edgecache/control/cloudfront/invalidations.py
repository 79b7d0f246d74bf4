"""Invalidations over the API: created, read, listed. Law: what is answered is on disk.

API reference, CreateInvalidation, GetInvalidation, ListInvalidations.
"""

from __future__ import annotations

from typing import Any

from edgecache.control.cloudfront.context import OperationContext, Run, page_size
from edgecache.control.cloudfront.distributions import distribution
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.model import PREFIX
from edgecache.control.state.invalidations import (
    ITEMS_MAX,
    InvalidationRecord,
    InvalidationRequest,
    ReferenceTakenError,
    TooManyInvalidationsError,
    item_text,
)
from edgecache.control.state.resources import Resource
from edgecache.rules.invalidation.items import Item, ItemKind, items_of, with_root

Document = dict[str, Any]
ITEMS_SUMMARIZED = 3  # with the change that is listed


def operations() -> dict[str, Run]:
    """The operations on invalidations, by name."""
    return {
        "CreateInvalidation": create,
        "GetInvalidation": get,
        "ListInvalidations": list_all,
    }


def create(call: OperationContext) -> Document:
    """Accept a batch; the same reference and paths again give the one that was accepted."""
    one = distribution(call, call.input["DistributionId"])
    batch = call.input["InvalidationBatch"]
    wanted = InvalidationRequest(
        one.id, items_for(one, batch["Paths"].get("Items", [])), batch["CallerReference"]
    )
    record = accept_invalidation(call, wanted)
    location = f"{call.base}{PREFIX}/distribution/{one.id}/invalidation/{record.id}"
    return {"Invalidation": invalidation_document(one, record), "Location": location}


def items_for(one: Resource, paths: list[str]) -> tuple[Item, ...]:
    """The items that paths name for a distribution. ApiError when one is no path."""
    where = "InvalidationBatch.Paths.Items"
    if not paths:
        raise ApiError("InvalidArgument", f"The parameter {where} must hold a path.")
    if len(paths) > ITEMS_MAX:
        raise ApiError("BatchTooLarge", f"The parameter {where} holds more than {ITEMS_MAX} paths.")
    try:
        return with_root(items_of(paths), one.config["DefaultRootObject"])
    except ValueError as error:
        raise ApiError("InvalidArgument", f"The parameter {where}: {error}") from None


def accept_invalidation(call: OperationContext, wanted: InvalidationRequest) -> InvalidationRecord:
    """The invalidation, on disk. ApiError when there are too many, or its reference is taken."""
    try:
        control = call.catalog.file.control
        quotas = control is not None and control.invalidation_quotas
        by = call.by(f"{wanted.distribution} {_summarized(wanted)}")
        record, _ = call.services.invalidations.create(wanted, by, quotas=quotas)
    except ReferenceTakenError:
        raise ApiError(
            "InvalidationBatchAlreadyExists",
            "InvalidationBatch.CallerReference is that of another batch, with other paths.",
        ) from None
    except TooManyInvalidationsError as error:
        raise ApiError("TooManyInvalidationsInProgress", str(error)) from None
    return record


def _summarized(wanted: InvalidationRequest) -> str:
    """The first items, as operators write them, and how many more there are."""
    shown = ", ".join(item_text(kind, value) for kind, value in wanted.items[:ITEMS_SUMMARIZED])
    more = len(wanted.items) - ITEMS_SUMMARIZED
    return f"{shown} and {more} more" if more > 0 else shown


def get(call: OperationContext) -> Document:
    one = distribution(call, call.input["DistributionId"])
    record = call.services.invalidations.get(one.id, call.input["Id"])
    if record is None:
        raise ApiError("NoSuchInvalidation", "The specified invalidation does not exist.")
    return {"Invalidation": invalidation_document(one, record)}


def is_completed(call: OperationContext) -> bool:
    """Whether the invalidation a call is about is Completed; true when there is none."""
    given = call.input
    record = call.services.invalidations.get(given["DistributionId"], given["Id"])
    return record is None or record.completed_at is not None


def list_all(call: OperationContext) -> Document:
    """The newest first."""
    one = distribution(call, call.input["DistributionId"])
    marker = str(call.input.get("Marker") or "")
    most = page_size(call.input.get("MaxItems"))
    records = call.services.invalidations.page(one.id, marker, most)
    chosen = records[:most]
    listed: Document = {
        "Marker": marker,
        "MaxItems": most,
        "IsTruncated": len(records) > most,
        "Quantity": len(chosen),
    }
    if chosen:
        listed["Items"] = [
            {"Id": record.id, "CreateTime": record.created_at, "Status": record.status}
            for record in chosen
        ]
    if len(records) > most:
        listed["NextMarker"] = chosen[-1].id
    return {"InvalidationList": listed}


def invalidation_document(one: Resource, record: InvalidationRecord) -> Document:
    """An Invalidation, as Get answers it."""
    paths = list(record.paths)
    root = one.config["DefaultRootObject"]
    # What stands for `/` was added when it was accepted (`with_root`), and nobody asked for it.
    if (ItemKind.PATH, "/") in record.items and paths[-1] == f"/{root}":
        del paths[-1]
    return {
        "Id": record.id,
        "Status": record.status,
        "CreateTime": record.created_at,
        "InvalidationBatch": {
            "Paths": {"Quantity": len(paths), "Items": paths},
            "CallerReference": record.caller_reference,
        },
    }
