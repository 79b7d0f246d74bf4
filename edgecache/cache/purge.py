"""PURGE of a viewer: an invalidation of what the URL names, asked of control with its own token.

Law: a stranger is refused without a question to control. A viewer on the access list who shows a
token is asked after there, since no edge can tell a good one; what control says is the answer.
RFC 9110 §9.1 leaves the method to us: Varnish and nginx know it by this name. RFC 6750 §2.1.
"""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import quote

import msgspec

from edgecache.cache.outcome import CacheResult, Refusal
from edgecache.cluster.tokens import TOKEN_BYTES_MAX
from edgecache.http.message import Fields, Request, field_values
from edgecache.rules.caching.key import has_query
from edgecache.rules.routing import Route

PURGE = b"PURGE"
ACCEPTED, COMPLETED = 202, 200
UNANSWERED = 503
_SAFE = "/?&=%:@!$'(),;-._~[]*" + "+"  # of a target; the rest is percent-encoded
_BEARER = re.compile(rb"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)
_SENTENCES = {
    400: "Control takes no such path for an invalidation.",
    401: "The token is not good, or its hour is over.",
    403: "The token does not allow invalidations of this distribution.",
    429: "Too many purges at once.",
}
NOT_LISTED = Refusal(403, "Request blocked.", "InvalidRequestBlocked", reason="purge-refused")
NO_TOKEN = Refusal(401, "A PURGE needs an operator's token.", "Unauthorized", reason="token")
NO_CONTROL = Refusal(UNANSWERED, "There is no control to ask.", "Error", reason="no-control")


class PurgeQuestion(msgspec.Struct, frozen=True):
    """What is to be invalidated: a path (with a query, where that is keyed), by whose token."""

    distribution: str
    path: str
    token: str
    soft: bool = False


class PurgeAnswer(msgspec.Struct, frozen=True):
    """What came of it: a status of HTTP, and the invalidation, if there is one."""

    status: int
    id: str = ""
    completed: bool = False


class PurgeReport(msgspec.Struct, frozen=True):
    """The body of the answer."""

    invalidation: str
    distribution: str
    path: str
    status: str


class Purger(Protocol):
    """What asks control."""

    async def ask(self, question: PurgeQuestion) -> PurgeAnswer:
        """Ask, unless too many do."""
        ...


class PurgeDecision:
    """A question that is asked once, and the refusal or report that its answer is."""

    def __init__(self, purger: Purger, question: PurgeQuestion, *, close: bool) -> None:
        self._purger = purger
        self._question = question
        self._close = close
        self._answer = PurgeAnswer(UNANSWERED)

    async def wait(self) -> None:
        """Ask."""
        self._answer = await self._purger.ask(self._question)

    def decide(self, _now: float) -> Refusal:
        """What the viewer is told."""
        answer, question = self._answer, self._question
        if answer.id:
            word = "Completed" if answer.completed else "InProgress"
            told = PurgeReport(answer.id, question.distribution, question.path, word)
            status = COMPLETED if answer.completed else ACCEPTED
            fields = ((b"content-type", b"application/json"),)
            text = msgspec.json.encode(told).decode() + "\n"
            return Refusal(status, "", "", self._close, fields, result=CacheResult.MISS, text=text)
        status = answer.status if answer.status in _SENTENCES else UNANSWERED
        why = _SENTENCES.get(status, "Control does not answer, or not as it should.")
        asks: Fields = ((b"www-authenticate", b"Bearer"),) if status == 401 else ()
        if status == 429:
            asks = ((b"retry-after", b"1"),)
        return Refusal(status, why, "Error", self._close, asks, reason="purge-refused")


def decide_purge(request: Request, route: Route, purger: Purger | None) -> Refusal | PurgeDecision:
    """What becomes of a PURGE on a route that takes them, of a viewer who may ask there at all."""
    rule, close = route.purge, request.has_body
    assert rule is not None, "asked only where there is one"
    if not rule.access_list.admits(request.client[0]):
        return msgspec.structs.replace(NOT_LISTED, close=close)
    token = bearer_token(request.fields)
    if not token:
        asks = ((b"www-authenticate", b"Bearer"),)
        return msgspec.structs.replace(NO_TOKEN, fields=asks, close=close)
    if purger is None:
        return msgspec.structs.replace(NO_CONTROL, close=close)
    path = invalidation_path(request, route)
    question = PurgeQuestion(route.distribution.id, path, token, rule.soft)
    return PurgeDecision(purger, question, close=close)


def bearer_token(fields: Fields) -> str:
    """The token of a request; empty where it has none, or such as no token of ours is."""
    values = field_values(fields, b"authorization")
    match = _BEARER.fullmatch(values[0].strip(b" \t")) if len(values) == 1 else None
    if match is None or len(match[1]) > TOKEN_BYTES_MAX:
        return ""
    return match[1].decode("ascii")


def invalidation_path(request: Request, route: Route) -> str:
    """The path of an invalidation that names what a GET of the same URL would be given."""
    keyed = route.semantics.whole_target_in_key or has_query(route.behavior.cache_policy)
    named = request.target if keyed else request.path
    return quote(named, safe=_SAFE)
