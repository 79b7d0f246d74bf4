"""Two versions of an object: one that was stored, and the one its origin has now."""

from __future__ import annotations

from tests.world.play import Play


def has_stored(play: Play, target: str = "/a", body: str = "one", **answer: str) -> None:
    """The object is in every tier."""
    play.viewer().asks(target)
    play.origin.hears(target)
    play.origin.answers(200, body, **{"cache": "max-age=60", **answer})
    play.viewer().gets(200, body)


def is_asked_anew(play: Play, target: str = "/a", body: str = "two", name: str = "z") -> None:
    """A new viewer gets the new version from the origin, whose body it is."""
    play.viewer(name).asks(target)
    play.origin.hears(target)
    play.origin.answers(200, body, cache="max-age=60")
    play.viewer(name).gets(200, body)
