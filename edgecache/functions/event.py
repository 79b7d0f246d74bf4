"""Event of a CloudFront function, and what comes back. Law: what is not changed stays as it came.

Developer Guide, "CloudFront Functions event structure" (version 1.0) and "Restrictions on all edge
functions". A value that is no UTF-8 is shown as Latin-1; bytes a function leaves alone go on as
they were received. What breaks a rule is a ValidationProblem: CloudFront answers 502.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from edgecache.functions.header_rules import (
    FRAMING,
    READ_ONLY,
    Place,
    ValidationProblem,
    header_name,
    header_value,
    is_hidden,
)
from edgecache.http.message import Fields, Request, cookie_pairs, query_pairs, title_case

URI_CHARS_MAX = 8_192  # of path and query: "must be less than"
FIELDS_BYTES_MAX = 32_768  # CloudFront's quota for a request's headers and query
STATUSES = range(200, 600)
_TARGET = re.compile(rb"[\x21-\x7e]*")
STATUS_TEXT = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,512}")
_COOKIE = re.compile(r"[^\x00-\x20;=\x7f\ud800-\udfff]+")
_COOKIE_VALUE = re.compile(r"[^\x00-\x1f;\x7f\ud800-\udfff]*")
_ATTRIBUTES = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]*")

Json = dict[str, Any]
Field = tuple[bytes, bytes]


class FunctionResponse(Struct, frozen=True):
    """A response as a function gave it. `body` None: what there was."""

    status: int
    reason: bytes
    fields: Fields
    body: bytes | None = None


def text_of(raw: bytes) -> str:
    """Bytes of a request or response as functions see them."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


# What a function is shown.


def request_object(request: Request) -> Json:
    """`event.request`."""
    shown, cookies = _shown_headers(request.fields, b"cookie")
    pairs = [pair for value in cookies for pair in cookie_pairs(value)]
    query = [pair for pair in query_pairs(request.query or b"") if pair != (b"", None)]
    return {
        "method": request.method.decode("latin-1"),
        "uri": text_of(request.path),
        "querystring": _collapsed([(text_of(n), {"value": text_of(v or b"")}) for n, v in query]),
        "headers": shown,
        "cookies": _collapsed([(text_of(n), {"value": text_of(v or b"")}) for n, v in pairs]),
    }


def response_object(status: int, reason: bytes, fields: Fields) -> Json:
    """`event.response`, which has no body."""
    shown, cookies = _shown_headers(fields, b"set-cookie")
    return {
        "statusCode": status,
        "statusDescription": text_of(reason),
        "headers": shown,
        "cookies": _collapsed([_set_cookie(value) for value in cookies]),
    }


def _shown_headers(fields: Fields, cookie: bytes) -> tuple[Json, list[bytes]]:
    """Headers by their names, and the values of those that hold cookies."""
    shown, cookies = [], []
    for name, value in fields:
        if name == cookie:
            cookies.append(value)
        elif not is_hidden(name):
            shown.append((text_of(name), {"value": text_of(value)}))
    return _collapsed(shown), cookies


def _collapsed(items: list[tuple[str, Json]]) -> Json:
    """By name; what comes more than once has its first value, and all in `multiValue`."""
    found: Json = {}
    for name, item in items:
        before = found.get(name)
        if before is None:
            found[name] = item
        elif "multiValue" in before:
            before["multiValue"].append(item)
        else:
            found[name] = {**before, "multiValue": [dict(before), item]}
    return found


def _set_cookie(value: bytes) -> tuple[str, Json]:
    pair, _, attributes = value.partition(b";")
    name, _, content = pair.strip(b" \t").partition(b"=")
    item = {"value": text_of(content)}
    if attributes.strip(b" \t"):
        item["attributes"] = text_of(attributes.strip(b" \t"))
    return text_of(name), item


def differences(shown: Json, given: object) -> list[str]:
    """What a function was shown, and what it gave back, as far as the two differ: a line each."""
    before, after = dict(_leaves("", shown)), dict(_leaves("", given))
    changes = [f"- {name} {value}" for name, value in before.items() if name not in after]
    for name, value in after.items():
        if name not in before:
            changes.append(f"+ {name} {value}")
        elif value != before[name]:
            changes.append(f"{name} {before[name]} -> {value}")
    return changes or ["nothing is changed"]


def _leaves(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Every value in an object, with its path, as JSON."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}" if path else name, inner)
    elif value != {} or not path:
        yield path, msgspec.json.encode(value).decode()


# What a function gives back.


def is_response(returned: object) -> bool:
    """Whether a viewer-request function answers by itself."""
    return isinstance(returned, dict) and "statusCode" in returned


def applied_request(request: Request, shown: Json, returned: object) -> Request:
    """`request` as a viewer-request function wants it; `shown` is what it was.

    ValidationProblem.
    """
    given = _object(returned, "the function returned neither a request nor a response")
    if given.get("method", shown["method"]) != shown["method"]:
        raise ValidationProblem("request.method is read-only")
    path = changed_path(request, shown, given)
    query = _query(request, shown, given)
    if len(path) + len(query or b"") + (query is not None) >= URI_CHARS_MAX:
        raise ValidationProblem(f"the URI has {URI_CHARS_MAX} characters or more")
    place: Place = "viewer-request"
    fields = _fields(request.fields, shown["headers"], _part(given, "headers"), place)
    fields = _cookies(fields, shown["cookies"], _part(given, "cookies"))
    if sum(len(name) + len(value) for name, value in fields) > FIELDS_BYTES_MAX:
        raise ValidationProblem(f"the headers are larger than {FIELDS_BYTES_MAX} bytes")
    if path is request.path and query is request.query and fields is request.fields:
        return request
    return replace(request, path=path, query=query, fields=fields)


def applied_response(
    fields: Fields, shown: Json, returned: object, place: Place = "viewer-response"
) -> FunctionResponse:
    """A response as a function wants it; `shown` is what it was. ValidationProblem."""
    given = _object(returned, "the function returned no response")
    status = given.get("statusCode")
    if type(status) is float and status.is_integer():
        status = int(status)
    if type(status) is not int or status not in STATUSES:
        raise ValidationProblem("response.statusCode is not a whole number from 200 to 599")
    reason = given.get("statusDescription", "")
    if not isinstance(reason, str) or not STATUS_TEXT.fullmatch(reason):
        raise ValidationProblem("response.statusDescription is not one line of text")
    headers = {**_part(given, "headers")}
    for name in FRAMING & {name.encode("utf-8", "replace") for name in headers}:
        if name != b"content-length" or place == "viewer-request":
            _same_framing(headers, shown["headers"], name.decode())
        headers.pop(name.decode())
    before = {name: item for name, item in shown["headers"].items() if name.encode() not in FRAMING}
    kept = tuple([field for field in fields if field[0] not in FRAMING])
    kept = _fields(kept, before, headers, place)
    kept = _set_cookies(kept, shown["cookies"], _part(given, "cookies"))
    if "statusDescription" not in given:
        reason = ""
    return FunctionResponse(status, reason.encode("latin-1"), kept, _body(given))


def _same_framing(headers: Json, before: Json, name: str) -> None:
    if name != "content-length" and headers[name] != before.get(name):
        raise ValidationProblem(f"the header {name!r} is not allowed")


def _object(value: object, otherwise: str) -> Json:
    if not isinstance(value, dict):
        raise ValidationProblem(otherwise)
    return value


def _part(given: Json, name: str) -> Json:
    value = given.get(name)
    return {} if value is None else _object(value, f"{name} is not an object")


def changed_path(request: Request, shown: Json, given: Json) -> bytes:
    """The path that `uri` of what came back asks for. ValidationProblem."""
    uri = given.get("uri")
    if uri == shown["uri"]:
        return request.path
    if not isinstance(uri, str) or not uri.startswith("/"):
        raise ValidationProblem("request.uri does not begin with /")
    raw = encoded_target(uri, "request.uri")
    if b"?" in raw or b"#" in raw:
        raise ValidationProblem("request.uri has ? or #: a query belongs in querystring")
    return raw


def encoded_target(text: str, where: str) -> bytes:
    """Text of a target: what is no ASCII is percent-encoded UTF-8."""
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise ValidationProblem(f"{where} is no text") from error
    if not raw.isascii():
        raw = b"".join([b"%%%02X" % byte if byte > 0x7E else b"%c" % byte for byte in raw])
    if not _TARGET.fullmatch(raw):
        raise ValidationProblem(f"{where} has spaces or control characters")
    return raw


def _query(request: Request, shown: Json, given: Json) -> bytes | None:
    wanted = given.get("querystring")
    if wanted == shown["querystring"]:
        return request.query
    if isinstance(wanted, str):
        raw = encoded_target(wanted, "request.querystring")
    else:
        parts = []
        for name, item in _part(given, "querystring").items():
            before = shown["querystring"].get(name)
            parts += [f"{name}={one['value']}" for one in _values(item, before, "querystring")]
        raw = encoded_target("&".join(parts), "request.querystring")
    if b"#" in raw:
        raise ValidationProblem("request.querystring has #")
    return raw or None


def _values(item: object, before: Json | None, where: str) -> list[Json]:
    """Every value of an entry: `multiValue` where that was changed, else `value` and the rest."""
    entry = _object(item, f"an entry of {where} is not an object")
    several = entry.get("multiValue")
    former = None if before is None else before.get("multiValue")
    if several is not None and several != former:
        if not isinstance(several, list):
            raise ValidationProblem(f"a multiValue of {where} is not an array")
        found = several
    else:
        found = [entry, *(former[1:] if former and several is not None else ())]
    for one in found:
        if not isinstance(one, dict) or not isinstance(one.get("value"), str):
            raise ValidationProblem(f"a value of {where} is not a string")
    return found


def _fields(fields: Fields, shown: Json, wanted: Json, place: Place) -> Fields:
    """The fields with the headers a function wants, each where it was; new ones at the end."""
    if wanted == shown:
        return fields
    written: dict[bytes, list[Field]] = {}
    for name, item in wanted.items():
        if name in shown and item == shown[name]:
            continue
        raw = header_name(name, place)
        written[raw] = [
            (raw, header_value(one["value"])) for one in _values(item, shown.get(name), "headers")
        ]
    gone = {name.encode() for name in shown if name not in wanted}
    for raw in (gone | written.keys()) & READ_ONLY[place]:
        raise ValidationProblem(f"the header {title_case(raw).decode()} is read-only")
    found: list[Field] = []
    for field in fields:
        if field[0] in written:
            found += written[field[0]]
            written[field[0]] = []
        elif field[0] not in gone or field[0] in (b"cookie", b"set-cookie"):
            found.append(field)
    return (*found, *(field for several in written.values() for field in several))


def _cookies(fields: Fields, shown: Json, wanted: Json) -> Fields:
    if wanted == shown:
        return fields
    pairs = []
    for name, item in wanted.items():
        for one in _values(item, shown.get(name), "cookies"):
            _require_cookie(name, one)
            pairs.append(f"{name}={one['value']}")
    rest = tuple([field for field in fields if field[0] != b"cookie"])
    return (*rest, (b"cookie", "; ".join(pairs).encode())) if pairs else rest


def _set_cookies(fields: Fields, shown: Json, wanted: Json) -> Fields:
    if wanted == shown:
        return fields
    lines: list[Field] = []
    for name, item in wanted.items():
        for one in _values(item, shown.get(name), "cookies"):
            _require_cookie(name, one)
            attributes = one.get("attributes") or ""
            if not isinstance(attributes, str) or not _ATTRIBUTES.fullmatch(attributes):
                raise ValidationProblem(f"the attributes of the cookie {name!r} are no text")
            line = f"{name}={one['value']}" + (f"; {attributes}" if attributes else "")
            lines.append((b"set-cookie", line.encode()))
    rest = tuple([field for field in fields if field[0] != b"set-cookie"])
    return (*rest, *lines)


def _require_cookie(name: str, item: Json) -> None:
    if not _COOKIE.fullmatch(name) or not _COOKIE_VALUE.fullmatch(item["value"]):
        raise ValidationProblem(f"the cookie {name!r} has characters no cookie has")


def _body(given: Json) -> bytes | None:
    """The body a response is given: text, or an encoding and data; None: it says nothing of one."""
    body = given.get("body")
    if body is None:
        return None
    encoding, data = "text", body
    if isinstance(body, dict):
        encoding, data = body.get("encoding", "text"), body.get("data")
    if not isinstance(data, str) or encoding not in ("text", "base64"):
        raise ValidationProblem("response.body has no data, or an encoding but text and base64")
    try:
        return b64decode(data, validate=True) if encoding == "base64" else data.encode()
    except (binascii.Error, UnicodeEncodeError, ValueError) as error:
        raise ValidationProblem("response.body is not what its encoding says") from error
