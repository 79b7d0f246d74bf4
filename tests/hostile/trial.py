"""Rows that are small plays of their own, with the memo and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edgecache.config.model import Limits
from tests.hostile.recorder import Responder, echo
from tests.hostile.stage import HostilePlay, scene_of
from tests.hostile.story import asks
from tests.server.test_tls_connection import secure, session

MANY = 200  # connections or requests, where the row says thousands


@dataclass(frozen=True, slots=True)
class Trial:
    """A row that is a small play of its own."""

    id: str
    what: str
    play: Callable[[bool], str]  # with the memo or without; the answer in a word
    wrong: str = ""


_encrypted = False


@contextmanager
def over_tls() -> Iterator[None]:
    """What is staged meanwhile has viewers who come over TLS."""
    global _encrypted
    _encrypted = True
    try:
        yield
    finally:
        _encrypted = False


def stage_of(memo: bool, origin: Responder = echo, limits: Limits | None = None) -> HostilePlay:
    play = HostilePlay(scene_of(memo, limits=limits or Limits()), origin)
    if _encrypted:
        secure(play, session(b"site.test"))
    return play


def answered(play: HostilePlay, name: str, target: bytes = b"/probe") -> None:
    client = play.client(name)
    client.sends([asks(target)])
    (answered,) = client.answers([b"GET"])
    assert answered.status == 200
    assert answered.body.startswith(b"GET %b\n" % target)
