"""Values of templates and of Terraform's states as CloudFront's API has them.

Law: what a value is follows from the API's own shape (botocore's). A member that the shape has not
is a problem, never dropped. API reference; CloudFormation's template reference of
`AWS::CloudFront::*`; Terraform's provider, `aws_cloudfront_*`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final

from edgecache.config.problems import Problem, joined, quoted
from edgecache.control.cloudfront.model import api


class _Unknown:
    """The value of what has a problem already, and gets no other."""


UNKNOWN: Final = _Unknown()
DEPTH_MAX = 32  # of values in each other: CloudFront's own have ten
_ALIASES = {  # spellings of others, without underscores and in lower case, by structure
    "DistributionConfig": {
        "cnames": "Aliases",
        "ipv6enabled": "IsIPV6Enabled",
        "orderedcachebehavior": "CacheBehaviors",
        "origin": "Origins",
        "origingroup": "OriginGroups",
        "customerrorresponse": "CustomErrorResponses",
        "loggingconfig": "Logging",
    },
    "Origin": {"origincustomheaders": "CustomHeaders", "customheader": "CustomHeaders",
               "originid": "Id"},
    "OriginCustomHeader": {"name": "HeaderName", "value": "HeaderValue"},
    "OriginGroup": {"originid": "Id", "member": "Members"},
    "GeoRestriction": {"locations": "Items"},
    "LambdaFunctionAssociation": {"lambdaarn": "LambdaFunctionARN"},
    "CacheBehavior": {"lambdafunctionassociation": "LambdaFunctionAssociations",
                      "functionassociation": "FunctionAssociations"},
    "DefaultCacheBehavior": {"lambdafunctionassociation": "LambdaFunctionAssociations",
                             "functionassociation": "FunctionAssociations"},
}  # fmt: skip
_KINDS = {"s3_origin_config", "custom_origin_config", "vpc_origin_config"}
_TRUE, _FALSE = ("true", "True"), ("false", "False")


def shape_of(operation: str, member: str) -> Any:
    """The shape of what an operation takes as `member`."""
    return api().operations[operation].takes.members[member]


def api_value(shape: Any, value: Any, place: str, problems: list[Problem], depth: int = 0) -> Any:
    """`value`, found at `place`, as `shape` has it; `problems` gets what it cannot be.

    Lists become lists with a Quantity, and text numbers and flags, where the shape has these.
    """
    if value is UNKNOWN:
        return None
    if depth > DEPTH_MAX:
        problems.append(Problem(place, f"nested deeper than {DEPTH_MAX}"))
        return None
    if shape.type_name == "structure":
        return _structure(shape, value, place, problems, depth)
    if shape.type_name == "list":
        if not isinstance(value, list):
            problems.append(Problem(place, f"expected a list, got {_shown(value)}"))
            return []
        return [
            api_value(shape.member, one, f"{place}[{index}]", problems, depth + 1)
            for index, one in enumerate(value)
        ]
    return _scalar(shape, value, place, problems)


def _structure(shape: Any, value: Any, place: str, problems: list[Problem], depth: int) -> Any:
    members = shape.members
    names = {_plain(name): name for name in members} | _ALIASES.get(shape.name, {})
    is_list = {"Quantity", "Items"} <= members.keys()
    if isinstance(value, list) and _is_block(value, names, is_list=is_list):
        value = value[0]
    elif isinstance(value, list) and is_list:
        value = {"Items": value}
    if not isinstance(value, Mapping):
        problems.append(Problem(place, f"expected an object, got {_shown(value)}"))
        return {}
    whole: dict[str, Any] = {}
    for name, one in _moved(shape.name, value).items():
        if one is None:
            continue
        member, where = names.get(_plain(str(name))), joined(place, str(name))
        if member is None:
            near = difflib.get_close_matches(str(name), members, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            problems.append(Problem(where, f"CloudFront has no such member{hint}"))
        else:
            whole[member] = api_value(members[member], one, where, problems, depth + 1)
    return _counted(shape, whole, members) if is_list else _completed(shape.name, whole)


def _is_block(value: list[Any], names: Mapping[str, str], *, is_list: bool) -> bool:
    """Whether it is a block of Terraform's: one object, which has the members that are wanted."""
    if len(value) != 1 or not isinstance(value[0], Mapping):
        return False
    return not is_list or all(_plain(str(name)) in names for name in value[0])


def _counted(shape: Any, whole: dict[str, Any], members: Mapping[str, Any]) -> dict[str, Any]:
    """A list with its Quantity, which CloudFormation lets one leave out."""
    items = whole.get("Items") or []
    counted = {**whole, "Quantity": len(items)} | ({"Items": items} if items else {})
    if not items:
        counted.pop("Items", None)
    if "Enabled" in members:
        counted.setdefault("Enabled", bool(items))
    return counted


def _moved(name: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    """A structure whose members stand elsewhere in the API."""
    if name in ("CacheBehavior", "DefaultCacheBehavior"):
        return _with_methods(value)
    if name == "LoggingConfig" and "Enabled" not in value:
        bucket = value.get("Bucket") or value.get("bucket")
        return {"IncludeCookies": False, "Prefix": "", "Bucket": "", **_without_nulls(value),
                "Enabled": bool(bucket)}  # fmt: skip
    if name == "Origin" and "origin_id" in value and not _KINDS & value.keys():
        return {**value, "s3_origin_config": {"OriginAccessIdentity": ""}}  # as the provider does
    return value


def _with_methods(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """CachedMethods inside AllowedMethods, as the API has them."""
    rest = dict(value)
    allowed = rest.pop("AllowedMethods", None) or rest.pop("allowed_methods", None)
    cached = rest.pop("CachedMethods", None) or rest.pop("cached_methods", None)
    if allowed is None and cached is None:
        return value
    methods: dict[str, Any] = {"Items": allowed or ["GET", "HEAD"]}
    return {
        **rest,
        "AllowedMethods": methods | {"CachedMethods": {"Items": cached or ["GET", "HEAD"]}},
    }


def _completed(name: str, whole: dict[str, Any]) -> dict[str, Any]:
    """What the API requires and CloudFormation fills in."""
    if name == "CookiePreference":
        return {"Forward": "none"} | whole
    if name == "ForwardedValues":
        return {"QueryString": False, "Cookies": {"Forward": "none"}} | whole
    if name == "CustomOriginConfig":
        return {"HTTPPort": 80, "HTTPSPort": 443} | whole
    return whole


def _scalar(shape: Any, value: Any, place: str, problems: list[Problem]) -> Any:
    kind = shape.type_name
    if kind == "string" and isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else f"{value}"
    if kind == "string" and isinstance(value, str):
        return value
    if kind == "boolean" and (isinstance(value, bool) or value in (*_TRUE, *_FALSE)):
        return value is True or value in _TRUE
    if kind in ("integer", "long", "double", "float") and not isinstance(value, bool):
        number = _number(value, whole=kind in ("integer", "long"))
        if number is not None:
            return number
    problems.append(Problem(place, f"expected {kind}, got {_shown(value)}"))
    return None


def _number(value: Any, *, whole: bool) -> int | float | None:
    try:
        number = float(value)
        if whole:
            return int(number) if number.is_integer() else None
    except (TypeError, ValueError, OverflowError):
        return None
    return number


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in value.items() if one is not None}


def _shown(value: object) -> str:
    return quoted(value) if isinstance(value, str) else type(value).__name__
