"""Requests and responses as values. Law: a message is never changed, only replaced.

Names of fields are lower case; values carry no white space around them; order is as received.
A body is not part of these: it is read elsewhere, once.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

Fields = tuple[tuple[bytes, bytes], ...]


class Request(Struct, frozen=True):
    """A request's head as a viewer (or another tier) sent it.

    `path` and `query` are the raw bytes between method and version, split at the first `?`;
    `query` is None when there is no `?`, and empty when nothing follows it.
    """

    method: bytes
    path: bytes
    query: bytes | None
    fields: Fields
    host: bytes = b""  # lower case, without port and final dot; empty when HTTP/1.0 sent none
    scheme: bytes = b"http"
    minor: int = 1  # HTTP/1.minor
    length: int | None = 0  # bytes of body that follow; None: chunked
    client: tuple[str, int] = ("", 0)  # the TCP peer, for logs and X-Forwarded-For
    tls: bytes = b""  # `version:cipher:handshake` of the viewer's connection; empty without TLS
    id: bytes = b""  # ours for it, X-Amz-Cf-Id; empty before it is given one
    mark: int = 0  # of the tier that asks: the newest invalidation it knew; see store.marks
    release: bytes | None = None  # the release it asks for; None: what our own table says
    of_tier: bool = False  # a tier of ours asks, to keep what it is told; no viewer

    @property
    def target(self) -> bytes:
        """Path and query as received (RFC 9112 §3.2.1, origin-form)."""
        return self.path if self.query is None else self.path + b"?" + self.query

    @property
    def has_body(self) -> bool:
        return self.length != 0


class Response(Struct, frozen=True):
    """A final response's head, and when it was asked for and received (epoch seconds)."""

    status: int
    reason: bytes
    fields: Fields
    requested_at: float = 0.0
    received_at: float = 0.0


REMEMBERED_BYTES_MAX = 4_096  # of what is concluded from fields: a browser's with its cookies
REMEMBERED_FIELDS_MAX = 32  # browsers send 15 to 20; each takes 130 bytes beside its own


def is_short(fields: Fields, bytes_max: int = REMEMBERED_BYTES_MAX) -> bool:
    """Whether what is concluded from these may be remembered: strangers choose them."""
    size = sum([len(name) + len(value) for name, value in fields])
    return size <= bytes_max and len(fields) <= REMEMBERED_FIELDS_MAX


def names_in(fields: Fields) -> frozenset[bytes]:
    """The names of the fields, for asking often what is not there.

    Made anew: to remember it only for fields that are short costs more than to make it.
    """
    return frozenset([name for name, _ in fields])


def field_values(fields: Fields, name: bytes) -> list[bytes]:
    """Every value of `name` (lower case), in order."""
    return [value for key, value in fields if key == name]


def first_value(fields: Fields, name: bytes) -> bytes | None:
    """The first value of `name` (lower case), or None."""
    for key, value in fields:
        if key == name:
            return value
    return None


def combined_value(fields: Fields, name: bytes) -> bytes | None:
    """All values of a list field joined by a comma (RFC 9110 §5.3), or None when absent."""
    values = field_values(fields, name)
    return b", ".join(values) if values else None


def without(fields: Fields, names: Iterable[bytes]) -> Fields:
    """The fields but those named (lower case)."""
    gone = names if isinstance(names, frozenset) else frozenset(names)
    return tuple([field for field in fields if field[0] not in gone])


def replaced(fields: Fields, name: bytes, value: bytes) -> Fields:
    """The fields with `name` set once, to `value`, at the end."""
    return (*without(fields, (name,)), (name, value))
