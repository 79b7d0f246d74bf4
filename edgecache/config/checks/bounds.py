"""The numbers of a configuration that no file was decoded for: each within its setting's bounds.

A file's own numbers are judged as it is decoded; those of CloudFront's JSON are not.
"""

from __future__ import annotations

from typing import Any

import msgspec

from edgecache.config.decode import joined
from edgecache.config.model import Model
from edgecache.config.problems import Problems
from edgecache.config.settings import BY_FIELD


def check_bounds(piece: Model, where: str, problems: Problems) -> None:
    """Every setting in `piece` and in what it holds."""
    for name in piece.__struct_fields__:
        value = getattr(piece, name)
        place = joined(where, name)
        setting = BY_FIELD.get((type(piece), name))
        if setting is not None and value is not None:
            if not setting.low <= value <= setting.high:
                low, high = setting.shown(setting.low), setting.shown(setting.high)
                problems.add(place, f"{value} is outside {low} to {high}")
        else:
            _check_held(value, place, problems)


def _check_held(value: Any, where: str, problems: Problems) -> None:
    if isinstance(value, msgspec.Struct):
        check_bounds(value, where, problems)  # type: ignore[arg-type]  # all of ours are Models
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            _check_held(item, f"{where}[{index}]", problems)
