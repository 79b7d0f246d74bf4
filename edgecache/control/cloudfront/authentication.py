"""Authentication of callers. Law: nothing is read of a request before its caller is known.

SDKs sign (Signature Version 4) with an operator's access key; people with curl show an
operator's token, or come over the socket file. What a refusal says, its sender knew.

Access keys are what an SDK signs its calls with. Each operator's secret in `operators.json` gives
one, by one-way derivation: nothing more is to be kept or rotated, and who holds one can make no
token of ours; a key that is in a script's environment does not sign for nodes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
from edgecache.control.rest.auth import LOCAL_PEER, bearer_name, is_local
from edgecache.rules.sigv4 import (
    IncomingRequest,
    RejectionReason,
    SignatureRejected,
    SignatureVerified,
    verify,
)
from edgecache.rules.viewer.client_shares import client_network

ID_PREFIX = "EDGE"  # AWS's own begin with AKIA, which scanners for leaked keys look for

SERVICE = "cloudfront"

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
    """An access key; `name` is the operator's in `operators.json`. Its repr holds no secret."""

    name: str
    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"AccessKey({self.name}, {self.access_key_id})"


class CallerAuthentication:
    """Authenticates callers by access key, token or socket file, and bounds their rates.

    `operators` are secrets by name; `clock` is wall time, `steady` monotonic.
    """

    def __init__(
        self,
        operators: Mapping[str, str],
        tokens: Tokens,
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        self.use(operators)
        self._tokens = tokens
        self._clock = clock
        self._calls = RateLimiter(CALLS_BURST, CALLS_PER_S, NAMES_MAX, steady)
        self._failures = RateLimiter(FAILURES_BURST, FAILURES_PER_S, NAMES_MAX, steady)

    def use(self, operators: Mapping[str, str]) -> None:
        """The access keys of these operators count from now on, and no others."""
        self._keys = {key.access_key_id: key for key in access_keys(operators)}

    def authenticate(self, request: Request, body: bytes) -> str:
        """The caller's name. ApiError when it is not known, or asks too often."""
        name = bearer_name(request, self._tokens)
        if name is None and is_local(request):
            name = LOCAL_PEER
        if name is None:
            proof = verify(incoming_request(request, body), self._secret, SERVICE, self._clock())
            if isinstance(proof, SignatureRejected):
                raise self._refused(proof, request)
            assert isinstance(proof, SignatureVerified)
            name = self._keys[proof.access_key_id].name
        if not self._calls.take(name):
            raise ApiError("Throttling", "Rate exceeded")
        return name

    def _secret(self, access_key_id: str) -> str | None:
        key = self._keys.get(access_key_id)
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
