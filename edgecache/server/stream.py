"""Viewer stream: one response's way to one viewer, the same for every version of HTTP.

Law: who answers a request knows nothing of the version it came by; who implements a version decides
nothing about the response. `response_writer` is above the seam; `http1` is the first below it.

An implementation is made per request by its connection, which gives it to a `ResponseWriter`. The
writer calls, in this order and from one task or callback:

    send_interim*  then  send_head  then  (send* with flush where it waits) end
                   or    run_tunnel, alone

and `abort` in place of whatever is left. Nothing is sent after `end` or `abort`. Between two calls
of `send` it waits in `drained` whenever `paused` says so: flow control (a socket's buffer, RFC 9113
§5.2, RFC 9000 §4) is the implementation's, and bounded. Framing (Content-Length or chunks,
END_STREAM), the fields of the connection (RFC 9110 §7.6.1) and the decision whether the connection
stays are the implementation's, too; so is 100 (Continue), sent when the request's body is first
read. Trailers pass to a call of gRPC, else what upstream sends of them is dropped (decision 020).

When the viewer is gone the connection cancels the writer's task.
"""

from __future__ import annotations

from typing import Protocol

from edgecache.http.message import Fields
from edgecache.upstream.interface import Body
from edgecache.upstream.tunnel import Tunnel


class ViewerStream(Protocol):
    """Where one response goes."""

    client: tuple[str, int]
    """Address and port of the viewer."""
    network: str
    """Which client that is: `client_network` of the address; empty: nobody's share counts."""
    began: float
    """When the first byte of the request came (epoch seconds)."""
    sent_bytes: int
    """Of this response until now, its head and framing included; the log's sc-bytes."""
    websocket_key: bytes | None
    """Of a WebSocket whose handshake is ours: its viewer's version of HTTP has none (RFC 8441)."""
    tunnel_bytes_in: int
    """What came from the viewer through `run_tunnel`, whichever way that ended."""

    @property
    def paused(self) -> bool:
        """Whether what was sent waits for the viewer: `drained` before sending more."""
        ...

    def send_interim(self, status: int, fields: Fields, *, reason: bytes = b"") -> None:
        """A 1xx response other than 100 and 101, where the viewer can tell it apart."""
        ...

    def send_head(
        self,
        status: int,
        fields: Fields,
        length: int | None,
        *,
        reason: bytes = b"",
        ends: bool = False,
    ) -> None:
        """The final response's head; it may wait for the first `send`, `flush` or `end`.

        `fields` have no framing: `length` is the body's, or (HEAD, 304) what it would be; None:
        unknown, or not to be stated. `ends`: no body follows. `reason` is for HTTP/1.1 alone.
        ValueError when `fields` cannot be written; nothing was sent then.
        """
        ...

    def send(self, data: bytes | memoryview) -> None:
        """The next bytes of the body, at least one."""
        ...

    def flush(self) -> None:
        """Let a head that waits go now: the body is not at hand."""
        ...

    def end(self, trailers: Fields = ()) -> None:
        """The response is whole. `trailers`: where the version of HTTP can tell them apart."""
        ...

    def abort(self) -> None:
        """The response must not look whole (RFC 9112 §8, RFC 9113 §8.1): reset what it came by."""
        ...

    def close_after(self) -> None:
        """Before `send_head`: where a connection has one request at a time, this was its last."""
        ...

    async def drained(self) -> None:
        """Return when the viewer has taken enough of what was sent, or is gone."""
        ...

    async def run_tunnel(self, fields: Fields, tunnel: Tunnel) -> None:
        """Accept the upgrade and pass bytes both ways until both ends have ended.

        101 (RFC 9110 §7.8), or 200 to an extended CONNECT (RFC 8441). UpstreamError when the far
        side breaks off; `tunnel` is hung up where the viewer leaves or all is said.
        """
        ...


class ViewerBody(Body, Protocol):
    """The body of a viewer's request, as it arrives."""

    refusal_status: int
    """What a viewer is told whose body is `broken`."""
    open_ended: bool
    """Whether silence is no lateness of it: who reads it bounds that."""

    @property
    def broken(self) -> bool:
        """Whether it will never be whole, by the viewer's doing."""
        ...

    def require_sound(self) -> None:
        """UpstreamError when it is broken already."""
        ...


class TableConnection(Protocol):
    """A connection, as the table of connections and the sweep of a listener see it."""

    network: str
    """Whose it is: `client_network` of its address."""
    protocol: str
    """What it speaks, as `protocols` of a location has it; `none`: that is not settled."""
    deadline: float
    """When `end_overdue` is to be called (epoch seconds)."""

    @property
    def at_rest(self) -> bool:
        """Whether nothing is asked and nothing is owed."""
        ...

    @property
    def gives_way(self) -> bool:
        """Whether a newcomer is preferred: at rest, or its client is late with what it began."""
        ...

    @property
    def held_bytes(self) -> int:
        """Bytes of requests that were read and not yet served."""
        ...

    def close(self) -> None:
        """Close it once what was written is sent."""
        ...

    def make_way(self) -> None:
        """Close it for a newcomer, at once where nothing waits to be sent; no more at rest."""
        ...

    def end_overdue(self, now: float) -> None:
        """End what takes too long, or give it another deadline."""
        ...
