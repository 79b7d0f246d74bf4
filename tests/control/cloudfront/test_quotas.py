"""Quotas over the API: the file's numbers, AWS's codes, and nothing that is there is refused."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.model import Quotas
from edgecache.control.cloudfront.quotas import OF_KIND
from edgecache.control.cloudfront.resource_types import RESOURCE_TYPES, ResourceType
from tests.control.api.asking import created, refused
from tests.control.cloudfront.desk import Desk
from tests.control.cloudfront.test_resources import CONFIGS, NOUNS, Calls

Document = dict[str, Any]
CACHE = CONFIGS["CachePolicy"]
_KEY = "ParametersInCacheKeyAndForwardedToOrigin"


def with_quotas(desk: Desk, **quotas: int) -> Any:
    """A client of a control that starts again with these quotas in its file."""
    lines = "".join(f"{name} = {most}\n" for name, most in quotas.items())
    (desk.folder / "edgecache.toml").write_text(f"{desk.file}\n[quotas]\n{lines}")
    desk.open()
    return desk.client()


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.name)
def test_beyond_a_number_there_are_no_more(desk: Desk, noun: ResourceType) -> None:
    calls = Calls(desk.client(), noun)
    calls.create(CONFIGS[noun.name])
    calls = Calls(with_quotas(desk, **{OF_KIND[noun.kind]: 1}), noun)
    another = CONFIGS[noun.name] | {"Name": "another", "CallerReference": "another"}
    another = {name: value for name, value in another.items() if name in CONFIGS[noun.name]}
    refused(lambda: calls.create(another), code=noun.too_many, status=400, said="quotas.")


def test_distributions_are_counted_with_the_files(desk: Desk) -> None:
    client = with_quotas(desk, distributions=2)
    created(client)
    refused(lambda: created(client, "two"), code="TooManyDistributions", status=400)


def test_the_members_of_a_distribution_have_codes_of_their_own(desk: Desk) -> None:
    client = with_quotas(desk, aliases_per_distribution=1)
    two = {"Quantity": 2, "Items": ["a.test", "b.test"]}
    refused(lambda: created(client, Aliases=two), code="TooManyDistributionCNAMEs", status=400)


def headers(count: int) -> Document:
    names = [f"X-{number}" for number in range(count)]
    selected = {"HeaderBehavior": "whitelist", "Headers": {"Quantity": count, "Items": names}}
    return CACHE | {_KEY: CACHE[_KEY] | {"HeadersConfig": selected}}


def test_a_raised_quota_is_met_and_one_that_is_lowered_leaves_what_is_there(desk: Desk) -> None:
    most = Quotas().headers_per_cache_policy
    calls = Calls(desk.client(), RESOURCE_TYPES[0])
    code = "TooManyHeadersInCachePolicy"
    refused(lambda: calls.create(headers(most + 1)), code=code, status=400)
    calls = Calls(with_quotas(desk, headers_per_cache_policy=most + 1), RESOURCE_TYPES[0])
    made = calls.create(headers(most + 1))
    desk.open()
    calls = Calls(with_quotas(desk, headers_per_cache_policy=1), RESOURCE_TYPES[0])
    id = made["CachePolicy"]["Id"]
    assert calls.get(id)["ETag"] == made["ETag"]
    assert not desk.catalog.refused
    given = {"IfMatch": made["ETag"]}
    refused(lambda: calls.update(id, headers(2), **given), code=code, status=400)
    calls.update(id, headers(1), **given)
