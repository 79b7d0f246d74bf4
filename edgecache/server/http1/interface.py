"""HTTP/1.1 connection as its parts see it: stream, head cache, rendered hits, WebSocket relay.

Law: the parts know this interface, and the connection knows the parts: no import goes in a circle.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from edgecache.cache.outcome import Refusal
from edgecache.rules.viewer.access_list import AccessListMatcher
from edgecache.rules.viewer.rate_limits import RateLimitRule
from edgecache.server.http1.head_reader import HeadReader
from edgecache.server.listener import Listener
from edgecache.server.output_buffer import OutputBuffer
from edgecache.server.request_body import RequestBody, SentBytes
from edgecache.server.request_log import RequestSummary
from edgecache.server.tls import Session


class RunningRequest(Protocol):
    """What works on a request: a task, or a planned miss."""

    def cancel(self) -> object:
        """The viewer is gone."""
        ...


class StreamProgress(Protocol):
    """A stream, as what looks for viewers that have left sees it."""

    seen_bytes: int
    """Of `sent_bytes`, when it was looked at last."""

    @property
    def sent_bytes(self) -> int:
        """Of the response until now."""
        ...

    @property
    def streams(self) -> bool:
        """Whether what was written so far is a part of a response."""
        ...


class Http1Connection(Protocol):
    """One viewer's socket: one request at a time, answered in the order they came."""

    listener: Listener
    transport: asyncio.Transport
    outgoing: OutputBuffer
    client: tuple[str, int]
    trusted: bool
    """Whether that is a trusted proxy: who its viewer is, each request says for itself."""
    network: str
    """Which client that is; see `ViewerStream`."""
    address: bytes
    """The client's address as the log has it; so `port`."""
    port: bytes
    admitted: tuple[AccessListMatcher, ...]
    """Access lists that have let this client in."""
    buckets: dict[RateLimitRule, int]
    """Of rate limits: those of its viewer's address that are known."""
    session: Session | None
    """Of TLS."""
    began: float
    """When the first byte of the current request came (epoch seconds)."""
    deadline: float
    """When it is overdue (epoch seconds)."""
    body: RequestBody | None
    """A request's body that is still arriving: what follows cannot be told from it."""
    closing: bool
    """No request is taken after the one under way."""
    tunnel_idle_s: float
    """Above 0: what passes is no HTTP any more; silence is bounded by this."""

    def become_tunnel(self) -> SentBytes:
        """What the viewer sends is never a request again; gives it as a body."""
        ...

    def keep_tunnel(self, count: int) -> None:
        """So many bytes have passed through the tunnel, either way."""
        ...

    def end_tunnel(self) -> None:
        """One side has ended: the other has seconds left, more for what comes at a rate."""
        ...


class OverdueConnection(Http1Connection, Protocol):
    """The same, as what ends it when its deadline has come sees it."""

    heads: HeadReader
    unsent_bytes: int
    """At the last look; -1: there was none."""
    stream: StreamProgress | None
    """Of the request under way."""
    ended: bool
    """The viewer sends no more."""

    def refuse(self, refusal: Refusal, summary: RequestSummary, now: float) -> None:
        """Answer with a page of our own."""
        ...
