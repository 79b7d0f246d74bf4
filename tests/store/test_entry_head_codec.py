"""Packed heads: what comes out is what went in, whatever it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgecache.http.message import Response
from edgecache.store.entry import NAMES, pack_head, unpack_head

NAMED = st.sampled_from(NAMES) | st.binary(max_size=20)
HEADS = st.builds(
    Response,
    st.integers(100, 599),
    st.binary(max_size=20),
    st.lists(st.tuples(NAMED, st.binary(max_size=80))).map(tuple),
    st.floats(0, 2**40),
    st.floats(0, 2**40),
)


@given(HEADS)
def test_a_head_comes_out_as_it_went_in(head: Response) -> None:
    assert unpack_head(pack_head(head)) == head


def test_a_common_name_takes_two_bytes_at_most() -> None:
    bare = pack_head(Response(200, b"", ()))
    assert len(set(NAMES)) == len(NAMES) < 128
    for name in NAMES:
        assert len(pack_head(Response(200, b"", ((name, b""),)))) <= len(bare) + 4
