"""Unkeyed request fields that origins build answers from without naming them in Vary.

Law: of a request whose answer may be kept, none of these passes as a viewer wrote it; what origins
need to know of the way here, they hear from us. There is no policy that names what is forwarded, so
a cache by the letter would give one viewer's `X-Forwarded-Host` to all: Kettle, "Practical Web
Cache Poisoning" (2018), "Web Cache Entanglement" (2020), and the list of Param Miner.
"""

from __future__ import annotations

from edgecache.http.forwarded_for import is_address
from edgecache.http.message import Fields, Request, field_values, first_value, names_in, without
from edgecache.http.target import DEFAULT_PORTS, with_port

PROTO = b"x-forwarded-proto"
HOST = b"x-forwarded-host"
PORT = b"x-forwarded-port"
_OURS = frozenset({PROTO, HOST, PORT})
_ADDRESSES = frozenset(
    # Of whom a proxy stands for; they pass where they are addresses.
    {b"x-real-ip", b"x-client-ip", b"client-ip", b"true-client-ip", b"x-cluster-client-ip"}
    | {b"cf-connecting-ip", b"fastly-client-ip", b"x-originating-ip", b"x-remote-ip"}
    | {b"x-remote-addr", b"x-proxyuser-ip"}
)
UNKEYED = frozenset(
    # Which host, for links and redirects: Rack, Django, Symfony, Spring, ASP.NET, Joomla (Kettle).
    {b"forwarded", b"x-host", b"x-http-host-override", b"x-original-host", b"x-forwarded-server"}
    | {b"x-forwarded-by", b"x-backend-host", b"x-backend", b"x-http-destinationurl", b"base-url"}
    | {
        b"x-forwarded",
        b"http-host",
        b"x-proxy-host",
        b"x-proxy-url",
        b"x-gateway-host",
        b"proxy-host",
        b"proxy",
    }
    | {b"x-forwarded-path", b"x-forwarded-prefix", b"x-forwarded-uri", b"x-forwarded-url"}
    # Which scheme: a redirect to https, again and again (Rack, 2020; IIS; Cloudflare; AWS).
    | {b"x-forwarded-scheme", b"x-forwarded-protocol", b"x-forwarded-ssl", b"x-url-scheme"}
    | {b"front-end-https", b"x-scheme", b"x-forwarded-https", b"x-https", b"cf-visitor"}
    | {b"cloudfront-forwarded-proto", b"x-arr-ssl", b"x-ssl", b"x-secure"}
    # Which path: another page's body under this key (Symfony, Zend: CVE-2018-14773; IIS rewrite).
    | {b"x-original-url", b"x-rewrite-url", b"x-original-uri", b"x-override-url", b"request-uri"}
    | {b"x-request-uri", b"x-http-path-override", b"x-envoy-original-path"}
    # Which method: a HEAD's or POST's answer for a GET (Rack, Laravel, Google's buckets).
    | {b"x-http-method-override", b"x-http-method", b"x-method-override", b"x-method"}
    # What frameworks tell themselves (Next.js: CVE-2025-29927, CVE-2025-49826; Nuxt).
    | {b"x-middleware-subrequest", b"x-middleware-prefetch", b"x-middleware-rewrite"}
    | {b"x-invoke-path", b"x-invoke-status", b"x-invoke-query", b"x-invoke-error"}
    | {b"x-now-route-matches", b"x-matched-path", b"x-nextjs-data", b"x-nuxt-no-ssr"}
    # What servers in front of an application take orders from (nginx, Apache, S3's websites).
    | {b"x-accel-redirect", b"x-accel-internal", b"x-sendfile", b"x-sendfile-type"}
    | {b"surrogate-control", b"surrogate-capability", b"x-amz-website-redirect-location"}
)


def without_unkeyed(fields: Fields) -> Fields:
    """The fields that may go upstream with a request whose answer may be kept."""
    gone = unkeyed_names(fields)
    return without(fields, gone) if gone else fields


def unkeyed_names(fields: Fields) -> frozenset[bytes]:
    """Names of `fields` that an origin may take for one of UNKEYED, `_` for `-` (CGI, WSGI)."""
    names = names_in(fields)
    if b"_" not in b"\n".join(names):
        return UNKEYED & names
    return frozenset(name for name in names if folded(name) in UNKEYED)


def folded(name: bytes) -> bytes:
    """A field's name as gateways read it."""
    return name.replace(b"_", b"-")


def without_false_forwarding(fields: Fields) -> Fields:
    """The fields less a viewer's claims about the way here that are not ours to pass on.

    `X-Forwarded-Proto` stays where it is http or https: who ends TLS in front of us says so.
    """
    names = names_in(fields)
    gone = {name for name in names & (_ADDRESSES | _OURS) if not _passes(fields, name)}
    if b"_" in b"\n".join(names):
        gone |= {name for name in names if b"_" in name and folded(name) in _ADDRESSES}
    return without(fields, gone) if gone else fields


def _passes(fields: Fields, name: bytes) -> bool:
    values = field_values(fields, name)
    if name == PROTO:
        return len(values) == 1 and values[0] in DEFAULT_PORTS
    return name in _ADDRESSES and len(values) == 1 and is_address(values[0])


def effective_scheme(request: Request) -> bytes:
    """How the viewer came, by its own connection or by the word of who ends TLS before us.

    It is in the key (RFC 9111 §2: of the target URI), so whoever lies about it is alone with that.
    """
    if PROTO in names_in(request.fields) and _passes(request.fields, PROTO):
        return first_value(request.fields, PROTO) or request.scheme
    return request.scheme


def effective_authority(request: Request) -> bytes:
    """Host and port of the target URI, in its normal form (RFC 9110 §4.2.3)."""
    return with_port(request.host, request.port, effective_scheme(request))


def forwarding_fields(request: Request) -> Fields:
    """Our X-Forwarded-Host, -Proto and -Port: host, scheme and port that the viewer used."""
    scheme = effective_scheme(request)
    if not request.host:
        return ((PROTO, scheme),)
    forwarded = first_value(request.fields, b"host") or request.host
    port = forwarded.rpartition(b"]")[2].partition(b":")[2] or DEFAULT_PORTS[scheme]
    return ((HOST, forwarded), (PROTO, scheme), (PORT, port))
