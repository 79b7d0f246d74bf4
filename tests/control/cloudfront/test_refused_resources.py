"""What a former release took and a check refuses now. Law: who uses it answers 503, no other."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edgecache.cli.check import check_report
from edgecache.config.load import load
from edgecache.config.refused_distributions import unavailable_reasons
from edgecache.control.cloudfront.resource_types import RESOURCE_TYPES, ResourceType
from edgecache.control.state.catalog import adopt
from edgecache.rules.routing import compile_routes
from tests.control.api.asking import created, default, refused, served
from tests.control.cloudfront.desk import Desk, site
from tests.control.cloudfront.test_resources import CONFIGS, Calls, Document, naming

BY_NAME = {noun.name: noun for noun in RESOURCE_TYPES}
REFUSED: dict[str, tuple[Document, str]] = {  # what stands in the row, and what is said of it
    "CachePolicy": ({"MinTTL": -1}, "-1"),
    "OriginRequestPolicy": ({"CookiesConfig": {"CookieBehavior": "some"}}, "CookieBehavior"),
    "ResponseHeadersPolicy": (
        {"RemoveHeadersConfig": {"Quantity": 1, "Items": [{"Header": "not a name"}]}},
        '"not a name"',
    ),
    "KeyGroup": ({"Items": ["KGONE"]}, '"KGONE" is not a public key'),
    "OriginAccessControl": ({"SigningProtocol": "sigv9"}, "sigv9"),
}


def spoil(desk: Desk, id: str, **members: Any) -> None:
    """Put into a row what was taken once, and start control again."""
    (before,) = desk.state.execute("SELECT config FROM resources WHERE id = ?", (id,)).fetchone()
    config = msgspec.json.encode(msgspec.json.decode(before) | members).decode()
    desk.state.execute("UPDATE resources SET config = ? WHERE id = ?", (config, id))
    desk.state.close()
    desk.open()


def used(client: Any, noun: ResourceType, **more: Any) -> tuple[str, str]:
    """A resource and a distribution that uses it: their ids."""
    id = Calls(client, noun).create(CONFIGS[noun.name])[noun.name]["Id"]
    aliases = {"Quantity": 1, "Items": ["user.test"]}
    made = created(client, "user", Aliases=aliases, **naming(noun, id), **more)
    return id, made["Distribution"]["Id"]


@pytest.mark.parametrize("name", REFUSED)
def test_control_starts_and_serves_all_others(desk: Desk, client: Any, name: str) -> None:
    noun = BY_NAME[name]
    id, user = used(client, noun)
    other = created(client, "other")["Distribution"]["Id"]
    members, said = REFUSED[name]
    spoil(desk, id, **members)
    assert set(served(desk)) == {"EFILE", other}
    table = compile_routes(desk.catalog.published)
    assert table.unavailable_site(b"user.test") is not None
    told = "; ".join(unavailable_reasons(desk.catalog.published, user))
    assert f"{noun.kind} {id} (made over the API): " in told
    assert said in told
    assert [one.id for one in desk.catalog.refused] == [id]
    assert any(line.startswith(f"{noun.kind} {id} ") and said in line for line in checked(desk))


def checked(desk: Desk) -> tuple[str, ...]:
    return check_report(load(desk.folder / "edgecache.toml")).problems


def test_check_tells_of_a_distribution_what_counts_of_it(desk: Desk) -> None:
    """Of one that was adopted, what the API says."""
    adopt(desk.catalog, "EFILE")
    spoil(desk, "EFILE", WebACLId="acl")
    (problem,) = checked(desk)
    assert problem.startswith("distribution EFILE (made over the API): WebACLId: not supported")


def test_a_key_takes_its_group_and_its_users_with_it(desk: Desk, client: Any) -> None:
    key = Calls(client, BY_NAME["PublicKey"]).create(CONFIGS["PublicKey"])["PublicKey"]["Id"]
    groups = Calls(client, BY_NAME["KeyGroup"])
    group = groups.create(CONFIGS["KeyGroup"] | {"Items": [key]})["KeyGroup"]["Id"]
    user = created(client, "user", **naming(BY_NAME["KeyGroup"], group))["Distribution"]["Id"]
    spoil(desk, key, EncodedKey="not a key")
    assert set(served(desk)) == {"EFILE"}
    assert [one.id for one in desk.catalog.refused] == [key, group]
    told = "; ".join(unavailable_reasons(desk.catalog.published, user))
    assert f"key-group {group} (made over the API): " in told
    assert f"public-key {key} (made over the API): " in told
    etag = groups.get(group)["ETag"]
    groups.update(group, CONFIGS["KeyGroup"], IfMatch=etag)
    assert set(served(desk)) == {"EFILE", user}


def test_what_nobody_uses_is_told_and_no_more(desk: Desk, client: Any) -> None:
    noun = BY_NAME["CachePolicy"]
    id = Calls(client, noun).create(CONFIGS["CachePolicy"])["CachePolicy"]["Id"]
    spoil(desk, id, MinTTL=-1)
    assert desk.catalog.published.unavailable == ()
    assert [str(one).split(":")[0] for one in desk.catalog.refused] == [
        f"cache-policy {id} (made over the API)"
    ]


def test_others_are_changed_beside_it_and_it_is_healed(desk: Desk, client: Any) -> None:
    noun = BY_NAME["CachePolicy"]
    id, user = used(client, noun)
    spoil(desk, id, MinTTL=-1)
    other = created(client, "other")["Distribution"]["Id"]
    assert set(served(desk)) == {"EFILE", other}
    desk.catalog.publish(desk.catalog.file)
    assert set(served(desk)) == {"EFILE", other}
    refused(
        lambda: client.create_distribution(
            DistributionConfig=site("third", **default(CachePolicyId=id))
        ),
        code="NoSuchCachePolicy",
        status=404,
    )
    calls = Calls(client, noun)
    etag = calls.get(id)["ETag"]
    refused(
        lambda: calls.update(id, CONFIGS[noun.name] | {"MinTTL": -1}, IfMatch=etag),
        code="InvalidArgument",
        status=400,
    )
    calls.update(id, CONFIGS[noun.name], IfMatch=etag)
    assert set(served(desk)) == {"EFILE", other, user}
    assert desk.catalog.refused == ()


def test_a_change_does_not_leave_out_what_is_served(desk: Desk, client: Any) -> None:
    noun = BY_NAME["CachePolicy"]
    id, user = used(client, noun)
    calls = Calls(client, noun)
    etag = calls.get(id)["ETag"]
    refused(
        lambda: calls.update(id, CONFIGS[noun.name] | {"MinTTL": -1}, IfMatch=etag),
        code="InvalidArgument",
        status=400,
    )
    assert set(served(desk)) == {"EFILE", user}
