"""Request targets and authorities. Law: who is asked is read in one place (RFC 9112 §3.2)."""

from __future__ import annotations

import re
from functools import lru_cache

from edgecache.http.bad_message import BadMessage, BadReason

_ABSOLUTE = re.compile(rb"(https?)://([^/?]*+)([/?].*+)?", re.IGNORECASE)
_AUTHORITY = re.compile(rb"([A-Za-z0-9._~\-]{1,255}+|\[[0-9A-Fa-f:.]{2,45}+\])(?::([0-9]{0,5}+))?")
_DEFAULT_PORTS = {b"http": b"80", b"https": b"443"}


# Hosts in use; who sends more of them pays for the reading alone. What is refused is not
# remembered: no key is longer than a host and its port.
@lru_cache(maxsize=1_024)
def authority(value: bytes, why: BadReason) -> tuple[bytes, bytes]:
    """Host in lower case without its final dot, and port (empty when none is named)."""
    match = _AUTHORITY.fullmatch(value)
    if match is None:
        raise BadMessage(why)
    host, port = match.groups()
    host = host.lower().removesuffix(b".")
    if not host:
        raise BadMessage(why)
    return host, port or b""


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
    return path, query if mark else None, host


def _absolute(
    method: bytes, target: bytes, scheme: bytes, host: tuple[bytes, bytes]
) -> tuple[bytes, tuple[bytes, bytes]]:
    """What an absolute-form target names; it must be where the connection and Host already are.

    RFC 9112 §3.2.2 lets the target win over Host. Who routes by one and keys by the other is
    poisoned, so we want them equal.
    """
    match = _ABSOLUTE.fullmatch(target)
    if match is None or match[1].lower() != scheme:
        raise BadMessage(BadReason.TARGET)
    named = authority(match[2], BadReason.TARGET)
    port = _DEFAULT_PORTS[scheme]
    if host[0] and (named[0], named[1] or port) != (host[0], host[1] or port):
        raise BadMessage(BadReason.HOST)
    rest = match[3] or b""
    if not rest and method == b"OPTIONS":
        return b"*", named  # §3.2.4
    return rest if rest.startswith(b"/") else b"/" + rest, named
