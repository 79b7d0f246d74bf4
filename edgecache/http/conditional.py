"""Entity tags, and the preconditions of conditional requests (RFC 9110 §8.8.3, §13).

Law: when a precondition cannot be read, the whole representation goes out. A condition that is
malformed is not met: that costs bytes, never correctness.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

from edgecache.http.dates import format_date, parse_date
from edgecache.http.message import Fields, Response, combined_value, field_values, first_value

_ENTITY_TAG = re.compile(rb'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LIST_MEMBER = re.compile(rb'[ \t]*(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(?:,|\Z)')


@dataclass(frozen=True, slots=True)
class ETag:
    """An entity tag: what stands between the quotes, and whether `W/` stood before them."""

    opaque: bytes
    weak: bool = False


class AnyETag(Enum):
    """Stands for `*` in a list of entity tags."""

    ANY = "*"


ANY = AnyETag.ANY


class PreconditionResult(StrEnum):
    """Result of a request's preconditions."""

    PROCEED = "proceed"  # none, or all met
    NOT_MODIFIED = "not-modified"  # 304
    PRECONDITION_FAILED = "precondition-failed"  # 412


def parse_etag(value: bytes) -> ETag | None:
    """An entity tag, or None when `value` is not one (RFC 9110 §8.8.3); `W/` is upper case."""
    found = _ENTITY_TAG.fullmatch(value)
    return ETag(found[2], found[1] is not None) if found else None


def parse_etag_list(value: bytes) -> tuple[ETag, ...] | AnyETag | None:
    """The tags of If-Match or If-None-Match, ANY for `*`, None when malformed (RFC 9110 §13.1.2).

    Not read as other lists are: a backslash in an entity tag escapes nothing.
    """
    if value.strip(b" \t") == b"*":
        return ANY
    tags: list[ETag] = []
    position = 0
    while position < len(value):
        found = _LIST_MEMBER.match(value, position)
        if found is None:
            return None
        if found[2] is not None:
            tags.append(ETag(found[2], found[1] is not None))
        position = found.end()
    return tuple(tags)


def strong_match(one: ETag, other: ETag) -> bool:
    """The same, and neither weak (RFC 9110 §8.8.3.2)."""
    return one.opaque == other.opaque and not one.weak and not other.weak


def weak_match(one: ETag, other: ETag) -> bool:
    """The same, weak or not (RFC 9110 §8.8.3.2)."""
    return one.opaque == other.opaque


def strong_tag(fields: Fields) -> bytes | None:
    """The entity tag as it stands between its quotes, if it is a strong one."""
    etag = parse_etag(first_value(fields, b"etag") or b"")
    return None if etag is None or etag.weak else etag.opaque


def same_strong(one: Response, other: Response) -> bool:
    """Whether two heads carry one strong entity tag (RFC 9110 §8.8.3.2)."""
    tag = strong_tag(one.fields)
    return tag is not None and tag == strong_tag(other.fields)


def modified_at(stored: Fields, received_at: float) -> bytes:
    """The date If-Modified-Since is compared with: Last-Modified, else Date, else when it came.

    RFC 9111 §4.3.2; only for a cache. `received_at` is in epoch seconds.
    """
    found = first_value(stored, b"last-modified") or first_value(stored, b"date")
    return found or format_date(received_at)


def evaluate(
    request: Fields, method: bytes, etag: bytes | None, last_modified: bytes | None, now: float
) -> PreconditionResult:
    """Preconditions held by a cache against a stored 200's validators (RFC 9111 §4.3.2).

    If-None-Match, else If-Modified-Since, of GET and HEAD. If-Match and If-Unmodified-Since are
    for the origin, which may know a newer representation; a cache may ignore them (RFC 9110
    §13.1.1, §13.1.4) and this one does. `last_modified` is best given by `modified_at`.
    """
    if method not in (b"GET", b"HEAD"):
        return PreconditionResult.PROCEED  # RFC 9111 §4.3.2: not to be evaluated by a cache
    matched = _none_match_has(request, etag)
    if matched is None:
        matched = _unmodified_since(request, b"if-modified-since", last_modified, now)
    return PreconditionResult.NOT_MODIFIED if matched else PreconditionResult.PROCEED


def evaluate_at_origin(
    request: Fields, method: bytes, etag: bytes | None, last_modified: bytes | None, now: float
) -> PreconditionResult:
    """Preconditions as the origin of a representation judges them: RFC 9110 §13.2.2, every step.

    The representation exists, and these are its current validators.
    """
    met = _match_has(request, etag)
    if met is None:
        met = _unmodified_since(request, b"if-unmodified-since", last_modified, now)
    if met is False:
        return PreconditionResult.PRECONDITION_FAILED
    if method in (b"GET", b"HEAD"):
        return evaluate(request, method, etag, last_modified, now)
    unwanted = _none_match_has(request, etag)
    return PreconditionResult.PRECONDITION_FAILED if unwanted else PreconditionResult.PROCEED


def if_range_matches(
    value: bytes, etag: bytes | None, last_modified: bytes | None, date: bytes | None
) -> bool:
    """Whether a Range may be honored: If-Range names what we hold, strongly (RFC 9110 §13.1.5).

    A date has to be the stored Last-Modified byte for byte, and at least one second older than
    the stored Date (§8.8.2.2). Anything that is neither tag nor date does not match.
    """
    asked = parse_etag(value)
    if asked is not None:
        held = parse_etag(etag or b"")
        return held is not None and strong_match(asked, held)
    if value != last_modified or date is None:
        return False
    modified, sent = parse_date(value), parse_date(date)
    return modified is not None and sent is not None and sent - modified >= 1


def _none_match_has(request: Fields, etag: bytes | None) -> bool | None:
    """Whether If-None-Match names this tag, weakly (RFC 9110 §13.1.2); None when it is absent."""
    return _names_tag(combined_value(request, b"if-none-match"), etag, weak_match)


def _match_has(request: Fields, etag: bytes | None) -> bool | None:
    """Whether If-Match names this tag, strongly (RFC 9110 §13.1.1); None when it is absent."""
    return _names_tag(combined_value(request, b"if-match"), etag, strong_match)


def _names_tag(
    listed: bytes | None, etag: bytes | None, matches: Callable[[ETag, ETag], bool]
) -> bool | None:
    if listed is None:
        return None
    tags = parse_etag_list(listed)
    if isinstance(tags, AnyETag):
        return True
    held = parse_etag(etag or b"")
    return tags is not None and held is not None and any(matches(tag, held) for tag in tags)


def _unmodified_since(
    request: Fields, name: bytes, last_modified: bytes | None, now: float
) -> bool | None:
    """Whether `last_modified` is not later than the date in field `name`.

    None when the field does not count: absent, several, or no date (RFC 9110 §13.1.3, §13.1.4);
    or when there is nothing to compare it with.
    """
    values = field_values(request, name)
    if len(values) != 1 or last_modified is None:
        return None
    since, modified = parse_date(values[0], now), parse_date(last_modified, now)
    return None if since is None or modified is None else modified <= since
