"""A large object of a few small blocks, and the origin's part in fetching it."""

from __future__ import annotations

from tests.world.play import Play

SIZE = 10
BODY = "".join(chr(ord("a") + number % 26) for number in range(45))  # five blocks
CACHE = "max-age=60"


def block(number: int) -> str:
    return f"bytes={number * SIZE}-{number * SIZE + SIZE - 1}"


def gives(play: Play, *numbers: int, tag: str = '"1"', body: str = BODY) -> None:
    """The origin hears and answers requests for these blocks, in this order."""
    for number in numbers:
        play.origin.hears("/v", range=block(number))
        first, last = number * SIZE, min(number * SIZE + SIZE, len(body)) - 1
        place = f"bytes {first}-{last}/{len(body)}"
        data = body[first : last + 1]
        play.origin.answers(206, data, cache=CACHE, etag=tag, content_range=place)


def answers_everything(play: Play, body: str, tag: str) -> None:
    """The origin answers whatever comes with this version: a part unless If-Range names another."""
    for _ in range(20):
        play.loop.look()
        if not play.origin.waits:
            return
        fields = dict(play.origin.hears("/v").request.fields)
        wanted, known = fields.get(b"range"), fields.get(b"if-range", tag.encode())
        if wanted is None or known != tag.encode():
            play.origin.answers(200, body, cache=CACHE, etag=tag, accept_ranges="bytes")
        else:
            first = int(wanted.removeprefix(b"bytes=").partition(b"-")[0])
            place = f"bytes {first}-{min(first + SIZE, len(body)) - 1}/{len(body)}"
            data = body[first : first + SIZE]
            play.origin.answers(206, data, cache=CACHE, etag=tag, content_range=place)
    raise AssertionError("it is asked on and on")


def starts(play: Play, name: str = "a", **fields: str) -> None:
    """A viewer asks for all of it, and the origin begins to send all of it."""
    play.viewer(name).asks("/v")
    play.origin.hears("/v", range=None)
    play.origin.answers(
        200, None, cache=CACHE, content_length=str(len(BODY)), accept_ranges="bytes",
        **{"etag": '"1"', **fields},
    )  # fmt: skip
