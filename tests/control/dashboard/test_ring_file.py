"""The file of rings: a fixed size, nothing that is old or torn, and names that stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.control.dashboard.report_differences import ALL, DISTRIBUTION, SeriesName
from edgecache.control.dashboard.ring_file import (
    HEAD_BYTES,
    NAME_BYTES,
    RESOLUTIONS,
    SERIES_MAX,
    Resolution,
    RingFile,
    WrittenStep,
    file_bytes,
)
from edgecache.control.dashboard.traffic_step import NUMBERS, RECORD_BYTES

FIRST = 1_800_000_000
ONE = SeriesName(DISTRIBUTION, "E1")


def step(count: int) -> tuple[int, ...]:
    return (count,) * NUMBERS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dashboard" / "traffic.rings"


@pytest.fixture
def file(path: Path) -> Iterator[RingFile]:
    made = RingFile(path)
    yield made
    made.close()


def test_it_has_its_size_from_the_beginning_and_takes_little(file: RingFile, path: Path) -> None:
    assert path.stat().st_size == file_bytes() < 120 * 2**20
    assert path.stat().st_blocks * 512 < 64 * 1024
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_what_was_written_is_read_for_a_turn_and_no_longer(
    file: RingFile, resolution: Resolution
) -> None:
    long = resolution.step_s * resolution.steps
    for place, count in ((0, 1), (SERIES_MAX - 1, 2)):
        file.write([WrittenStep(place, resolution, FIRST, step(count))])
    for place, count in ((0, 1), (SERIES_MAX - 1, 2)):
        last = FIRST + resolution.step_s
        assert file.read(place, resolution, FIRST, last) == [step(count), None]
    assert file.read(0, resolution, FIRST + long, FIRST + long) == [None]  # the same place
    file.write([WrittenStep(0, resolution, FIRST + long, step(3))])
    assert file.read(0, resolution, FIRST, FIRST) == [None]
    assert file.read(SERIES_MAX - 1, resolution, FIRST, FIRST) == [step(2)]


def test_a_torn_record_is_none_and_its_neighbors_stay(file: RingFile, path: Path) -> None:
    ring = RESOLUTIONS[0]
    times = [FIRST + n * ring.step_s for n in range(3)]
    file.write([WrittenStep(0, ring, at, step(7)) for at in times])
    content = bytearray(path.read_bytes()[: HEAD_BYTES + SERIES_MAX * NAME_BYTES + 2**20])
    slot = times[1] // ring.step_s % ring.steps
    content[HEAD_BYTES + SERIES_MAX * NAME_BYTES + slot * RECORD_BYTES + 40] ^= 1
    with path.open("r+b") as other:
        other.write(content)
    assert file.read(0, ring, times[0], times[2]) == [step(7), None, step(7)]


def test_names_outlive_a_process(file: RingFile, path: Path) -> None:
    odd = SeriesName(DISTRIBUTION, "<b>ü" + "x" * 500)
    for place, name in enumerate((ALL, ONE, odd)):
        file.give_place(place, name)
    file.clear(1)
    again = RingFile(path)
    found = again.names()
    again.close()
    assert found[ALL] == 0
    assert ONE not in found
    assert [place for name, place in found.items() if name.name.startswith("<b>ü")] == [2]


def test_a_torn_name_is_nobodys(file: RingFile, path: Path) -> None:
    file.give_place(0, ONE)
    with path.open("r+b") as other:
        other.seek(HEAD_BYTES + 8)
        other.write(b"?")
    assert file.names() == {}


def test_a_place_that_is_given_has_nothing_of_who_had_it(file: RingFile) -> None:
    file.write([WrittenStep(5, one, FIRST, step(7)) for one in RESOLUTIONS])
    file.give_place(5, ONE)
    assert [file.read(5, one, FIRST, FIRST) for one in RESOLUTIONS] == [[None]] * 3


def test_a_series_is_added_to_another(file: RingFile) -> None:
    ring = RESOLUTIONS[1]
    file.write([WrittenStep(1, ring, FIRST - 60, step(1)), WrittenStep(1, ring, FIRST, step(2))])
    file.write([WrittenStep(2, ring, FIRST, step(5))])
    file.fold(1, 2, FIRST + 30)
    assert file.read(2, ring, FIRST - 60, FIRST) == [step(1), step(7)]


def test_a_file_of_another_layout_begins_anew(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"edgecache rings 0\n" + b"x" * 10_000)
    file = RingFile(path)
    assert file.names() == {}
    assert path.stat().st_size == file_bytes()
    file.close()
