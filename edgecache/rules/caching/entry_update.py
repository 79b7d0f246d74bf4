"""Entry updates: what an upstream's answer does to stored responses.

Law: nothing outside this file decides what an answer does to what is stored. Whatever comes from
upstream (a 200, a part, a 304, the head that a HEAD brought, an error, a refresh's answer) is asked
here, with the request it answers and the stored response that this request selects: is that
renewed, replaced, removed, or left as it is? RFC 9111 §3, §3.3, §4.3.4, §4.3.5; RFC 5861 §3.

Unsafe methods (RFC 9111 §4.4): what a successful write may have changed is not served on.
CloudFront's rules do not know it: there, invalidations are the operator's.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from edgecache.http.conditional import strong_tag
from edgecache.http.message import (
    Fields,
    Request,
    Response,
    combined_value,
    first_value,
    replaced,
    title_case,
)
from edgecache.http.target import Target, same_origin
from edgecache.rules.caching.revalidation import head_agrees, refreshed
from edgecache.rules.caching.storability import refusal_to_store, storable_fields
from edgecache.rules.caching.stored_parts import StoredPart, received_part
from edgecache.rules.caching.unkeyed_fields import effective_scheme
from edgecache.rules.caching.vary import Selected, answers, selected_by, vary_names
from edgecache.rules.invalidation.tags import tags_of
from edgecache.rules.reasons import StoreReason
from edgecache.rules.routing import Route

# What refuses an answer for its request's sake says nothing of what others may be given.
_OF_THE_REQUEST = frozenset(
    {StoreReason.METHOD, StoreReason.REQUEST, StoreReason.AUTHORIZATION, StoreReason.UNKEYED}
)
# Of those, what its sender's credentials refuse; with `no-store` in a request others' is asked for.
_OF_ITS_SENDER = frozenset({StoreReason.METHOD, StoreReason.AUTHORIZATION})
# Late, misdirected, too early, too many: the object may be as it was.
_OF_THE_MOMENT = frozenset({408, 421, 425, 429})
_OF_A_RANGE = frozenset({206, 416})
# What an answer's own fields forbid, whoever asked.
_OF_THE_ANSWER = frozenset(
    {StoreReason.NO_STORE, StoreReason.PRIVATE, StoreReason.NO_CACHE}
    | {StoreReason.SET_COOKIE, StoreReason.VARY_ANY}
)

SAFE_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})  # RFC 9110 §9.2.1


class StoredResponse(Protocol):
    """A stored response as the rules read it."""

    @property
    def head(self) -> Response: ...
    @property
    def selected(self) -> Selected: ...
    @property
    def tags(self) -> tuple[bytes, ...]: ...
    @property
    def part(self) -> StoredPart | None: ...
    @property
    def length(self) -> int: ...


class FetchContext(Struct, frozen=True):
    """A request, on which route, and how upstream was asked on its behalf."""

    request: Request
    route: Route
    wanted: bytes = b""  # the Range upstream was asked with; empty: for the whole
    body_bytes: int | None = None  # of the answer's body, where that is known
    by_tier: bool = False  # a tier of ours answered, which leaves out no field that it has


class UpdatedEntry(Struct, frozen=True):
    """The storable part of an answer: its fields, the values Vary selects it by, its tags."""

    head: Response
    selected: Selected
    tags: tuple[bytes, ...]


class EntryUpdate(Struct, frozen=True):
    """The effect of an answer on the store.

    `head` is for who asked. `kept` None: nothing of it is stored, for the reason `refused`.
    `displaces`: the stored response that the request selects answers nobody any more.
    """

    head: Response
    kept: UpdatedEntry | None = None
    refused: StoreReason | None = None
    displaces: bool = False


def update_of(
    exchange: FetchContext, answer: Response, stored: StoredResponse | None
) -> EntryUpdate:
    """The effect of `answer` on `stored`, the response its request selects (None: there is none).

    For a 304 `stored` is the response it validates.
    """
    if answer.status == 304 and stored is not None:
        return _renewed(exchange, answer, stored)
    if exchange.request.method == b"HEAD":
        return _described(exchange, answer, stored)
    refused = _refusal(exchange, answer)
    if refused is not None:
        return refused_update(answer, refused)
    return EntryUpdate(answer, _kept(exchange, answer))


def refused_update(answer: Response, refused: StoreReason) -> EntryUpdate:
    """A whole answer of which nothing is stored: what it answers instead is over.

    What was stored would be given on where it may be stale, or come back should upstream fail
    (RFC 5861 §3, §4), though its origin has since given something else or nothing.
    """
    displaces = supersedes(answer) and answer.status not in _OF_A_RANGE
    displaces = displaces and refused not in _OF_ITS_SENDER
    return EntryUpdate(answer, refused=refused, displaces=displaces)


def supersedes(answer: Response) -> bool:
    """Whether an answer is the origin's last word on an object: a final one below 500, and not
    one of those that speak of this request or moment alone."""
    return 200 <= answer.status < 500 and answer.status not in _OF_THE_MOMENT


def is_for_one(request: Request, answer: Response, refused: StoreReason) -> bool:
    """Whether an answer that was not stored shows that the next ones will be for one alone, too.

    By its own fields: what its request or the moment forbids says nothing of what others get.
    """
    final = supersedes(answer) and answer.status not in _OF_A_RANGE
    return request.method == b"GET" and final and refused in _OF_THE_ANSWER


def would_be_kept(request: Request, answer: Response, route: Route) -> bool:
    """Whether a 304 shows that the 200 in its place might have been stored.

    It has the Cache-Control of that 200 (RFC 9110 §15.4.5); where it has none it shows nothing.
    """
    if first_value(answer.fields, b"cache-control") is None:
        return False
    return refusal_to_store(_as_get(request), replace(answer, status=200), route) is None


def completed_update(exchange: FetchContext, answer: Response, held: StoredResponse) -> EntryUpdate:
    """The entry of the whole that the part `held` and the rest in a 206 make (RFC 9111 §3.4).

    Each of its bytes can be named by the tags it came with.
    """
    head = _refreshed(exchange, answer, held)
    kept = _kept(exchange, head, held)
    return EntryUpdate(head, replace(kept, tags=tags_together(held.tags, kept.tags)))


def tags_together(one: tuple[bytes, ...], other: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The tags of two parts that become one; TAGS_MAX of each is a bound for both."""
    return tuple(dict.fromkeys((*one, *other)))


def invalidated_targets(request: Request, head: Response, route: Route) -> list[Target]:
    """Path and query of every URI whose stored responses a response to `request` invalidates."""
    if not route.semantics.unsafe_methods_invalidate or request.method in SAFE_METHODS:
        return []
    if not 200 <= head.status < 400:  # "non-error": 2xx or 3xx
        return []
    targets = [(request.path, request.query)]
    for name in (b"location", b"content-location"):
        value = first_value(head.fields, name)
        target = None if value is None else same_origin(value, request, effective_scheme(request))
        if target is not None:
            targets.append(target)
    return targets


def _refusal(exchange: FetchContext, answer: Response) -> StoreReason | None:
    """Why nothing is stored. An answer to a Range is the whole only as a 200, else that part.

    A 416, 403, 404 or 500 may be due to the Range alone: for who asks for all of it, it would be
    another's error (RFC 9111 §3.3 lets a 206 be stored for a Range, and nothing else).
    """
    if exchange.wanted and answer.status != 200:
        came = received_part(exchange.wanted, answer.fields, exchange.body_bytes)
        if answer.status != 206 or came is None:
            return StoreReason.RANGE
        answer = replace(answer, status=200)
    return refusal_to_store(exchange.request, answer, exchange.route)


def _described(
    exchange: FetchContext, answer: Response, stored: StoredResponse | None
) -> EntryUpdate:
    """A HEAD's answer: it freshens what it is proved to speak of, outdates what it contradicts.

    §4.3.5 would take agreement in whatever validators came. But a HEAD brings no content, so that
    without a strong one in common it would keep an outdated body fresh for as long as somebody
    goes on asking.
    """
    untouched = EntryUpdate(answer, refused=StoreReason.METHOD)
    if stored is None or stored.part is not None or answer.status != 200:
        return untouched
    outdated = replace(untouched, displaces=True)
    if stored.head.status != 200 or not head_agrees(stored.head, stored.length, answer):
        return outdated
    refused = refusal_to_store(_as_get(exchange.request), answer, exchange.route)
    if refused is not None:
        return untouched if refused in _OF_THE_REQUEST else outdated
    tag = strong_tag(answer.fields)
    if tag is None or tag != strong_tag(stored.head.fields):
        return untouched
    update = _renewed(replace(exchange, by_tier=False), answer, stored)
    return replace(update, head=answer, refused=StoreReason.METHOD)


def _renewed(exchange: FetchContext, answer: Response, stored: StoredResponse) -> EntryUpdate:
    """A stored response under the fields that `answer` brings, unless it may not be stored so."""
    head = _refreshed(exchange, answer, stored)
    refused = refusal_to_store(_as_get(exchange.request), head, exchange.route)
    if refused is None:
        return EntryUpdate(head, _kept(exchange, head, stored))
    return EntryUpdate(head, refused=refused, displaces=refused not in _OF_THE_REQUEST)


def _refreshed(exchange: FetchContext, answer: Response, stored: StoredResponse) -> Response:
    head = refreshed(stored.head, answer, complete=exchange.by_tier)
    if not exchange.route.semantics.vary_selects:
        return head
    return replace(head, fields=_varying_as_before(stored.head.fields, head.fields))


def _varying_as_before(stored: Fields, fields: Fields) -> Fields:
    """`fields` whose Vary still names what the stored body was chosen by: a 304 has no body."""
    missing = [name for name in vary_names(stored) if name not in vary_names(fields)]
    if not missing:
        return fields
    named = combined_value(fields, b"vary")
    listed = [named] if named else []
    return replaced(fields, b"vary", b", ".join((*listed, *map(title_case, missing))))


def _selected(exchange: FetchContext, fields: Fields, former: StoredResponse | None) -> Selected:
    """By what the body was chosen: as stored, and for what Vary names beyond that by this request.

    Another variant, which a 304 gave to this request, is chosen by this request alone.
    """
    now = selected_by(exchange.request.fields, fields)
    if former is None or not answers(former.selected, exchange.request.fields):
        return now
    before = dict(former.selected)
    return tuple((name, before.get(name, value)) for name, value in now)


def _kept(
    exchange: FetchContext, head: Response, former: StoredResponse | None = None
) -> UpdatedEntry:
    fields, distribution = storable_fields(head, exchange.route), exchange.route.distribution
    if fields is not head.fields:
        head = replace(head, fields=fields)
    selected: Selected = ()
    if exchange.route.semantics.vary_selects:
        selected = _selected(exchange, fields, former)
    return UpdatedEntry(head, selected, tags_of(fields, distribution))


def _as_get(request: Request) -> Request:
    return request if request.method == b"GET" else replace(request, method=b"GET")
