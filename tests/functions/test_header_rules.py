"""Names of headers that functions neither see nor say."""

from __future__ import annotations

import pytest

from edgecache.functions.header_rules import is_hidden, name_problem

# Developer Guide, "Restrictions on all edge functions": disallowed headers.
DISALLOWED = """
Connection Expect Keep-Alive Proxy-Authenticate Proxy-Authorization Proxy-Connection Trailer Upgrade
X-Accel-Buffering X-Accel-Charset X-Accel-Limit-Rate X-Accel-Redirect X-Amz-Cf-Any X-Amzn-Auth
X-Amzn-Cf-Billing X-Amzn-Cf-Id X-Amzn-Cf-Xff X-Amzn-Errortype X-Amzn-Fle-Profile
X-Amzn-Header-Count X-Amzn-Header-Order X-Amzn-Lambda-Integration-Tag X-Amzn-RequestId X-Cache
X-Edge-Any X-Forwarded-Proto X-Real-IP Edgecache-Any
"""


@pytest.mark.parametrize("name", DISALLOWED.lower().split())
def test_a_disallowed_header_is_neither_seen_nor_said(name: str) -> None:
    assert is_hidden(name.encode())
    assert name_problem(name)


@pytest.mark.parametrize("name", ["x-forwarded-for", "x-amzn-trace-id", "accept", "x-cache-a"])
def test_others_are_seen_and_may_be_said(name: str) -> None:
    assert not is_hidden(name.encode())
    assert name_problem(name) == ""
