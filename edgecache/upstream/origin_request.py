"""The request to an origin: Host, Via, X-Forwarded-For, custom headers, proofs.

Law: the request's own fields arrive here filtered; these are ours. CloudFront Developer Guide,
"Request and response behavior for custom origins"; RFC 9110 §7.6.

Requests that differ only in target, id and viewer's address share a `HeadTemplate`: rendering one
anew takes 156 µs for twelve fields. It is apart from `peer.heads`, where
what differs stands first and one `%` of three parts is enough: a template with slots would cost
that path a dictionary and a tuple for each call.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import structs

from edgecache.config.model import BRAND, Origin
from edgecache.config.origins import Reach
from edgecache.http.forwarded_for import hop_fields
from edgecache.http.function_cache import BLOCK_BYTES, CONFIGURED_BYTES, cached
from edgecache.http.head import request_head
from edgecache.http.message import Fields, Request, first_value, is_short
from edgecache.http.trace_context import AMZN, TRACEPARENT, TRACESTATE
from edgecache.rules.caching.unkeyed_fields import forwarding_fields
from edgecache.rules.routing import Route
from edgecache.rules.viewer.access import UPGRADED, asks_for_websocket
from edgecache.upstream.endpoint import Endpoint, Timeouts, TlsName, WireRequest
from edgecache.upstream.interface import Body, Call
from edgecache.upstream.origin_auth import Prove, RequestToSign, override_fields, wants_proof

USER_AGENT = b"Amazon CloudFront"
_UNIX = "unix:"
_FRAMING = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding"})
_OWN_NAMES = _FRAMING | frozenset(
    {b"expect", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"}
    | {b"via", b"x-forwarded-for"}
)
# A name of at most 253 characters, whose last label is no number, and a port.
_LABEL = rb"[a-z0-9_-]{1,63}"
_DNS_NAME = re.compile(
    rb"(?=[^:]{1,254}(?::|\Z))((?:"
    + _LABEL
    + rb"\.)*(?=[0-9]*[a-z_-])"
    + _LABEL
    + rb")\.?(?::.*)?",
    re.IGNORECASE,
)
_MEANS_A_BODY = frozenset({b"POST", b"PUT", b"PATCH"})


ConnectionSettings = tuple[int, float, float, Reach, float]
"""How connections to an origin are pooled: the fields of an Endpoint after `tls`, in its order."""


@cached(1_024, CONFIGURED_BYTES)  # CloudFront: 25 origins a distribution, old ones beside
def _endpoint(domain: str, port: int, tls: TlsName | None, kept: ConnectionSettings) -> Endpoint:
    path = domain.removeprefix(_UNIX) if domain.startswith(_UNIX) else None
    return Endpoint(domain.strip("[]") if path is None else "", port, path, tls, *kept)


def endpoint_of(origin: Origin, scheme: bytes) -> Endpoint:
    """Where a request of `scheme` finds the origin, by its protocol policy."""
    secure = _is_secure(origin, scheme)
    domain, port = origin.domain_name, origin.https_port if secure else origin.http_port
    if origin.connect_to:
        domain, port, secure = _mapped(origin.connect_to)
    endpoint = _endpoint(
        domain,
        port,
        _tls_name(origin) if secure else None,
        (
            origin.connections_max,
            origin.keepalive_timeout_s,
            origin.connection_s_max,
            origin.reach,
            origin.slow_connections_share,
        ),
    )
    if origin.protocol == "http1.1":
        return endpoint
    return endpoint.by_http2() if origin.protocol == "h2" else endpoint.negotiated()


def _mapped(place: str) -> tuple[str, int, bool]:
    """Domain and port where a connection is made instead, and whether it speaks TLS."""
    if place.startswith(_UNIX):
        return place, 80, False
    parts = urlsplit(place)
    secure = parts.scheme == "https"
    return parts.hostname or "", parts.port or (443 if secure else 80), secure


def _tls_name(origin: Origin) -> TlsName:
    return TlsName(
        origin.server_name or origin.host_header or origin.domain_name.strip("[]"),
        origin.ca_file,
        origin.client_certificate_file,
        origin.client_key_file,
        # CloudFront's list goes to TLSv1.2, and TLS 1.3 is spoken beside it.
        "TLSv1.2" if "TLSv1.2" in origin.ssl_protocols else "TLSv1.3",
        certificate_names=origin.certificate_names,
    )


def server_name_of(origin: Origin, request: Request) -> str:
    """What TLS is to ask for in place of the origin's own name: the Host, where it is forwarded.

    CloudFront Developer Guide, "Require HTTPS for communication between CloudFront and your custom
    origin". Empty: the endpoint's name. RFC 6066 §3 lets neither an address nor a port be named.
    """
    forwarded = first_value(request.fields, b"host")
    own = origin.server_name or origin.host_header
    if forwarded is None or own or not _is_secure(origin, request.scheme):
        return ""
    match = _DNS_NAME.fullmatch(forwarded)
    name = "" if match is None else match[1].decode().lower()
    return "" if name == origin.domain_name.lower() else name


def host_of(origin: Origin, request: Request) -> bytes:
    """The Host to send: the origin's where it has one of its own, the request's where it is
    forwarded, else the origin's name and port.
    """
    if origin.host_header:
        return origin.host_header.encode("ascii")
    forwarded = first_value(request.fields, b"host")
    if forwarded is not None:
        return forwarded
    domain = origin.domain_name
    if domain.startswith(_UNIX):
        return b"localhost"
    name = (f"[{domain.strip('[]')}]" if ":" in domain else domain).encode("ascii")
    secure = _is_secure(origin, request.scheme)
    port = origin.https_port if secure else origin.http_port
    return name if port == (443 if secure else 80) else b"%b:%d" % (name, port)


def agent_of(brand: str) -> bytes:
    """The User-Agent of a CDN by that name: CloudFront's own, or the brand's word."""
    return USER_AGENT if brand == BRAND else brand.encode("ascii")


def wire_request(
    call: Call, via: bytes, prove: Prove | None, agent: bytes = USER_AGENT
) -> WireRequest:
    """The request as it goes on the wire. `via` is our pseudonym (RFC 9110 §7.6.3).

    UpstreamError when the origin wants a proof that cannot be given.
    """
    request, origin = call.request, call.route.origin
    trace = request.trace
    if call.body is not None or request.path == b"*" or (prove and wants_proof(origin)):
        traces = () if trace is None else trace.fields
        if request.amzn_trace:
            traces += ((AMZN, request.amzn_trace),)
        return _wire_request(call, via, prove, agent, traces)
    peer = request.client[0].encode()
    template = head_template(call, via, agent)
    said = {_TARGET: template.prefix + request.target, _ID: request.id, _PEER: peer}
    said[_AMZN] = request.amzn_trace
    if trace is not None:
        said |= {_TRACE: trace.parent, _STATE: trace.state}
    head = template.text % tuple([said[blank] for blank in template.blanks])
    return WireRequest(
        request.method, head, None, template.timeouts, call.on_interim, template.upgrade,
        template.server_name, record=request.record,
    )  # fmt: skip


def head_template(call: Call, via: bytes, agent: bytes) -> HeadTemplate:
    """The template of the heads that `call`, without a body and a proof, and its like are sent."""
    request, trace = call.request, call.request.trace
    alike = HeadTemplateKey(
        request.method, request.fields, request.host, request.scheme, request.minor,
        request.major, bool(request.id), bool(request.client[0]), trace is not None,
        trace is not None and bool(trace.state), bool(request.amzn_trace),
    )  # fmt: skip
    template_of = _template if is_short(request.fields) else _template.__wrapped__
    return template_of(alike, call.route, via, agent)


class HeadTemplateKey(NamedTuple):
    """Requests that differ in nothing else share a head template."""

    method: bytes
    fields: Fields
    host: bytes
    scheme: bytes
    minor: int
    major: int
    has_id: bool
    has_peer: bool
    has_trace: bool
    has_state: bool
    has_amzn_trace: bool


class HeadTemplate(NamedTuple):
    """A head with `%b` for each of its blanks, and what else is the same for all alike."""

    text: bytes
    blanks: tuple[bytes, ...]
    prefix: bytes  # of the target
    timeouts: Timeouts
    upgrade: bool
    server_name: str

    @property
    def is_plain(self) -> bool:
        """Whether target, id and peer are all that differs; see `plain`."""
        return not self.upgrade and self.blanks in _PLAIN_BLANKS

    def plain(self, target: bytes, request_id: bytes, peer: bytes) -> bytes:
        """The head of a request of a plain template."""
        if len(self.blanks) == len(_PLAIN_BLANKS[0]):
            return self.text % (self.prefix + target, request_id, peer)
        return self.text % (self.prefix + target, peer)


# The blanks of a template: what differs from request to request. No reader lets a NUL pass.
_TARGET, _ID, _PEER = b"\0target\0", b"\0id\0", b"\0peer\0"
_TRACE, _STATE, _AMZN = b"\0trace\0", b"\0state\0", b"\0amzn\0"
_BLANK = re.compile(b"(\0[a-z]+\0)")
_PLAIN_BLANKS = ((_TARGET, _ID, _PEER), (_TARGET, _PEER))


@cached(256, BLOCK_BYTES)  # blocks come again
def _template(alike: HeadTemplateKey, route: Route, via: bytes, agent: bytes) -> HeadTemplate:
    client = (_PEER.decode() if alike.has_peer else "", 0)
    request = Request(
        alike.method, _TARGET, None, alike.fields, alike.host, alike.scheme, alike.minor, 0,
        client, id=_ID if alike.has_id else b"", major=alike.major,
    )  # fmt: skip
    without_path = structs.replace(route, origin=structs.replace(route.origin, path=""))
    trace: Fields = ((TRACEPARENT, _TRACE),) if alike.has_trace else ()
    if alike.has_state:
        trace += ((TRACESTATE, _STATE),)
    if alike.has_amzn_trace:
        trace += ((AMZN, _AMZN),)
    outgoing = _wire_request(Call(request, without_path), via, None, agent, trace)
    parts = _BLANK.split(outgoing.head)
    text = b"%b".join([part.replace(b"%", b"%%") for part in parts[::2]])
    prefix = route.origin.path.encode()
    return HeadTemplate(
        text, tuple(parts[1::2]), prefix, outgoing.timeouts, outgoing.upgrade, outgoing.server_name
    )


def _wire_request(
    call: Call, via: bytes, prove: Prove | None, agent: bytes, trace: Fields
) -> WireRequest:
    request, origin = call.request, call.route.origin
    host = host_of(origin, request)
    prefix = origin.path.encode()
    target = (prefix or b"*") if request.path == b"*" else prefix + request.target
    fields: list[tuple[bytes, bytes]] = [(b"host", host)]
    fields += [field for field in request.fields if field[0] not in _OWN_NAMES]
    if call.route.semantics.fills_user_agent:
        fields = _with_cloudfront_fields(fields, request, agent)
    if call.route.semantics.tells_forwarded_host:
        fields = override_fields(fields, forwarding_fields(request))
    fields += hop_fields(request, via)
    if trace:
        fields = override_fields(fields, trace)
    upgrade = asks_for_websocket(request)
    fields += UPGRADED if upgrade else ((b"connection", b"keep-alive"),)
    fields = override_fields(fields, call.route.origin_fields)
    custom = tuple(
        (name.lower().encode(), value.encode()) for name, value in origin.custom_headers.items()
    )
    fields = override_fields(fields, tuple(field for field in custom if field[0] not in _FRAMING))
    asked = RequestToSign(request.method, host, target, tuple(fields), call.body is not None)
    framing = _framing_fields(request.method, call.body)

    def render() -> bytes:
        proven = fields if prove is None else prove(origin, asked)
        return request_head(request.method, target, [*proven, *framing])

    timeouts = Timeouts(origin.connection_timeout_s, origin.read_timeout_s, origin.read_timeout_s)
    head, name = render(), server_name_of(origin, request)
    sign = None if prove is None else ProvenHead(head, render)
    return WireRequest(
        request.method, head, call.body, timeouts, call.on_interim, upgrade, name, sign,
        request.record,
    )  # fmt: skip


class ProvenHead:
    """A head whose proofs are good for one sending: the first as it is, the others rendered anew.

    The origin's gate may have had the first before the connection broke, and admits nothing twice.
    """

    def __init__(self, first: bytes, render: Callable[[], bytes]) -> None:
        self._first = first
        self._render = render

    def __call__(self, _head: bytes) -> bytes:
        first, self._first = self._first, b""
        return first or self._render()


def _is_secure(origin: Origin, scheme: bytes) -> bool:
    """S3 is asked as the viewer asked, and by HTTPS where an access control may sign."""
    policy = origin.protocol_policy
    if policy == "match-viewer" and origin.kind == "s3" and origin.access_control_id:
        return True
    return policy == "https-only" or (policy == "match-viewer" and scheme == b"https")


def _with_cloudfront_fields(
    fields: list[tuple[bytes, bytes]], request: Request, agent: bytes
) -> list[tuple[bytes, bytes]]:
    """What CloudFront says for itself: its agent unless the viewer's is sent, and its id."""
    if not _has_field(fields, b"user-agent"):
        fields = [*fields, (b"user-agent", agent)]
    return override_fields(fields, ((b"x-amz-cf-id", request.id),)) if request.id else fields


def _framing_fields(method: bytes, body: Body | None) -> list[tuple[bytes, bytes]]:
    """RFC 9110 §8.6: a length for methods that mean a body even when there is none."""
    if body is None:
        return [(b"content-length", b"0")] if method in _MEANS_A_BODY else []
    if body.length is None:
        return [(b"transfer-encoding", b"chunked")]
    return [(b"content-length", b"%d" % body.length)]


def _has_field(fields: list[tuple[bytes, bytes]], name: bytes) -> bool:
    return any(field[0] == name for field in fields)
