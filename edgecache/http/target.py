"""Request targets, authorities, URI references and dot segments (RFC 9112 §3.2, RFC 3986 §5.2).

Law: what is asked of whom is read in one place. A path goes on as it was received. What routing,
signatures and invalidation by reference compare is made of it here, and where an origin could read
another path than we do, `readings` says which.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address
from urllib.parse import unquote_to_bytes

from edgecache.http.function_cache import cached
from edgecache.http.message import BadMessage, BadReason, Request

Target = tuple[bytes, bytes | None]  # path and query
_ABSOLUTE = re.compile(rb"(https?)://([^/?]*)([/?].*)?", re.IGNORECASE)
_ABSOLUTE_REFERENCE = re.compile(rb"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*:")
_LABEL = rb"[A-Za-z0-9_~\-]{1,63}"
_AUTHORITY = re.compile(
    rb"(" + _LABEL + rb"(?:\." + _LABEL + rb")*\.?|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{0,5}))?"
)
HOST_BYTES_MAX = 255  # of a name in the DNS (RFC 1035 §3.1)
PORT_MAX = 65_535
DEFAULT_PORTS = {b"http": b"80", b"https": b"443"}
READINGS_MAX = 16  # of one path; three encodings of each kind within another make fewer
READINGS_BYTES_MAX = 32_768  # of all of them: reading is work that strangers ask for
# Where none of these stands, everybody reads a path alike.
_SEVERAL_READINGS = re.compile(rb"[%\\;]|//|/\.")
_UNICODE_ESCAPE = re.compile(rb"%[uU]([0-9A-Fa-f]{4})")  # IIS reads it, and old ECMAScript wrote it
_PARAMETERS = re.compile(rb";[^/]*")  # RFC 2396 §3.3: of each segment; Tomcat and Jetty drop them
_QUERY = re.compile(rb"[?#].*", re.DOTALL)  # once decoded: of who parses what it has decoded
# ASCII in more bytes than it needs, forbidden by RFC 3629 §3: what is left of it is in two bytes.
_OVERLONG = re.compile(
    rb"[\xc0\xc1].|(?:\xe0|\xf0\x80|\xf8\x80\x80|\xfc\x80\x80\x80)[\x80\x81][\x80-\xbf]",
    re.DOTALL,
)
# A dot segment, as Windows reads it too: with blanks behind; or a control byte, at which a reader
# in C ends, and which one of the WHATWG's URLs leaves out.
_STEPS_OUT = re.compile(rb"/\.{1,2} *(?:/|$)|[\0-\x1f\x7f]")
NOT_NORMAL = re.compile(rb"//|/\.")  # what `normalized_path` may change


# Hosts in use; who sends more of them pays for the reading alone. What is refused is not
# remembered: no key is longer than a host and its port.
@cached(1_024, 700)
def authority(value: bytes, why: BadReason) -> tuple[bytes, bytes]:
    """Host in lower case without its final dot, and port (empty when none is named).

    Refused is what has an empty or overlong label, an IPv6 address that is none, and a port that
    nobody can listen on: readers differ in which host and port they take out of it.
    """
    match = _AUTHORITY.fullmatch(value)
    if match is None:
        raise BadMessage(why)
    host, port = match.groups()
    host = host.lower().removesuffix(b".")
    if len(host) > HOST_BYTES_MAX or (host.startswith(b"[") and not _is_ipv6(host[1:-1])):
        raise BadMessage(why)
    if not port:
        return host, b""
    if not 0 < int(port) <= PORT_MAX:
        raise BadMessage(why)
    return host, b"%d" % int(port)


def with_port(host: bytes, port: bytes, scheme: bytes) -> bytes:
    """An authority of a URI: the port only where it is not the scheme's (RFC 9110 §4.2.3)."""
    return host if port in (b"", DEFAULT_PORTS[scheme]) else host + b":" + port


def target_parts(
    method: bytes, target: bytes, scheme: bytes, host: tuple[bytes, bytes]
) -> tuple[bytes, bytes | None, tuple[bytes, bytes]]:
    """Path, query and (host, port) of a request target (RFC 9112 §3.2)."""
    if method == b"CONNECT":
        raise BadMessage(BadReason.METHOD, 501)
    if b"#" in target:
        raise BadMessage(BadReason.TARGET)
    if target[0] != 0x2F:
        if target == b"*" and method == b"OPTIONS":
            return target, None, host
        target, host = _absolute(method, target, scheme, host)
    path, mark, query = target.partition(b"?")
    if b"\\" in path:  # no path has it (RFC 3986 §3.3), and every browser reads `/` in it
        raise BadMessage(BadReason.TARGET)
    return path, query if mark else None, host


def normalized_path(path: bytes) -> bytes:
    """For matching only: doubled slashes folded, dot segments removed (RFC 3986 §5.2.4)."""
    if NOT_NORMAL.search(path) is None:
        return path
    return without_dot_segments(re.sub(rb"/+", b"/", path))


def without_dot_segments(path: bytes) -> bytes:
    """The path with its dot segments resolved (RFC 3986 §5.2.4); empty segments stay."""
    segments = path.removeprefix(b"/").split(b"/")
    kept: list[bytes] = []
    for segment in segments:
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)


def same_origin(reference: bytes, request: Request, scheme: bytes) -> Target | None:
    """Path and query of a URI reference, if it has the request's own origin (RFC 3986 §5.2).

    `scheme`: the one the request counts as made by.
    """
    absolute = _ABSOLUTE_REFERENCE.fullmatch(reference)
    if absolute is not None:
        named = absolute[2].lower().rpartition(b"@")[2]
        named = named.removesuffix(b":" + DEFAULT_PORTS[scheme])
        own = with_port(request.host, request.port, scheme)
        if absolute[1].lower() != scheme or named != own:
            return None
        return _split(absolute[3] or b"/")
    if reference.startswith(b"//") or _SCHEME.match(reference):
        return None
    path_part = reference.partition(b"#")[0]
    if path_part.startswith(b"/"):
        return _split(path_part)
    if not path_part or path_part.startswith(b"?"):
        return _split(request.path + path_part)
    return _split(request.path.rpartition(b"/")[0] + b"/" + path_part)


def readings(path: bytes) -> tuple[bytes, ...] | None:
    """Every path an origin may take `path` for, normalized; the first as it was received.

    An origin may decode it, once or until it stays, take `\\` for `/`, drop the parameters of its
    segments, read overlong and compatible forms of characters as the characters, or parse it
    anew. None where a reading has a dot segment or a control byte, so that origins differ in what
    it names at all, and where there are more than READINGS_MAX or READINGS_BYTES_MAX: what is
    private cannot be told apart from the public then.
    """
    if _SEVERAL_READINGS.search(path) is None:
        return (path,)
    found = {path: None}
    waiting, size = [path], len(path)
    for reading in waiting:
        if _STEPS_OUT.search(reading) is not None:
            return None
        for other in _read_otherwise(reading):
            if other not in found:
                size += len(other)
                if len(found) == READINGS_MAX or size > READINGS_BYTES_MAX:
                    return None
                found[other] = None
                waiting.append(other)
    return tuple(dict.fromkeys(map(normalized_path, found)))


def holds_in_every_reading(
    matches: Callable[[bytes, bytes], bool], pattern: bytes, path: bytes
) -> bool:
    """Whether `pattern` matches `path` and all that an origin may read in it.

    `*p.jpg` matches `/secret;p.jpg`, in which some read `/secret`. What is read in the path is held
    against what is read likewise in the pattern.
    """
    if not matches(pattern, path):
        return False
    every = readings(path)
    if every is None or len(every) == 1:
        return every is not None
    forms = readings(pattern) or (pattern,)
    return all(any(matches(form, reading) for form in forms) for reading in every)


def _absolute(
    method: bytes, target: bytes, scheme: bytes, host: tuple[bytes, bytes]
) -> tuple[bytes, tuple[bytes, bytes]]:
    """Path and authority of an absolute-form target; Host and connection must agree with it.

    RFC 9112 §3.2.2 lets the target win over Host. Who routes by one and keys by the other is
    poisoned, so we want them equal.
    """
    match = _ABSOLUTE.fullmatch(target)
    if match is None or match[1].lower() != scheme:
        raise BadMessage(BadReason.TARGET)
    named = authority(match[2], BadReason.TARGET)
    port = DEFAULT_PORTS[scheme]
    if host[0] and (named[0], named[1] or port) != (host[0], host[1] or port):
        raise BadMessage(BadReason.HOST)
    rest = match[3] or b""
    if not rest and method == b"OPTIONS":
        return b"*", named  # §3.2.4
    return rest if rest.startswith(b"/") else b"/" + rest, named


def _is_ipv6(text: bytes) -> bool:
    try:
        IPv6Address(text.decode("ascii"))
    except ValueError:
        return False
    return True


def _split(target: bytes) -> Target:
    path, mark, query = target.partition(b"?")
    return without_dot_segments(path), query if mark else None


def _read_otherwise(path: bytes) -> Iterator[bytes]:
    """The path as readers take it that repair one thing each, where that differs."""
    if b"%" in path:
        yield unquote_to_bytes(_UNICODE_ESCAPE.sub(_character, path))
    if b"\\" in path:
        yield path.replace(b"\\", b"/")
    if b";" in path:
        yield _PARAMETERS.sub(b"", path)
    if b"?" in path or b"#" in path:
        yield _QUERY.sub(b"", path)
    if not path.isascii():
        yield _compatible(_OVERLONG.sub(_shortest, path))


def _character(escape: re.Match[bytes]) -> bytes:
    return chr(int(escape[1], 16)).encode("utf-8", "surrogatepass")


def _shortest(overlong: re.Match[bytes]) -> bytes:
    """The byte that an overlong form stands for: the last seven of its bits."""
    before, last = overlong[0][-2], overlong[0][-1]
    return bytes(((before & 1) << 6 | last & 0x3F,))


def _compatible(path: bytes) -> bytes:
    """With full-width and like forms as what they are compatible with (UAX #15, NFKC)."""
    try:
        return unicodedata.normalize("NFKC", path.decode()).encode()
    except UnicodeDecodeError:
        return path
