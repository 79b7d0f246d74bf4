"""Cache keys. Law: nothing outside this file may decide that two requests share an entry.

CloudFront Developer Guide, "Understand the cache key" and "Control the cache key with a policy".
The encoding is injective: every part is preceded by its length, lists by their count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgecache.config.model import CachePolicy, HeaderSelection, Selection
from edgecache.http.content_coding import accepts
from edgecache.http.fields import PROTECTED, connection_options, cookie_pairs, query_pairs
from edgecache.http.function_cache import CONFIGURED_BYTES, remembers
from edgecache.http.message import Fields, Request, combined_value, field_values, names_in
from edgecache.rules.caching.unkeyed_fields import effective_scheme
from edgecache.rules.invalidation.releases import release_of
from edgecache.rules.routing import Route, pattern

Pair = tuple[bytes, bytes | None]
TARGET_URI = CachePolicy(
    headers=HeaderSelection(behavior="whitelist", items=("Host",)),
    query_strings=Selection(behavior="all"),
)
Part = tuple[str, tuple[bytes | None, ...]]
_PART = re.compile(rb"([a-z-]+)([0-9]+);")


@dataclass(frozen=True, slots=True)
class KeyTrace:
    """What a key says of the object: `query` None and `host` empty where they are not in it."""

    distribution: str
    path: bytes
    query: bytes | None
    host: bytes
    release: bytes


def cache_key(request: Request, route: Route) -> bytes:
    """The key of the object that `request` asks for."""
    distribution, path_alone = _start(route)
    start = b"%b%d:%b" % (distribution, len(request.path), request.path)
    if path_alone and not request.release and request.method != b"OPTIONS":
        return start
    return start + b"".join(_encode_part(part) for part in key_parts(request, route)[2:])


@remembers(1_024, CONFIGURED_BYTES)  # a few for each distribution; a reload leaves old ones behind
def _start(route: Route) -> tuple[bytes, bool]:
    """How every key of a route begins, and whether the path says the rest."""
    return _encode(route.distribution.id.encode()), not route.releases and _path_alone(
        _policy(route)
    )


def block_key(key: bytes, number: int) -> bytes:
    """The key of one block of the object under `key`; an invalidation names both alike."""
    return key + _encode_part(("block", (b"%d" % number,)))


def _policy(route: Route) -> CachePolicy:
    """Under RFC 9111 §2 the key is the target URI, whatever a policy says: all of it goes up."""
    if route.distribution.semantics == "rfc9111":
        return TARGET_URI
    return route.behavior.cache_policy


def _path_alone(policy: CachePolicy) -> bool:
    encodings = policy.accept_encoding_gzip or policy.accept_encoding_brotli
    return not (encodings or has_query(policy) or policy.headers.items or has_cookies(policy))


def key_parts(request: Request, route: Route) -> list[Part]:
    """What the key is made of, each part with its name: the trace that `explain` prints."""
    policy = _policy(route)
    parts: list[Part] = [
        ("distribution", (route.distribution.id.encode(),)),
        ("path", (request.path,)),
    ]
    release = release_asked(request, route)
    if release:
        parts.append(("release", (release,)))
    if route.distribution.semantics == "rfc9111" and effective_scheme(request) == b"https":
        parts.append(("scheme", (b"https",)))
    if request.method == b"OPTIONS":
        parts.append(("method", (b"OPTIONS",)))
    if has_query(policy):
        if policy.query_strings.behavior == "all":  # as received: `/a?` is not `/a`
            parts.append(("query", (request.query,)))
        else:
            parts.append(("query", _flat(chosen_query(request, policy.query_strings))))
    for name in lower_names(policy.headers.items):
        parts.append(("header", (name, _header(request, name))))
    if has_cookies(policy):
        pairs = sorted(chosen_cookies(request, policy.cookies), key=lambda pair: pair[0])
        parts.append(("cookies", _flat(pairs)))
    encoding = keyed_encoding(request.fields, policy, request.minor)
    if encoding:
        parts.append(("accept-encoding", (encoding,)))
    return parts


@remembers(1_024, CONFIGURED_BYTES)  # one for each policy
def lower_names(items: tuple[str, ...]) -> tuple[bytes, ...]:
    """The names a policy lists, as fields have them."""
    return tuple(name.lower().encode() for name in items)


def has_query(policy: CachePolicy) -> bool:
    """Whether any query string is in the key."""
    return policy.query_strings.behavior != "none"


def has_cookies(policy: CachePolicy) -> bool:
    """Whether any cookie is in the key."""
    return policy.cookies.behavior != "none"


def release_asked(request: Request, route: Route) -> bytes:
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


def _header(request: Request, name: bytes) -> bytes | None:
    if name == b"host":
        return request.host
    if name == b"accept-encoding" and request.minor == 0:
        return None  # not forwarded for HTTP/1.0 either
    if b"connection" in names_in(request.fields) and name in _hidden(request):
        return None  # taken out before the origin
    return combined_value(request.fields, name)  # absent (None) is not the same as empty


def _hidden(request: Request) -> frozenset[bytes]:
    return connection_options(request.fields) - PROTECTED


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


@remembers(1_024, CONFIGURED_BYTES)
def _name_patterns(patterns: tuple[str, ...]) -> tuple[re.Pattern[bytes], ...]:
    """Names with `*` and `?` (a cookie list of ForwardedValues), matched as paths are."""
    return tuple(pattern("/" + item) for item in patterns)


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


def _flat(pairs: list[Pair]) -> tuple[bytes | None, ...]:
    return tuple(item for pair in pairs for item in pair)


def _encode(value: bytes | None) -> bytes:
    return b"-:" if value is None else b"%d:%b" % (len(value), value)


def _encode_part(part: Part) -> bytes:
    name, values = part
    return b"%b%d;" % (name.encode(), len(values)) + b"".join(_encode(value) for value in values)
