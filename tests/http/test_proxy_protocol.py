"""PROXY headers, read whole, byte by byte, with something behind them, and refused."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.http.proxy_protocol import (
    HEADER_BYTES_MAX,
    LINE_BYTES_MAX,
    LOCAL_HEADER,
    ProxyFault,
    ProxyHeaderError,
    ProxyHeaderReader,
)

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
# NLB's vectors: TCP4 203.0.113.7:51000 to 192.0.2.1:443, LOCAL, TCP6.
TCP4 = SIGNATURE + bytes.fromhex("2111000c cb007107 c0000201 c73801bb")
LOCAL = SIGNATURE + bytes.fromhex("20000000")
TCP6 = (
    SIGNATURE
    + bytes.fromhex("21210024")
    + IPv6Address("2001:db8::7").packed
    + IPv6Address("2001:db8::1").packed
    + bytes.fromhex("c73801bb")
)
V4 = ("203.0.113.7", 51_000)
V6 = ("2001:db8::7", 51_000)
REQUEST = b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n"


def binary(command: int, family: int, block: bytes, length: int | None = None) -> bytes:
    size = len(block) if length is None else length
    return SIGNATURE + bytes((command, family)) + size.to_bytes(2) + block


ADDRESSES = TCP4[16:]
TLV = b"\xea\x00\x04\x01vpc"  # of AWS: the id of an endpoint
RIGHT = [
    (TCP4, V4),
    (TCP6, V6),
    (LOCAL, None),
    (LOCAL_HEADER, None),
    (binary(0x21, 0x11, ADDRESSES + TLV), V4),
    (binary(0x21, 0x11, ADDRESSES + TLV + b"\x04\x00\x00"), V4),  # NOOP: nothing in it
    (binary(0x21, 0x11, ADDRESSES + b"\x04" + (4_065).to_bytes(2) + bytes(4_065)), V4),
    (binary(0x20, 0xFF, b"not looked at"), None),  # §2.2: what comes with LOCAL is discarded
    (binary(0x21, 0x00, b"\0\0\0"), None),  # UNSPEC: ignored
    (binary(0x21, 0x31, bytes(216)), None),  # a socket file: nobody's address
    (
        binary(0x21, 0x21, IPv6Address("::ffff:203.0.113.7").packed + bytes(16) + TCP4[-4:]),
        V4,
    ),
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 443\r\n", V4),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 51000 443\r\n", V6),
    (b"PROXY TCP6 2001:0DB8:0:0:0:0:0:7 ::1 51000 443\r\n", V6),
    (b"PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 51000 443\r\n", V4),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff:f...f ffff:f...f 65535 65535\r\n", None),
    (b"PROXY UNKNOWN " + bytes([65]) * (LINE_BYTES_MAX - 16) + b"\r\n", None),
]


def read(data: bytes) -> tuple[tuple[str, int] | None, int]:
    reader = ProxyHeaderReader()
    taken = reader.feed(data)
    assert reader.done
    return reader.source, taken


@pytest.mark.parametrize(("header", "source"), RIGHT)
def test_a_header_names_its_source_and_nothing_behind_it_is_taken(
    header: bytes, source: tuple[str, int] | None
) -> None:
    assert read(header) == (source, len(header))
    assert read(header + REQUEST) == (source, len(header))
    reader = ProxyHeaderReader()
    for at in range(len(header)):
        assert not reader.done
        assert reader.feed(header[at : at + 1]) == 1
    assert (reader.done, reader.source) == (True, source)


WRONG = [
    (b"GET / HTTP/1.1\r\n", ProxyFault.MISSING),
    (b"\x16\x03\x01\x02\x00", ProxyFault.MISSING),  # a hello of TLS
    (b"\r\n\r\nGET / ", ProxyFault.MISSING),
    (b"proxy TCP4", ProxyFault.MISSING),
    (b"PROXY\tTCP4", ProxyFault.MISSING),
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 443\n", ProxyFault.BROKEN),
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 51000\r\n", ProxyFault.BROKEN),
    (b"PROXY TCP4 203.0.113.7  192.0.2.1 51000 443\r\n", ProxyFault.BROKEN),
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 051000 443\r\n", ProxyFault.BROKEN),
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 65536 443\r\n", ProxyFault.BROKEN),
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 70000\r\n", ProxyFault.BROKEN),
    (b"PROXY TCP4 203.0.113.07 192.0.2.1 51000 443\r\n", ProxyFault.BROKEN),
    (b"PROXY TCP4 203.0.113.256 192.0.2.1 51000 443\r\n", ProxyFault.BROKEN),
    (b"PROXY TCP4 2001:db8::7 192.0.2.1 51000 443\r\n", ProxyFault.BROKEN),
    (b"PROXY TCP6 203.0.113.7 192.0.2.1 51000 443\r\n", ProxyFault.BROKEN),
    (b"PROXY TCP6 fe80::1%eth0 ::1 51000 443\r\n", ProxyFault.BROKEN),
    (b"PROXY UDP4 203.0.113.7 192.0.2.1 51000 443\r\n", ProxyFault.BROKEN),
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 443 \r\n", ProxyFault.BROKEN),
    (b"PROXY UNKNOWNS\r\n", ProxyFault.BROKEN),
    (b"PROXY TCP4 203.0.113.7\r192.0.2.1 51000 443\r\n", ProxyFault.BROKEN),
    (b"PROXY UNKNOWN " + b"a" * LINE_BYTES_MAX, ProxyFault.OVERSIZED),
    (binary(0x11, 0x11, ADDRESSES), ProxyFault.BROKEN),  # version 1 in the form of 2
    (binary(0x22, 0x11, ADDRESSES), ProxyFault.BROKEN),  # no such command
    (binary(0x21, 0x11, ADDRESSES[:-1]), ProxyFault.BROKEN),
    (binary(0x21, 0x21, ADDRESSES), ProxyFault.BROKEN),
    (binary(0x21, 0x12, ADDRESSES), ProxyFault.BROKEN),  # a datagram
    (binary(0x21, 0x41, ADDRESSES), ProxyFault.BROKEN),  # no such family
    (binary(0x21, 0x11, ADDRESSES + TLV[:-1]), ProxyFault.BROKEN),  # a TLV beyond the end
    (binary(0x21, 0x11, ADDRESSES + b"\x01\x00"), ProxyFault.BROKEN),
    (binary(0x21, 0x11, b"", HEADER_BYTES_MAX - 15), ProxyFault.OVERSIZED),
    (binary(0x20, 0x00, b"", 65_535), ProxyFault.OVERSIZED),
]


@pytest.mark.parametrize(("data", "fault"), WRONG)
def test_what_is_no_header_names_nobody(data: bytes, fault: ProxyFault) -> None:
    with pytest.raises(ProxyHeaderError) as refused:
        ProxyHeaderReader().feed(data)
    assert refused.value.fault is fault
    reader = ProxyHeaderReader()
    pieces = [data[at : at + 1] for at in range(len(data))]
    with pytest.raises(ProxyHeaderError):
        list(map(reader.feed, pieces))
    assert reader.source is None


@given(st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", SIGNATURE, SIGNATURE + b"!\x11"]))
def test_any_bytes_are_read_or_refused_within_bounds(data: bytes, start: bytes) -> None:
    reader = ProxyHeaderReader()
    try:
        taken = reader.feed(start + data)
    except ProxyHeaderError:
        return
    assert taken <= len(start + data)
    assert reader.done or taken == len(start + data)
    assert taken <= HEADER_BYTES_MAX


@given(st.integers(0, 2**32 - 1), st.integers(0, 65_535), st.binary(max_size=60))
def test_what_is_written_is_read(number: int, port: int, behind: bytes) -> None:
    address = IPv4Address(number)
    line = f"PROXY TCP4 {address} 192.0.2.1 {port} 443\r\n".encode()
    both = binary(0x21, 0x11, address.packed + bytes(4) + port.to_bytes(2) + bytes(2))
    for header in (line, both):
        assert read(header + behind) == ((str(address), port), len(header))
