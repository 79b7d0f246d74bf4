"""Documents and models there and back: nothing is lost, whatever stands in them."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edgecache.config.aws.defaults import with_defaults
from edgecache.config.aws.document import DocumentError
from edgecache.config.aws.policies import Policies, policies_of
from edgecache.config.aws.read import read_distribution_config
from edgecache.config.aws.write import distribution_config, distribution_document
from edgecache.config.load import load
from edgecache.config.managed import CACHE_POLICIES
from edgecache.config.model import Distribution
from tests.config.aws.documents import anything, documents

SHIPPED = Path(__file__).resolve().parents[3] / "config"
EXAMPLE: dict[str, Any] = json.loads((SHIPPED / "aws-example.json").read_text())
CONFIG: dict[str, Any] = EXAMPLE["DistributionConfig"]

MINIMAL: dict[str, Any] = {
    "CallerReference": "r",
    "Comment": "",
    "Enabled": True,
    "Origins": {
        "Quantity": 1,
        "Items": [
            {"Id": "web", "DomainName": "o.test", "S3OriginConfig": {"OriginAccessIdentity": ""}}
        ],
    },
    "DefaultCacheBehavior": {
        "TargetOriginId": "web",
        "ViewerProtocolPolicy": "allow-all",
        "CachePolicyId": CACHE_POLICIES[0].id,
    },
}


@settings(max_examples=60, deadline=None)
@given(documents)
def test_whatever_is_read_is_written_back_with_its_defaults(document: dict[str, Any]) -> None:
    wanted = with_defaults(copy.deepcopy(document))
    written = distribution_config(read_distribution_config(document))
    assert json.dumps(written, sort_keys=True) == json.dumps(wanted, sort_keys=True)


@settings(max_examples=30, deadline=None)
@given(documents)
def test_defaults_are_filled_in_once(document: dict[str, Any]) -> None:
    filled = with_defaults(document)
    assert with_defaults(filled) == filled
    assert read_distribution_config(filled) == read_distribution_config(document)
    assert distribution_config(read_distribution_config(filled)) == filled


def test_the_example_comes_back() -> None:
    assert distribution_config(read_distribution_config(EXAMPLE)) == with_defaults(CONFIG)


def test_the_least_document_is_filled_in() -> None:
    filled = with_defaults(MINIMAL)
    assert filled["Aliases"] == {"Quantity": 0}
    assert filled["ViewerCertificate"] == {
        "CloudFrontDefaultCertificate": True,
        "MinimumProtocolVersion": "TLSv1",
    }
    assert filled["Origins"]["Items"][0]["OriginShield"] == {"Enabled": False}
    assert filled["DefaultCacheBehavior"]["GrpcConfig"] == {"Enabled": False}
    assert read_distribution_config(MINIMAL).kept == {}


def test_what_means_nothing_here_is_kept_by_its_path() -> None:
    assert read_distribution_config(EXAMPLE).kept == {
        "ViewerCertificate": {
            "Certificate": "arn:aws:acm:us-east-1:123456789012:certificate/example",
            "CertificateSource": "acm",
        },
    }


@pytest.mark.parametrize("name", ["demo.toml", "single.toml", "aws-example.toml"])
def test_what_toml_made_comes_back_from_its_document(name: str) -> None:
    for distribution in load(SHIPPED / name).distributions:
        document = json.loads(json.dumps(distribution_document(distribution)))
        policies = policies_of(distribution)
        assert read_distribution_config(document, policies=policies) == distribution


TOML = """
[[distributions]]
id = "E1"
domain_name = "d1.cloudfront.net"
semantics = "rfc9111"
tags = { team = "web" }
custom_error_responses = [{ error_code = 404 }]
geo_restriction = { kind = "blacklist", countries = ["GB"] }
viewer_certificate = { certificate_file = "c.pem", key_file = "k.pem" }
[[distributions.origins]]
id = "a"
domain_name = "unix:/run/a.sock"
protocol = "h2"
read_timeout_s = 1.5
ca_file = "ca.pem"
[[distributions.origins]]
id = "b"
domain_name = "b.test"
kind = "s3"
access_identity = "E9"
protocol_policy = "https-only"
client_certificate_file = "c.pem"
client_key_file = "k.pem"
secret_headers = { x-verify = "env:VERIFY" }
[[distributions.origin_groups]]
id = "g"
members = ["a", "b"]
status_codes = [503]
remember_s = 2.5
[[distributions.behaviors]]
path_pattern = "/old/*"
origin = "g"
forwarded_values = { query_string = true, cookies = "whitelist", cookie_names = ["a*"] }
[distributions.default_behavior]
origin = "a"
cache_policy = { ttl_s_max = 5 }
origin_request_policy = { headers = { behavior = "allViewer" } }
response_headers_policy = { cors = { allow_origins = ["*"] } }
"""


def test_what_only_we_know_comes_back_too(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(TOML)
    distribution = load(tmp_path / "x.toml").distributions[0]
    document = json.loads(json.dumps(distribution_document(distribution)))
    back = read_distribution_config(document, policies=policies_of(distribution))
    assert back == distribution


@pytest.mark.parametrize(
    ("protocol", "version", "extension"),
    [("http1.1", None, None), ("http2", "http2", None), ("h2", "http2", {"protocol": "h2"})],
)
def test_what_an_origin_is_asked_by_has_cloudfronts_name(
    protocol: Any, version: str | None, extension: dict[str, str] | None
) -> None:
    """`OriginHttpVersion`; that nothing else is spoken is ours."""
    document = copy.deepcopy(CONFIG)
    made = read_distribution_config({"DistributionConfig": document})
    first = next(one for one in made.origins if one.kind == "custom")
    asked = replace(first, protocol=protocol)
    (written,) = (
        one
        for one in distribution_config(replace(made, origins=(asked,)))["Origins"]["Items"]
        if one["Id"] == first.id
    )
    assert written["CustomOriginConfig"].get("OriginHttpVersion") == version
    assert written.get("Edgecache") == extension


def changed(place: str, value: object) -> dict[str, Any]:
    document = copy.deepcopy(MINIMAL)
    *path, name = place.split("/")
    at: Any = document
    for step in path:
        at = at[int(step)] if step.isdecimal() else at[step]
    at[name] = value
    return document


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("Enabled", 1, "Enabled: expected true or false, got 1"),
        ("Enabled", None, "Enabled: missing"),
        ("Origins", [], "Origins: expected an object, got a list"),
        ("Origins/Quantity", 2, "Origins.Quantity: 2, but there are 1 items"),
        ("Aliases", {"Quantity": 1}, "Aliases.Quantity: 1, but there are 0 items"),
        (
            "DefaultCacheBehavior/CachePolicyId",
            "x",
            'DefaultCacheBehavior.CachePolicyId: "x" is not a policy that is known here',
        ),
        (
            "DefaultCacheBehavior/CachePolicyId",
            "",
            "DefaultCacheBehavior.CachePolicyId: missing (and there are no ForwardedValues)",
        ),
        (
            "DefaultCacheBehavior/ForwardedValues",
            {"QueryString": False},
            "DefaultCacheBehavior.CachePolicyId: not used with ForwardedValues",
        ),
        (
            "DefaultCacheBehavior/ViewerProtocolPolicy",
            "http",
            'DefaultCacheBehavior.ViewerProtocolPolicy: "http" is not one of "allow-all",'
            ' "https-only", "redirect-to-https"',
        ),
        (
            "DefaultCacheBehavior/TrustedKeyGroups",
            {"Enabled": True, "Quantity": 0},
            "DefaultCacheBehavior.TrustedKeyGroups.Items: empty, but Enabled is true:"
            " nobody could sign",
        ),
        (
            "Origins/Items/0/S3OriginConfig",
            {"OriginAccessIdentity": "E1"},
            'Origins.Items[0].S3OriginConfig.OriginAccessIdentity: "E1" is not'
            " origin-access-identity/cloudfront/ID",
        ),
        ("DefaultCacheBehavior", None, "DefaultCacheBehavior: missing"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(place: str, value: object, problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_distribution_config(changed(place, value))
    assert problem in [str(found) for found in caught.value.problems]


PLACES = [
    "Origins",
    "Origins/Items",
    "Origins/Items/0",
    "Origins/Items/0/Id",
    "Origins/Items/0/S3OriginConfig",
    "Aliases/Items",
    "CacheBehaviors/Items",
    "DefaultCacheBehavior/ForwardedValues",
    "DefaultCacheBehavior/AllowedMethods",
    "Restrictions/GeoRestriction",
    "ViewerCertificate",
    "CustomErrorResponses",
    "Edgecache",
    "DistributionConfig",
    "Distribution",
]


@settings(max_examples=100, deadline=None)
@given(place=st.sampled_from(PLACES), value=anything | st.lists(anything, max_size=2))
def test_a_malformed_document_is_refused_and_breaks_nothing(place: str, value: Any) -> None:
    document = with_defaults(copy.deepcopy(MINIMAL))
    document["CacheBehaviors"] = {"Quantity": 0, "Items": []}
    *path, name = place.split("/")
    at: Any = document
    for step in path:
        at = at[int(step)] if step.isdecimal() else at[step]
    if isinstance(at, list):
        at[int(name)] = value
    else:
        at[name] = value
    with contextlib.suppress(DocumentError):
        read = read_distribution_config(document, id="E1")
        assert isinstance(read, Distribution)


def test_every_wrapper_is_opened() -> None:
    config = {"DistributionConfig": MINIMAL}
    full = {"Distribution": {"Id": "E9", "DomainName": "d9.cloudfront.net", **config}}
    tagged = {
        "DistributionConfigWithTags": config | {"Tags": {"Items": [{"Key": "a", "Value": "b"}]}}
    }
    bare = read_distribution_config(MINIMAL, id="E9")
    assert read_distribution_config(config | {"ETag": "E"}, id="E9") == bare
    found = read_distribution_config(full, policies=Policies())
    assert (found.id, found.domain_name) == ("E9", "d9.cloudfront.net")
    assert read_distribution_config(tagged).tags == {"a": "b"}


def test_a_python_hook_stands_in_no_document() -> None:
    """Only the file on a machine says what is run there."""
    hooks = {"function_associations": [{"event_type": "viewer-request", "python_hook": "h"}]}
    behavior = MINIMAL["DefaultCacheBehavior"]
    for document in (
        {**MINIMAL, "DefaultCacheBehavior": {**behavior, "Edgecache": hooks}},
        {
            **MINIMAL,
            "CacheBehaviors": {
                "Quantity": 1, "Items": [{**behavior, "PathPattern": "/a", "Edgecache": hooks}],
            },
        },
    ):  # fmt: skip
        with pytest.raises(DocumentError, match="hooks are named by the file"):
            read_distribution_config(document)


def test_a_hook_of_the_file_is_no_function_of_cloudfronts(tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text("def handler(event): return event['request']")
    file = tmp_path / "edgecache.toml"
    file.write_text("""
[[python_hooks]]
name = "h"
file = "hooks.py"
[[distributions]]
id = "E1"
origins = [{ id = "a", domain_name = "a.test" }]
default_behavior = { origin = "a", function_associations = [
  { event_type = "viewer-request", python_hook = "h" },
] }
""")
    config = load(file)
    assert config.python_hooks[0].file == str(tmp_path / "hooks.py")
    written = distribution_config(config.distributions[0])
    assert written["DefaultCacheBehavior"]["FunctionAssociations"] == {"Quantity": 0}
