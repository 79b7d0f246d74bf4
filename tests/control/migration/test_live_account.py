"""A live account is another control: read whole, written elsewhere, and read the same there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from edgecache.config.load import load
from edgecache.control.migration.account_update import AccountUpdate
from edgecache.control.migration.folder import FolderSettings, write_folder
from edgecache.control.migration.live_account import LiveAccount, store_reader
from edgecache.control.migration.resource_documents import MigrationError, ResourceDocuments
from edgecache.control.migration.viewer_changes import viewer_changes
from edgecache.rules.routing import compile_routes
from tests.control.cloudfront.desk import LOCATION_ALONE, Desk, open_desk, site
from tests.rules.private.signers import RSA

CODE = b"async function handler(event) { return event.request; }\n"


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "there").mkdir()
    with open_desk(tmp_path / "there", LOCATION_ALONE) as made:
        yield made


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "here").mkdir()
    with open_desk(tmp_path / "here", LOCATION_ALONE) as made:
        made.first = 1_000
        made.open()
        yield made


def selection(word: str) -> dict[str, Any]:
    return {f"{word}Behavior": "none"}


def fill(client: Any, *, items: bool = False, values: Any = None) -> str:
    """A distribution that names one of each kind; its id."""
    key = client.create_public_key(
        PublicKeyConfig={"CallerReference": "k", "Name": "k", "EncodedKey": RSA.public_pem}
    )["PublicKey"]["Id"]
    group = client.create_key_group(KeyGroupConfig={"Name": "g", "Items": [key]})
    policy = client.create_cache_policy(
        CachePolicyConfig={
            "Name": "p", "MinTTL": 1,
            "ParametersInCacheKeyAndForwardedToOrigin": {
                "EnableAcceptEncodingGzip": True,
                "HeadersConfig": selection("Header"), "CookiesConfig": selection("Cookie"),
                "QueryStringsConfig": selection("QueryString"),
            },
        }
    )["CachePolicy"]["Id"]  # fmt: skip
    identity = client.create_cloud_front_origin_access_identity(
        CloudFrontOriginAccessIdentityConfig={"CallerReference": "i", "Comment": "c"}
    )["CloudFrontOriginAccessIdentity"]["Id"]
    store = client.create_key_value_store(Name="flags", Comment="f")["KeyValueStore"]
    if items:
        found = values.describe_key_value_store(KvsARN=store["ARN"])
        values.put_key(KvsARN=store["ARN"], IfMatch=found["ETag"], Key="beta", Value="on")
    made = client.create_function(
        Name="f", FunctionCode=CODE,
        FunctionConfig={
            "Comment": "", "Runtime": "cloudfront-js-2.0",
            "KeyValueStoreAssociations": {
                "Quantity": 1, "Items": [{"KeyValueStoreARN": store["ARN"]}],
            },
        },
    )  # fmt: skip
    client.publish_function(Name="f", IfMatch=made["ETag"])
    config = site("r")
    config["Origins"]["Items"][0] |= {"DomainName": "web.example.org"}
    config["Origins"]["Items"].append({
        "Id": "bucket", "DomainName": "b.s3.us-east-1.amazonaws.com",
        "S3OriginConfig": {"OriginAccessIdentity": f"origin-access-identity/cloudfront/{identity}"},
    })  # fmt: skip
    config["Origins"]["Quantity"] = 2
    config["DefaultCacheBehavior"] |= {
        "CachePolicyId": policy,
        "TrustedKeyGroups": {
            "Enabled": True, "Quantity": 1, "Items": [group["KeyGroup"]["Id"]],
        },
        "FunctionAssociations": {
            "Quantity": 1,
            "Items": [{
                "EventType": "viewer-request",
                "FunctionARN": made["FunctionSummary"]["FunctionMetadata"]["FunctionARN"],
            }],
        },
    }  # fmt: skip
    return str(client.create_distribution(DistributionConfig=config)["Distribution"]["Id"])


def documents_of(desk: Desk, id: str) -> ResourceDocuments:
    read = store_reader(desk.values_client())
    return LiveAccount(desk.client(), read, ResourceDocuments("there")).read([id])


def test_an_account_becomes_a_folder_and_another_account(
    there: Desk, here: Desk, tmp_path: Path
) -> None:
    id = fill(there.client())
    documents = documents_of(there, id)
    assert [one.kind.value for one in documents.resources] == [
        "cache-policy", "public-key", "key-group", "key-value-store", "function",
        "origin-access-identity", "distribution",
    ]  # fmt: skip
    write_folder(documents, tmp_path / "site", FolderSettings(), replace=False)
    assert load(tmp_path / "site" / "edgecache.toml").distributions[0].id == id
    changes = AccountUpdate(here.client()).write(documents)
    assert {one.word for one in changes} == {"created"}
    written = changes[-1].id
    again = AccountUpdate(here.client()).write(documents_of(there, id))
    assert {one.word for one in again} == {"unchanged"}
    back = documents_of(here, written)
    assert [(one.kind, one.name) for one in back.resources] == [
        (one.kind, one.name) for one in documents.resources
    ]
    assert back.resources[-1].config["Origins"]["Items"][0] == config_of(documents)[0]


def config_of(documents: ResourceDocuments) -> list[Any]:
    """The origins of its distribution."""
    origins: list[Any] = documents.resources[-1].config["Origins"]["Items"]
    return origins


def test_a_change_there_is_a_change_here(there: Desk, here: Desk) -> None:
    id, client = fill(there.client()), there.client()
    AccountUpdate(here.client()).write(documents_of(there, id))
    found = client.get_distribution_config(Id=id)
    config = found["DistributionConfig"] | {"Comment": "changed"}
    client.update_distribution(Id=id, IfMatch=found["ETag"], DistributionConfig=config)
    draft = client.describe_function(Name="f")
    made = client.update_function(
        Name="f", IfMatch=draft["ETag"], FunctionCode=CODE + b"// two\n",
        FunctionConfig=draft["FunctionSummary"]["FunctionConfig"],
    )  # fmt: skip
    client.publish_function(Name="f", IfMatch=made["ETag"])
    changes = AccountUpdate(here.client()).write(documents_of(there, id))
    assert [str(one.kind) for one in changes if one.word == "changed"] == [
        "function", "distribution",
    ]  # fmt: skip
    assert "created" not in {one.word for one in changes}


def test_what_is_refused_takes_all_back(there: Desk, here: Desk) -> None:
    documents = documents_of(there, fill(there.client()))
    config = documents.resources[-1].config
    config["DefaultCacheBehavior"]["TargetOriginId"] = "nobody"
    with pytest.raises(MigrationError, match="NoSuchOrigin"):
        AccountUpdate(here.client()).write(documents)
    client = here.client()
    assert client.list_distributions()["DistributionList"]["Quantity"] == 0
    assert client.list_cache_policies(Type="custom")["CachePolicyList"]["Quantity"] == 0
    assert client.list_public_keys()["PublicKeyList"]["Quantity"] == 0
    assert client.list_functions()["FunctionList"]["Quantity"] == 0
    assert client.list_key_value_stores()["KeyValueStoreList"]["Quantity"] == 0


def test_items_of_a_store_come_along(there: Desk, here: Desk) -> None:
    pytest.importorskip("awscrt")
    id = fill(there.client(), items=True, values=there.values_client())
    documents = documents_of(there, id)
    store = next(one for one in documents.resources if one.name == "flags")
    assert store.config["Items"] == {"beta": "on"}
    with pytest.raises(MigrationError, match="import it --into a folder"):
        AccountUpdate(here.client()).write(documents)


def test_what_is_not_there_is_told(there: Desk) -> None:
    documents = documents_of(there, "ENOBODY")
    assert "NoSuchDistribution" in str(documents.problems[0])
    with pytest.raises(MigrationError):
        documents.raise_problems()
    with pytest.raises(ClientError):
        there.client().get_distribution(Id="ENOBODY")


def test_continuous_deployment_comes_along(there: Desk, here: Desk, tmp_path: Path) -> None:
    client = there.client()
    primary = client.create_distribution(
        DistributionConfig=site("p", Aliases={"Quantity": 1, "Items": ["www.test"]})
    )
    id = primary["Distribution"]["Id"]
    staging = client.copy_distribution(
        PrimaryDistributionId=id, IfMatch=primary["ETag"], Staging=True, CallerReference="s"
    )["Distribution"]
    names = {"Quantity": 1, "Items": [staging["DomainName"]]}
    header = {"Header": "aws-cf-cd-next", "Value": "yes"}
    policy = client.create_continuous_deployment_policy(
        ContinuousDeploymentPolicyConfig={
            "StagingDistributionDnsNames": names, "Enabled": True,
            "TrafficConfig": {"Type": "SingleHeader", "SingleHeaderConfig": header},
        }
    )["ContinuousDeploymentPolicy"]["Id"]  # fmt: skip
    config = primary["Distribution"]["DistributionConfig"]
    client.update_distribution(
        Id=id, IfMatch=primary["ETag"],
        DistributionConfig=config | {"ContinuousDeploymentPolicyId": policy},
    )  # fmt: skip
    documents = documents_of(there, id)
    kinds = [one.kind.value for one in documents.resources]
    assert kinds == ["distribution", "continuous-deployment-policy", "distribution"]
    write_folder(documents, tmp_path / "site", FolderSettings(), replace=False)
    loaded = load(tmp_path / "site" / "edgecache.toml")
    sites = compile_routes(loaded).by_id
    assert sites[id].staging is sites[staging["Id"]]
    changes = AccountUpdate(here.client()).write(documents)
    assert {one.word for one in changes} == {"created"}
    made = compile_routes(here.catalog.published).by_id[changes[-1].id]
    assert made.staging is not None
    assert (made.staging.distribution.id, made.traffic) == (changes[0].id, sites[id].traffic)
    again = AccountUpdate(here.client()).write(documents_of(there, id))
    assert {one.word for one in again} == {"unchanged"}
    assert [*viewer_changes(there.catalog.published, there.catalog.published)] == []
    off = client.get_continuous_deployment_policy_config(Id=policy)
    before = there.catalog.published
    client.update_continuous_deployment_policy(
        Id=policy, IfMatch=off["ETag"],
        ContinuousDeploymentPolicyConfig=off["ContinuousDeploymentPolicyConfig"]
        | {"Enabled": False},
    )  # fmt: skip
    told = {one.subject for one in viewer_changes(before, there.catalog.published)}
    assert told == {"continuous deployment"}
