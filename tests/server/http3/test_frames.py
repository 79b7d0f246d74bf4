"""Frames of HTTP/3 out of bytes, however these are cut."""

from __future__ import annotations

import pytest

from edgecache.server.http3 import frames
from edgecache.server.http3.frames import (
    Http3ConnectionError,
    Http3Error,
    Http3FrameReader,
    frame,
    only_varint,
    read_settings,
    read_varint,
    settings_frame,
    varint,
)

# RFC 9000 Appendix A.1, and the bounds of each length.
NUMBERS = [
    ("25", 37), ("7bbd", 15_293), ("9d7f3e7d", 494_878_333),
    ("c2197c5eff14e88c", 151_288_809_941_952_652), ("00", 0), ("3f", 63), ("4040", 64),
    ("7fff", 16_383), ("80004000", 16_384), ("bfffffff", 2**30 - 1),
    ("c000000040000000", 2**30), ("ffffffffffffffff", 2**62 - 1),
]  # fmt: skip


@pytest.mark.parametrize(("written", "number"), NUMBERS)
def test_numbers(written: str, number: int) -> None:
    data = bytes.fromhex(written)
    assert varint(number) == data
    assert read_varint(b"x" + data + b"y", 1) == (number, 1 + len(data))
    for size in range(len(data)):
        assert read_varint(data[:size], 0) is None


def test_a_number_longer_than_it_need_be() -> None:
    """RFC 9000 §16: frame types aside it may be."""
    assert read_varint(b"\x40\x25", 0) == (37, 2)


SAID = (
    frame(frames.HEADERS, b"head") + frame(frames.DATA, b"abcdef") + frame(0x21, b"x" * 300)
    + frame(frames.DATA, b"") + frame(frames.HEADERS, b"")
)  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(SAID)])
def test_frames_however_they_are_cut(size: int) -> None:
    reader, got = Http3FrameReader(100), list[frames.Http3Frame]()
    for at in range(0, len(SAID), size):
        reader.add(SAID[at : at + size])
        while (one := reader.next()) is not None:
            got.append(one)
        assert len(reader) <= 10
    assert reader.is_between
    assert [one.payload for one in got if one.kind == frames.HEADERS] == [b"head", b""]
    assert b"".join(one.payload for one in got if one.kind == frames.DATA) == b"abcdef"
    assert sum(one.size for one in got) == len(SAID)
    assert not any(one.payload for one in got if one.kind == 0x21)


def test_a_frame_above_the_longest_is_refused_before_it_comes() -> None:
    reader = Http3FrameReader(100)
    reader.add(varint(frames.HEADERS) + varint(101))
    with pytest.raises(Http3ConnectionError) as error:
        reader.next()
    assert error.value.code is Http3Error.EXCESSIVE_LOAD


def test_settings() -> None:
    assert read_settings(b"") == {}
    written = settings_frame({6: 32_768, 0x21: 1})
    assert read_settings(written[2:]) == {6: 32_768, 0x21: 1}
    for wrong in (b"\6", b"\6\1\6\1", b"\2\0", b"\5\0", b"\6\x40"):
        with pytest.raises(Http3ConnectionError):
            read_settings(wrong)


def test_a_frame_that_is_a_number() -> None:
    assert only_varint(b"\x40\x41") == 65
    for wrong in (b"", b"\x40", b"\1\1"):
        with pytest.raises(Http3ConnectionError):
            only_varint(wrong)
