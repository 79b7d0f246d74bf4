"""Trace context: the vectors of the Recommendation, and what must not pass."""

from __future__ import annotations

import pytest

from edgecache.http.trace_context import (
    STATE_BYTES_MAX,
    STATE_MEMBERS_MAX,
    TraceContext,
    amzn_sent_on,
    is_sound_state,
    read_trace,
)

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = b"00f067aa0ba902b7"
VECTOR = b"00-%b-%b-01" % (TRACE, SPAN)
STATE = b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"  # §3.3.1.6


def test_the_vector_of_the_recommendation_is_read_and_written_the_same() -> None:
    trace = read_trace(VECTOR, STATE)
    assert trace == TraceContext(TRACE, SPAN, True, STATE)
    assert trace.fields == ((b"traceparent", VECTOR), (b"tracestate", STATE))


@pytest.mark.parametrize(
    ("flags", "sampled"),
    [(b"00", False), (b"01", True), (b"02", False), (b"03", True), (b"ff", True), (b"fe", False)],
)
def test_of_the_flags_one_is_defined_and_the_others_go_no_further(
    flags: bytes, sampled: bool
) -> None:
    trace = read_trace(b"00-%b-%b-%b" % (TRACE, SPAN, flags), b"")
    assert trace is not None
    assert trace.sampled is sampled
    assert trace.parent.endswith(b"-01" if sampled else b"-00")


@pytest.mark.parametrize(
    "parent",
    [
        b"cc-%b-%b-01" % (TRACE, SPAN),
        b"cc-%b-%b-01-what-the-future-will-be-like" % (TRACE, SPAN),
        b"01-%b-%b-01-" % (TRACE, SPAN),
        b"fe-%b-%b-09" % (TRACE, SPAN),
    ],
)
def test_a_higher_version_is_read_as_far_as_it_is_known_and_written_as_ours(parent: bytes) -> None:
    trace = read_trace(parent, b"")
    assert trace is not None
    assert trace.parent == VECTOR


@pytest.mark.parametrize(
    "parent",
    [
        b"",
        b"ff-%b-%b-01" % (TRACE, SPAN),  # a version that is forbidden
        b"00-%b-%b-01" % (b"0" * 32, SPAN),
        b"00-%b-%b-01" % (TRACE, b"0" * 16),
        b"00-%b-%b-01-" % (TRACE, SPAN),  # 00 ends there
        b"00-%b-%b-01-more" % (TRACE, SPAN),
        b"00-%b-%b-01.more" % (TRACE, SPAN),
        b"cc-%b-%b-01.more" % (TRACE, SPAN),
        b"cc-%b-%b-0" % (TRACE, SPAN),
        b"00-%b-%b-1" % (TRACE, SPAN),
        b"00-%b-%b-001" % (TRACE, SPAN),
        b"00-%b-%b" % (TRACE, SPAN),
        b"00-%b-%b-" % (TRACE, SPAN),
        b"00-%b-%b-01" % (TRACE[:31], SPAN),
        b"00-%b0-%b-01" % (TRACE, SPAN),
        b"00-%b-%b-01" % (TRACE, SPAN[:15]),
        b"00-%b-%b0-01" % (TRACE, SPAN),
        VECTOR.upper(),
        b"00-%b-%b-0A" % (TRACE, SPAN),
        b"0A-%b-%b-01" % (TRACE, SPAN),
        b"0x-%b-%b-01" % (TRACE, SPAN),
        b"0-%b-%b-01" % (TRACE, SPAN),
        b"000-%b-%b-01" % (TRACE, SPAN),
        b"00-%b-%b-01" % (b"." + TRACE[1:], SPAN),
        b"00_%b_%b_01" % (TRACE, SPAN),
        b"%b,%b" % (VECTOR, VECTOR),
        b"00-%b-%b-01\n" % (TRACE, SPAN),
    ],
)
def test_what_is_not_well_formed_is_nobodys_trace(parent: bytes) -> None:
    assert read_trace(parent, STATE) is None


@pytest.mark.parametrize(
    "state",
    [
        STATE,
        b"a=1",
        b"a=1 , b=2",
        b"a=1,,b=2",  # empty members may stand there
        b"a=1,",
        b"fw529a3039@dt=FfAAAAAQ",
        b"0tenant@system=1",
        b"a*/_-=1",
        b"a= leading blanks",
        b"%b=1" % (b"z" * 256),
        b"%b@%b=1" % (b"t" * 241, b"v" * 14),
        b"a=%b" % (b"x" * 256),
        b",".join(b"k%d=1" % number for number in range(STATE_MEMBERS_MAX)),
    ],
)
def test_a_sound_state_goes_on_as_it_came(state: bytes) -> None:
    trace = read_trace(VECTOR, state)
    assert trace is not None
    assert trace.state == state


@pytest.mark.parametrize(
    "state",
    [
        b",",
        b" , ,",
        b"a",
        b"=1",
        b"a=",
        b"a=1,a=2",  # each key once
        b"A=1",
        b"0a=1",  # a digit first only where a tenant is
        b"a@=1",
        b"@b=1",
        b"a@b@c=1",
        b"a@0=1",
        b"a b=1",
        b"a=1=2",
        b"a=\x7f",
        b"a=\xc3\xa9",
        b"a=b\tc",
        b"%b=1" % (b"z" * 257),
        b"%b@v=1" % (b"t" * 242),
        b"t@%b=1" % (b"v" * 15),
        b"a=%b" % (b"x" * 257),
        b",".join(b"k%d=1" % number for number in range(STATE_MEMBERS_MAX + 1)),
        b"a=%b,b=%b,c=1" % (b"x" * 250, b"y" * (STATE_BYTES_MAX - 258)),
    ],
)
def test_a_state_that_is_not_sound_is_dropped_and_the_trace_goes_on(state: bytes) -> None:
    assert not is_sound_state(state)
    assert read_trace(VECTOR, state) == TraceContext(TRACE, SPAN, True)


def test_a_state_of_exactly_its_bound_passes() -> None:
    state = b"a=%b,b=%b,c=1" % (b"x" * 250, b"y" * (STATE_BYTES_MAX - 259))
    assert len(state) == STATE_BYTES_MAX
    assert is_sound_state(state)


OWN = b"1-67891233-abcdef012345678912345678"
ROOT = b"Root=1-58337262-36d228ad5d99923122bbe354"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"", b"Root=" + OWN),
        (ROOT, b"Self=" + OWN + b";" + ROOT),
        (ROOT + b";CalledFrom=app", b"Self=" + OWN + b";" + ROOT + b";CalledFrom=app"),
        (b"Self=1-2-3;" + ROOT, b"Self=" + OWN + b";" + ROOT),
        (ROOT + b";Self=1-2-3;a=b", b"Self=" + OWN + b";" + ROOT + b";a=b"),
        (b"CalledFrom=app", b"Root=" + OWN + b";CalledFrom=app"),
        (b"Self=1-2-3", b"Root=" + OWN),
        (ROOT + b";a=" + b"b" * 7_168, b"Root=" + OWN),  # more than 7 KB
        (ROOT + b" , a", b"Root=" + OWN),
        (b"\xff", b"Root=" + OWN),
    ],
)
def test_a_balancers_trace_id_goes_on_by_its_rules(value: bytes, told: bytes) -> None:
    assert amzn_sent_on(value, OWN) == told
