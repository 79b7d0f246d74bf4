"""Policies of signed URLs and cookies: resource, address range and dates they allow.

CloudFront Developer Guide, "Create a policy statement for a signed URL that uses a custom policy".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from edgecache.http.target import holds_in_every_reading, readings
from edgecache.rules.globs import glob
from edgecache.rules.private.signature_fields import EPOCH_S_MAX, PresentedSignature

_WILDCARD = re.compile(rb"[*?]")
_URL = re.compile(rb"(https?)://([^/?]*)([^?]*)(?:\?(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SignedPolicy:
    """A policy statement: a resource pattern, seconds of the epoch, and a network or none.

    `resource` None: the very URL that was asked for, which the signed text names already.
    """

    resource: bytes | None
    before: int
    after: int | None
    network: IPv4Network | IPv6Network | None

    def objection(self, url: bytes, now: float, client: str) -> str | None:
        """Why `url` may not be had at `now` (wall clock) from `client`; None when it may."""
        untimely = self.untimely(now, client)
        if untimely is not None:
            return untimely
        if self.resource is not None and not resource_matches(self.resource, url):
            return f"the URL is {_shown(url)}, the policy says {_shown(self.resource)}"
        wide = self.resource is not None and _WILDCARD.search(self.resource)
        if wide and readings(_path_of(url)) is None:
            return "an origin could take the path for one outside"
        return None

    def untimely(self, now: float, client: str) -> str | None:
        """As `objection`, for a URL that is known to be the right one."""
        if now >= self.before:
            return f"expired {int(now - self.before)} s ago"
        if self.after is not None and now <= self.after:
            return f"not valid before {int(self.after - now)} s from now"
        if self.network is not None and not within(client, self.network):
            return f"the address is not in {self.network}"
        return None


def _shown(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


def parse_policy(presented: PresentedSignature) -> SignedPolicy | None:
    """The policy that was signed; None when it is not one statement of the documented form."""
    if presented.expires is not None:
        return SignedPolicy(None, presented.expires, None, None)
    try:
        text = presented.policy.decode("utf-8")  # `json` would guess UTF-16, too
        document = json.loads(text, object_pairs_hook=_unique, parse_float=_refuse)
        statement = document["Statement"]
        if isinstance(statement, list):
            (statement,) = statement
        return _policy(statement)
    except (ValueError, KeyError, TypeError, RecursionError, UnicodeDecodeError):
        return None


def _policy(statement: dict[str, Any]) -> SignedPolicy:
    condition = dict(statement["Condition"])
    before = _epoch(condition.pop("DateLessThan"))
    later = condition.pop("DateGreaterThan", None)
    address = condition.pop("IpAddress", None)
    # CloudFront opens every distribution of the key when Resource is left out; we do not.
    resource = statement["Resource"]
    if condition or set(statement) - {"Resource", "Condition"} or not isinstance(resource, str):
        raise ValueError("unknown members")
    network = None if address is None else _network(address)
    return SignedPolicy(
        resource.encode(), before, None if later is None else _epoch(later), network
    )


def _epoch(condition: Any) -> int:
    if set(condition) != {"AWS:EpochTime"}:
        raise ValueError("not an epoch time")
    value = condition["AWS:EpochTime"]
    if type(value) is not int or not 0 <= value < EPOCH_S_MAX:
        raise ValueError("not epoch seconds")
    return value


def _network(condition: Any) -> IPv4Network | IPv6Network:
    if set(condition) != {"AWS:SourceIp"} or not isinstance(condition["AWS:SourceIp"], str):
        raise ValueError("not a source address")
    return ip_network(condition["AWS:SourceIp"], strict=False)


def within(client: str, network: IPv4Network | IPv6Network) -> bool:
    """Whether the TCP peer `client` is in `network`; a mapped IPv4 address counts as IPv4."""
    try:
        address = ip_address(client)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address) in network


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name is given twice")
    return dict(pairs)


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not a whole number")


def resource_matches(resource: bytes, url: bytes) -> bool:
    """Whether a Resource covers `url`; wildcards stay within scheme, host, path and query each."""
    if resource == b"*":
        return True
    parts = _URL.fullmatch(url)
    if parts is None:
        return False
    scheme, host, path, query = parts.groups()
    return any(
        _section(pattern[0], scheme)
        and _section(pattern[1], host)
        and _path_and_query(pattern[2], pattern[3], path, query)
        for pattern in _readings(resource)
    )


def _readings(resource: bytes) -> list[tuple[bytes, bytes, bytes | None, bytes | None]]:
    """Scheme, host, path and query of a pattern; a `?` may begin the query or be one character."""
    scheme, mark, rest = resource.partition(b"://")
    if not mark:
        if not resource.startswith(b"*"):
            return []
        scheme, rest = b"*", resource
    host, slash, tail = rest.partition(b"/")
    if not slash:
        return [(scheme, host, None if host.endswith(b"*") else b"/", None)]
    tail = b"/" + tail.replace(b"\\?", b"?")
    path, question, query = tail.partition(b"?")
    readings: list[tuple[bytes, bytes, bytes | None, bytes | None]] = [
        (scheme, host, path, query if question else None)
    ]
    if question:
        readings.append((scheme, host, tail, None))
    return readings


def _path_and_query(
    path_pattern: bytes | None, query_pattern: bytes | None, path: bytes, query: bytes | None
) -> bool:
    if path_pattern is None:  # a trailing star in the host covers the rest
        return True
    if not _covers(path_pattern, path):
        return False
    if query_pattern is None:
        return query is None or path_pattern.endswith(b"*")
    return query is not None and _section(query_pattern, query)


def _covers(pattern: bytes, path: bytes) -> bool:
    """Whether a pattern matches a path; with wildcards, however an origin reads that."""
    if _WILDCARD.search(pattern) is None:
        return _section(pattern, path)
    return holds_in_every_reading(_section, pattern, path)


def _path_of(url: bytes) -> bytes:
    parts = _URL.fullmatch(url)
    return b"" if parts is None else parts[3]


def _section(pattern: bytes, value: bytes) -> bool:
    return re.fullmatch(glob(pattern), value, re.DOTALL) is not None
