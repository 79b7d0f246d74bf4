"""A play whose viewers have connections of HTTP/3."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.world.http3_viewer import Http3Viewer
from tests.world.play import Play, Scene

Connects = Callable[..., Http3Viewer]


@pytest.fixture
def play() -> Iterator[Play]:
    made = Play(Scene())
    yield made
    made.close()


@pytest.fixture
def connect(play: Play) -> Connects:
    """Connects a viewer to the play; `bare`: it has said nothing yet, not even SETTINGS."""

    def connects(*, bare: bool = False, address: str = "192.0.2.1") -> Http3Viewer:
        client = (address, 40_000 + len(play.viewers))
        made = Http3Viewer(play.listener, play.loop, client, play.tasks, bare=bare)
        play.viewers[f"http3 {len(play.viewers)}"] = made  # type: ignore[assignment]
        return made

    return connects
