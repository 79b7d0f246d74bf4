"""Callers in dev mode: anybody, by any credentials or none, but for a known key that is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from edgecache.control.cloudfront.authentication import ANYBODY, AccessKey
from edgecache.control.cloudfront.rate_limit import CALLS_BURST
from tests.control.cloudfront.desk import Desk, code_of, site

STRANGER = AccessKey("", "test", "test")


@pytest.fixture
def opened(desk: Desk) -> Desk:
    desk.callers.admits_all = True
    return desk


def test_elsewhere_a_stranger_is_refused(desk: Desk) -> None:
    with pytest.raises(ClientError) as refused:
        desk.client(STRANGER).list_distributions()
    assert code_of(refused.value) == ("InvalidClientTokenId", 403)


def test_any_key_is_taken_and_what_it_writes_is_anybody_s(opened: Desk) -> None:
    opened.client(STRANGER).create_distribution(DistributionConfig=site("r"))
    newest = opened.catalog.changes.page(0, "", 1)[0]
    assert newest.author == ANYBODY


@pytest.mark.parametrize("authorization", ["", "Bearer nonsense", "Basic dGVzdDp0ZXN0", "AWS4"])
def test_so_is_none_and_what_is_no_signature(opened: Desk, authorization: str) -> None:
    headers = {"authorization": authorization} if authorization else {}
    assert opened.asks("GET", "/2020-05-31/distribution", headers=headers).status_code == 200
    assert opened.asks("GET", "/distributions", headers=headers).status_code == 200


def test_a_key_that_was_made_has_its_limits_and_must_be_right(opened: Desk) -> None:
    made = opened.made_key("ci", ["read"])
    assert opened.client(made).list_distributions()
    with pytest.raises(ClientError) as refused:
        opened.client(made).create_distribution(DistributionConfig=site("r"))
    assert code_of(refused.value) == ("AccessDenied", 403)
    wrong = AccessKey("ci", made.access_key_id, "another")
    with pytest.raises(ClientError) as refused:
        opened.client(wrong).list_distributions()
    assert code_of(refused.value) == ("SignatureDoesNotMatch", 403)


def test_tests_are_not_throttled(opened: Desk) -> None:
    client: Any = opened.client(STRANGER)
    for _ in range(int(CALLS_BURST) + 1):
        opened.callers._calls.take(ANYBODY)
    assert client.list_distributions()
