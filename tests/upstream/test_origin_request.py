"""What an origin is sent, and where: tables in the order of the fields."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from edgecache.config.model import Behavior, Distribution, Origin
from edgecache.http.head import parse_request_head
from edgecache.http.message import Fields, HeadLimits, Request, field_values, without
from edgecache.http.trace_context import TraceContext
from edgecache.rules.routing import Route
from edgecache.rules.semantics import SEMANTICS
from edgecache.upstream.endpoint import TlsName
from edgecache.upstream.interface import Body, Call, WholeBody
from edgecache.upstream.origin_auth import FieldList, RequestToSign
from edgecache.upstream.origin_request import agent_of, endpoint_of, wire_request
from edgecache.upstream.response import ResponseBody
from tests.upstream.wire import World, play


def call(
    fields: Fields = (),
    *,
    origin: dict[str, Any] | None = None,
    semantics: Any = "cloudfront",
    body: Body | None = None,
    **request: Any,
) -> Call:
    made = Origin(**{"id": "o", "domain_name": "origin.test", **(origin or {})})
    behavior = Behavior(origin="o")
    distribution = Distribution(
        id="E1", origins=(made,), default_behavior=behavior, semantics=semantics
    )
    asked = Request(
        **{"method": b"GET", "path": b"/a", "query": b"b", "client": ("192.0.2.1", 5), **request},
        fields=fields,
    )
    return Call(asked, Route(distribution, behavior, made, SEMANTICS[semantics]), body)


def sent(asked: Call, prove: Any = None) -> Request:
    """The head as a strict origin reads it."""
    return parse_request_head(wire_request(asked, b"edge.test", prove).head, HeadLimits())


def test_a_plain_request() -> None:
    assert wire_request(call(((b"x-b", b"c"),)), b"edge.test", None).head == (
        b"GET /a?b HTTP/1.1\r\nHost: origin.test\r\nX-B: c\r\nUser-Agent: Amazon CloudFront\r\n"
        b"X-Forwarded-For: 192.0.2.1\r\nVia: 1.1 edge.test\r\nConnection: keep-alive\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("origin", "scheme", "fields", "host"),
    [
        ({}, b"http", (), b"origin.test"),
        ({"http_port": 8000}, b"http", (), b"origin.test:8000"),
        ({"protocol_policy": "https-only"}, b"http", (), b"origin.test"),
        ({"protocol_policy": "https-only", "https_port": 80}, b"http", (), b"origin.test:80"),
        ({"protocol_policy": "match-viewer", "https_port": 8443}, b"https", (),
         b"origin.test:8443"),
        ({"domain_name": "::1"}, b"http", (), b"[::1]"),
        ({"domain_name": "unix:/run/o.sock"}, b"http", (), b"localhost"),
        ({"http_port": 8000}, b"http", ((b"host", b"www.test"),), b"www.test"),
    ],
    ids=["plain", "port", "https", "https-80", "match", "ipv6", "unix", "forwarded"],
)  # fmt: skip
def test_host(origin: dict[str, Any], scheme: bytes, fields: Fields, host: bytes) -> None:
    request = sent(call(fields, origin=origin, scheme=scheme))
    assert field_values(request.fields, b"host") == [host]


@pytest.mark.parametrize(
    ("prefix", "method", "path", "query", "target"),
    [
        ("", b"GET", b"/a", None, b"/a"),
        ("", b"GET", b"/a", b"", b"/a?"),
        ("/prod", b"GET", b"/a", b"b?c", b"/prod/a?b?c"),
        ("", b"GET", b"/%2e/%00", None, b"/%2e/%00"),
        ("", b"OPTIONS", b"*", None, b"*"),
        ("/prod", b"OPTIONS", b"*", None, b"/prod"),
    ],
)
def test_target(
    prefix: str, method: bytes, path: bytes, query: bytes | None, target: bytes
) -> None:
    asked = call(origin={"path": prefix}, method=method, path=path, query=query)
    assert sent(asked).target == target


@pytest.mark.parametrize(
    ("fields", "settings", "name", "values"),
    [
        ((), {}, b"user-agent", [b"Amazon CloudFront"]),
        (((b"user-agent", b"curl"),), {}, b"user-agent", [b"curl"]),
        ((), {"semantics": "rfc9111"}, b"user-agent", []),
        ((), {}, b"x-forwarded-for", [b"192.0.2.1"]),
        (((b"x-forwarded-for", b"a"), (b"x-forwarded-for", b"b")), {}, b"x-forwarded-for",
         [b"a, b, 192.0.2.1"]),
        ((), {"client": ("", 0)}, b"x-forwarded-for", []),
        ((), {"minor": 0}, b"via", [b"1.0 edge.test"]),
        (((b"via", b"1.1 x"),), {}, b"via", [b"1.1 x, 1.1 edge.test"]),
        (((b"x-amz-cf-id", b"i"),), {}, b"x-amz-cf-id", [b"i"]),
        (((b"x-amz-cf-id", b"i"),), {"id": b"ours"}, b"x-amz-cf-id", [b"ours"]),
        ((), {"id": b"ours", "semantics": "rfc9111"}, b"x-amz-cf-id", []),
        (((b"connection", b"close"), (b"te", b"gzip")), {}, b"connection", [b"keep-alive"]),
        (((b"te", b"gzip"), (b"upgrade", b"h2c")), {}, b"te", []),
        (((b"expect", b"100-continue"),), {}, b"expect", []),
        (((b"x-k", b"viewer's"),), {"origin": {"custom_headers": {"X-K": "ours"}}}, b"x-k",
         [b"ours"]),
        ((), {"origin": {"custom_headers": {"Content-Length": "9"}}}, b"content-length", []),
    ],
)  # fmt: skip
def test_fields(fields: Fields, settings: dict[str, Any], name: bytes, values: list[bytes]) -> None:
    assert field_values(sent(call(fields, **settings)).fields, name) == values


@pytest.mark.parametrize("body", [None, WholeBody(b"x")])
@pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
def test_each_request_is_of_its_own_trace(semantics: str, body: Body | None) -> None:
    traces = [
        None,
        TraceContext(b"1" * 32, b"2" * 16, True),
        TraceContext(b"3" * 32, b"4" * 16, False, b"a=1"),
        TraceContext(b"5" * 32, b"6" * 16, False, b"b=100%b"),
        None,
    ]
    for trace in traces:
        said = ((b"traceparent", b"a rule's"),) if trace else ()
        fields = sent(call(said, semantics=semantics, body=body, trace=trace)).fields
        parents, states = field_values(fields, b"traceparent"), field_values(fields, b"tracestate")
        assert parents == ([] if trace is None else [trace.parent])
        assert states == ([trace.state] if trace is not None and trace.state else [])


def test_an_origins_own_field_stands_in_place_of_a_trace() -> None:
    asked = call(
        origin={"custom_headers": {"TraceParent": "ours"}},
        trace=TraceContext(b"1" * 32, b"2" * 16, True),
    )
    assert field_values(sent(asked).fields, b"traceparent") == [b"ours"]


def test_another_brand_is_its_own_agent() -> None:
    head = wire_request(call(), b"edge.test", None, agent_of("mycdn")).head
    assert b"\r\nUser-Agent: mycdn\r\n" in head
    assert agent_of("cloudfront") == b"Amazon CloudFront"


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        (b"GET", None, 0),
        (b"POST", None, 0),
        (b"POST", WholeBody(b"hello"), 5),
        (b"PUT", WholeBody(b""), 0),
    ],
)
def test_c18_exactly_one_framing(method: bytes, body: Body | None, length: int) -> None:
    viewers = ((b"content-length", b"77"), (b"transfer-encoding", b"chunked"))
    request = sent(call(viewers, method=method, body=body))
    assert request.length == length
    given = field_values(request.fields, b"content-length")
    assert given == ([] if method == b"GET" else [b"%d" % length])


def test_c18_an_unknown_length_goes_in_chunks() -> None:
    async def main(world: World) -> None:
        body = ResponseBody(None, world.connection)
        assert sent(call(method=b"POST", body=body)).length is None

    play(main)


def test_proofs_are_made_of_what_is_sent_and_come_last() -> None:
    heard: list[RequestToSign] = []

    def prove(_origin: Origin, asked: RequestToSign) -> FieldList:
        heard.append(asked)
        return [*asked.fields, (b"x-proof", b"p")]

    settings = {"path": "/prod", "http_port": 8000, "custom_headers": {"X-K": "ours"}}
    request = sent(call(origin=settings, method=b"PUT", body=WholeBody(b"1")), prove)
    (asked,) = heard
    assert (asked.method, asked.host, asked.target) == (b"PUT", b"origin.test:8000", b"/prod/a?b")
    assert asked.has_body
    assert {b"host", b"x-k", b"user-agent"} <= {name for name, _ in asked.fields}
    assert field_values(request.fields, b"x-proof") == [b"p"]
    assert request.length == 1


@pytest.mark.parametrize(
    ("policy", "scheme", "port", "secure"),
    [
        ("http-only", b"https", 80, False),
        ("match-viewer", b"http", 80, False),
        ("match-viewer", b"https", 443, True),
        ("https-only", b"http", 443, True),
    ],
)
def test_the_protocol_policy_chooses_the_endpoint(
    policy: Any, scheme: bytes, port: int, secure: bool
) -> None:
    origin = Origin(id="o", domain_name="origin.test", protocol_policy=policy, ca_file="ca.pem")
    endpoint = endpoint_of(origin, scheme)
    assert (endpoint.host, endpoint.port, endpoint.path) == ("origin.test", port, None)
    assert endpoint.tls == (TlsName("origin.test", "ca.pem") if secure else None)


def test_a_signed_s3_origin_is_asked_by_https_unless_it_says_http() -> None:
    signed: dict[str, Any] = {"id": "o", "domain_name": "o.test", "access_control_id": "E1"}
    s3 = signed | {"kind": "s3", "protocol_policy": "match-viewer"}
    assert endpoint_of(Origin(**s3), b"http").tls == TlsName("o.test")
    assert endpoint_of(Origin(**s3 | {"kind": "custom"}), b"http").tls is None
    assert endpoint_of(Origin(**s3 | {"protocol_policy": "http-only"}), b"https").tls is None


def test_who_shows_a_certificate_shares_no_connections_with_others() -> None:
    origin = Origin(id="o", domain_name="o.test", protocol_policy="https-only")
    files = {"client_certificate_file": "c.pem", "client_key_file": "k.pem"}
    shown = endpoint_of(structs.replace(origin, **files), b"http")
    assert shown.tls == TlsName("o.test", "", "c.pem", "k.pem")
    assert shown != endpoint_of(origin, b"http")


@pytest.mark.parametrize(
    ("origin", "fields", "name"),
    [
        ({}, (), ""),
        ({}, ((b"host", b"www.test"),), "www.test"),
        ({}, ((b"host", b"WWW.Test.:8443"),), "www.test"),
        ({}, ((b"host", b"a_b.test"),), "a_b.test"),
        ({}, ((b"host", b"origin.test"),), ""),  # its own name
        ({}, ((b"host", b"192.0.2.1:80"),), ""),  # RFC 6066 §3: no addresses
        ({}, ((b"host", b"[::1]"),), ""),
        ({}, ((b"host", b"a..test"),), ""),
        ({}, ((b"host", b"." + b"a" * 64 + b".test"),), ""),
        ({}, ((b"host", b"aa." * 90 + b"test"),), ""),  # longer than any name
        ({"server_name": "cert.test"}, ((b"host", b"www.test"),), ""),
        ({"host_header": "own.test"}, ((b"host", b"www.test"),), ""),
        ({"protocol_policy": "http-only"}, ((b"host", b"www.test"),), ""),
    ],
)
def test_tls_asks_for_the_host_that_is_forwarded(
    origin: dict[str, Any], fields: Fields, name: str
) -> None:
    asked = call(fields, origin={"protocol_policy": "https-only", **origin})
    assert wire_request(asked, b"edge.test", None).server_name == name
    proving = wire_request(asked, b"edge.test", lambda _, request: [*request.fields])
    assert proving.server_name == name


def test_server_name_is_what_tls_asks_for() -> None:
    origin = Origin(
        id="o", domain_name="192.0.2.1", protocol_policy="https-only", server_name="cert.test"
    )
    assert endpoint_of(origin, b"http").tls == TlsName("cert.test")


def test_a_host_header_of_the_origins_own_is_sent_and_asked_for() -> None:
    origin = {"host_header": "own.test", "http_port": 8080}
    for fields in ((), ((b"host", b"www.test"),)):
        head = wire_request(call(fields, origin=origin), b"edge.test", None).head
        assert head.count(b"Host: ") == 1
        assert b"\r\nHost: own.test\r\n" in head
    named = Origin(
        id="o", domain_name="o.test", protocol_policy="https-only", host_header="own.test",
        certificate_names=("*.own.test",),
    )  # fmt: skip
    asked = TlsName("own.test", certificate_names=("*.own.test",))
    assert endpoint_of(named, b"http").tls == asked


@pytest.mark.parametrize(
    ("protocols", "minimum"),
    [
        (("TLSv1.2",), "TLSv1.2"),
        (("TLSv1", "TLSv1.1", "TLSv1.2"), "TLSv1.2"),
        (("TLSv1.2", "TLSv1.3"), "TLSv1.2"),
        (("TLSv1.3",), "TLSv1.3"),
    ],
)
def test_ssl_protocols_say_the_oldest_version(protocols: tuple[str, ...], minimum: Any) -> None:
    origin = Origin(
        id="o", domain_name="o.test", protocol_policy="https-only", ssl_protocols=protocols
    )
    assert endpoint_of(origin, b"http").tls == TlsName("o.test", minimum=minimum)


def test_a_unix_origin() -> None:
    endpoint = endpoint_of(Origin(id="o", domain_name="unix:/run/o.sock"), b"http")
    assert (endpoint.path, endpoint.where) == ("/run/o.sock", "unix:/run/o.sock")


def test_proofs_are_made_anew_for_each_sending_but_the_first() -> None:
    numbers = iter(range(9))

    def prove(_origin: Origin, asked: RequestToSign) -> FieldList:
        return [*asked.fields, (b"x-proof", b"%d" % next(numbers))]

    outgoing = wire_request(call(origin={"access": "identity"}), b"edge.test", prove)
    sent = [parse_request_head(outgoing.sent_head(), HeadLimits()).fields for _ in range(3)]
    assert [field_values(fields, b"x-proof") for fields in sent] == [[b"0"], [b"1"], [b"2"]]
    assert {without(fields, (b"x-proof",)) for fields in sent} == {without(sent[0], (b"x-proof",))}


@pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
def test_what_a_behavior_sets_is_sent_in_place_of_ours(semantics: str) -> None:
    asked = call(semantics=semantics, origin={"custom_headers": {"X-Own": "1"}})
    fields = ((b"x-team", b"blue"), (b"x-forwarded-proto", b"https"), (b"user-agent", b"us"))
    asked.route = structs.replace(asked.route, origin_fields=fields)
    got = sent(asked).fields
    for name, value in (*fields, (b"x-own", b"1")):
        assert field_values(got, name) == [value]


@pytest.mark.parametrize(
    ("origin", "where", "tls"),
    [
        ({}, ("127.0.0.1", 4566, None), None),
        ({"protocol_policy": "https-only"}, ("127.0.0.1", 4566, None), None),
        (
            {"protocol_policy": "https-only", "connect_to": "https://127.0.0.1"},
            ("127.0.0.1", 443, None),
            TlsName("origin.test"),
        ),
        ({"connect_to": "http://[::1]:80"}, ("::1", 80, None), None),
        ({"connect_to": "unix:/run/s3.sock"}, ("", 80, "/run/s3.sock"), None),
    ],
)
def test_where_to_connect_is_all_that_a_mapped_origin_changes(
    origin: dict[str, Any], where: tuple[str, int, str | None], tls: TlsName | None
) -> None:
    mapped = {"connect_to": "http://127.0.0.1:4566"} | origin
    asked = call(origin=mapped)
    endpoint = endpoint_of(asked.route.origin, b"http")
    assert (endpoint.host, endpoint.port, endpoint.path) == where
    assert endpoint.tls == tls
    plain = call(origin={**origin, "connect_to": ""})
    assert sent(asked) == sent(plain)
