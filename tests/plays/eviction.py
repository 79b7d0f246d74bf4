"""What a reserve has because memory and disk have it no more."""

from __future__ import annotations

from tests.world.play import Play


def fill(play: Play, target: str = "/a", body: str = "one", **fields: str) -> None:
    cache = fields.pop("cache", "max-age=60")
    play.viewer().asks(target)
    play.origin.hears(target)
    play.origin.answers(200, body, cache=cache, **fields)
    play.viewer().gets(200, body)
    play.loop.settle()


def evict(play: Play) -> None:
    """Memory and disk have it no more, as after a restart with an empty disk."""
    play.restart()
    play.operator.applies()
