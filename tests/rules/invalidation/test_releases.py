"""Releases: what stands in the key, and what becomes of what was stored under former ones."""

from __future__ import annotations

import pytest

from edgecache.config.model import Release
from edgecache.rules.invalidation.releases import (
    ReleaseState,
    compile_releases,
    release_of,
    release_state,
)

ALL = Release(pattern="*", current=3, kept=(0, 1, 3))
ASSETS = Release(pattern="/assets/*", current=1, kept=(0, 1))
AT_FIRST = Release(pattern="*.html", current=0, kept=(0, 2))


@pytest.mark.parametrize(
    ("releases", "path", "release"),
    [
        ((), b"/a", b""),
        ((ALL,), b"/a", b"*=3"),
        ((ASSETS,), b"/a", b""),
        ((ASSETS,), b"/assets/a", b"/assets/*=1"),
        ((ASSETS, ALL), b"/assets/a", b"*=3 /assets/*=1"),
        ((AT_FIRST, ALL), b"/a.html", b"*=3"),
        ((AT_FIRST,), b"/a.html", b""),
    ],
)
def test_what_stands_in_the_key(releases: tuple[Release, ...], path: bytes, release: bytes) -> None:
    assert release_of(path, compile_releases(releases)) == release


@pytest.mark.parametrize(
    ("release", "becomes"),
    [
        (b"*=3 /assets/*=1", ReleaseState.CURRENT),
        (b"*=3", ReleaseState.FORMER),
        (b"*=1 /assets/*=1", ReleaseState.FORMER),
        (b"", ReleaseState.FORMER),
        (b"*=2", ReleaseState.DELETED),
        (b"*=3 /assets/*=2", ReleaseState.DELETED),
        (b"*=3 /gone/*=1", ReleaseState.DELETED),
    ],
)
def test_what_becomes_of_what_is_stored(release: bytes, becomes: ReleaseState) -> None:
    assert release_state(b"/assets/a", release, compile_releases((ALL, ASSETS))) is becomes


def test_without_releases_all_is_current() -> None:
    assert release_state(b"/a", b"", ()) is ReleaseState.CURRENT
