"""Heads between tiers: what one writes the other reads, and a call's own lines stand first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edgecache.http.message import BadMessage, HeadLimits, Request
from edgecache.http.trace_context import TraceContext
from edgecache.rules.response.headers_policy import TARGETED
from edgecache.upstream.peer import heads as peer_fields
from edgecache.upstream.peer.heads import (
    PeerTemplateKey,
    head_sender,
    peer_head,
    read_peer_call,
    read_peer_fields,
    read_peer_head,
    shared_lines,
    signed_head,
)

LIMITS = HeadLimits()
VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)
NAMES = st.sampled_from([b"accept-encoding", b"cookie", b"x-forwarded-for", b"range"])
ALIKE = PeerTemplateKey(
    ((b"accept-encoding", b"br"),), b"site.test", b"https", "E1", b"*=2", b"log:7"
)
NOBODY = (b"http", ("", 0), "")
PEER = b"Edgecache-Peer: p\r\n"
TRACE = TraceContext(b"1" * 32, b"2" * 16, True)
STATES = (b"a=1 ,b=x y", b"a=1,\tb=2")  # W3C's OWS: blanks and tabs (§3.3.1.1)
STANDING = shared_lines(ALIKE)


@given(
    st.binary(max_size=30).map(lambda data: b"/" + data.hex().encode()),
    VISIBLE.map(str.encode),
    VISIBLE,
    st.lists(st.tuples(NAMES, VISIBLE.map(str.encode)), max_size=4).map(tuple),
    st.sampled_from([None, TRACE, *(replace(TRACE, state=one) for one in STATES)]),
)
def test_what_is_written_is_read(
    target: bytes,
    request_id: bytes,
    client: str,
    fields: tuple[tuple[bytes, bytes], ...],
    trace: TraceContext | None,
) -> None:
    asked = Request(b"GET", target, b"q=1", fields, client=(client, 0), id=request_id, trace=trace)
    alike = ALIKE._replace(fields=fields)
    bare = peer_head(asked, shared_lines(alike))
    head = signed_head(bare, lambda message: b"%d" % len(message))
    read = read_peer_head(head, LIMITS, b"http", ("198.51.100.1", 1), "edge-a-1")
    assert read.peer == "edge-a-1"
    assert (read.method, read.path, read.query) == (b"GET", target, b"q=1")
    assert (read.id, read.client, read.trace) == (request_id, (client, 0), trace)
    said = read_peer_fields(read.fields)
    assert said.fields == ((b"host", b"site.test"), *fields)
    assert (said.distribution, said.scheme, said.release) == ("E1", b"https", b"*=2")
    assert said.mark == b"log:7"
    call = read_peer_call(head)
    assert call is not None
    assert (call.credential, call.message(head)) == (b"%d" % len(bare), bare)
    assert head_sender(head, lambda credential, message: f"{credential!r} {message == bare}") == (
        f"{call.credential!r} True"
    )
    assert call.without(head) == b"GET %b?q=1 HTTP/1.1\r\n%b\r\n" % (target, shared_lines(alike))


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        PEER,
        b"Edgecache-Id: a\r\nEdgecache-Client: c\r\n",
        b"Edgecache-Id: a\r\nEdgecache-Client: c\r\n" + PEER,
        PEER + b"Edgecache-Id: a\r\n",
        PEER + b"Edgecache-Client: b\r\nEdgecache-Id: a\r\n",
        PEER + b"Edgecache-Id: a b\r\nEdgecache-Client: c\r\n",
        PEER + b"Edgecache-Id: a\nX: y\r\nEdgecache-Client: c\r\n",
        PEER + b"Edgecache-Id: a\r\nX: y\r\nEdgecache-Client: c\r\n",
        PEER + b"edgecache-id: a\r\nedgecache-client: c\r\n",
    ],
)
def test_only_what_one_of_ours_wrote_is_a_call(lines: bytes) -> None:
    head = b"GET / HTTP/1.1\r\n" + lines + STANDING + b"\r\n"
    assert read_peer_call(head) is None
    if b"\nX: y\r\nEdgecache-Client" in lines and b"a\r\n" not in lines:
        with pytest.raises(BadMessage):
            read_peer_head(head, LIMITS, *NOBODY)
    else:
        assert read_peer_head(head, LIMITS, *NOBODY).id == b""


def test_the_first_of_a_field_counts_and_no_line_is_smuggled() -> None:
    fields = ((peer_fields.SCHEME, b"https"), (peer_fields.SCHEME, b"http"))
    assert read_peer_fields(fields).scheme == b"https"
    with pytest.raises(ValueError, match="line end"):
        shared_lines(ALIKE._replace(fields=((b"cookie", b"a\r\nedgecache-scheme: https"),)))


def test_what_is_told_with_a_response_goes_no_further() -> None:
    own, others = peer_fields.split_peer_fields(
        (
            (peer_fields.MARK, b"log:1"),
            (b"etag", b'"e"'),
            (TARGETED, b"max-age=9"),
            (peer_fields.MARK, b"log:2"),
        )
    )
    assert own == {peer_fields.MARK: b"log:1"}
    assert others == ((b"etag", b'"e"'), (TARGETED, b"max-age=9"))
