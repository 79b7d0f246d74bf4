"""Aliases that move from one distribution to another, and those that overlap."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.control.cloudfront.desk import Desk, code_of, site


def made(client: Any, reference: str, *aliases: str) -> str:
    config = site(reference)
    config["Origins"]["Items"][0]["DomainName"] = "web.example.org"
    if aliases:
        config["Aliases"] = {"Quantity": len(aliases), "Items": [*aliases]}
    return str(client.create_distribution(DistributionConfig=config)["Distribution"]["Id"])


def aliases_of(client: Any, id: str) -> list[str]:
    config = client.get_distribution_config(Id=id)["DistributionConfig"]
    found: list[str] = config["Aliases"].get("Items", [])
    return found


def test_an_alias_moves_in_one_configuration(desk: Desk, client: Any) -> None:
    one, two = made(client, "1", "www.example.org", "a.example.org"), made(client, "2")
    etag = client.get_distribution(Id=one)["ETag"]
    client.associate_alias(TargetDistributionId=two, Alias="WWW.example.org")
    assert aliases_of(client, one) == ["a.example.org"]
    assert aliases_of(client, two) == ["www.example.org"]
    assert client.get_distribution(Id=one)["ETag"] != etag
    served = {one.id: one.aliases for one in desk.catalog.published.distributions}
    assert served[two] == ("www.example.org",)
    client.associate_alias(TargetDistributionId=two, Alias="www.example.org")  # it has it
    assert aliases_of(client, two) == ["www.example.org"]


def test_an_alias_that_nobody_has_is_given(client: Any) -> None:
    one = made(client, "1")
    client.associate_alias(TargetDistributionId=one, Alias="new.example.org")
    assert aliases_of(client, one) == ["new.example.org"]


@pytest.mark.parametrize(
    ("alias", "code"),
    [("file.test", "AccessDenied"), ("*", "InvalidArgument"), ("a b", "InvalidArgument")],
)
def test_what_is_refused_changes_nothing(client: Any, alias: str, code: str) -> None:
    one = made(client, "1")
    with pytest.raises(ClientError) as refused:
        client.associate_alias(TargetDistributionId=one, Alias=alias)
    assert code_of(refused.value)[0] == code
    assert aliases_of(client, one) == []


def test_who_is_not_there(client: Any) -> None:
    with pytest.raises(ClientError) as refused:
        client.associate_alias(TargetDistributionId="ENOBODY", Alias="a.example.org")
    assert code_of(refused.value) == ("NoSuchDistribution", 404)


def test_aliases_that_overlap(client: Any) -> None:
    one = made(client, "1", "www.example.org")
    made(client, "2", "*.example.org", "other.example.net")
    found = client.list_conflicting_aliases(DistributionId=one, Alias="www.example.org")
    (item,) = found["ConflictingAliasesList"]["Items"]
    assert item["Alias"] == "*.example.org"
    assert item["DistributionId"].startswith("***")
    none = client.list_conflicting_aliases(DistributionId=one, Alias="www.example.com")
    assert none["ConflictingAliasesList"]["Quantity"] == 0
