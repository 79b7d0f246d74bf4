"""Checks of the list of controls."""

from __future__ import annotations

import pytest

from edgecache.config.checks.configuration import advertisements, check_advertised
from edgecache.config.checks.site import check_control
from edgecache.config.model import Config, Control
from edgecache.config.problems import Problems


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ((), []),
        (("a.test:8090", "10.0.0.1:8090", "[::1]:8090"), []),
        (
            ("a.test:8090", "a.test:8090"),
            ['control.addresses[1]: "a.test:8090" is there twice'],
        ),
        (
            ("0.0.0.0:8090",),
            [
                'control.addresses[0]: "0.0.0.0:8090" is every address: say one, or a name, of this'
                " machine"
            ],
        ),
        (("a.test",), ['control.addresses[0]: "a.test" is not HOST:PORT']),
        (
            tuple(f"c{number}.test:8090" for number in range(17)),
            ["control.addresses: 17 are more than 16"],
        ),
    ],
)
def test_addresses(addresses: tuple[str, ...], expected: list[str]) -> None:
    problems = Problems()
    config = Config(control=Control(addresses=addresses))
    for where, text in advertisements(config):
        check_advertised(where, text, problems)
    check_control(config, problems)
    assert [str(problem) for problem in problems.found] == expected
