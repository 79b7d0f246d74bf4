"""Frames out of arriving bytes, however they are cut."""

from __future__ import annotations

import pytest

from edgecache.http.http2 import frames
from edgecache.http.http2.frames import (
    ErrorCode,
    Frame,
    FrameReader,
    Http2ConnectionError,
    PeerSettings,
    content_of,
    frame,
    header_frames,
    settings_frame,
)

WIRE = frame(frames.SETTINGS, 0, 0, bytes(6)) + frame(frames.DATA, 1, 5, b"body") * 2


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 10, 13, 100])
def test_the_same_frames_however_they_are_cut(size: int) -> None:
    reader, found = FrameReader(), []
    for at in range(0, len(WIRE), size):
        reader.add(WIRE[at : at + size])
        while (one := reader.next()) is not None:
            found.append(one)
    assert found == [
        Frame(frames.SETTINGS, 0, 0, bytes(6)), *[Frame(frames.DATA, 1, 5, b"body")] * 2
    ]  # fmt: skip
    assert len(reader) == 0


def test_what_can_be_no_frame_is_refused_by_its_header_alone() -> None:
    reader = FrameReader()
    reader.add(frames.frame_header(7, frames.PING, 0, 0))
    with pytest.raises(Http2ConnectionError) as refused:
        reader.next()
    assert refused.value.code is ErrorCode.FRAME_SIZE_ERROR


def test_the_stream_of_data_that_has_begun_is_known() -> None:
    reader = FrameReader()
    assert reader.data_stream() == 0
    reader.add(frame(frames.DATA, 0, 7, b"body")[:-1])
    assert (reader.next(), reader.data_stream(), len(reader)) == (None, 7, 12)
    reader.clear()
    assert (reader.data_stream(), len(reader)) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "flags", "payload", "content"),
    [
        (frames.DATA, 0, b"abc", b"abc"),
        (frames.DATA, frames.PADDED, b"\2abc\0\0", b"abc"),
        (frames.DATA, frames.PADDED, b"\0", b""),
        (frames.DATA, frames.WITH_PRIORITY, b"abcdef", b"abcdef"),  # no flag of DATA
        (frames.HEADERS, frames.WITH_PRIORITY, b"12345abc", b"abc"),
        (frames.HEADERS, frames.PADDED | frames.WITH_PRIORITY, b"\x0112345abc\0", b"abc"),
    ],
)
def test_padding_and_priority_are_no_content(
    kind: int, flags: int, payload: bytes, content: bytes
) -> None:
    assert content_of(Frame(kind, flags, 1, payload)) == content


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 32_768, 40_000])
def test_a_long_block_goes_on_in_continuations(size: int) -> None:
    reader, block = FrameReader(), b"x" * size
    reader.add(header_frames(3, block, ends=True))
    found = []
    while (one := reader.next()) is not None:
        found.append(one)
    assert b"".join([one.payload for one in found]) == block
    assert [one.kind for one in found] == [1] + [9] * (len(found) - 1)
    assert [bool(one.flags & frames.END_HEADERS) for one in found][-1:] == [True]
    assert sum(one.flags & frames.END_HEADERS for one in found) == frames.END_HEADERS
    assert found[0].flags & frames.END_STREAM


def test_settings_of_a_peer() -> None:
    settings = PeerSettings()
    said = {frames.INITIAL_WINDOW_SIZE: 7, frames.MAX_FRAME_SIZE: 2**24 - 1, 0x99: 5}
    settings.take(settings_frame(said)[9:])
    assert (settings.window_bytes, settings.frame_bytes_max) == (7, 16_384)
    assert not settings.shrinks_table
    settings.take(settings_frame({frames.HEADER_TABLE_SIZE: 0})[9:])
    assert settings.shrinks_table
