"""The table of settings agrees with the model, and every bound is used."""

from __future__ import annotations

import msgspec
import pytest

from edgecache.config.model import Limits
from edgecache.config.settings import BY_FIELD, SETTINGS, Setting, parse_size, shown_size


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: str(setting.place))
def test_a_default_stands_within_its_bounds(setting: Setting) -> None:
    assert setting.low <= setting.high
    assert setting.why
    if setting.default is not None:
        assert setting.low <= setting.default <= setting.high


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: str(setting.place))
def test_the_unit_stands_in_the_name(setting: Setting) -> None:
    assert ("bytes" in setting.name.split("_")) == (setting.unit == "bytes")
    assert setting.name.endswith("_s") or "_s_" in setting.name or setting.unit != "seconds"


def test_every_limit_has_its_line() -> None:
    fields = msgspec.structs.fields(Limits)
    names = {field.name for field in fields if field.type is not bool}
    assert names == {name for model, name in BY_FIELD if model is Limits}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0 B", 0),
        ("1 KiB", 1024),
        ("1KB", 1000),
        (" 256 MiB ", 268_435_456),
        ("1.5 GiB", 1_610_612_736),
        ("0.25 kib", 256),
        ("2 TiB", 2_199_023_255_552),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MiB", "1", "-1 MiB", "1 MiB x", "1,5 MiB", "1e3 B", "0.3 B", "1 apples"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(268_435_456, "256 MiB"), (1000, "1000 bytes"), (1536, "1536 bytes"), (1 << 40, "1 TiB")],
)
def test_sizes_are_shown_exactly(size: int, text: str) -> None:
    assert shown_size(size) == text
