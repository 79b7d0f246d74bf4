"""X-Forwarded-For, Via and CDN-Loop: how they are written, their grammar, and their bounds.

RFC 8586 §2 (CDN-Loop); for X-Forwarded-For, which no RFC describes, a list of addresses, IPv4 with
a port or IPv6 in brackets among them, as proxies write it.
"""

from __future__ import annotations

import re

from edgecache.http.message import (
    Fields,
    Request,
    combined_value,
    field_values,
    list_members,
    names_in,
    without,
)
from edgecache.http.proxy_protocol import canonical_address

ADDRESSES_MAX = 32  # of X-Forwarded-For: more proxies than any request has passed
FORWARDED_FOR = b"x-forwarded-for"
CDN_LOOP = b"cdn-loop"
EVERYWHERE = frozenset({FORWARDED_FOR, CDN_LOOP})  # forwarded whatever policies say
_ADDRESS = re.compile(
    rb"(?:([0-9.]{7,15})|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{1,5}))?|([0-9A-Fa-f:.]{2,45})"
)
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_CDN_ID = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|" + _TOKEN + rb"{1,255})(?::[0-9]{1,5})?")
_PARAMETER = re.compile(
    _TOKEN + rb"{1,64}=(?:" + _TOKEN + rb'{1,255}|"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e]|\\.){0,255}")'
)


def well_formed(fields: Fields) -> Fields:
    """The fields, less of X-Forwarded-For and CDN-Loop what is not of their grammar.

    An origin that fails at an odd value would fail for everybody, since no key has them. Members
    of CDN-Loop are judged one by one: RFC 8586 §2 wants none taken away that may be told.
    """
    if EVERYWHERE.isdisjoint(names_in(fields)):
        return fields
    if not _are_addresses(fields):
        fields = without(fields, (FORWARDED_FOR,))
    kept = []
    for name, value in fields:
        if name == CDN_LOOP:
            value = b", ".join(filter(None, map(_passage, list_members(value))))
        if value or name != CDN_LOOP:
            kept.append((name, value))
    return tuple(kept)


def _are_addresses(fields: Fields) -> bool:
    members = [m for v in field_values(fields, FORWARDED_FOR) for m in list_members(v)]
    return len(members) <= ADDRESSES_MAX and all(map(is_address, members))


def is_address(member: bytes) -> bool:
    """An address, IPv4 with a port, or IPv6 in brackets with or without one."""
    return forwarded_address(member) is not None


def forwarded_address(member: bytes) -> tuple[str, int] | None:
    """Address and port of a member of X-Forwarded-For; port 0 where none is named.

    None for what is no address. One of IPv4 in IPv6 is the IPv4 one: a viewer has one spelling.
    """
    match = _ADDRESS.fullmatch(member)
    if match is None:
        return None
    ipv4, bracketed, ipv6, port = match[1], match[2], match[4], match[3]
    try:
        address = canonical_address((ipv4 or bracketed or ipv6).decode())
    except ValueError:
        return None
    return address, min(int(port or 0), 65_535)


def _passage(member: bytes) -> bytes:
    """One cdn-info; its cdn-id alone where the parameters are none; empty where nothing is right.

    The id must stay: a chain that spoils parameters would else never be seen to be a loop.
    """
    cdn_id, *parameters = [part.strip(b" \t") for part in member.split(b";")]
    if _CDN_ID.fullmatch(cdn_id) is None:
        return b""
    return member if all(map(_PARAMETER.fullmatch, parameters)) else cdn_id


def hop_fields(request: Request, via: bytes) -> list[tuple[bytes, bytes]]:
    """What every hop adds to: whom it stands for, and that it was there."""
    added = []
    peer = request.client[0].encode()
    behind = combined_value(request.fields, b"x-forwarded-for")
    if peer or behind:
        added.append((b"x-forwarded-for", b", ".join(filter(None, (behind, peer)))))
    before = combined_value(request.fields, b"via")
    ours = b"%b %b" % (request.version, via)
    added.append((b"via", before + b", " + ours if before else ours))
    return added
