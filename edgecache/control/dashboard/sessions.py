"""Sessions of the dashboard: who logged in, proven by a signed cookie, and for how long.

Law: a session admits whom its key or token would admit now: a key that was deleted, an operator's
secret that was dropped and a log-out end it at once. Nothing is taken over from a browser: each
log-in makes a new session, whatever cookie came with it.

The cookie is signed by a key that is derived from an operator's secret, and holds no secret itself.
So it is good at every control of an installation, and survives a restart; log-outs are known to the
control that was told, until it ends.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
from itsdangerous import BadData, BadSignature, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from edgecache.cluster.tokens import AGE_S_MAX, Tokens
from edgecache.control.cloudfront.authentication import NO_LIMITS, CallerAuthentication
from edgecache.rules.permissions import KeyLimits

SESSION_S_MAX = 8 * 3600.0  # a working day; of a token, what is left of its hour
SKEW_S_MAX = 30.0  # between clocks of controls, as for tokens
COOKIE_BYTES_MAX = 1_024
ENDED_MAX = 4_096  # log-outs that are known, of some 100 bytes each
ID_BYTES = 16
SALT = "edgecache.control.session"
_NOBODY = "x" * 43  # compared with where no key is of that id, so that both take as long

Random = Callable[[int], bytes]


class SessionClaims(msgspec.Struct, frozen=True, array_like=True):
    """What a cookie says: the session's id, its access key's (empty: of a token), its bearer, and
    from when until when (epoch seconds).
    """

    id: str
    key: str
    name: str
    made_at: float
    ends_at: float


class DashboardSession(NamedTuple):
    """A session that is good: whose it is, what it may, and what proves a request its page's."""

    claims: SessionClaims
    limits: KeyLimits
    csrf: str


Begun = tuple[str, DashboardSession]  # a new session, behind its cookie


class Sessions:
    """Makes and checks sessions. `operators` are secrets by name; `clock` is wall time."""

    def __init__(
        self,
        operators: Mapping[str, str],
        callers: CallerAuthentication,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self.callers = callers
        self._clock = clock
        self._random = random
        self._ended: dict[str, float] = {}  # until when they would have been good, by id
        self._ended_before = 0.0  # those made until then are all over
        self.use(operators)

    def use(self, operators: Mapping[str, str]) -> None:
        """These secrets count from now on, and no others: the last one signs."""
        self._secrets = [*operators.values()]

    def of_key(self, access_key_id: str, secret: str) -> Begun | None:
        """A new session and its cookie, for who knows a key's secret; None: it is not right."""
        key = self.callers.key(access_key_id)
        known = _NOBODY if key is None else key.secret_access_key
        if not hmac.compare_digest(known.encode(), secret.encode()) or key is None:
            return None
        self.callers.note_use(key.access_key_id)
        return self._begin(self._secrets[-1], key.access_key_id, key.name, SESSION_S_MAX)

    def of_token(self, token: str) -> Begun | None:
        """Likewise for the bearer of an operator's token, until that ends."""
        for secret in reversed(self._secrets):
            tokens = Tokens([secret], self._clock)
            name = tokens.verify(token)
            if name is not None:
                return self._begin(secret, "", name, AGE_S_MAX - tokens.age_s(token))
        return None

    def verify(self, cookie: str) -> DashboardSession | None:
        """The session of a cookie, if it is good now."""
        if len(cookie) > COOKIE_BYTES_MAX or not cookie.isascii():
            return None
        for secret in reversed(self._secrets):
            try:
                content = _signer(secret).unsign(cookie)
            except BadSignature:
                continue
            return self._standing(secret, content)
        return None

    def end(self, session: DashboardSession) -> None:
        """It admits nobody from now on."""
        now, claims = self._clock(), session.claims
        self._ended = {id: at for id, at in self._ended.items() if at > now}
        if len(self._ended) >= ENDED_MAX:
            self._ended_before = now
            self._ended.clear()
        self._ended[claims.id] = claims.ends_at

    @property
    def size_bytes(self) -> int:
        """About what it holds."""
        return 100 * len(self._ended)

    def _begin(self, secret: str, key: str, name: str, lasts_s: float) -> Begun:
        now = self._clock()
        id = self._random(ID_BYTES).hex()
        claims = SessionClaims(id, key, name, now, now + lasts_s)
        content = base64_encode(msgspec.json.encode(claims))
        cookie = _signer(secret).sign(content).decode("ascii")
        found = self._of(secret, claims)
        assert found is not None
        return cookie, found

    def _standing(self, secret: str, content: bytes) -> DashboardSession | None:
        try:
            claims = msgspec.json.decode(base64_decode(content), type=SessionClaims)
        except (BadData, msgspec.DecodeError):
            return None
        now = self._clock()
        if not claims.made_at - SKEW_S_MAX <= now < claims.ends_at:
            return None
        if claims.id in self._ended or claims.made_at <= self._ended_before:
            return None
        return self._of(secret, claims)

    def _of(self, secret: str, claims: SessionClaims) -> DashboardSession | None:
        """The session of claims that are proven, with the limits that its key has now."""
        limits = NO_LIMITS
        if claims.key:
            key = self.callers.key(claims.key)
            if key is None:
                return None
            limits = key.limits
        return DashboardSession(claims, limits, _digest(secret, f"csrf {claims.id}"))


def _signer(secret: str) -> Signer:
    return Signer(
        _digest(secret, "cookies"), salt=SALT, key_derivation="hmac", digest_method=hashlib.sha256
    )


def _digest(secret: str, purpose: str) -> str:
    return hmac.new(secret.encode(), f"{SALT} {purpose}".encode(), hashlib.sha256).hexdigest()
