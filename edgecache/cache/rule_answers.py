"""Answers that rules give by themselves: refusals, redirects, passwords, challenges, OPTIONS.

Law: nobody is let in by what is not known. Where a password must be checked first, what is to be
waited for is the answer; the frontend decides anew afterwards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from edgecache.cache.outcome import CacheResult, Refusal
from edgecache.cluster.certificates import challenge_token
from edgecache.config.htpasswd import Htpasswd
from edgecache.config.listen import ViewerPorts
from edgecache.config.model import Behavior
from edgecache.http.message import Fields, Request
from edgecache.rules.routing import Route
from edgecache.rules.viewer.access import NOT_LISTED, AccessRefused, RefusalReason, is_listed
from edgecache.rules.viewer.basic_auth import BasicAuthRule, BasicCredentials, credentials
from edgecache.rules.viewer.redirects import redirection

SENTENCES = {
    RefusalReason.ACCESS_LIST: "Request blocked.",
    RefusalReason.PATH: "Bad request. What this path names is not certain.",
    RefusalReason.LOOP: "Bad request. This request has passed here too often.",
    RefusalReason.HTTPS_ONLY: "Bad request. This is served over https only.",
    RefusalReason.METHOD: "This distribution is not configured to allow the HTTP request method "
    "that was used for this request. The distribution supports only cachable requests.",
    RefusalReason.BODY: "Bad request. A GET or HEAD carries no body.",
    RefusalReason.BODY_TOO_LARGE: "Bad request. The body is larger than is taken here.",
    RefusalReason.COUNTRY: "This distribution is configured to block access from your country.",
}
UNKNOWN_HOST = Refusal(
    403, "Bad request. No distribution answers to this host name.", reason="unknown-host"
)
UNAVAILABLE = Refusal(
    503,
    "This distribution asks for what is not supported here, and is not served without.",
    reason="unsupported",
)
ELSEWHERE = "This is to be had elsewhere."
UNAUTHORIZED = Refusal(401, "A user and a password are needed.", "Unauthorized", reason="password")
NO_PASSWORDS = Refusal(503, "Passwords cannot be checked now.", "Error", reason="passwords-unknown")
MANY_PASSWORDS = Refusal(
    503, "Too many passwords are to be checked.", "CapacityExceeded", reason="crowded"
)


class PasswordChecker(Protocol):
    """What knows whether passwords are right."""

    def known(self, users: Htpasswd, given: BasicCredentials) -> bool | None:
        """Whether the credentials are good, as far as that is known; None when it is not."""
        ...

    async def check(self, users: Htpasswd, given: BasicCredentials, address: str) -> None:
        """Come to know it, for who comes from `address`, unless too many want the same."""
        ...


class ChallengeAnswers(Protocol):
    """What there is to answer challenges with."""

    answers: bool  # whether there are any to be asked for

    def known(self, token: str) -> str:
        """The answer to a challenge, as far as it is known; empty when it is not."""
        ...

    async def wait(self) -> None:
        """Wait until all that there were before now are known."""
        ...


class PasswordCheck(Struct, frozen=True):
    """A check that is to be waited for."""

    wait: Callable[[], Awaitable[None]]


def redirect_answer(request: Request, route: Route, ports: ViewerPorts) -> Refusal | None:
    """Where the redirects of the behavior send the request; None: nowhere."""
    if not route.redirects:
        return None
    sent = redirection(request, route.redirects, ports)
    return None if sent is None else redirect_page(sent.status, sent.location, ELSEWHERE)


def redirect_page(status: int, location: bytes, why: str) -> Refusal:
    """A redirect of our own."""
    fields = ((b"location", location),)
    return Refusal(status, why, "Redirect", fields=fields, result=CacheResult.REDIRECT)


def password_answer(
    request: Request, rule: BasicAuthRule, passwords: PasswordChecker | None
) -> Refusal | PasswordCheck | None:
    """The refusal of who has not shown a good password, or the check of it; None: it is good."""
    if passwords is None or rule.users is None:
        return replace(NO_PASSWORDS, close=request.has_body)
    given = credentials(request.fields)
    good = False if given is None else passwords.known(rule.users, given)
    if good:
        return None
    if good is None and given is not None:
        return PasswordCheck(partial(passwords.check, rule.users, given, request.client[0]))
    asks = ((b"www-authenticate", rule.challenge),)
    return replace(UNAUTHORIZED, fields=asks, close=request.has_body)


def challenge_answer(
    request: Request, answers: ChallengeAnswers | None
) -> Refusal | ChallengeAnswers | None:
    """The answer to a challenge (RFC 8555 §8.3), or who may know it after a wait.

    None where the request goes its ordinary way.
    """
    token = challenge_token(request.path)
    if answers is None or not (answers.answers and token) or request.has_body:
        return None
    if request.scheme != b"http" or request.method not in (b"GET", b"HEAD"):
        return None
    if text := answers.known(token):
        return Refusal(200, "", "", result=CacheResult.MISS, text=text)
    return answers


def refusal(refused: AccessRefused, request: Request) -> Refusal:
    """The page for who may not enter."""
    sentence, close = SENTENCES[refused.why], request.has_body
    return Refusal(refused.status, sentence, refused.detail, close=close, reason=refused.why)


def options_of(behavior: Behavior) -> Refusal:
    """What asks about us, not about an origin: `OPTIONS *`, Max-Forwards 0 (RFC 9110 §9.3.7)."""
    return Refusal(204, "", "", fields=allow_field(behavior), result=CacheResult.MISS)


def options_of_site(request: Request, route: Route) -> Refusal:
    """What asks about a whole site, whose default behavior says who may."""
    listed = is_listed(request, route)
    return options_of(route.behavior) if listed else refusal(NOT_LISTED, request)


def allow_field(behavior: Behavior) -> Fields:
    """Allow, of what a behavior allows."""
    return ((b"allow", ", ".join(behavior.allowed_methods).encode()),)
