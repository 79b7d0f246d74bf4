"""Which versions of HTTP a location may be asked to speak."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.caches import Location
from tests.config.checks.test_configuration import SITE, problems


def spoken(*protocols: str, **more: Any) -> dict[str, Any]:
    location = {"name": "A", "listen": "127.0.0.1:1", "protocols": protocols, **more}
    return {"locations": [location], "distributions": [SITE]}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            spoken("http1.1", "h2", "h2c", listen_tls="127.0.0.1:2"),
            [],
        ),
        (
            spoken("h2c"),
            ['locations[0].protocols: every listener speaks HTTP/1.1: add "http1.1"'],
        ),
        (
            spoken("http1.1", "h2", listen_tls="127.0.0.1:2", early_data=True),
            ['locations[0].early_data: is of HTTP/3: add "h3" to protocols'],
        ),
        (spoken("http1.1", "h3", listen_tls="127.0.0.1:2", early_data=True), []),
        (spoken("http1.1", "http1.1"), ["locations[0].protocols: names a protocol twice"]),
        (
            spoken("http1.1", "h2"),
            [
                "locations[0].protocols: h2 is agreed on by TLS: set listen_tls, "
                'or say "h2c" for `listen`'
            ],
        ),
    ],
)
def test_protocols(table: dict[str, Any], expected: list[str]) -> None:
    assert problems(table) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("http1.1",)),
        ({"listen_tls": "127.0.0.1:2"}, ("http1.1", "h2")),
        ({"listen_tls": "127.0.0.1:2", "protocols": ("http1.1",)}, ("http1.1",)),
        ({"listen_tls": "127.0.0.1:2", "protocols": ("http1.1", "h2c")}, ("http1.1", "h2c")),
    ],
)
def test_http_2_is_spoken_by_tls_unless_the_location_says_otherwise(
    given: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert Location(name="A", listen="127.0.0.1:1", **given).spoken == expected


def test_an_empty_list_is_no_way_to_say_nothing() -> None:
    expected = ['locations[0].protocols: every listener speaks HTTP/1.1: add "http1.1"']
    assert problems(spoken(listen_tls="127.0.0.1:2")) == expected
