"""Traces: one through all tiers and to the origin, and in no key, no entry and no response."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edgecache.config.model import (
    CustomErrorResponse,
    HeaderSelection,
    OriginRequestPolicy,
    SemanticsName,
    TraceMode,
    Tracing,
)
from edgecache.http.trace_context import TraceContext
from edgecache.observe.log_record import EXTRA_FIELDS
from edgecache.server.http1.head_cache_peer import PeerHeadCache
from tests.world.peers import PeeredPlay
from tests.world.play import Play, Scene

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
OTHER = f"00-{'1' * 32}-{'2' * 16}-00"
STATE = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
TRACE_ID = EXTRA_FIELDS.split(" ").index("trace-id")
REGIONAL_SPAN = b"regional".hex().encode()

Tiers = Callable[..., Play]
BOTH = pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])


@pytest.fixture(params=["one-tier", "one-tier-no-memo", "two-tiers", "two-tiers-no-memo"])
def tiers(request: pytest.FixtureRequest) -> Iterator[Tiers]:
    """Makes a play with that mode of tracing; every one is closed."""
    plays: list[Play] = []
    two, memo = request.param.startswith("two"), not request.param.endswith("no-memo")

    def make(
        mode: TraceMode = "extract", semantics: SemanticsName = "cloudfront", **more: Any
    ) -> Play:
        whole = {"tracing": Tracing(context=mode)}
        scene = Scene(semantics=semantics, regional=two, memo=memo, whole=whole, **more)
        plays.append(PeeredPlay(scene) if two else Play(scene))
        return plays[-1]

    yield make
    for play in plays:
        play.close()


def logged(play: Play) -> list[tuple[str, str]]:
    """Tier and trace id of each request in the log since the last look."""
    play.access_log.flush()
    lines = [line.split("\t") for line in play.log.decode().splitlines() if line[0] != "#"]
    play.log.clear()
    assert [len(line) for line in lines] == [35, 18] * (len(lines) // 2)
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return sorted((standard[2], extra[TRACE_ID]) for standard, extra in pairs)


def both(play: Play, trace: str) -> list[tuple[str, str]]:
    """What is logged of one request that went through all tiers."""
    tiers = ["LHR50", "regional"] if play.regional is not None else ["LHR50"]
    return [(tier, trace) for tier in tiers]


def extend(play: Play) -> Play:
    """With second lines of the log."""
    play.listener.request_log.extended = True
    if isinstance(play, PeeredPlay):
        play.inner.request_log.extended = True
    return play


def heard(play: Play) -> TraceContext | None:
    """The trace that the origin was told of last, which no other field of the request says."""
    request = play.origin.heard[-1].request
    assert not {name for name, _ in request.fields} & {b"traceparent", b"tracestate"}
    return request.trace


@BOTH
def test_a_viewers_trace_reaches_the_origin_with_a_span_of_the_tier_that_asks(
    tiers: Tiers, semantics: SemanticsName
) -> None:
    play = tiers("extract", semantics)
    play.viewer().asks("/a", traceparent=PARENT, tracestate=STATE)
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    got = play.viewer().gets(200, "one")
    assert got.field("traceparent") is None
    assert got.field("tracestate") is None
    trace = heard(play)
    assert trace is not None
    assert (trace.trace_id.decode(), trace.state.decode(), trace.sampled) == (TRACE, STATE, True)
    assert trace.span_id != SPAN.encode()
    if isinstance(play, PeeredPlay):
        assert trace.span_id == REGIONAL_SPAN
        line = next(line for line in play.heads[-1].split(b"\r\n") if b"Trace: " in line)
        assert line.startswith(b"Edgecache-Trace: 00-%b-" % TRACE.encode())
        assert SPAN.encode() not in line, "the edge's own span"
        assert REGIONAL_SPAN not in line


@BOTH
def test_neither_field_has_a_say_in_what_is_given(tiers: Tiers, semantics: SemanticsName) -> None:
    play = tiers("extract", semantics)
    play.viewer().asks("/a", traceparent=PARENT, tracestate=STATE)
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")
    for more in ({}, {"traceparent": OTHER}, {"traceparent": "no"}, {"tracestate": "a=1"}):
        for _ in range(3):
            play.viewer().asks("/a", **more)
            play.viewer().gets(200, "one", x_cache="Hit")
    play.origin.hears_nothing()


def test_a_head_with_a_trace_is_not_remembered(tiers: Tiers) -> None:
    play = tiers("extract")
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")
    for _ in range(3):
        play.viewer().asks("/a", TraceParent=PARENT)
        play.viewer().gets(200, "one", x_cache="Hit")
    assert play.head_cache is None or not len(play.head_cache)


@BOTH
def test_an_answer_that_varies_by_its_trace_is_given_to_nobody_else(
    tiers: Tiers, semantics: SemanticsName
) -> None:
    play = tiers("extract", semantics)
    if semantics == "cloudfront":  # where Vary makes no variants
        play.viewer().asks("/a", traceparent=PARENT)
        play.origin.hears("/a")
        play.origin.answers(200, "one", cache="max-age=60", vary="traceparent")
        play.viewer().gets(200, "one")
        play.viewer().asks("/a")
        play.viewer().gets(200, "one", x_cache="Hit")
        return
    for name in ("TraceParent", "accept, tracestate"):
        for asked in ({"traceparent": PARENT}, {}, {"traceparent": PARENT}):
            play.viewer().asks("/a", **asked)
            play.origin.hears("/a")
            play.origin.answers(200, "one", cache="max-age=60", vary=name)
            play.viewer().gets(200, "one", x_cache="Miss")


@BOTH
@pytest.mark.parametrize("mode", ["ignore", "extract"])
def test_what_an_origin_says_of_a_trace_is_told_to_who_asked_alone(
    tiers: Tiers, semantics: SemanticsName, mode: TraceMode
) -> None:
    play = tiers(mode, semantics)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60", traceparent=PARENT, tracestate=STATE)
    got = play.viewer().gets(200, "one")
    assert (got.field("traceparent"), got.field("tracestate")) == (PARENT, STATE)
    for _ in range(3):
        play.viewer().asks("/a")
        got = play.viewer().gets(200, "one", x_cache="Hit")
        assert (got.field("traceparent"), got.field("tracestate")) == (None, None)


@pytest.mark.parametrize("parent", ["00-0-0-0", PARENT.upper(), PARENT + "-x", "ff" + PARENT[2:]])
def test_what_is_no_trace_goes_no_further(tiers: Tiers, parent: str) -> None:
    play = tiers("extract")
    play.viewer().asks("/a", traceparent=parent, tracestate=STATE)
    play.origin.hears("/a")
    assert heard(play) is None
    play.origin.answers(200, "one")
    play.viewer().gets(200, "one")


def test_none_is_begun_where_viewers_bring_them(tiers: Tiers) -> None:
    play = tiers("extract")
    play.viewer().asks("/a")
    play.origin.hears("/a")
    assert heard(play) is None
    play.origin.answers(200, "one")
    play.viewer().gets(200, "one")


@pytest.mark.parametrize("mode", ["inject", "propagate"])
@pytest.mark.parametrize("brought", ["", PARENT, "nonsense"])
def test_what_goes_upstream_gets_one(tiers: Tiers, mode: TraceMode, brought: str) -> None:
    play = tiers(mode)
    asked = {"traceparent": brought, "tracestate": STATE} if brought else {}
    play.viewer().asks("/a", **asked)
    play.origin.hears("/a")
    trace = heard(play)
    assert trace is not None
    believed = mode == "propagate" and brought == PARENT
    assert (trace.trace_id == TRACE.encode()) is believed
    assert trace.state.decode() == (STATE if believed else "")
    play.origin.answers(200, "one")
    play.viewer().gets(200, "one")


def test_each_that_goes_upstream_gets_another(tiers: Tiers) -> None:
    play = tiers("inject")
    for target in ("/a", "/b"):
        play.viewer().asks(target)
        play.origin.hears(target)
        play.origin.answers(200, "one", cache="no-store")
        play.viewer().gets(200, "one")
    one, other = (call.request.trace for call in play.origin.heard)
    assert one is not None
    assert other is not None
    assert one.trace_id != other.trace_id


@BOTH
def test_ignored_it_is_a_field_like_any_other(tiers: Tiers, semantics: SemanticsName) -> None:
    play = tiers("ignore", semantics)
    play.viewer().asks("/a", traceparent="any", tracestate=STATE)
    sent = semantics == "rfc9111"  # else no policy names them
    play.origin.hears("/a", traceparent="any" if sent else None, tracestate=STATE if sent else None)
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")


@pytest.mark.parametrize("mode", ["ignore", "extract"])
def test_a_policy_that_names_them_is_served_either_way(tiers: Tiers, mode: TraceMode) -> None:
    headers = HeaderSelection(behavior="whitelist", items=("traceparent",))
    play = tiers(mode, request_policy=OriginRequestPolicy(headers=headers))
    play.viewer().asks("/a", traceparent=PARENT)
    call = play.origin.hears("/a", traceparent=PARENT if mode == "ignore" else None)
    assert (call.request.trace is None) is (mode == "ignore")
    play.origin.answers(200, "one")
    play.viewer().gets(200, "one")


def test_a_body_takes_it_along(tiers: Tiers) -> None:
    play = tiers("extract")
    play.viewer().asks("/a", "POST", "body", traceparent=PARENT)
    play.origin.hears("/a")
    trace = heard(play)
    assert trace is not None
    assert trace.trace_id == TRACE.encode()
    play.origin.answers(200, "one")
    play.viewer().gets(200, "one")


def test_a_refresh_behind_a_viewers_back_is_of_its_trace(tiers: Tiers) -> None:
    play = tiers("extract", "rfc9111")
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=10, stale-while-revalidate=60")
    play.viewer().gets(200, "one")
    play.advance(11)
    play.viewer().asks("/a", traceparent=PARENT)
    play.viewer().gets(200, "one")
    play.origin.hears("/a")
    trace = heard(play)
    assert trace is not None
    assert trace.trace_id == TRACE.encode()
    play.origin.answers(200, "two", cache="max-age=10")


def test_an_error_page_is_asked_for_in_the_same_trace(tiers: Tiers) -> None:
    page = CustomErrorResponse(error_code=404, response_page_path="/404", response_code=404)
    play = tiers("extract", site={"custom_error_responses": (page,)})
    play.viewer().asks("/a", traceparent=PARENT)
    play.origin.hears("/a")
    play.origin.answers(404, "no")
    play.origin.hears("/404")
    trace = heard(play)
    assert trace is not None
    assert trace.trace_id == TRACE.encode()
    play.origin.answers(200, "page")
    play.viewer().gets(404, "page")


def test_every_tier_logs_the_trace_and_each_of_a_flight_its_own(tiers: Tiers) -> None:
    play = extend(tiers("extract"))
    play.viewer("a").asks("/a", traceparent=PARENT)
    play.viewer("b").asks("/a", traceparent=OTHER)
    play.viewer("c").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    for name in "abc":
        play.viewer(name).gets(200, "one")
    lines = logged(play)
    assert lines[:3] == [("LHR50", "-"), ("LHR50", "1" * 32), ("LHR50", TRACE)]
    assert lines[3:] == ([] if play.regional is None else [("regional", TRACE)])
    play.viewer().asks("/a", traceparent=OTHER)
    play.viewer().gets(200, "one", x_cache="Hit")
    assert logged(play) == [("LHR50", "1" * 32)]


def test_one_that_was_begun_is_logged(tiers: Tiers) -> None:
    play = extend(tiers("propagate"))
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")
    trace = heard(play)
    assert trace is not None
    assert logged(play) == both(play, trace.trace_id.decode())


def test_what_the_regional_cache_repeats_is_logged_by_its_own_trace(tiers: Tiers) -> None:
    play = extend(tiers("extract"))
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")
    if not isinstance(play, PeeredPlay):
        return
    for number in range(8):
        logged(play)
        for key in play.edge.store.keys():  # noqa: SIM118 - a list, while they leave
            play.edge.store.remove(key)
        trace = f"{number + 1:032x}"
        asked = {"traceparent": f"00-{trace}-{SPAN}-00"} if number % 3 else {}
        play.viewer().asks("/a", **asked)
        play.viewer().gets(200, "one")
        assert logged(play) == both(play, trace if asked else "-")
    known = play.inner.head_cache
    assert known is None or (isinstance(known, PeerHeadCache) and len(known) == 1)
