"""Writes: RFC 9111 §4.4 for what is under way; bounded, and safe where nothing is known."""

from __future__ import annotations

from edgecache.store.invalidation import UnsafeWrites


def test_what_was_asked_before_a_write_does_not_pass() -> None:
    writes = UnsafeWrites()
    assert writes.passes(b"a", writes.last)
    began = writes.last
    writes.note(b"a")
    assert not writes.passes(b"a", began)
    assert writes.passes(b"b", began)
    assert writes.passes(b"a", writes.last)
    later = writes.last
    writes.note(b"b")
    assert writes.passes(b"a", later)
    assert not writes.passes(b"a", began)


def test_beyond_its_bound_nothing_of_before_passes() -> None:
    writes = UnsafeWrites(keys_max=2)
    for key in (b"a", b"b", b"a", b"c"):
        writes.note(key)
    assert len(writes) == 2
    assert not writes.passes(b"b", 1)  # that b was written is forgotten
    assert not writes.passes(b"d", 1)
    assert writes.passes(b"d", 2)
    assert not writes.passes(b"a", 2)
    assert writes.passes(b"a", 3)
