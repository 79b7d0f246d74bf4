"""Templates as resource documents: each type, and everything that is said of a bad one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgecache.config.load import load
from edgecache.control.migration.folder import FolderSettings, write_folder
from edgecache.control.migration.resource_documents import MigrationError, ResourceDocuments
from edgecache.control.migration.template import read_template, read_template_file
from edgecache.control.state.resources import ResourceKind
from edgecache.rules.routing import compile_routes

TEMPLATES = Path(__file__).parents[2] / "templates"
SITE: dict[str, Any] = {
    "Type": "AWS::CloudFront::Distribution",
    "Properties": {
        "DistributionConfig": {
            "Enabled": "true",
            "Origins": [
                {"Id": "web", "DomainName": "web.example.test",
                 "CustomOriginConfig": {"OriginProtocolPolicy": "http-only", "HTTPPort": "8000"}},
            ],
            "DefaultCacheBehavior": {
                "TargetOriginId": "web",
                "ViewerProtocolPolicy": "allow-all",
                "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
            },
        }
    },
}  # fmt: skip


def read(resources: dict[str, Any], **more: Any) -> ResourceDocuments:
    template = {"Resources": resources, **more}
    return read_template(template, "site.json", parameters={}, attributes={})


def said(resources: dict[str, Any], **more: Any) -> list[str]:
    return [*map(str, read(resources, **more).problems)]


def changed(**members: Any) -> dict[str, Any]:
    """The site with other members of its configuration; None: without."""
    site = json.loads(json.dumps(SITE))
    config = site["Properties"]["DistributionConfig"]
    config |= members
    for name in [name for name, one in members.items() if one is None]:
        del config[name]
    return {"Cdn": site}


def test_text_becomes_what_the_api_has() -> None:
    (site,) = read({"Cdn": SITE}).resources
    assert (site.kind, site.id) == (ResourceKind.DISTRIBUTION, "Cdn")
    assert site.config["Enabled"] is True
    assert site.config["Origins"]["Quantity"] == 1
    assert site.config["Origins"]["Items"][0]["CustomOriginConfig"]["HTTPPort"] == 8000
    assert site.config["CallerReference"] == "site.json/Cdn"


@pytest.mark.parametrize(
    ("members", "where", "value"),
    [
        ({"CNAMEs": ["a.test"]}, "Aliases", {"Quantity": 1, "Items": ["a.test"]}),
        ({"IPV6Enabled": False}, "IsIPV6Enabled", False),
        (
            {"Logging": {"Bucket": "logs"}},
            "Logging",
            {"Enabled": True, "Bucket": "logs", "Prefix": "", "IncludeCookies": False},
        ),
        (
            {"Restrictions": {"GeoRestriction": {"RestrictionType": "whitelist",
                                                 "Locations": ["GB"]}}},
            "Restrictions",
            {"GeoRestriction": {"RestrictionType": "whitelist", "Quantity": 1, "Items": ["GB"]}},
        ),
        (
            {"ViewerCertificate": {"AcmCertificateArn": "arn:x", "SslSupportMethod": "sni-only"}},
            "ViewerCertificate",
            {"ACMCertificateArn": "arn:x", "SSLSupportMethod": "sni-only",
             "MinimumProtocolVersion": "TLSv1", "CloudFrontDefaultCertificate": False},
        ),
    ],
)  # fmt: skip
def test_a_member_that_is_spelled_otherwise(
    members: dict[str, Any], where: str, value: Any
) -> None:
    found = read(changed(**members))
    assert found.problems == []
    assert found.resources[0].config[where] == value


@pytest.mark.parametrize(
    ("resources", "lines"),
    [
        (changed(Colour="red"), ["Cdn.DistributionConfig.Colour: CloudFront has no such member"]),
        (
            changed(Aliasses=[]),
            ["Cdn.DistributionConfig.Aliasses: CloudFront has no such member (did you mean"
             " Aliases?)"],
        ),
        (changed(Enabled="perhaps"),
         ['Cdn.DistributionConfig.Enabled: expected boolean, got "perhaps"']),
        (changed(Origins="web"),
         ['Cdn.DistributionConfig.Origins: expected an object, got "web"']),
        ({"Cdn": {"Type": "AWS::CloudFront::Distribution"}},
         ["Cdn.DistributionConfig: missing"]),
        ({"Cdn": SITE, "T": {"Type": "AWS::CloudFront::DistributionTenant"}},
         ["T: AWS::CloudFront::DistributionTenant is not taken over"]),
        ({"Cdn": {"Properties": {}}}, ["Cdn: a resource has a Type"]),
        (
            changed(DefaultRootObject={"Ref": "Nobody"}, Comment={"Ref": "AWS::Region"},
                    Colour="red"),
            ["Cdn.DistributionConfig.Comment: AWS::Region: give it by --parameter"
             " AWS::Region=TEXT",
             'Cdn.DistributionConfig.DefaultRootObject: "Nobody" is neither a resource nor a'
             " parameter",
             "Cdn.DistributionConfig.Colour: CloudFront has no such member"],
        ),
        (
            {"Cdn": SITE, "Store": {"Type": "AWS::CloudFront::KeyValueStore", "Properties": {
                "Name": "a", "ImportSource": {"SourceType": "S3", "SourceArn": "arn:x"}}}},
            ["Store.ImportSource: its items are in S3: give a file of them by --value"
             " Store.ImportSource=FILE"],
        ),
        (
            {"Cdn": SITE, "F": {"Type": "AWS::CloudFront::Function", "Properties": {
                "Name": "f", "FunctionConfig": {"Runtime": "cloudfront-js-2.0", "Comment": ""},
                "AutoPublish": True}}},
            ["F.FunctionCode: missing, or no text"],
        ),
    ],
)  # fmt: skip
def test_everything_that_is_wrong_is_told_at_once(
    resources: dict[str, Any], lines: list[str]
) -> None:
    assert sorted(said(resources)) == sorted(lines)


def test_macros_and_parameters_that_are_not_there() -> None:
    assert said({"Cdn": SITE}, Transform="AWS::Serverless-2016-10-31") == [
        "Transform: macros run in AWS alone: give the template they make"
    ]
    found = read_template({"Resources": {}}, "a", parameters={"Stage": "x"}, attributes={})
    assert [*map(str, found.problems)] == ['Parameters: the template has no parameter "Stage"']


def test_a_resource_whose_condition_is_false_is_not_there() -> None:
    conditions = {"Never": {"Fn::Equals": ["a", "b"]}}
    resources = {"Cdn": SITE, "Other": {**SITE, "Condition": "Never"}}
    found = read(resources, Conditions=conditions)
    assert [one.id for one in found.resources] == ["Cdn"]


def test_what_changes_nothing_for_viewers_is_left_out() -> None:
    monitored = {"Type": "AWS::CloudFront::MonitoringSubscription", "Properties": {}}
    found = read({"Cdn": SITE, "M": monitored})
    assert found.problems == []
    assert [one.where for one in found.left_out] == ["M"]


def test_a_template_without_a_distribution_is_none_to_import() -> None:
    with pytest.raises(MigrationError, match="there is none to import"):
        read({"Web": {"Type": "AWS::S3::Bucket"}}).raise_problems()


YAML = """
AWSTemplateFormatVersion: 2010-09-09
Conditions:
  Live: !Not [!Equals [a, a]]
Resources:
  Cdn:
    Type: AWS::CloudFront::Distribution
    Properties:
      DistributionConfig:
        Enabled: true
        DefaultRootObject: !If [Live, a.html, !Sub "${AWS::Partition}.html"]
        Origins: [{Id: web, DomainName: !GetAtt Web.Arn}]
"""


def test_yaml_with_short_forms() -> None:
    pytest.importorskip("yaml")
    template = read_template_file(YAML, "site.yaml")
    assert template["AWSTemplateFormatVersion"] == "2010-09-09"
    config = template["Resources"]["Cdn"]["Properties"]["DistributionConfig"]
    assert config["Origins"][0]["DomainName"] == {"Fn::GetAtt": "Web.Arn"}
    found = read_template(
        template, "site.yaml", parameters={}, attributes={"Web.Arn": "web.example.test"}
    )
    assert found.problems == []
    assert found.resources[0].config["DefaultRootObject"] == "aws.html"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "neither JSON nor YAML"),
        ("[1]", "holds no object"),
        ("a: &a [1]\nb: *a", r"aliases \(\*name\) are not read"),
        ("a: [", "neither JSON nor YAML"),
        ('{"a":' + "[" * 100_000, "neither JSON nor YAML"),
    ],
)
def test_what_is_no_template(text: str, said: str) -> None:
    pytest.importorskip("yaml")
    with pytest.raises(MigrationError, match=said):
        read_template_file(text, "site")


def test_a_lambda_function_whose_code_is_elsewhere(tmp_path: Path) -> None:
    text = (TEMPLATES / "edge-lambda.json").read_text()
    template = read_template_file(text, "edge-lambda.json")
    (id,) = (
        name for name, one in template["Resources"].items()
        if one["Type"] == "AWS::Lambda::Function"
    )  # fmt: skip
    code = {"S3Bucket": {"Fn::Sub": "cdk-${AWS::AccountId}"}, "S3Key": "k"}
    template["Resources"][id]["Properties"] |= {
        "Code": code, "Runtime": "java21", "Timeout": "soon",
    }  # fmt: skip
    found = read_template(template, "x", parameters={}, attributes={})
    assert sorted(map(str, found.problems)) == [
        f"{id}.Code: its code is in S3: give its folder by --value {id}.Code=FOLDER",
        f'{id}.Runtime: "java21" is neither Node.js nor Python',
        f'{id}.Timeout: "soon" is no number',
    ]
    template["Resources"][id]["Properties"] |= {"Runtime": "python3.13", "Timeout": "5"}
    given = {f"{id}.Code": str(tmp_path)}
    found = read_template(template, "x", parameters={}, attributes=given)
    assert found.problems == []
    assert found.lambda_functions["auth"].folder == str(tmp_path)


def test_continuous_deployment(tmp_path: Path) -> None:
    policy = {
        "Type": "AWS::CloudFront::ContinuousDeploymentPolicy",
        "Properties": {
            "ContinuousDeploymentPolicyConfig": {
                "Enabled": True,
                "StagingDistributionDnsNames": [{"Fn::GetAtt": ["Next", "DomainName"]}],
                "TrafficConfig": {"Type": "SingleWeight", "SingleWeightConfig": {"Weight": "0.1"}},
            }
        },
    }
    site = changed(ContinuousDeploymentPolicyId={"Ref": "Policy"})
    resources = {**site, "Policy": policy, "Next": changed(Staging=True)["Cdn"]}
    write_folder(read(resources), tmp_path / "a", FolderSettings(), replace=False)
    sites = compile_routes(load(tmp_path / "a" / "edgecache.toml")).by_id
    assert sites["Cdn"].staging is sites["Next"]
    chained = changed(Origins=[{"Id": "web", "DomainName": {"Fn::GetAtt": ["Next", "DomainName"]}}])
    (problem,) = said({**chained, "Next": SITE})
    assert "an origin is the distribution Next" in problem
