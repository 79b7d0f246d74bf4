"""Access keys over both APIs: what one with limits may do, and that a deleted one admits nobody."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from edgecache.control.cloudfront.authentication import AccessKey
from edgecache.rules.sigv4 import Credential, SigningInput, signing_fields
from tests.control.cloudfront.desk import Desk, code_of, open_desk, site

HOST = "127.0.0.1:8090"
ARN = "arn:aws:cloudfront::000000000000:distribution/"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as made:
        yield made


@pytest.fixture
def sites(desk: Desk) -> tuple[str, str]:
    """Two distributions that the API has made."""
    client = desk.client()
    first, second = (
        client.create_distribution(DistributionConfig=site(one))["Distribution"]["Id"]
        for one in ("one", "two")
    )
    return first, second


def signed(
    desk: Desk, key: AccessKey, method: str, target: str, body: bytes = b""
) -> dict[str, str]:
    """The fields by which an access key signs a request."""
    path, _, query = target.partition("?")
    digest = hashlib.sha256(body).hexdigest().encode()
    wanted = SigningInput(
        method.encode(), path.encode(), query.encode(), ((b"host", HOST.encode()),), digest
    )
    credential = Credential(key.access_key_id, key.secret_access_key, "us-east-1", "cloudfront")
    fields = signing_fields(wanted, credential, desk.now)
    return {"host": HOST} | {name.decode(): value.decode() for name, value in fields}


def asked(desk: Desk, key: AccessKey, method: str, target: str, wish: Any = None) -> httpx.Response:
    body = b"" if wish is None else json.dumps(wish).encode()
    return desk.asks(method, target, body, signed(desk, key, method, target, body))


def refused(client: Any, operation: str, **given: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as error:
        getattr(client, operation)(**given)
    return code_of(error.value)


def batch(paths: list[str]) -> dict[str, Any]:
    return {"CallerReference": "r", "Paths": {"Quantity": len(paths), "Items": paths}}


def test_a_key_for_invalidations_of_one_distribution(desk: Desk, sites: tuple[str, str]) -> None:
    mine, other = sites
    key = desk.made_key("deploy", ["invalidate"], [mine])
    client = desk.client(key)
    made = client.create_invalidation(DistributionId=mine, InvalidationBatch=batch(["/*"]))
    id = made["Invalidation"]["Id"]
    assert client.get_invalidation(DistributionId=mine, Id=id)["Invalidation"]["Id"] == id
    assert client.list_invalidations(DistributionId=mine)["InvalidationList"]["Quantity"] == 1
    denied = ("AccessDenied", 403)
    given = {"DistributionId": other, "InvalidationBatch": batch(["/*"])}
    assert refused(client, "create_invalidation", **given) == denied
    assert refused(client, "get_invalidation", DistributionId=other, Id=id) == denied
    assert refused(client, "get_distribution", Id=mine) == denied
    assert refused(client, "list_distributions") == denied
    assert refused(client, "delete_distribution", Id=mine, IfMatch="x") == denied
    assert refused(client, "list_public_keys") == denied


def test_the_same_key_over_the_rest_api(desk: Desk, sites: tuple[str, str]) -> None:
    mine, other = sites
    key = desk.made_key("deploy", ["invalidate"], [mine])
    wish = {"distribution": mine, "paths": ["/a"]}
    assert asked(desk, key, "POST", "/invalidations", wish).status_code == 201
    assert asked(desk, key, "GET", f"/invalidations/{mine}").status_code == 200
    refused = {
        ("POST", "/invalidations"): {"distribution": other, "paths": ["/*"]},
        ("POST", f"/distributions/{mine}/releases"): {},
        ("GET", f"/invalidations/{other}"): None,
        ("GET", f"/distributions/{mine}"): None,
        ("GET", "/distributions"): None,
        ("GET", "/access-keys"): None,
        ("POST", "/access-keys"): {"name": "wide"},
        ("DELETE", "/access-keys/deploy"): None,
        ("POST", f"/distributions/{mine}/adoption"): {},
    }
    for (method, target), given in refused.items():
        answer = asked(desk, key, method, target, given)
        assert (answer.status_code, "AccessDenied: deploy: " in answer.text) == (403, True), target
    twice = b'{"distribution": "%s", "distribution": "%s", "paths": ["/"]}'
    for first, second, status in ((other, mine, 201), (mine, other, 403)):
        body = twice % (first.encode(), second.encode())
        headers = signed(desk, key, "POST", "/invalidations", body)
        assert desk.asks("POST", "/invalidations", body, headers).status_code == status


def test_who_may_write_one_distribution_writes_no_other(desk: Desk, sites: tuple[str, str]) -> None:
    mine, other = sites
    client = desk.client(desk.made_key("owner", [], [mine]))
    found = client.get_distribution_config(Id=mine)
    changed = found["DistributionConfig"] | {"Comment": "mine"}
    client.update_distribution(Id=mine, IfMatch=found["ETag"], DistributionConfig=changed)
    tags = {"Items": [{"Key": "a", "Value": "b"}]}
    client.tag_resource(Resource=f"{ARN}{mine}", Tags=tags)
    denied = ("AccessDenied", 403)
    given = {"IfMatch": found["ETag"], "DistributionConfig": changed}
    assert refused(client, "update_distribution", Id=other, **given) == denied
    assert refused(client, "tag_resource", Resource=f"{ARN}{other}", Tags=tags) == denied
    assert refused(client, "tag_resource", Resource=f"x{ARN}{mine}", Tags=tags) == denied
    assert refused(client, "create_distribution", DistributionConfig=site("three")) == denied
    assert refused(client, "list_cache_policies") == denied


def test_a_key_that_is_deleted_admits_nobody(desk: Desk) -> None:
    key, own = desk.made_key("deploy"), desk.callers.derived[0]
    for one in (key, own):
        client = desk.client(one)
        client.list_distributions()
        assert asked(desk, one, "GET", "/distributions").status_code == 200
        gone = desk.asks("DELETE", f"/access-keys/{one.name}", headers=desk.token())
        assert (gone.status_code, gone.json()["id"]) == (200, one.access_key_id)
        assert refused(client, "list_distributions") == ("InvalidClientTokenId", 403)
        assert asked(desk, one, "GET", "/distributions").status_code == 403
    again = desk.asks("DELETE", "/access-keys/deploy", headers=desk.token())
    assert (again.status_code, again.json()) == (
        404, {"error": "there is no access key deploy (known: none)"},
    )  # fmt: skip
    desk.open()  # started again
    assert asked(desk, own, "GET", "/distributions").status_code == 403


def test_a_key_without_limits_makes_others_and_is_told_the_secret_once(
    desk: Desk, sites: tuple[str, str]
) -> None:
    key = desk.made_key("root")
    wish = {"name": "deploy", "actions": ["invalidate"], "distributions": [sites[0]]}
    made = asked(desk, key, "POST", "/access-keys", wish)
    assert made.status_code == 201
    secret = made.json()["secret_access_key"]
    listed = asked(desk, key, "GET", "/access-keys")
    assert secret not in listed.text
    told = {one["name"]: one for one in listed.json()["access_keys"]}
    assert [*told] == ["k1", "root", "deploy"]
    assert told["deploy"]["actions"] == ["invalidate"]
    assert told["k1"]["source"] == "operator"
    assert told["root"]["last_used_at"] == desk.now


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({}, "name"),
        ({"name": "a b"}, "name: 'a b' is not 1-64 of"),
        ({"name": "a", "actions": ["fly"]}, "fly"),
        ({"name": "a", "distributions": ["ENONE"]}, "there is no distribution ENONE"),
        ({"name": "a", "only": ["read"]}, "only"),
    ],
)
def test_wishes_that_are_refused(desk: Desk, wish: dict[str, Any], words: str) -> None:
    answer = desk.asks("POST", "/access-keys", json.dumps(wish).encode(), desk.token())
    assert (answer.status_code, words in answer.json()["error"]) == (400, True), answer.text


def test_a_signature_over_another_body_or_path_opens_nothing(desk: Desk) -> None:
    key = desk.made_key("deploy")
    headers = signed(desk, key, "POST", "/invalidations", b"{}")
    for method, target, body in (
        ("POST", "/invalidations", b'{"a": 1}'),
        ("POST", "/access-keys", b"{}"),
        ("DELETE", "/invalidations", b"{}"),
    ):
        answer = desk.asks(method, target, body, headers)
        assert answer.status_code in (400, 403, 405)
