"""Sealed objects: what was not written by us, whole and for this name, is refused."""

from __future__ import annotations

import hmac

import msgspec
import pytest

from edgecache.http.message import Response
from edgecache.rules.caching.slices import SliceLayout
from edgecache.rules.caching.stored_parts import StoredPart
from edgecache.store.entry import Entry
from edgecache.store.reserve.sealed_object import (
    HEAD_AT,
    HEAD_BYTES_MAX,
    MAGIC,
    OpenedObject,
    Rejection,
    ReserveHead,
    entry_head,
    object_name,
    open_object,
    seal_key,
    seal_object,
    selection_names,
    selection_of,
    variant_name,
)

KEY = b"2:E12:/a"
SECRET = seal_key("a secret")
FIELDS = ((b"etag", b'"1"'), (b"x-odd", b"\xff\x00 a"), (b"x-odd", b"twice"))
BODY = b"body" * 1_000


def entry(**more: object) -> Entry:
    made = Entry(KEY, Response(200, b"OK", FIELDS, 1.5, 2.5), BODY, tags=(b"a",))
    for name, value in more.items():
        setattr(made, name, value)
    return made


def sealed(made: Entry | None = None, name: str = "", secret: bytes = SECRET) -> bytes:
    made = made or entry()
    head = entry_head(name or object_name(KEY), 3.0, made, made.body, b"epoch:7")
    return seal_object(head, made.body, secret)


def opened(data: bytes, name: str = "") -> OpenedObject | Rejection:
    return open_object(data, name or object_name(KEY), SECRET)


def test_an_entry_comes_back_as_it_was() -> None:
    made = entry(stale_from=9.0, selected=((b"accept", b"a"),))
    found = opened(sealed(made))
    assert isinstance(found, OpenedObject)
    again = found.entry()
    assert (again.key, again.head, again.body) == (made.key, made.head, made.body)
    assert (again.selected, again.tags, again.stale_from) == (made.selected, (b"a",), 9.0)
    assert found.head.entry is not None
    assert (found.head.entry.mark, found.head.written_at) == (b"epoch:7", 3.0)


def test_an_object_in_slices_and_a_slice_come_back() -> None:
    whole = Entry(KEY, Response(200, b"", FIELDS), b"")
    whole.blocks = SliceLayout(3_000_000, 1_000_000)
    found = opened(sealed(whole))
    assert isinstance(found, OpenedObject)
    assert found.entry().blocks == whole.blocks
    part = Entry(KEY, Response(206, b"", FIELDS), BODY, (), StoredPart(0, len(BODY), 9_000))
    found = opened(sealed(part))
    assert isinstance(found, OpenedObject)
    assert found.entry().part == part.part


def test_a_list_of_variants_comes_back() -> None:
    head = ReserveHead(object_name(KEY), 3.0, None, b"", (b"accept",), b"g" * 16)
    found = opened(seal_object(head, b"", SECRET))
    assert isinstance(found, OpenedObject)
    assert found.head == head


@pytest.mark.parametrize("cut", [0, 1, len(MAGIC), len(MAGIC) + 3, HEAD_AT - 1, HEAD_AT + 40])
def test_the_start_of_an_object_is_none(cut: int) -> None:
    assert opened(sealed()[:cut]) is Rejection.FOREIGN


def test_a_cut_body_is_refused() -> None:
    assert opened(sealed()[:-1]) is Rejection.TRUNCATED
    assert opened(sealed() + b"x") is Rejection.TRUNCATED


def test_every_changed_byte_is_seen() -> None:
    """Whatever changes, in the head, its seal or the body, it is not used."""
    data = sealed()
    places = [*range(HEAD_AT + 60), *range(HEAD_AT + 60, len(data), 97)]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1
        assert isinstance(opened(bytes(changed)), Rejection), place


def test_who_has_another_secret_writes_nothing_for_us() -> None:
    assert opened(sealed(secret=seal_key("another secret"))) is Rejection.FOREIGN
    assert opened(sealed(secret=b"")) is Rejection.FOREIGN


def test_an_object_of_another_name_is_refused() -> None:
    """Copied by somebody who may write, but not seal."""
    moved = sealed(name=object_name(b"2:E12:/b"))
    assert opened(moved) is Rejection.MISPLACED


def test_a_huge_head_is_not_read() -> None:
    data = MAGIC + (HEAD_BYTES_MAX + 1).to_bytes(4, "big") + bytes(32)
    assert opened(data) is Rejection.FOREIGN


@pytest.mark.parametrize(
    "head",
    [b"", b"\xc1", msgspec.msgpack.encode(["name", 3.0]), msgspec.msgpack.encode({"a": 1})],
    ids=["empty", "no MessagePack", "too short", "a map"],
)
def test_a_head_of_another_version_is_refused(head: bytes) -> None:
    seal = hmac.digest(SECRET, head, "sha256")
    data = MAGIC + len(head).to_bytes(4, "big") + seal + head
    assert opened(data) is Rejection.FOREIGN


def test_another_version_of_the_form_is_refused() -> None:
    assert opened(sealed().replace(b"reserve 1", b"reserve 2", 1)) is Rejection.FOREIGN


def test_names_tell_keys_generations_and_variants_apart() -> None:
    german, french = ((b"accept-language", b"de"),), ((b"accept-language", b"fr"),)
    names = {
        object_name(KEY),
        object_name(KEY + b"7:release1;1:2"),
        variant_name(KEY, b"g", german),
        variant_name(KEY, b"g", french),
        variant_name(KEY, b"h", german),
        variant_name(KEY + b"0", b"g", german),
    }
    assert len(names) == 6
    assert all(len(name) == 67 and name[:2] == name[3:5] for name in names)


def test_a_request_selects_what_was_selected() -> None:
    selected = ((b"accept-encoding", b"gzip"), (b" content-language", b"de"))
    names = selection_names(selected)
    assert names == (b"accept-encoding",)
    assert selection_of(names, ((b"accept-encoding", b"gzip"),)) == selected[:1]
    assert selection_of(names, ()) == ((b"accept-encoding", None),)
