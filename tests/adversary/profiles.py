"""Profiles: what episodes are made of, by a seed; each turns on one subject."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from tests.adversary.actions import (
    Any,
    Ask,
    Attack,
    Episode,
    Fault,
    Invalidate,
    Page,
    Place,
    Release,
    Signed,
    SiteName,
    Wait,
    is_loud,
)
from tests.adversary.floods import circuit, memory
from tests.adversary.outages import PLACES, all_invalidated, behind, processes, stopped

STEPS = (4, 12)
QUICK_FLOODS = 0.02  # of its episodes: a flood is played alone, and for seconds
QUICK_COUNT, QUICK_S = 100, 2.0
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
    path = "/{e}/a" if site != "cf" or random.random() < 0.6 else "/cookie/{e}/a"
    if site != "cf" and random.random() < 0.3:
        return random.choice((_written, _languages, _ranged, _mistaken))(random, site)
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


def _written(random: Random, site: SiteName) -> Episode:
    """A write while a slow answer of before is on its way."""
    at: Place = random.choice(("lhr", "nrt"))
    method = random.choice(("POST", "PUT", "DELETE"))
    return (
        Page(head_s=0.4, cache=random.choice(("max-age=600", "public, max-age=600"))),
        Ask(site=site, at=at, later=True),
        Page(),
        Ask(site=site, at=at, method=method, body="x"),
        Ask(site=site, at=at, later=random.random() < 0.5),
        Wait(),
        Ask(site=site, at=at),
    )


def _languages(random: Random, site: SiteName) -> Episode:
    """Variants that are validated together: a 304 says which of them holds."""
    cache = random.choice(("no-cache", "max-age=0", "max-age=600"))
    vary, cookie = random.choice(("x-lang", "x-lang, cookie")), random.random() < 0.5
    steps: list[Any] = [Page(vary=vary, cache=cache, cookie=cookie)]
    for _ in range(random.randint(4, 9)):
        lang, at = random.choice("abc"), random.choice(PLACES)
        who, named = random.choice(("alice", "bob")), random.choice(CREDENTIALS)
        fields = (("X-Lang", lang),)
        steps.append(Ask(site=site, at=at, fields=fields, who=who, credentials=named))
        if random.random() < 0.2:
            steps.append(Page(vary="x-lang", cache=cache, honors=random.random() < 0.5))
    return tuple(steps)


def _ranged(random: Random, site: SiteName) -> Episode:
    """An error to a Range is for who asks for that Range."""
    at: Place = random.choice(PLACES)
    part = Ask(site=site, at=at, fields=(("Range", random.choice(("bytes=99-", "bytes=2-4"))),))
    page = Page(for_ranges=random.choice((416, 404, 403)), tagged=random.random() < 0.5)
    return (page, part, Ask(site=site, at=at), part, Ask(site=site, at=at))


def _mistaken(random: Random, site: SiteName) -> Episode:
    """A 304 that names another answer than was asked about renews none."""
    ask = Ask(site=site, at=random.choice(PLACES), named=random.random() < 0.5)
    cache = random.choice(("max-age=0", "max-age=1"))
    return (Page(cache=cache), ask, Wait(seconds=1.2), Page(cache=cache, mistaken=True), ask, ask)


def marks(random: Random) -> Episode:
    """Invalidations while things are asked for, stored, on their way and stale."""
    site: SiteName = random.choice(("cf", "cf", "rfc"))
    draw = random.random()
    if draw < 0.02:
        return _released(site)
    if draw < 0.07:
        return random.choice((stopped, behind))(random, site)
    if draw < 0.6:
        return random.choice((_repeated, _on_its_way, _stale, _waited, _failed))(random, site)
    path = "/{e}/a"
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
    return tuple(steps)


def _repeated(random: Random, site: SiteName) -> Episode:
    """The same bytes before and after."""
    at: Place = random.choice(PLACES)
    ask = Ask(site=site, at=at, named=False, times=3)
    return (Page(), ask, all_invalidated(site), ask, all_invalidated(site), ask)


def _on_its_way(random: Random, site: SiteName) -> Episode:
    """Asked for before, answered after."""
    at: Place = random.choice(PLACES)
    slow = Page(head_s=random.choice((0.0, 0.4)), body_s=random.choice((0.3, 0.6)), pieces=2)
    first = Ask(site=site, at=at, later=True, named=False)
    again = Ask(site=site, at=random.choice((at, *PLACES)), later=True, named=False)
    after = Ask(site=site, at=random.choice((at, *PLACES)), named=False)
    return (slow, first, all_invalidated(site), Page(), again, Wait(), after)


def _stale(random: Random, site: SiteName) -> Episode:
    """What is stale by then is neither validated nor given when the origin fails."""
    at: Place = random.choice(PLACES)
    caches = ("max-age=0, stale-if-error=600", "max-age=1, stale-while-revalidate=600", "no-cache",
              "max-age=1", "max-age=0")  # fmt: skip
    ask = Ask(site=site, at=at, named=False, later=random.random() < 0.3)
    cache = random.choice(caches)
    later = Page(cache=cache) if random.random() < 0.5 else Page(status=503, cache="no-store")
    if random.random() < 0.3:
        later = Page(fault="silent")
    steps: tuple[Any, ...] = (
        Page(cache=cache),
        ask,
        Wait(seconds=1.2),
        all_invalidated(site),
        later,
        ask,
    )
    return (*steps, Wait(), ask)


def _waited(random: Random, site: SiteName) -> Episode:
    """Who waits for another's answer, which is for that one, asks after what it knew has fallen."""
    ask = Ask(site=site, at=random.choice(PLACES), named=False)
    own = Page(head_s=0.5, cache=random.choice(("no-store", "private")), honors=False)
    late = replace(ask, later=True)
    stale = (Page(cache="max-age=1, stale-if-error=600"), ask, Wait(seconds=1.2))
    return (*stale, own, late, late, late, all_invalidated(site), Page(), Wait(), ask)


def _failed(random: Random, site: SiteName) -> Episode:
    """A failure of before is not remembered."""
    at: Place = random.choice(PLACES)
    ask = Ask(site="cf", at=at, named=False)
    return (
        Page(fault=random.choice(("silent", "rubbish"))),
        ask,
        all_invalidated("cf"),
        Page(),
        ask,
    )


def _released(site: SiteName) -> Episode:
    """A release makes all before it another object."""
    ask = Ask(site=site, named=False, times=2)
    there = Ask(site=site, at="nrt", named=False)
    return (Page(), ask, there, Release(site=site), ask, there)


def _invalidate(random: Random, site: SiteName, path: str) -> Invalidate:
    soft, later = random.random() < 0.15, random.random() < 0.15
    paths = random.choice(((path,), ("/{e}/*",)))
    return Invalidate(site=site, paths=paths, soft=soft, later=later)


POISON = (
    "Forwarded", "X-Host", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Scheme",
    "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Accel-Redirect",
    "X-Middleware-Subrequest", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "Keep-Alive",
    "Edgecache-Credential", "X-Edgecache-X", "X-Amz-Cf-Id", "X-Forwarded-For", "Proxy-Connection",
    "X-Forwarded-Proto", "X-Invoke-Path", "X-Method-Override", "Edgecache-Token",
)  # fmt: skip
DISGUISES = (
    "/private/{e}/a", "/private/./{e}/a", "/public/../private/{e}/a", "//private/{e}/a",
    "/public/%2e%2e/private/{e}/a", "/%70rivate/{e}/a", "/private;x=y/{e}/a", "/private%2f{e}/a",
    "/private%252f{e}/a", "/%2570rivate/{e}/a", "/public\\..\\private/{e}/a", "/private%5c{e}/a",
    "/public/..;/private/{e}/a", "/public/%252e%252e/private/{e}/a", "/private/{e}//a",
    "/.//private/{e}/a", "/x/..%2fprivate/{e}/a", "/private/{e}/a;y", "/Private/../private/{e}/a",
    "/private/{e}/a?x=1", "/private/{e}/%61", "/%2e/private/{e}/a", "/private%c0%af{e}/a",
)  # fmt: skip
SIGNED: tuple[Signed, ...] = (
    "url", "cookies", "native", "short", "expired", "stranger", "tampered", "another", "address",
    "early", "prefix", "host", "native expired", "native another", "native stranger", "",
)  # fmt: skip
UNSIGNED: tuple[Signed, ...] = ("", "", "another", "prefix")


def paths(random: Random) -> Episode:
    """Odd paths to what is private, and fields that must reach no origin."""
    site: SiteName = random.choice(("cf", "rfc"))
    at: Place = random.choice(("lhr", "nrt", "tls"))
    steps: list[Any] = [Page(path="/private/{e}/a"), Page(path="/{e}/a", vary="")]
    steps.append(Ask(path="/private/{e}/a", site=site, at=at, signed=random.choice(("url", ""))))
    for path in random.sample(DISGUISES, 6):
        signed: Signed = random.choice(UNSIGNED)
        steps.append(Ask(path=path, site=site, at=at, signed=signed, named=False))
    site = random.choice(("cf", "rfc", "serve"))
    for name in random.sample(POISON, 5):
        fields: tuple[tuple[str, str], ...] = ((name, "{evil}"),)
        path = f"/{{e}}/a?{name}"
        method = random.choice(("GET", "GET", "HEAD"))
        steps += [Page(path="/{e}/a", cache=random.choice(("max-age=600", "no-store")))]
        steps += [Ask(path=path, site=site, at=at, fields=fields, method=method)]
    hop = (("Connection", "close, X-Of-One-Hop"), ("X-Of-One-Hop", "{evil}"))
    steps.append(Ask(path="/{e}/a?hop", site=site, at=at, fields=hop))
    return tuple(steps)


def credentials(random: Random) -> Episode:
    """Signatures of every kind, before and after what they open is stored."""
    if random.random() < 0.02:
        return (Attack(what="control asked by strangers"),)
    site: SiteName = random.choice(("cf", "rfc"))
    at: Place = random.choice(("lhr", "nrt", "tls"))
    path = random.choice(("/private/{e}/a", "/private/{e}/a?x=1"))
    steps: list[Any] = [Page(path="/private/{e}/a", cache=random.choice(CACHE[:5]))]
    if random.random() < 0.8:
        steps.append(Ask(path=path, site=site, at=at, signed="url", named=False, times=2))
    if random.random() < 0.3:
        steps.append(
            Ask(path=path, site=site, at=at, signed="short", named=False, times=5, every_s=0.7)
        )
    for signed in random.sample(SIGNED, 5):
        method = random.choice(("GET", "GET", "HEAD"))
        times, fields = random.choice((1, 2)), random.choice(WISHES)
        steps.append(
            Ask(path=path, site=site, at=at, signed=signed, named=False, method=method,
                fields=fields, times=times)
        )  # fmt: skip
    return tuple(steps)


def quick(random: Random) -> Episode:
    """A first look: something of every subject, each of it short."""
    if random.random() < QUICK_FLOODS:
        (flood,) = random.choice((memory, circuit))(random)
        few = max(1, flood.count // 4) if flood.count > QUICK_COUNT else flood.count
        return (replace(flood, count=few, seconds=min(flood.seconds, QUICK_S)),)
    make = random.choice((sharing, marks, paths, credentials))
    while is_loud(episode := make(random)):
        pass
    return episode


SUBJECTS: dict[str, Callable[[Random], Episode]] = {
    "sharing": sharing,
    "marks": marks,
    "paths": paths,
    "credentials": credentials,
    "memory": memory,
    "circuit": circuit,
    "processes": processes,
}
PROFILES = {**SUBJECTS, "quick": quick}
