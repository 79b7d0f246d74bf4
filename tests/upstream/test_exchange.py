"""Exchanges: how long a connection is kept after one, by what the origin says of it."""

from __future__ import annotations

import pytest

from edgecache.http.message import Fields
from edgecache.upstream.exchange import keep_alive_s
from tests.upstream.wire import World, play


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (None, 60),
        (b"timeout=5", 4),
        (b"max=100, Timeout=5", 4),
        (b"timeout=5,max=100", 4),
        (b"timeout=600", 60),
        (b"timeout=1", 0),
        (b"timeout=0", 0),
        (b"timeout=x", 60),
        (b"notimeout=5", 60),
        (b"timeout=99999999999", 60),
    ],
)
def test_how_long_an_origin_keeps_it(said: bytes | None, kept: float) -> None:
    fields: Fields = () if said is None else ((b"keep-alive", said),)
    assert keep_alive_s(fields, 60) == kept


@pytest.mark.parametrize(("said", "released"), [(b"timeout=5", 1), (b"timeout=1", 0)])
def test_one_that_is_about_to_be_closed_is_not_kept(said: bytes, released: int) -> None:
    async def main(world: World) -> None:
        data = b"HTTP/1.1 200 OK\r\nKeep-Alive: " + said + b"\r\nContent-Length: 0\r\n\r\n"
        await world.ask(data)
        assert world.released_times == released
        assert world.wire.ended == ("" if released else "close")

    play(main)
