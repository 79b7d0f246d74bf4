"""The codec beside botocore's own: what it serializes we read, what we write it parses."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecache.control.cloudfront.errors import ApiError, error_document
from edgecache.control.cloudfront.model import PREFIX, Operation, api
from edgecache.control.cloudfront.request_parser import (
    UNKNOWN_MAX,
    ParsedCall,
    read_request,
    unknown_members,
)
from edgecache.control.cloudfront.response_writer import timestamp, write_answer
from edgecache.control.cloudfront.validation import validate
from tests.control.cloudfront.minimal import minimal

OPERATIONS = api().operations
WITH_BODY = sorted(name for name, operation in OPERATIONS.items() if operation.root)
ANSWERING = sorted(name for name, operation in OPERATIONS.items() if operation.gives is not None)
# Text as XML 1.0 carries it; a lone carriage return does not survive a request unescaped.
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
)


def values(shape: Any, draw: Any, depth: int = 0) -> Any:
    """Any value of a shape; beyond some depth only what is required."""
    kind = shape.type_name
    if kind == "structure":
        names = [n for n, m in shape.members.items() if "location" not in m.serialization]
        wanted = [n for n in names if n in shape.required_members or draw(st.booleans())]
        wanted = wanted[:1] if shape.is_tagged_union else wanted
        if shape.is_tagged_union and not wanted:
            wanted = names[:1]
        if depth > 2:
            wanted = [n for n in names if n in shape.required_members]
        return {n: values(shape.members[n], draw, depth + 1) for n in wanted}
    if kind == "list":
        count = draw(st.integers(0, 2)) if depth < 4 else 0
        return [values(shape.member, draw, depth + 1) for _ in range(count)]
    return draw(
        {
            "string": TEXT,
            "integer": st.integers(-(2**31), 2**31),
            "long": st.integers(-(2**62), 2**62),
            "float": st.floats(allow_nan=False, allow_infinity=False, width=32),
            "double": st.floats(allow_nan=False, allow_infinity=False),
            "boolean": st.booleans(),
            "blob": st.binary(min_size=1, max_size=8),
            "timestamp": st.just("2026-01-02T03:04:05Z"),
        }[kind]
    )


@cache
def service() -> Any:
    return ServiceModel(Loader().load_service_model("cloudfront", "service-2"))


def serialized(operation: Operation, given_: dict[str, Any]) -> ParsedCall:
    """The request botocore makes of an input."""
    model = service().operation_model(operation.name)
    made = create_serializer("rest-xml", include_validation=False).serialize_to_request(
        given_, model
    )
    uri, _, query = made["url_path"].partition("?")
    found = api().match(made["method"], uri, query)
    assert found is not None
    assert found[0].name == operation.name
    body = made["body"]
    headers = {name.lower(): str(value) for name, value in made["headers"].items()}
    return ParsedCall(
        found[1],
        {name: str(value) for name, value in made["query_string"].items()},
        headers,
        body if isinstance(body, bytes) else str(body).encode(),
    )


@pytest.mark.parametrize("name", WITH_BODY)
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_botocore_writes_is_read(name: str, data: st.DataObject) -> None:
    operation = OPERATIONS[name]
    shape = operation.takes
    wanted = {
        member: minimal(one) if "location" in one.serialization else values(one, data.draw)
        for member, one in shape.members.items()
        if member in shape.required_members or data.draw(st.booleans())
    }
    payload = shape.serialization.get("payload")
    wanted |= {payload: values(shape.members[payload], data.draw)} if payload else {}
    received = serialized(operation, wanted)
    if not received.body.strip():
        return
    read = read_request(operation, received)
    assert plain(read) == plain(wanted)


def plain(value: Any) -> Any:
    """Without what XML cannot tell apart: times by how they are written."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


@pytest.mark.parametrize("name", ANSWERING)
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_written_botocore_reads(name: str, data: st.DataObject) -> None:
    operation = OPERATIONS[name]
    shape = operation.gives
    wanted: dict[str, Any] = {}
    for member, one in shape.members.items():
        if "location" in one.serialization:
            wanted[member] = "E13"
        elif one.type_name == "blob":
            wanted[member] = b"raw"
        else:
            wanted[member] = timed(one, values(one, data.draw))
    written = write_answer(operation, wanted)
    answer = {"status_code": operation.status, "headers": written.headers, "body": written.body}
    read = create_parser("rest-xml").parse(answer, shape)
    del read["ResponseMetadata"]
    expected = seen(shape, wanted)
    for member, one in shape.members.items():
        if one.type_name == "blob":  # botocore's client would give it as a stream
            expected[member] = expected[member].decode()
    assert without_empty(read) == without_empty(expected)


def timed(shape: Any, value: Any) -> Any:
    """Times as epoch seconds, which is how ours are held."""
    if shape.type_name == "structure":
        return {name: timed(shape.members[name], one) for name, one in value.items()}
    if shape.type_name == "list":
        return [timed(shape.member, one) for one in value]
    return 1_767_323_045.5 if shape.type_name == "timestamp" else value


def seen(shape: Any, value: Any) -> Any:
    """As botocore gives it back: times as datetimes."""
    if shape.type_name == "structure":
        return {name: seen(shape.members[name], one) for name, one in value.items()}
    if shape.type_name == "list":
        return [seen(shape.member, one) for one in value]
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(value, UTC)
    return value


def without_empty(value: Any) -> Any:
    """An empty body and one that holds nothing say the same."""
    if isinstance(value, dict):
        held = {name: without_empty(one) for name, one in value.items()}
        return {name: one for name, one in held.items() if one not in ({}, [], "")}
    return [without_empty(one) for one in value] if isinstance(value, list) else value


def read(name: str, body: bytes, **path: str) -> dict[str, Any]:
    operation = OPERATIONS[name]
    given_ = read_request(operation, ParsedCall(path, {}, {}, body))
    validate(operation.takes, given_)
    return given_


@pytest.mark.parametrize(
    ("name", "body", "code", "said"),
    [
        ("CreatePublicKey", b"", "MissingBody", "body"),
        ("CreatePublicKey", b"  \n", "MissingBody", "body"),
        ("CreatePublicKey", b"<KeyGroupConfig/>", "MalformedInput", "expected PublicKeyConfig"),
        ("CreatePublicKey", b"<PublicKeyConfig/>", "InvalidArgument", "CallerReference"),
        (
            "CreateInvalidation",
            b"<InvalidationBatch><Paths><Quantity>2</Quantity><Items><Path>/a</Path></Items>"
            b"</Paths><CallerReference>1</CallerReference></InvalidationBatch>",
            "InconsistentQuantities",
            "InvalidationBatch.Paths.Quantity is 2",
        ),
        (
            "CreateInvalidation",
            b"<InvalidationBatch><Paths><Quantity>x</Quantity></Paths></InvalidationBatch>",
            "InvalidArgument",
            "InvalidationBatch.Paths.Quantity must be a whole number",
        ),
        (
            "CreateInvalidation",
            b"<InvalidationBatch><Paths><Quantity>1_0</Quantity></Paths></InvalidationBatch>",
            "InvalidArgument",
            "whole number",
        ),
        (
            "CreateOriginAccessControl",
            b"<OriginAccessControlConfig><Name>n</Name><SigningProtocol>x</SigningProtocol>"
            b"<SigningBehavior>always</SigningBehavior>"
            b"<OriginAccessControlOriginType>s3</OriginAccessControlOriginType>"
            b"</OriginAccessControlConfig>",
            "InvalidArgument",
            "OriginAccessControlConfig.SigningProtocol must be one of sigv4",
        ),
        ("TagResource", b"<Tags><Items><Tag/></Items></Tags>", "InvalidArgument", "Resource"),
        ("CreateDistribution", b"<DistributionConfig><Enabled>maybe</Enabled></DistributionConfig>",
         "InvalidArgument", "DistributionConfig.Enabled must be true or false"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(name: str, body: bytes, code: str, said: str) -> None:
    with pytest.raises(ApiError) as refused:
        read(name, body, DistributionId="E1")
    assert refused.value.code == code
    assert said in refused.value.message


def test_order_namespaces_and_the_unknown_do_not_matter() -> None:
    body = (
        b"<InvalidationBatch><!-- first --><CallerReference>1</CallerReference><Later>x</Later>"
        b"<Paths><Items>\n <Path>/a b</Path>\n<Path></Path></Items><Quantity> 2 </Quantity></Paths>"
        b"</InvalidationBatch>"
    )
    batch = read("CreateInvalidation", body, DistributionId="E1")["InvalidationBatch"]
    assert batch == {"CallerReference": "1", "Paths": {"Items": ["/a b", ""], "Quantity": 2}}


@pytest.mark.parametrize("text", ["<&>\"'", "a\r\nb\tc", "\x00\x1f\ud800\uffff", "ü€🙂"])
def test_any_text_makes_a_whole_document(text: str) -> None:
    document = error_document(ApiError("InvalidArgument", text), "id")
    answer = {"status_code": 400, "headers": {}, "body": document}
    read = create_parser("rest-xml").parse(answer, None)
    legal = "".join("\ufffd" if c in "\x00\x1f\ud800\uffff" else c for c in text)
    assert (read["Error"]["Code"], read["Error"]["Message"]) == ("InvalidArgument", legal)
    assert PREFIX.strip("/") in document.decode()


def test_times_have_milliseconds() -> None:
    assert timestamp(1_767_323_045.678) == "2026-01-02T03:04:05.678Z"
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"


def test_the_unknown_is_named() -> None:
    operation = api().operations["CreateDistribution"]
    body = (
        b"<DistributionConfig><Newer><X/></Newer><Aliases><Items><CNAME>a</CNAME><Name>b</Name>"
        b"</Items><Kind>x</Kind></Aliases><Enabled><Deep/></Enabled><\xc3\xbc/>"
        b"</DistributionConfig>"
    )
    assert unknown_members(operation, body) == ["Newer", "Aliases.Items.Name", "Aliases.Kind"]
    many = b"<DistributionConfig>" + b"<A/>" * 100 + b"</DistributionConfig>"
    assert unknown_members(operation, many) == ["A"] * UNKNOWN_MAX
    assert unknown_members(api().operations["GetDistribution"], b"") == []
