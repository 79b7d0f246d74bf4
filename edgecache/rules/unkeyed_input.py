"""Unkeyed input: what of a viewer's request reaches an origin without being in the key.

Law: what nobody's policy names is well-formed and bounded, and no failure that such input may have
caused is remembered for others. RFC 8586 (CDN-Loop); CloudFront Developer Guide, "X-Forwarded-For"
and "Control how long CloudFront caches errors".
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from edgecache.config.model import HeaderSelection
from edgecache.http.fields import list_members
from edgecache.http.message import Fields, Request, field_values, names_in, without
from edgecache.rules.keys import lower_names
from edgecache.rules.routing import Route

ADDRESSES_MAX = 32  # of X-Forwarded-For: more proxies than any request has passed
FORWARDED_FOR = b"x-forwarded-for"
CDN_LOOP = b"cdn-loop"
_ALWAYS = frozenset({FORWARDED_FOR, CDN_LOOP})  # forwarded whatever policies say
# Chosen among the operator's own names, made anew, or ours.
_OF_FEW_VALUES = frozenset({b"host", b"accept-encoding"})
_MADE_HERE = b"cloudfront-"
_ADDRESS = re.compile(
    rb"(?:([0-9.]{7,15})|\[([0-9A-Fa-f:.]{2,45})\])(?::[0-9]{1,5})?|([0-9A-Fa-f:.]{2,45})"
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
    if _ALWAYS.isdisjoint(names_in(fields)):
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
    return len(members) <= ADDRESSES_MAX and all(map(_is_address, members))


def _is_address(member: bytes) -> bool:
    """An address, IPv4 with a port, or IPv6 in brackets with or without one."""
    match = _ADDRESS.fullmatch(member)
    if match is None:
        return False
    try:
        ip_address((match[1] or match[2] or match[3]).decode())
    except ValueError:
        return False
    return True


def _passage(member: bytes) -> bytes:
    """One cdn-info; its cdn-id alone where the parameters are none; empty where nothing is right.

    The id must stay: a chain that spoils parameters would else never be seen to be a loop.
    """
    cdn_id, *parameters = [part.strip(b" \t") for part in member.split(b";")]
    if _CDN_ID.fullmatch(cdn_id) is None:
        return b""
    return member if all(map(_PARAMETER.fullmatch, parameters)) else cdn_id


def failure_is_of_object(request: Request, route: Route, status: int) -> bool:
    """Whether a failure may be remembered for others, who ask for the same without such input.

    X-Forwarded-For and CDN-Loop reach origins though no policy names them: whatever fails of a
    request that has one counts for itself. Of what an origin request policy names the same holds
    for 400 and above 499, unless the operator said how long that error is kept.
    """
    names = names_in(request.fields)
    if not _ALWAYS.isdisjoint(names):
        return False
    if route.behavior.origin_request_policy is None or 400 < status < 500:
        return True
    if any(one.error_code == status for one in route.distribution.custom_error_responses):
        return True
    return not _carries_unkeyed(request, route, names)


def _carries_unkeyed(request: Request, route: Route, names: frozenset[bytes]) -> bool:
    """Whether the origin request policy forwards something of `request` that the key has not."""
    keyed, extra = route.behavior.cache_policy, route.behavior.origin_request_policy
    assert extra is not None
    beyond = names - _OF_FEW_VALUES - set(lower_names(keyed.headers.items)) - {b"cookie"}
    if any(_lets_pass(extra.headers, name) for name in beyond if not name.startswith(_MADE_HERE)):
        return True
    query = extra.query_strings.behavior != "none" and keyed.query_strings.behavior != "all"
    cookies = extra.cookies.behavior != "none" and keyed.cookies.behavior != "all"
    return (query and bool(request.query)) or (cookies and b"cookie" in names)


def _lets_pass(headers: HeaderSelection, name: bytes) -> bool:
    match headers.behavior:
        case "none":
            return False
        case "whitelist":
            return name in lower_names(headers.items)
        case "allExcept":
            return name not in lower_names(headers.items)
        case _:
            return True
