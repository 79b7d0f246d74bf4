"""Sealed objects: an entry and its body as one object of a store, and the names of objects.

Law: what was not written by who holds the key pair, whole and for this very name, is not there.

    magic (20 bytes) | length of the head (4) | seal of the head (32) | head | body

The head is MessagePack: the object's name, when it was written, the entry (status, fields as
received, times, values of Vary, mark of invalidations, tags) and the SHA-256 of the body. It stands
in front of the body and not in the metadata, since S3 takes 2 KB of those ("Working with object
metadata") and a head has up to `limits.response_head_bytes_max`, as bytes that no field of HTTP
could carry; and one GET brings both, of one version. The seal is HMAC-SHA-256 by a key made of the
secret access key: others who may write to the bucket cannot make it.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum
from typing import NamedTuple

import msgspec

from edgecache.http.message import Fields, combined_value
from edgecache.rules.caching.vary import GIVEN_LANGUAGE, Selected, normalized
from edgecache.store.disk.record import EntryRecord, entry_of, record_of
from edgecache.store.entry import Entry

MAGIC = b"edgecache reserve 1\n"
SEAL_BYTES = 32
HEAD_AT = len(MAGIC) + 4 + SEAL_BYTES
HEAD_BYTES_MAX = 2 * 1024 * 1024  # twice the most that `limits.response_head_bytes_max` admits
GENERATION_BYTES = 16
_PURPOSE = b"edgecache reserve 1"


class Rejection(StrEnum):
    """Why an object is not used. The word goes to the counter."""

    FOREIGN = "foreign"  # not of this form, or sealed by somebody else
    MISPLACED = "misplaced"  # written for another name or key
    TRUNCATED = "truncated"  # its body is not as long as it was
    DAMAGED = "damaged"  # its body is another one
    OUTDATED = "outdated"  # older than the retention, or than a removal
    INVALIDATED = "invalidated"
    UNJUDGED = "unjudged"  # of another log of invalidations, or from before what ours tells


class ReserveHead(msgspec.Struct, array_like=True, frozen=True):
    """The sealed part of an object: an entry, or the list of what variants under a key differ by.

    Of a list `names` are the request fields, and `generation` is in the names of the variants.
    """

    name: str
    written_at: float  # epoch seconds
    entry: EntryRecord | None
    body_sha256: bytes = b""
    names: tuple[bytes, ...] = ()
    generation: bytes = b""


class OpenedObject(NamedTuple):
    """An object whose seal and body are right."""

    head: ReserveHead
    body: bytes

    def entry(self) -> Entry:
        """The entry, but for its mark."""
        assert self.head.entry is not None
        return entry_of(self.head.entry, self.body)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ReserveHead).decode


def seal_key(secret_access_key: str) -> bytes:
    """The key that seals objects of who has this secret."""
    return hmac.digest(secret_access_key.encode(), _PURPOSE, "sha256")


def entry_head(name: str, written_at: float, entry: Entry, body: bytes, mark: bytes) -> ReserveHead:
    """The head of an entry with this body, whose mark is spelled so."""
    record = msgspec.structs.replace(record_of(entry, mark), length=len(body), sums=())
    return ReserveHead(name, written_at, record, hashlib.sha256(body).digest())


def seal_object(head: ReserveHead, body: bytes, key: bytes) -> bytes:
    """The object of a head and its body."""
    data = _encode(head)
    seal = hmac.digest(key, data, "sha256")
    return b"".join((MAGIC, len(data).to_bytes(4, "big"), seal, data, body))


def open_object(data: bytes, name: str, key: bytes) -> OpenedObject | Rejection:
    """What an object of this name holds. Nothing in it is read before its seal is found right."""
    length = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "big")
    if not data.startswith(MAGIC) or length > HEAD_BYTES_MAX:
        return Rejection.FOREIGN
    packed, body = data[HEAD_AT : HEAD_AT + length], data[HEAD_AT + length :]
    made = hmac.digest(key, packed, "sha256")
    if not hmac.compare_digest(made, data[HEAD_AT - SEAL_BYTES : HEAD_AT]):
        return Rejection.FOREIGN
    try:
        head = _decode(packed)
    except msgspec.MsgspecError:
        return Rejection.FOREIGN  # of another version of this program
    if head.name != name:
        return Rejection.MISPLACED
    if len(body) != (head.entry.length if head.entry is not None else 0):
        return Rejection.TRUNCATED
    if head.entry is not None and hashlib.sha256(body).digest() != head.body_sha256:
        return Rejection.DAMAGED
    return OpenedObject(head, body)


def object_name(key: bytes) -> str:
    """The name of what is stored under a cache key, which has the release in it."""
    return _name(key)


def variant_name(key: bytes, generation: bytes, selection: Selected) -> str:
    """The name of one of several variants under a key."""
    return _name(_encode((key, generation, selection)))


def selection_names(selected: Selected) -> tuple[bytes, ...]:
    """The request fields that a variant was chosen by."""
    return tuple(name for name, _ in selected if name != GIVEN_LANGUAGE)


def selection_of(names: tuple[bytes, ...], request_fields: Fields) -> Selected:
    """What a request says in these fields, as variants have it."""
    return tuple((name, normalized(name, combined_value(request_fields, name))) for name in names)


def _name(of: bytes) -> str:
    digest = hashlib.sha256(of).hexdigest()
    return f"{digest[:2]}/{digest}"
