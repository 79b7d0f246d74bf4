"""Control driven by real SDKs over real HTTP: boto3, AWS's command line, AWS's SDK for JavaScript.

What they create is served by real edges, at once, and is gone when they delete it.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.signers import CloudFrontSigner

from edgecache.control.cloudfront.authentication import AccessKey
from tests.end_to_end.api_place import OPTIMIZED, Place
from tests.end_to_end.asking_viewers import AskingViewers
from tests.end_to_end.foreign import UnavailableError
from tests.end_to_end.foreign_clients import aws, javascript
from tests.end_to_end.installation import make_installation, start_up
from tests.end_to_end.nginx import Nginx
from tests.end_to_end.processes import wait_for
from tests.end_to_end.tree import File
from tests.end_to_end.viewers import curl
from tests.rules.private.signers import EC, RSA

SECURITY_HEADERS = "67f7725c-6f97-4210-82d7-5512b31e9d03"
POLLS = {"Delay": 1, "MaxAttempts": 60}


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, nginx: Nginx, files: list[File]
) -> Iterator[Place]:
    installation = make_installation(tmp_path_factory.mktemp("boto3"), nginx.port, workers=2)
    up = start_up(installation)
    made = Place(up, nginx.port, files[0].target)
    secret = made.key.secret_access_key
    yield made
    assert up.process.stop() == 0, up.process.stderr
    assert not installation.left_running()
    assert secret not in up.process.stderr + up.process.stdout


@pytest.fixture(scope="module")
def client(place: Place) -> Any:
    return boto3.client(
        "cloudfront",
        endpoint_url=place.control,
        region_name="eu-west-1",  # whatever the user's region is
        aws_access_key_id=place.key.access_key_id,
        aws_secret_access_key=place.key.secret_access_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_a_distribution_serves_without_a_restart_and_stops(place: Place, client: Any) -> None:
    before = {node["name"]: node["pid"] for node in place.up.told["nodes"]}
    aliases = {"Quantity": 1, "Items": ["www.made.test"]}
    made = client.create_distribution(DistributionConfig=place.site("one", Aliases=aliases))
    id, domain = made["Distribution"]["Id"], made["Distribution"]["DomainName"]
    wait_for("both locations serve it", lambda: place.statuses(domain) == [200, 200])
    assert place.statuses("www.made.test") == [200, 200]
    assert place.cached(domain) == "Hit"
    deployed(client, id)
    config = client.get_distribution_config(Id=id)
    off = config["DistributionConfig"] | {"Enabled": False}
    changed = client.update_distribution(Id=id, IfMatch=config["ETag"], DistributionConfig=off)
    deployed(client, id)
    assert 200 not in place.statuses(domain)
    client.delete_distribution(Id=id, IfMatch=changed["ETag"])
    with pytest.raises(ClientError, match="NoSuchDistribution"):
        client.get_distribution(Id=id)
    gone = place.statuses("unheard.of")
    wait_for("its names are nobody's", lambda: place.statuses(domain) == gone)
    now = {node["name"]: node["pid"] for node in place.up.asked_control("/nodes")["nodes"]}
    assert now.items() <= before.items()


def deployed(client: Any, id: str) -> None:
    """Wait as SDKs do, but not a minute where the first poll comes too early."""
    waiter = client.get_waiter("distribution_deployed")
    waiter.wait(Id=id, WaiterConfig=POLLS)


def completed(client: Any, distribution: str, id: str) -> None:
    waiter = client.get_waiter("invalidation_completed")
    waiter.wait(DistributionId=distribution, Id=id, WaiterConfig=POLLS)


def test_an_invalidation_removes_it_everywhere(place: Place, client: Any) -> None:
    made = client.create_distribution(DistributionConfig=place.site("two"))["Distribution"]
    id, domain = made["Id"], made["DomainName"]
    deployed(client, id)
    assert [place.cached(domain) for _ in range(2)][-1] in ("Hit", "Miss")
    assert wait_for("a hit on either worker", lambda: place.cached(domain) == "Hit")
    batch = {"Paths": {"Quantity": 1, "Items": [place.path]}, "CallerReference": "1"}
    one = client.create_invalidation(DistributionId=id, InvalidationBatch=batch)["Invalidation"]
    completed(client, id, one["Id"])
    assert place.cached(domain) == "Miss"
    listed = client.list_invalidations(DistributionId=id)["InvalidationList"]["Items"]
    assert [(item["Id"], item["Status"]) for item in listed] == [(one["Id"], "Completed")]


def test_private_content_by_keys_of_the_api(place: Place, client: Any) -> None:
    key = client.create_public_key(
        PublicKeyConfig={"CallerReference": "1", "Name": "k", "EncodedKey": RSA.public_pem}
    )["PublicKey"]["Id"]
    group = client.create_key_group(KeyGroupConfig={"Name": "g", "Items": [key]})
    trusted = {"Enabled": True, "Quantity": 1, "Items": [group["KeyGroup"]["Id"]]}
    config = place.site("private")
    config["DefaultCacheBehavior"]["TrustedKeyGroups"] = trusted
    made = client.create_distribution(DistributionConfig=config)["Distribution"]
    deployed(client, made["Id"])
    assert place.statuses(made["DomainName"]) == [403, 403]
    url = f"http://{made['DomainName']}{place.path}"
    signed = CloudFrontSigner(key, RSA.sign).generate_presigned_url(
        url, date_less_than=datetime.now(UTC) + timedelta(minutes=5)
    )
    port = place.up.installation.ports.lhr
    options = ("--connect-to", f"{made['DomainName']}:80:127.0.0.1:{port}", "--globoff")
    assert curl(signed, *options).status == 200


def test_a_policy_of_the_api_is_what_viewers_get(place: Place, client: Any) -> None:
    header = {"Header": "X-Made-By", "Value": "a test", "Override": True}
    policy = client.create_response_headers_policy(
        ResponseHeadersPolicyConfig={
            "Name": "made",
            "CustomHeadersConfig": {"Quantity": 1, "Items": [header]},
        }
    )["ResponseHeadersPolicy"]
    config = place.site("policy")
    config["DefaultCacheBehavior"]["ResponseHeadersPolicyId"] = policy["Id"]
    made = client.create_distribution(DistributionConfig=config)["Distribution"]
    deployed(client, made["Id"])
    answer = curl(f"{place.up.lhr}{place.path}", "-H", f"Host: {made['DomainName']}")
    assert (answer.status, answer.fields["x-made-by"]) == (200, "a test")


def test_a_staging_distribution_is_promoted_without_a_lost_request(
    place: Place, client: Any
) -> None:
    def changed(one: Any, **more: Any) -> Any:
        config = one["Distribution"]["DistributionConfig"] | more
        id = one["Distribution"]["Id"]
        return client.update_distribution(Id=id, IfMatch=one["ETag"], DistributionConfig=config)

    primary = client.create_distribution(DistributionConfig=place.site("primary"))
    id, host = primary["Distribution"]["Id"], primary["Distribution"]["DomainName"]
    copied = {"PrimaryDistributionId": id, "IfMatch": primary["ETag"], "Staging": True}
    staging = client.copy_distribution(**copied, CallerReference="staging")
    behavior = staging["Distribution"]["DistributionConfig"]["DefaultCacheBehavior"]
    cors = {"ResponseHeadersPolicyId": SECURITY_HEADERS}
    staging = changed(staging, DefaultCacheBehavior=behavior | cors)
    names = {"Quantity": 1, "Items": [staging["Distribution"]["DomainName"]]}
    traffic = {"Type": "SingleWeight", "SingleWeightConfig": {"Weight": 0.15}}
    config = {"StagingDistributionDnsNames": names, "Enabled": True, "TrafficConfig": traffic}
    create = client.create_continuous_deployment_policy
    made = create(ContinuousDeploymentPolicyConfig=config)["ContinuousDeploymentPolicy"]
    primary = changed(primary, ContinuousDeploymentPolicyId=made["Id"])
    deployed(client, id)
    urls = [f"{base}{place.path}" for base in (place.up.lhr, place.up.nrt)]
    with AskingViewers(urls * 2, host) as asking:
        wait_for("both serve", lambda: asking.count(new=True) > 20 and asking.count(new=False) > 20)
        client.update_distribution_with_staging_config(
            Id=id,
            StagingDistributionId=staging["Distribution"]["Id"],
            IfMatch=f"{primary['ETag']}, {staging['ETag']}",
        )
        deployed(client, id)
        before = len(asking.told)
        wait_for("it serves on", lambda: len(asking.told) > before + 100)
    assert {status for status, _ in asking.told} == {200}
    assert {new for _, new in asking.told[before + 4 :]} == {True}  # four were under way
    assert asking.told[:before].count((200, True)) / before > 0.05


def test_awss_command_line(place: Place, client: Any, tmp_path: Path) -> None:
    def cli(*arguments: str, works: bool = True) -> Any:
        try:
            found, told, said = aws(place.control, place.key, tmp_path, *arguments)
        except UnavailableError as error:
            pytest.skip(str(error))
        assert (found == 0) is works, said
        return told if works else said

    config = tmp_path / "dist.json"
    config.write_text(json.dumps(place.site("awscli")))
    made = cli("create-distribution", "--distribution-config", "file://dist.json")
    id, domain = made["Distribution"]["Id"], made["Distribution"]["DomainName"]
    deployed(client, id)  # where the first poll of `wait` comes too early it waits for a minute
    cli("wait", "distribution-deployed", "--id", id)
    assert place.statuses(domain) == [200, 200]
    simple = cli("create-distribution", "--origin-domain-name", "bucket.s3.amazonaws.com",
                 "--default-root-object", "index.html")  # fmt: skip
    assert simple["Distribution"]["DistributionConfig"]["DefaultRootObject"] == "index.html"
    one = cli("create-invalidation", "--distribution-id", id, "--paths", "/*", "/b")
    invalidation = one["Invalidation"]["Id"]
    completed(client, id, invalidation)
    cli("wait", "invalidation-completed", "--distribution-id", id, "--id", invalidation)
    arn = made["Distribution"]["ARN"]
    cli("tag-resource", "--resource", arn, "--tags", "Items=[{Key=a,Value=b}]")
    assert cli("list-tags-for-resource", "--resource", arn)["Tags"]["Items"] == [
        {"Key": "a", "Value": "b"}
    ]
    listed = cli("list-distributions", "--query", f"DistributionList.Items[?Id=='{id}'].Comment")
    assert listed == ["made by a test"]
    read = cli("get-distribution-config", "--id", id)
    config.write_text(json.dumps(read["DistributionConfig"] | {"Enabled": False}))
    etag = cli("update-distribution", "--id", id, "--if-match", read["ETag"],
               "--distribution-config", "file://dist.json")["ETag"]  # fmt: skip
    assert "PreconditionFailed" in cli(
        "delete-distribution", "--id", id, "--if-match", read["ETag"], works=False
    )
    deployed(client, id)
    cli("delete-distribution", "--id", id, "--if-match", etag)
    assert "NoSuchDistribution" in cli("get-distribution", "--id", id, works=False)
    assert "NotImplemented" in cli("get-field-level-encryption", "--id", "C1", works=False)


@pytest.mark.long
def test_awss_sdk_for_javascript(place: Place) -> None:
    quantities = place.site("javascript")
    try:
        told = javascript(place.control, place.key, quantities)
    except UnavailableError as error:
        pytest.skip(str(error))
    status, location, etag, id = told["created"]
    assert status == 201
    assert location == f"{place.control}/2020-05-31/distribution/{id}"
    assert re.fullmatch(r"E[A-Z0-9]{13}", etag)
    assert told["deployed"] == told["completed"] == "SUCCESS"
    assert told["updated"] == "by JavaScript <&>"
    assert told["stale"] == ["PreconditionFailed", 412]
    assert told["paths"] == ["/*", "/a%20b"]
    assert told["unsupported"] == ["NotImplemented", 501]


def test_a_stranger_is_refused(place: Place) -> None:
    wrong = AccessKey("", place.key.access_key_id, "x" * 43)
    stranger = boto3.client(
        "cloudfront",
        endpoint_url=place.control,
        region_name="us-east-1",
        aws_access_key_id=wrong.access_key_id,
        aws_secret_access_key=wrong.secret_access_key,
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stranger.list_distributions()


def test_the_commands(place: Place, tmp_path: Path) -> None:
    run = place.up.installation.run
    assert "ESITE" in run("distributions", "list")[1]
    document = tmp_path / "dist.json"
    document.write_text(json.dumps(place.site("commands")))
    code, said, wrong = run("distributions", "create", str(document))
    assert code == 0, wrong
    id, domain, status = said.split()
    assert status == "Deployed"
    assert place.statuses(domain) == [200, 200]
    listed = json.loads(run("distributions", "list", "--json")[1])
    assert id in {one["Id"] for one in listed}
    assert "stage" in run("tags", "set", id, "stage=test")[1]
    assert json.loads(run("tags", "list", id, "--json")[1]) == {"stage": "test"}
    assert run("tags", "remove", id, "stage")[0] == 0
    document.write_text(run("distributions", "get", id)[1])
    assert run("distributions", "update", id, str(document))[0] == 0
    code, _, wrong = run("distributions", "delete", id)
    assert (code, "DistributionNotDisabled" in wrong) == (1, True)
    assert run("distributions", "disable", id)[0] == 0
    assert run("distributions", "delete", id) == (0, f"{id} is deleted\n", "")
    assert "Managed-CachingOptimized" in run("policies", "list")[1]
    assert OPTIMIZED in run("policies", "get", OPTIMIZED)[1]
    assert run("policies", "get", "nobody")[0] == 1
    pem = tmp_path / "key.pem"
    pem.write_text(EC.public_pem)
    code, key, wrong = run("keys", "add", str(pem), "--name", "by-command")
    assert (code, key[0]) == (0, "K"), wrong
    assert key.strip() in run("keys", "list")[1]
    code, token, _ = run("token")
    told = curl(f"{place.control}/distributions", "-H", f"Authorization: Bearer {token.strip()}")
    assert (code, told.status) == (0, 200)
    assert f"AWS_ACCESS_KEY_ID={place.key.access_key_id}" in run("token", "--aws")[1]


def test_a_distribution_of_the_file_is_adopted_and_given_back(place: Place, client: Any) -> None:
    run = place.up.installation.run
    read = client.get_distribution_config(Id="ETREE")
    changed = read["DistributionConfig"] | {"Aliases": {"Quantity": 1, "Items": ["new.test"]}}

    def update() -> Any:
        etag = client.get_distribution_config(Id="ETREE")["ETag"]
        return client.update_distribution(Id="ETREE", IfMatch=etag, DistributionConfig=changed)

    with pytest.raises(ClientError, match="edgecache adopt ETREE"):
        update()
    assert run("adopt", "ETREE") == (0, "ETREE is the API's\n", "")
    assert place.statuses("tree.test") == [200, 200]
    update()
    deployed(client, "ETREE")
    assert place.statuses("new.test") == [200, 200]
    assert run("reload")[0] == 0
    assert place.statuses("new.test") == [200, 200]
    assert run("adopt", "ETREE", "--give-back") == (0, "ETREE is the file's again\n", "")
    wait_for("the file counts", lambda: place.statuses("tree.test") == [200, 200])


def test_a_worker_that_is_started_again_knows_what_the_api_made(place: Place, client: Any) -> None:
    made = client.create_distribution(DistributionConfig=place.site("again"))["Distribution"]
    deployed(client, made["Id"])
    pid = place.up.node("edge-NRT57-1")["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for("it runs again", lambda: place.up.node("edge-NRT57-1")["pid"] != pid)
    url = f"{place.up.nrt}{place.path}"
    statuses: list[int] = []
    while statuses[-1:] != [200]:  # a connection that is refused has no status
        statuses.append(curl(url, "-H", f"Host: {made['DomainName']}").status)
    assert set(statuses) <= {0, 200}
