"""Gate: ASGI middleware that admits only requests signed with our origin access identity.

Law: a request without a valid identity never reaches the application. It goes outermost, imports
nothing of ours but its neighbors and replay windows, and trusts only what the server read from the
wire: the method, the Host field, `raw_path` and `query_string` (ASGI, "HTTP Connection Scope").
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from edgecache.origin.errors import S3ErrorCode, new_ids, refusal
from edgecache.origin.identity import (
    HEADER,
    WINDOW_S,
    IdentityVerdict,
    IdentityVerifier,
    identity_named,
    is_of_hosts,
)

logger = logging.getLogger("edgecache.origin")

IDENTITY = "edgecache.identity"  # of the scope: the origin access identity, empty for none

_VERDICT = "edgecache.identity.verdict"
_WEBSOCKET_POLICY_VIOLATION = 1008  # RFC 6455 §7.4.1; before the handshake it becomes a 403


class Gate:
    """`Gate(app, keys={"2025-01": "hosts:..."}, hosts=["app.internal"])`; also as middleware.

    `keys`: id to key, newest last; all are accepted. Or a callable that gives them, asked for each
    request, by which they change without a restart. `hosts`: the names in Host that are admitted;
    none: all for which there are keys, if these are keys of hosts. `clock`: epoch seconds.
    `window_s`: how far the time of signing may be from now; a signature is used once in it.
    `header`: the field's name, lower case. `accepts_former`: see IdentityVerifier. ValueError for
    keys that no signer could have, and for those that have any host's without `hosts`.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: Mapping[str, str] | Callable[[], Mapping[str, str]],
        clock: Callable[[], float] = time.time,
        window_s: float = WINDOW_S,
        header: bytes = HEADER,
        hosts: Iterable[str] = (),
        *,
        accepts_former: bool = False,
    ) -> None:
        self._app = app
        self._asked_for = keys if callable(keys) else None
        self._keys = keys() if callable(keys) else keys
        self._hosts = hosts if isinstance(hosts, str) else tuple(hosts)
        self._useless: Mapping[str, str] | None = None  # what was given last, if no gate takes it
        self._check_pinned(self._keys)
        self._verifier = IdentityVerifier(
            self._keys, clock, window_s, self._hosts, accepts_former=accepts_former
        )
        self._header = header.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": _WEBSOCKET_POLICY_VIOLATION})
        elif self.verdict(scope) is IdentityVerdict.OK:
            await self._app(self._without_identity(scope), receive, send)
        else:
            await refusal(S3ErrorCode.ACCESS_DENIED, new_ids())(scope, receive, send)

    def verdict(self, scope: Scope) -> IdentityVerdict:
        """The verdict on the identity of an `http` scope, which keeps it: a good one is used up."""
        judge, found = scope.get(_VERDICT, (None, None))
        verdict: IdentityVerdict = found if judge is self else self._verdict(scope)
        scope[_VERDICT] = self, verdict
        return verdict

    def _verdict(self, scope: Scope) -> IdentityVerdict:
        self._renew_keys()
        values = _values(scope, self._header)
        if not values:
            return IdentityVerdict.MISSING
        hosts = _values(scope, b"host")
        path = scope.get("raw_path")  # optional in ASGI; `path` is decoded and cannot stand in
        if len(values) > 1 or len(hosts) != 1 or path is None:
            return IdentityVerdict.MALFORMED
        query = scope["query_string"]
        target = path + b"?" + query if query else path
        method = scope["method"].encode("latin-1")
        return self._verifier.verify(method, hosts[0], target, values[0])

    def _renew_keys(self) -> None:
        keys = self._keys if self._asked_for is None else self._asked_for()
        if keys is self._keys or keys is self._useless:
            return
        try:
            self._check_pinned(keys)
            self._verifier.use(keys)
            self._keys = keys
        except ValueError as error:
            self._useless = keys
            logger.error("the former keys stay: %s", error)

    def _check_pinned(self, keys: Mapping[str, str]) -> None:
        """A whole secret has a key for any host, so that whoever has one host's would get in."""
        whole = next((name for name, key in keys.items() if not is_of_hosts(key)), None)
        if whole is not None and not self._hosts:
            raise ValueError(
                f"identity key {whole!r} opens any host: say hosts=[...], its names in Host, "
                "or give it the keys that `edgecache secrets origin NAME` prints"
            )

    def _without_identity(self, scope: Scope) -> Scope:
        """The scope as the application may see it: who asks, and not what proves it."""
        fields = [field for field in scope["headers"] if field[0].lower() != self._header]
        (value,) = _values(scope, self._header)
        return {**scope, "headers": fields, IDENTITY: identity_named(value)}


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key.lower() == name]
