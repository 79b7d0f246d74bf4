"""Challenges of ACME: answered before all else, or they go their ordinary way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from edgecache.cache.frontend import FrontendEnvironment
from tests.world.play import Play

Stage = Callable[..., Play]
PATH = "/.well-known/acme-challenge/"
ANSWER = "token.thumbprint"


class Answers:
    """What control knows; a look at it takes as long as the play wants."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.at_control = {"token": ANSWER}
        self.here: dict[str, str] = {}
        self.waiting: list[asyncio.Future[None]] = []

    def known(self, token: str) -> str:
        return self.here.get(token, "")

    async def wait(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        await future

    def come(self, play: Play) -> None:
        """Control's answer comes to all who wait."""
        assert self.waiting
        self.here = dict(self.at_control)
        waiting, self.waiting = self.waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)
        play.loop.settle()


def staged(stage: Stage, answers: Answers, **more: object) -> Play:
    return stage(world=FrontendEnvironment(challenges=answers), **more)


def test_one_that_is_not_known_yet_waits_and_is_answered(stage: Stage) -> None:
    answers = Answers()
    play = staged(stage, answers, behavior={"viewer_protocol_policy": "redirect-to-https"})
    viewer = play.viewer().asks(f"{PATH}token")
    assert len(answers.waiting) == 1
    answers.come(play)
    got = viewer.gets(200)
    assert got.body == ANSWER.encode()
    assert got.field("content-type") == "application/octet-stream"
    assert got.field("cache-control") == "no-store"
    assert got.field("connection") is None
    assert play.viewer().asks(f"{PATH}token").gets(200).body == ANSWER.encode()  # at once
    head = play.viewer().asks(f"{PATH}token", "HEAD").gets(200)
    assert (head.body, head.field("content-length")) == (b"", str(len(ANSWER)))
    play.origin.hears_nothing()


def test_one_that_is_nobodys_goes_its_ordinary_way(stage: Stage) -> None:
    answers = Answers()
    play = staged(stage, answers)
    viewer = play.viewer().asks(f"{PATH}other")
    play.origin.hears_nothing()
    answers.come(play)
    play.origin.hears(f"{PATH}other")
    play.origin.answers(200, "the site's own", cache="max-age=60")
    assert viewer.gets(200).body == b"the site's own"
    viewer = play.viewer("b").asks(f"{PATH}other")
    answers.come(play)
    assert viewer.gets(200, x_cache="Hit").body == b"the site's own"
    redirected = staged(stage, answers, behavior={"viewer_protocol_policy": "https-only"})
    viewer = redirected.viewer().asks(f"{PATH}other")
    answers.come(redirected)
    viewer.gets(403)


@pytest.mark.parametrize(
    ("target", "method", "body"),
    [
        (f"{PATH}a/b", "GET", ""),
        (PATH, "GET", ""),
        (f"{PATH}a%2e", "GET", ""),
        (f"{PATH}{'a' * 129}", "GET", ""),
        (f"{PATH}token", "OPTIONS", ""),
        (f"/x{PATH}token", "GET", ""),
    ],
)
def test_what_is_no_challenge_waits_for_nobody(
    stage: Stage, target: str, method: str, body: str
) -> None:
    answers = Answers()
    play = staged(stage, answers)
    play.viewer().asks(target, method, body)
    assert not answers.waiting
    play.origin.hears(target)
    play.origin.answers(404, "")


def test_where_none_are_answered_nothing_is_looked_for(stage: Stage) -> None:
    play = staged(stage, Answers(answers=False))
    play.viewer().asks(f"{PATH}token")
    play.origin.hears(f"{PATH}token")
    play.origin.answers(404, "")


def test_a_host_that_is_none_of_ours_is_refused_as_ever(stage: Stage) -> None:
    answers = Answers()
    answers.here = dict(answers.at_control)
    play = staged(stage, answers)
    play.viewer().asks(f"{PATH}token", host="stranger.test").gets(403)
    assert not answers.waiting


def test_who_leaves_while_waiting_leaves_nothing(stage: Stage) -> None:
    answers = Answers()
    play = staged(stage, answers)
    play.viewer().asks(f"{PATH}token")
    play.viewer().leaves()
    answers.come(play)
    play.origin.hears_nothing()
