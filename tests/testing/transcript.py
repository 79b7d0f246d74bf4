"""Transcripts of users' tests: every answer and all that origins heard, as lines to compare.

What differs between any two runs is left out: ids, dates, signatures. Ages and lifetimes are
compared as numbers, since real processes take their time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from edgecache.testing.installation import Edgecache
from edgecache.testing.site import SiteAnswer
from tests.testing import caching_cases, viewer_cases

Case = Callable[[Edgecache], None]
APART_S_MAX = 20  # of ages and lifetimes: a busy machine, never a rule
_OF_THE_MOMENT = frozenset(
    {"date", "x-amz-cf-id", "age", "cache-status", "content-length", "transfer-encoding"}
)  # whether a length is known as the head is sent depends on how much had come by then
_OF_THE_WAY = frozenset({"x-amz-cf-id"})
_NAME = re.compile(r"d[0-9a-z]{13}\.cloudfront\.net")
_SIGNED = re.compile(r"(Signature|Expires|Key-Pair-Id|Policy)=[^&;\s]+")


class Line(NamedTuple):
    """What is the same word by word, and numbers that may be a little apart."""

    text: str
    numbers: tuple[int, ...] = ()


def cases() -> list[Case]:
    """All functions of the two files, in their order."""
    found = [
        one
        for module in (caching_cases, viewer_cases)
        for one in vars(module).values()
        if callable(one) and getattr(one, "__module__", "") == module.__name__
    ]
    return [one for one in found if not isinstance(one, type)]


def transcript(edgecache: Edgecache) -> list[Line]:
    """What a test was answered, and what its origins heard."""
    answered = [list(_of_answer(answer)) for answer in edgecache.answers]
    lines = [line for one in _in_order(edgecache.answers, answered) for line in one]
    for origin in edgecache.origins:
        heard = [
            f"{origin.name} {one.method} {one.target} {_headers(one.headers.items(), _OF_THE_WAY)}"
            f" {one.body!r}"
            for one in origin.requests
        ]
        lines += map(Line, map(_plain, heard))
    return lines


def _in_order(answers: Sequence[SiteAnswer], lines: Sequence[list[Line]]) -> Iterator[list[Line]]:
    """As they came; those to one request of many at a time in a fixed order: who led is chance."""
    numbers = range(len(lines))
    for _, run in groupby(numbers, key=lambda number: lines[number][0]):
        alike = list(run)
        if any("collapsed" in tier.parameters for n in alike for tier in answers[n].tiers):
            alike.sort(key=lambda number: [line.text for line in lines[number]])
        yield from (lines[number] for number in alike)


def _of_answer(answer: SiteAnswer) -> Iterator[Line]:
    asked = answer.request
    yield Line(_plain(f"{asked.method} {asked.url} {asked.headers}"))
    words = (answer.hit, answer.miss, answer.refresh, answer.stale, answer.is_whole)
    yield Line(
        f"  {answer.status} {answer.x_cache} {words}", () if answer.age is None else (answer.age,)
    )
    for tier in answer.tiers:
        own = tier.parameters.items()  # who of many led the others is chance
        rest = {name: value for name, value in own if name not in ("ttl", "collapsed")}
        if rest.get("detail") == "invalidated":  # else a sweep has freed what was stored
            rest["detail"] = "absent"
        ttl = tier.parameters.get("ttl")
        yield Line(f"  {tier.name} {rest}", () if ttl is None else (int(ttl),))
    yield Line(_plain("  " + _headers(answer.headers.pairs, _OF_THE_MOMENT)))
    body = answer.body.decode("latin-1").replace(answer.headers.get("x-amz-cf-id", "*"), "*")
    yield Line(_plain(f"  {body}"))


def _headers(pairs: object, left_out: frozenset[str]) -> str:
    return str([pair for pair in pairs if pair[0] not in left_out])  # type: ignore[attr-defined]


def _plain(text: str) -> str:
    return _SIGNED.sub(r"\1=*", _NAME.sub("SITE", text))


def differences(ours: list[Line], theirs: list[Line]) -> list[str]:
    """Where two transcripts part, both sides of it."""
    found = []
    for index in range(max(len(ours), len(theirs))):
        one, other = (lines[index] if index < len(lines) else Line("-") for lines in (ours, theirs))
        alike = one.text == other.text and len(one.numbers) == len(other.numbers)
        if not alike or any(
            abs(a - b) > APART_S_MAX for a, b in zip(one.numbers, other.numbers, strict=True)
        ):
            found += [f"in process: {one}", f"processes:  {other}"]
    return found
