"""Names as text and on the wire: RFC 1035 §3.1, and Route 53's octal escapes."""

from __future__ import annotations

import pytest

from edgecache.dns.names import (
    absolute_wire,
    is_below,
    parent,
    reversed_labels,
    split,
    to_text,
    to_wire,
)

ORIGIN = b"\x03cdn\x04test\0"


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("www", b"\x03www" + ORIGIN),
        ("WWW.Example.", b"\x03www\x07example\0"),
        ("@", ORIGIN),
        (".", b"\0"),
        (r"\052.a", b"\x01*\x01a" + ORIGIN),
        ("*", b"\x01*" + ORIGIN),
        (r"a\056b", b"\x03a.b" + ORIGIN),
    ],
)
def test_text_is_read(text: str, wire: bytes) -> None:
    assert to_wire(text, ORIGIN) == wire


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a..b", "empty label"),
        ("a" * 64, "longer than 63"),
        ("a." * 127 + "b", "longer than 255"),
        (r"\08", "octal"),
        (r"\777", "beyond"),
        ("ä", "ASCII"),
        ("a b", "ASCII"),
    ],
)
def test_what_is_no_name_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        to_wire(text, ORIGIN)


def test_a_name_goes_back_to_text() -> None:
    assert to_text(absolute_wire("a.b")) == "a.b."
    assert to_text(to_wire("*", ORIGIN)) == "\\052.cdn.test."
    assert to_text(b"\0") == "."


def test_parents_and_order() -> None:
    name = absolute_wire("a.b.c")
    assert split(name) == [b"a", b"b", b"c"]
    assert parent(name) == absolute_wire("b.c")
    assert parent(b"\0") == b"\0"
    assert reversed_labels(name) == [b"c", b"b", b"a"]
    assert is_below(name, absolute_wire("b.c"))
    assert is_below(name, name)
    assert not is_below(name, absolute_wire("x.c"))
    assert not is_below(absolute_wire("xb.c"), absolute_wire("b.c"))
