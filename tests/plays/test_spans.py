"""Spans of a request through the tiers: each is the child of the one that asked it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from edgecache.config.model import TraceMode, Tracing
from edgecache.observe.otlp import CLIENT, SERVER, TraceSpan
from edgecache.observe.request_spans import SpanSource
from edgecache.server.http1.head_cache_peer import PeerHeadCache
from tests.plays.test_trace_context import OTHER, PARENT, REGIONAL_SPAN, SPAN, TRACE, extend
from tests.world.peers import PeeredPlay
from tests.world.play import Play, Scene

Stage = Callable[[TraceMode], Play]
NO_TRACE = (b"0" * 31 + b"1", b"0" * 15 + b"1")


@pytest.fixture(params=[True, False], ids=["memo", "no-memo"])
def tiers(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Makes a play of two tiers with that mode of tracing."""
    plays: list[Play] = []

    def make(mode: TraceMode) -> Play:
        whole = {"tracing": Tracing(context=mode)}
        plays.append(extend(PeeredPlay(Scene(regional=True, memo=request.param, whole=whole))))
        return plays[-1]

    yield make
    for play in plays:
        play.close()


def spans(play: Play) -> dict[str, list[TraceSpan]]:
    """The spans of each tier since the last look."""
    numbers = iter(range(1, 1_000))
    source = SpanSource(lambda: b"%016x" % next(numbers), lambda: NO_TRACE)
    play.access_log.flush()
    lines = bytes(play.log).splitlines(keepends=True)
    play.log.clear()
    made: dict[str, list[TraceSpan]] = {}
    lines = [line for line in lines if not line.startswith(b"#")]
    for first, second in zip(lines[::2], lines[1::2], strict=True):
        if (who := source.identity(first + second)) is not None:
            tier = first.split(b"\t")[2].decode()
            made.setdefault(tier, []).extend(source.spans(first + second, who).spans)
    return made


def fetch(play: Play, **fields: str) -> None:
    play.viewer().asks("/a", **fields)
    play.advance(0.25)
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")


def test_a_miss_has_a_span_of_each_tier_and_of_what_each_asked(tiers: Stage) -> None:
    play = tiers("extract")
    fetch(play, traceparent=PARENT)
    made = spans(play)
    (edge, asked), (regional, origin) = made["LHR50"], made["regional"]
    assert {one.trace_id for one in (edge, asked, regional, origin)} == {TRACE.encode()}
    assert edge.parent_id == SPAN.encode(), "the viewer's"
    assert regional.parent_id == edge.span_id
    assert (asked.parent_id, origin.parent_id) == (edge.span_id, regional.span_id)
    assert regional.span_id == REGIONAL_SPAN, "what the origin was told"
    assert [one.kind for one in (edge, asked, regional, origin)] == [SERVER, CLIENT] * 2
    told = [dict(one.attributes) for one in (edge, asked, regional, origin)]
    assert [one.get("edgecache.reason") for one in told] == ["absent", None, "absent", None]
    assert [one.get("edgecache.origin.id") for one in told] == [None, "regional", None, "o"]
    assert told[0]["edgecache.cache_key.hash"] == told[2]["edgecache.cache_key.hash"]
    assert told[2]["edgecache.ttl_rule"] == "max-age"
    assert origin.end_ms - origin.start_ms == 250
    assert edge.start_ms <= asked.start_ms <= asked.end_ms <= edge.end_ms


def test_a_hit_has_one_and_its_rule_and_key_are_the_misses(tiers: Stage) -> None:
    play = tiers("extract")
    fetch(play, traceparent=PARENT)
    (miss, _), _ = spans(play).values()
    for _ in range(3):
        play.viewer().asks("/a", traceparent=PARENT).gets(200, x_cache="Hit")
    (hits,) = spans(play).values()
    assert len({one.span_id for one in hits}) == len(hits) == 3
    for hit in hits:
        assert hit.parent_id == SPAN.encode()
        for name in ("edgecache.cache_key.hash", "edgecache.ttl_rule"):
            assert dict(hit.attributes)[name] == dict(miss.attributes)[name]


def test_who_is_not_sampled_has_none_at_any_tier(tiers: Stage) -> None:
    play = tiers("extract")
    fetch(play, traceparent=OTHER)
    assert spans(play) == {}


def test_one_that_is_begun_begins_with_the_edge(tiers: Stage) -> None:
    play = tiers("inject")
    fetch(play, traceparent=PARENT)
    made = spans(play)
    edge, regional = made["LHR50"][0], made["regional"][0]
    assert (edge.parent_id, edge.trace_id != TRACE.encode()) == (b"", True)
    assert (regional.parent_id, regional.trace_id) == (edge.span_id, edge.trace_id)
    for _ in range(3):  # nobody was told a trace of these: the exporter begins one
        play.viewer().asks("/a").gets(200, x_cache="Hit")
    assert {(one.trace_id, one.span_id) for one in spans(play)["LHR50"]} == {NO_TRACE}


def test_what_the_regional_cache_repeats_is_the_child_of_who_asked(tiers: Stage) -> None:
    play = tiers("extract")
    assert isinstance(play, PeeredPlay)
    fetch(play, traceparent=PARENT)
    for _ in range(6):
        spans(play)
        for key in play.edge.store.keys():  # noqa: SIM118 - a list, while they leave
            play.edge.store.remove(key)
        play.viewer().asks("/a", traceparent=PARENT)
        play.viewer().gets(200, "one")
        made = spans(play)
        (edge, _), (regional,) = made["LHR50"], made["regional"]
        assert (regional.trace_id, regional.parent_id) == (TRACE.encode(), edge.span_id)
    known = play.inner.head_cache
    assert known is None or (isinstance(known, PeerHeadCache) and len(known) == 1)
