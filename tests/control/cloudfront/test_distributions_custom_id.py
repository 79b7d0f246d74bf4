"""Ids that a test chooses, and names that need no DNS: dev mode's alone."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from edgecache.control.state.resources import default_domain_name
from tests.control.cloudfront.desk import Desk, code_of, site


def create(client: Any, id: str, reference: str = "r") -> Any:
    tags = {"Items": [{"Key": "_custom_id_", "Value": id}]}
    return client.create_distribution_with_tags(
        DistributionConfigWithTags={"DistributionConfig": site(reference), "Tags": tags}
    )["Distribution"]


@pytest.fixture
def dev(desk: Desk) -> Desk:
    desk.catalog.takes_custom_ids = desk.catalog.has_local_names = True
    return desk


def test_the_tag_is_like_any_other_elsewhere(client: Any) -> None:
    assert create(client, "shop")["Id"] != "shop"


def test_the_tag_says_the_id_and_stays_a_tag(dev: Desk, client: Any) -> None:
    made = create(client, "Shop-1")
    assert (made["Id"], made["DomainName"]) == ("Shop-1", default_domain_name("Shop-1"))
    (tag,) = client.list_tags_for_resource(Resource=made["ARN"])["Tags"]["Items"]
    assert tag == {"Key": "_custom_id_", "Value": "Shop-1"}


def test_each_distribution_is_localhost_s_too(dev: Desk, client: Any) -> None:
    create(client, "Shop-1")
    names = {one.id: one.aliases for one in dev.catalog.published.distributions}
    assert names == {"EFILE": ("file.test", "efile.localhost"), "Shop-1": ("shop-1.localhost",)}
    config = client.get_distribution(Id="Shop-1")["Distribution"]["DistributionConfig"]
    assert config["Aliases"]["Quantity"] == 0


@pytest.mark.parametrize("id", ["a.b", "-a", "a-", "a_b", "x" * 64])
def test_what_is_no_label_of_a_host_name_is_refused(dev: Desk, client: Any, id: str) -> None:
    with pytest.raises(ClientError) as refused:
        create(client, id)
    assert code_of(refused.value) == ("InvalidTagging", 400)


def test_one_that_is_there_is_refused(dev: Desk, client: Any) -> None:
    create(client, "shop")
    with pytest.raises(ClientError) as refused:
        create(client, "shop", "other")
    assert code_of(refused.value) == ("DistributionAlreadyExists", 409)
