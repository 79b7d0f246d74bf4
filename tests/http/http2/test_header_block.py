"""Header blocks as a strict decoder reads them."""

from __future__ import annotations

import pytest
from hpack import Decoder
from hypothesis import given
from hypothesis import strategies as st

from edgecache.http.http2.header_block import EMPTY_TABLE, header_block, integer

NAMES = st.from_regex(rb"[a-z][a-z0-9\-]{0,200}", fullmatch=True)
VALUES = st.binary(max_size=700).filter(lambda value: not {0, 10, 13} & set(value))


@given(st.integers(100, 599), st.lists(st.tuples(NAMES, VALUES), max_size=8))
def test_what_is_written_is_read(status: int, fields: list[tuple[bytes, bytes]]) -> None:
    decoder = Decoder(2**20)
    read = decoder.decode(header_block(status, tuple(fields)), raw=True)
    assert [tuple(one) for one in read] == [(b":status", b"%d" % status), *fields]
    assert not decoder.header_table.dynamic_entries, "the viewer's table is left alone"


@pytest.mark.parametrize(
    "name", [b"age", b"server", b"x-cache", b"set-cookie", b"www-authenticate"]
)
def test_names_of_the_static_table(name: bytes) -> None:
    (_, field) = Decoder().decode(header_block(200, ((name, b"v"),)), raw=True)
    assert tuple(field) == (name, b"v")


@pytest.mark.parametrize(
    "field",
    [(b"a", b"x\ny"), (b"a", b"x\r"), (b"a", b"\0"), (b"a\n", b""), (b"A", b""), (b":a", b"")],
)
def test_what_would_split_a_response_is_not_written(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="line end"):
        header_block(200, (field,))


@pytest.mark.parametrize(
    ("value", "bits", "first", "wire"),
    [(10, 5, 0, b"\x0a"), (1337, 5, 0, b"\x1f\x9a\x0a"), (42, 8, 0, b"*"), (2, 7, 0x80, b"\x82")],
)
def test_integers(value: int, bits: int, first: int, wire: bytes) -> None:
    """RFC 7541 Appendix C.1."""
    assert integer(value, bits, first) == wire


def test_a_table_that_was_made_smaller_is_emptied() -> None:
    decoder = Decoder()
    decoder.max_allowed_table_size = 0
    assert decoder.decode(EMPTY_TABLE + header_block(204, ()), raw=True)
