"""`request.origin` of a Lambda function's event at origin-request, and what comes back of it.

Developer Guide, "Lambda@Edge event structure": exactly one of `custom` and `s3`. Law: what a
function leaves alone is asked as the configuration says. What it changes is a call of
`origin_change`, as a CloudFront function makes one, so that both are judged alike.
"""

from __future__ import annotations

from typing import Any

from edgecache.config.model import Origin
from edgecache.functions.event import Json
from edgecache.functions.header_rules import ValidationProblem, header_value, is_hidden
from edgecache.http.message import is_token, title_case
from edgecache.upstream.origin_request import endpoint_of

UPDATE = "update"
_CUSTOM = {
    "customHeaders", "domainName", "keepaliveTimeout", "path", "port", "protocol", "readTimeout",
    "responseCompletionTimeout", "sslProtocols",
}  # fmt: skip
_S3 = {
    "authMethod", "customHeaders", "domainName", "path", "readTimeout", "region",
    "responseCompletionTimeout",
}  # fmt: skip
_TIMEOUTS = ("readTimeout", "responseCompletionTimeout", "keepaliveTimeout")
_CONNECTION = ("port", "protocol", "sslProtocols")
_OF_S3 = {"port": 443, "protocol": "https", "sslProtocols": ["TLSv1.2"]}


def shown_origin(origin: Origin, scheme: bytes) -> Json:
    """`request.origin` of a request of this scheme; secret headers are not shown."""
    shown: Json = {
        "customHeaders": {
            name.lower(): [{"key": title_case(name.lower().encode()).decode(), "value": value}]
            for name, value in origin.custom_headers.items()
        },
        "domainName": origin.domain_name,
        "path": origin.path,
        "readTimeout": _whole(origin.read_timeout_s),
    }
    if origin.completion_timeout_s is not None:
        shown["responseCompletionTimeout"] = _whole(origin.completion_timeout_s)
    if origin.kind == "s3":
        signs = origin.access == "identity"
        shown["authMethod"] = "origin-access-identity" if signs else "none"
        shown["region"] = ""
        return {"s3": shown}
    endpoint = endpoint_of(origin, scheme)
    shown |= {
        "keepaliveTimeout": _whole(origin.keepalive_timeout_s),
        "port": endpoint.port,
        "protocol": "http" if endpoint.tls is None else "https",
        "sslProtocols": list(origin.ssl_protocols),
    }
    return {"custom": shown}


def _whole(seconds: float) -> float:
    return int(seconds) if float(seconds).is_integer() else seconds


def origin_call(shown: Json, given: object) -> list[Any] | None:
    """What a function changed of the origin it was shown; None: nothing. ValidationProblem."""
    if given == shown:
        return None
    if not isinstance(given, dict) or len(given) != 1 or next(iter(given)) not in ("custom", "s3"):
        raise ValidationProblem("request.origin is not one origin, custom or s3")
    (kind, wanted), (former_kind, before) = next(iter(given.items())), next(iter(shown.items()))
    if not isinstance(wanted, dict):
        raise ValidationProblem(f"request.origin.{kind} is not an object")
    for name in wanted.keys() - (_CUSTOM if kind == "custom" else _S3):
        raise ValidationProblem(f"request.origin.{kind}.{name} is not supported here")
    if kind == "s3":
        _require_same_access(before if former_kind == "s3" else {"authMethod": "none"}, wanted)
        wanted = wanted if former_kind == "s3" else {**_OF_S3, **wanted}
    elif former_kind == "s3":
        before = {name: value for name, value in before.items() if name in _CUSTOM}
    asked = _asked(before, wanted)
    return [UPDATE, asked] if asked else None


def _require_same_access(before: Json, wanted: Json) -> None:
    """Who we are is told to the bucket that is configured, and to no other."""
    if wanted.get("authMethod", before["authMethod"]) != before["authMethod"]:
        raise ValidationProblem("another authMethod is not supported here")
    if before["authMethod"] != "none" and wanted.get("region", "") != before["region"]:
        raise ValidationProblem("another region is not supported here")


def _asked(before: Json, wanted: Json) -> Json:
    """The members of `updateRequestOrigin` that say what differs."""
    asked: Json = {}
    if wanted.get("domainName") != before.get("domainName"):
        asked["domainName"] = wanted.get("domainName")
    if wanted.get("path", "") != before.get("path", ""):
        asked["originPath"] = wanted.get("path", "")
    if wanted.get("customHeaders", {}) != before["customHeaders"]:
        asked["customHeaders"] = _headers(wanted.get("customHeaders", {}))
    timeouts = {
        name: wanted[name]
        for name in _TIMEOUTS
        if wanted.get(name) and wanted[name] != before.get(name)
    }
    if not wanted.get("responseCompletionTimeout") and "responseCompletionTimeout" in before:
        raise ValidationProblem("responseCompletionTimeout is not taken away here: say another")
    if "keepaliveTimeout" in timeouts:
        timeouts["keepAliveTimeout"] = timeouts.pop("keepaliveTimeout")
    if timeouts:
        asked["timeouts"] = timeouts
    if any(wanted.get(name) != before.get(name) for name in _CONNECTION if name in wanted):
        asked["customOriginConfig"] = {name: wanted.get(name) for name in _CONNECTION}
    return asked


def _headers(given: object) -> dict[str, str]:
    """Custom headers as `updateRequestOrigin` has them. ValidationProblem."""
    if not isinstance(given, dict):
        raise ValidationProblem("customHeaders is not an object")
    found = {}
    for name, items in given.items():
        raw = name.lower().encode("utf-8", "replace")
        if not is_token(raw) or is_hidden(raw):
            raise ValidationProblem(f"the custom header {name!r} is not allowed")
        single = isinstance(items, list) and len(items) == 1 and isinstance(items[0], dict)
        value = items[0].get("value") if single else None
        if not isinstance(value, str):
            raise ValidationProblem(f"the custom header {name!r} has no single value")
        found[name.lower()] = header_value(value).decode()
    return found
