"""Trusted proxies: who the viewer is behind a balancer, by its X-Forwarded-For and -Proto.

Law: a field counts by who sent it. What a trusted proxy says makes the request what it would be had
its viewer come here itself; what anybody else says of the way here makes nothing safer than it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from msgspec.structs import replace

from edgecache.config.networks import parse_address, parse_network, ranges_of
from edgecache.http.forwarded_for import ADDRESSES_MAX, FORWARDED_FOR, forwarded_address
from edgecache.http.message import Fields, Request, field_values, names_in, without

PROTO = b"x-forwarded-proto"
HTTPS = b"https"
_OURS = frozenset({FORWARDED_FOR, PROTO})


class TrustedProxies:
    """Networks of the proxies whose word on their viewers counts."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._ranges = ranges_of(map(parse_network, networks))

    def trusts(self, address: str) -> bool:
        """Whether `address` is of a trusted proxy; never of what is no address."""
        try:
            v6, number = parse_address(address)
        except ValueError:
            return False
        return bisect_right(self._ranges.v6 if v6 else self._ranges.v4, number) & 1 == 1

    def resolved(self, request: Request, *, trusted: bool) -> Request:
        """`request`, as received, with the viewer's address and scheme as far as they are known.

        `trusted`: its sender is a trusted proxy. Then of X-Forwarded-For that is left which the
        viewer sent itself. Else X-Forwarded-Proto is taken away: nobody's claim makes http https.
        """
        names = names_in(request.fields)
        if _OURS.isdisjoint(names):
            return request
        if not trusted:
            return replace(request, fields=without(request.fields, (PROTO,)))
        values = field_values(request.fields, FORWARDED_FOR)
        chain = [m for value in values for part in value.split(b",") if (m := part.strip(b" \t"))]
        client, place = self._viewer(request.client, chain)
        scheme = _scheme(request, place, len(chain))
        told = {FORWARDED_FOR: b", ".join(chain[: max(place, 0)])}
        if PROTO in names:
            told[PROTO] = scheme
        return replace(request, fields=_told(request.fields, told), scheme=scheme, client=client)

    def _viewer(self, sender: tuple[str, int], chain: list[bytes]) -> tuple[tuple[str, int], int]:
        """The rightmost that is not trusted, and its place in the chain; -1: that is not certain.

        No quotes are read, which could hide what a proxy appended. Where a trusted proxy names no
        address, the viewer is that proxy; where all are trusted, the leftmost.
        """
        client, place = sender, len(chain)
        for member in reversed(chain[-ADDRESSES_MAX:]):
            address = forwarded_address(member)
            if address is None:
                return client, -1  # nothing before it can be told from a viewer's invention
            client, place = address, place - 1
            if not self.trusts(client[0]):
                break
        return client, place


def _scheme(request: Request, place: int, proxies: int) -> bytes:
    """How the viewer came to the first trusted proxy, by X-Forwarded-Proto; else as this request.

    Proxies that append say one for each of the chain. Where it is not certain, it was http.
    """
    values = field_values(request.fields, PROTO)
    if not values:
        return request.scheme
    schemes = [part.strip(b" \t").lower() for value in values for part in value.split(b",")]
    if len(schemes) == proxies and 0 <= place < proxies:
        schemes = [schemes[place]]
    return HTTPS if all(scheme == HTTPS for scheme in schemes) else b"http"


def _told(fields: Fields, told: dict[bytes, bytes]) -> Fields:
    """The fields with these in place of the first of each name; an empty one is left out."""
    kept: list[tuple[bytes, bytes]] = []
    for name, value in fields:
        if name not in _OURS:
            kept.append((name, value))
        elif known := told.pop(name, b""):
            kept.append((name, known))
    return tuple(kept)
