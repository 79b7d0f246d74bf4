"""Upstream interface: `fetch`, replies, bodies, failures.

Law: a tier is an upstream; so is an origin, a group of them, and a peer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from msgspec import Struct

from edgecache.http.message import Fields, HeadLimits, Request, Response
from edgecache.rules.routing import Route

if TYPE_CHECKING:
    from edgecache.upstream.exchange import BegunExchange, PlannedAnswer


class Body(Protocol):
    """Bytes that arrive. One reader; `read` gives the next ones, and nothing at the whole end."""

    length: int | None
    """Bytes in all when they are known beforehand, else None."""

    async def read(self) -> bytes:
        """The next bytes, at least one; empty at the end. UpstreamError when it breaks off."""
        ...

    def read_nowait(self) -> bytes | None:
        """As `read` when that needs no waiting, else None."""
        ...

    def close(self) -> None:
        """No more will be read. Idempotent; what is left is dropped or its connection closed."""
        ...


@runtime_checkable
class TrailedBody(Protocol):
    """A body behind which fields may be said (RFC 9110 §6.5), known once its end was read."""

    @property
    def trailers(self) -> Fields: ...


class Reply(Struct):
    """What an upstream gave: a final response's head, and its body.

    `result` is an inner tier's word for how it came by it ("Hit", "Miss", ...), empty for origins.
    `mark` is its word on which invalidations the response is newer than, None from origins.
    `generated`: a function has answered in the origin's place.
    """

    head: Response
    body: Body
    result: str = ""
    mark: int | None = None
    generated: bool = False


OnInterim = Callable[[Response], None] | None
"""Called with each 1xx response, if anybody wants them."""


class Call(Struct):
    """One question to an upstream: what to ask, on which route, and the body that goes with it."""

    request: Request
    route: Route
    body: Body | None = None
    on_interim: OnInterim = None
    begun: BegunExchange | None = None  # it was sent already, by a plan


class Upstream(Protocol):
    """Whoever answers: a tier, an origin, a peer."""

    def fetch(self, call: Call) -> Awaitable[Reply]:
        """The final response to `call`. UpstreamError when there is none."""
        ...


class UpstreamPlan(Protocol):
    """How an upstream is asked by calls that differ in target, id and client's address alone."""

    @property
    def head_limits(self) -> HeadLimits:
        """Bounds of its answers' heads."""
        ...

    @property
    def origin(self) -> str:
        """The id of the origin, as the log has it; `regional`: the cache before it."""
        ...

    @property
    def size_bytes(self) -> int:
        """About what it takes."""
        ...

    def begin(
        self, target: bytes, request_id: bytes, peer: bytes, planned: PlannedAnswer,
        now: float, mark: int,
    ) -> BegunExchange | None:  # fmt: skip
        """Ask, if that can be done at once; `planned` has the answer.

        `mark`: see store.invalidation.
        """
        ...

    def received(self, head: Response) -> tuple[Response, str] | None:
        """An answer as a `Reply` has it, and that one's `result`; None: it is for a call."""
        ...

    def released(self, begun: BegunExchange) -> None:
        """It is waited for by a call from now on, or by nobody."""
        ...

    def answered(self, begun: BegunExchange, status: int, *, reusable: bool) -> None:
        """The whole answer came in one piece and was taken: the exchange is over."""
        ...


@runtime_checkable
class PlanningUpstream(Protocol):
    """An upstream that may know beforehand how it asks."""

    def plan(self, call: Call) -> UpstreamPlan | None:
        """How calls are asked that differ from `call` in target, id and client's address alone.

        None: that is to be worked out for each.
        """
        ...


class WholeBody:
    """A body that is all here."""

    def __init__(self, data: bytes) -> None:
        self.length: int | None = len(data)
        self._data = data

    async def read(self) -> bytes:
        return self.read_nowait()

    def read_nowait(self) -> bytes:
        data, self._data = self._data, b""
        return data

    def close(self) -> None:
        self._data = b""

    def __len__(self) -> int:
        """Bytes not yet read."""
        return len(self._data)
