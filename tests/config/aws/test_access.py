"""Access controls and identities come back from their documents; others' kinds are refused."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.aws.access import (
    origin_access_control_config,
    origin_access_identity_document,
    read_origin_access_control,
    read_origin_access_identity,
)
from edgecache.config.aws.document import DocumentError
from edgecache.config.origins import OriginAccessControl, OriginAccessIdentity, canonical_user_id

CONFIG = {
    "Name": "store",
    "Description": "a store",
    "SigningProtocol": "sigv4",
    "SigningBehavior": "no-override",
    "OriginAccessControlOriginType": "s3",
}


def test_a_document_is_written_as_it_was_read() -> None:
    assert origin_access_control_config(read_origin_access_control(CONFIG)) == CONFIG


def test_what_only_we_know_of_a_control_comes_back() -> None:
    control = OriginAccessControl(id="E1", name="n", credential="k", region="r", service="s")
    config = origin_access_control_config(control)
    assert config["Edgecache"] == {"credential": "k", "region": "r", "service": "s"}
    document = {"Id": "E1", "OriginAccessControlConfig": config}
    assert read_origin_access_control(document) == control


def test_an_identity_comes_back_with_its_canonical_id() -> None:
    identity = OriginAccessIdentity(id="E1", caller_reference="r", comment="c")
    document = origin_access_identity_document(identity)
    assert document["S3CanonicalUserId"] == canonical_user_id("E1")
    back = read_origin_access_identity({"CloudFrontOriginAccessIdentity": document})
    assert (back.id, back.caller_reference, back.comment) == ("E1", "r", "c")
    assert back.s3_canonical_user_id == canonical_user_id("E1")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("SigningProtocol", "sigv4a", 'SigningProtocol: "sigv4a" is not one of "sigv4"'),
        (
            "OriginAccessControlOriginType",
            "lambda",
            'OriginAccessControlOriginType: "lambda" is not one of "s3"',
        ),
        (
            "SigningBehavior",
            "always-amz-auth",
            'SigningBehavior: "always-amz-auth" is not one of "always", "never", "no-override"',
        ),
        ("Name", None, "Name: missing"),
    ],
)
def test_what_we_cannot_do_is_refused(name: str, value: Any, problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_origin_access_control(CONFIG | {name: value})
    assert [str(found) for found in caught.value.problems] == [problem]
