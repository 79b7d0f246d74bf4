"""Continuous deployment over the API: staging distributions, policies, promotion, and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.control.api.asking import created, default, names, refused, served
from tests.control.cloudfront.desk import LOCATION_ALONE, Desk, open_desk

Document = dict[str, Any]
WEIGHT = {"Type": "SingleWeight", "SingleWeightConfig": {"Weight": 0.05}}
HEADER = {
    "Type": "SingleHeader",
    "SingleHeaderConfig": {"Header": "aws-cf-cd-next", "Value": "yes"},
}
STICKY = {"IdleTTL": 300, "MaximumTTL": 600}
GONE = {"ContinuousDeploymentPolicyId": "6c0c0b80-0000-4000-8000-000000000000"}


def staged(client: Any, primary: Any, reference: str = "staging", **more: Any) -> Any:
    return client.copy_distribution(
        PrimaryDistributionId=primary["Distribution"]["Id"],
        IfMatch=primary["ETag"],
        Staging=True,
        CallerReference=reference,
        **more,
    )


def policy_config(staging: Any, traffic: Document | None = None, **more: Any) -> Document:
    listed = names(staging["Distribution"]["DomainName"])
    config: Document = {"StagingDistributionDnsNames": listed, "Enabled": True}
    return config | {"TrafficConfig": WEIGHT if traffic is None else traffic} | more


def policy_made(client: Any, staging: Any, *traffic: Document) -> Any:
    config = policy_config(staging, *traffic)
    return client.create_continuous_deployment_policy(ContinuousDeploymentPolicyConfig=config)


def changed(client: Any, one: Any, **more: Any) -> Any:
    """The distribution with other members; `one` is what was answered of it."""
    id = one["Distribution"]["Id"]
    config = one["Distribution"]["DistributionConfig"] | more
    return client.update_distribution(Id=id, IfMatch=one["ETag"], DistributionConfig=config)


def id_of(policy: Any) -> str:
    return str(policy["ContinuousDeploymentPolicy"]["Id"])


@pytest.fixture
def pair(client: Any) -> tuple[Any, Any, Any]:
    """A primary, its staging distribution, and the policy that is attached."""
    primary = created(client, Aliases=names("www.test"))
    staging = staged(client, primary)
    policy = policy_made(client, staging)
    return changed(client, primary, ContinuousDeploymentPolicyId=id_of(policy)), staging, policy


def test_a_copy_is_staged_and_a_policy_leads_to_it(desk: Desk, client: Any, pair: Any) -> None:
    primary, staging, policy = pair
    config = staging["Distribution"]["DistributionConfig"]
    assert (config["Staging"], config["Aliases"], config["ContinuousDeploymentPolicyId"]) == (
        True, {"Quantity": 0}, "",
    )  # fmt: skip
    known = served(desk)
    assert known[staging["Distribution"]["Id"]]["staging"] is True
    assert known[primary["Distribution"]["Id"]]["continuous_deployment_policy"] == id_of(policy)
    assert desk.catalog.published.continuous_deployment_policies[0].weight == 0.05
    id = id_of(policy)
    read = client.get_continuous_deployment_policy(Id=id)
    assert read["ETag"] == policy["ETag"]
    assert read["ContinuousDeploymentPolicy"] == policy["ContinuousDeploymentPolicy"]
    inner = client.get_continuous_deployment_policy_config(Id=id)
    assert inner["ContinuousDeploymentPolicyConfig"] == policy_config(staging)
    (item,) = client.list_continuous_deployment_policies()["ContinuousDeploymentPolicyList"][
        "Items"
    ]
    assert item == {"ContinuousDeploymentPolicy": policy["ContinuousDeploymentPolicy"]}


def test_a_policy_is_changed_and_sessions_begin_anew_when_it_is_enabled(
    desk: Desk, client: Any, pair: Any
) -> None:
    _, staging, policy = pair
    sticky = {"Weight": 0.15, "SessionStickinessConfig": STICKY}
    traffic = {"Type": "SingleWeight", "SingleWeightConfig": sticky}

    def put(etag: str, config: Document) -> tuple[str, int]:
        made = client.update_continuous_deployment_policy(
            Id=id_of(policy), IfMatch=etag, ContinuousDeploymentPolicyConfig=config
        )
        assert made["ContinuousDeploymentPolicy"]["ContinuousDeploymentPolicyConfig"] == config
        (one,) = desk.catalog.published.continuous_deployment_policies
        return made["ETag"], one.sessions_since

    etag, since = put(policy["ETag"], policy_config(staging, traffic))
    assert since == int(desk.now)
    desk.now += 60
    sticky["Weight"] = 0.01
    etag, same = put(etag, policy_config(staging, traffic))
    assert same == since
    etag, _ = put(etag, policy_config(staging, traffic, Enabled=False))
    desk.now += 60
    _, again = put(etag, policy_config(staging, traffic))
    assert again == since + 120
    desk.open()
    assert desk.catalog.published.continuous_deployment_policies[0].sessions_since == again


def test_promotion_gives_the_primary_all_but_its_names(desk: Desk, client: Any, pair: Any) -> None:
    primary, staging, policy = pair
    staging = changed(client, staging, Comment="next", **default(Compress=True))
    ids = [one["Distribution"]["Id"] for one in (primary, staging)]
    given = {"Id": ids[0], "StagingDistributionId": ids[1]}
    before = desk.catalog.generation
    promoted = client.update_distribution_with_staging_config(
        **given, IfMatch=f"{primary['ETag']}, {staging['ETag']}"
    )
    assert desk.catalog.generation == before + 1
    config = promoted["Distribution"]["DistributionConfig"]
    was = primary["Distribution"]["DistributionConfig"]
    assert (config["Comment"], config["DefaultCacheBehavior"]["Compress"]) == ("next", True)
    for name in ("Aliases", "CallerReference", "ContinuousDeploymentPolicyId", "Staging"):
        assert config[name] == was[name]
    assert client.get_distribution(Id=ids[0])["ETag"] == promoted["ETag"] != primary["ETag"]
    now = client.get_continuous_deployment_policy_config(Id=id_of(policy))
    assert now["ContinuousDeploymentPolicyConfig"]["Enabled"] is False
    assert now["ETag"] != policy["ETag"]


@pytest.mark.parametrize(
    ("versions", "code", "status"),
    [
        ("{0}", "InvalidIfMatchVersion", 400),
        ("{1},{0}", "PreconditionFailed", 412),
        ("{0},E1", "PreconditionFailed", 412),
        ("", "InvalidIfMatchVersion", 400),
    ],
)
def test_both_versions_must_be_current(
    client: Any, pair: Any, versions: str, code: str, status: int
) -> None:
    primary, staging, _ = pair
    given = {
        "Id": primary["Distribution"]["Id"],
        "StagingDistributionId": staging["Distribution"]["Id"],
        "IfMatch": versions.format(primary["ETag"], staging["ETag"]),
    }
    promote = client.update_distribution_with_staging_config
    refused(lambda: promote(**given), code=code, status=status)


def test_only_its_own_staging_distribution_is_promoted(client: Any, pair: Any) -> None:
    primary, _, _ = pair
    other = staged(client, primary, "other")
    given = {
        "Id": primary["Distribution"]["Id"],
        "StagingDistributionId": other["Distribution"]["Id"],
        "IfMatch": f"{primary['ETag']},{other['ETag']}",
    }
    promote = client.update_distribution_with_staging_config
    refused(lambda: promote(**given), code="InvalidArgument", status=400)
    del given["StagingDistributionId"]
    refused(lambda: promote(**given), code="InvalidArgument", status=400)


@pytest.mark.parametrize(
    ("traffic", "said"),
    [
        ({"Type": "SingleWeight", "SingleWeightConfig": {"Weight": 0.16}}, "0.16"),
        ({"Type": "SingleWeight", "SingleWeightConfig": {"Weight": -0.01}}, "-0.01"),
        ({"Type": "SingleWeight"}, "SingleWeightConfig"),
        (WEIGHT | {"SingleHeaderConfig": HEADER["SingleHeaderConfig"]}, "SingleHeaderConfig"),
        ({"Type": "SingleHeader", "SingleHeaderConfig": {"Header": "x-a", "Value": "b"}}, "x-a"),
        ({"Type": "SingleHeader",
          "SingleHeaderConfig": {"Header": "aws-cf-cd-a", "Value": ""}}, "Value"),
        ({"Type": "SingleWeight", "SingleWeightConfig":
          {"Weight": 0.1, "SessionStickinessConfig": {"IdleTTL": 299, "MaximumTTL": 600}}}, "299"),
        ({"Type": "SingleWeight", "SingleWeightConfig":
          {"Weight": 0.1, "SessionStickinessConfig": {"IdleTTL": 600, "MaximumTTL": 300}}}, "600"),
    ],
)  # fmt: skip
def test_traffic_that_is_none(client: Any, traffic: Document, said: str) -> None:
    staging = staged(client, created(client))
    make = lambda: policy_made(client, staging, traffic)  # noqa: E731
    refused(make, code="InvalidArgument", status=400, said=said)
    listed = client.list_continuous_deployment_policies()["ContinuousDeploymentPolicyList"]
    assert listed["Quantity"] == 0


def test_a_staging_distribution_has_one_policy_and_a_policy_one_primary(
    client: Any, pair: Any
) -> None:
    primary, staging, policy = pair
    refused(lambda: policy_made(client, staging), code="StagingDistributionInUse", status=409)
    another = created(client, "another")
    with_policy = {"ContinuousDeploymentPolicyId": id_of(policy)}
    in_use = "ContinuousDeploymentPolicyInUse"
    refused(lambda: changed(client, another, **with_policy), code=in_use, status=409)
    missing = "NoSuchContinuousDeploymentPolicy"
    refused(lambda: changed(client, another, **GONE), code=missing, status=404)
    delete = client.delete_continuous_deployment_policy
    given = {"Id": id_of(policy), "IfMatch": policy["ETag"]}
    refused(lambda: delete(**given), code=in_use, status=409)
    refused(lambda: policy_made(client, another), code="InvalidArgument", status=400)
    left = changed(client, primary, ContinuousDeploymentPolicyId="")
    assert left["Distribution"]["DistributionConfig"]["ContinuousDeploymentPolicyId"] == ""
    delete(**given)
    refused(lambda: delete(**given), code=missing, status=404)


def test_a_staging_distribution_in_use_is_not_deleted(client: Any, pair: Any) -> None:
    _, staging, _ = pair
    staging = changed(client, staging, Enabled=False)
    id = staging["Distribution"]["Id"]
    delete = lambda: client.delete_distribution(Id=id, IfMatch=staging["ETag"])  # noqa: E731
    refused(delete, code="ResourceInUse", status=409)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"Aliases": names("stage.test")}, "InvalidArgument"),
        ({"HttpVersion": "http2and3"}, "InvalidArgument"),
        ({"Staging": False}, "IllegalUpdate"),
    ],
)
def test_what_a_staging_distribution_may_not_be(client: Any, more: Document, code: str) -> None:
    staging = staged(client, created(client))
    refused(lambda: changed(client, staging, **more), code=code, status=400)


def test_a_primary_by_http3_has_no_policy(client: Any) -> None:
    primary = created(client, HttpVersion="http3")
    refused(lambda: staged(client, primary), code="InvalidArgument", status=400)


def test_there_are_twenty_staging_distributions(client: Any) -> None:
    primary = created(client)
    for number in range(20):
        staged(client, primary, f"s{number}")
    refused(lambda: staged(client, primary), code="TooManyDistributions", status=400)


def test_a_policy_of_the_file_is_shown_and_changed_in_the_file(tmp_path: Any) -> None:
    site = 'default_behavior = {{ origin = "o" }}\norigins = [{{ id = "o", domain_name = "o" }}]\n'
    text = (
        f'{LOCATION_ALONE}[[distributions]]\nid = "EP"\n'
        f'continuous_deployment_policy = "next"\n{site}'
        f'[[distributions]]\nid = "ES"\nstaging = true\n{site}'
        '[[continuous_deployment_policies]]\nid = "next"\nstaging_distribution = "ES"\n'
        'weight = 0.1\nsession_stickiness = {{ idle_ttl_s = "5m", maximum_ttl_s = "10m" }}\n'
    )
    with open_desk(tmp_path, text) as desk:
        client = desk.client()
        made = client.get_continuous_deployment_policy(Id="next")
        config = made["ContinuousDeploymentPolicy"]["ContinuousDeploymentPolicyConfig"]
        domain = client.get_distribution(Id="ES")["Distribution"]["DomainName"]
        assert config["StagingDistributionDnsNames"] == names(domain)
        assert config["TrafficConfig"]["SingleWeightConfig"]["SessionStickinessConfig"] == STICKY
        shown = client.get_distribution_config(Id="EP")["DistributionConfig"]
        assert shown["ContinuousDeploymentPolicyId"] == "next"
        delete = client.delete_continuous_deployment_policy
        given = {"Id": "next", "IfMatch": made["ETag"]}
        refused(lambda: delete(**given), code="AccessDenied", status=403)
