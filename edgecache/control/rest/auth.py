"""Authorization of callers of the REST API. Law: a browser page of another site gets nothing.

Control listens where browsers of the same machine can reach it, so a page may post to it, or have
its own name resolve to our address (DNS rebinding): unknown names in Host and Origin are refused.
So may a proxy on it, which brings requests of anybody from loopback: that a program runs on this
machine proves nothing. Who proves that it may ask is neither, and may come by any Host: a
container's name, a service's, another address. Who reaches the socket file in `state_dir`, which
its owner alone may, is an operator; over TCP an operator has a token or an access key
(`access_keys`), and a program of this machine may read figures.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from edgecache.cluster.credentials import AUTH_SCHEME, content_digest
from edgecache.cluster.tokens import Tokens
from edgecache.control.cloudfront.errors import ApiError, error_document
from edgecache.control.nodes.refusals import NodeAdmission, refusal_reason
from edgecache.control.state.database import BY_SOCKET
from edgecache.rules.sigv4 import ALGORITHM
from edgecache.rules.sigv4a import ALGORITHM as ASYMMETRIC

LOCAL_PEER = "unix"  # the address of who reached the socket file, and is our user or root
RELAYED = frozenset({"via", "forwarded", "x-real-ip"})  # and X-Forwarded-*: a proxy's
_NODE_REQUIRED = "a node's credential is required"
OPERATOR = "edgecache.operator"  # of a scope: whose access key admitted it
CHALLENGE = {"www-authenticate": AUTH_SCHEME}
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_API = "/20"  # what CloudFront's paths begin with: a version

HeadProof = Callable[[MutableMapping[str, Any]], bool]


class HostGuard:
    """ASGI middleware that refuses, as JSON, requests whose Host or Origin is not ours (403).

    `proves` says of a scope whether its head has a token or a node's credential that is good.
    """

    def __init__(self, app: ASGIApp, names: Collection[str], proves: HeadProof) -> None:
        self._app = app
        self._names = frozenset((*LOCAL_NAMES, *(host_name(name) for name in names)))
        self._proves = proves

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            problem = self._problem(scope)
            if problem:
                await _refusal(scope["path"], problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _problem(self, scope: Scope) -> str:
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or not hosts[0]:
            return "unknown Host"
        if host_name(hosts[0]) not in self._names and not self._may_come_by_any(scope):
            reason = refusal_reason(scope)
            if reason:
                return f"{_NODE_REQUIRED}: {reason}"
            return "unknown Host: list it in control.names, or come with a token or access key"
        origins = _values(scope, b"origin")
        # Another port of this machine is another site, so the whole authority is compared.
        if origins and origins != [f"{scope['scheme']}://{hosts[0]}"]:
            return "unknown Origin"
        return ""

    def _may_come_by_any(self, scope: Scope) -> bool:
        return is_signed(Request(scope)) or self._proves(scope)


def host_name(authority: str) -> str:
    """The name in `name`, `name:port` or `[address]:port`, lower case, brackets kept."""
    head, colon, port = authority.lower().rpartition(":")
    return head if colon and port.isdigit() else authority.lower()


def bearer_name(request: Request, tokens: Tokens) -> str | None:
    """The name in the request's `Authorization: Bearer` token (RFC 6750 §2.1), if it is good."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return tokens.verify(token.strip()) if scheme.lower() == "bearer" else None


def is_signed(request: Request) -> bool:
    """Whether the request comes with an access key's signature, good or not.

    One that does is judged by it before anything else, by `access_keys` and CloudFront's API.
    """
    return request.headers.get("authorization", "").startswith((ALGORITHM, ASYMMETRIC))


def require_node(request: Request, admission: NodeAdmission, body: bytes = b"") -> str:
    """The name of the node that signed this request and its body; 401 when none did, or before."""
    name = admission.sender(request.scope)
    if not name or request.headers.get("content-digest", "") != content_digest(body):
        reason = refusal_reason(request.scope)
        raise HTTPException(401, _NODE_REQUIRED + (f": {reason}" if reason else ""), CHALLENGE)
    return name


def require_operator(request: Request, tokens: Tokens) -> str:
    """Let an operator pass: over the socket file, with a token, or by an access key. Else 401.

    The name of the key or token: who is the author of what it writes.
    """
    if OPERATOR in request.scope:
        return str(request.scope[OPERATOR])
    if (name := bearer_name(request, tokens)) is not None:
        return name
    if is_local(request):
        return BY_SOCKET
    shown = request.headers.get("authorization", "")
    problem = "the token is not good, or its hour is over" if shown else "a token is required"
    raise HTTPException(401, f"{problem}, or an access key", {"www-authenticate": "Bearer"})


def require_reader(request: Request, tokens: Tokens) -> None:
    """Let pass who may see figures: an operator, and a program that asks from this machine itself.

    Else 401.
    """
    if not _is_loopback(request) or _is_relayed(request):
        require_operator(request, tokens)


def is_local(request: Request) -> bool:
    """Whether the user control runs as, or root, asks over the socket file, for nobody else."""
    local = request.client is not None and request.client.host == LOCAL_PEER
    return local and not _is_relayed(request)  # nodes and proxies of that user say Via


def _refusal(path: str, problem: str) -> Response:
    """A refusal in the form of the API that was asked."""
    if not path.startswith(_API):
        return JSONResponse({"error": problem}, 403)
    document = error_document(ApiError("AccessDenied", problem), "-")
    return Response(document, 403, media_type="text/xml")


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _is_relayed(request: Request) -> bool:
    return any(name in RELAYED or name.startswith("x-forwarded-") for name in request.headers)


def _is_loopback(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
