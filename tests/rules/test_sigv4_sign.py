"""Signature Version 4, beside botocore's own signer."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from edgecache.rules.sigv4 import Credential, SigningInput, canonical_query, signing_fields

NOW = 1_800_000_000.0
CREDENTIAL = Credential("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-west-2")


def botocores(method: str, url: str) -> str:
    """The Authorization botocore makes at NOW."""
    request: Any = AWSRequest(method, url)
    request.context["client_config"] = SimpleNamespace(s3={"payload_signing_enabled": False})
    signer = S3SigV4Auth(
        Credentials(CREDENTIAL.access_key_id, CREDENTIAL.secret_access_key), "s3", "eu-west-2"
    )
    at = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    with patch("botocore.auth.get_current_datetime", return_value=at, create=True):
        signer.add_auth(request)
    return str(request.headers["Authorization"])


def ours(method: str, path: str, query: str | None) -> str:
    fields = ((b"host", b"bucket.test"),)
    request = SigningInput(
        method.encode(), path.encode(), query.encode() if query else None, fields
    )
    return dict(signing_fields(request, CREDENTIAL, NOW))[b"authorization"].decode()


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/", None),
        ("/a/b.txt", None),
        ("/a%20b/%C3%A9~-._.txt", None),
        ("/a", "x=1&y=2"),
        ("/a", "y=2&x=1&x=0"),
        ("/a", "versionId=abc%2Fdef&acl="),
        ("/a//b/", "list-type=2&prefix=a%20b"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_signatures_are_botocores(method: str, path: str, query: str | None) -> None:
    url = f"https://bucket.test{path}" + (f"?{query}" if query else "")
    assert ours(method, path, query) == botocores(method, url)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_any_name_of_an_object(name: str) -> None:
    path = "/" + quote(name, safe="/")
    assert ours("GET", path, None) == botocores("GET", f"https://bucket.test{path}")


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        (None, b""),
        (b"", b""),
        (b"b&a", b"a=&b="),
        (b"a=1+2", b"a=1%202"),
        (b"a=%2b", b"a=%2B"),
        (b"a=b=c", b"a=b%3Dc"),
    ],
)
def test_canonical_query(query: bytes | None, canonical: bytes) -> None:
    assert canonical_query(query) == canonical


def test_the_secret_is_not_in_the_repr() -> None:
    assert CREDENTIAL.secret_access_key not in repr(CREDENTIAL)
