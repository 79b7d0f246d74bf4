"""Explaining what is stored. Law: an entry's age and lifetime are told as the rules judge them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edgecache.http.message import Response, first_value
from edgecache.rules.caching.freshness import Assessment, TtlStep, ttl_steps
from edgecache.rules.caching.partial import StoredPart
from edgecache.rules.caching.vary import Selected
from edgecache.rules.explain.request import text, text_or_none
from edgecache.rules.routing import Route


class LookupExplanation(StrEnum):
    """What a tier would do with the request now."""

    HIT = "hit"
    STALE = "stale"  # served as it is, and refreshed in the background
    VALIDATE = "validate"  # upstream is asked whether what is stored still holds
    FETCH = "fetch"
    BYPASS = "bypass"  # upstream is asked, and nothing looked up or stored
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class StoredExplanation:
    """A stored response. Times are seconds; `ttl_left_s` is below zero once it is stale."""

    answers: bool  # it is what this request would be given, not only one under the same key
    status: int
    body_bytes: int
    size_bytes: int  # with what it costs to keep
    age_s: float
    ttl_s: float
    ttl_left_s: float
    ttl: tuple[TtlStep, ...]
    stale_while_revalidate_s: float
    stale_if_error_s: float
    etag: str
    last_modified: str
    content_encoding: str
    variant: tuple[tuple[str, str | None], ...]  # the request headers it was chosen by
    part: str = ""  # of which bytes, when it is not the whole


@dataclass(frozen=True, slots=True)
class TierExplanation:
    """What one process has to say of a request."""

    node: str
    role: str
    location: str
    now: LookupExplanation
    why: str = ""  # the reason word, as in Cache-Status
    stored: tuple[StoredExplanation, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """A stored response's facts, as the store has them."""

    head: Response
    body_bytes: int
    size_bytes: int
    selected: Selected
    part: StoredPart | None


def stored(
    held: EntryFacts, route: Route, found: Assessment, now: float, *, answers: bool
) -> StoredExplanation:
    """What `held` means on `route` at `now` (epoch seconds)."""
    head = held.head

    def value(name: bytes) -> str:
        return text(first_value(head.fields, name) or b"")

    return StoredExplanation(
        answers=answers,
        status=head.status,
        body_bytes=held.body_bytes,
        size_bytes=held.size_bytes,
        age_s=round(found.age(head.received_at, now), 3),
        ttl_s=found.lifetime_s,
        ttl_left_s=round(found.fresh_until(head.received_at) - now, 3),
        ttl=ttl_steps(head, route),
        stale_while_revalidate_s=found.stale_while_revalidate_s,
        stale_if_error_s=found.stale_if_error_s,
        etag=value(b"etag"),
        last_modified=value(b"last-modified"),
        content_encoding=value(b"content-encoding"),
        variant=tuple((text(name).strip(), text_or_none(item)) for name, item in held.selected),
        part=_part(held.part),
    )


def _part(part: StoredPart | None) -> str:
    if part is None:
        return ""
    total = "*" if part.total is None else str(part.total)
    return f"bytes {part.first}-{part.after - 1}/{total}"
