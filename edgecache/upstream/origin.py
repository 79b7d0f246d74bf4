"""Origins as an upstream. Law: an origin is asked as its configuration says, and no other way.

CloudFront Developer Guide, "Origin settings": connection attempts and timeouts.
"""

from __future__ import annotations

from edgecache.http.message import Request
from edgecache.upstream.base import Call, Fault, Reply, UpstreamError
from edgecache.upstream.dressing import Sign, dressed, endpoint_of
from edgecache.upstream.pool import Pool

_TRIED_AGAIN = frozenset({Fault.REFUSED, Fault.CONNECT_TIMEOUT, Fault.NAME, Fault.CLOSED})
_CONDITIONS = frozenset({b"if-none-match", b"if-modified-since"})


class OriginUpstream:
    """Asks the origin of a call's route over `pool`.

    `sign` proves who we are to origins with `access = "identity"`; `via` is our pseudonym.
    """

    def __init__(self, pool: Pool, *, sign: Sign | None = None, via: bytes = b"edgecache") -> None:
        self._pool = pool
        self._sign = sign
        self._via = via

    async def fetch(self, call: Call) -> Reply:
        """The origin's final response. UpstreamError after the last attempt to connect."""
        origin = call.route.origin
        endpoint = endpoint_of(origin, call.request.scheme)
        outgoing = dressed(call, self._via, self._sign)
        attempts = origin.connection_attempts if call.request.method in (b"GET", b"HEAD") else 1
        while True:
            try:
                reply = await self._pool.send(endpoint, outgoing)
                break
            except UpstreamError as error:
                attempts -= 1
                if attempts <= 0 or error.sent or error.fault not in _TRIED_AGAIN:
                    raise
        if reply.head.status == 304 and not _conditional(call.request):
            reply.body.close()  # nothing here could be what it means
            raise UpstreamError(Fault.MALFORMED, endpoint.where)
        return reply


def _conditional(request: Request) -> bool:
    return any(name in _CONDITIONS for name, _ in request.fields)
