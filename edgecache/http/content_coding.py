"""Accept-Encoding: which content codings a viewer takes (RFC 9110 §12.5.3).

Law: a viewer gets no content coding it did not say it takes. A member that is not well-formed does
not count; of several for one coding the first does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from edgecache.http.function_cache import cached
from edgecache.http.message import TOKEN, list_members

_REMEMBERED_BYTES_MAX = 128  # browsers send 23
_CODING = re.compile(
    rb"(" + TOKEN.pattern + rb")"
    rb"(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)
# What servers code in: RFC 9110 §8.4.1, RFC 7932, RFC 8878, RFC 9842. None chooses deflate where it
# may choose gzip: clients differ in what they take it for (RFC 9110 §8.4.1.2).
SERVED = (b"br", b"dcb", b"dcz", b"deflate", b"gzip", b"zstd")
_ALIASES = {b"x-gzip": b"gzip", b"x-compress": b"compress"}  # RFC 9110 §8.4.1


def accepts(value: bytes | None, coding: bytes) -> bool:
    """Whether an Accept-Encoding admits `coding`, or `identity` for none (RFC 9110 §12.5.3).

    `value` is the combined field, None when it is absent: then any coding will do.
    """
    return value is None or _weight(accepted(value), coding) > 0


def preference(value: bytes | None, codings: Sequence[bytes]) -> bytes | None:
    """The coding the viewer likes best, the first of equals; None when it takes none of them.

    A viewer that says nothing gets `identity` if that is offered: it may understand nothing else.
    """
    if value is None:
        return b"identity" if b"identity" in codings else next(iter(codings), None)
    weights = accepted(value)
    best = max(codings, key=lambda coding: _weight(weights, coding), default=None)
    return best if best is not None and _weight(weights, best) > 0 else None


def accepted(value: bytes) -> Mapping[bytes, int]:
    """Each coding an Accept-Encoding names, lower case, and its weight in thousandths."""
    return _cached_parse(value) if len(value) <= _REMEMBERED_BYTES_MAX else _parse(value)


def one_spelling(value: bytes) -> bytes:
    """An Accept-Encoding that admits the same of SERVED, written in one way for all that do.

    Weights are left out: any coding that is admitted may be sent (RFC 9110 §12.5.3).
    """
    weights = accepted(value)
    members = [coding for coding in SERVED if _weight(weights, coding) > 0]
    if b"gzip" in members and b"deflate" in members:
        members.remove(b"deflate")
    if _weight(weights, b"identity") == 0:
        members.append(b"identity;q=0")
    return b", ".join(members) or b"identity"


def _parse(value: bytes) -> dict[bytes, int]:
    weights: dict[bytes, int] = {}
    for member in list_members(value):
        found = _CODING.fullmatch(member)
        if found is not None:
            weights.setdefault(_canonical(found[1]), _thousandths(found[2]))
    return weights


_cached_parse = cached(512, 4_608)(_parse)


def _canonical(coding: bytes) -> bytes:
    folded = coding.lower()
    return _ALIASES.get(folded, folded)


def _thousandths(qvalue: bytes | None) -> int:
    if qvalue is None:
        return 1000  # RFC 9110 §12.4.2: the default weight is 1
    whole, _, fraction = qvalue.partition(b".")
    return int(whole) * 1000 + int(fraction.ljust(3, b"0"))


def _weight(weights: Mapping[bytes, int], coding: bytes) -> float:
    name = _canonical(coding)
    if name in weights:
        return weights[name]
    if b"*" in weights:
        return weights[b"*"]
    # Not named, identity is acceptable, but less so than anything asked for.
    return 0.5 if name == b"identity" else 0
