"""Which version of HTTP a connection speaks, by its first bytes."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from edgecache.http.http2 import frames
from edgecache.http.http2.frames import PREFACE
from edgecache.server.connection_choice import PrefaceReader, viewer_connection
from edgecache.server.http1.connection import ViewerConnection
from edgecache.server.http2.connection import MultiplexedConnection
from tests.world.play import Play, Scene
from tests.world.transport import FakeTransport


class SwitchedTransport(FakeTransport):
    """A transport whose protocol may change."""

    def __init__(self, protocol: Any) -> None:
        super().__init__()
        self.protocol = protocol

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


class First:
    """A connection to a listener that takes both, and what became of it."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.state = SimpleNamespace(connections=set(), tasks=play.tasks)
        config = SimpleNamespace(loaded_app=SimpleNamespace(listener=play.listener))
        play.listener.prior_knowledge = True
        made = viewer_connection(config, self.state, play.loop)
        assert isinstance(made, PrefaceReader)
        self.transport = SwitchedTransport(made)
        made.connection_made(self.transport)

    def says(self, *parts: bytes) -> First:
        for part in parts:
            self.transport.protocol.data_received(part)
        self.play.loop.settle()
        return self

    def ends(self) -> None:
        self.transport.protocol.connection_lost(None)
        assert not self.state.connections
        assert not len(self.play.listener.connections)


@pytest.fixture
def play() -> Iterator[Play]:
    made = Play(Scene())
    yield made
    made.close()


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize("parts", [[PREFACE], bytewise(PREFACE), [PREFACE[:3], PREFACE[3:]]])
def test_the_preface_is_http2s(play: Play, parts: list[bytes]) -> None:
    first = First(play).says(*parts, frames.settings_frame({}))
    assert isinstance(first.transport.protocol, MultiplexedConnection)
    assert first.transport.written.startswith(b"\0\0\x18\4"), "SETTINGS"
    assert len(play.listener.connections) == len(first.state.connections) == 1
    first.ends()


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"P", b"PRI"])
def test_anything_else_is_http11s(play: Play, method: bytes) -> None:
    head = method + b" / HTTP/1.1\r\nHost: nobody.test\r\n\r\n"
    first = First(play).says(*bytewise(head))
    assert isinstance(first.transport.protocol, ViewerConnection)
    assert first.transport.written.startswith(b"HTTP/1.1 ")
    first.ends()


def test_half_a_preface_is_ended_in_time(play: Play) -> None:
    first = First(play).says(PREFACE[:10])
    play.advance(play.listener.limits.head_s_max + 1)
    assert first.transport.closed
    first.ends()


def test_without_being_asked_for_it_is_never_spoken(play: Play) -> None:
    config = SimpleNamespace(loaded_app=SimpleNamespace(listener=play.listener))
    state = SimpleNamespace(connections=set(), tasks=play.tasks)
    made = viewer_connection(config, state, play.loop)
    assert isinstance(made, ViewerConnection)
