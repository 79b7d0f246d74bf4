"""Whatever a request makes us ask is of its trace: blocks, tunnels, validation, a second origin."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.config.model import (
    Behavior,
    Config,
    Distribution,
    Limits,
    Origin,
    OriginGroup,
    Tracing,
)
from edgecache.rules.routing import compile_routes
from tests.plays.test_websocket import accepts, opens
from tests.world.large import BODY, SIZE, gives
from tests.world.play import Play

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
TRACED = {"tracing": Tracing(context="extract")}

Stage = Callable[..., Play]


def all_of_one_trace(play: Play, count: int) -> None:
    """The origin has heard so many requests, all of the viewer's trace."""
    traces = [call.request.trace for call in play.origin.heard]
    assert len(traces) == count
    assert {trace and trace.trace_id.decode() for trace in traces} == {TRACE}


@pytest.fixture(params=[False, True], ids=["one-tier", "two-tiers"])
def two(request: pytest.FixtureRequest) -> bool:
    found: bool = request.param
    return found


def test_blocks_of_a_large_object(stage: Stage, two: bool) -> None:
    limits = Limits(block_bytes=SIZE, object_bytes_max=30)
    play = stage(limits=limits, whole=TRACED, regional=two)
    play.viewer().asks("/v", range="bytes=15-25", traceparent=PARENT)
    gives(play, 1)
    gives(play, 2)
    play.viewer().gets(206, BODY[15:26])
    all_of_one_trace(play, 2)


def test_a_head_and_what_is_validated(stage: Stage, two: bool) -> None:
    play = stage(whole=TRACED, regional=two)
    play.viewer().asks("/a", traceparent=PARENT)
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=10", etag='"1"')
    play.viewer().gets(200, "one")
    play.advance(11)
    play.viewer().asks("/a", "HEAD", traceparent=PARENT)
    play.origin.hears("/a")
    play.origin.answers(304, etag='"1"')
    play.viewer().gets(200)
    all_of_one_trace(play, 2)


def test_a_websocket(stage: Stage, two: bool) -> None:
    play = stage(whole=TRACED, regional=two)
    opens(play, traceparent=PARENT)
    play.origin.hears("/chat")
    accepts(play)
    all_of_one_trace(play, 1)


def test_a_second_origin(stage: Stage, two: bool) -> None:
    play = stage(whole=TRACED, regional=two)
    site = Distribution(
        id="EPLAY",
        aliases=("site.test",),
        origins=(Origin(id="o", domain_name="o.test"), Origin(id="p", domain_name="p.test")),
        origin_groups=(OriginGroup(id="g", members=("o", "p"), status_codes=(503,)),),
        default_behavior=Behavior(origin="g"),
    )
    play.listener.frontend.table = compile_routes(Config(distributions=(site,)))
    play.viewer().asks("/a", traceparent=PARENT)
    play.origin.hears("/a")
    play.origin.answers(503, "no")
    play.origin.hears("/a")
    play.origin.answers(200, "one")
    play.viewer().gets(200, "one")
    all_of_one_trace(play, 2)
