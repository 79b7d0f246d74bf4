"""Bodies, row by row of the table of hostile inputs; every case whole and one byte at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.http.framing import (
    Chunked,
    ChunkedReader,
    Framing,
    Length,
    LengthReader,
    NoBody,
    Reader,
    Truncated,
    UntilClose,
    UntilCloseReader,
    reader_for,
    response_framing,
)
from edgecache.http.message import BadMessage, BadReason, Fields, HeadLimits

LIMITS = HeadLimits()
Cut = Callable[[bytes], list[bytes]]


def whole(data: bytes) -> list[bytes]:
    return [data]


def by_byte(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def read(reader: Reader, segments: list[bytes]) -> bytes:
    pieces = []
    for segment in segments:
        pieces += reader.feed(segment)
        while reader.behind:
            pieces += reader.feed(b"")
    return b"".join(pieces)


each_cut = pytest.mark.parametrize("cut", [whole, by_byte])

LAST = b"0\r\n\r\n"
REFUSED = [
    *[
        (f"C01-{size!r}", size + b"\r\nhello\r\n" + LAST, 400)
        for size in (b"0x5", b"+5", b"-1", b"5_0", b" 5", b"5 ", b"5\t", b"\xd9\xa5", b"5\0")
    ],
    ("C02-16", b"FFFFFFFFFFFFFFFF\r\nhello", 400),
    ("C02-17", b"10000000000000005\r\nhello", 400),
    ("C03-bytes", b"5these-bytes\r\nhello\r\n", 400),
    ("C03-Z", b"Z\r\n", 400),
    ("C03-empty", b"\r\n", 400),
    *[
        (f"C06-{end!r}", b"5\r\nhello" + end + LAST, 400)
        for end in (b"\n", b"\r", b"", b"XX", b"\rX", b"\r\r", b"\n\r", b"more\r\n")
    ],
    ("C08", b"2;\r\nAA\r\n0\r\n\r\n", 400),
    ("C08-blank", b"2 ;a\r\nAA\r\n0\r\n\r\n", 400),
    ("C08-value", b"2;a=\r\nAA\r\n0\r\n\r\n", 400),
    ("C08-quote", b'2;a="b\r\nAA\r\n0\r\n\r\n', 400),
    ("C08-lf", b"2;a\nb\r\nAA\r\n0\r\n\r\n", 400),
    ("C08-cr", b"2;a\rb\r\nAA\r\n0\r\n\r\n", 400),
    ("C11-64KiB", b"1;" + b"e" * 65_536 + b"\r\nA\r\n" + LAST, 400),
    ("C11-endless", b"1;" + b"e" * 8_192, 400),
    ("C11-ratio", (b"1;" + b"e" * 1_024 + b"\r\nA\r\n") * 40 + LAST, 400),
    ("C13-lf", b"0\n\n", 400),
    ("C13-crlf-lf", b"0\r\n\n", 400),
    ("C14-lf", b"\n5\r\nhello\r\n" + LAST, 400),
    ("C14-crlf", b"\r\n5\r\nhello\r\n" + LAST, 400),
    ("C14-between", b"5\r\nhello\r\n\r\n" + LAST, 400),
    ("C16-lf", b"0\r\nX: y\n\r\n", 400),
    ("C16-fold", b"0\r\nX: y\r\n z\r\n\r\n", 400),
    ("C16-colon", b"0\r\nX y\r\n\r\n", 400),
    ("C16-name", b"0\r\n: y\r\n\r\n", 400),
    ("C16-nul", b"0\r\nX: \0\r\n\r\n", 400),
    ("C17-lines", b"0\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
    ("C17-bytes", b"0\r\nX: " + b"y" * 40_000, 431),
    ("C17-both", b"0\r\n" + (b"X: " + b"y" * 1_000 + b"\r\n") * 40, 431),
]


@each_cut
@pytest.mark.parametrize(
    ("data", "status"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_hostile_chunks_are_refused(data: bytes, status: int, cut: Cut) -> None:
    reader = ChunkedReader(LIMITS)
    with pytest.raises(BadMessage) as refused:
        read(reader, cut(data))
    assert refused.value.status == status
    assert not reader.done


ACCEPTED = [
    ("empty", LAST, b""),
    ("one", b"5\r\nhello\r\n" + LAST, b"hello"),
    ("two", b"5\r\nhello\r\n6\r\n world\r\n" + LAST, b"hello world"),
    ("hexadecimal", b"aA\r\n" + b"x" * 170 + b"\r\n00\r\n\r\n", b"x" * 170),
    ("zeros", b"00005\r\nhello\r\n000\r\n\r\n", b"hello"),
    ("line-ends-within", b"4\r\n\r\n\r\n\r\n" + LAST, b"\r\n\r\n"),
    ("extensions", b'2;a;b=c;d="e;\\""\r\nAA\r\n' + LAST, b"AA"),
    ("extension-bounded", b"2;" + b"e" * 4_000 + b"\r\nAA\r\n" + LAST, b"AA"),
    ("C12", b"1\r\nA\r\n" * 5_000 + LAST, b"A" * 5_000),
    ("C15", b"1\r\nA\r\n0\r\nHost: evil\r\nContent-Length: 5\r\nAuthorization: x\r\n\r\n", b"A"),
    ("C17-under", b"0\r\n" + b"X: y\r\n" * 100 + b"\r\n", b""),
]


@each_cut
@pytest.mark.parametrize(
    ("data", "body"), [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED]
)
def test_sound_chunks_are_read_and_what_follows_is_left(data: bytes, body: bytes, cut: Cut) -> None:
    reader = ChunkedReader(LIMITS)
    assert read(reader, cut(data + b"GET / HTTP/1.1\r\n")) == body
    assert reader.done
    assert reader.rest == b"GET / HTTP/1.1\r\n"
    reader.eof()


@each_cut
@pytest.mark.parametrize(
    "data",
    [b"", b"5", b"5\r", b"5\r\n", b"5\r\nhel", b"5\r\nhello\r", b"0\r\n", b"0\r\nX:", b"0\r\n\r"],
    ids=lambda data: f"C13-{data!r}",
)
def test_chunks_without_their_end_are_truncated(data: bytes, cut: Cut) -> None:
    reader = ChunkedReader(LIMITS)
    read(reader, cut(data))
    with pytest.raises(Truncated):
        reader.eof()


@each_cut
@pytest.mark.parametrize(
    ("length", "data", "body", "rest"),
    [
        (0, b"", b"", b""),
        (0, b"GET", b"", b"GET"),
        (5, b"hello", b"hello", b""),
        (5, b"helloGET /", b"hello", b"GET /"),
    ],
)
def test_a_length_is_kept(length: int, data: bytes, body: bytes, rest: bytes, cut: Cut) -> None:
    reader = LengthReader(length)
    assert read(reader, cut(data)) == body
    assert reader.done
    assert reader.rest == rest
    reader.eof()


@each_cut
def test_a_short_body_is_truncated(cut: Cut) -> None:
    reader = LengthReader(5)
    assert read(reader, cut(b"hell")) == b"hell"
    with pytest.raises(Truncated):
        reader.eof()


@each_cut
def test_a_body_until_close_ends_there(cut: Cut) -> None:
    reader = UntilCloseReader()
    assert read(reader, cut(b"hello")) == b"hello"
    assert not reader.done
    reader.eof()
    assert reader.done


@pytest.mark.parametrize("reader", [LengthReader(3), UntilCloseReader(), ChunkedReader(LIMITS)])
def test_no_bytes_change_nothing(reader: Reader) -> None:
    assert reader.feed(b"") == []
    assert not reader.done


@given(st.lists(st.binary(min_size=1, max_size=40)), st.lists(st.integers(1, 9)))
def test_chunks_give_back_their_pieces_however_cut(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + LAST
    segments, at = [], 0
    for size in cuts:
        segments.append(data[at : at + size])
        at += size
    reader = ChunkedReader(LIMITS)
    assert read(reader, [*segments, data[at:] + b"!"]) == b"".join(pieces)
    assert reader.done
    assert reader.rest.endswith(b"!")


@given(st.binary(max_size=60))
def test_any_bytes_give_one_verdict_however_cut(data: bytes) -> None:
    verdicts: list[tuple[BadReason | None, bool, bytes]] = []
    for cut in (whole, by_byte):
        reader = ChunkedReader(LIMITS)
        try:
            read(reader, cut(data))
        except BadMessage as refused:
            verdicts.append((refused.why, False, b""))
        else:
            verdicts.append((None, reader.done, reader.rest))
    assert verdicts[0] == verdicts[1]


def sized(value: bytes) -> Fields:
    return ((b"content-length", value),)


TE: Fields = ((b"transfer-encoding", b"chunked"),)


@pytest.mark.parametrize(
    ("status", "method", "fields", "minor", "framing"),
    [
        (200, b"HEAD", sized(b"5"), 1, NoBody()),
        (200, b"HEAD", TE, 1, NoBody()),
        (204, b"GET", sized(b"5"), 1, NoBody()),
        (304, b"GET", sized(b"5"), 1, NoBody()),
        (103, b"GET", (), 1, NoBody()),
        (200, b"GET", sized(b"5"), 1, Length(5)),
        (200, b"GET", sized(b"0"), 0, Length(0)),
        (200, b"GET", TE, 1, Chunked()),
        (200, b"GET", (*sized(b"5"), *TE), 1, Chunked(must_close=True)),
        (200, b"GET", (), 1, UntilClose()),
    ],
    ids=["HEAD", "HEAD-te", "204", "304", "1xx", "length", "0", "chunked", "O07", "O06"],
)
def test_how_a_response_ends(
    status: int, method: bytes, fields: Fields, minor: int, framing: Framing
) -> None:
    assert response_framing(status, method, fields, minor) == framing


@pytest.mark.parametrize(
    ("fields", "minor"),
    [
        (TE, 0),
        ((*TE, *TE), 1),
        (((b"transfer-encoding", b"gzip, chunked"),), 1),
        (((b"transfer-encoding", b"identity"),), 1),
        ((*sized(b"5"), *sized(b"6")), 1),
        (sized(b"5, 5"), 1),
        (sized(b"-1"), 1),
        (sized(b""), 1),
    ],
    ids=["O24", "F04", "F17", "F16", "F22", "F23", "F24", "F26"],
)
def test_a_response_with_unclear_framing_is_refused(fields: Fields, minor: int) -> None:
    with pytest.raises(BadMessage) as refused:
        response_framing(200, b"GET", fields, minor)
    assert refused.value.status == 502


@pytest.mark.parametrize(
    ("framing", "kind"),
    [
        (NoBody(), LengthReader),
        (Length(1), LengthReader),
        (Chunked(), ChunkedReader),
        (UntilClose(), UntilCloseReader),
    ],
)
def test_each_framing_has_its_reader(framing: Framing, kind: type[object]) -> None:
    reader = reader_for(framing, LIMITS)
    assert isinstance(reader, kind)
    assert reader.done is (framing == NoBody())
