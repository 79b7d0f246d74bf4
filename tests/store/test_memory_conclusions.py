"""What is concluded from entries that are met: kept for those in use, under one configuration."""

from __future__ import annotations

from edgecache.store.entry import Entry
from edgecache.store.memory import COOLED_AT_ONCE, MemoryStore
from tests.rules.pieces import NOW, answer

SMALL = 4_096


def test_what_was_concluded_for_another_configuration_is_let_go_a_part_at_a_time() -> None:
    store = MemoryStore(COOLED_AT_ONCE * SMALL, warm_max=COOLED_AT_ONCE + 1)
    for number in range(COOLED_AT_ONCE + 1):
        store.put(Entry(b"%d" % number, answer(200), b""))
        store.get(b"%d" % number, ())
    store.tick(NOW)
    assert sum(one.unpacked is not None for one in store) == COOLED_AT_ONCE + 1
    store.cool_down()
    store.tick(NOW)
    assert sum(one.unpacked is not None for one in store) == 1
    store.tick(NOW)
    assert not any(one.unpacked is not None for one in store)
    store.check()
