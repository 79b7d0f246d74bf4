"""What proves to an origin that a request is ours holds by HTTP/2, as its server hands it on."""

from __future__ import annotations

import datetime
from typing import Any
from unittest.mock import patch

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from edgecache.http.http2.header_decoder import hpack_decoder
from edgecache.origin.gate import Gate
from edgecache.origin.identity import HEADER, IdentityVerdict
from edgecache.upstream.http2.heads import request_block
from edgecache.upstream.origin_auth import OriginAuth
from edgecache.upstream.origin_request import wire_request
from tests.upstream.test_origin import call
from tests.upstream.test_origin_auth import KEYS, NOW, PAIR, means, oac

HOST = "store.test:9000"


def told(method: bytes = b"GET", **origin: Any) -> dict[str, str]:
    """The fields, pseudo-fields too, that a server of HTTP/2 reads."""
    proofs = OriginAuth(means(oac()))
    wanted = call(
        method, domain_name="store.test", http_port=9_000, protocol="h2", path="/b%20c", **origin
    )
    outgoing = wire_request(wanted, b"us", proofs.prove)
    block = request_block(outgoing.sent_head(), b"http", trailers=False)
    return {name.decode(): value.decode() for name, value in hpack_decoder(8_192)(block)}


def scope_of(fields: dict[str, str]) -> dict[str, Any]:
    """The ASGI scope that a server makes of them ("HTTP Connection Scope": Host is first)."""
    path, _, query = fields[":path"].partition("?")
    others = [(one.encode(), fields[one].encode()) for one in fields if not one.startswith(":")]
    return {
        "type": "http", "http_version": "2", "method": fields[":method"], "path": "/b c/",
        "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [(b"host", fields[":authority"].encode()), *others],
    }  # fmt: skip


async def _nothing(*_: object) -> None:
    """An application that is not asked."""


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE"])
def test_the_gate_lets_it_in(method: bytes) -> None:
    fields = told(method, access="identity")
    gate = Gate(_nothing, KEYS, clock=lambda: NOW, hosts=["store.test"])
    assert gate.verdict(scope_of(fields)) is IdentityVerdict.OK
    for name, value in ((":path", "/other"), (":authority", "evil.test"), (":method", "PUT")):
        forged = scope_of(told(method, access="identity") | {name: value})
        assert gate.verdict(forged) is not IdentityVerdict.OK
    assert fields[HEADER.decode()]


def test_a_signature_is_amazons() -> None:
    fields = told(access_control_id="E1")
    theirs: Any = AWSRequest(fields[":method"], f"http://{fields[':authority']}{fields[':path']}")
    signed = fields["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    for name in signed:
        if name not in ("host", "x-amz-date", "x-amz-content-sha256"):
            theirs.headers[name] = fields[name]
    credentials = Credentials(PAIR.access_key_id, PAIR.secret_access_key)
    signer: Any = S3SigV4Auth(credentials, "s3", "us-east-1")
    signer.payload = lambda _request: fields["x-amz-content-sha256"]
    at = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    with patch("botocore.auth.get_current_datetime", return_value=at):
        signer.add_auth(theirs)
    assert fields[":authority"] == HOST
    assert fields["authorization"] == theirs.headers["Authorization"]


def test_a_secret_is_told() -> None:
    assert told(secret_headers={"X-Verify": "env:V"})["x-verify"] == "hush"
