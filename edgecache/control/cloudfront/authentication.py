"""Authentication of callers. Law: nothing is read of a request before its caller is known.

SDKs sign (Signature Version 4, or 4A) with an operator's access key; people with curl show an
operator's token, or come over the socket file. What a refusal says, its sender knew.

Access keys are what an SDK signs its calls with. Each operator's secret in `operators.json` gives
one, by one-way derivation: nothing more is to be kept or rotated, and who holds one can make no
token of ours; a key that is in a script's environment does not sign for nodes. Others are made by
operators, with limits or without (`state/access_keys.py`). One that is deleted admits nobody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from starlette.requests import Request

from edgecache.cluster.tokens import Tokens
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.rate_limit import (
    CALLS_BURST,
    CALLS_PER_S,
    FAILURES_BURST,
    FAILURES_PER_S,
    NAMES_MAX,
    RateLimiter,
)
from edgecache.control.rest.auth import bearer_name, is_local
from edgecache.control.state.access_keys import ID_PREFIX, AccessKeyList
from edgecache.control.state.database import BY_SOCKET
from edgecache.rules.permissions import KeyLimits
from edgecache.rules.sigv4 import (
    IncomingRequest,
    RejectionReason,
    SignatureRejected,
    SignatureVerified,
    verify,
)
from edgecache.rules.sigv4a import ALGORITHM as ASYMMETRIC
from edgecache.rules.sigv4a import verify_asymmetric
from edgecache.rules.viewer.client_shares import client_network

SERVICE = "cloudfront"
NO_LIMITS = KeyLimits()
ANYBODY = "anybody"  # the author of what is written in dev mode by whom nobody knows
USE_NOTED_S = 60.0  # a key's last use is known to the minute: a write of the disk for each

_REJECTIONS = {
    RejectionReason.ABSENT: (
        "MissingAuthenticationToken",
        "sign it with an access key, or show a token",
    ),
    RejectionReason.MALFORMED: ("IncompleteSignature", "the Authorization header cannot be used"),
    RejectionReason.UNKNOWN_KEY: (
        "InvalidClientTokenId",
        "the access key id is not one of this installation",
    ),
    RejectionReason.WRONG: (
        "SignatureDoesNotMatch",
        "check the secret access key, and that nothing changes requests on their way",
    ),
    RejectionReason.EXPIRED: ("RequestExpired", "set the clock right"),
}


@dataclass(frozen=True, slots=True, repr=False)
class AccessKey:
    """An access key; of an operator's own, `name` is that in `operators.json`.

    Its repr holds no secret.
    """

    name: str
    access_key_id: str
    secret_access_key: str
    limits: KeyLimits = field(default=NO_LIMITS)

    def __repr__(self) -> str:
        return f"AccessKey({self.name}, {self.access_key_id})"


class Caller(NamedTuple):
    """Who calls, and within which limits."""

    name: str
    limits: KeyLimits = NO_LIMITS


class CallerAuthentication:
    """Authenticates callers by access key, token or socket file, and bounds their rates.

    `operators` are secrets by name; `clock` is wall time, `steady` monotonic. `used_at` tells, to
    the minute, when each access key admitted somebody last, which `on_use` is told.
    """

    def __init__(
        self,
        operators: Mapping[str, str],
        tokens: Tokens,
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        self.admits_all = False  # dev mode: whoever calls, but with a key that is known and wrong
        self._listed = AccessKeyList()
        self.used_at: dict[str, float] = {}
        self.on_use: Callable[[str, float], None] = lambda id, at: None
        self.use(operators)
        self.tokens = tokens
        self._clock = clock
        self._calls = RateLimiter(CALLS_BURST, CALLS_PER_S, NAMES_MAX, steady)
        self._failures = RateLimiter(FAILURES_BURST, FAILURES_PER_S, NAMES_MAX, steady)

    def use(self, operators: Mapping[str, str]) -> None:
        """The access keys of these operators count from now on, and no others of operators."""
        self.derived = access_keys(operators)
        self._take_over()

    def use_made(self, listed: AccessKeyList) -> None:
        """These keys that operators have made count from now on, and those deleted do not."""
        self._listed = listed
        self._take_over()

    def _take_over(self) -> None:
        keys = [one for one in self.derived if one.access_key_id not in self._listed.deleted]
        for one in self._listed.made:
            if one.secret:
                limits = KeyLimits(frozenset(one.actions), frozenset(one.distributions))
                keys.append(AccessKey(one.name, one.id, one.secret, limits))
        self._keys = {key.access_key_id: key for key in keys}
        self.used_at = {id: at for id, at in self.used_at.items() if id in self._keys}

    def authenticate(self, request: Request, body: bytes, service: str = SERVICE) -> Caller:
        """The caller. ApiError when it is not known, or asks too often.

        `service`: the one its signature must be for.
        """
        name = bearer_name(request, self.tokens)
        if name is None and is_local(request):
            name = BY_SOCKET
        caller = Caller(name) if name is not None else self._signer(request, body, service)
        if not self.admits_all and not self._calls.take(caller.name):
            raise ApiError("Throttling", "Rate exceeded")
        return caller

    def _signer(self, request: Request, body: bytes, service: str) -> Caller:
        """The caller whose access key has signed the request."""
        now = self._clock()
        is_asymmetric = request.headers.get("authorization", "").startswith(ASYMMETRIC)
        check = verify_asymmetric if is_asymmetric else verify
        proof = check(incoming_request(request, body), self._secret, service, now)
        if isinstance(proof, SignatureRejected):
            if self.admits_all and not self._names_known_key(request):
                return Caller(ANYBODY)
            raise self._refused(proof, request)
        assert isinstance(proof, SignatureVerified)
        key = self._keys[proof.access_key_id]
        self.note_use(key.access_key_id)
        return Caller(key.name, key.limits)

    def key(self, access_key_id: str) -> AccessKey | None:
        """The access key of an id that counts now."""
        return self._keys.get(access_key_id)

    def note_use(self, access_key_id: str) -> None:
        """An access key admits somebody now."""
        now = self._clock()
        if now - self.used_at.get(access_key_id, -USE_NOTED_S) >= USE_NOTED_S:
            self.used_at[access_key_id] = now
            self.on_use(access_key_id, now)

    def _names_known_key(self, request: Request) -> bool:
        """Whether a request is signed by, or says so of, an access key of this installation."""
        shown = request.headers.get("authorization", "")
        return any(f"={id}/" in shown for id in self._keys)

    def _secret(self, access_key_id: str) -> str | None:
        key = self.key(access_key_id)
        return None if key is None else key.secret_access_key

    def _refused(self, proof: SignatureRejected, request: Request) -> ApiError:
        address = request.client.host if request.client else ""
        if not self._failures.take(client_network(address)):
            return ApiError("Throttling", "Rate exceeded: too many requests that prove nothing")
        if request.headers.get("authorization", "").lower().startswith("bearer "):
            return ApiError(
                "InvalidClientTokenId", "The token is not an operator's, or has expired."
            )
        code, advice = _REJECTIONS[proof.why]
        return ApiError(code, f"Not proven: {proof.detail}; {advice}.")


def access_key(name: str, secret: str) -> AccessKey:
    """The key of one operator: an id of AWS's length and alphabet, a secret of 43 letters."""
    id = base64.b32encode(_derived(secret, f"access key id of {name}"))[:16].decode()
    made = base64.urlsafe_b64encode(_derived(secret, f"secret access key of {name}"))
    return AccessKey(name, ID_PREFIX + id, made.decode().rstrip("="))


def access_keys(operators: Mapping[str, str]) -> list[AccessKey]:
    """One for each operator, the newest last."""
    return [access_key(name, secret) for name, secret in operators.items()]


def incoming_request(request: Request, body: bytes) -> IncomingRequest:
    """The request as its signer saw it."""
    scope = request.scope
    return IncomingRequest(
        method=request.method.encode(),
        path=scope.get("raw_path") or scope["path"].encode(),
        query=scope["query_string"],
        fields=tuple(scope["headers"]),
        body=body,
    )


def _derived(secret: str, purpose: str) -> bytes:
    return hmac.new(secret.encode(), f"edgecache {purpose}".encode(), hashlib.sha256).digest()
