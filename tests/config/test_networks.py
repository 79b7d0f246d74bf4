"""Networks as people write them, and the ranges they make: the same answers as ipaddress gives."""

from __future__ import annotations

import re
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_network,
)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.config.networks import (
    NETWORKS_MAX,
    AddressRanges,
    parse_address,
    parse_network,
    ranges_of,
    read_networks,
)
from edgecache.config.problems import BROKEN_LINES_MAX, BrokenLinesError


@pytest.mark.parametrize(
    ("text", "v6", "number"),
    [
        ("0.0.0.0", False, 0),
        ("203.0.113.7", False, 0xCB007107),
        ("255.255.255.255", False, 0xFFFFFFFF),
        ("::ffff:203.0.113.7", False, 0xCB007107),
        ("::FFFF:cb00:7107", False, 0xCB007107),
        ("::1", True, 1),
        ("2001:db8::7", True, 0x20010DB8000000000000000000000007),
        ("fe80::1%eth0", True, 0xFE800000000000000000000000000001),
    ],
)
def test_an_address_is_a_family_and_a_number(text: str, v6: bool, number: int) -> None:
    assert parse_address(text) == (v6, number)


@pytest.mark.parametrize(
    "text",
    ["", "-", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "1.2.3.+4",
     "1.2.3.4/32", "1..2.3", "٣.2.3.4", "0x1.2.3.4", ":", "::g", "1:2", "::1/128"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "is neither an address nor a network"),
        ("10.0.0.0/33", "has no prefix length from 0 to 32"),
        ("10.0.0.0/", "has no prefix length from 0 to 32"),
        ("10.0.0.0/255.0.0.0", "has no prefix length from 0 to 32"),
        ("10.0.0.0/-1", "has no prefix length from 0 to 32"),
        ("::/129", "has no prefix length from 0 to 128"),
        ("10.0.0.1/8", "has bits beyond its prefix: 10.0.0.0/8 is the network"),
        ("2001:db8::1/32", "has bits beyond its prefix: 2001:db8::/32 is the network"),
        ("fe80::%1/64", "is neither an address nor a network"),
        ("all", "is neither an address nor a network"),
    ],
)
def test_what_is_no_network_is_told(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(wrong)}$"):
        parse_network(text)


def test_a_mapped_network_is_of_ipv4() -> None:
    assert parse_network("::ffff:10.0.0.0/104") == parse_network("10.0.0.0/8")
    assert parse_network("::ffff:0:0/96") == parse_network("0.0.0.0/0")
    assert parse_network("::/0") == (True, 0, 1 << 128)  # every address that is no IPv4 one


v4_networks = st.builds(
    lambda number, bits: IPv4Network((number, bits), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
v6_networks = st.builds(
    lambda number, bits: IPv6Network((number, bits), strict=False),
    st.integers(0, 2**128 - 1),
    st.integers(0, 128),
)
networks = st.lists(v4_networks | v6_networks, max_size=20)


def edges(network: IPv4Network | IPv6Network) -> list[IPv4Address | IPv6Address]:
    """Its first and last address, and those beside it."""
    kind = IPv4Address if network.version == 4 else IPv6Address
    first, last = int(network.network_address), int(network.broadcast_address)
    most = 2**network.max_prefixlen - 1
    return [kind(n) for n in (first - 1, first, last, last + 1) if 0 <= n <= most]


def is_mapped(address: IPv4Address | IPv6Address) -> bool:
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


@given(networks, st.data())
def test_ranges_hold_what_a_scan_of_the_networks_finds(
    found: list[IPv4Network | IPv6Network], data: st.DataObject
) -> None:
    ranges = ranges_of(parse_network(str(one)) for one in found)
    asked = [address for one in found for address in edges(one)]
    asked.append(IPv4Address(data.draw(st.integers(0, 2**32 - 1))))
    asked.append(IPv6Address(data.draw(st.integers(0, 2**128 - 1))))
    for address in asked:
        if is_mapped(address):
            continue
        v6, number = parse_address(str(address))
        scanned = any(address in one for one in found if one.version == address.version)
        assert ranges.covers((v6, number, number + 1)) is scanned


@given(networks, v4_networks | v6_networks)
def test_a_network_is_covered_when_every_part_of_it_is(
    found: list[IPv4Network | IPv6Network], asked: IPv4Network | IPv6Network
) -> None:
    ranges = ranges_of(parse_network(str(one)) for one in found)
    same: list[IPv4Network | IPv6Network] = [one for one in found if one.version == asked.version]
    whole = collapse_addresses(same)  # type: ignore[type-var]
    expected = any(asked.subnet_of(one) for one in whole)  # type: ignore[arg-type]
    assert ranges.covers(parse_network(str(asked))) is expected


def test_bounds_are_disjoint_and_ascending() -> None:
    ranges = ranges_of(map(parse_network, ["10.1.0.0/16", "10.0.0.0/8", "11.0.0.0/8", "::1"]))
    assert list(ranges.v4) == [10 << 24, 12 << 24]
    assert list(ranges.v6) == [1, 2]
    assert ranges
    assert not AddressRanges()


def test_a_file_has_a_network_a_line_and_comments() -> None:
    text = "# office\n192.0.2.0/24\n\n 198.51.100.7 ; a printer\r\n2001:db8::/32#v6\n"
    ranges = read_networks(text)
    expected = ranges_of(map(parse_network, ["192.0.2.0/24", "198.51.100.7", "2001:db8::/32"]))
    assert (ranges.v4, ranges.v6) == (expected.v4, expected.v6)
    assert not read_networks("# nobody is blocked\n")


def test_broken_lines_are_told_by_number() -> None:
    with pytest.raises(BrokenLinesError) as caught:
        read_networks("10.0.0.0/8\n10.0.0.300\n\nten\n")
    assert caught.value.lines == (
        (2, "'10.0.0.300' is neither an address nor a network"),
        (4, "'ten' is neither an address nor a network"),
    )
    with pytest.raises(BrokenLinesError) as caught:
        read_networks("x\n" * 100)
    assert (len(caught.value.lines), caught.value.more) == (BROKEN_LINES_MAX, 92)


@pytest.mark.parametrize("text", ["", "1.1.1.1\n" * (NETWORKS_MAX + 1)], ids=["empty", "too-many"])
def test_a_file_that_is_empty_or_endless_is_refused(text: str) -> None:
    with pytest.raises(BrokenLinesError):
        read_networks(text)


def test_what_ipaddress_writes_is_read() -> None:
    for text in ("0.0.0.0/0", "::/0", "2001:db8::/48", "192.0.2.7"):
        whole = ip_network(text)
        v6, first, after = parse_network(text)
        assert (v6, first) == (whole.version == 6, int(whole.network_address))
        assert after == int(whole.broadcast_address) + 1
