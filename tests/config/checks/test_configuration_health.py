"""Where nodes say how they are: an address like all others."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import convert

from edgecache.config.checks.configuration import check
from edgecache.config.model import Config
from edgecache.config.problems import Problems


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"control": {"health_listen": "0.0.0.0:8099"}}, []),
        (
            {"regional": {"health_listen": "unix:h.sock"}},
            [
                'regional.health_listen: "unix:h.sock": only a regional cache listens'
                " on a socket file"
            ],
        ),
        (
            {"control": {"listen": "h:1", "health_listen": "h:1"}},
            ['control.health_listen: "h:1" is already taken by control.listen'],
        ),
        (
            {"control": {"health_listen": "8099"}},
            ['control.health_listen: "8099" is not HOST:PORT or unix:NAME'],
        ),
    ],
)
def test_a_bad_address_is_told(table: dict[str, Any], expected: list[str]) -> None:
    problems = Problems()
    check(convert(table, Config), problems)
    assert [str(problem) for problem in problems.found] == expected
