"""Who calls. Law: nothing is read of a request before its caller is known.

SDKs sign (Signature Version 4) with an operator's access key; people with curl show an
operator's token, or come over the socket file. What a refusal says, its sender knew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.requests import Request

from edgecache.cluster.tokens import Purpose, Tokens
from edgecache.control.cloudfront.access_keys import access_keys
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.rest.auth import LOCAL_PEER, bearer, is_local
from edgecache.control.rest.rate_limit import RateLimiter
from edgecache.rules.sigv4.verify import (
    IncomingRequest,
    RejectionReason,
    SignatureRejected,
    SignatureVerified,
    verify,
)

SERVICE = "cloudfront"
CALLS_BURST = 400.0  # of one caller; a deployment of a large site makes a few hundred at once
CALLS_PER_S = 100.0  # AWS allows some 10; a write is an fsync, and there are no more in a second
FAILURES_BURST = 20.0  # of one address, before it is told less
FAILURES_PER_S = 1.0
NAMES_MAX = 4_096  # of 100 bytes each

_FAULTS = {
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


class CallerAuthentication:
    """Knows callers by their access keys and tokens.

    `operators` are secrets by name; `clock` is wall time, `steady` monotonic.
    """

    def __init__(
        self,
        operators: Mapping[str, str],
        tokens: Tokens,
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        self._keys = {key.access_key_id: key for key in access_keys(operators)}
        self._tokens = tokens
        self._clock = clock
        self._calls = RateLimiter(CALLS_BURST, CALLS_PER_S, NAMES_MAX, steady)
        self._failures = RateLimiter(FAILURES_BURST, FAILURES_PER_S, NAMES_MAX, steady)

    def caller(self, request: Request, body: bytes) -> str:
        """Who asks. A Fault when that is not known, or when they ask too often."""
        name = bearer(request, self._tokens, Purpose.OPERATOR)
        if name is None and is_local(request):
            name = LOCAL_PEER
        if name is None:
            proof = verify(signed(request, body), self._secret, SERVICE, self._clock())
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
        if not self._failures.take(address):
            return ApiError("Throttling", "Rate exceeded: too many requests that prove nothing")
        if request.headers.get("authorization", "").lower().startswith("bearer "):
            return ApiError(
                "InvalidClientTokenId", "The token is not an operator's, or has expired."
            )
        code, advice = _FAULTS[proof.why]
        return ApiError(code, f"Not proven: {proof.detail}; {advice}.")


def signed(request: Request, body: bytes) -> IncomingRequest:
    """The request as its signer saw it."""
    scope = request.scope
    return IncomingRequest(
        method=request.method.encode(),
        path=scope.get("raw_path") or scope["path"].encode(),
        query=scope["query_string"],
        fields=tuple(scope["headers"]),
        body=body,
    )
