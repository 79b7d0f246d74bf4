"""What a TOML file names: CloudFront's JSON beside it, policies of three kinds, ForwardedValues."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgecache.config.aws.policies import cache_policy_config
from edgecache.config.aws.write import distribution_config
from edgecache.config.load import load
from edgecache.config.managed import CACHE_POLICIES, RESPONSE_HEADERS_POLICIES
from edgecache.config.model import Config
from edgecache.config.problems import ConfigError
from edgecache.rules.routing import compile_routes, route

SHIPPED = Path(__file__).resolve().parents[2] / "config"
SITE = """
[[distributions]]
id = "E1"
[[distributions.origins]]
id = "web"
domain_name = "127.0.0.1"
[distributions.default_behavior]
origin = "web"
"""


def loaded(folder: Path, text: str) -> Config:
    (folder / "x.toml").write_text(text)
    return load(folder / "x.toml")


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    return [str(problem) for problem in caught.value.problems]


def test_the_example_routes_as_its_json_says() -> None:
    config = load(SHIPPED / "aws-example.toml")
    site = compile_routes(config).site(b"www.example.test")
    assert site is not None
    assert route(site, b"/api/v1").origin.domain_name == "api.example.test"
    assert route(site, b"/index.html").origin.http_port == 8071
    assert route(site, b"/index.html").behavior.cache_policy == CACHE_POLICIES[0]
    assert route(site, b"/data/x").behavior.cache_policy.query_strings.items == ("currency",)
    found = config.distributions[0]
    assert (found.id, found.origins[0].access_control_id) == ("EAWSEXAMPLE001", "E3EXAMPLEOAC01")


def test_a_document_names_the_policies_of_the_toml_file(tmp_path: Path) -> None:
    document = distribution_config(loaded(tmp_path, SITE).distributions[0])
    document["DefaultCacheBehavior"]["CachePolicyId"] = "own-1"
    (tmp_path / "d.json").write_text(json.dumps(document))
    named = '[[cache_policies]]\nid = "own-1"\nttl_s_max = 9\n'
    named += '[[distributions]]\nfile = "d.json"\nid = "E2"\nsemantics = "rfc9111"\n'
    found = loaded(tmp_path, named).distributions[0]
    assert found.default_behavior.cache_policy.ttl_s_max == 9
    assert (found.id, found.semantics) == ("E2", "rfc9111")


def test_policies_may_stand_in_files_too(tmp_path: Path) -> None:
    config = cache_policy_config(CACHE_POLICIES[3])
    (tmp_path / "p.json").write_text(json.dumps({"CachePolicyConfig": config}))
    listed = '[[cache_policies]]\nfile = "p.json"\nname = "own"\n'
    for text in (
        SITE + 'cache_policy = "own"\n' + listed,
        SITE + 'cache_policy = { file = "p.json" }\n',
    ):
        policy = loaded(tmp_path, text).distributions[0].default_behavior.cache_policy
        assert policy.headers == CACHE_POLICIES[3].headers


def test_response_headers_policies_are_named_or_written(tmp_path: Path) -> None:
    named = loaded(tmp_path, SITE + 'response_headers_policy = "SimpleCORS"\n')
    found = named.distributions[0].default_behavior.response_headers_policy
    assert found == RESPONSE_HEADERS_POLICIES[0]
    own = '[[response_headers_policies]]\nname = "own"\nremove = ["Server"]\n'
    written = loaded(tmp_path, SITE + 'response_headers_policy = "own"\n' + own)
    policy = written.distributions[0].default_behavior.response_headers_policy
    assert policy is not None
    assert policy.remove == ("Server",)


def test_forwarded_values_stand_for_policies(tmp_path: Path) -> None:
    text = SITE + "forwarded_values = { query_string = true, ttl_s_min = 100_000 }\n"
    behavior = loaded(tmp_path, text).distributions[0].default_behavior
    assert behavior.cache_policy.query_strings.behavior == "all"
    assert behavior.cache_policy.ttl_s_default == 100_000
    assert behavior.origin_request_policy is not None


D = "distributions[0].default_behavior"
B = "[[distributions]]\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            SITE + 'forwarded_values = {}\ncache_policy = "x"\n',
            f"{D}.cache_policy: not used with forwarded_values",
        ),
        (
            SITE + 'response_headers_policy = "Simple"\n',
            f'{D}.response_headers_policy: "Simple" is not a response headers policy'
            ' (did you mean "SimpleCORS"?)',
        ),
        (
            B + 'file = "none.json"\n',
            'distributions[0].file: "none.json": no such file or directory',
        ),
        (B + "file = 1\n", "distributions[0].file: 1 is not a path"),
        (B + 'file = "list.json"\n', 'distributions[0].file: "list.json" holds no object'),
        (B + 'file = "bad.json"\n', "distributions[0](bad.json).Enabled: missing"),
        (
            B + 'file = "good.json"\n',
            "distributions[0].id: missing, and the file has none",
        ),
        (
            B + 'file = "good.json"\nid = "E1"\nbehaviors = []\n',
            "distributions[0].behaviors: stands in the file",
        ),
        (
            B + 'file = "good.json"\nid = "E1"\norigins = [{ id = "other" }]\n',
            'distributions[0].origins[0].id: not an origin of the file (known: "web")',
        ),
        (
            B + 'file = "good.json"\nid = "E1"\norigins = [{ id = "web", http_port = 0 }]\n',
            "distributions[0].origins[0].http_port: 0 is outside 1 to 65535",
        ),
    ],
)
def test_what_is_wrong_is_told_once(tmp_path: Path, text: str, expected: str) -> None:
    good: dict[str, Any] = distribution_config(loaded(tmp_path, SITE).distributions[0])
    own = cache_policy_config(CACHE_POLICIES[0])
    (tmp_path / "p.json").write_text(json.dumps(own))
    good["DefaultCacheBehavior"]["CachePolicyId"] = CACHE_POLICIES[0].id
    (tmp_path / "good.json").write_text(json.dumps(good))
    (tmp_path / "bad.json").write_text(json.dumps(good | {"Enabled": None}))
    (tmp_path / "list.json").write_text("[]")
    assert problems(tmp_path, text) == [expected]
