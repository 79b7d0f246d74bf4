"""Who may call, and what those are told who may not: in the form SDKs read, and nothing secret."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from edgecache.cluster.tokens import Tokens
from edgecache.control.cloudfront.authentication import AccessKey, access_keys
from edgecache.control.cloudfront.rate_limit import CALLS_BURST, FAILURES_BURST
from edgecache.control.rest.auth import LOCAL_PEER
from tests.control.cloudfront.desk import ENDPOINT, OPERATORS, Desk, code_of
from tests.world.credentials import SECRETS

KEY = access_keys(OPERATORS)[0]
PATH = "/2020-05-31/distribution"


def refused(client: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as error:
        client.list_distributions()
    said = str(error.value)
    assert KEY.secret_access_key not in said
    assert OPERATORS["k1"] not in said
    return code_of(error.value)


def test_an_operators_key_opens(client: Any) -> None:
    assert client.list_distributions()["DistributionList"]["Quantity"] == 1


def test_another_secret_and_an_unknown_key_do_not(desk: Desk) -> None:
    wrong = desk.client(AccessKey("k1", KEY.access_key_id, "x" * 43))
    unknown = desk.client(AccessKey("k1", "EDGEUNKNOWN", KEY.secret_access_key))
    assert refused(wrong) == ("SignatureDoesNotMatch", 403)
    assert refused(unknown) == ("InvalidClientTokenId", 403)


def test_a_clock_that_is_wrong_is_named(desk: Desk, client: Any) -> None:
    desk.now += 301
    assert refused(client) == ("RequestExpired", 400)


def test_an_operators_token_opens_and_no_other_does(desk: Desk) -> None:
    assert desk.asks("GET", PATH, headers=desk.token()).status_code == 200
    for secrets in (["x" * 32], [*SECRETS.values()]):
        token = Tokens(secrets, lambda: desk.now).issue("regional")
        answer = desk.asks("GET", PATH, headers={"authorization": f"Bearer {token}"})
        assert (answer.status_code, b"InvalidClientTokenId" in answer.content) == (403, True)


def test_without_anything_it_is_refused_before_the_body_is_read(desk: Desk) -> None:
    answer = desk.asks("POST", PATH, b"<!DOCTYPE x>")
    assert answer.status_code == 403
    assert b"<Code>MissingAuthenticationToken</Code>" in answer.content
    assert answer.headers["x-amzn-requestid"].encode() in answer.content


def test_who_reached_the_socket_file_needs_neither(desk: Desk) -> None:
    async def status(client: tuple[str, int], **headers: str) -> int:
        transport = httpx.ASGITransport(desk.app, client=client)
        async with httpx.AsyncClient(transport=transport, base_url=ENDPOINT) as asking:
            return (await asking.get(PATH, headers=headers)).status_code

    assert asyncio.run(status((LOCAL_PEER, 0))) == 200
    assert asyncio.run(status((LOCAL_PEER, 0), via="1.1 edge")) == 403
    assert asyncio.run(status(("127.0.0.1", 0))) == 403


def test_a_body_too_long_is_refused(desk: Desk) -> None:
    answer = desk.asks("POST", PATH, b"x" * (1024 * 1024 + 1), desk.token())
    assert answer.status_code == 413
    assert b"<Code>RequestEntityTooLarge</Code>" in answer.content


def test_who_fails_often_is_told_less_and_nobody_else_suffers(desk: Desk, client: Any) -> None:
    wrong = desk.client(AccessKey("k1", KEY.access_key_id, "x" * 43))
    codes = [refused(wrong)[0] for _ in range(int(FAILURES_BURST) + 2)]
    assert codes[: int(FAILURES_BURST)] == ["SignatureDoesNotMatch"] * int(FAILURES_BURST)
    assert codes[-1] == "Throttling"
    assert client.list_distributions()["DistributionList"]["Quantity"] == 1


def test_who_calls_too_often_is_throttled(desk: Desk, client: Any) -> None:
    headers = desk.token()
    statuses = [desk.asks("GET", PATH, headers=headers) for _ in range(int(CALLS_BURST) + 1)]
    assert {answer.status_code for answer in statuses[:-1]} == {200}
    assert b"<Code>Throttling</Code>" in statuses[-1].content
    assert client.list_distributions()["DistributionList"]["Quantity"] == 1
    desk.now += 1
    assert desk.asks("GET", PATH, headers=headers).status_code == 200
