"""The reserve of a file: its problems, each with its path, and what is hardly meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.lint import lint
from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.problems import ConfigError

REGIONAL = "[regional]\n"
SITE = """
[[locations]]
name = "LHR50"
listen = "127.0.0.1:8080"

[[distributions]]
id = "E1"
origins = [{ id = "o", domain_name = "127.0.0.1" }]
default_behavior = { origin = "o" }
"""
GOOD = 'endpoint = "https://s3.test"\nbucket = "cold"'


def loaded(folder: Path, reserve: str, before: str = REGIONAL) -> Config:
    (folder / "edgecache.toml").write_text(f"{before}\n[reserve]\n{reserve}\n{SITE}")
    return load(folder / "edgecache.toml")


def problems(folder: Path, reserve: str, before: str = REGIONAL) -> list[str]:
    try:
        loaded(folder, reserve, before)
    except ConfigError as error:
        return [f"{one.where}: {one.message}" for one in error.problems]
    return []


def test_a_reserve_has_defaults(tmp_path: Path) -> None:
    config = loaded(tmp_path, GOOD + '\nca_file = "ca.pem"')
    reserve = config.reserve
    assert reserve is not None
    assert (reserve.prefix, reserve.object_bytes_min, reserve.fresh_s_min) == (
        "edgecache", 65_536, 36_000,
    )  # fmt: skip
    assert reserve.ca_file == str(tmp_path / "ca.pem")
    assert not lint(config)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("prefix = '../x'", 'reserve.prefix: "../x" is not steps of A-Z a-z 0-9 _ . -'),
        ("prefix = 'a//b'", 'reserve.prefix: "a//b" is not steps'),
        ("prefix = '/a'", 'reserve.prefix: "/a" is not steps'),
        ("prefix = 'a?b'", 'reserve.prefix: "a?b" is not steps'),
        (f"prefix = '{'a' * 257}'", "reserve.prefix: 257 characters are more than 256"),
        ("region = 'Eu West'", 'reserve.region: "Eu West" is not a region'),
        ("credential = 'a b'", 'reserve.credential: "a b" is not the name of a key pair'),
        ("distributions = ['a/b']", 'reserve.distributions[0]: "a/b" is not the id'),
        ("distributions = ['E1', 'E1']", 'reserve.distributions[1]: "E1" is named twice'),
        ("object_bytes_min = '32 MiB'", "reserve.object_bytes_min: 33554432 is greater than"),
        ("object_bytes_max = '512 KiB'", "reserve.object_bytes_max: 524288 is less than limits."),
        ("queue_bytes_max = '1 MiB'", "reserve.queue_bytes_max: 1048576 is less than object_byt"),
        ("retention_s = 1", "reserve.retention_s: 1"),
        ("look_s_max = 100", "reserve.look_s_max: 100"),
        ("uploads_max = 0", "reserve.uploads_max: 0"),
        ("secret_access_key = 'x'", "reserve.secret_access_key"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, more: str, problem: str) -> None:
    found = problems(tmp_path, f"{GOOD}\n{more}")
    assert len(found) == 1
    assert found[0].startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('endpoint = "https://s3.test"\nbucket = "Cold_1"', "reserve.bucket: "),
        ('endpoint = "s3.test"\nbucket = "cold"', "reserve.endpoint: "),
        ('endpoint = "https://s3.test/?a=b"\nbucket = "cold"', "reserve.endpoint: "),
        ('bucket = "cold"', "reserve.endpoint: "),
        ('endpoint = "https://s3.test"', "reserve.bucket: "),
    ],
)
def test_a_place_that_is_none_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (found,) = problems(tmp_path, text)
    assert found.startswith(problem)


def test_a_secret_in_the_url_is_not_told(tmp_path: Path) -> None:
    text = 'endpoint = "https://AKID:secret@s3.test"\nbucket = "cold"'
    (found,) = problems(tmp_path, text)
    assert "edgecache keys store" in found
    assert "secret@" not in found


def test_without_a_regional_cache_nobody_uses_it(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, GOOD, before="")
    assert found == "reserve: regional caches use it, and there is none: add [regional]"


@pytest.mark.parametrize(
    ("endpoint", "warned"),
    [("http://s3.test", True), ("http://127.0.0.1:9000", False), ("https://s3.test", False)],
)
def test_objects_in_clear_are_warned_of(tmp_path: Path, endpoint: str, warned: bool) -> None:
    config = loaded(tmp_path, f'endpoint = "{endpoint}"\nbucket = "cold"')
    assert [one.where for one in lint(config)] == ["reserve.endpoint"] * warned
