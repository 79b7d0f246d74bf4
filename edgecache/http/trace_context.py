"""Trace context: the fields traceparent, tracestate and X-Amzn-Trace-Id, read and written.

Law: what is not well-formed is nobody's trace, and no part of it goes further. W3C Recommendation
"Trace Context" (level 1, 2021-11-23), §3.2 and §3.3: of the flags, `sampled` alone is defined.
"""

from __future__ import annotations

import re

from msgspec import Struct

TRACEPARENT = b"traceparent"
TRACESTATE = b"tracestate"
NAMES = frozenset({TRACEPARENT, TRACESTATE})
AMZN = b"x-amzn-trace-id"
AMZN_BYTES_MAX = 7_168  # an Application Load Balancer writes a longer one anew
STATE_MEMBERS_MAX = 32  # §3.3.1.1
STATE_BYTES_MAX = 512  # §3.3.1.5: what must be able to pass at least; more is dropped

_SAMPLED = 1
_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_NO_TRACE, _NO_SPAN = b"0" * 32, b"0" * 16
_AMZN_VALUE = re.compile(rb"[\x21-\x7e]+")
_STATE_MEMBER = re.compile(
    rb"((?:[a-z][a-z0-9_\-*/]{0,255})|(?:[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}))"
    rb"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


class TraceContext(Struct, frozen=True):
    """The trace a request belongs to, and the span of who asks or is about to ask.

    `trace_id` is 32 and `span_id` 16 digits of lower-case hexadecimal; `state` is a sound
    tracestate, or empty.
    """

    trace_id: bytes
    span_id: bytes
    sampled: bool
    state: bytes = b""

    @property
    def parent(self) -> bytes:
        """The value of traceparent that says this."""
        return b"00-%b-%b-0%d" % (self.trace_id, self.span_id, self.sampled)

    @property
    def flags(self) -> bytes:
        """trace-flags, as traceparent and the log have them."""
        return b"01" if self.sampled else b"00"

    @property
    def fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """The fields that say this to who is asked."""
        if not self.state:
            return ((TRACEPARENT, self.parent),)
        return ((TRACEPARENT, self.parent), (TRACESTATE, self.state))


Traces = tuple[TraceContext | None, bytes]
"""The trace of a request, and its X-Amzn-Trace-Id; empty: none."""


def read_trace(parent: bytes, state: bytes) -> TraceContext | None:
    """The trace that the values of the two fields name; a `state` that is not sound is dropped."""
    found = _PARENT.fullmatch(parent)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == b"ff" or (version == b"00" and more is not None):
        return None
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    sampled = bool(int(flags, 16) & _SAMPLED)
    return TraceContext(trace_id, span_id, sampled, state if is_sound_state(state) else b"")


def amzn_sent_on(value: bytes, own: bytes) -> bytes:
    """X-Amzn-Trace-Id for who is asked: `value` as it came, `own` an id of ours.

    One with a Root gets our Self before it, in place of another; its other fields are kept. One
    without, none at all, and one that is longer than 7 KB or not of plain characters begins with a
    Root of ours. Elastic Load Balancing, "Request tracing for your Application Load Balancer".
    """
    if len(value) > AMZN_BYTES_MAX or _AMZN_VALUE.fullmatch(value) is None:
        return b"Root=" + own
    kept = [one for one in value.split(b";") if one and not one.startswith(b"Self=")]
    word = b"Self=" if any(one.startswith(b"Root=") for one in kept) else b"Root="
    return b";".join([word + own, *kept])


def is_sound_state(state: bytes) -> bool:
    """Whether a tracestate is well-formed and within its bounds, with something to say (§3.3.1)."""
    if len(state) > STATE_BYTES_MAX:
        return False
    members = [member for part in state.split(b",") if (member := part.strip(b" \t"))]
    found = [_STATE_MEMBER.fullmatch(member) for member in members]
    keys = {one[1] for one in found if one is not None}
    return 0 < len(keys) == len(members) <= STATE_MEMBERS_MAX
