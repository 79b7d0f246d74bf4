"""Balancers of a location in a file: problems and warnings, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.lint import lint
from edgecache.config.load import load
from edgecache.config.problems import ConfigError

SITE = """
[[locations]]
name = "LHR50"
listen = "%s:8080"
%s
[[distributions]]
id = "E1"
aliases = ["site.localhost"]
origins = [{ id = "o", domain_name = "origin.test" }]
[distributions.default_behavior]
origin = "o"
"""
WHERE = "locations[0].trusted_proxies"


def written(folder: Path, lines: str, host: str = "127.0.0.1") -> Path:
    file = folder / "edgecache.toml"
    file.write_text(SITE % (host, lines))
    return file


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            'trusted_proxies = ["0.0.0.0/0"]',
            f'{WHERE}[0]: "0.0.0.0/0" trusts everybody: any viewer would choose its own address;'
            " name the balancers' networks",
        ),
        (
            'trusted_proxies = ["10.0.0.0/8", "::/0"]',
            f'{WHERE}[1]: "::/0" trusts everybody: any viewer would choose its own address;'
            " name the balancers' networks",
        ),
        (
            'trusted_proxies = ["10.0.0.1/8"]',
            f'{WHERE}[0]: "10.0.0.1/8" has bits beyond its prefix: 10.0.0.0/8 is the network',
        ),
        (
            'trusted_proxies = ["haproxy"]',
            f'{WHERE}[0]: "haproxy" is neither an address nor a network',
        ),
        ('proxy_protocol = "optional"', "locations[0].proxy_protocol"),
        ("proxy_protocol = true", "locations[0].proxy_protocol"),
    ],
)
def test_whom_to_trust_must_be_said(tmp_path: Path, lines: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(written(tmp_path, lines))
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("lines", "host", "warnings"),
    [
        ('trusted_proxies = ["10.0.0.0/8", "2001:db8::/32", "127.0.0.1"]', "0.0.0.0", []),
        (
            'trusted_proxies = ["10.0.0.0/24", "10.0.0.0/8"]',
            "127.0.0.1",
            [f'{WHERE}[0]: "10.0.0.0/24" is in "10.0.0.0/8" already'],
        ),
        (
            'trusted_proxies = ["10.0.0.1", "10.0.0.1/32"]',
            "127.0.0.1",
            [f'{WHERE}[1]: "10.0.0.1/32" is in "10.0.0.1" already'],
        ),
        (
            'trusted_proxies = ["0.0.0.0/1", "2000::/3"]',
            "127.0.0.1",
            [
                f'{WHERE}[0]: "0.0.0.0/1" trusts the addresses of many strangers',
                f'{WHERE}[1]: "2000::/3" trusts the addresses of many strangers',
            ],
        ),
        ('proxy_protocol = "required"', "127.0.0.1", []),
        (
            'proxy_protocol = "required"',
            "0.0.0.0",
            [
                "locations[0].proxy_protocol: whoever reaches this port says who it is: name the"
                " balancers in trusted_proxies"
            ],
        ),
        ('proxy_protocol = "required"\ntrusted_proxies = ["10.0.0.1"]', "0.0.0.0", []),
    ],
)
def test_what_is_hardly_meant_is_said(
    tmp_path: Path, lines: str, host: str, warnings: list[str]
) -> None:
    config = load(written(tmp_path, lines, host))
    assert [str(warning) for warning in lint(config)] == warnings
