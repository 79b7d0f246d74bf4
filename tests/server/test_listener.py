"""What a listener counts of its connections: by what they speak."""

from __future__ import annotations

from typing import Any, cast

from tests.world.http2_wire import open_client
from tests.world.http3_viewer import Http3Viewer
from tests.world.play import Play, Scene


def counted(play: Play) -> dict[str, int]:
    """The gauge, after a sweep; what it has none of is left out."""
    play.listener.sweep()
    series = play.counters.labeled_gauges["viewer_connections"]
    return {word: one.value for word, one in series.items() if one.value}


def test_open_connections_are_counted_by_what_they_speak() -> None:
    play = Play(Scene())
    assert counted(play) == {}
    play.viewer("a").asks("/", host="nobody.test")
    by_http2 = open_client(play)
    by_http3 = Http3Viewer(play.listener, play.loop, ("192.0.2.9", 4_000), play.tasks)
    play.viewers["h3"] = cast(Any, by_http3)
    assert counted(play) == {"http1.1": 1, "h2c": 1, "h3": 1}
    assert play.counters.connections == 3
    by_http3.leaves()
    by_http2.connection.connection_lost(None)
    assert counted(play) == {"http1.1": 1}
    page = play.counters.snapshot()["gauges"]
    assert page["viewer_connections\th3"] == 0  # said, so that a graph falls to it
    play.close()
