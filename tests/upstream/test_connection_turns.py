"""A response in tiny chunks: taken in a part in a turn, whole and in order, with back-pressure."""

from __future__ import annotations

import pytest

from edgecache.http.framing import CHUNKS_AT_ONCE
from edgecache.upstream.faults import Fault, UpstreamError
from tests.upstream.wire import CHUNKED, World, everything, play, turn

TINY = b"2\r\nab\r\n"
MANY = 5 * CHUNKS_AT_ONCE


def test_a_read_full_of_tiny_chunks_is_taken_in_a_part_in_a_turn() -> None:
    async def main(world: World) -> None:
        reply = await world.ask(CHUNKED + TINY * MANY + b"0\r\n\r\n")
        first = reply.body.read_nowait()
        assert first is not None
        assert 0 < len(first) < 2 * MANY, "all of it at once"
        assert not world.wire.reading
        for _ in range(MANY // CHUNKS_AT_ONCE + 2):
            await turn()
        assert first + everything(reply) == b"ab" * MANY
        assert world.wire.reading
        assert world.released_times == 1

    play(main)


def test_a_reader_that_has_enough_stops_it() -> None:
    many = 200_000  # chunks of two bytes: more than may wait

    async def main(world: World) -> None:
        reply = await world.ask(CHUNKED + TINY * many + b"0\r\n\r\n")
        for _ in range(many // CHUNKS_AT_ONCE + 2):
            await turn()
        got = b""
        while piece := reply.body.read_nowait():
            got += piece
        assert len(got) < 2 * many, "more than may wait for a reader was taken in"
        while len(got) < 2 * many:
            await turn()
            got += reply.body.read_nowait() or b""
        assert reply.body.read_nowait() == b""
        assert world.wire.reading
        assert world.released_times == 1

    play(main)


def test_the_end_of_the_connection_waits_for_what_is_behind() -> None:
    async def main(world: World) -> None:
        reply = await world.ask(CHUNKED + TINY * MANY + b"0\r\n\r\n", world.connection.eof_received)
        assert everything(reply) == b"ab" * MANY

    play(main)


def test_a_bad_chunk_behind_breaks_the_body_off() -> None:
    async def main(world: World) -> None:
        reply = await world.ask(CHUNKED + TINY * MANY + b"x\r\n")
        for _ in range(MANY // CHUNKS_AT_ONCE + 2):
            await turn()
        with pytest.raises(UpstreamError) as broken:
            everything(reply)
        assert broken.value.fault is Fault.MALFORMED
        assert world.wire.ended == "abort"

    play(main)


def test_who_gives_it_up_meanwhile_is_not_called_again() -> None:
    async def main(world: World) -> None:
        reply = await world.ask(CHUNKED + TINY * MANY)
        reply.body.close()
        for _ in range(4):
            await turn()
        assert world.wire.ended == "abort"
        assert world.gone_times == 1

    play(main)
