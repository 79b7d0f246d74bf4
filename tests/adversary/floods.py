"""Floods: episodes of one attack each, which bounds of memory and of connections are to stand."""

from __future__ import annotations

from random import Random

from tests.adversary.actions import Attack, Place, SiteName

MANY = 16  # addresses: what one may have is bounded for itself


def memory(random: Random) -> tuple[Attack]:
    """Floods of what takes memory, at processes that may have little."""
    what, count, size, seconds, addresses = random.choice(
        (
            ("slow readers", 60, 3_500_000, 2.0, 1),
            ("slow readers", 60, 24_000_000, 2.0, MANY),
            ("aborted downloads", 120, 3_500_000, 1.0, 1),
            *[("unread uploads", 60, 30_000_000, 3.0, MANY)] * 2,
            ("long heads", 3_000, 30_000, 1.5, 1),
            *[("heads ahead", 2_000, 250_000, 2.0, MANY)] * 2,
            ("many pages", 400, 400_000, 1.0, 1),
            ("many heads", 1_200, 6_000, 1.0, 1),
            ("bad heads", 1_500, 30_000, 1.0, 1),
        )
    )
    site: SiteName = random.choice(("cf", "rfc"))
    at: Place = random.choice(("lhr", "nrt"))
    return (
        Attack(what=what, site=site, at=at, count=count, size=size, seconds=seconds,
               addresses=addresses),
    )  # fmt: skip


def circuit(random: Random) -> tuple[Attack]:
    """Pages that fail, uploads that trickle, viewers that leave: others ask the same origin."""
    what, count, size, seconds, addresses = random.choice(
        (
            *[("failing pages", 600, 2_000_000, 1.0, 1)] * 2,
            *[("trickled uploads", 80, 2_000_000, 8.0, MANY)] * 2,
            ("impatient viewers", 200, 2_000_000, 1.0, 1),
            ("unread answers", 60, 2_000_000, 6.0, 1),
            *[("unread answers", 60, 40_000_000, 8.0, MANY)] * 2,
            *[("left bodies", 8, 3_500_000, 1.0, 1)] * 2,
            ("pipelined hits", 1, 2_000_000, 1.0, 1),
            ("heads byte by byte", 1, 2_000_000, 1.0, 1),
            ("tiny upload", 1, 2_000_000, 1.0, 1),
        )
    )
    # An origin of the installation has 32 connections; that of `serve` has more than are asked for.
    sites: tuple[SiteName, ...] = ("cf", "rfc") if addresses > 1 else ("cf", "rfc", "serve")
    site = random.choice(sites)
    return (
        Attack(what=what, site=site, count=count, size=size, seconds=seconds, addresses=addresses),
    )
