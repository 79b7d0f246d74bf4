"""A small file in MaxMind's format (version 2.0), made for tests: one record for each network.

MaxMind, "MaxMind DB File Format Specification": a binary tree over the bits of an address, 16 zero
bytes, the data, and the metadata after their marker.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

_MARKER = b"\xab\xcd\xefMaxMind.com"
_TEXT, _DOUBLE, _UINT16, _UINT32, _MAP, _UINT64, _ARRAY = 2, 3, 5, 6, 7, 9, 11
_BYTES = {_UINT16: 2, _UINT32: 4, _UINT64: 8}
Node = list[Any]  # two places: None, a node, or a record (a dict)


def database(records: dict[str, dict[str, Any]]) -> bytes:
    """The bytes of a file that has these records, by network as text."""
    root: Node = [None, None]
    for network, record in records.items():
        _insert(root, _bits(ip_network(network)), record)
    nodes = _numbered(root)
    data = bytearray()
    places: dict[int, int] = {}
    for node in nodes:
        for item in node:
            if isinstance(item, dict) and id(item) not in places:
                places[id(item)] = len(data)
                data += _encoded(item)
    numbers = {id(node): number for number, node in enumerate(nodes)}

    def pointer(item: Any) -> int:
        if item is None:
            return len(nodes)
        if isinstance(item, dict):
            return len(nodes) + 16 + places[id(item)]
        return numbers[id(item)]

    tree = b"".join(pointer(item).to_bytes(4) for node in nodes for item in node)
    metadata = {
        "binary_format_major_version": (_UINT16, 2),
        "binary_format_minor_version": (_UINT16, 0),
        "build_epoch": (_UINT64, 1_800_000_000),
        "database_type": "Test",
        "description": {"en": "made for tests"},
        "ip_version": (_UINT16, 6),
        "languages": ["en"],
        "node_count": len(nodes),
        "record_size": (_UINT16, 32),
    }
    return tree + bytes(16) + bytes(data) + _MARKER + _encoded(metadata)


def _bits(network: IPv4Network | IPv6Network) -> str:
    """The path in the tree: an IPv4 address lies at ::/96."""
    bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[: network.prefixlen]
    return "0" * 96 + bits if isinstance(network, IPv4Network) else bits


def _insert(root: Node, bits: str, record: dict[str, Any]) -> None:
    node = root
    for bit in bits[:-1]:
        if node[int(bit)] is None:
            node[int(bit)] = [None, None]
        node = node[int(bit)]
    node[int(bits[-1])] = record


def _numbered(root: Node) -> list[Node]:
    nodes = [root]
    for node in nodes:
        nodes += [item for item in node if isinstance(item, list)]
    return nodes


def _encoded(value: Any) -> bytes:
    if isinstance(value, dict):
        pairs = b"".join(_encoded(key) + _encoded(item) for key, item in value.items())
        return _control(_MAP, len(value)) + pairs
    if isinstance(value, list):
        return _control(_ARRAY, len(value)) + b"".join(_encoded(item) for item in value)
    if isinstance(value, float):
        return _control(_DOUBLE, 8) + struct.pack(">d", value)
    if isinstance(value, int):
        value = (_UINT32, value)
    if isinstance(value, tuple):
        kind, number = value
        return _control(kind, _BYTES[kind]) + int.to_bytes(number, _BYTES[kind])
    text: bytes = value.encode()
    return _control(_TEXT, len(text)) + text


def _control(kind: int, size: int) -> bytes:
    """The type, and a size below 29, which is all that tests need; extended types have a byte."""
    assert size < 29
    return bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])
