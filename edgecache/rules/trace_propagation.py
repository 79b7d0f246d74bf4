"""Traces of requests: which one a request belongs to, and which span upstream is told.

Law: the fields never reach a key, a policy or a store: they are taken out of a request before
anything is decided about it, and what upstream is told of them is ours to write. A trace is begun
for what goes upstream alone; what is answered from memory has nobody to tell.

W3C Recommendation "Trace Context" (level 1), §4.3 "Mutating the traceparent field"; the modes are
those of nginx's `otel_trace_context`.
"""

from __future__ import annotations

from msgspec.structs import replace

from edgecache.config.model import TraceMode
from edgecache.http.message import Fields, Request, field_values, names_in, without
from edgecache.http.trace_context import (
    AMZN,
    NAMES,
    TRACEPARENT,
    TRACESTATE,
    TraceContext,
    read_trace,
)

TRACE_BYTES, SPAN_BYTES = 16, 8
BEGINS: frozenset[TraceMode] = frozenset({"inject", "propagate"})
_SHARE_DIGITS = 14  # of a trace id, its last 7 bytes: OpenTelemetry's TraceIdRatioBased
_SHARE_OF = 16**_SHARE_DIGITS


def extracted(request: Request, mode: TraceMode) -> Request:
    """`request` with its trace, which `mode` may say is not believed, beside its other fields."""
    if mode == "ignore" or NAMES.isdisjoint(names_in(request.fields)):
        return request
    trace = None if mode == "inject" else trace_of(request.fields)
    return replace(request, fields=without(request.fields, NAMES), trace=trace)


def amzn_extracted(request: Request) -> Request:
    """`request` with its X-Amzn-Trace-Id beside its other fields; several are none."""
    if AMZN not in names_in(request.fields):
        return request
    values = field_values(request.fields, AMZN)
    value = values[0] if len(values) == 1 else b""
    return replace(request, fields=without(request.fields, (AMZN,)), amzn_trace=value)


def trace_of(fields: Fields) -> TraceContext | None:
    """The trace that a request's fields name; None where they name none, or not as they should."""
    parents = field_values(fields, TRACEPARENT)
    if len(parents) != 1:
        return None
    return read_trace(parents[0], b",".join(field_values(fields, TRACESTATE)))


def begun(chance: bytes, sampled_share: float) -> TraceContext:
    """A trace of its own for a request that names none, from TRACE_BYTES + SPAN_BYTES of chance.

    The same of a share's traces are sampled wherever that is decided by the id: at a larger share
    these and others.
    """
    trace_id = _filled(chance[:TRACE_BYTES].hex())
    sampled = int(trace_id[-_SHARE_DIGITS:], 16) < sampled_share * _SHARE_OF
    return TraceContext(trace_id, _filled(chance[TRACE_BYTES:].hex()), sampled)


def continued(trace: TraceContext, chance: bytes) -> TraceContext:
    """The same trace with a span of ours in it, from SPAN_BYTES of chance."""
    return replace(trace, span_id=_filled(chance.hex()))


def _filled(digits: str) -> bytes:
    """An id, which is never all zeros."""
    return (digits if digits.strip("0") else digits[:-1] + "1").encode()
