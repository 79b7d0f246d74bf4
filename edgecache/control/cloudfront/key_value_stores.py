"""Operations on key value stores, by name. API reference, KeyValueStore.

What a store holds is put and read over a service of its own: see `key_value_data.py`. A store made
from an import is there, with all it holds, when its maker is answered: its status is READY.
"""

from __future__ import annotations

import os
import re
import stat
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecache.config.key_value_stores import (
    FILE_BYTES_MAX,
    STORE_BYTES_MAX,
    items_bytes,
    items_problem,
    read_import,
)
from edgecache.config.model import Bucket
from edgecache.control.cloudfront.context import OperationContext, Run, arn, page
from edgecache.control.cloudfront.error_mapping import as_api_errors
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.model import PREFIX
from edgecache.control.cloudfront.preconditions import require_changeable, require_current
from edgecache.control.cloudfront.quotas import require_room
from edgecache.control.cloudfront.tags import merge_tags
from edgecache.control.state.resources import Resource, ResourceKind, random_id

KIND = ResourceKind.KEY_VALUE_STORE
READY = "READY"
_OBJECT = re.compile(r"arn:aws:s3:::([^/]+)/(.+)")
_STORE = re.compile(r"arn:aws:cloudfront::[0-9]{12}:key-value-store/([0-9a-fA-F-]{36})")

Document = dict[str, Any]


def operations() -> dict[str, Run]:
    """The operations on key value stores, by name."""
    return {
        "CreateKeyValueStore": create,
        "DescribeKeyValueStore": describe,
        "UpdateKeyValueStore": update,
        "DeleteKeyValueStore": delete,
        "ListKeyValueStores": list_all,
    }


def store_of_arn(text: str) -> str:
    """The id in the ARN of a store; empty for anything else."""
    match = _STORE.fullmatch(text)
    return match[1] if match else ""


def create(call: OperationContext) -> Document:
    """Make a store, empty or with what an object of the bucket holds."""
    catalog, name = call.catalog, call.input["Name"]
    known = catalog.of(KIND)
    if any(one.name == name for one in known):
        raise ApiError("EntityAlreadyExists", f"There is a key value store named {name} already.")
    require_room(call, "key_value_stores", len(known), "EntityLimitExceeded")
    source = call.input.get("ImportSource")
    items = {} if source is None else _imported(source, catalog.file.bucket)
    now = catalog.clock()
    resource = Resource(
        kind=KIND,
        id=str(uuid.UUID(bytes=catalog.random(16), version=4)),
        etag=random_id("E", catalog.random),
        created_at=now,
        modified_at=now,
        config={key: call.input[key] for key in ("Name", "Comment") if key in call.input},
        tags=merge_tags({}, call.input.get("Tags", {}).get("Items", [])),
    )
    with as_api_errors(KIND, resource.id), call.changing(name):
        catalog.put(resource)
        catalog.key_values.create(resource.id, items, now, call.by(name))
    location = f"{call.base}{PREFIX}/key-value-store/{name}"
    return _output(resource) | {"Location": location}


def describe(call: OperationContext) -> Document:
    return _output(_store(call))


def update(call: OperationContext) -> Document:
    """Say something else of it: its comment is all that can be changed."""
    one = _store(call)
    require_changeable(one, "AccessDenied")
    require_current(call, one)
    catalog = call.catalog
    changed = replace(
        one,
        etag=random_id("E", catalog.random),
        modified_at=catalog.clock(),
        config=one.config | {"Comment": call.input["Comment"]},
        generation=0,
    )
    with as_api_errors(KIND, one.id), call.changing(one.name):
        catalog.put(changed)
    return _output(changed)


def delete(call: OperationContext) -> Document:
    """Remove a store that no function reads, with all it holds."""
    one = _store(call)
    require_changeable(one, "AccessDenied")
    require_current(call, one)
    readers = readers_of(call, one.id)
    if readers:
        raise ApiError(
            "CannotDeleteEntityWhileInUse",
            f"The key value store {one.name} is associated with the function {readers[0]}.",
        )
    with as_api_errors(KIND, one.id), call.changing(one.name):
        call.catalog.remove(KIND, one.id)
        call.catalog.key_values.remove(one.id, call.by(one.name))
    return {}


def list_all(call: OperationContext) -> Document:
    known = sorted(call.catalog.of(KIND), key=_name)
    if call.input.get("Status", READY) != READY:
        known = []
    listed = page(call.input, known, _name, _shown)
    return {"KeyValueStoreList": listed}


def readers_of(call: OperationContext, id: str) -> list[str]:
    """The functions, by name, that read a store in any stage."""
    named = arn_suffix(id)
    return [
        one.id
        for one in call.catalog.of(ResourceKind.FUNCTION)
        if any(
            item["KeyValueStoreARN"].endswith(named)
            for stage in one.config["Stages"].values()
            for item in stage["FunctionConfig"]["KeyValueStoreAssociations"].get("Items", ())
        )
    ]


def arn_suffix(id: str) -> str:
    """How the ARN of a store ends, whatever its account."""
    return f":{KIND}/{id}"


def _name(one: Resource) -> str:
    return one.name


def _store(call: OperationContext) -> Resource:
    name = call.input["Name"]
    found = next((one for one in call.catalog.of(KIND) if one.name == name), None)
    if found is None:
        raise ApiError("EntityNotFound", f"The specified key value store does not exist: {name}")
    return found


def _shown(one: Resource) -> Document:
    shown = {
        "Name": one.name,
        "Id": one.id,
        "ARN": arn(one),
        "Status": READY,
        "LastModifiedTime": one.modified_at,
    }
    if "Comment" in one.config:  # Terraform's provider takes an empty one for another than none
        shown["Comment"] = one.config["Comment"]
    return shown


def _output(one: Resource) -> Document:
    return {"KeyValueStore": _shown(one), "ETag": one.etag}


def _imported(source: Document, bucket: Bucket | None) -> dict[str, str]:
    """What an object of the bucket holds, as items. InvalidArgument, EntitySizeLimitExceeded."""
    place = source["SourceARN"]
    match = _OBJECT.fullmatch(place)
    if match is None:
        raise _wrong_source(f"{place}: not the ARN of an object (arn:aws:s3:::BUCKET/KEY)")
    if bucket is None or match[1] != bucket.name:
        known = "there is none" if bucket is None else f"the one here is {bucket.name}"
        raise _wrong_source(f"{place}: no bucket of this installation ({known})")
    try:
        content = _object(Path(bucket.folder), match[2])
        items = read_import(content)
    except (OSError, ValueError) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        raise _wrong_source(f"{place}: {why}") from None
    if items_bytes(items) > STORE_BYTES_MAX:
        raise ApiError(
            "EntitySizeLimitExceeded", f"{place}: its items are more than {STORE_BYTES_MAX} bytes."
        )
    if trouble := items_problem(items):
        raise _wrong_source(f"{place}: {trouble}")
    return items


def _object(folder: Path, key: str) -> bytes:
    """An object of the bucket's folder, on control's own machine. OSError, ValueError."""
    path = (folder / key).resolve()  # ValueError: a null byte
    if not path.is_relative_to(folder.resolve()):
        raise ValueError("there is no such object")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("there is no such object")
        return file.read(FILE_BYTES_MAX + 1)


def _wrong_source(why: str) -> ApiError:
    return ApiError("InvalidArgument", f"The parameter ImportSource.SourceARN: {why}.")
