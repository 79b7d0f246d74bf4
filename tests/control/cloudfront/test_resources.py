"""Policies, keys, groups, access controls and identities over the API: one life, seven kinds."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import xform_name

from edgecache.cluster.log_entries import LogEntryKind as EntryKind
from edgecache.control.cloudfront.resource_types import RESOURCE_TYPES, ResourceType
from tests.control.api.asking import created, default, refused, s3
from tests.control.cloudfront.desk import Desk, site
from tests.rules.private.signers import EC, RSA

Document = dict[str, Any]

_NONE = {
    "HeadersConfig": {"HeaderBehavior": "none"},
    "CookiesConfig": {"CookieBehavior": "none"},
    "QueryStringsConfig": {"QueryStringBehavior": "none"},
}
CONFIGS: dict[str, Document] = {
    "CachePolicy": {
        "Name": "mine",
        "MinTTL": 5,
        "ParametersInCacheKeyAndForwardedToOrigin": {"EnableAcceptEncodingGzip": True} | _NONE,
    },
    "OriginRequestPolicy": {"Name": "mine"} | _NONE,
    "ResponseHeadersPolicy": {
        "Name": "mine",
        "RemoveHeadersConfig": {"Quantity": 1, "Items": [{"Header": "X-Powered-By"}]},
    },
    "PublicKey": {"CallerReference": "1", "Name": "mine", "EncodedKey": RSA.public_pem},
    "KeyGroup": {"Name": "mine", "Items": ["KFILE"]},
    "OriginAccessControl": {
        "Name": "mine",
        "SigningProtocol": "sigv4",
        "SigningBehavior": "always",
        "OriginAccessControlOriginType": "s3",
    },
    "CloudFrontOriginAccessIdentity": {"CallerReference": "1", "Comment": "mine"},
}
NOUNS = [one for one in RESOURCE_TYPES if one.name in CONFIGS]  # policies of deployment apart
UPDATED = {"CloudFrontOriginAccessIdentity": "Comment", "OriginAccessControl": "Description"}


class Calls:
    """The six operations of a kind, by its noun."""

    def __init__(self, client: Any, noun: ResourceType) -> None:
        self.client, self.noun = client, noun

    def _call(self, name: str, **given: Any) -> Any:
        return getattr(self.client, xform_name(name))(**given)

    def create(self, config: Document) -> Any:
        return self._call(f"Create{self.noun.name}", **{self.noun.config: config})

    def get(self, id: str) -> Any:
        return self._call(f"Get{self.noun.name}", Id=id)

    def get_config(self, id: str) -> Any:
        return self._call(f"Get{self.noun.name}Config", Id=id)

    def update(self, id: str, config: Document, **more: Any) -> Any:
        return self._call(f"Update{self.noun.name}", Id=id, **{self.noun.config: config}, **more)

    def delete(self, id: str, **more: Any) -> Any:
        return self._call(f"Delete{self.noun.name}", Id=id, **more)

    def listed(self, **more: Any) -> Any:
        answer = self._call(f"List{self.noun.plural}", **more)
        return next(value for name, value in answer.items() if name.endswith("List"))


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.name)
def test_the_life_of_one(client: Any, noun: ResourceType) -> None:
    calls = Calls(client, noun)
    before = calls.listed()["Quantity"]
    made = calls.create(CONFIGS[noun.name])
    one = made[noun.name]
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert made["Location"].endswith(f"/{one['Id']}")
    assert calls.listed()["Quantity"] == before + 1
    read = calls.get(one["Id"])
    assert (read[noun.name], read["ETag"]) == (one, made["ETag"])
    config = calls.get_config(one["Id"])
    assert config[noun.config] == one[noun.config]
    changed = one[noun.config] | {UPDATED.get(noun.name, "Comment"): "changed"}
    refused(lambda: calls.update(one["Id"], changed), code="InvalidIfMatchVersion", status=400)
    refused(
        lambda: calls.update(one["Id"], changed, IfMatch="E1234567890123"),
        code="PreconditionFailed",
        status=412,
    )
    again = calls.update(one["Id"], changed, IfMatch=made["ETag"])
    assert again[noun.name][noun.config] == changed
    refused(
        lambda: calls.delete(one["Id"], IfMatch=made["ETag"]),
        code="PreconditionFailed",
        status=412,
    )
    gone = calls.delete(one["Id"], IfMatch=again["ETag"])
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (calls.get, calls.get_config, calls.delete):
        refused(lambda call=call: call(one["Id"]), code=noun.missing, status=404)
    assert calls.listed()["Quantity"] == before


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.name)
def test_what_was_written_is_in_what_is_read(client: Any, noun: ResourceType) -> None:
    made = Calls(client, noun).create(CONFIGS[noun.name])
    config = made[noun.name][noun.config]

    def holds(whole: Any, part: Any) -> bool:
        if isinstance(part, dict):
            return all(name in whole and holds(whole[name], one) for name, one in part.items())
        return bool(whole == part)

    assert holds(config, CONFIGS[noun.name])


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.name)
def test_a_name_or_reference_is_taken_once(client: Any, noun: ResourceType) -> None:
    calls = Calls(client, noun)
    first = calls.create(CONFIGS[noun.name])
    if noun.name == "CloudFrontOriginAccessIdentity":
        assert calls.create(CONFIGS[noun.name])[noun.name] == first[noun.name]
        other = CONFIGS[noun.name] | {"Comment": "other"}
        refused(lambda: calls.create(other), code=noun.exists, status=409)
        return
    refused(lambda: calls.create(CONFIGS[noun.name]), code=noun.exists, status=409)


def test_managed_policies_are_listed_and_stay_as_they_are(client: Any) -> None:
    for noun, count in zip(RESOURCE_TYPES[:3], (7, 9, 5), strict=True):
        calls = Calls(client, noun)
        managed = calls.listed(Type="managed")
        assert managed["Quantity"] == count
        assert {one["Type"] for one in managed["Items"]} == {"managed"}
        calls.create(CONFIGS[noun.name])
        custom = calls.listed(Type="custom")["Items"]
        assert {one["Type"] for one in custom} == {"custom"}
        names = [one[noun.name][noun.config]["Name"] for one in custom]
        assert "mine" in names
        one = managed["Items"][0][noun.name]
        etag = calls.get(one["Id"])["ETag"]
        refused(
            lambda calls=calls, one=one, etag=etag: calls.delete(one["Id"], IfMatch=etag),
            code="IllegalDelete",
            status=400,
        )
        refused(
            lambda calls=calls, one=one, etag=etag, noun=noun: calls.update(
                one["Id"], one[noun.config], IfMatch=etag
            ),
            code="IllegalUpdate",
            status=400,
        )


def naming(noun: ResourceType, id: str) -> Document:
    """What a distribution says to use one."""
    if noun.name == "OriginAccessControl":
        return s3(control=id)
    if noun.name == "CloudFrontOriginAccessIdentity":
        return s3(f"origin-access-identity/cloudfront/{id}")
    if noun.name == "KeyGroup":
        return default(TrustedKeyGroups={"Enabled": True, "Quantity": 1, "Items": [id]})
    return default(**{f"{noun.name}Id": id})


@pytest.mark.parametrize(
    "noun", [one for one in NOUNS if one.name != "PublicKey"], ids=lambda noun: noun.name
)
def test_what_a_distribution_uses_stays(desk: Desk, client: Any, noun: ResourceType) -> None:
    calls = Calls(client, noun)
    made = calls.create(CONFIGS[noun.name])
    id = made[noun.name]["Id"]
    user = created(client, "user", **naming(noun, id))["Distribution"]["Id"]
    refused(lambda: calls.delete(id, IfMatch=made["ETag"]), code=noun.in_use, status=409, said=user)
    by = {
        "CachePolicy": "CachePolicyId",
        "OriginRequestPolicy": "OriginRequestPolicyId",
        "ResponseHeadersPolicy": "ResponseHeadersPolicyId",
        "KeyGroup": "KeyGroupId",
    }.get(noun.name)
    if by is None:
        return
    name = "ListDistributionsByKeyGroup" if noun.name == "KeyGroup" else f"ListDistributionsBy{by}"
    call = getattr(client, xform_name(name))
    assert call(**{by: id})["DistributionIdList"]["Items"] == [user]
    refused(lambda: call(**{by: "nobody"}), code=noun.missing, status=404)


def test_a_changed_policy_changes_what_is_served(desk: Desk, client: Any) -> None:
    calls = Calls(client, RESOURCE_TYPES[0])
    made = calls.create(CONFIGS["CachePolicy"])
    one = made["CachePolicy"]
    id = created(client, "user", **naming(RESOURCE_TYPES[0], one["Id"]))["Distribution"]["Id"]

    def ttl() -> int:
        entry = desk.log.newest(EntryKind.CONFIG)
        assert entry is not None
        found = next(x for x in entry.body["distributions"] if x["id"] == id)
        return int(found["default_behavior"]["cache_policy"]["ttl_s_min"])

    assert ttl() == 5
    config = one["CachePolicyConfig"] | {"MinTTL": 7}
    calls.update(one["Id"], config, IfMatch=made["ETag"])
    assert ttl() == 7


def test_keys_and_groups(client: Any) -> None:
    keys, groups = Calls(client, RESOURCE_TYPES[3]), Calls(client, RESOURCE_TYPES[4])
    key = keys.create(CONFIGS["PublicKey"] | {"EncodedKey": EC.public_pem})
    id = key["PublicKey"]["Id"]
    assert id.startswith("K")
    group = groups.create({"Name": "two", "Items": [id, "KFILE"], "Comment": ""})
    refused(lambda: keys.delete(id, IfMatch=key["ETag"]), code="PublicKeyInUse", status=409)
    changed = key["PublicKey"]["PublicKeyConfig"] | {"Name": "other"}
    refused(
        lambda: keys.update(id, changed, IfMatch=key["ETag"]),
        code="CannotChangeImmutablePublicKeyFields",
        status=400,
        said="Name",
    )
    for items in ([], ["KNOBODY"], [id] * 2):
        refused(
            lambda items=items: groups.create({"Name": "bad", "Items": items}),
            code="InvalidArgument",
            status=400,
            said="Items",
        )
    refused(
        lambda: keys.create({"CallerReference": "9", "Name": "bad", "EncodedKey": "no key"}),
        code="InvalidArgument",
        status=400,
        said="EncodedKey",
    )
    config = group["KeyGroup"]["KeyGroupConfig"] | {"Items": ["KFILE"]}
    groups.update(group["KeyGroup"]["Id"], config, IfMatch=group["ETag"])
    assert keys.delete(id, IfMatch=key["ETag"])


def test_the_files_keys_are_shown_and_not_changed(client: Any) -> None:
    for noun, id in ((RESOURCE_TYPES[3], "KFILE"), (RESOURCE_TYPES[4], "team")):
        calls = Calls(client, noun)
        read = calls.get(id)
        refused(
            lambda calls=calls, id=id, read=read: calls.delete(id, IfMatch=read["ETag"]),
            code="AccessDenied",
            status=403,
            said="configuration file",
        )


def test_a_canonical_user_is_named(client: Any) -> None:
    made = client.create_cloud_front_origin_access_identity(
        CloudFrontOriginAccessIdentityConfig=CONFIGS["CloudFrontOriginAccessIdentity"]
    )["CloudFrontOriginAccessIdentity"]
    assert len(made["S3CanonicalUserId"]) == 96
    listed = client.list_cloud_front_origin_access_identities()
    items = listed["CloudFrontOriginAccessIdentityList"]["Items"]
    assert items[0]["S3CanonicalUserId"] == made["S3CanonicalUserId"]


def test_a_site_may_be_created_with_all_of_it(client: Any) -> None:
    ids = {noun.name: Calls(client, noun).create(CONFIGS[noun.name]) for noun in NOUNS}
    behavior = default(
        CachePolicyId=ids["CachePolicy"]["CachePolicy"]["Id"],
        OriginRequestPolicyId=ids["OriginRequestPolicy"]["OriginRequestPolicy"]["Id"],
        ResponseHeadersPolicyId=ids["ResponseHeadersPolicy"]["ResponseHeadersPolicy"]["Id"],
        TrustedKeyGroups={
            "Enabled": True, "Quantity": 1, "Items": [ids["KeyGroup"]["KeyGroup"]["Id"]]
        },
    )  # fmt: skip
    config = site("all") | behavior
    config |= s3(control=ids["OriginAccessControl"]["OriginAccessControl"]["Id"])
    made = client.create_distribution(DistributionConfig=config)["Distribution"]
    assert made["ActiveTrustedKeyGroups"]["Enabled"] is True
