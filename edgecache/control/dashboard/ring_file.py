"""File of rings: the newest steps of each series in several resolutions, in a fixed place each.

Law: the file never grows beyond `file_bytes()`, and no crash spoils more than the records that were
being written: a record has its time and a checksum, and one that is not the step that was asked for
is none. Nothing is ever moved.

    head        4,096 bytes: MAGIC, which changes with the layout
    names       SERIES_MAX of NAME_BYTES: checksum, length, dimension, TAB, name
    series      SERIES_MAX of SERIES_BYTES: the rings of RESOLUTIONS, one after the other

Empty places take no room on the disk.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from edgecache.control.dashboard.report_differences import DIMENSIONS, SeriesName
from edgecache.control.dashboard.traffic_step import (
    RECORD_BYTES,
    decode_step,
    encode_step,
    sum_of,
)

MAGIC = b"edgecache rings 1\n"
HEAD_BYTES = 4_096
NAME_BYTES = 512
SERIES_MAX = 128
_NAME_HEAD = struct.Struct("<IH")  # checksum, length
_SEPARATOR = "\t"


class Resolution(NamedTuple):
    """A ring: so many steps of so many seconds each."""

    step_s: int
    steps: int


RESOLUTIONS = (Resolution(10, 2_170), Resolution(60, 1_450), Resolution(600, 1_014))
"""6 hours, 24 hours, 7 days; and room, so that the step of now is written over none of these."""
SERIES_BYTES = RECORD_BYTES * sum(one.steps for one in RESOLUTIONS)
_DATA_AT = HEAD_BYTES + SERIES_MAX * NAME_BYTES


class WrittenStep(NamedTuple):
    """A step to be written: whose, in which resolution, when it began, and its sums."""

    place: int
    resolution: Resolution
    began_at: int
    step: tuple[int, ...]


def file_bytes() -> int:
    """The most that the file may take."""
    return _DATA_AT + SERIES_MAX * SERIES_BYTES


class RingFile:
    """The rings of one control. All of it blocks on the disk; OSError when that fails."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.pread(self._file, len(MAGIC), 0) != MAGIC:  # new, or of another release
            os.ftruncate(self._file, 0)
            os.ftruncate(self._file, file_bytes())
            os.pwrite(self._file, MAGIC, 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def names(self) -> dict[SeriesName, int]:
        """The series that have a place, with its number."""
        found = {}
        for index in range(SERIES_MAX):
            place = os.pread(self._file, NAME_BYTES, HEAD_BYTES + index * NAME_BYTES)
            name = _decode_name(place)
            if name is not None:
                found[name] = index
        return found

    def give_place(self, index: int, name: SeriesName) -> None:
        """Let a series have a place, in which nothing is counted yet."""
        self.clear(index)
        os.pwrite(self._file, _encode_name(name), HEAD_BYTES + index * NAME_BYTES)

    def clear(self, index: int) -> None:
        """Let nobody have a place, and give its room on the disk back."""
        os.pwrite(self._file, bytes(NAME_BYTES), HEAD_BYTES + index * NAME_BYTES)
        for resolution in RESOLUTIONS:
            at = _place_of(index, resolution, 0)
            if any(os.pread(self._file, RECORD_BYTES * resolution.steps, at)):
                os.pwrite(self._file, bytes(RECORD_BYTES * resolution.steps), at)

    def write(self, steps: Iterable[WrittenStep]) -> None:
        """Write steps over those of one turn of their ring before."""
        for place, resolution, began_at, step in steps:
            slot = began_at // resolution.step_s % resolution.steps
            at = _place_of(place, resolution, slot)
            os.pwrite(self._file, encode_step(began_at, step), at)

    def sync(self) -> None:
        """Wait until all that was written is on the disk."""
        os.fdatasync(self._file)

    def read(
        self, index: int, resolution: Resolution, first: int, last: int
    ) -> list[tuple[int, ...] | None]:
        """The steps that began from `first` up to `last` (epoch seconds, multiples of `step_s`);
        None where there is none.
        """
        wanted = range(first, last + 1, resolution.step_s)
        at = _place_of(index, resolution, 0)
        ring = os.pread(self._file, RECORD_BYTES * resolution.steps, at)
        found: list[tuple[int, ...] | None] = []
        for began_at in wanted:
            slot = began_at // resolution.step_s % resolution.steps
            record = decode_step(ring[slot * RECORD_BYTES : (slot + 1) * RECORD_BYTES])
            found.append(record[1] if record is not None and record[0] == began_at else None)
        return found

    def fold(self, index: int, into: int, now: int) -> None:
        """Count what a series has in another one."""
        for resolution in RESOLUTIONS:
            last = now // resolution.step_s * resolution.step_s
            first = last - (resolution.steps - 1) * resolution.step_s
            times = range(first, last + 1, resolution.step_s)
            pairs = zip(
                times,
                self.read(index, resolution, first, last),
                self.read(into, resolution, first, last),
                strict=True,
            )
            self.write(_folded(into, resolution, pairs))


def _folded(
    into: int,
    resolution: Resolution,
    pairs: Iterable[tuple[int, tuple[int, ...] | None, tuple[int, ...] | None]],
) -> Iterator[WrittenStep]:
    for began_at, step, there in pairs:
        if step is not None and any(step):
            both = [one for one in (step, there) if one is not None]
            yield WrittenStep(into, resolution, began_at, tuple(sum_of(both)))


def _place_of(index: int, resolution: Resolution, slot: int) -> int:
    before = RESOLUTIONS[: RESOLUTIONS.index(resolution)]
    steps = sum(one.steps for one in before) + slot
    return _DATA_AT + index * SERIES_BYTES + steps * RECORD_BYTES


def _encode_name(name: SeriesName) -> bytes:
    text = _SEPARATOR.join(name).encode("utf-8", "replace")[: NAME_BYTES - _NAME_HEAD.size]
    head = _NAME_HEAD.pack(zlib.crc32(text), len(text))
    return (head + text).ljust(NAME_BYTES, b"\0")


def _decode_name(place: bytes) -> SeriesName | None:
    if len(place) != NAME_BYTES:
        return None
    checksum, length = _NAME_HEAD.unpack_from(place)
    text = place[_NAME_HEAD.size : _NAME_HEAD.size + length]
    if not length or zlib.crc32(text) != checksum:
        return None
    by, _, name = text.decode("utf-8", "replace").partition(_SEPARATOR)
    return SeriesName(by, name) if by in DIMENSIONS else None
