"""Frames by chance, some of them broken: `h2`, as a server, is asked the same."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.exceptions
import pytest

from edgecache.http.http2 import frames
from edgecache.http.http2.frames import PREFACE, frame, settings_frame, window_frame
from tests.world.http2_wire import block, data, get, open_client, post
from tests.world.play import Play, Scene

SEQUENCES = 25  # in each of the rounds
# Errors of `h2` that are the connection's by any reading of RFC 9113; others we see as a stream's.
OF_CONNECTION = (
    h2.exceptions.FlowControlError, h2.exceptions.NoSuchStreamError,
    h2.exceptions.StreamIDTooLowError,
)  # fmt: skip
Made = tuple[bytes, int]  # frames, and by how much the next stream's number is more
Maker = Callable[[random.Random, int, int], Made]


def _continued(chance: random.Random, new: int) -> bytes:
    whole = block(b"/c")
    cut = chance.randrange(len(whole))
    first = frame(frames.HEADERS, frames.END_STREAM, new, whole[:cut])
    return first + frame(frames.CONTINUATION, frames.END_HEADERS, new, whole[cut:])


MAKERS: list[Maker] = [
    lambda r, new, _: (get(new, b"/%d" % r.randrange(3)), 2),
    lambda r, new, _: (post(new, b"/up"), 2),
    lambda r, new, _: (_continued(r, new), 2),
    lambda r, _, some: (data(some, bytes(r.randrange(40)), ends=r.random() < 0.4), 0),
    lambda r, _, some: (window_frame(some, r.choice([0, 1, 100, 2**31 - 1])), 0),
    lambda r, _, some: (frame(frames.RST_STREAM, 0, some, bytes(r.choice([4, 4, 3]))), 0),
    lambda r, _, some: (settings_frame({r.randrange(1, 8): r.choice([0, 1, 100, 2**24])}), 0),
    lambda r, _, some: (frame(frames.PING, r.choice([0, 1]), r.choice([0, some]), bytes(8)), 0),
    lambda r, _, some: (frame(frames.PRIORITY, 0, some, bytes(r.choice([5, 4]))), 0),
    lambda r, _, some: (frame(r.randrange(20), r.randrange(256), some, bytes(r.randrange(12))), 0),
]


def sequence(chance: random.Random) -> bytes:
    parts, new = [], 1
    for _ in range(chance.randrange(1, 9)):
        some = chance.choice([new, max(1, new - 2), 1, 0, 2, new + 2])
        made, more = chance.choice(MAKERS)(chance, new, some)
        parts.append(made)
        new += more
    whole = bytearray(b"".join(parts))
    for _ in range(chance.choice([0, 0, 0, 1, 2])):
        whole[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    return bytes(whole)


def verdict_of_h2(sent: bytes) -> Exception | None:
    server = h2.connection.H2Connection(
        h2.config.H2Configuration(client_side=False, header_encoding=None)
    )
    server.initiate_connection()
    server.receive_data(PREFACE + settings_frame({}))
    try:
        server.receive_data(sent)
    except h2.exceptions.ProtocolError as error:
        return error
    return None


@pytest.mark.parametrize("round_", range(8))
def test_whatever_comes_is_answered_or_ended(round_: int, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(SEQUENCES):
        chance = random.Random(f"{round_} {number}")
        sent = sequence(chance)
        play = Play(Scene())
        troubles: list[Any] = []
        play.loop.set_exception_handler(lambda *said, told=troubles: told.append(said))
        client = open_client(play)
        size = chance.choice([1, 7, len(sent)])
        for at in range(0, len(sent), size):
            client.says(sent[at : at + size])
        ends = [code for kind, _, code in client.errors() if kind == "goaway"]
        if isinstance(verdict_of_h2(sent), OF_CONNECTION):
            assert any(ends), sent.hex()
        assert client.transport.closed or not any(ends)
        client.leaves()
        play.close()
        assert not troubles
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]
