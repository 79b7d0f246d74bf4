"""IP networks as people write them, and the ranges of addresses that many of them make.

Law: an IPv4 address in an IPv6 one (RFC 4291 §2.5.5.2) is the IPv4 address, in what is written as
in who comes. Ranges stand as the sorted bounds of disjoint ones, a row for each family: an address
is in a range when an odd number of bounds are not above it. So a look-up among 500,000 networks is
twenty steps of one C call, and takes 8 bytes of an IPv4 bound, about 50 of an IPv6 one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv6Address

from msgspec import Struct

from edgecache.config.problems import BrokenLinesError

NETWORKS_MAX = 500_000  # of one set: ipset's maxelem is 65,536, public block lists have 200,000
SHOWN_CHARS = 16  # of a broken line: it may be of a file of passwords, named by mistake
_V4_BITS, _V6_BITS = 32, 128
_V4_BYTES = 4
_MAPPED = 0xFFFF  # what stands before the address in ::ffff:0:0/96
_V4_MASK = 0xFFFFFFFF
_COMMENTS = ("#", ";")

Network = tuple[bool, int, int]  # whether IPv6; the first address, and the one after the last


class AddressRanges(Struct, frozen=True, eq=False):
    """Disjoint ranges of addresses, each as its first and the one after its last, ascending."""

    v4: Sequence[int] = ()
    v6: Sequence[int] = ()

    def covers(self, network: Network) -> bool:
        """Whether every address of `network` is in one of them."""
        v6, first, after = network
        bounds = self.v6 if v6 else self.v4
        place = bisect_right(bounds, first)
        return place & 1 == 1 and after <= bounds[place]

    def __bool__(self) -> bool:
        return bool(self.v4 or self.v6)


def parse_address(text: str) -> tuple[bool, int]:
    """The address `text` (without a port): whether it is IPv6, and its number. ValueError."""
    if ":" not in text:
        return False, _v4_number(text)
    number = int(IPv6Address(text.partition("%")[0]))
    if number >> _V4_BITS == _MAPPED:
        return False, number & _V4_MASK
    return True, number


def parse_network(text: str) -> Network:
    """The network that `text` names in CIDR, or of one address. ValueError says what is wrong."""
    address, slash, bits = text.partition("/")
    v6 = ":" in address
    try:
        number = _v6_number(address) if v6 else _v4_number(address)
    except ValueError:
        raise ValueError("is neither an address nor a network") from None
    most = _V6_BITS if v6 else _V4_BITS
    if slash and not (bits.isascii() and bits.isdigit() and len(bits) <= 3 and int(bits) <= most):
        raise ValueError(f"has no prefix length from 0 to {most}")
    size = 1 << (most - int(bits)) if slash else 1
    if number & (size - 1):
        whole = _shown(number & -size, v6=v6)
        raise ValueError(f"has bits beyond its prefix: {whole}/{bits} is the network")
    if v6 and number >> _V4_BITS == _MAPPED and size <= 1 << _V4_BITS:
        v6, number = False, number & _V4_MASK
    return v6, number, number + size


def ranges_of(networks: Iterable[Network]) -> AddressRanges:
    """The ranges that `networks` make together."""
    v4: list[tuple[int, int]] = []
    v6: list[tuple[int, int]] = []
    for is_v6, first, after in networks:
        (v6 if is_v6 else v4).append((first, after))
    return AddressRanges(array("Q", _bounds(v4)), tuple(_bounds(v6)))


def read_networks(text: str) -> AddressRanges:
    """The ranges of a set's file: a network or an address a line, comments from `#` or `;` on.

    BrokenLinesError tells the lines that are neither, or that there are too many, or none at all: a
    file that is being written anew is empty for a moment, and a comment says that nobody is meant.
    """
    lines = text.splitlines()
    if not lines:
        raise BrokenLinesError([(1, "the file is empty; write a comment if nobody is meant")])
    if len(lines) > NETWORKS_MAX:
        raise BrokenLinesError([(NETWORKS_MAX + 1, f"there are more than {NETWORKS_MAX} lines")])
    networks: list[Network] = []
    broken: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        for mark in _COMMENTS:
            line = line.partition(mark)[0]
        try:
            if entry := line.strip():
                networks.append(parse_network(entry))
        except ValueError as error:
            broken.append((number, f"{entry[:SHOWN_CHARS]!r} {error}"))
    if broken:
        raise BrokenLinesError(broken)
    return ranges_of(networks)


def _bounds(ranges: list[tuple[int, int]]) -> Iterator[int]:
    """The bounds of ranges (first, after), those that meet made one."""
    ranges.sort()
    end = -1
    for first, after in ranges:
        if first > end:
            if end >= 0:
                yield end
            yield first
        end = max(end, after)
    if end >= 0:
        yield end


def _v4_number(text: str) -> int:
    """The number of an IPv4 address in four decimals without leading zeros (RFC 3986 §3.2.2)."""
    parts = text.split(".")
    if len(parts) != _V4_BYTES or not text.isascii():
        raise ValueError("is no address")
    number = 0
    for part in parts:
        if not part.isdigit() or len(part) > 3 or (part[0] == "0" and part != "0"):
            raise ValueError("is no address")
        byte = int(part)
        if byte > 255:
            raise ValueError("is no address")
        number = number << 8 | byte
    return number


def _v6_number(text: str) -> int:
    if "%" in text:
        raise ValueError("names an interface")
    return int(IPv6Address(text))


def _shown(number: int, *, v6: bool) -> str:
    return str(IPv6Address(number)) if v6 else ".".join(map(str, number.to_bytes(_V4_BYTES)))
