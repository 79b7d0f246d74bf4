"""A second reader of HTTP/1.1, for both ends of a test. Law: it shares no code with what it checks.

RFC 9112, the narrowest reading: what a receiver could understand in two ways is a Violation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Fields = tuple[tuple[bytes, bytes], ...]

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\x20-\x7e\t\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_REQUEST = re.compile(rb"([A-Z]+) ((?:/|\*\Z)[\x21-\x22\x24-\x7e]*|\*) HTTP/1\.1")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) [\x20-\x7e]*")


class Violation(Exception):
    """Bytes that no correct sender sends."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the origin reads it."""

    method: bytes
    target: bytes
    fields: Fields
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        return [value for found, value in self.fields if found == name]


@dataclass(frozen=True, slots=True)
class Answered:
    """One response as the client reads it; `whole` is False where its body broke off."""

    status: int
    fields: Fields
    body: bytes
    whole: bool


def read_request(data: bytes) -> tuple[Seen, bytes] | None:
    """The first request and what follows it; None while it is not whole."""
    head, mark, rest = data.partition(b"\r\n\r\n")
    if not mark:
        return None
    line, _, lines = head.partition(b"\r\n")
    found = _REQUEST.fullmatch(line)
    if found is None:
        raise Violation(line)
    fields = _fields(lines)
    if len(_values(fields, b"host")) != 1:
        raise Violation("Host")
    parted = _body(fields, rest)
    if parted is None:
        return None
    body, rest = parted
    return Seen(found[1], found[2], fields, body), rest


def read_responses(data: bytes, methods: list[bytes]) -> list[Answered]:
    """Every response in what one connection sent; `methods` asked for them, in order.

    The last may be cut short; interim ones (1xx) are left out.
    """
    answered: list[Answered] = []
    while data:
        head, mark, data = data.partition(b"\r\n\r\n")
        line, _, lines = head.partition(b"\r\n")
        found = _STATUS.fullmatch(line)
        if not mark or found is None:
            raise Violation(head[:200])
        status, fields = int(found[1]), _fields(lines)
        if status < 200:
            continue
        method = methods[len(answered)] if len(answered) < len(methods) else b"GET"
        if method == b"HEAD" or status in (204, 304):
            answered.append(Answered(status, fields, b"", True))
            continue
        parted = _body(fields, data)
        if parted is None:
            return [*answered, Answered(status, fields, data, False)]
        answered.append(Answered(status, fields, parted[0], True))
        data = parted[1]
    return answered


def _values(fields: Fields, name: bytes) -> list[bytes]:
    return [value for found, value in fields if found == name]


def _fields(lines: bytes) -> Fields:
    found = []
    for line in lines.split(b"\r\n") if lines else []:
        name, colon, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not colon or _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise Violation(line)
        found.append((name.lower(), value))
    return tuple(found)


def _body(fields: Fields, data: bytes) -> tuple[bytes, bytes] | None:
    codings = _values(fields, b"transfer-encoding")
    lengths = _values(fields, b"content-length")
    if len(codings) + len(lengths) > 1:
        raise Violation("framed twice")
    if codings:
        if codings != [b"chunked"]:
            raise Violation(codings[0])
        return _chunks(data)
    if lengths and re.fullmatch(rb"0|[1-9][0-9]*", lengths[0]) is None:
        raise Violation(lengths[0])
    length = int(lengths[0]) if lengths else 0
    return None if len(data) < length else (data[:length], data[length:])


def _chunks(data: bytes) -> tuple[bytes, bytes] | None:
    body = b""
    while True:
        line, mark, data = data.partition(b"\r\n")
        if not mark:
            return None
        if re.fullmatch(rb"[0-9A-Fa-f]+", line) is None:
            raise Violation(line)  # an extension is none of ours
        size = int(line, 16)
        if len(data) < size + 2:
            return None
        if data[size : size + 2] != b"\r\n":
            raise Violation(data[size : size + 2])  # a trailer, too, is none of ours
        body, data = body + data[:size], data[size + 2 :]
        if size == 0:
            return body, data
