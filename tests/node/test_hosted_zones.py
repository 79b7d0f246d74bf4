"""Zones of the API at a name server: followed by the log, fetched, forgotten, kept on its disk."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from edgecache.cluster.dns_zones import DnsZoneChange, DnsZoneContent, DnsZoneIndex
from edgecache.cluster.log_entries import LogEntry, LogEntryKind
from edgecache.config.dns import DnsRecord
from edgecache.node.hosted_zones import HeldZone, HostedZoneFiles, HostedZoneFollower
from edgecache.node.log_follower import EntryNotAppliedError

WWW = DnsRecord(name="www.a.test.", type="A", values=("192.0.2.1",))
MAIL = DnsRecord(name="mail.a.test.", type="A", values=("192.0.2.2",))


class Control:
    """What control has; it answers with 503 while `away`."""

    def __init__(self, *contents: DnsZoneContent) -> None:
        self.contents = {one.zone: one for one in contents}
        self.asked: list[str] = []
        self.away = False

    async def ask(self, target: str, fields: Mapping[str, str]) -> httpx.Response | None:
        self.asked.append(target)
        if self.away:
            return httpx.Response(503)
        path = target.partition("?")[0]
        id = path.removeprefix("/dns-zones").lstrip("/")
        if not id:
            return httpx.Response(200, content=encoded(DnsZoneIndex(tuple(self.contents))))
        found = self.contents.get(id)
        return httpx.Response(404) if found is None else httpx.Response(200, content=encoded(found))


def encoded(value: Any) -> bytes:
    return msgspec.json.encode(value)


def content(zone: str, version: int, *records: DnsRecord) -> DnsZoneContent:
    return DnsZoneContent(zone, version, f"{zone.lower()}.test.", records)


def entry(seq: int, change: DnsZoneChange) -> LogEntry:
    return LogEntry(seq, 0.0, LogEntryKind.DNS_ZONE, msgspec.to_builtins(change))


def applied(follower: HostedZoneFollower, seq: int, change: DnsZoneChange) -> bool:
    return asyncio.run(follower.apply(entry(seq, change)))


def test_a_change_of_the_version_that_is_held_needs_no_question() -> None:
    control = Control(content("ZA", 5, WWW))
    follower = HostedZoneFollower(control.ask)
    assert applied(follower, 5, DnsZoneChange("ZA", whole=True))
    asked = [*control.asked]
    other = replace(WWW, values=("192.0.2.9",))
    assert applied(follower, 6, DnsZoneChange("ZA", 5, (other, MAIL)))
    assert applied(follower, 8, DnsZoneChange("ZA", 6, (), (("mail.a.test.", "A", ""),)))
    assert control.asked == asked
    held = follower.zones["ZA"]
    assert (held.version, [*held.content.records]) == (8, [other])


def test_who_missed_a_version_asks_for_all_of_it() -> None:
    control = Control(content("ZA", 5, WWW))
    follower = HostedZoneFollower(control.ask)
    applied(follower, 5, DnsZoneChange("ZA", whole=True))
    control.contents["ZA"] = content("ZA", 9, MAIL)
    assert applied(follower, 9, DnsZoneChange("ZA", 7, (MAIL,)))
    assert [*follower.zones["ZA"].records.values()] == [MAIL]
    assert not applied(follower, 8, DnsZoneChange("ZA", 7, (WWW,)))  # it had that already


def test_zones_that_control_has_no_more_are_forgotten() -> None:
    control = Control(content("ZB", 3))
    follower = HostedZoneFollower(control.ask)
    follower.use_kept([content("ZA", 2), content("ZB", 1)])
    assert asyncio.run(follower.list(4))
    assert {id: one.version for id, one in follower.zones.items()} == {"ZB": 3}
    assert not asyncio.run(follower.list(5))
    assert applied(follower, 6, DnsZoneChange("ZB", gone=True))
    assert not follower.zones


def test_a_number_is_not_applied_while_control_does_not_tell() -> None:
    control = Control(content("ZA", 5, WWW))
    follower = HostedZoneFollower(control.ask)
    follower.use_kept([content("ZA", 2, MAIL)])
    control.away = True
    with pytest.raises(EntryNotAppliedError, match="answered 503"):
        applied(follower, 5, DnsZoneChange("ZA", 4, (WWW,)))
    assert follower.zones["ZA"].version == 2  # as it was
    control.away = False
    assert applied(follower, 5, DnsZoneChange("ZA", 4, (WWW,)))
    assert follower.zones["ZA"].version == 5


async def no_pause(_seconds: float) -> None: ...


def files(folder: Path) -> HostedZoneFiles:
    return HostedZoneFiles(folder / "nameserver-1.config", "x", no_pause)


def written(folder: Path, *contents: DnsZoneContent) -> None:
    made = files(folder)
    made.tell({one.zone: HeldZone(one) for one in contents})
    asyncio.run(made.flush())


def test_zones_are_kept_for_a_start_without_control(tmp_path: Path) -> None:
    first, second = content("ZA", 5, WWW), content("ZB", 6, MAIL)
    written(tmp_path, first, second)
    assert [*files(tmp_path).read()] == [first, second]
    written(tmp_path, second)
    assert [*files(tmp_path).read()] == [second]


@pytest.mark.parametrize("damage", [lambda text: text[:-3], lambda text: b"", lambda text: b"{}"])
def test_a_file_that_was_damaged_is_not_read(tmp_path: Path, damage: Any) -> None:
    written(tmp_path, content("ZA", 5, WWW))
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert [*files(tmp_path).read()] == []
