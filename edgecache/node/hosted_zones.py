"""Zones that the API made, at one name server: followed by control's log, kept on its disk.

Law: a number of the log is acknowledged once what it changed is answered here. A zone whose content
cannot be had now is asked for again (see `LogFollower`), and answered as it was until then.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import quote

import httpx
import msgspec
from msgspec.structs import replace

from edgecache.cluster.dns_zones import (
    ZONES_PATH,
    DnsZoneChange,
    DnsZoneContent,
    DnsZoneIndex,
    RecordKey,
    key_of,
)
from edgecache.cluster.log_entries import LogEntry, read_body
from edgecache.config.dns import DnsRecord
from edgecache.config.zone_records import rdata_wire
from edgecache.node.digested_file import read_digested
from edgecache.node.last_configuration import LastConfigurationError
from edgecache.node.log_follower import EntryNotAppliedError
from edgecache.node.versioned_files import VersionedFiles

T = TypeVar("T")
VALUES_MIN = 1_000  # that are known of any zone
RECORD_BYTES, VALUE_BYTES = 700, 350  # of one, with its texts

Ask = Callable[[str, Mapping[str, str]], Awaitable[httpx.Response | None]]
"""Control's answer to a question of this node's: see `LogFollower.ask`."""


class HeldZone:
    """One zone as it is held: `content` without its records, which are by their keys.

    `is_kept`: it is from this node's disk, and control has not been asked since.
    """

    def __init__(self, content: DnsZoneContent, *, is_kept: bool = False) -> None:
        self.records: dict[RecordKey, DnsRecord] = {key_of(one): one for one in content.records}
        self.is_kept = is_kept
        self._content = replace(content, records=())
        self._values: dict[tuple[str, str], bytes] = {}  # on the wire, by type and text

    @property
    def id(self) -> str:
        return self._content.zone

    @property
    def name(self) -> str:
        return self._content.name

    @property
    def version(self) -> int:
        return self._content.version

    @property
    def content(self) -> DnsZoneContent:
        """All of it."""
        return replace(self._content, records=tuple(self.records.values()))

    def read(self, type: str, value: str, origin: str) -> bytes:
        """The bytes of a value, which is read once. ValueError, DnsExtraMissingError."""
        known = self._values.get((type, value))
        if known is None:
            if len(self._values) >= 2 * len(self.records) + VALUES_MIN:
                self._values.clear()  # most are of former versions
            known = self._values[type, value] = rdata_wire(type, value, origin)
        return known

    @property
    def size_bytes(self) -> int:
        """What is held of it beside what is answered, as estimated."""
        return len(self.records) * RECORD_BYTES + len(self._values) * VALUE_BYTES

    def update(self, change: DnsZoneChange, version: int) -> None:
        """Take over what leads from the version that is held to the next."""
        for key in change.deletes:
            self.records.pop(key, None)
        for record in change.puts:
            self.records[key_of(record)] = record
        self._content = replace(self._content, version=version)
        self.is_kept = False


class HostedZoneFollower:
    """The zones of one name server, by id. `ask` is None where there is no control."""

    def __init__(self, ask: Ask | None) -> None:
        self._ask = ask
        self.zones: dict[str, HeldZone] = {}
        self.is_listed = False  # whether it is known which there are

    def use_kept(self, contents: Iterable[DnsZoneContent]) -> None:
        """Answer by what this node's disk has, until control says what counts."""
        self.zones = {one.zone: HeldZone(one, is_kept=True) for one in contents}

    def begin(self) -> None:
        """Another log is followed from its start, or control was away for long."""
        self.is_listed = False
        for one in self.zones.values():
            one.is_kept = True

    async def list(self, seq: int) -> bool:
        """Forget the zones that are gone, where that is not known yet; whether there were any.

        EntryNotAppliedError: control does not say now.
        """
        if self._ask is None or self.is_listed:
            return False
        answer = _content(await self._ask(f"{ZONES_PATH}?after={seq}", {}), "zones")
        there = {*_read(answer, DnsZoneIndex, "zones").zones}
        gone = self.zones.keys() - there
        for id in gone:
            del self.zones[id]
        for id in sorted(there):
            held = self.zones.get(id)
            if held is None or held.is_kept:
                await self._fetch(id, seq)
        self.is_listed = True
        return True

    async def apply(self, entry: LogEntry) -> bool:
        """Take over a change; whether it changed what is held. EntryNotAppliedError."""
        change = read_body(entry, DnsZoneChange)
        listed = await self.list(entry.seq)
        held = self.zones.get(change.zone)
        if change.gone:
            return self.zones.pop(change.zone, None) is not None or listed
        if held is not None and held.version >= entry.seq:
            return listed  # it was fetched since
        if held is not None and held.version == change.before and not change.whole:
            held.update(change, entry.seq)
        else:
            await self._fetch(change.zone, entry.seq)
        return True

    async def _fetch(self, id: str, seq: int) -> None:
        """Hold all of a zone, as control has it at number `seq` or later."""
        if self._ask is None:
            return
        answer = await self._ask(f"{ZONES_PATH}/{quote(id, safe='')}?after={seq}", {})
        if answer is not None and answer.status_code == httpx.codes.NOT_FOUND:
            self.zones.pop(id, None)
            return
        content = _read(_content(answer, f"zone {id}"), DnsZoneContent, f"zone {id}")
        held = self.zones.get(id)
        if held is None or held.is_kept or held.version < content.version:
            self.zones[id] = HeldZone(content)


def _content(answer: httpx.Response | None, what: str) -> bytes:
    if answer is None or not answer.is_success:
        why = "no answer" if answer is None else f"answered {answer.status_code}"
        raise EntryNotAppliedError(f"{what}: control: {why}")
    return answer.content


def _read(content: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise EntryNotAppliedError(f"{what}: {error}") from None


class HostedZoneFiles(VersionedFiles[HeldZone]):
    """The zones of one process on its disk: what it answers by without control."""

    kind = "zone"
    id_form = re.compile(r"Z[A-Z0-9]{1,31}")
    logger = logging.getLogger("edgecache.dns")

    def version(self, held: HeldZone) -> int:
        return held.version

    def content(self, _id: str, held: HeldZone) -> DnsZoneContent:
        return held.content

    def read(self) -> Iterator[DnsZoneContent]:
        """Those that are kept and can be used; the log says why others cannot."""
        for id in self.kept_ids():
            path = self.file(id)
            try:
                yield msgspec.json.decode(read_digested(path), type=DnsZoneContent)
            except OSError as error:
                self.logger.error("%s: not read: %s", path, error.strerror or error)
            except msgspec.DecodeError:
                damaged = LastConfigurationError(path, "damaged")
                self.logger.error("%s; it is not answered until then", damaged)
            except LastConfigurationError as error:
                self.logger.error("%s; it is not answered until then", error)
