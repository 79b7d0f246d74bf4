"""CORS headers of a response headers policy. Law: only an origin that matches is told anything.

CloudFront Developer Guide, "Understand response headers policies", "CORS headers"; Fetch Standard,
"CORS protocol", for what the fields mean to a browser.
"""

from __future__ import annotations

import re

from edgecache.config.model import CorsHeaders
from edgecache.http.function_cache import CONFIGURED_BYTES, cached
from edgecache.http.message import (
    Fields,
    Request,
    combined_value,
    first_value,
    list_members,
    without,
)

ALL_METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE")
PREFIX = b"access-control-"
_REQUESTED_MAX = 128  # names of one preflight that are compared; browsers send a handful
_NAME_BYTES_MAX = 256  # CloudFront's quota for the name of a custom header
_ORIGIN = re.compile(rb"([a-z][a-z0-9+.\-]*)://(\[[0-9a-f:.]+\]|[^\[\]/?#@:]+)(?::([0-9]+))?")


def is_preflight(request: Request) -> bool:
    """Whether a browser asks what it may ask (Fetch, "CORS-preflight request")."""
    return (
        request.method == b"OPTIONS"
        and first_value(request.fields, b"access-control-request-method") is not None
    )


def with_cors(fields: Fields, request: Request, cors: CorsHeaders) -> Fields:
    """`fields` with what the policy adds for this request's Origin.

    Without `origin_override` an origin that says anything of CORS says all of it.
    """
    if not cors.origin_override and any(name.startswith(PREFIX) for name, _ in fields):
        return fields
    if "*" not in cors.allow_origins:
        fields = varying(fields)
    origin = first_value(request.fields, b"origin")
    if origin is None or not matches_any(cors.allow_origins, origin):
        return fields
    added = _granted(origin, cors)
    if is_preflight(request):
        added += _preflight(request, cors)
    return (*without(fields, {name for name, _ in added}), *added)


def varying(fields: Fields) -> Fields:
    """Vary: Origin, told also to who sent no Origin: a cache behind us must keep them apart."""
    names = {m.lower() for m in list_members(combined_value(fields, b"vary") or b"")}
    return fields if names & {b"origin", b"*"} else (*fields, (b"vary", b"Origin"))


def _granted(origin: bytes, cors: CorsHeaders) -> Fields:
    any_origin = "*" in cors.allow_origins and not cors.allow_credentials
    added: Fields = ((b"access-control-allow-origin", b"*" if any_origin else origin),)
    if cors.allow_credentials:
        added += ((b"access-control-allow-credentials", b"true"),)
    if cors.expose_headers:
        added += ((b"access-control-expose-headers", _listed(cors.expose_headers)),)
    return added


def _preflight(request: Request, cors: CorsHeaders) -> Fields:
    added: Fields = ()
    allowed = allowed_headers(request, cors)
    if allowed:
        added += ((b"access-control-allow-headers", allowed),)
    if cors.allow_methods:
        methods = ALL_METHODS if "ALL" in cors.allow_methods else cors.allow_methods
        added += ((b"access-control-allow-methods", _listed(methods)),)
    if cors.max_age_s is not None:
        added += ((b"access-control-max-age", b"%d" % cors.max_age_s),)
    return added


def allowed_headers(request: Request, cors: CorsHeaders) -> bytes:
    """Access-Control-Allow-Headers. Browsers know no pattern but `*`, so what matches is named.

    A lone `*` never covers Authorization; with credentials it means nothing to a browser, and the
    names it asked for stand in its place.
    """
    if "*" in cors.allow_headers and not cors.allow_credentials:
        return _listed(("*", *(name for name in cors.allow_headers if "*" not in name)))
    asked = combined_value(request.fields, b"access-control-request-headers") or b""
    members = list_members(asked)[:_REQUESTED_MAX]
    wanted = [name.lower() for name in members if len(name) <= _NAME_BYTES_MAX]
    names = [name.encode() for name in cors.allow_headers if "*" not in name]
    known = {name.lower() for name in names}
    for pattern in cors.allow_headers:
        if "*" in pattern:
            found = [name for name in wanted if name not in known and _covers(pattern, name)]
            names += found
            known |= set(found)
    return b", ".join(names)


def _covers(pattern: str, name: bytes) -> bool:
    if pattern == "*":
        return name != b"authorization"
    return _stars(pattern.lower().encode(), b".*").fullmatch(name) is not None


def matches_any(patterns: tuple[str, ...], origin: bytes) -> bool:
    """Whether an Origin matches one of a policy's origins."""
    folded = origin.lower()
    return any(_matches(pattern, folded) for pattern in patterns)


def _matches(pattern: str, origin: bytes) -> bool:
    """Whether `origin` matches a pattern `[scheme://]host[:port]`.

    `*` stands for the leftmost labels, or for digits of the port; `:*` matches no port too.
    """
    if pattern == "*" or pattern.lower().encode() == origin:
        return True
    parsed = _ORIGIN.fullmatch(origin)
    return parsed is not None and _compiled(pattern).fullmatch(origin) is not None


@cached(1_024, CONFIGURED_BYTES)  # patterns of a configuration's policies
def _compiled(pattern: str) -> re.Pattern[bytes]:
    scheme, mark, rest = pattern.lower().rpartition("://")
    host, colon, port = rest.rpartition(":")
    if not colon or "]" in port:
        host, port = rest, ""
    scheme_part = re.escape(scheme.encode()) if mark else b"https?"
    if host.startswith("*."):
        host_part = rb"(?:[^/:@\[\]]*)" + re.escape(host[1:].encode())
    else:
        host_part = rb"[^/@]*" if host == "*" else re.escape(host.encode())
    port_part = b""
    if port:
        port_part = b":" + _stars(port.encode(), b"[0-9]*").pattern
    if port == "*":
        port_part = b"(?::[0-9]+)?"
    return re.compile(scheme_part + b"://" + host_part + port_part)


@cached(1_024, CONFIGURED_BYTES)  # as above
def _stars(pattern: bytes, star: bytes) -> re.Pattern[bytes]:
    return re.compile(star.join(re.escape(part) for part in pattern.split(b"*")))


def _listed(names: tuple[str, ...]) -> bytes:
    return ", ".join(names).encode()
