"""Event of a Lambda@Edge function, and what comes back. Law: what is not changed stays as it came.

Developer Guide, "Lambda@Edge event structure", "Work with requests and responses" and "Restrictions
on edge functions". A value that is no UTF-8 is shown as Latin-1. What breaks a rule is a
ValidationProblem: CloudFront answers 502.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from http import HTTPStatus
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from edgecache.config.lambda_functions import LambdaEvent
from edgecache.functions.event import (
    FIELDS_BYTES_MAX,
    STATUS_TEXT,
    STATUSES,
    URI_CHARS_MAX,
    FunctionResponse,
    Json,
    changed_path,
    encoded_target,
    text_of,
)
from edgecache.functions.header_rules import ValidationProblem, header_value, is_hidden
from edgecache.http.message import Fields, Request, is_token, title_case

KB = 1_024
BODY_BYTES_MAX: dict[LambdaEvent, int] = {  # of a request, shown or replaced; of an answer, all
    "viewer-request": 40 * KB,
    "origin-request": KB * KB,
    "origin-response": KB * KB,
}
READ_ONLY: dict[LambdaEvent, frozenset[bytes]] = {
    "viewer-request": frozenset(
        (b"cdn-loop", b"content-length", b"host", b"transfer-encoding", b"via")
    ),
    "origin-request": frozenset(
        b"accept-encoding cdn-loop content-length if-modified-since if-none-match if-range"
        b" if-unmodified-since transfer-encoding via range x-forwarded-for".split()
    ),  # the last two are ours: what is stored is cut by the one, and every hop adds to the other
    "origin-response": frozenset((b"transfer-encoding", b"via", b"content-range")),
    "viewer-response": frozenset(
        (b"warning", b"via", b"content-length", b"content-encoding", b"transfer-encoding")
    ),
}
_NO_FUNCTIONS_OWN = frozenset((b"transfer-encoding", b"via"))  # of an answer in an origin's place
_OURS = (b"cloudfront-viewer-", b"cloudfront-is-", b"cloudfront-forwarded-proto")
_OF_A_PART = (206, 304)  # what they mean depends on what was asked for
_BODYLESS = (b"GET", b"HEAD", b"OPTIONS")

Headers = dict[bytes, list[bytes]]


class IncludedBody(Struct, frozen=True):
    """What a request's body begins with; `truncated`: there is more."""

    data: bytes
    truncated: bool


def lambda_event(
    config: Json, request: Json, response: Json | None = None
) -> dict[str, list[dict[str, Json]]]:
    """The whole event."""
    inner: Json = {"config": config, "request": request}
    if response is not None:
        inner["response"] = response
    return {"Records": [{"cf": inner}]}


def shown_headers(fields: Fields) -> Json:
    """`headers` of a request or response."""
    shown: Json = {}
    for name, value in fields:
        if not is_hidden(name):
            item = {"key": title_case(name).decode("latin-1"), "value": text_of(value)}
            shown.setdefault(text_of(name), []).append(item)
    return shown


def shown_request(request: Request, fields: Fields, body: IncludedBody | None = None) -> Json:
    """`request`, with these fields; `body` None: it is not included."""
    shown: Json = {
        "clientIp": request.client[0],
        "headers": shown_headers(fields),
        "method": request.method.decode("latin-1"),
        "querystring": text_of(request.query or b""),
        "uri": text_of(request.path),
    }
    if body is not None:
        shown["body"] = {
            "inputTruncated": body.truncated,
            "action": "read-only",
            "encoding": "base64",
            "data": b64encode(body.data).decode(),
        }
    return shown


def shows_body(request: Request) -> bool:
    """Whether a request is of a method whose body is shown where that is asked for."""
    return request.method not in _BODYLESS


def shown_response(status: int, reason: bytes, fields: Fields) -> Json:
    """`response`, which has no body."""
    return {
        "headers": shown_headers(fields),
        "status": str(status),
        "statusDescription": text_of(reason) or _phrase(status),
    }


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


# What a function gives back.


def is_answer(returned: object) -> bool:
    """Whether a function at a request's event answers by itself."""
    return isinstance(returned, dict) and "status" in returned


def changed_request(
    request: Request, shown: Json, returned: object, event: LambdaEvent
) -> tuple[Request, Fields]:
    """Path and query as a function wants them, and the fields in place of those it was shown.

    `shown`: what it was. ValidationProblem.
    """
    if not isinstance(returned, dict):
        raise ValidationProblem("the function returned neither a request nor a response")
    for name in ("method", "clientIp"):
        if returned.get(name, shown[name]) != shown[name]:
            raise ValidationProblem(f"request.{name} is read-only")
    path = changed_path(request, shown, returned)
    query = _query(request, shown, returned)
    if len(path) + len(query or b"") + (query is not None) >= URI_CHARS_MAX:
        raise ValidationProblem(f"the URI has {URI_CHARS_MAX} characters or more")
    return replace(request, path=path, query=query), _wanted_fields(shown, returned, event)


def _query(request: Request, shown: Json, given: Json) -> bytes | None:
    wanted = given.get("querystring")
    if wanted == shown["querystring"]:
        return request.query
    if not isinstance(wanted, str):
        raise ValidationProblem("request.querystring is not a string")
    raw = encoded_target(wanted, "request.querystring")
    if b"#" in raw:
        raise ValidationProblem("request.querystring has #")
    return raw or None


def _wanted_fields(shown: Json, given: Json, event: LambdaEvent) -> Fields:
    before, after = _headers(shown["headers"]), _headers(given.get("headers"))
    _require_changeable(before, after, READ_ONLY[event])
    if event == "viewer-request":
        for name in after.keys() - before.keys():
            if name.startswith(_OURS):
                trouble = f"the header {title_case(name).decode()} is CloudFront's to add"
                raise ValidationProblem(trouble)
    fields = _listed(after)
    if sum(len(name) + len(value) for name, value in fields) > FIELDS_BYTES_MAX:
        raise ValidationProblem(f"the headers are larger than {FIELDS_BYTES_MAX} bytes")
    return fields


def _listed(headers: Headers) -> Fields:
    return tuple((name, value) for name, values in headers.items() for value in values)


def _headers(headers: object) -> Headers:
    """Values by name, in lower case. ValidationProblem."""
    if not isinstance(headers, dict):
        raise ValidationProblem("headers is not an object")
    found: Headers = {}
    for name, items in headers.items():
        raw = _header_name(name)
        if not isinstance(items, list):
            raise ValidationProblem(f"the header {name!r} is not an array")
        values = found.setdefault(raw, [])
        values += [_header_value(name, item) for item in items]
        if not values:
            del found[raw]
    return found


def _header_name(name: str) -> bytes:
    raw = name.encode("utf-8", "replace").lower()
    if not is_token(raw):
        raise ValidationProblem(f"{name!r} is not a header's name")
    if is_hidden(raw):
        raise ValidationProblem(f"the header {name!r} is not allowed")
    return raw


def _header_value(name: str, item: object) -> bytes:
    if not isinstance(item, dict) or not isinstance(item.get("value"), str):
        raise ValidationProblem(f"a value of the header {name!r} is not a string")
    key = item.get("key", name)
    if not isinstance(key, str) or key.lower() != name.lower():
        raise ValidationProblem(f"the key {key!r} is not the header's name, {name!r}")
    return header_value(item["value"])


def _require_changeable(before: Headers, after: Headers, read_only: frozenset[bytes]) -> None:
    for name in read_only:
        if before.get(name) != after.get(name):
            raise ValidationProblem(f"the header {title_case(name).decode()} is read-only")


def merged_fields(fields: Fields, shown: Fields, wanted: Fields) -> Fields:
    """`fields` with what differs between `shown` and `wanted`, each name where it was.

    Names that a function is not shown stay; new ones stand at the end.
    """
    before, after = _by_name(shown), _by_name(wanted)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    if not changed:
        return fields
    merged: list[tuple[bytes, bytes]] = []
    for field in fields:
        if field[0] not in changed:
            merged.append(field)
        else:
            merged += [(field[0], value) for value in after.pop(field[0], ())]
    merged += _listed({name: values for name, values in after.items() if name in changed})
    return tuple(merged)


def _by_name(fields: Fields) -> Headers:
    found: Headers = {}
    for name, value in fields:
        if not is_hidden(name):
            found.setdefault(name, []).append(_as_shown(value))
    return found


def _as_shown(value: bytes) -> bytes:
    return text_of(value).encode().strip(b" \t")


def changed_body(shown: Json, returned: Json, event: LambdaEvent) -> bytes | None:
    """The body that replaces a request's; None: that goes on as it is. ValidationProblem."""
    body = returned.get("body")
    if body is None:
        return None
    if "body" not in shown:
        raise ValidationProblem("request.body is not included: the association has no IncludeBody")
    if not isinstance(body, dict) or body.get("action", "read-only") not in (
        "read-only",
        "replace",
    ):
        raise ValidationProblem("request.body is no object with the action read-only or replace")
    if body.get("action") != "replace":
        return None
    encoding = body.get("encoding", "base64")
    data = _decoded(body.get("data", ""), encoding, "request.body")
    if len(data) > BODY_BYTES_MAX[event]:
        raise ValidationProblem(f"request.body is larger than {BODY_BYTES_MAX[event]} bytes")
    return data


def _decoded(data: object, encoding: object, where: str) -> bytes:
    if not isinstance(data, str) or encoding not in ("text", "base64"):
        raise ValidationProblem(f"{where} is no string, or its encoding is not text or base64")
    try:
        return b64decode(data, validate=True) if encoding == "base64" else data.encode()
    except (binascii.Error, UnicodeEncodeError, ValueError) as error:
        raise ValidationProblem(f"{where} is not what its encoding says") from error


def generated_response(returned: Json, event: LambdaEvent) -> FunctionResponse:
    """An answer that a function gives at a request's event. ValidationProblem."""
    status, reason = _status(returned)
    headers = _headers(returned.get("headers") or {})
    _require_changeable({}, headers, _NO_FUNCTIONS_OWN)
    headers.pop(b"content-length", None)
    body = _response_body(returned) or b""
    fields = _listed(headers)
    size = len(body) + sum(len(name) + len(value) for name, value in fields)
    if size > BODY_BYTES_MAX[event]:
        raise ValidationProblem(f"the response is larger than {BODY_BYTES_MAX[event]} bytes")
    if status in _OF_A_PART:
        raise ValidationProblem(f"a function cannot answer {status}")
    if status == 204 and body:
        raise ValidationProblem("a response of status 204 has no body")
    return FunctionResponse(status, reason, fields, body)


def changed_response(shown: Json, returned: object, event: LambdaEvent) -> FunctionResponse:
    """A response as a function wants it, with the fields in place of those it was shown.

    `shown`: what it was. ValidationProblem.
    """
    if not isinstance(returned, dict):
        raise ValidationProblem("the function returned no response")
    status, reason = _status(returned)
    if status == int(shown["status"]) and "statusDescription" not in returned:
        reason = shown["statusDescription"].encode("utf-8")
    before, after = _headers(shown["headers"]), _headers(returned.get("headers") or {})
    _require_changeable(before, after, READ_ONLY[event])
    body = _response_body(returned)
    _require_status(int(shown["status"]), status, body, event)
    if event == "origin-response":
        length = after.pop(b"content-length", before.get(b"content-length"))
        if body is None and length != before.get(b"content-length"):
            raise ValidationProblem("the header Content-Length is not what the body has")
        if before.get(b"content-length"):
            after[b"content-length"] = before[b"content-length"]
    elif body is not None:
        raise ValidationProblem("a function at viewer-response replaces no body")
    if body is not None and len(body) > BODY_BYTES_MAX[event]:
        raise ValidationProblem(f"response.body is larger than {BODY_BYTES_MAX[event]} bytes")
    return FunctionResponse(status, reason, _listed(after), body)


def _require_status(before: int, after: int, body: bytes | None, event: LambdaEvent) -> None:
    """A part, or a validation, becomes nothing else by its status alone, nor the other way."""
    if after != before and event == "viewer-response":
        raise ValidationProblem("response.status is read-only at viewer-response")
    if after != before and after in _OF_A_PART:
        raise ValidationProblem(f"a function cannot answer {after}")
    if before in _OF_A_PART and (after == before) != (body is None):
        raise ValidationProblem(f"a response of status {before} gets another with a body, or none")


def _status(returned: Json) -> tuple[int, bytes]:
    """Status and its description. ValidationProblem."""
    given: Any = returned.get("status")
    text = str(given) if type(given) is int else given
    digits = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) == 3
    if not digits or int(text) not in STATUSES:
        raise ValidationProblem("response.status is not a whole number from 200 to 599")
    reason = returned.get("statusDescription")
    if reason is None:
        reason = ""
    if not isinstance(reason, str) or not STATUS_TEXT.fullmatch(reason):
        raise ValidationProblem("response.statusDescription is not one line of text")
    return int(text), reason.encode("latin-1")


def _response_body(returned: Json) -> bytes | None:
    body = returned.get("body")
    if body is None:
        return None
    return _decoded(body, returned.get("bodyEncoding", "text"), "response.body")
