"""The reserve of a tier, alone: what is written, what is found, and what is never believed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from edgecache.http.message import Fields, Response
from edgecache.observe.counters import Counters
from edgecache.rules.invalidation.items import items_of
from edgecache.store.entry import DiskBody, Entry
from edgecache.store.invalidation import Invalidation, InvalidationState
from edgecache.store.reserve import store as reserve_store
from edgecache.store.reserve.sealed_object import (
    ReserveHead,
    entry_head,
    object_name,
    seal_key,
    seal_object,
)
from edgecache.store.reserve.store import ReserveEnvironment, ReserveStore
from tests.store.reserve.held_bucket import PAIR, HeldBucket, at_once
from tests.world.clock import START, FakeClock, FakeLoop

KEY = b"2:E12:/a"
OTHER = b"2:E12:/b"
BODY = b"body" * 100
SECRET = seal_key(PAIR.secret_access_key)


def entry(key: bytes = KEY, body: bytes = BODY, fields: Fields = (), **more: Any) -> Entry:
    made = Entry(key, Response(200, b"OK", fields, START, START), body, more.pop("selected", ()))
    made.expires_at = START + 1_000
    for name, value in more.items():
        setattr(made, name, value)
    return made


class Stand:
    """A reserve on a loop moved by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.loop = FakeLoop(self.clock)
        asyncio.set_event_loop(self.loop)
        self.bucket = HeldBucket()
        self.counters = Counters()
        self.marks = InvalidationState()
        self.store = self.made()

    def made(self) -> ReserveStore:
        return ReserveStore(
            self.bucket.settings,
            self.bucket,
            ReserveEnvironment(
                self.clock,
                self.loop.create_task,
                at_once,
                lambda count: b"g" * count,
                self.counters,
                self.marks,
                self.bucket.account,
            ),
        )

    def find(self, key: bytes = KEY, fields: Fields = ()) -> Entry | None:
        task = self.loop.create_task(self.store.find(key, fields))
        self.loop.settle()
        return task.result()

    def put(self, *entries: Entry) -> None:
        for one in entries:
            self.store.put(one)
        self.loop.settle()

    def plant(self, data: bytes, key: bytes = KEY) -> None:
        """Somebody writes to the bucket."""
        self.bucket.objects[object_name(key)] = data

    def sealed(self, made: Entry, name: str = "", secret: bytes = SECRET) -> bytes:
        mark = self.marks.spell(0)
        head = entry_head(name or object_name(KEY), START, made, made.body, mark)
        return seal_object(head, made.body, secret)


@pytest.fixture
def stand() -> Iterator[Stand]:
    made = Stand()
    yield made
    made.bucket.let_go()
    made.loop.run_until_complete(made.store.close())
    made.bucket.account.check()
    made.loop.close()
    asyncio.set_event_loop(None)


def test_what_was_put_is_found_by_another_process(stand: Stand) -> None:
    stand.put(entry(tags=(b"t",)))
    stand.store = stand.made()
    found = stand.find()
    assert found is not None
    assert (found.key, found.body, found.tags) == (KEY, BODY, (b"t",))
    assert stand.find(OTHER) is None
    assert (stand.counters.reserve_hits, stand.counters.reserve_misses) == (1, 1)


HOSTILE = {
    "garbage": lambda stand: b"\x00" * 1_000,
    "nothing": lambda stand: b"",
    "a page": lambda stand: b"<html>smuggled</html>",
    "another's seal": lambda stand: stand.sealed(entry(), secret=seal_key("another's")),
    "a smuggled field": lambda stand: stand.sealed(entry(fields=((b"server", b"a"),))).replace(
        b"server", b"sarver"
    ),
    "another body": lambda stand: stand.sealed(entry())[: -len(BODY)] + b"BODY" * 100,
    "cut": lambda stand: stand.sealed(entry())[:-1],
    "longer": lambda stand: stand.sealed(entry()) + b"x",
    "another name": lambda stand: stand.sealed(entry(), name=object_name(OTHER)),
    "another key": lambda stand: stand.sealed(entry(OTHER)),
    "another release": lambda stand: stand.sealed(entry(KEY + b"release1;1:2")),
    "a list of itself": lambda stand: seal_object(
        ReserveHead(object_name(KEY), START, None, b"", (), b"g"), b"", SECRET
    ),
}


@pytest.mark.parametrize("planted", HOSTILE.values(), ids=HOSTILE)
def test_what_others_wrote_is_not_served(stand: Stand, planted: Any) -> None:
    stand.plant(planted(stand))
    assert stand.find() is None
    assert stand.counters.reserve_hits == 0
    stand.put(entry())  # and is replaced by the next one that is fetched
    assert stand.find() is not None


def test_a_variant_copied_over_another_is_not_served(stand: Stand) -> None:
    german, french = (entry(selected=((b"accept-language", one),)) for one in (b"de", b"fr"))
    stand.put(german, french)
    listed = object_name(KEY)
    names = [name for name in stand.bucket.objects if name != listed]
    first, second = (stand.bucket.objects[name] for name in names)
    stand.bucket.objects.update({names[0]: second, names[1]: first})
    assert stand.find(fields=((b"accept-language", b"de"),)) is None
    assert stand.counters.reserve_rejected["misplaced"] == 1


def test_a_removal_takes_all_variants_along(stand: Stand) -> None:
    """What is written later is under names of another generation."""
    variants = [entry(selected=((b"accept-language", one),)) for one in (b"de", b"fr")]
    stand.put(*variants)
    stand.store.remove(KEY)
    stand.loop.settle()
    drawn = iter(b"hijk")
    object.__setattr__(stand.store._world, "random", lambda count: bytes([next(drawn)]) * count)
    stand.clock.now += 1
    stand.put(variants[0])
    assert stand.find(fields=((b"accept-language", b"de"),)) is not None
    assert stand.find(fields=((b"accept-language", b"fr"),)) is None


@pytest.mark.parametrize(
    "refused",
    [
        entry(fields=((b"set-cookie", b"a=b"),)),
        entry(selected=((b"*", None),)),
        entry(expires_at=START + 10),
        entry(expires_at=0.0),
    ],
    ids=["a cookie", "vary any", "hardly fresh", "never assessed"],
)
def test_what_is_not_admitted_is_not_written(stand: Stand, refused: Entry) -> None:
    stand.put(refused)
    assert not stand.bucket.objects


def test_a_body_on_disk_is_read_from_there(stand: Stand) -> None:
    pieces = {0: b"x" * (1 << 20), 1: b"y"}

    async def read(_stored: DiskBody, number: int) -> bytes | None:
        return pieces.get(number)

    large = entry(body=b"")
    large.stored = DiskBody(1, (1 << 20) + 1, (), read)
    stand.put(large)
    found = stand.find()
    assert found is not None
    assert found.body == pieces[0] + pieces[1]
    del pieces[1]  # the disk has let go of it
    gone = entry(OTHER, b"")
    gone.stored = large.stored
    stand.put(gone)
    assert stand.find(OTHER) is None
    assert stand.counters.reserve_dropped == 1


def test_a_change_of_its_key_voids_a_look(stand: Stand) -> None:
    stand.put(entry())
    stand.bucket.holding = True
    look = stand.loop.create_task(stand.store.find(KEY, ()))
    stand.loop.settle()
    stand.store.put(entry(body=b"newer" * 30))
    stand.bucket.let_go()
    stand.loop.settle()
    assert look.result() is None


def test_looks_are_bounded(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reserve_store, "LOOKS_MAX", 1)
    stand.bucket.holding = True
    look = stand.loop.create_task(stand.store.find(KEY, ()))
    stand.loop.settle()
    assert stand.find(OTHER) is None
    assert len(stand.bucket.asked) == 1
    stand.bucket.let_go()
    stand.loop.settle()
    assert look.result() is None


def test_a_mark_is_kept_and_compared(stand: Stand) -> None:
    stand.marks.apply(Invalidation(1, START, "E1", items_of(["/other"])))
    made = entry()
    made.mark = 1
    stand.put(made)
    stand.marks.apply(Invalidation(2, START, "E1", items_of(["/other"])))
    found = stand.find()
    assert found is not None
    assert found.mark == 2, "checked against what came since"
    stand.marks.apply(Invalidation(3, START, "E1", items_of(["/a"])))
    assert stand.find() is None
    assert stand.counters.reserve_rejected["invalidated"] == 1
    assert stand.bucket.objects, "nothing is removed for it"


def test_an_upload_that_is_cut_off_by_the_end_leaves_nothing(stand: Stand) -> None:
    stand.bucket.holding = True
    stand.put(entry())
    end = stand.loop.create_task(stand.store.close())
    stand.loop.settle()
    stand.clock.now += reserve_store.DRAIN_S_MAX + 0.1
    stand.loop.settle()
    assert end.done()
    assert not stand.bucket.objects
