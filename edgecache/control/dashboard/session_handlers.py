"""Log-in to the dashboard, and what a browser's request proves before it is a session's.

Law: a cookie alone changes nothing. A change comes with the session's own CSRF value, which only
our page can read, and neither from another site nor from another port of this machine, which is the
same *site* to a browser; a reading request that another page causes is refused, too.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Annotated

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecache.control.cloudfront.authentication import ANYBODY, Caller
from edgecache.control.cloudfront.rate_limit import (
    FAILURES_BURST,
    FAILURES_PER_S,
    NAMES_MAX,
    RateLimiter,
)
from edgecache.control.dashboard.sessions import DashboardSession, Sessions
from edgecache.control.rest.auth import OPERATOR
from edgecache.control.rest.call import RouteHandler, bounded_body, json_response
from edgecache.rules.permissions import BODY, REST, KeyLimits, refusal
from edgecache.rules.viewer.client_shares import client_network

COOKIE, SECURE_COOKIE = "edgecache_session", "__Host-edgecache_session"
CSRF_HEADER = "x-csrf-token"
SESSION = "edgecache.session"  # of a scope: the session that admitted it
ALL_BURST, ALL_PER_S = 60.0, 10.0  # attempts of everybody: one costs some HMACs
RETRY = {"retry-after": "5"}
PRIVATE = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}
READS = frozenset({"GET", "HEAD"})
OPEN = frozenset({"create_session", "dashboard_page", "dashboard_asset"})
"""Operations that no session is asked for."""
ACTIONS = {
    "invalidate": "create_invalidation",
    "release": "cut_release",
    "drain": "drain_node",
    "reload": "reload_file",
}
"""What a page may offer, each with the operation that it stands for."""

Shown = Annotated[str, msgspec.Meta(max_length=512)]


class LoginBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An access key, or an operator's token."""

    access_key_id: Shown = ""
    secret_access_key: Shown = ""
    token: Shown = ""


class SessionReport(msgspec.Struct, frozen=True):
    """A session as its page knows it; `may` names ACTIONS, `csrf` goes with each change."""

    name: str
    may_write: bool
    may: list[str]
    csrf: str
    expires_at: float


class SessionAdmission:
    """Handlers of log-in and log-out, and the judge of requests that come with a cookie.

    `steady` gives monotonic seconds, for the rate of attempts.
    """

    def __init__(self, sessions: Sessions, steady: Callable[[], float]) -> None:
        self._sessions = sessions
        self._attempts = RateLimiter(FAILURES_BURST, FAILURES_PER_S, NAMES_MAX, steady)
        self._of_all = RateLimiter(ALL_BURST, ALL_PER_S, 1, steady)

    def handlers(self) -> dict[str, RouteHandler]:
        """A handler for each operation, by name."""
        return {
            "create_session": self.create,
            "get_session": self.get,
            "delete_session": self.delete,
        }

    def session_of(self, request: Request) -> DashboardSession | None:
        """The session of a request's cookie, if it has one that is good."""
        cookie = request.cookies.get(cookie_name(request), "")
        return self._sessions.verify(cookie) if cookie else None

    def admit(self, request: Request, operation: str) -> Caller | None:
        """Who asks by a session, which the scope has then; None: there is none that is good.

        HTTPException 403: there is one, but the request is not its page's.
        """
        if operation in OPEN or "authorization" in request.headers:
            return None
        session = self.session_of(request)
        if session is None:
            return None
        _require_own_page(request)
        if request.method not in READS:
            shown = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(shown.encode(), session.csrf.encode()):
                raise HTTPException(403, f"{CSRF_HEADER}: not this session's")
        request.scope[SESSION] = session
        return Caller(session.claims.name, session.limits)

    async def create(self, request: Request) -> Response:
        """POST /session."""
        _require_own_page(request)
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":  # which no form of another page can send
            raise HTTPException(415, "content-type: application/json is required")
        network = client_network(request.client.host if request.client else "")
        if not (self._attempts.take(network) and self._of_all.take("")):
            raise HTTPException(429, "too many attempts to log in", RETRY)
        try:
            body = msgspec.json.decode(await bounded_body(request), type=LoginBody)
        except msgspec.DecodeError as error:
            raise HTTPException(400, str(error)) from error
        begun = self._begun(body)
        if begun is None:
            raise HTTPException(401, "no such access key, a wrong secret, or a token that is over")
        cookie, session = begun
        if session.limits.distributions:
            raise HTTPException(403, "the key is limited to distributions: a dashboard shows all")
        response = json_response(_report(session), 201)
        self._set(request, response, cookie, session.claims.ends_at - session.claims.made_at)
        return response

    async def get(self, request: Request) -> Response:
        """GET /session."""
        session = request.scope.get(SESSION)
        if isinstance(session, DashboardSession):
            return private(json_response(_report(session)))
        if request.scope.get(OPERATOR) == ANYBODY:
            return private(json_response(SessionReport(ANYBODY, True, [*ACTIONS], "", 0.0)))
        raise HTTPException(401, "log in with an access key or a token")

    async def delete(self, request: Request) -> Response:
        """DELETE /session."""
        session = request.scope.get(SESSION)
        if not isinstance(session, DashboardSession):
            raise HTTPException(401, "there is no session")
        self._sessions.end(session)
        response = json_response({})
        self._set(request, response, "", 0)
        return response

    def _begun(self, body: LoginBody) -> tuple[str, DashboardSession] | None:
        if body.token:
            return self._sessions.of_token(body.token)
        return self._sessions.of_key(body.access_key_id, body.secret_access_key)

    def _set(self, request: Request, response: Response, cookie: str, lasts_s: float) -> None:
        private(response)
        response.set_cookie(
            cookie_name(request),
            cookie,
            max_age=int(lasts_s),
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )


def cookie_name(request: Request) -> str:
    """Over TLS one that browsers take from this very host alone (RFC 6265bis §4.1.3.2)."""
    return SECURE_COOKIE if request.url.scheme == "https" else COOKIE


def may(limits: KeyLimits, operation: str) -> bool:
    """Whether a key with these limits may do an operation, of some distribution at least."""
    permission = REST.get(operation)
    of_any = next(iter(limits.distributions), "")
    named = of_any if permission is not None and permission.distribution in (BODY, "id") else ""
    return not refusal(limits, operation, permission, named)


def _report(session: DashboardSession) -> SessionReport:
    actions = [action for action, operation in ACTIONS.items() if may(session.limits, operation)]
    claims = session.claims
    return SessionReport(claims.name, bool(actions), actions, session.csrf, claims.ends_at)


def _require_own_page(request: Request) -> None:
    """HTTPException 403 where a browser says that another page is behind the request."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    typed = site == "none" and request.method in READS  # into the address bar
    if site != "same-origin" and not typed:
        raise HTTPException(403, f"sec-fetch-site: {site[:32]}: not the dashboard's own page")


def private(response: Response) -> Response:
    """A response that is kept nowhere, taken for nothing else, and given to no other page."""
    response.headers.update(PRIVATE)
    return response
