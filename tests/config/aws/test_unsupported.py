"""Every member of CloudFront's model, walked from botocore's shapes: acted on, refused or told."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from msgspec.structs import replace

from edgecache.config.aws.access import (
    read_key_group,
    read_origin_access_control,
    read_origin_access_identity,
    read_public_key,
)
from edgecache.config.aws.behaviors import FUNCTION_ARNS, REALTIME_LOG_ARNS
from edgecache.config.aws.document import DocumentError
from edgecache.config.aws.policies import read_cache_policy, read_origin_request_policy
from edgecache.config.aws.read import read_distribution_config
from edgecache.config.aws.response_headers import read_response_headers_policy
from edgecache.config.aws.unsupported import (
    IDLE,
    MEMBERS,
    as_markdown,
    refused_of,
    unsupported,
    unsupported_of,
)
from edgecache.config.managed import (
    CACHE_POLICIES,
    ORIGIN_REQUEST_POLICIES,
    RESPONSE_HEADERS_POLICIES,
)
from edgecache.config.model import (
    Behavior,
    CustomErrorResponse,
    Distribution,
    Origin,
    OriginGroup,
    OriginShield,
    ViewerCertificate,
)
from edgecache.control.cloudfront.model import api
from tests.config.aws.test_round_trip import EXAMPLE, MINIMAL
from tests.control.cloudfront.test_codec import service

ROOT = Path(__file__).resolve().parents[3]

VALUES: dict[str, tuple[Any, Any]] = {  # two legal values, where any text will not do
    "CachePolicyId": (CACHE_POLICIES[0].id, CACHE_POLICIES[2].id),
    "OriginRequestPolicyId": (ORIGIN_REQUEST_POLICIES[0].id, ORIGIN_REQUEST_POLICIES[3].id),
    "ResponseHeadersPolicyId": (RESPONSE_HEADERS_POLICIES[0].id, RESPONSE_HEADERS_POLICIES[1].id),
    "FunctionARN": (f"{FUNCTION_ARNS}f", f"{FUNCTION_ARNS}g"),
    "RealtimeLogConfigArn": (f"{REALTIME_LOG_ARNS}f", f"{REALTIME_LOG_ARNS}g"),
    "OriginAccessIdentity": ("", "origin-access-identity/cloudfront/E2"),
    "ResponseCode": ("200", "404"),
    "HttpVersion": ("http2", "http3"),
    "IpAddressType": ("ipv4", "ipv6"),
    "ConnectionMode": ("direct", "tenant-only"),
    "SelectionCriteria": ("default", "media-quality-based"),
    "RestrictionType": ("none", "whitelist"),
    "PriceClass": ("PriceClass_All", "PriceClass_100"),
    "SSLSupportMethod": ("sni-only", "vip"),
    "IsIPV6Enabled": (True, False),
    "SigningProtocol": ("sigv4", "sigv4a"),
    "SigningBehavior": ("never", "always"),
    "OriginAccessControlOriginType": ("s3", "mediastore"),
}
SCALARS: dict[str, tuple[Any, Any]] = {
    "integer": (5, 7),
    "long": (5, 7),
    "float": (1.0, 2.0),
    "double": (1.0, 2.0),
}
VARIANTS = (  # members that exclude each other
    {"S3OriginConfig", "VpcOriginConfig", "ForwardedValues", "IAMCertificateId"},
    {"CustomOriginConfig", "VpcOriginConfig", "CachePolicyId", "OriginRequestPolicyId",
     "ACMCertificateArn"},
    {"S3OriginConfig", "CustomOriginConfig", "ForwardedValues", "IAMCertificateId"},
)  # fmt: skip
DATA = re.compile(r".*\.Quantity|CallerReference|Comment")  # given back, and that is all it is for

Path_ = tuple[str | int, ...]


def values_of(name: str, shape: Any, *, on: bool) -> tuple[Any, Any]:
    if name in VALUES:
        return VALUES[name]
    if shape.type_name == "boolean":
        return on, not on
    if shape.type_name in SCALARS:
        return SCALARS[shape.type_name]
    choices = getattr(shape, "enum", None)
    return (choices[0], choices[-1]) if choices else ("x", "y")


def full(shape: Any, name: str, without: set[str], *, on: bool = False) -> Any:
    """A value with every member, each with the first of its two values."""
    if shape.type_name == "structure":
        made = {
            inner: full(member, inner, without, on=on)
            for inner, member in shape.members.items()
            if inner not in without
        }
        return made | ({"Quantity": 1} if "Items" in made and "Quantity" in made else {})
    if shape.type_name == "list":
        return [full(shape.member, name, without, on=on)]
    return values_of(name, shape, on=on)[0]


def leaves(
    shape: Any, path: Path_, without: set[str], *, on: bool = False
) -> Iterator[tuple[Path_, Any]]:
    if shape.type_name == "structure":
        for inner, member in shape.members.items():
            if inner not in without:
                yield from leaves(member, (*path, inner), without, on=on)
    elif shape.type_name == "list":
        yield from leaves(shape.member, (*path, 0), without, on=on)
    else:
        name = next(step for step in reversed(path) if isinstance(step, str))
        yield path, values_of(name, shape, on=on)[1]


def changed(document: dict[str, Any], path: Path_, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(document)
    at: Any = made
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return made


def general(path: Path_) -> str:
    """`Origins[].OriginShield.Enabled`, as the table has it."""
    text = "".join("" if step == 0 else f".{step}" for step in path).removeprefix(".")
    return re.sub(r"\.Items\b(?=\.)", "[]", text).removesuffix(".Items")


def is_listed(place: str, row: str) -> bool:
    return place == row or place.startswith((row + ".", row + "[]"))


def read(document: dict[str, Any]) -> Distribution | str:
    """What the engine is given of it; a text when it is refused."""
    try:
        return replace(read_distribution_config(document), kept={})
    except DocumentError as error:
        return str(error)


def walked() -> tuple[dict[str, bool], set[str]]:
    """Each leaf, and whether the model tells two values of it apart; the rows that were told."""
    found: dict[str, bool] = {}
    rows: set[str] = set()
    shape = service().shape_for("DistributionConfig")
    for without, on in itertools.product(VARIANTS, (False, True)):
        base = full(shape, "", without, on=on)
        assert isinstance(read(base), Distribution), read(base)
        for path, value in leaves(shape, (), without, on=on):
            other = changed(base, path, value)
            place = general(path)
            found[place] = found.get(place, False) or read(other) != read(base)
            told = unsupported(other, geo=False)
            rows |= {one.member.place for one in told if is_listed(place, one.member.place)}
    return found, rows


def test_every_member_of_a_distribution_is_acted_on_or_told() -> None:
    places, rows = walked()
    assert rows == {member.place for member in MEMBERS}
    known = [*rows, *IDLE]
    silent = [
        place
        for place, acted in places.items()
        if not acted and not DATA.fullmatch(place)
        if not any(is_listed(place, row) for row in known)
    ]
    assert silent == []


CONFIGS: tuple[tuple[str, Callable[[dict[str, Any]], Any]], ...] = (
    ("CachePolicyConfig", read_cache_policy),
    ("OriginRequestPolicyConfig", read_origin_request_policy),
    ("ResponseHeadersPolicyConfig", read_response_headers_policy),
    ("OriginAccessControlConfig", read_origin_access_control),
    ("CloudFrontOriginAccessIdentityConfig", read_origin_access_identity),
    ("KeyGroupConfig", lambda config: read_key_group({"Id": "k", "KeyGroupConfig": config})),
    ("PublicKeyConfig", lambda config: read_public_key({"Id": "k", "PublicKeyConfig": config})),
)


@pytest.mark.parametrize(("name", "reader"), CONFIGS, ids=[name for name, _ in CONFIGS])
def test_every_member_of_the_others_is_acted_on(
    name: str, reader: Callable[[dict[str, Any]], Any]
) -> None:
    shape = service().shape_for(name)
    base = full(shape, "", set())
    if name == "ResponseHeadersPolicyConfig":
        base["ServerTimingHeadersConfig"]["Enabled"] = True
    silent = []
    for path, value in leaves(shape, (), set()):
        if base and general(path) == "ServerTimingHeadersConfig.Enabled":
            value = False
        try:
            differs = reader(changed(base, path, value)) != reader(base)
        except DocumentError:
            differs = True  # refused, by its place
        if not differs and not DATA.fullmatch(general(path)):
            silent.append(general(path))
    assert silent == []


@pytest.mark.parametrize(
    "model",
    [Distribution, Behavior, Origin, OriginGroup, CustomErrorResponse, ViewerCertificate],
    ids=lambda model: model.__name__,
)
def test_what_the_model_has_is_read_by_somebody(model: Any) -> None:
    """Outside the configuration's own readers and writers; the rest is data, or in the table."""
    told = {"price_class", "ipv6_enabled", "logging", "realtime_log"}
    told |= {"acm_certificate_arn", "iam_certificate_id", "ssl_support_method"}
    data = {"comment", "caller_reference", "kept", "tags"}
    folders = ("rules", "cache", "upstream", "server", "store")
    sources = [path for name in folders for path in (ROOT / "edgecache" / name).rglob("*.py")]
    text = "\n".join(path.read_text() for path in sources)
    text += (
        ROOT / "edgecache/config/aws/forwarded_values.py"
    ).read_text()  # forwarded_values, as policies
    names = {field.name for field in structs.fields(model)} - told - data
    assert {name for name in names if not re.search(rf"\.{name}\b", text)} <= {"forwarded_values"}


def test_what_is_off_is_taken_in_silence() -> None:
    assert unsupported_of(read_distribution_config(MINIMAL), geo=False) == ()
    quiet = {
        "WebACLId": "",
        "ConnectionMode": "direct",
        "Staging": False,
        "TenantConfig": {"ParameterDefinitions": []},
        "Logging": {"Enabled": False, "IncludeCookies": True, "Bucket": "", "Prefix": ""},
    }
    assert unsupported(MINIMAL | quiet, geo=False) == ()


@pytest.mark.parametrize(
    ("version", "told"), [("http1.1", 0), ("http2", 0), ("http3", 1), ("http2and3", 1)]
)
def test_http_3_is_told(version: str, told: int) -> None:
    found = unsupported(MINIMAL | {"HttpVersion": version}, geo=False)
    assert [one.place for one in found] == ["HttpVersion"] * told


def test_places_are_those_of_the_document() -> None:
    behavior = MINIMAL["DefaultCacheBehavior"] | {"PathPattern": "/a", "SmoothStreaming": True}
    document = MINIMAL | {"CacheBehaviors": {"Quantity": 1, "Items": [behavior]}}
    found = unsupported_of(read_distribution_config(document), geo=False)
    assert [str(one) for one in found] == [
        "CacheBehaviors.Items[0].SmoothStreaming: not supported: the format is not made"
    ]


def test_countries_are_refused_where_nothing_tells_them() -> None:
    restricted = {
        "GeoRestriction": {"RestrictionType": "whitelist", "Quantity": 1, "Items": ["GB"]}
    }
    site = read_distribution_config(MINIMAL | {"Restrictions": restricted})
    assert [one.member.code for one in refused_of(site, geo=False)] == [
        "InvalidGeoRestrictionParameter"
    ]
    assert refused_of(site, geo=True) == ()


def test_a_certificate_of_ones_own_is_the_one_that_was_meant() -> None:
    site = read_distribution_config(EXAMPLE)
    own = ViewerCertificate(certificate_file="/c.pem", key_file="/k.pem")
    places = {one.place for one in unsupported_of(site, geo=False)}
    assert "ViewerCertificate.ACMCertificateArn" in places
    kept = unsupported_of(replace(site, viewer_certificate=own), geo=False)
    assert "ViewerCertificate.ACMCertificateArn" not in {one.place for one in kept}


def test_members_that_nobody_knows_are_told() -> None:
    document = MINIMAL | {"Alises": {"Quantity": 1, "Items": ["a.test"]}, "Newer": {"On": True}}
    found = unsupported_of(read_distribution_config(document), geo=False)
    assert {one.place for one in found} == {"Alises.Quantity", "Alises.Items", "Newer.On"}
    assert not any(one.refused for one in found)


@pytest.mark.parametrize("wrong", [7, "x", ["x"], {"Items": "x"}, {"Quantity": 1}])
def test_what_is_malformed_asks_for_something(wrong: object) -> None:
    behavior = MINIMAL["DefaultCacheBehavior"] | {"FieldLevelEncryptionId": wrong}
    assert unsupported(MINIMAL | {"DefaultCacheBehavior": behavior}, geo=False) != ()


def test_codes_are_the_operations_own() -> None:
    for name in ("CreateDistribution", "UpdateDistribution"):
        known = {shape.name for shape in service().operation_model(name).error_shapes}
        for member in MEMBERS:
            assert member.code in known | {""}, (name, member)
            assert not member.code or member.code in api().statuses


def test_the_documentation_has_the_table() -> None:
    assert as_markdown() in (ROOT / "docs" / "api.md").read_text()


@pytest.mark.parametrize(
    ("protocols", "told"),
    [
        (["TLSv1.2"], False),
        (["TLSv1.3"], False),
        (["TLSv1.2", "TLSv1.3"], False),
        (["TLSv1.1", "TLSv1.2"], True),
        (["SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2"], True),
    ],
)
def test_older_protocols_with_origins_are_told(protocols: list[str], told: bool) -> None:
    listed = {"Quantity": len(protocols), "Items": protocols}
    origin = {"CustomOriginConfig": {"OriginSslProtocols": listed}}
    config = {"Origins": {"Quantity": 1, "Items": [origin]}}
    assert [one.refused for one in unsupported(config, geo=True)] == [False] * told


@pytest.mark.parametrize(("region", "shields", "refused"), [
    ("eu", {"eu", "eu-1"}, False),
    ("eu-1", {"eu", "eu-1"}, False),
    ("eu-west-2", {"eu", "eu-1"}, True),
    ("eu", (), True),  # there is no regional cache
    ("eu-west-2", None, False),  # there is one, before all origins
])  # fmt: skip
def test_a_shield_is_a_regional_cache_that_there_is(
    region: str, shields: set[str] | None, refused: bool
) -> None:
    document = copy.deepcopy(MINIMAL)
    shield = {"Enabled": True, "OriginShieldRegion": region}
    document["Origins"]["Items"][0]["OriginShield"] = shield
    site = read_distribution_config(document)
    assert site.origins[0].origin_shield == OriginShield(region=region)
    found = refused_of(site, geo=True, shields=shields)
    assert [(one.member.code, one.member.stops) for one in found] == (
        [("InvalidArgument", False)] if refused else []
    )
    assert bool(unsupported(document, geo=True, shields=shields)) is refused
