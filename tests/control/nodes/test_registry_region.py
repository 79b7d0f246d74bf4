"""The region that a process is listed with: its location's, or its regional cache's."""

from __future__ import annotations

import pytest

from edgecache.config.model import Config, Location, RegionalCache
from edgecache.control.nodes.registry import region_of

CONFIG = Config(
    locations=(
        Location(name="LHR50", listen="h:1", region="eu"),
        Location(name="NRT57", listen="h:2"),
    ),
    regional_caches=(RegionalCache(name="a", region="eu"), RegionalCache(name="b", region="us")),
)


@pytest.mark.parametrize(
    ("role", "location", "region"),
    [
        ("edge", "LHR50", "eu"),
        ("edge", "NRT57", ""),
        ("edge", "a", ""),  # a name of another kind
        ("edge", "GRU3", ""),
        ("regional", "b", "us"),
        ("regional", "", ""),
    ],
)
def test_a_region_is_that_of_the_file(role: str, location: str, region: str) -> None:
    assert region_of(CONFIG, role, location) == region


def test_the_one_regional_cache_has_none() -> None:
    assert region_of(Config(regional=RegionalCache()), "regional", "") == ""
