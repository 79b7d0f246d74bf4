"""Distributions over the API, with botocore's client: what AWS answers is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edgecache.cli.check import check_report
from edgecache.config.lambda_functions import LambdaFunctionConfig
from edgecache.config.load import load
from tests.control.api.asking import created, default, names, refused, served
from tests.control.cloudfront.desk import LOCATION_ALONE, Desk, open_desk, site


def test_the_life_of_a_distribution(desk: Desk, client: Any) -> None:
    desk.deployed = False
    made = created(client)
    one = made["Distribution"]
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert made["Location"] == f"http://127.0.0.1:8090/2020-05-31/distribution/{one['Id']}"
    assert made["ETag"].startswith("E")
    assert len(made["ETag"]) == 14
    assert one["Status"] == "InProgress"
    assert one["ARN"] == f"arn:aws:cloudfront::000000000000:distribution/{one['Id']}"
    assert one["DomainName"].endswith(".cloudfront.net")
    assert len(one["DomainName"]) == len("d111111abcdef8.cloudfront.net")
    assert served(desk)[one["Id"]]["domain_name"] == one["DomainName"]
    assert client.get_distribution(Id=one["Id"])["Distribution"]["Status"] == "InProgress"
    assert sum(desk.pauses) == pytest.approx(2)
    desk.deployed = True
    assert client.get_distribution(Id=one["Id"])["Distribution"]["Status"] == "Deployed"
    config = client.get_distribution_config(Id=one["Id"])
    assert config["ETag"] == made["ETag"]
    off = config["DistributionConfig"] | {"Enabled": False, "Comment": "off"}
    changed = client.update_distribution(Id=one["Id"], IfMatch=made["ETag"], DistributionConfig=off)
    assert changed["ETag"] != made["ETag"]
    assert served(desk)[one["Id"]]["enabled"] is False
    gone = client.delete_distribution(Id=one["Id"], IfMatch=changed["ETag"])
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert one["Id"] not in served(desk)
    refused(lambda: client.get_distribution(Id=one["Id"]), code="NoSuchDistribution", status=404)


def test_the_first_one_may_be_made_and_the_last_deleted_by_the_api(tmp_path: Path) -> None:
    with open_desk(tmp_path, LOCATION_ALONE) as desk:
        assert served(desk) == {}
        assert nothing_served(desk)
        client = desk.client()
        made = created(client, Enabled=False)
        id = made["Distribution"]["Id"]
        assert list(served(desk)) == [id]
        assert not nothing_served(desk)
        client.delete_distribution(Id=id, IfMatch=made["ETag"])
        assert served(desk) == {}


def nothing_served(desk: Desk) -> bool:
    """Whether `edgecache check` warns that there is no distribution."""
    warnings = check_report(load(desk.folder / "edgecache.toml")).warnings
    return any("none yet" in warning for warning in warnings)


def test_what_is_read_is_what_was_written_with_the_defaults(client: Any) -> None:
    aliases = {"Quantity": 1, "Items": ["www.example.com"]}
    given = site("one", Aliases=aliases, HttpVersion="HTTP2")
    made = client.create_distribution(DistributionConfig=given)
    config = client.get_distribution_config(Id=made["Distribution"]["Id"])["DistributionConfig"]
    assert config == made["Distribution"]["DistributionConfig"]
    for name in ("CallerReference", "Comment", "Enabled", "Aliases"):
        assert config[name] == given[name]
    assert config["DefaultRootObject"] == ""
    assert config["WebACLId"] == ""
    assert config["CacheBehaviors"] == {"Quantity": 0}
    assert config["PriceClass"] == "PriceClass_All"
    assert config["HttpVersion"] == "http2"
    assert config["ViewerCertificate"]["CloudFrontDefaultCertificate"] is True
    assert config["Restrictions"]["GeoRestriction"] == {"RestrictionType": "none", "Quantity": 0}
    assert config["Logging"] == {
        "Enabled": False, "IncludeCookies": False, "Bucket": "", "Prefix": "",
    }  # fmt: skip
    origin = config["Origins"]["Items"][0]
    assert (origin["ConnectionAttempts"], origin["ConnectionTimeout"]) == (3, 10)
    assert origin["CustomOriginConfig"]["OriginReadTimeout"] == 30
    behavior = config["DefaultCacheBehavior"]
    assert behavior["TrustedSigners"] == {"Enabled": False, "Quantity": 0}
    assert behavior["LambdaFunctionAssociations"] == {"Quantity": 0}
    assert behavior["AllowedMethods"]["CachedMethods"]["Quantity"] == 2


def test_what_is_read_can_be_written_unchanged_for_ever(client: Any) -> None:
    id = created(client)["Distribution"]["Id"]
    for _ in range(3):
        read = client.get_distribution_config(Id=id)
        again = client.update_distribution(
            Id=id, IfMatch=read["ETag"], DistributionConfig=read["DistributionConfig"]
        )
        assert again["Distribution"]["DistributionConfig"] == read["DistributionConfig"]


def test_if_match(client: Any) -> None:
    made = created(client)
    id, config = made["Distribution"]["Id"], made["Distribution"]["DistributionConfig"]

    def update(**more: str) -> Any:
        return client.update_distribution(Id=id, DistributionConfig=config, **more)

    refused(update, code="InvalidIfMatchVersion", status=400)
    refused(lambda: update(IfMatch='"x"'), code="InvalidIfMatchVersion", status=400)
    refused(lambda: update(IfMatch="E1234567890123"), code="PreconditionFailed", status=412)
    assert update(IfMatch=made["ETag"])
    refused(lambda: update(IfMatch=made["ETag"]), code="PreconditionFailed", status=412)
    refused(lambda: client.delete_distribution(Id=id), code="InvalidIfMatchVersion", status=400)


def test_a_caller_reference_makes_one_distribution(client: Any) -> None:
    id = created(client)["Distribution"]["Id"]
    refused(lambda: created(client), code="DistributionAlreadyExists", status=409, said=id)
    refused(lambda: created(client, Comment="other"), code="DistributionAlreadyExists", status=409)
    made = created(client, "two")
    config = made["Distribution"]["DistributionConfig"] | {"CallerReference": "three"}
    refused(
        lambda: client.update_distribution(
            Id=made["Distribution"]["Id"], IfMatch=made["ETag"], DistributionConfig=config
        ),
        code="IllegalUpdate",
        status=400,
        said="CallerReference",
    )


def test_only_what_is_off_everywhere_can_be_deleted(desk: Desk, client: Any) -> None:
    made = created(client)
    id = made["Distribution"]["Id"]
    refused(
        lambda: client.delete_distribution(Id=id, IfMatch=made["ETag"]),
        code="DistributionNotDisabled",
        status=409,
    )
    config = made["Distribution"]["DistributionConfig"] | {"Enabled": False}
    off = client.update_distribution(Id=id, IfMatch=made["ETag"], DistributionConfig=config)
    desk.deployed = False
    refused(
        lambda: client.delete_distribution(Id=id, IfMatch=off["ETag"]),
        code="DistributionNotDisabled",
        status=409,
        said="InProgress",
    )


def test_lists_go_by_pages(client: Any) -> None:
    ids = {created(client, str(number))["Distribution"]["Id"] for number in range(6)} | {"EFILE"}
    seen, marker, pages_read = [], "", 0
    while True:
        page = client.list_distributions(Marker=marker, MaxItems="2")["DistributionList"]
        seen += [one["Id"] for one in page["Items"]]
        assert page["Marker"] == marker
        assert page["MaxItems"] == 2
        assert page["Quantity"] == len(page["Items"])
        pages_read += 1
        if not page["IsTruncated"]:
            assert "NextMarker" not in page
            break
        marker = page["NextMarker"]
    assert seen == sorted(ids)
    assert pages_read == 4
    paginator = client.get_paginator("list_distributions")
    whole = paginator.paginate(PaginationConfig={"PageSize": 3}).build_full_result()
    assert [one["Id"] for one in whole["DistributionList"]["Items"]] == sorted(ids)
    assert client.list_distributions(MaxItems="5000")["DistributionList"]["MaxItems"] == 100
    for wrong in ("0", "-1", "x", "1.5"):
        refused(
            lambda wrong=wrong: client.list_distributions(MaxItems=wrong),
            code="InvalidArgument",
            status=400,
            said="MaxItems",
        )


def test_a_summary_says_what_the_distribution_says(client: Any) -> None:
    one = created(client)["Distribution"]
    listed = client.list_distributions()["DistributionList"]["Items"]
    summary = next(item for item in listed if item["Id"] == one["Id"])
    assert summary["Origins"] == one["DistributionConfig"]["Origins"]
    assert (summary["DomainName"], summary["ARN"]) == (one["DomainName"], one["ARN"])


def test_a_copy_stages_another_distribution(client: Any) -> None:
    made = created(client, Aliases=names("www.example.com"))
    id = made["Distribution"]["Id"]
    copy = client.copy_distribution(
        PrimaryDistributionId=id, IfMatch=made["ETag"], Staging=True, CallerReference="copy"
    )
    config = copy["Distribution"]["DistributionConfig"]
    assert copy["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (config["Staging"], config["Aliases"]["Quantity"]) == (True, 0)
    assert config["Origins"] == made["Distribution"]["DistributionConfig"]["Origins"]
    refused(
        lambda: client.copy_distribution(PrimaryDistributionId=id, CallerReference="again"),
        code="InvalidIfMatchVersion",
        status=400,
    )


def test_by_web_acl(desk: Desk, client: Any) -> None:
    desk.ignores_unsupported()
    id = created(client, WebACLId="arn:acl")["Distribution"]["Id"]

    def of(acl: str) -> list[str]:
        found = client.list_distributions_by_web_acl_id(WebACLId=acl)["DistributionList"]
        return [one["Id"] for one in found.get("Items", [])]

    assert of("arn:acl") == [id]
    assert of("null") == ["EFILE"]


def test_the_files_distributions_are_shown_and_not_changed(client: Any) -> None:
    read = client.get_distribution(Id="EFILE")
    one = read["Distribution"]
    assert one["DistributionConfig"]["Aliases"]["Items"] == ["file.test"]
    group = one["ActiveTrustedKeyGroups"]["Items"][0]
    assert (group["KeyGroupId"], group["KeyPairIds"]["Items"]) == ("team", ["KFILE"])
    policy = one["DistributionConfig"]["DefaultCacheBehavior"]["CachePolicyId"]
    assert client.get_cache_policy(Id=policy)["CachePolicy"]["CachePolicyConfig"]["Name"] == "short"
    for call in (
        lambda: client.update_distribution(
            Id="EFILE", IfMatch=read["ETag"], DistributionConfig=one["DistributionConfig"]
        ),
        lambda: client.delete_distribution(Id="EFILE", IfMatch=read["ETag"]),
        lambda: client.tag_resource(
            Resource=one["ARN"], Tags={"Items": [{"Key": "a", "Value": "b"}]}
        ),
    ):
        refused(call, code="AccessDenied", status=403, said="edgecache adopt EFILE")


def test_all_of_it_outlives_a_restart(desk: Desk, client: Any) -> None:
    made = created(client)
    id, generation = made["Distribution"]["Id"], desk.log.generation
    desk.state.close()
    desk.open()
    read = desk.client().get_distribution(Id=id)
    assert (read["ETag"], read["Distribution"]["DistributionConfig"]) == (
        made["ETag"],
        made["Distribution"]["DistributionConfig"],
    )
    assert desk.log.generation == generation


LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:{}"


def associated(*items: tuple[str, str], **more: Any) -> dict[str, Any]:
    listed = [
        {"LambdaFunctionARN": LAMBDA.format(name), "EventType": event} | more
        for name, event in items
    ]
    return default(LambdaFunctionAssociations={"Quantity": len(listed), "Items": listed})


def test_lambda_functions_of_the_file_are_associated_by_name_and_version(desk: Desk) -> None:
    function = LambdaFunctionConfig(
        name="f", version=3, runtime="python", folder="/", handler="a.b"
    )
    desk.catalog.publish(replace(desk.catalog.file, lambda_functions=(function,)))
    client = desk.client()
    wanted = associated(("f:3", "viewer-request"), ("f:3", "origin-request"), IncludeBody=True)
    made = created(client, **wanted)
    id = made["Distribution"]["Id"]
    config = client.get_distribution_config(Id=id)["DistributionConfig"]
    name = "LambdaFunctionAssociations"
    assert config["DefaultCacheBehavior"][name] == wanted["DefaultCacheBehavior"][name]
    (one,) = (one for one in desk.catalog.published.distributions if one.id == id)
    first, _ = one.default_behavior.lambda_function_associations
    assert (first.event_type, first.function_arn) == ("viewer-request", LAMBDA.format("f:3"))
    assert first.include_body
    assert desk.catalog.published.lambda_functions == (function,)


@pytest.mark.parametrize(
    "items",
    [
        (("f:2", "origin-request"),),
        (("g:3", "origin-request"),),
        (("f:$LATEST", "origin-request"),),
        (("f:3", "origin-request"), ("f:3", "origin-request")),
    ],
)
def test_a_lambda_function_that_is_not_there_is_refused(
    desk: Desk, items: tuple[tuple[str, str], ...]
) -> None:
    function = LambdaFunctionConfig(
        name="f", version=3, runtime="python", folder="/", handler="a.b"
    )
    desk.catalog.publish(replace(desk.catalog.file, lambda_functions=(function,)))
    desk.ignores_unsupported()
    refused(
        lambda: created(desk.client(), **associated(*items)),
        code="InvalidLambdaFunctionAssociation",
        status=400,
    )
