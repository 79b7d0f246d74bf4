"""Outages: episodes in which processes stop, are killed or replaced while others are told."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from tests.adversary.actions import (
    Any,
    Ask,
    Disturb,
    Episode,
    Invalidate,
    Page,
    Place,
    SiteName,
    Wait,
)

PLACES: tuple[Place, ...] = ("lhr", "nrt", "tls")


def all_invalidated(site: SiteName) -> Invalidate:
    return Invalidate(site=site, paths=("/{e}/*",))


def stopped(random: Random, site: SiteName) -> Episode:
    """A process that stands still while others are told; who waits there gets nothing old."""
    ask = Ask(site=site, at="nrt", named=False, times=3)
    late = Ask(site=site, at="nrt", named=False, later=True)
    stop, go = Disturb(what="stop nrt"), Disturb(what="continue")
    return (Page(), ask, stop, all_invalidated(site), late, late, go, Wait())


def behind(random: Random, site: SiteName) -> Episode:
    """The regional cache hears of an invalidation later than a location that asks it.

    The origin honors no condition: what it confirms after the invalidation would not be old.
    """
    names = [f"/{{e}}/{number}" for number in range(random.choice((1, 4, 12)))]
    kept = [Ask(path=path, site=site, at="nrt", named=False) for path in names]
    asked = [replace(ask, at="lhr", later=True) for ask in kept]
    after = [replace(ask, at="lhr") for ask in kept]
    steps: list[Any] = [
        *[Page(path=path, honors=False) for path in names],
        *kept,
        Disturb(what="stop regional"),
    ]
    steps += [replace(all_invalidated(site), later=True), Wait(seconds=random.choice((0.05, 0.2)))]
    steps += [*asked, Wait(seconds=0.05), Disturb(what="continue"), Wait(), *after]
    return tuple(steps)


def processes(random: Random) -> Episode:
    """Processes are killed, emptied, reloaded and upgraded between asking and invalidating."""
    site: SiteName = random.choice(("cf", "rfc"))
    what = random.choice(
        ("kill lhr", "kill nrt", "kill regional", "kill control", "empty regional", "reload",
         "upgrade")
    )  # fmt: skip
    ask = Ask(site=site, at=random.choice(PLACES), named=False, times=2)
    steps: list[Any] = [Page(), ask, Disturb(what=what), ask, all_invalidated(site), ask]
    if random.random() < 0.5:
        steps[2:3] = [all_invalidated(site), Disturb(what=what)]
    return tuple(steps)
