"""Disk records: an entry as bytes with its checksum.

Law: what does not agree with its checksum is not there.

XXH3, 64 bits: 20 µs a MiB where zlib's crc32 takes 370 (docs/decisions/010). It guards against
torn writes and decay, not against who can write to the folder.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import xxhash

from edgecache.http.message import Response
from edgecache.rules.caching.slices import SliceLayout
from edgecache.rules.caching.stored_parts import StoredPart
from edgecache.rules.caching.vary import Selected
from edgecache.store.entry import DiskBody, Entry

PIECE_BYTES = 1024 * 1024  # of a body: what is read and checked at once
SUM_BYTES = 8


class EntryRecord(msgspec.Struct, array_like=True, frozen=True):
    """All of an entry but its body, of which it has the length and a checksum for each piece."""

    key: bytes
    status: int
    reason: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    requested_at: float
    received_at: float
    selected: Selected
    part: tuple[int, int, int | None] | None
    length: int
    sums: tuple[int, ...]
    mark: bytes  # by InvalidationState.spell: the lowest truth; a walk raises all rows' at once
    tags: tuple[bytes, ...]
    stale_from: float | None
    blocks: tuple[int, int] | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(EntryRecord).decode


def record_of(entry: Entry, mark: bytes) -> EntryRecord:
    """What is kept of `entry`, whose mark is spelled so, beside its body."""
    head, part = entry.head, entry.part
    return EntryRecord(
        entry.key,
        head.status,
        head.reason,
        head.fields,
        head.requested_at,
        head.received_at,
        entry.selected,
        None if part is None else (part.first, part.length, part.total),
        len(entry.body),
        tuple(checksum(piece) for piece in pieces(entry.body)),
        mark,
        entry.tags,
        entry.stale_from,
        None if entry.blocks is None else (entry.blocks.total, entry.blocks.size),
    )


def record_on_body(record: EntryRecord, entry: Entry, mark: bytes) -> EntryRecord:
    """The record of `entry`, which comes without its body, with the body of another."""
    new = record_of(entry, mark)
    return msgspec.structs.replace(new, length=record.length, sums=record.sums)


def entry_of(record: EntryRecord, body: bytes) -> Entry:
    """The entry a record and its body were made of, but for its mark."""
    head = Response(
        record.status, record.reason, record.fields, record.requested_at, record.received_at
    )
    part = None if record.part is None else StoredPart(*record.part)
    entry = Entry(record.key, head, body, record.selected, part, tags=record.tags)
    entry.stale_from = record.stale_from
    entry.blocks = None if record.blocks is None else SliceLayout(*record.blocks)
    return entry


def seal(record: EntryRecord) -> bytes:
    """A record as bytes, its own checksum in front."""
    data = _encode(record)
    return checksum(data).to_bytes(SUM_BYTES, "big") + data


def unseal(data: bytes) -> EntryRecord | None:
    """The record these bytes are; None when they are not as they were written."""
    told, rest = data[:SUM_BYTES], data[SUM_BYTES:]
    if checksum(rest).to_bytes(SUM_BYTES, "big") != told:
        return None
    try:
        return _decode(rest)
    except msgspec.MsgspecError:
        return None  # of another version of this program


def pieces(body: bytes) -> Iterator[memoryview]:
    """The pieces of a body that are checked apart."""
    view = memoryview(body)
    for start in range(0, len(body), PIECE_BYTES):
        yield view[start : start + PIECE_BYTES]


def checksum(data: bytes | memoryview) -> int:
    """XXH3-64."""
    return xxhash.xxh3_64_intdigest(data)


def is_intact(stored: DiskBody, number: int, piece: bytes) -> bool:
    """Whether `piece` is that piece of a body, whole and unchanged."""
    length = min(PIECE_BYTES, stored.length - number * PIECE_BYTES)
    return len(piece) == length and checksum(piece) == stored.sums[number]
