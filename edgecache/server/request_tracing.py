"""Request tracing: the id of each request, and for what goes upstream its trace and a span of ours.

Law: a request without a trace costs nothing where none is begun, and a hit begins none. An id is
X-Amz-Cf-Id: 40 random bytes in base64url, unlike any other request's.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from struct import iter_unpack

from edgecache.config.model import Tracing
from edgecache.http.message import HeadLimits, Request
from edgecache.http.trace_context import TraceContext, Traces, amzn_sent_on
from edgecache.rules.trace_propagation import (
    BEGINS,
    SPAN_BYTES,
    TRACE_BYTES,
    amzn_extracted,
    begun,
    continued,
    extracted,
)

ID_BYTES = 40  # CloudFront's: 56 characters, the last two `==`
ID_CHARS = 56
BATCH = 256  # ids from one call to the random source
_LONG = ID_BYTES - 1  # a whole number of groups of three: a batch is encoded in one go
_LONG_CHARS = _LONG // 3 * 4
_ENDS = [urlsafe_b64encode(bytes((byte,))) for byte in range(256)]
AMZN_ID_BYTES = 12
_EACH = TRACE_BYTES + SPAN_BYTES
OF_TIERS = Tracing(context="extract")  # what another tier of ours says of a trace is so


class RequestTracing:
    """Traces of the requests of one process, with ids from an injected source of random bytes."""

    def __init__(self, settings: Tracing, random_bytes: Callable[[int], bytes]) -> None:
        self._mode = settings.context
        self._begins = settings.context in BEGINS
        self._share = settings.sampled_share
        self._amzn = settings.amzn_trace_id
        self._random_bytes = random_bytes
        self._ready = b""
        self._used = 0

    def reader(
        self, parse: Callable[[bytes, HeadLimits, bytes, tuple[str, int]], Request]
    ) -> Callable[[bytes, HeadLimits, bytes, tuple[str, int]], Request]:
        """`parse`, a reader of viewers' heads, whose requests have their traces taken out."""
        mode, amzn = self._mode, self._amzn

        def read(
            head: bytes, limits: HeadLimits, scheme: bytes, client: tuple[str, int]
        ) -> Request:
            request = extracted(parse(head, limits, scheme, client), mode)
            return amzn_extracted(request) if amzn else request

        return read if amzn or mode != "ignore" else parse

    def told(self, traces: Traces, now: float) -> Traces:
        """What upstream is told for a request of these; see `sent_on` and `amzn_sent_on`."""
        trace, amzn = traces
        return self.sent_on(trace), self.amzn_sent_on(amzn, now)

    def sent_on(self, trace: TraceContext | None) -> TraceContext | None:
        """What upstream is told for a request of `trace`: our own span in it; None: nothing."""
        if trace is not None:
            return continued(trace, self._chance(SPAN_BYTES))
        return begun(self._chance(_EACH), self._share) if self._begins else None

    def amzn_sent_on(self, value: bytes, now: float) -> bytes:
        """X-Amzn-Trace-Id that upstream is told of `value`, which a tier before us has written."""
        if not self._amzn:
            return value
        own = b"1-%08x-%b" % (int(now), self._chance(AMZN_ID_BYTES).hex().encode())
        return amzn_sent_on(value, own)

    def _chance(self, count: int) -> bytes:
        if self._used + count > len(self._ready):
            self._ready, self._used = self._random_bytes(_EACH * BATCH), 0
        start, self._used = self._used, self._used + count
        return self._ready[start : self._used]


class RequestIds:
    """Ids, made in batches from an injected source of random bytes."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._ready: list[bytes] = []

    def next(self) -> bytes:
        """An id never given before."""
        ready = self._ready
        if not ready:
            data = self._random_bytes(ID_BYTES * BATCH)
            starts = urlsafe_b64encode(data[: _LONG * BATCH])
            ends = map(_ENDS.__getitem__, data[_LONG * BATCH :])
            cut = iter_unpack(f"{_LONG_CHARS}s", starts)
            ready.extend([start + end for (start,), end in zip(cut, ends, strict=True)])
        return ready.pop()

    def peek(self) -> bytes:
        """The id that is given next."""
        if not self._ready:
            self._ready.append(self.next())
        return self._ready[-1]
