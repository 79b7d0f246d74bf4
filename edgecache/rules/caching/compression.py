"""Compression by the edge: which responses are coded, and with which fields.

Law: nothing outside this file decides that we compress, nor what is said of it. CloudFront
Developer Guide, "Serve compressed files" (its list of conditions and of content types).
"""

from __future__ import annotations

from edgecache.config.model import CachePolicy
from edgecache.http.conditional import parse_etag, parse_etag_list, weak_match
from edgecache.http.message import (
    Fields,
    Request,
    Response,
    combined_value,
    first_value,
    list_members,
    replaced,
    without,
)
from edgecache.rules.caching.key import ORIGIN_ETAG, keyed_encoding
from edgecache.rules.caching.reuse import caching_disabled
from edgecache.rules.routing import Route

BODY_BYTES_MIN = 1_000  # CloudFront's quota
BODY_BYTES_MAX = 10_000_000  # CloudFront's quota
STATUSES = frozenset({200, 403, 404})
CODINGS = (b"br", b"gzip")  # the one we would rather use first
_APPLICATION = (
    b"dash+xml eot font font-sfnt javascript json opentype otf pdf pkcs7-mime protobuf rss+xml "
    b"truetype ttf vnd.apple.mpegurl vnd.mapbox-vector-tile vnd.ms-fontobject wasm xhtml+xml xml "
    b"x-font-opentype x-font-truetype x-font-ttf x-httpd-cgi x-javascript x-mpegurl x-opentype "
    b"x-otf x-perl x-ttf"
)
_TEXT = (
    b"css csv html javascript js plain richtext tab-separated-values xml x-component "
    b"x-java-source x-script"
)
TYPES = frozenset(
    [b"application/" + name for name in _APPLICATION.split()]
    + [b"font/" + name for name in (b"eot", b"opentype", b"otf", b"ttf")]
    + [b"text/" + name for name in _TEXT.split()]
    + [b"image/svg+xml", b"vnd.apple.mpegurl"]  # the last without a slash, as CloudFront lists it
)
# They speak of the bytes we were sent: their digests, and that ranges of them can be had.
_OF_THE_BYTES_SENT = frozenset(
    {b"accept-ranges", b"content-digest", b"content-md5", b"digest", b"repr-digest"}
)


def coding_for(request: Request, head: Response, length: int | None, route: Route) -> bytes | None:
    """The coding to compress `head`'s body with; None to leave it as it is.

    `length` is what Content-Length says, in bytes; None when nothing says it. CloudFront's list
    has no word on Cache-Control: no-transform, so neither has this one.
    """
    policy = route.behavior.cache_policy
    if not route.behavior.compress or not route.semantics.compresses:
        return None
    if request.method not in (b"GET", b"HEAD") or caching_disabled(policy):
        return None
    if length is None or not BODY_BYTES_MIN <= length <= BODY_BYTES_MAX:
        return None
    return _accepted_coding(request, policy) if compressible(head) else None


def may_compress(request: Request, route: Route) -> bool:
    """Whether what answers `request` might be compressed, were it of the kind."""
    policy = route.behavior.cache_policy
    return route.behavior.compress and _accepted_coding(request, policy) is not None


def why_never_compressed(route: Route) -> str:
    """Why a behavior with `compress` compresses nothing, whoever asks; empty where it does."""
    behavior, policy = route.behavior, route.behavior.cache_policy
    if not behavior.compress:
        return ""
    if not route.semantics.compresses:
        return "compress does nothing under these semantics"
    if caching_disabled(policy):
        return "compress does nothing: the cache policy keeps nothing"
    if policy.accept_encoding_gzip or policy.accept_encoding_brotli:
        return ""
    return "compress does nothing: the cache policy has no accept_encoding_gzip or _brotli"


def compressible(head: Response) -> bool:
    """Whether status, content coding and content type admit it, whoever asks."""
    if head.status not in STATUSES or first_value(head.fields, b"content-encoding") is not None:
        return False
    named = first_value(head.fields, b"content-type") or b""
    return named.partition(b";")[0].strip().lower() in TYPES


def _accepted_coding(request: Request, policy: CachePolicy) -> bytes | None:
    """By the Accept-Encoding in the key, so that the key alone says which form is stored."""
    keyed = keyed_encoding(request.fields, policy, request.minor).split(b",")
    return next((coding for coding in CODINGS if coding in keyed), None)


def compressed_fields(fields: Fields, coding: bytes) -> Fields:
    """A response's fields once its body is in `coding`, its length not yet known."""
    kept: list[tuple[bytes, bytes]] = []
    for name, value in without(fields, _OF_THE_BYTES_SENT | {b"content-length"}):
        weak = weakened(value) if name == b"etag" else value
        if weak is not None:
            kept.append((name, weak))
            if weak != value:
                kept.append((ORIGIN_ETAG, value))
    return (*_varying(tuple(kept)), (b"content-encoding", coding))


def not_modified_fields(request: Request, fields: Fields, route: Route) -> Fields:
    """An origin's fields of a 304 to the viewer's own condition, as its 200 would have them here.

    RFC 9110 §15.4.5: ETag and Vary among them. Who names the tag as the origin has it holds what we
    did not compress.
    """
    held = parse_etag(first_value(fields, b"etag") or b"")
    named = parse_etag_list(combined_value(request.fields, b"if-none-match") or b"")
    listed = named if isinstance(named, tuple) else ()
    alike = [tag for tag in listed if held is not None and weak_match(tag, held)]
    if alike and not any(tag.weak for tag in alike):
        return fields
    coded = route.semantics.compresses and may_compress(request, route)
    if not coded and not alike:
        return fields
    told = tuple(
        (name, weakened(value) or value) if name == b"etag" else (name, value)
        for name, value in fields
    )
    return _varying(told) if coded else told


def weakened(etag: bytes) -> bytes | None:
    """The entity tag of the compressed form; None when `etag` does not begin as one does."""
    if etag.startswith(b"W/"):
        return etag
    return b"W/" + etag if etag.startswith(b'"') else None


def still_compressed(stored: Fields, updated: Fields) -> Fields:
    """`updated`, the fields a 304 gave to `stored`, less what is not true of its coded bytes.

    The 304 is about the origin's form: its Vary and Accept-Ranges are not those of ours.
    """
    if first_value(stored, b"content-encoding") is None:
        return updated
    absent = [name for name in _OF_THE_BYTES_SENT if first_value(stored, name) is None]
    kept = without(updated, absent)
    return _varying(kept) if b"accept-encoding" in _vary(stored) else kept


def _varying(fields: Fields) -> Fields:
    """With Accept-Encoding in Vary (RFC 9110 §12.5.5), unless it says so or says `*`."""
    if {b"accept-encoding", b"*"} & _vary(fields):
        return fields
    named = combined_value(fields, b"vary")
    value = b"Accept-Encoding" if not named else named + b", Accept-Encoding"
    return replaced(fields, b"vary", value)


def _vary(fields: Fields) -> set[bytes]:
    return {member.lower() for member in list_members(combined_value(fields, b"vary") or b"")}
