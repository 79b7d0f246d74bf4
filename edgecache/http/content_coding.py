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
