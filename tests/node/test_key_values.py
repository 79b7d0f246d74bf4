"""Stores that a node holds: fetched when a function needs them, followed, and never half known."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import httpx
import msgspec
import pytest

from edgecache.cluster.log_entries import (
    KeyValueChange,
    KeyValueContent,
    LogEntry,
    LogEntryKind,
)
from edgecache.config.functions import FunctionConfig
from edgecache.config.key_value_stores import KeyValueStoreConfig
from edgecache.config.model import Config
from edgecache.node.key_values import KeyValueFollower
from edgecache.node.log_follower import EntryNotAppliedError
from edgecache.store.key_values import ITEM_BYTES, KeyValueStore

T = TypeVar("T")


def reading(*ids: str) -> Config:
    functions = tuple(FunctionConfig(name=f"f{id}", code="x", key_value_stores=(id,)) for id in ids)
    return Config(functions=functions)


class Control:
    """Control's contents by store, and what it was asked."""

    def __init__(self, **contents: KeyValueContent) -> None:
        self.contents = contents
        self.asked: list[str] = []
        self.status = 200

    async def ask(self, target: str, _fields: Mapping[str, str]) -> httpx.Response | None:
        self.asked.append(target)
        if not self.status:
            return None
        id = httpx.URL(target).path.rpartition("/")[2]
        content = self.contents.get(id)
        if self.status != 200 or content is None:
            return httpx.Response(self.status if self.status != 200 else 404)
        return httpx.Response(200, content=msgspec.json.encode(content))


def content(version: int, **items: str) -> KeyValueContent:
    return KeyValueContent("s", version, 1.0, 2.0, items)


def change(seq: int, before: int = 0, **more: Any) -> LogEntry:
    body = KeyValueChange("s", before, **more)
    return LogEntry(seq, 9.0, LogEntryKind.KEY_VALUES, msgspec.to_builtins(body))


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def held(follower: KeyValueFollower, id: str = "s") -> KeyValueStore:
    found = follower.stores.get(id)
    assert found is not None
    return found


@pytest.fixture
def control() -> Control:
    return Control(s=content(5, a="1"))


@pytest.fixture
def follower(control: Control) -> KeyValueFollower:
    made = KeyValueFollower(control.ask)
    run(made.use(reading("s"), 7))
    made.settle()
    return made


def test_what_functions_read_is_fetched_once(control: Control, follower: KeyValueFollower) -> None:
    assert control.asked == ["/key-value-contents/s?after=7"]
    store = held(follower)
    assert (store.get("a"), store.exists("a"), store.exists("b")) == ("1", True, False)
    assert store.meta() == (1.0, 2.0, 1)
    run(follower.use(reading("s"), 8))
    assert len(control.asked) == 1


def test_a_change_from_the_version_that_is_held_needs_no_question(
    control: Control, follower: KeyValueFollower
) -> None:
    sizes: list[int] = []
    follower.on_size = sizes.append
    run(follower.apply(change(8, 5, puts={"b": "22"}, deletes=("a",))))
    store = held(follower)
    assert (store.get("a"), store.get("b"), store.version) == (None, "22", 8)
    assert store.meta() == (1.0, 9.0, 1)
    assert sizes == [ITEM_BYTES + 3]
    assert len(control.asked) == 1


def test_a_change_from_another_version_is_fetched_whole(
    control: Control, follower: KeyValueFollower
) -> None:
    for entry in (change(9, 8, puts={"b": "2"}), change(12, whole=True)):
        control.contents["s"] = content(entry.seq, c=str(entry.seq))
        run(follower.apply(entry))
        assert control.asked[-1] == f"/key-value-contents/s?after={entry.seq}"
        assert held(follower).get("c") == str(entry.seq)


def test_what_was_fetched_since_is_not_applied_again(
    control: Control, follower: KeyValueFollower
) -> None:
    for seq in (4, 5):
        run(follower.apply(change(seq, 3, puts={"a": "old"})))
    assert held(follower).get("a") == "1"
    assert len(control.asked) == 1


@pytest.mark.parametrize("status", [0, 503, 401])
def test_a_number_is_not_applied_while_control_gives_nothing(
    control: Control, follower: KeyValueFollower, status: int
) -> None:
    control.status = status
    with pytest.raises(EntryNotAppliedError, match="key value store s"):
        run(follower.apply(change(9, whole=True)))
    assert held(follower).get("a") == "1"
    with pytest.raises(EntryNotAppliedError):
        run(follower.use(reading("s", "t"), 9))
    control.status = 200
    run(follower.use(reading("s", "t"), 9))
    assert follower.stores.get("t") is None  # there is none: functions that read it fail


def test_what_no_function_reads_is_not_held(control: Control, follower: KeyValueFollower) -> None:
    run(follower.use(Config(), 9))
    assert follower.stores.get("s") is not None  # until the configuration is in force
    follower.settle()
    assert follower.stores.get("s") is None
    run(follower.apply(change(10, whole=True)))
    assert len(control.asked) == 1
    assert follower.stores.size_bytes == 0


def test_of_another_log_everything_is_fetched_anew(
    control: Control, follower: KeyValueFollower
) -> None:
    control.contents["s"] = content(2, a="restored")
    follower.begin()
    assert held(follower).get("a") == "1"  # what is held serves until then
    run(follower.use(reading("s"), 3))
    assert (held(follower).get("a"), held(follower).version) == ("restored", 2)


def test_a_file_says_what_is_held_until_control_is_heard(control: Control) -> None:
    config = Config(key_value_stores=(KeyValueStoreConfig(id="s", name="s", items={"a": "file"}),))
    alone = KeyValueFollower(None)
    alone.use_file(config, 3.0)
    assert held(alone).get("a") == "file"
    assert held(alone).meta() == (3.0, 3.0, 1)
    follower = KeyValueFollower(control.ask)
    follower.use_file(config, 3.0)
    run(follower.use(reading("s"), 7))
    assert held(follower).get("a") == "1"
