"""What is kept from one composition to the next gives what reading all of it again would give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecache.config.aws.read import read_distribution_config
from edgecache.config.load import load
from edgecache.control.state.catalog import adopt, api_resources, give_back
from edgecache.control.state.compose import compose
from edgecache.control.state.resources import Resources
from tests.control.api.asking import created, default
from tests.control.cloudfront.desk import Desk, open_desk

POLICY = {
    "Name": "mine",
    "MinTTL": 5,
    "ParametersInCacheKeyAndForwardedToOrigin": {
        "EnableAcceptEncodingGzip": True,
        "HeadersConfig": {"HeaderBehavior": "none"},
        "CookiesConfig": {"CookieBehavior": "none"},
        "QueryStringsConfig": {"QueryStringBehavior": "none"},
    },
}


@pytest.fixture
def read_ids(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the distributions whose documents were read, in order."""
    ids: list[str] = []

    def counted(*given: Any, **named: Any) -> Any:
        ids.append(named["id"])
        return read_distribution_config(*given, **named)

    monkeypatch.setattr("edgecache.control.state.compose.read_distribution_config", counted)
    return ids


def is_as_new(desk: Desk) -> bool:
    """Whether what is published is what a catalog that knows nothing would publish."""
    made = api_resources(Resources(desk.state), desk.catalog.releases)
    return desk.catalog.published == compose(desk.catalog.file, made).config


def changed(client: Any, id: str, **more: Any) -> None:
    read = client.get_distribution_config(Id=id)
    config = read["DistributionConfig"] | more
    client.update_distribution(Id=id, IfMatch=read["ETag"], DistributionConfig=config)


def test_a_change_reads_one_document(tmp_path: Path, read_ids: list[str]) -> None:
    with open_desk(tmp_path) as desk:
        client = desk.client()
        ids = [created(client, str(number))["Distribution"]["Id"] for number in range(3)]
        read_ids.clear()
        changed(client, ids[1], Comment="another")
        assert read_ids == [ids[1]]
        assert is_as_new(desk)


def test_whatever_changes_is_seen(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        client = desk.client()
        policy = client.create_cache_policy(CachePolicyConfig=POLICY)
        id = policy["CachePolicy"]["Id"]
        one, other = (
            created(client, str(number), **default(CachePolicyId=id))["Distribution"]
            for number in range(2)
        )
        arn = one["ARN"]

        def policy_changed() -> None:
            client.update_cache_policy(
                Id=id, IfMatch=policy["ETag"], CachePolicyConfig=POLICY | {"MinTTL": 7}
            )

        def tagged() -> None:
            client.tag_resource(Resource=arn, Tags={"Items": [{"Key": "a", "Value": "b"}]})

        def released() -> None:
            with desk.catalog.changing():
                desk.catalog.releases.cut(one["Id"], "/a/*", desk.now)

        def strict() -> None:
            path = desk.folder / "edgecache.toml"
            path.write_text(path.read_text().replace("allow_private_origins = true", ""))
            desk.catalog.publish(load(path))

        def deleted() -> None:
            changed(client, other["Id"], Enabled=False)
            etag = client.get_distribution(Id=other["Id"])["ETag"]
            client.delete_distribution(Id=other["Id"], IfMatch=etag)

        changes: list[Callable[[], object]] = [
            policy_changed,
            tagged,
            released,
            lambda: adopt(desk.catalog, "EFILE"),
            lambda: changed(client, "EFILE", Comment="the API's"),
            lambda: give_back(desk.catalog, "EFILE"),
            deleted,
            strict,
        ]
        for change in changes:
            before = desk.catalog.published
            change()
            assert desk.catalog.published != before, change
            assert is_as_new(desk), change


def test_what_was_refused_is_read_and_checked_again(tmp_path: Path, read_ids: list[str]) -> None:
    with open_desk(tmp_path) as desk:
        client = desk.client()
        id = created(client)["Distribution"]["Id"]
        before = desk.catalog.published
        for _ in range(2):
            with pytest.raises(Exception, match="InvalidDefaultRootObject"):
                changed(client, id, DefaultRootObject="/index.html")
        assert desk.catalog.published == before
        changed(client, id, DefaultRootObject="index.html")
        assert is_as_new(desk)
