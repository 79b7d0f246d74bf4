"""Both decoders give the same, and refuse the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from edgecache.http.http2 import frames
from edgecache.http.http2.frames import ErrorCode, Frame, Http2ConnectionError
from edgecache.http.http2.header_decoder import (
    HeaderBlockReader,
    HeaderDecoder,
    header_decoder,
    hpack_decoder,
    jh2_decoder,
    require_whole,
)

MAKERS = [jh2_decoder, hpack_decoder]
BIG = Encoder().encode([(b"a", b"x" * 3_000)])
REFUSED = [
    ("a bomb: one entry named a hundred times", BIG + b"\xbe" * 100, ErrorCode.ENHANCE_YOUR_CALM),
    ("a table above its bound", b"\x3f\xe2\x1f\x82", ErrorCode.COMPRESSION_ERROR),
    ("index 0", b"\x80", ErrorCode.COMPRESSION_ERROR),
    ("an index beyond the table", b"\xff\x80\x01", ErrorCode.COMPRESSION_ERROR),
    ("a name that ends too early", b"\x40\x0aab", ErrorCode.COMPRESSION_ERROR),
    ("a Huffman code of EOS", b"\x00\x01a\x84\xff\xff\xff\xff", ErrorCode.COMPRESSION_ERROR),
    ("padding of Huffman that is no EOS", b"\x00\x01a\x81\xfe", ErrorCode.COMPRESSION_ERROR),
    ("a number without end", b"\xff" + b"\xff" * 20 + b"\x01", ErrorCode.COMPRESSION_ERROR),
    ("a length without end", b"\x7f" + b"\x80" * 200 + b"\x01", ErrorCode.COMPRESSION_ERROR),
]  # fmt: skip


def test_the_fast_one_is_chosen() -> None:
    assert header_decoder is jh2_decoder


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(("block", "code"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_block_that_is_refused(
    maker: Callable[[int], HeaderDecoder], block: bytes, code: ErrorCode
) -> None:
    with pytest.raises(Http2ConnectionError) as refused:
        maker(65_536)(block)
    assert refused.value.code is code


@pytest.mark.parametrize("maker", MAKERS)
def test_the_table_is_kept_from_block_to_block(maker: Callable[[int], HeaderDecoder]) -> None:
    decode, encoder = maker(65_536), Encoder()
    fields = [(b":method", b"GET"), (b"x-long", b"v" * 100), (b"cookie", b"a=1")]
    first, second = encoder.encode(fields), encoder.encode(fields)
    assert len(second) < len(first)
    assert [one[:2] for one in decode(first)] == [one[:2] for one in decode(second)] == fields


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_whatever_comes_both_say_the_same(blocks: list[bytes]) -> None:
    """Of what is whole; and `jh2` does not panic."""
    both = [maker(4_096) for maker in MAKERS]
    for block in blocks:
        said: list[list[tuple[bytes, ...]]] = []
        try:
            require_whole(block)
        except Http2ConnectionError:
            return  # no library sees it
        for decode in both:
            try:
                said.append([tuple(one[:2]) for one in decode(block)])
            except Http2ConnectionError as error:
                said.append([(b"error", error.detail.encode())])
        assert said[0] == said[1]
        if said[0] and said[0][0][0] == b"error":
            return  # the connection has ended


# By which `jh2` panics, or which it lets pass.
PARTS = [
    "40", "7f", "7fff", "ff80", "ff", "0001", "000161", "00016102 62", "0f", "3f", "8220", "8241",
    "007f8080808080 01", "007f",
]  # fmt: skip


@pytest.mark.parametrize("block", PARTS)
def test_a_block_that_is_not_whole_is_shown_to_no_library(block: str) -> None:
    frame = header(frames.END_HEADERS, bytes.fromhex(block))
    with pytest.raises(Http2ConnectionError) as refused:
        HeaderBlockReader(65_536).begin(frame)
    assert refused.value.code is ErrorCode.COMPRESSION_ERROR


@given(st.lists(st.tuples(st.binary(max_size=200), st.binary(max_size=300)), max_size=9))
def test_a_whole_block_is_whole(fields: list[tuple[bytes, bytes]]) -> None:
    """And none that lacks its last byte is."""
    for huffman in (False, True):
        block = Encoder().encode(fields, huffman=huffman)
        require_whole(block)
        if fields and block[-1] < 0x80:
            with pytest.raises(Http2ConnectionError):
                require_whole(block[:-1])


def header(flags: int, payload: bytes, *, kind: int = frames.HEADERS) -> Frame:
    return Frame(kind, flags, 1, payload)


def test_a_block_in_parts_is_one_block() -> None:
    blocks = HeaderBlockReader(65_536)
    assert blocks.begin(header(frames.END_STREAM, b"\x82")) is None
    assert (blocks.stream_id, blocks.held_bytes) == (1, 10)
    assert blocks.add(header(0, b"\x86", kind=frames.CONTINUATION)) is None
    listed = blocks.add(header(frames.END_HEADERS, b"\x84", kind=frames.CONTINUATION))
    assert listed is not None
    assert [one[:2] for one in listed.fields] == [
        (b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")
    ]  # fmt: skip
    assert (listed.ends, listed.size, blocks.held_bytes) == (True, 30, 0)


@pytest.mark.parametrize("part", [b"", b"x" * 16_000])
def test_continuations_without_end(part: bytes) -> None:
    """CVE-2024-27316."""
    blocks = HeaderBlockReader(65_536)
    blocks.begin(header(0, b""))
    more = header(0, part, kind=frames.CONTINUATION)
    with pytest.raises(Http2ConnectionError) as refused:
        [blocks.add(more) for _ in range(17)]
    assert refused.value.code is ErrorCode.ENHANCE_YOUR_CALM


INDEXED, PLAIN = b"\x82\x87", b"\x04\x02/a"  # of the static table, and a path in full
ADDED, OTHER = b"\x40\x01a\x01b", b"\x40\x01a\x01c"  # put into the dynamic table
SMALLER = b"\x3f\x01"


def tables(*blocks: bytes) -> list[bytes]:
    """The digest of the table after each block."""
    reader, found = HeaderBlockReader(10_000), []
    for block in blocks:
        reader.begin(header(frames.END_HEADERS, block))
        found.append(reader.table)
    return found


def test_tables_that_the_same_bytes_made_are_the_same() -> None:
    empty, same, first, still, second = tables(INDEXED + PLAIN, PLAIN, ADDED, b"\xbe", OTHER)
    assert empty == same == b""
    assert first == still != b""
    assert second not in (empty, first)
    assert tables(INDEXED + ADDED + PLAIN, OTHER) == [first, second]
    assert tables(ADDED + OTHER)[0] not in (first, second)  # so is the table, but not known to be
    assert tables(OTHER, ADDED)[1] != second
    assert tables(SMALLER)[0] != b""


def test_a_block_that_changes_the_table_is_not_known_by_its_bytes() -> None:
    reader = HeaderBlockReader(10_000)
    told = []
    for block in (PLAIN, ADDED, b"\xbe", SMALLER + PLAIN):
        listed = reader.begin(header(frames.END_HEADERS, block))
        assert listed is not None
        told.append(listed.block)
    assert told == [PLAIN, b"", b"\xbe", b""]
