"""The table of settings agrees with the model, and every bound is used."""

from __future__ import annotations

import msgspec
import pytest

from edgecache.config.model import Limits
from edgecache.config.setting import Setting
from edgecache.config.settings import BY_FIELD, SETTINGS
from edgecache.config.units import is_duration


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


def test_settings_in_seconds_are_known_by_their_names() -> None:
    for setting in SETTINGS:
        assert is_duration(setting.name) == (setting.unit == "seconds"), setting.place
