"""Settings of origins, names and circuits: each out of its bounds is one line with its path."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.load import load
from edgecache.config.problems import ConfigError

SITE = """
[[distributions]]
id = "E1"
origins = [{{ id = "o", domain_name = "o.test"{more} }}]
default_behavior = {{ origin = "o" }}
"""
O = "distributions[0].origins[0]"  # noqa: E741


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "circuit_failures = 0",
            f"{O}.circuit_failures: 0 is outside 1 to 10000 attempts",
        ),
        (
            "circuit_window_s = 0.1",
            f"{O}.circuit_window_s: 0.1 is outside 0.5 to 600 seconds",
        ),
        (
            "circuit_trickle_per_s = 0",
            f"{O}.circuit_trickle_per_s: 0.0 is outside 0.1 to 1000 attempts a second",
        ),
        ('circuit_breaker = "on"', f'{O}.circuit_breaker: expected true or false, got "on"'),
        (
            "connection_s_max = 0",
            f"{O}.connection_s_max: 0.0 is outside 1 to 86400 seconds",
        ),
        (
            "slow_connections_share = 1.5",
            f"{O}.slow_connections_share: 1.5 is outside 0.01 to 1 of connections_max",
        ),
        (
            'ssl_protocols = ["TLSv1.4"]',
            f'{O}.ssl_protocols[0]: "TLSv1.4" is not one of "SSLv3", "TLSv1", "TLSv1.1", '
            '"TLSv1.2", "TLSv1.3"',
        ),
        (
            'protocol_policy = "match-viewer", ssl_protocols = ["SSLv3", "TLSv1.1"]',
            f'{O}.ssl_protocols: "SSLv3", "TLSv1.1": nothing older than TLSv1.2 is spoken',
        ),
        (
            'protocol_policy = "https-only", ssl_protocols = []',
            f"{O}.ssl_protocols: empty: nothing older than TLSv1.2 is spoken",
        ),
        (
            'protocol_policy = "https-only", server_name = "a..test"',
            f'{O}.server_name: "a..test" is not a host name',
        ),
        (
            'server_name = "a.test"',
            f'{O}.server_name: not used with protocol_policy "http-only"',
        ),
        (
            'host_header = "a.test:80"',
            f'{O}.host_header: "a.test:80" is not a host name without a port',
        ),
        (
            'certificate_names = ["a.test"]',
            f'{O}.certificate_names: not used with protocol_policy "http-only"',
        ),
        (
            'protocol_policy = "https-only", certificate_names = ["*"]',
            f'{O}.certificate_names[0]: "*" is not a host name, or *. and one, of at most 64 '
            "characters",
        ),
        ('reach = "own"', f'{O}.reach: "own" is not for origins ("private" or "public")'),
        ('reach = "all"', f'{O}.reach: "all" is not one of "own", "private", "public"'),
    ],
)
def test_an_origin(more: str, said: str, tmp_path: Path) -> None:
    assert _told(tmp_path, SITE.format(more=f", {more}")) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[resolver]\nanswer_s_max = 0\n",
            "resolver.answer_s_max: 0.0 is outside 1 to 86400 seconds",
        ),
        (
            "[resolver]\nlast_good_s_max = -1\n",
            "resolver.last_good_s_max: -1.0 is outside 0 to 604800 seconds",
        ),
        (
            "[control]\nallow_private_origins = 1\n",
            "control.allow_private_origins: expected true or false, got 1",
        ),
    ],
)
def test_the_rest(text: str, said: str, tmp_path: Path) -> None:
    assert _told(tmp_path, text + SITE.format(more="")) == said


def _told(folder: Path, text: str) -> str:
    path = folder / "edgecache.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(path)
    (problem,) = error.value.problems
    return str(problem)
