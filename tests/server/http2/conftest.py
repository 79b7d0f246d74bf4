"""A play whose viewer has a connection of HTTP/2, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.world.http2_wire import WireClient, open_client
from tests.world.play import Play, Scene


@pytest.fixture
def play() -> Iterator[Play]:
    made = Play(Scene())
    yield made
    made.close()


@pytest.fixture
def client(play: Play) -> WireClient:
    return open_client(play)
