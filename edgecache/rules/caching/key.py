"""Cache keys, and requests as forwarded under them.

Law: nothing outside this file may decide that two requests share an entry; what is not in the key
is not forwarded, unless a policy says so. CloudFront Developer Guide, "Understand the cache key",
"Control the cache key with a policy", "Control origin requests with a policy" and "Request and
response behavior for custom origins". The encoding is injective: every part is preceded by its
length, lists by their count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from edgecache.config.model import CachePolicy, HeaderSelection, Selection
from edgecache.http.content_coding import accepts, one_spelling
from edgecache.http.forwarded_for import well_formed
from edgecache.http.function_cache import BLOCK_BYTES, CONFIGURED_BYTES, cached
from edgecache.http.message import (
    PROTECTED,
    Fields,
    Request,
    combined_value,
    connection_options,
    cookie_pairs,
    end_to_end,
    field_values,
    first_value,
    is_short,
    names_in,
    query_pairs,
    replaced,
    without,
)
from edgecache.http.target import with_port
from edgecache.rules.caching.unkeyed_fields import (
    PROTO,
    effective_authority,
    effective_scheme,
    without_false_forwarding,
    without_unkeyed,
)
from edgecache.rules.invalidation.releases import release_of
from edgecache.rules.routing import Route, pattern

Pair = tuple[bytes, bytes | None]
TARGET_URI = CachePolicy(
    headers=HeaderSelection(behavior="whitelist", items=("Host",)),
    query_strings=Selection(behavior="all"),
)
Part = tuple[str, tuple[bytes | None, ...]]
_PART = re.compile(rb"([a-z-]+)([0-9]+);")

CONDITIONS = frozenset(
    {b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since", b"if-range"}
)
# The origin's own tag of what we compressed, stored beside the weakened one; no viewer and no other
# tier is told it (headers_policy.public_fields).
ORIGIN_ETAG = b"edgecache-origin-etag"
_OF_THE_VIEWER = CONDITIONS | {b"range"}
# Ours to say, never a viewer's (docs/hostile-inputs.md B06).
OUR_PREFIXES = (b"edgecache-", b"x-edgecache-")  # between tiers, and of the gate's proof
OURS = frozenset({b"x-amz-cf-id", b"x-cache", b"age", b"x-fill-seq", b"expect"})


@dataclass(frozen=True, slots=True)
class KeyTrace:
    """A key's parts, read back: `query` None and `host` empty where they are not in it."""

    distribution: str
    path: bytes
    query: bytes | None
    host: bytes
    release: bytes


class ForwardingKey(NamedTuple):
    """The parts of a request that decide which of its fields are forwarded."""

    method: bytes
    fields: Fields
    host: bytes
    port: bytes
    scheme: bytes
    minor: int
    length: int | None


def cache_key(request: Request, route: Route) -> bytes:
    """The key of the object that `request` asks for."""
    distribution, path_alone = _start(route)
    start = b"%b%d:%b" % (distribution, len(request.path), request.path)
    if path_alone and not request.release and request.method != b"OPTIONS":
        return start
    return start + b"".join(_encode_part(part) for part in key_parts(request, route)[2:])


def slice_key(key: bytes, number: int) -> bytes:
    """The key of one block of the object under `key`; an invalidation names both alike."""
    return key + _encode_part(("block", (b"%d" % number,)))


def object_key(key: bytes) -> bytes | None:
    """The key of the object that a slice's key is of; None: it is no slice's."""
    _, rest = _read_values(key, 2)
    while rest:
        found = _PART.match(rest)
        assert found is not None, "not a key"
        if found[1] == b"block":
            return key[: len(key) - len(rest)]
        _, rest = _read_values(rest[found.end() :], int(found[2]))
    return None


def key_parts(request: Request, route: Route) -> list[Part]:
    """The parts of the key, each with its name: the trace that `explain` prints."""
    policy = keyed_policy(route)
    parts: list[Part] = [
        ("distribution", (route.distribution.id.encode(),)),
        ("path", (request.path,)),
    ]
    release = requested_release(request, route)
    if release:
        parts.append(("release", (release,)))
    if route.semantics.scheme_in_key and effective_scheme(request) == b"https":
        parts.append(("scheme", (b"https",)))
    if request.method == b"OPTIONS":
        parts.append(("method", (b"OPTIONS",)))
    if has_query(policy):
        if policy.query_strings.behavior == "all":  # as received: `/a?` is not `/a`
            parts.append(("query", (request.query,)))
        else:
            parts.append(("query", _flat(chosen_query(request, policy.query_strings))))
    for name in lower_names(policy.headers.items):
        parts.append(("header", (name, _header(request, name, route))))
    if has_cookies(policy):
        pairs = sorted(chosen_cookies(request, policy.cookies), key=lambda pair: pair[0])
        parts.append(("cookies", _flat(pairs)))
    encoding = keyed_encoding(request.fields, policy, request.minor)
    if encoding:
        parts.append(("accept-encoding", (encoding,)))
    return parts


@cached(1_024, CONFIGURED_BYTES)  # one for each policy
def lower_names(items: tuple[str, ...]) -> tuple[bytes, ...]:
    """The names a policy lists, as fields have them."""
    return tuple(name.lower().encode() for name in items)


def has_query(policy: CachePolicy) -> bool:
    """Whether any query string is in the key."""
    return policy.query_strings.behavior != "none"


def has_cookies(policy: CachePolicy) -> bool:
    """Whether any cookie is in the key."""
    return policy.cookies.behavior != "none"


def requested_release(request: Request, route: Route) -> bytes:
    """The release a request belongs to: what the tier that asks says, else what the route says."""
    if request.release is not None:
        return request.release
    return release_of(request.path, route.releases) if route.releases else b""


def read_key(key: bytes) -> KeyTrace:
    """A key, read back; a query of chosen parameters is put together as the origin was sent it."""
    (distribution, path), rest = _read_values(key, 2)
    query: bytes | None = None
    host = release = b""
    while rest:
        found = _PART.match(rest)
        assert found is not None, "not a key"
        values, rest = _read_values(rest[found.end() :], int(found[2]))
        if found[1] == b"query":
            query = values[0] if len(values) == 1 else _joined(values)
        elif found[1] == b"header" and values[0] == b"host":
            host = values[1] or b""
        elif found[1] == b"release":
            release = values[0] or b""
    return KeyTrace((distribution or b"").decode(), path or b"", query, host, release)


def chosen_query(request: Request, selection: Selection) -> list[Pair]:
    """The parameters the selection names, in the order received, values verbatim."""
    if request.query is None:
        return []
    return _chosen(query_pairs(request.query), selection)


def chosen_cookies(request: Request, selection: Selection) -> list[Pair]:
    """The cookies the selection names; those whose name begins with `$` never (RFC 2109's own)."""
    found: list[Pair] = []
    for value in field_values(request.fields, b"cookie"):
        found += [pair for pair in cookie_pairs(value) if not pair[0].startswith(b"$")]
    return _chosen(found, selection)


def keyed_encoding(fields: Fields, policy: CachePolicy, minor: int) -> bytes:
    """The normalized Accept-Encoding in the key and towards the origin; empty when not in the key.

    HTTP/1.0 viewers count as having sent none.
    """
    if not (policy.accept_encoding_gzip or policy.accept_encoding_brotli) or minor == 0:
        return b""
    value = combined_value(fields, b"accept-encoding")
    if value is None:
        return b""
    codings = []
    if policy.accept_encoding_brotli and accepts(value, b"br"):
        codings.append(b"br")
    if policy.accept_encoding_gzip and accepts(value, b"gzip"):
        codings.append(b"gzip")
    return b",".join(codings)


def without_connection_options(request: Request) -> Request:
    """`request` without what its Connection field takes out: no key and no variant sees that.

    What is keyed but not forwarded would let one viewer choose what the others get.
    """
    if b"connection" not in names_in(request.fields):
        return request
    options = [value for name, value in request.fields if name == b"connection"]
    if not options or options in ([b"keep-alive"], [b"close"], [b"Keep-Alive"]):
        return request
    hidden = connection_options(request.fields) - PROTECTED - {b"upgrade"}
    return replace(request, fields=without(request.fields, hidden)) if hidden else request


def forwarded(request: Request, route: Route, *, cacheable: bool, part: Fields = ()) -> Request:
    """`request` as the next tier or the origin may see it.

    For a cacheable exchange the viewer's conditions and Range stay here: the tier asks for the
    whole, or for `part`, and answers them itself.
    """
    alike = ForwardingKey(
        request.method, request.fields, request.host, request.port, request.scheme,
        request.minor, request.length,
    )  # fmt: skip
    of = _forwarded_fields if is_short(request.fields) else _forwarded_fields.__wrapped__
    fields = of(alike, route, cacheable)
    if route.semantics.policies_forward:
        return replace(request, query=_query(request, route), fields=fields + part)
    return replace(request, fields=fields + part if cacheable else fields)


def conditional(request: Request, stored: Sequence[Fields]) -> Request:
    """`request` asking whether one of the stored responses still holds (RFC 9111 §4.3.1).

    The first is the one that would be used; of the others only the entity tags are offered.
    """
    added: Fields = ()
    etags = [etag for fields in stored if (etag := validating_tag(fields)) is not None]
    modified = first_value(stored[0], b"last-modified")
    if etags:
        added += ((b"if-none-match", b", ".join(dict.fromkeys(etags))),)
    if modified is not None and (not etags or len(stored) == 1):
        added += ((b"if-modified-since", modified),)
    return replace(request, fields=without(request.fields, CONDITIONS | {b"range"}) + added)


def validating_tag(fields: Fields) -> bytes | None:
    """The entity tag by which its sender knows a stored response."""
    own = first_value(fields, ORIGIN_ETAG)
    return first_value(fields, b"etag") if own is None else own


def forwards_ranges(route: Route) -> bool:
    """Whether a part that is not stored is asked for alone, rather than with all the rest.

    CloudFront may ask for more than it was asked; here it asks for the whole, once.
    """
    return route.semantics.forwards_ranges


@cached(1_024, CONFIGURED_BYTES)  # a few for each distribution; a reload leaves old ones behind
def _start(route: Route) -> tuple[bytes, bool]:
    """How every key of a route begins, and whether the path says the rest."""
    return _encode(route.distribution.id.encode()), not route.releases and _path_alone(
        keyed_policy(route)
    )


def keyed_policy(route: Route) -> CachePolicy:
    """Under RFC 9111 §2 the key is the target URI, whatever a policy says: all of it goes up."""
    if route.semantics.whole_target_in_key:
        return TARGET_URI
    return route.behavior.cache_policy


def _path_alone(policy: CachePolicy) -> bool:
    encodings = policy.accept_encoding_gzip or policy.accept_encoding_brotli
    return not (encodings or has_query(policy) or policy.headers.items or has_cookies(policy))


def _joined(values: tuple[bytes | None, ...]) -> bytes | None:
    names = [name or b"" for name in values[::2]]
    pairs = zip(names, values[1::2], strict=True)
    query = b"&".join(name if value is None else b"%b=%b" % (name, value) for name, value in pairs)
    return query if values else None


def _read_values(data: bytes, count: int) -> tuple[tuple[bytes | None, ...], bytes]:
    values: list[bytes | None] = []
    for _ in range(count):
        size, _, data = data.partition(b":")
        values.append(None if size == b"-" else data[: int(size)])
        data = data if size == b"-" else data[int(size) :]
    return tuple(values), data


def _header(request: Request, name: bytes, route: Route) -> bytes | None:
    if name == b"host":
        return _authority(request, route) if request.port else request.host
    if name == b"accept-encoding" and request.minor == 0:
        return None  # not forwarded for HTTP/1.0 either
    if b"connection" in names_in(request.fields) and name in _hidden(request):
        return None  # taken out before the origin
    return combined_value(request.fields, name)  # absent (None) is not the same as empty


def _authority(request: Request, route: Route) -> bytes:
    """Host and port of the target URI. A scheme that is said but not in the key does not count.

    It stays at this tier: the next one would read another authority out of the same request.
    """
    if route.semantics.scheme_in_key or PROTO in lower_names(keyed_policy(route).headers.items):
        return effective_authority(request)
    return with_port(request.host, request.port, request.scheme)


def _hidden(request: Request) -> frozenset[bytes]:
    return connection_options(request.fields) - PROTECTED


def _chosen(pairs: list[Pair], selection: Selection) -> list[Pair]:
    if selection.wildcards:
        return [pair for pair in pairs if _matches_any(pair[0], selection.items)]
    names = {name.encode() for name in selection.items}
    match selection.behavior:
        case "all":
            return pairs
        case "whitelist":
            return [pair for pair in pairs if pair[0] in names]
        case "allExcept":
            return [pair for pair in pairs if pair[0] not in names]
        case _:
            return []


def _matches_any(name: bytes, patterns: tuple[str, ...]) -> bool:
    return any(found.fullmatch(b"/" + name) for found in _name_patterns(patterns))


@cached(1_024, CONFIGURED_BYTES)
def _name_patterns(patterns: tuple[str, ...]) -> tuple[re.Pattern[bytes], ...]:
    """Names with `*` and `?` (a cookie list of ForwardedValues), matched as paths are."""
    return tuple(pattern("/" + item) for item in patterns)


def _flat(pairs: list[Pair]) -> tuple[bytes | None, ...]:
    return tuple(item for pair in pairs for item in pair)


def _encode(value: bytes | None) -> bytes:
    return b"-:" if value is None else b"%d:%b" % (len(value), value)


def _encode_part(part: Part) -> bytes:
    name, values = part
    return b"%b%d;" % (name.encode(), len(values)) + b"".join(_encode(value) for value in values)


@cached(256, BLOCK_BYTES)  # blocks come again
def _forwarded_fields(alike: ForwardingKey, route: Route, cacheable: bool) -> Fields:
    method, fields, host, port, scheme, minor, length = alike
    request = Request(method, b"/", None, fields, host, scheme, minor, length, port=port)
    if not route.semantics.policies_forward:
        fields = without_false_forwarding(_plain_fields(request, route))
        if not cacheable:
            return fields
        return _with_one_spelling(without_unkeyed(without(fields, _OF_THE_VIEWER)))
    if cacheable and b"host" not in lower_names(route.behavior.cache_policy.headers.items):
        request = replace(request, port=b"")  # one viewer's port would be in everybody's redirects
    chosen = _chosen_fields(request, route)
    if cacheable:
        return chosen
    return chosen + tuple([field for field in fields if field[0] in _OF_THE_VIEWER])


def _with_one_spelling(fields: Fields) -> Fields:
    """Browsers spell Accept-Encoding in many ways, which would be as many variants of a page."""
    value = combined_value(fields, b"accept-encoding")
    return fields if value is None else replaced(fields, b"accept-encoding", one_spelling(value))


def _plain_fields(request: Request, route: Route) -> Fields:
    """End-to-end fields for the origin; Host in the form the key has: one entry has one Host."""
    kept = well_formed(without(end_to_end(request.fields), OURS | {b"content-length"}))
    authority = _authority(request, route) if request.port else request.host
    return tuple(
        (name, authority) if name == b"host" else (name, value)
        for name, value in kept
        if not name.startswith(OUR_PREFIXES)
    )


def _chosen_fields(request: Request, route: Route) -> Fields:
    """The headers that the key and the origin request policy name, each as received."""
    policy = route.behavior.cache_policy
    extra = route.behavior.origin_request_policy
    viewer = _plain_fields(request, route)
    names = {name.lower().encode() for name in policy.headers.items}
    if extra is not None:
        names |= _extra_names(viewer, extra.headers)
    if request.has_body:  # what describes a body goes wherever it goes
        names |= {name for name, _ in viewer if name.startswith(b"content-")}
    names |= {b"x-forwarded-for", b"cdn-loop"}  # RFC 8586 §2: never taken away
    if request.method.decode("ascii") not in route.behavior.cached_methods:
        names |= {b"authorization"}
    names -= CONDITIONS | {b"cookie", b"accept-encoding", b"range"}
    kept = tuple(field for field in viewer if field[0] in names)
    return kept + _cookie_field(request, route) + _encoding_field(request, route)


def _extra_names(viewer: Fields, headers: HeaderSelection) -> set[bytes]:
    listed = {name.lower().encode() for name in headers.items}
    every = {name for name, _ in viewer}
    match headers.behavior:
        case "whitelist":
            return listed
        case "allViewer" | "allViewerAndWhitelistCloudFront":
            return every | listed
        case "allExcept":
            return every - listed
        case _:
            return set()


def _cookie_field(request: Request, route: Route) -> Fields:
    pairs = chosen_cookies(request, route.behavior.cache_policy.cookies)
    extra = route.behavior.origin_request_policy
    if extra is not None:
        seen = {pair[0] for pair in pairs}
        pairs += [p for p in chosen_cookies(request, extra.cookies) if p[0] not in seen]
    if not pairs:
        return ()
    pairs.sort(key=lambda pair: pair[0])
    return ((b"cookie", b"; ".join(_joined_members(pair) for pair in pairs)),)


def _encoding_field(request: Request, route: Route) -> Fields:
    policy = route.behavior.cache_policy
    extra = route.behavior.origin_request_policy
    received = combined_value(request.fields, b"accept-encoding")
    if received is None or request.minor == 0:
        return ()
    if policy.accept_encoding_gzip or policy.accept_encoding_brotli:
        keyed = keyed_encoding(request.fields, policy, request.minor)
        return ((b"accept-encoding", keyed or b"identity"),)
    listed = any(name.lower() == "accept-encoding" for name in policy.headers.items)
    if listed or (extra is not None and b"accept-encoding" in _passed_by(request, extra.headers)):
        return ((b"accept-encoding", received),)
    return ((b"accept-encoding", b"identity"),)


def _passed_by(request: Request, headers: HeaderSelection) -> set[bytes]:
    """The names an origin request policy lets through beyond those it lists."""
    if headers.behavior == "whitelist":
        return set()  # a policy cannot list Accept-Encoding alone
    return _extra_names(request.fields, headers)


def _query(request: Request, route: Route) -> bytes | None:
    """The union of what the two policies name, in the order received."""
    if request.query is None:
        return None
    policy = route.behavior.cache_policy
    extra = route.behavior.origin_request_policy
    if policy.query_strings.behavior == "all":
        return request.query
    kept = chosen_query(request, policy.query_strings)
    if extra is not None:
        if extra.query_strings.behavior == "all":
            return request.query
        names = {p[0] for p in kept} | {p[0] for p in chosen_query(request, extra.query_strings)}
        kept = [pair for pair in query_pairs(request.query) if pair[0] in names]
    return b"&".join(_joined_members(pair) for pair in kept) if kept else None


def _joined_members(pair: Pair) -> bytes:
    name, value = pair
    return name if value is None else name + b"=" + value
