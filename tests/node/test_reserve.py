"""The reserve of a regional cache: built where the file names one, and told without a key pair."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgecache.cache.tier import Tier
from edgecache.config.model import Config, Location, RegionalCache, Reserve
from edgecache.config.secrets import KeyPair, load_secrets, put_key_pair
from edgecache.node.build import NodeParts

LOCATION = Location(name="LHR50", listen="127.0.0.1:8080")
RESERVE = Reserve(endpoint="https://s3.test", bucket="cold", credential="cold")
Tiers = Callable[[Reserve | None], tuple[Tier, Tier]]


@pytest.fixture
def tiers(tmp_path: Path) -> Tiers:
    """The tiers of a regional cache and of an edge."""

    def made(reserve: Reserve | None) -> tuple[Tier, Tier]:
        regional = RegionalCache(memory_bytes=64 * 2**20)
        config = Config(
            state_dir=str(tmp_path), regional=regional, locations=(LOCATION,), reserve=reserve
        )
        load_secrets(tmp_path, {})
        inner = NodeParts(config, "regional").regional(regional)
        edge = NodeParts(config, "edge-LHR50-1").edge(LOCATION)
        assert inner.sweeper.has_reserve is (inner.reserve is not None)
        return inner.listener.frontend.tier, edge.listener.frontend.tier

    return made


def test_the_regional_cache_has_it_and_edges_have_not(tiers: Tiers, tmp_path: Path) -> None:
    put_key_pair(tmp_path, {}, "cold", KeyPair("AKID", "secret"))
    regional, edge = tiers(RESERVE)
    assert regional.world.reserve is not None
    assert regional.world.reserve.settings == RESERVE
    assert edge.world.reserve is None


def test_without_one_in_the_file_there_is_none(tiers: Tiers) -> None:
    assert tiers(None)[0].world.reserve is None


@pytest.mark.parametrize(
    ("credential", "words"),
    [
        ("cold", 'no key pair "cold" in secrets.json; run: edgecache keys store cold'),
        ("", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"),
    ],
)
def test_a_missing_key_pair_is_told_in_one_line(
    tiers: Tiers,
    credential: str,
    words: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    tiers(replace(RESERVE, credential=credential))
    said = [one.getMessage() for one in caplog.records if one.name == "edgecache.store"]
    assert len(said) == 1
    assert words in said[0]


def test_the_environment_s_pair_signs(
    tiers: Tiers, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    tiers(replace(RESERVE, credential=""))
    assert not [one for one in caplog.records if one.name == "edgecache.store"]
