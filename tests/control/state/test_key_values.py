"""What key value stores hold, in each database: versions, changes, pages, the file's own."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from edgecache.cluster.log_entries import KeyValueChange, LogEntry, LogEntryKind
from edgecache.config.key_value_stores import KeyValueStoreConfig
from edgecache.control.state.database import Authorship, StateDatabase
from edgecache.control.state.key_values import CHANGES_KEPT_S, KeyValueFacts, KeyValues
from edgecache.control.state.live_log import CHANGES_BYTES_MAX, CHANGES_MAX, LiveVersions
from edgecache.control.state.log import ControlLog
from tests.control.conftest import Opener

BY = Authorship("somebody", "PutKey r")


class World:
    """A state whose clock stands still."""

    def __init__(self, opened: Opener) -> None:
        self.opened = opened
        self.now = 100.0
        self.state: StateDatabase = opened()
        self.begin()

    def begin(self) -> None:
        self.log = ControlLog(self.state, lambda: self.now)
        self.values = KeyValues(self.state, self.log)

    def create(self, id: str = "s", **items: str) -> KeyValueFacts:
        with self.state.writing():
            return self.values.create(id, items, self.now, BY)

    def update(self, facts: KeyValueFacts, *deletes: str, **puts: str) -> KeyValueFacts:
        with self.state.writing():
            return self.values.update(facts, puts, deletes, self.now, BY)

    def told(self, after: int = 0) -> list[tuple[int, KeyValueChange]]:
        page = self.log.live.after(after)
        assert page.upto == page.last_seq
        return [(one.seq, msgspec.convert(one.body, KeyValueChange)) for one in page.entries]

    def kept(self) -> list[int]:
        rows = self.state.execute("SELECT seq FROM log WHERE kind = 'key-values' ORDER BY seq")
        return [seq for (seq,) in rows]


@pytest.fixture
def world(opened: Opener) -> Iterator[World]:
    made = World(opened)
    yield made
    made.state.close()


def test_a_change_is_a_version_that_leads_from_the_one_before(world: World) -> None:
    first = world.create(a="1", b="2")
    second = world.update(first, "b", "absent", a="3", c="ü")
    assert world.values.facts("s") == second
    assert (second.items, second.bytes) == (2, len("a3cü".encode()))
    assert second.version > first.version
    assert world.values.etag(first) != world.values.etag(second)
    content = world.values.content("s")
    assert content is not None
    assert (content.version, content.items) == (second.version, {"a": "3", "c": "ü"})
    change = KeyValueChange("s", first.version, {"a": "3", "c": "ü"}, ("absent", "b"))
    assert world.told(first.version) == [(second.version, change)]
    assert world.values.value("s", "b") is None


def test_what_raises_writes_nothing(world: World) -> None:
    first = world.create(a="1")

    def update_and_fail() -> None:
        with world.state.writing():
            world.values.update(first, {"a": "2"}, (), world.now, BY)
            raise LookupError

    with pytest.raises(LookupError):
        update_and_fail()
    assert world.values.facts("s") == first
    assert world.values.value("s", "a") == "1"
    assert [seq for seq, _ in world.told()] == [first.version]


def test_pages_are_in_the_order_of_bytes(world: World) -> None:
    keys = ["Z", "a", "ab", "é", "\U0001f600"]
    world.create(**dict.fromkeys(reversed(keys), "x"))
    assert [key for key, _ in world.values.page("s", "", 10)] == keys
    assert [key for key, _ in world.values.page("s", "a", 2)] == ["ab", "é"]


def test_many_items_are_put_at_once(world: World) -> None:
    items = {f"{number:05}": str(number) for number in range(1_001)}
    world.create(**items)
    content = world.values.content("s")
    assert content is not None
    assert content.items == items


def test_a_store_without_items_has_content_and_another_none(world: World) -> None:
    world.create()
    content = world.values.content("s")
    assert content is not None
    assert content.items == {}
    assert world.values.content("other") is None


def test_former_changes_leave_the_log_and_the_newest_stays(world: World) -> None:
    of_one = world.update(world.create("s", a="1"), a="2")
    world.now += CHANGES_KEPT_S + 1
    other = world.create("t")
    assert world.kept() == [of_one.version, other.version]
    with world.state.writing():
        world.values.remove("s", BY)
    world.now += CHANGES_KEPT_S + 1
    newest = world.update(other, b="1")
    assert world.kept() == [other.version, newest.version]  # its own is of before this one


def test_a_control_that_starts_tells_the_newest_of_each_store(world: World) -> None:
    facts = world.create("s", a="1")
    newest = world.update(facts, a="2")
    other = world.create("t")
    world.begin()
    assert [seq for seq, _ in world.told()][-2:] == [newest.version, other.version]


def test_what_the_file_declares_is_held_and_nothing_more(world: World) -> None:
    one = KeyValueStoreConfig(id="f", name="f", items={"a": "1"})
    made = world.create("api", a="1")
    for stores, expected in (([one], {"a": "1"}), ([one], {"a": "1"}), ([], None)):
        with world.state.writing():
            world.values.follow_file(stores, world.now)
        content = world.values.content("f")
        assert (content and content.items) == expected
    assert world.values.facts("api") == made
    kinds = [change for _, change in world.told() if change.store == "f"]
    assert kinds == []  # gone: nothing is told of it any more


def test_what_the_file_declares_anew_is_another_version(world: World) -> None:
    versions = []
    for value in ("1", "1", "2"):
        one = KeyValueStoreConfig(id="f", name="f", items={"a": value})
        with world.state.writing():
            world.values.follow_file([one], world.now)
        facts = world.values.facts("f")
        assert facts is not None
        versions.append(facts.version)
    assert versions[0] == versions[1] < versions[2]


def entry(seq: int, store: str = "s", **body: object) -> LogEntry:
    return LogEntry(seq, 0.0, LogEntryKind.KEY_VALUES, {"store": store, **body})


def seqs(live: LiveVersions, after: int = 0) -> list[int]:
    return [one.seq for one, _ in live.after(after)]


def test_so_many_changes_of_a_store_are_told_and_others_stay() -> None:
    live = LiveVersions("store")
    live.append(entry(1, "t"), 10)
    for seq in range(2, 2 + 3 * CHANGES_MAX):
        live.append(entry(seq), 10)
    last = 1 + 3 * CHANGES_MAX
    assert seqs(live) == [1, *range(last - CHANGES_MAX + 1, last + 1)]
    assert seqs(live, last - 1) == [last]


def test_large_changes_are_told_but_the_newest_alone() -> None:
    live = LiveVersions("store")
    for seq in (1, 2, 3):
        live.append(entry(seq), CHANGES_BYTES_MAX)
    assert seqs(live) == [2, 3]
    live.append(entry(4, whole=True), 10)
    assert seqs(live) == [4]
    live.append(entry(5, gone=True), 10)
    assert seqs(live) == []
