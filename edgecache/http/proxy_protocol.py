"""PROXY protocol, versions 1 and 2: the header by which a balancer says whom a connection is of.

Law: what is not a whole and right header names nobody, and no byte behind it is taken. HAProxy,
"The PROXY protocol, versions 1 & 2" (proxy-protocol.txt) §2. The bytes of a header are a viewer's
address or a stranger's attempt: whoever reads them keeps them out of logs.
"""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

LINE_BYTES_MAX = 107  # §2.1: the longest line of version 1, its CRLF included
HEADER_BYTES_MAX = 4_096  # of version 2, nginx's NGX_PROXY_PROTOCOL_MAX_HEADER
LOCAL_HEADER = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
"""§2.2: the sender speaks for itself. What our own processes ask each other begins with it."""

_SIGNATURE = LOCAL_HEADER[:12]
_WORD = b"PROXY "
_FIXED_BYTES = 16  # of version 2: signature, version and command, family, length
_PORT = rb"(0|[1-9][0-9]{0,4})"
_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?"
    rb"|(TCP[46]) ([0-9A-Fa-f:.]{2,39}) ([0-9A-Fa-f:.]{2,39}) " + _PORT + b" " + _PORT + rb")\r\n"
)
_PORT_MAX = 65_535
_LOCAL, _PROXY = 0x20, 0x21
_STREAM_BYTES = {0x11: 12, 0x21: 36, 0x31: 216}  # of the two addresses, by family over a stream
_UNSPECIFIED, _UNIX = 0x00, 0x31


class ProxyFault(StrEnum):
    """Why a connection is closed before its first request. The word goes to the counter."""

    BROKEN = "broken"  # it begins as a header does, and is none
    LATE = "late"  # not whole in time
    MISSING = "missing"  # something else begins: a request, a hello of TLS
    OVERSIZED = "oversized"
    TRUNCATED = "truncated"  # the sender has left
    UNTRUSTED = "untrusted"  # the sender is no proxy whose word counts


class ProxyHeaderError(Exception):
    """A header that is refused: `fault`."""

    def __init__(self, fault: ProxyFault) -> None:
        super().__init__(fault)
        self.fault = fault


class ProxyHeaderReader:
    """Reads one header from bytes as they come; what follows it is left.

    When `done`, `source` is address and port of whoever the sender stands for; None: it speaks for
    itself, or does not say (LOCAL, UNKNOWN, a socket file).
    """

    def __init__(self) -> None:
        self.done = False
        self.source: tuple[str, int] | None = None
        self._data = b""

    def feed(self, data: bytes) -> int:
        """How many bytes at the start of `data` are the header's; they are taken. §2.

        Whatever is behind them is not looked at. ProxyHeaderError.
        """
        former = len(self._data)
        whole = self._data + data
        if whole[:1] == _SIGNATURE[:1]:
            end = self._binary_end(whole)
        else:
            end = self._line_end(whole)
        self._data = whole[:end]
        return len(self._data) - former

    def _line_end(self, data: bytes) -> int:
        start = data[: len(_WORD)]
        if not _WORD.startswith(start):
            raise ProxyHeaderError(ProxyFault.MISSING)
        end = data.find(b"\n", 0, LINE_BYTES_MAX) + 1
        if not end:
            if len(data) >= LINE_BYTES_MAX:
                raise ProxyHeaderError(ProxyFault.OVERSIZED)
            return len(data)
        self.source, self.done = _line_source(data[:end]), True
        return end

    def _binary_end(self, data: bytes) -> int:
        if not _SIGNATURE.startswith(data[:12]):
            raise ProxyHeaderError(ProxyFault.MISSING)
        if len(data) < _FIXED_BYTES:
            return len(data)
        command, family = data[12], data[13]
        length = int.from_bytes(data[14:16])
        if command not in (_LOCAL, _PROXY):
            raise ProxyHeaderError(ProxyFault.BROKEN)
        if length > HEADER_BYTES_MAX - _FIXED_BYTES:
            raise ProxyHeaderError(ProxyFault.OVERSIZED)
        end = _FIXED_BYTES + length
        if len(data) < end:
            return len(data)
        if command == _PROXY:  # what comes with LOCAL is to be discarded (§2.2)
            self.source = _binary_source(family, data[_FIXED_BYTES:end])
        self.done = True
        return end


def canonical_address(text: str) -> str:
    """An address in its usual form; of IPv4 in IPv6 (RFC 4291 §2.5.5.2) the IPv4 one. ValueError.

    One viewer must have one spelling: limits, lists and logs compare it.
    """
    if ":" not in text:
        return str(IPv4Address(text))
    whole = IPv6Address(text)
    return str(whole.ipv4_mapped or whole)


def _line_source(line: bytes) -> tuple[str, int] | None:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ProxyHeaderError(ProxyFault.BROKEN)
    family, *addresses = match.groups()
    if family is None:
        return None
    source, target, port, target_port = [value.decode() for value in addresses]
    form = IPv4Address if family == b"TCP4" else IPv6Address
    try:
        form(source), form(target)
    except ValueError:
        raise ProxyHeaderError(ProxyFault.BROKEN) from None
    if int(port) > _PORT_MAX or int(target_port) > _PORT_MAX:
        raise ProxyHeaderError(ProxyFault.BROKEN)
    return canonical_address(source), int(port)


def _binary_source(family: int, block: bytes) -> tuple[str, int] | None:
    """The source in what follows the fixed part: addresses, ports, then TLVs, which are skipped."""
    if family == _UNSPECIFIED:
        return None  # §2.2: whatever stands there is to be ignored
    size = _STREAM_BYTES.get(family, 0)
    if not size or len(block) < size or not _are_tlvs(block[size:]):
        raise ProxyHeaderError(ProxyFault.BROKEN)
    if family == _UNIX:
        return None
    width = (size - 4) // 2
    address = IPv4Address(block[:4]) if width == 4 else IPv6Address(block[:16])
    return canonical_address(str(address)), int.from_bytes(block[2 * width : 2 * width + 2])


def _are_tlvs(data: bytes) -> bool:
    """Whether these are types, lengths and values, the last within its bounds (§2.2.1)."""
    place = 0
    while place < len(data):
        if place + 3 > len(data):
            return False
        place += 3 + int.from_bytes(data[place + 1 : place + 3])
    return place == len(data)
