"""The ordered log: numbers, pages, waiting, and configurations published once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from edgecache.cluster.log_entries import LogEntry, LogEntryKind
from edgecache.config.model import (
    Acme,
    Behavior,
    Config,
    Control,
    Distribution,
    Limits,
    Location,
    Origin,
)
from edgecache.control.state.database import StateDatabase
from edgecache.control.state.live_log import PAGE_BYTES_MAX, PAGE_ENTRIES_MAX
from edgecache.control.state.log import CONFIGS_KEPT, ControlLog, publish_config
from edgecache.control.state.sqlite import SqliteDatabase
from tests.control.conftest import Opener

LONG_S = 30.0  # a deadline that is reached only when the test fails


@pytest.fixture
def state(opened: Opener) -> Iterator[StateDatabase]:
    state = opened()
    yield state
    state.close()


@pytest.fixture
def log(state: StateDatabase) -> ControlLog:
    return ControlLog(state, lambda: 7.5)


def config(brand: str = "cloudfront") -> Config:
    origin = Origin(id="o", domain_name="o.test", custom_headers={"x-a": "1"})
    behavior = Behavior(origin="o")
    site = Distribution(id="E1", origins=(origin,), default_behavior=behavior)
    return Config(brand=brand, distributions=(site,))


def test_entries_are_numbered_in_order(log: ControlLog) -> None:
    assert [log.append("invalidation", {"n": n}) for n in range(3)] == [1, 2, 3]
    assert log.live.after(1).entries == [
        LogEntry(2, 7.5, "invalidation", {"n": 1}),
        LogEntry(3, 7.5, "invalidation", {"n": 2}),
    ]
    assert log.live.after(3).entries == []
    assert log.last_seq == 3


def test_a_configuration_that_was_replaced_is_left_out(log: ControlLog) -> None:
    for kind in ("config", "invalidation", "config", "invalidation", "config"):
        log.append(kind, {})
    assert [entry.seq for entry in log.live.after(0).entries] == [2, 4, 5]
    assert [entry.seq for entry in log.live.after(0, limit=2).entries] == [2, 4]
    assert [entry.seq for entry in log.live.after(4).entries] == [5]


def test_an_empty_log_has_no_generation(log: ControlLog) -> None:
    assert (log.last_seq, log.generation, log.newest(LogEntryKind.CONFIG)) == (0, 0, None)


def test_a_page_is_bounded(log: ControlLog) -> None:
    for n in range(PAGE_ENTRIES_MAX + 1):
        log.append("invalidation", {"n": n})
    assert len(log.live.after(0, limit=10**6).entries) == PAGE_ENTRIES_MAX
    assert [entry.seq for entry in log.live.after(0, limit=2).entries] == [1, 2]


def test_entries_survive_another_opening(opened: Opener) -> None:
    first = opened()
    ControlLog(first, lambda: 1.0).append("config", {"a": ["é", 1.5, None]})
    first.close()
    second = opened()
    assert ControlLog(second, lambda: 2.0).live.after(0).entries == [
        LogEntry(1, 1.0, "config", msgspec.Raw('{"a":["é",1.5,null]}'.encode()))
    ]
    second.close()


def test_the_generation_is_that_of_the_newest_configuration(log: ControlLog) -> None:
    log.append("config", {})
    log.append("invalidation", {})
    assert (log.generation, log.last_seq) == (1, 2)


def test_a_configuration_is_published_once(log: ControlLog) -> None:
    assert publish_config(log, config()) == 1
    assert publish_config(log, config()) == 1
    log.append("invalidation", {})
    assert publish_config(log, config("other")) == 3
    assert publish_config(log, config()) == 4  # going back is a change too
    assert log.generation == 4


def test_everyone_who_waits_sees_a_new_entry(log: ControlLog) -> None:
    async def play() -> None:
        waiting = [asyncio.create_task(log.live.wait(0, LONG_S)) for _ in range(3)]
        await turn()
        log.append("config", {})
        for page in await asyncio.gather(*waiting):
            assert [entry.seq for entry in page.entries] == [1]

    asyncio.run(play())


def test_who_has_waited_long_enough_gets_nothing(log: ControlLog) -> None:
    assert asyncio.run(log.live.wait(0, 0.001)).entries == []
    assert asyncio.run(log.live.wait(0, 0)).entries == []


@pytest.mark.parametrize("after", [0, 9])
def test_nobody_waits_for_what_is_there_or_cannot_come(log: ControlLog, after: int) -> None:
    log.append("config", {})
    page = asyncio.run(asyncio.wait_for(log.live.wait(after, LONG_S), LONG_S / 2))
    assert len(page.entries) == (1 if after == 0 else 0)


def test_closing_lets_everyone_go(log: ControlLog) -> None:
    async def play() -> None:
        async with asyncio.timeout(LONG_S / 2):
            waiting = asyncio.create_task(log.live.wait(0, LONG_S))
            await turn()
            log.live.close()
            assert (await waiting).entries == []
            assert (await log.live.wait(0, LONG_S)).entries == []

    asyncio.run(play())


async def turn() -> None:
    """Let every task that is ready run once."""
    turned = asyncio.Event()
    asyncio.get_running_loop().call_soon(turned.set)
    await turned.wait()


def test_a_page_says_how_far_it_reaches(log: ControlLog) -> None:
    for kind in ("config", "invalidation", "config"):
        log.append(kind, {})
    assert [
        (p.upto, p.last_seq) for p in (log.live.after(0, 1), log.live.after(0), log.live.after(3))
    ] == [
        (2, 3),
        (3, 3),
        (3, 3),
    ]


def test_a_page_is_bounded_in_bytes_too(log: ControlLog) -> None:
    for _ in range(3):
        log.append("invalidation", {"long": "x" * PAGE_BYTES_MAX})
    assert [(len(p.entries), p.upto) for p in (log.live.after(0), log.live.after(1))] == [
        (1, 1),
        (1, 2),
    ]


def test_what_is_trimmed_is_told_no_more_and_its_numbers_are_not_given_again(
    log: ControlLog,
) -> None:
    for kind in ("config", "invalidation", "invalidation", "invalidation"):
        log.append(kind, {})
    assert (log.live.floor, log.live.entries_upto(3)) == (0, 2)
    assert log.trim(3) == 2
    assert ([entry.seq for entry in log.live.after(0).entries], log.live.floor) == ([1, 4], 3)
    assert (log.trim(4), log.last_seq, log.live.after(4).upto) == (1, 4, 4)
    assert (log.append("invalidation", {}), log.trim(2), log.live.floor) == (5, 0, 4)


def test_former_configurations_do_not_pile_up(state: StateDatabase, log: ControlLog) -> None:
    for _ in range(CONFIGS_KEPT + 5):
        log.append("config", {})
    (count,) = state.execute("SELECT count(*) FROM log").fetchone()
    assert count == CONFIGS_KEPT


def test_what_is_kept_beside_an_entry_is_kept_with_it_or_not_at_all(log: ControlLog) -> None:
    def fail(_seq: int) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        log.append("invalidation", {}, fail)
    assert log.live.after(0).entries == []
    assert log.append("invalidation", {}) == 1
    assert [entry.seq for entry in log.live.after(0).entries] == [1]


def test_every_log_has_a_name_of_its_own(tmp_path: Path, log: ControlLog) -> None:
    other = SqliteDatabase(tmp_path / "other")
    assert ControlLog(other, lambda: 1.0).epoch != log.epoch == log.live.after(0).epoch
    other.close()


def test_nodes_are_told_once_it_is_on_disk_and_what_an_opening_finds_is_the_same(
    state: StateDatabase,
) -> None:
    handed: list[Callable[[], None]] = []
    log = ControlLog(state, lambda: 7.5, handed.append)
    with state.writing():
        log.append("config", {})
        log.append("invalidation", {"n": 1})
        assert handed == []
    assert (log.last_seq, log.live.last_seq) == (2, 0)
    for told in handed:
        told()
    log.append("config", {"n": 2})
    handed[-1]()
    log.trim(2)
    assert log.live.floor == 0
    handed[-1]()
    again = ControlLog(state, lambda: 7.5).live
    assert again.after(0) == log.live.after(0)
    assert (again.bytes, again.invalidations, again.config) == (log.live.bytes, 0, log.live.config)


def test_what_equals_its_default_is_not_published(state: StateDatabase) -> None:
    """A node of the former release refuses names that it does not know."""
    log = ControlLog(state, lambda: 0.0)
    used = Control(listen="127.0.0.1:9", acme=msgspec.convert({}, Acme))
    place = Location(name="A", listen="127.0.0.1:1", disk=None, workers=int("1"))
    publish_config(log, Config(control=used, locations=(place,), limits=Limits()))
    newest = log.newest_text("config")
    assert newest is not None
    assert msgspec.json.decode(newest[1]) == {
        "control": {"listen": "127.0.0.1:9"},
        "locations": [{"name": "A", "listen": "127.0.0.1:1"}],
    }
