"""Where names of origins lead: patterns, what they may lead to, and S3's two kinds of endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.origin_map import with_mapped_origins
from edgecache.config.problems import ConfigError

SITE = """
[[distributions]]
id = "E1"
origins = [{{ id = "o", domain_name = "{name}"{more} }}]
default_behavior = {{ origin = "o" }}
"""
MOTO = "http://127.0.0.1:4566"
S3 = '[origin_map]\n"*.s3.*.amazonaws.com" = "http://127.0.0.1:4566"\n'


def loaded(folder: Path, text: str) -> Config:
    (folder / "edgecache.toml").write_text(text)
    return load(folder / "edgecache.toml")


def connected(folder: Path, name: str, origin_map: str = S3, more: str = "") -> str:
    """Where an origin of this name is connected to; empty: where its name leads."""
    config = loaded(folder, SITE.format(name=name, more=more) + origin_map)
    (origin,) = with_mapped_origins(config).distributions[0].origins
    assert origin.domain_name == name
    return origin.connect_to


@pytest.mark.parametrize(
    ("name", "to"),
    [
        ("site.s3.eu-west-1.amazonaws.com", MOTO),
        ("Site.S3.eu-west-1.amazonaws.com", MOTO),
        ("a.b.s3.us-east-1.amazonaws.com", MOTO),
        ("site.s3.amazonaws.com", ""),  # the pattern wants a region
        ("site.s3-website.eu-west-1.amazonaws.com", ""),
        ("site.s3-website-us-east-1.amazonaws.com", ""),
        ("a.s3.b.s3-website.eu-west-1.amazonaws.com", ""),  # which the pattern fits
        ("s3.eu-west-1.amazonaws.com.evil.test", ""),
        ("api.example.com", ""),
    ],
)
def test_a_pattern_of_s3_is_of_its_rest_endpoints(tmp_path: Path, name: str, to: str) -> None:
    assert connected(tmp_path, name) == to


def test_websites_have_a_pattern_of_their_own(tmp_path: Path) -> None:
    both = '[origin_map]\n"*.amazonaws.com" = "http://a.test"\n"*.s3-website*" = "http://b.test"\n'
    assert connected(tmp_path, "x.s3-website.eu-west-1.amazonaws.com", both) == "http://b.test"
    assert connected(tmp_path, "x.s3.eu-west-1.amazonaws.com", both) == "http://a.test"


def test_the_first_that_fits_counts_and_an_origin_s_own_word_before_all(tmp_path: Path) -> None:
    several = '[origin_map]\n"a.*" = "http://one.test"\n"*" = "http://two.test"\n'
    assert connected(tmp_path, "a.test", several) == "http://one.test"
    assert connected(tmp_path, "b.test", several) == "http://two.test"
    own = ', connect_to = "https://three.test:1"'
    assert connected(tmp_path, "a.test", several, own) == "https://three.test:1"


def test_what_is_mapped_may_be_where_the_file_may_lead(tmp_path: Path) -> None:
    more = ', reach = "public"'
    text = SITE.format(name="x.s3.eu-west-1.amazonaws.com", more=more) + S3
    (origin,) = with_mapped_origins(loaded(tmp_path, text)).distributions[0].origins
    assert origin.reach == "private"


def test_the_environment_comes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "*.s3.eu-*=http://127.0.0.1:1, app.test=https://127.0.0.1:2"
    monkeypatch.setenv("EDGECACHE_ORIGIN_MAP", said)
    assert connected(tmp_path, "x.s3.eu-west-1.amazonaws.com") == "http://127.0.0.1:1"
    assert connected(tmp_path, "x.s3.us-west-1.amazonaws.com") == MOTO
    assert connected(tmp_path, "app.test", "") == "https://127.0.0.1:2"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[origin_map]\n"A.test" = "http://x"', '"A.test" is not a host name in lower case'),
        ('[origin_map]\n"a/b" = "http://x"', '"a/b" is not a host name'),
        ('[origin_map]\n"a" = "x:80"', '"x:80" is not http://HOST[:PORT]'),
        ('[origin_map]\n"a" = "http://x/path"', '"http://x/path" is not'),
        ('[origin_map]\n"a" = "http://me@x"', '"http://me@x" is not'),
        ('[origin_map]\n"a" = "http://x:99999"', '"http://x:99999" is not'),
        ('[origin_map]\n"a" = 4566', "expected"),
        (
            SITE.format(name="o.test", more=', connect_to = "ftp://x"'),
            'distributions[0].origins[0].connect_to: "ftp://x" is not http://HOST[:PORT]',
        ),
    ],
)
def test_what_leads_nowhere_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)
    (problem,) = refused.value.problems
    assert said in str(problem)


def test_so_is_what_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECACHE_ORIGIN_MAP", "a.test,b.test=nowhere")
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, "")
    lines = [str(one) for one in refused.value.problems]
    assert len(lines) == 2
    assert lines[0].startswith('EDGECACHE_ORIGIN_MAP."a.test": is not PATTERN=URL')
    assert lines[1].startswith('EDGECACHE_ORIGIN_MAP."b.test": "nowhere" is not http://HOST')
