"""What control published last, on a node's disk: private, whole or nothing, and trusted whole."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import msgspec
import pytest

from edgecache.config.model import Behavior, Config, Distribution, Origin
from edgecache.node.last_configuration import (
    LastConfiguration,
    LastConfigurationError,
    LastConfigurationFile,
    closed,
    last_configuration_path,
    read_last_configuration,
    write_last_configuration,
)

CONFIG = Config(
    distributions=(
        Distribution(
            id="E1",
            aliases=("a.test",),
            origins=(Origin(id="o", domain_name="o.test"),),
            default_behavior=Behavior(origin="o"),
        ),
    )
)
LAST = LastConfiguration("epoch", 7, 1_700_000_000.25, msgspec.json.encode(CONFIG))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return last_configuration_path(str(tmp_path), "edge-LHR50-1")


def test_it_is_read_as_it_was_written_by_its_owner_alone(path: Path) -> None:
    assert read_last_configuration(path) is None
    write_last_configuration(path, LAST, "1")
    assert read_last_configuration(path) == (LAST, CONFIG)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (b'"generation":7', b'"generation":8', "damaged"),
        (b'"epoch":"epoch"', b'"epoch":"other"', "damaged"),
        (b"a.test", b"b.test", "damaged"),
        (b'{"format":1', b'{"format":9', r"of another release \(format 9\)"),
        (b'{"format":1', b'x"format":1', "damaged"),
    ],
)
def test_what_is_not_whole_is_not_used(path: Path, before: bytes, after: bytes, why: str) -> None:
    write_last_configuration(path, LAST, "1")
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after))
    with pytest.raises(LastConfigurationError, match=rf"LHR50-1\.config: {why}; it is written"):
        read_last_configuration(path)


def test_one_that_ends_early_is_damaged(path: Path) -> None:
    write_last_configuration(path, LAST, "1")
    content = path.read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(LastConfigurationError, match="damaged"):
            read_last_configuration(path)


def test_settings_of_a_later_release_are_not_passed_over(path: Path) -> None:
    """They may be what keeps somebody out."""
    text = msgspec.json.encode({"lock": "everything"})
    write_last_configuration(path, LastConfiguration("epoch", 7, 0.0, text), "1")
    with pytest.raises(LastConfigurationError, match=r"another release \(.*lock"):
        read_last_configuration(path)


def test_one_that_others_could_have_written_is_refused(path: Path) -> None:
    write_last_configuration(path, LAST, "1")
    path.chmod(0o620)
    with pytest.raises(LastConfigurationError, match="others can use it"):
        read_last_configuration(path)


def test_closed_nothing_is_served_but_its_names_are_known(path: Path) -> None:
    shut = closed(CONFIG, LastConfigurationError(path, "damaged"))
    assert shut.distributions == ()
    assert [(one.id, one.names) for one in shut.unavailable] == [("E1", ("a.test",))]


def test_a_disk_that_fails_is_told_once_and_tried_again(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        file = LastConfigurationFile(path, None, "1")
        path.parent.write_text("no folder")
        for generation in (1, 2):
            file.tell(LastConfiguration("epoch", generation, 0.0, LAST.text))
            await file.flush()
        path.parent.unlink()
        file.tell(LAST)
        await file.flush()

    with caplog.at_level(logging.ERROR):
        asyncio.run(scene())
    assert [record.message.partition(": ")[2] for record in caplog.records] == [
        "not written: File exists"
    ]
    assert read_last_configuration(path) == (LAST, CONFIG)


def test_what_the_file_has_is_not_written_again(path: Path) -> None:
    write_last_configuration(path, LAST, "1")
    before = path.stat().st_ino

    async def scene() -> None:
        file = LastConfigurationFile(path, LAST, "1")
        file.tell(LAST)
        await file.flush()

    asyncio.run(scene())
    assert path.stat().st_ino == before
