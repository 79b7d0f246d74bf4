"""Profiles: what episodes are made of, by a seed; each turns on one subject."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.adversary.actions import Any, Ask, Episode, Fault, Invalidate, Page, SiteName, Wait

STEPS = (4, 12)
CACHE = (
    *["max-age=600"] * 4, "public, max-age=600", "max-age=0", "no-cache, max-age=600",
    "private, max-age=600", "no-store", "s-maxage=600", "must-revalidate, max-age=0",
    "must-revalidate, max-age=600", 'private="set-cookie", max-age=600',
    'no-cache="set-cookie", max-age=600', "max-age=1", "max-age=1, stale-while-revalidate=600",
    "max-age=0, stale-if-error=600", "",
)  # fmt: skip
VARY = (*[""] * 4, "cookie", "authorization", "cookie, authorization")
FAULTS: tuple[Fault, ...] = ("silent", "short")
CREDENTIALS: tuple[tuple[str, ...], ...] = ((), (), ("authorization",), ("cookie",))
WISHES: tuple[tuple[tuple[str, str], ...], ...] = (
    *[()] * 8, *[(("Range", "bytes=2-4"),)] * 3, (("Range", "bytes=15-"),),
    (("Cache-Control", "no-cache"),), (("Cache-Control", "max-age=600"),),
)  # fmt: skip


def _ask(random: Random, site: SiteName, path: str) -> Ask:
    return Ask(
        path=path,
        site=site,
        at=random.choice(("lhr", "lhr", "nrt", "tls")),
        method=random.choice(("GET", "GET", "GET", "GET", "HEAD")),
        who=random.choice(("alice", "bob")),
        credentials=random.choice(CREDENTIALS),
        fields=random.choice(WISHES),
        tag=random.choice(("", "", "", "if-none-match", "if-range")),
        later=random.random() < 0.4,
        named=random.random() < 0.6,
        times=random.choice((1, 1, 1, 2)),
    )


def _page(random: Random, path: str) -> Page:
    return Page(
        path=path,
        status=random.choice((*[200] * 10, 404, 503)),
        cache=random.choice(CACHE),
        vary=random.choice(VARY),
        tagged=random.random() < 0.7,
        honors=random.random() < 0.7,
        framing=random.choice(("length", "length", "chunked", "close")),
        fault=random.choice(FAULTS) if random.random() < 0.1 else "",
        head_s=random.choice((0.0, 0.0, 0.05, 0.2)),
        body_s=random.choice((0.0, 0.0, 0.05, 0.2)),
        pieces=random.choice((1, 2)),
    )


def sharing(random: Random) -> Episode:
    """Viewers with and without credentials ask the same page at once and one after the other."""
    site: SiteName = random.choice(("serve", "serve", "rfc", "cf"))
    path = "/{e}/a" if site != "cf" or random.random() < 0.7 else "/cookie/{e}/a"
    steps: list[Any] = [_page(random, path)]
    for _ in range(random.randint(*STEPS)):
        draw = random.random()
        if draw < 0.15:
            steps.append(_page(random, path))
        elif draw < 0.25:
            steps.append(Wait(seconds=random.choice((0.05, 0.3, 1.1))))
        elif draw < 0.32 and site != "cf":
            steps.append(Ask(path=path, site=site, method="POST", body="x"))
        else:
            steps.append(_ask(random, site, path))
    return tuple(steps)


def marks(random: Random) -> Episode:
    """Invalidations while things are asked for, stored, on their way and stale."""
    site: SiteName = random.choice(("cf", "cf", "rfc"))
    path = "/{e}/a"
    tags = (("Cache-Tag", "{e}"),) if random.random() < 0.3 else ()
    steps: list[Any] = [_page(random, path)]
    for _ in range(random.randint(*STEPS)):
        draw = random.random()
        if draw < 0.15:
            steps.append(_page(random, path))
        elif draw < 0.2:
            steps.append(Wait(seconds=random.choice((0.05, 0.3, 1.1))))
        elif draw < 0.45:
            steps.append(_invalidate(random, site, path))
        else:
            steps.append(_ask(random, site, path))
    del tags
    return tuple(steps)


def _invalidate(random: Random, site: SiteName, path: str) -> Invalidate:
    soft, later = random.random() < 0.15, random.random() < 0.15
    paths = random.choice(((path,), ("/{e}/*",)))
    return Invalidate(site=site, paths=paths, soft=soft, later=later)


PROFILES: dict[str, Callable[[Random], Episode]] = {"sharing": sharing, "marks": marks}
