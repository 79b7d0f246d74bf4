"""Operations on tags, by ARN: of distributions, functions and key value stores.

Developer Guide, "Tag a distribution".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edgecache.config.checks.site import TAGS_MAX
from edgecache.control.cloudfront.context import OperationContext, Run
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.preconditions import require_changeable
from edgecache.control.state.resources import Resource, ResourceKind

_ARN = re.compile(
    r"arn:aws:cloudfront::[0-9]{12}:(distribution|function|key-value-store)/([A-Za-z0-9_.-]+)"
)
_WORD = re.compile(r"[\w\s.:/=+\-@]*")  # the model's own pattern, in Python's words

Document = dict[str, Any]


def operations() -> dict[str, Run]:
    """The operations on tags, by name."""
    return {
        "ListTagsForResource": list_tags,
        "TagResource": tag_resource,
        "UntagResource": untag_resource,
    }


def list_tags(call: OperationContext) -> Document:
    return {"Tags": tags_document(_tagged_resource(call).tags)}


def tags_document(tags: Mapping[str, str]) -> Document:
    """Tags as the API has them."""
    return {"Items": [{"Key": key, "Value": value} for key, value in tags.items()]}


def tag_resource(call: OperationContext) -> Document:
    one = _tagged_resource(call)
    return _change(call, one, merge_tags(one.tags, call.input["Tags"].get("Items", [])))


def untag_resource(call: OperationContext) -> Document:
    one = _tagged_resource(call)
    gone = set(call.input["TagKeys"].get("Items", ()))
    return _change(call, one, {key: value for key, value in one.tags.items() if key not in gone})


def merge_tags(before: Mapping[str, str], items: list[Document]) -> dict[str, str]:
    """`before` with the tags of a request; InvalidTagging."""
    tags = dict(before)
    for item in items:
        key, value = item["Key"], item.get("Value", "")
        if key.lower().startswith("aws:"):
            raise ApiError("InvalidTagging", f"Tags.Items: {key}: keys with aws: are AWS's own.")
        if not _WORD.fullmatch(key) or not _WORD.fullmatch(value):
            raise ApiError("InvalidTagging", f"Tags.Items: {key}: a character no tag may have.")
        tags[key] = value
    if len(tags) > TAGS_MAX:
        raise ApiError("InvalidTagging", f"Tags.Items: more than {TAGS_MAX} tags.")
    return tags


def distribution_of(arn: str) -> str:
    """The id in the ARN of a distribution; empty for anything else."""
    match = _ARN.fullmatch(arn)
    return match[2] if match and match[1] == ResourceKind.DISTRIBUTION else ""


def _tagged_resource(call: OperationContext) -> Resource:
    arn = call.input["Resource"]
    match = _ARN.fullmatch(arn)
    one = call.catalog.get(ResourceKind(match[1]), match[2]) if match else None
    if one is None:
        raise ApiError("NoSuchResource", f"There is no resource {arn}.")
    return one


def _change(call: OperationContext, one: Resource, tags: dict[str, str]) -> Document:
    require_changeable(one, "AccessDenied")
    if tags != one.tags:
        with call.changing(one.id):
            call.catalog.put(replace(one, tags=tags))
    return {}
