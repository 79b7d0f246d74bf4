"""Field sections: what is written is what another decoder reads; what is read is bounded."""

from __future__ import annotations

import pytest
from pylsqpack import Decoder, Encoder

from edgecache.server.http3.field_section import (
    _NAME_INDEX,
    _STATUS_INDEX,
    COUNTED_BYTES,
    field_section,
    read_section,
)
from edgecache.server.http3.frames import Http3ConnectionError, Http3Error


@pytest.mark.parametrize("status", [*_STATUS_INDEX, 201, 416, 599])
def test_a_status(status: int) -> None:
    assert Decoder(0, 0).feed_header(0, field_section(status, ()))[1] == [
        (b":status", b"%d" % status)
    ]


def test_every_name_has_its_index_and_any_value() -> None:
    names = (*_NAME_INDEX, b"x", b"x-cache", b"a" * 300)
    fields = tuple((name, b"v" * (7 * number % 200)) for number, name in enumerate(names))
    _, read = Decoder(0, 0).feed_header(0, field_section(200, fields))
    assert read == [(b":status", b"200"), *fields]


@pytest.mark.parametrize("field", [(b"a", b"b\r\nc: d"), (b"a", b"\0"), (b"A", b"b"), (b"", b"b")])
def test_a_field_that_would_split_a_response_is_not_written(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="line end"):
        field_section(200, (field,))


def test_what_another_encoder_writes_is_read() -> None:
    fields = [(b":method", b"GET"), (b":path", b"/a?b"), (b"user-agent", b"x" * 90), (b"y", b"")]
    _, section = Encoder().encode(0, fields)
    assert [*read_section(section, 0, 1_000)] == fields
    assert [*read_section(b"\0\0", 0, 1_000)] == []


FAILED = Http3Error.QPACK_DECOMPRESSION_FAILED


@pytest.mark.parametrize(
    ("section", "code"),
    [
        (b"", Http3Error.QPACK_DECOMPRESSION_FAILED),
        (b"\0", Http3Error.QPACK_DECOMPRESSION_FAILED),
        (b"\0\0\xff", Http3Error.QPACK_DECOMPRESSION_FAILED),
        (b"\0\0\x80", Http3Error.QPACK_DECOMPRESSION_FAILED),  # of a dynamic table
        (b"\2\0\x80", Http3Error.QPACK_DECOMPRESSION_FAILED),
        (b"\0\0\x23abc", Http3Error.QPACK_DECOMPRESSION_FAILED),
        (b"\0\0" + b"\xd1" * 200, Http3Error.EXCESSIVE_LOAD),
        (b"\0\0" + b"\xd1" * COUNTED_BYTES, Http3Error.EXCESSIVE_LOAD),
        (b"\0\0" + b"\x10" * COUNTED_BYTES, Http3Error.QPACK_DECOMPRESSION_FAILED),
        (
            b"\0\0" + b"\x21a\x7f\xff\xff\xff\xff\x01" * 300,
            Http3Error.QPACK_DECOMPRESSION_FAILED,
        ),
    ],
)
def test_a_section_that_is_none_or_too_much(section: bytes, code: Http3Error) -> None:
    with pytest.raises(Http3ConnectionError) as error:
        read_section(section, 0, 4_096)
    assert error.value.code is code
