"""Traces: taken out of a request, begun, continued; what a viewer says wrongly is dropped."""

from __future__ import annotations

import pytest

from edgecache.config.model import TraceMode
from edgecache.http.message import Request
from edgecache.http.trace_context import TraceContext
from edgecache.rules.trace_propagation import begun, continued, extracted, trace_of

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = b"00f067aa0ba902b7"
PARENT = b"00-%b-%b-01" % (TRACE, SPAN)
OTHER = ((b"host", b"a"), (b"accept", b"b"))
ASKED = Request(b"GET", b"/", None, (*OTHER, (b"traceparent", PARENT), (b"tracestate", b"a=1")))


def test_two_parents_are_none() -> None:
    assert trace_of(((b"traceparent", PARENT), (b"traceparent", PARENT))) is None


def test_a_state_without_its_parent_counts_for_nothing() -> None:
    assert trace_of(((b"tracestate", b"a=1"),)) is None


def test_states_in_several_fields_are_one_list() -> None:
    trace = trace_of(((b"tracestate", b"a=1"), (b"traceparent", PARENT), (b"tracestate", b"b=2")))
    assert trace is not None
    assert trace.state == b"a=1,b=2"


def test_ignored_the_fields_stay_as_they_are() -> None:
    assert extracted(ASKED, "ignore") is ASKED


@pytest.mark.parametrize("mode", ["extract", "propagate"])
def test_a_trace_stands_beside_the_fields_and_no_longer_in_them(mode: TraceMode) -> None:
    request = extracted(ASKED, mode)
    assert request.fields == OTHER
    assert request.trace == TraceContext(TRACE, SPAN, True, b"a=1")


def test_injected_a_viewers_trace_is_not_believed() -> None:
    request = extracted(ASKED, "inject")
    assert request.fields == OTHER
    assert request.trace is None


@pytest.mark.parametrize("mode", ["extract", "propagate", "inject"])
@pytest.mark.parametrize(
    "said",
    [
        ((b"traceparent", b"00-x"), (b"tracestate", b"a=1")),
        ((b"tracestate", b"a=1"),),
        ((b"traceparent", b""),),
        ((b"traceparent", PARENT), (b"traceparent", PARENT)),
    ],
)
def test_what_is_no_trace_goes_no_further(
    mode: TraceMode, said: tuple[tuple[bytes, bytes], ...]
) -> None:
    request = extracted(Request(b"GET", b"/", None, (*OTHER, *said)), mode)
    assert request.fields == OTHER
    assert request.trace is None


def test_a_request_without_one_is_the_same() -> None:
    request = Request(b"GET", b"/", None, OTHER)
    assert extracted(request, "propagate") is request


def test_one_is_begun_from_chance() -> None:
    trace = begun(bytes(range(1, 25)), 1)
    assert trace.trace_id == bytes(range(1, 17)).hex().encode()
    assert trace.span_id == bytes(range(17, 25)).hex().encode()
    assert trace.sampled
    assert trace.state == b""


@pytest.mark.parametrize(
    ("last", "share", "sampled"),
    [
        (bytes(7), 0, False),
        (bytes(7), 0.001, True),
        (b"\xff" * 7, 1, True),
        (b"\x3f" + b"\xff" * 6, 0.25, True),
        (b"\x40" + bytes(6), 0.25, False),
    ],
)
def test_a_share_of_them_is_sampled_by_the_end_of_the_id(
    last: bytes, share: float, sampled: bool
) -> None:
    assert begun(b"\x01" * 9 + last + b"\x01" * 8, share).sampled is sampled


def test_no_id_is_all_zeros() -> None:
    trace = begun(bytes(24), 0)
    assert trace.trace_id == b"0" * 31 + b"1"
    assert trace.span_id == b"0" * 15 + b"1"
    assert continued(trace, bytes(8)).span_id == b"0" * 15 + b"1"


def test_it_goes_on_with_another_span_and_all_else_as_it_was() -> None:
    trace = TraceContext(TRACE, SPAN, True, b"a=1")
    assert continued(trace, b"\xab" * 8) == TraceContext(TRACE, b"ab" * 8, True, b"a=1")
