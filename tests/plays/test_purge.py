"""PURGE: strangers are refused without a question; who has a token is told the invalidation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from edgecache.cache.frontend import FrontendEnvironment
from edgecache.cache.purge import PurgeAnswer, PurgeQuestion
from edgecache.config.model import (
    AccessList,
    AccessRule,
    Behavior,
    CachePolicy,
    CustomErrorResponse,
    HeaderSelection,
    OriginRequestPolicy,
    Purge,
    RateLimit,
    Selection,
)
from tests.world.play import Play

Stage = Callable[..., Play]
FRIENDS = AccessList(rules=(AccessRule(number=1, action="allow", sources=("192.0.2.0/24",)),))
TOKEN = {"authorization": "Bearer operator.abc.def"}


class Control:
    """What asks control, in a play: each question waits for its answer."""

    def __init__(self) -> None:
        self.asked: list[PurgeQuestion] = []
        self.answers: list[asyncio.Future[PurgeAnswer]] = []

    async def ask(self, question: PurgeQuestion) -> PurgeAnswer:
        self.asked.append(question)
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]

    def says(self, play: Play, answer: PurgeAnswer) -> None:
        self.answers.pop(0).set_result(answer)
        play.loop.settle()


def staged(stage: Stage, **more: Any) -> tuple[Play, Control]:
    control = Control()
    behavior = {"purge": Purge(access_list=FRIENDS), **more.pop("behavior", {})}
    world = FrontendEnvironment(purger=control)
    return stage(world=world, behavior=behavior, **more), control


@pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
def test_who_may_is_told_which_invalidation_it_is(stage: Stage, semantics: str) -> None:
    play, control = staged(stage, semantics=semantics)
    play.viewer().asks("/a", "PURGE", **TOKEN)
    play.viewer().gets_nothing()
    assert control.asked == [PurgeQuestion("EPLAY", "/a", "operator.abc.def")]
    control.says(play, PurgeAnswer(200, "I1", completed=True))
    got = play.viewer().gets(200)
    assert got.fields("content-type") == ["application/json"]
    assert got.field("cache-control") == "no-store"
    assert json.loads(got.body) == {
        "invalidation": "I1", "distribution": "EPLAY", "path": "/a", "status": "Completed"
    }  # fmt: skip
    play.viewer().asks("/b", "PURGE", **TOKEN)
    control.says(play, PurgeAnswer(200, "I2"))
    assert json.loads(play.viewer().gets(202).body)["status"] == "InProgress"
    play.origin.hears_nothing()


def test_strangers_are_refused_without_a_question(stage: Stage) -> None:
    play, control = staged(stage)
    for shown in ({}, {"authorization": "Basic YTpi"}, {"authorization": "Bearer"}):
        got = play.viewer().asks("/a", "PURGE", **shown).gets(401)
        assert got.field("www-authenticate") == "Bearer"
    play.viewer().asks("/a", "PURGE", authorization=f"Bearer {'x' * 600}").gets(401)
    play.address = "198.51.100.1"
    play.viewer("stranger").asks("/a", "PURGE", **TOKEN).gets(403)
    got = play.viewer("other").asks("/a", "PURGE", "body", **TOKEN).gets(403)
    assert got.field("connection") == "close"
    assert control.asked == []
    play.origin.hears_nothing()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (PurgeAnswer(400), 400), (PurgeAnswer(401), 401), (PurgeAnswer(403), 403),
        (PurgeAnswer(429), 429), (PurgeAnswer(404), 503), (PurgeAnswer(500), 503),
        (PurgeAnswer(503), 503),
    ],
)  # fmt: skip
def test_what_control_says_is_the_answer(stage: Stage, answer: PurgeAnswer, status: int) -> None:
    play, control = staged(stage)
    play.viewer().asks("/a", "PURGE", **TOKEN)
    control.says(play, answer)
    got = play.viewer().gets(status)
    assert (got.field("www-authenticate") == "Bearer") is (status == 401)
    assert bool(got.field("retry-after")) is (status in (429, 503))


@pytest.mark.parametrize(
    ("target", "keyed", "path"),
    [
        ("/a?b=c", True, "/a?b=c"),
        ("/a?b=c", False, "/a"),
        ("/a/*", False, "/a/*"),
        ("/%C3%A4", False, "/%C3%A4"),
        ("/", False, "/"),
    ],
)
def test_the_path_is_what_a_get_would_be_given(
    stage: Stage, target: str, keyed: bool, path: str
) -> None:
    policy = CachePolicy(query_strings=Selection(behavior="all" if keyed else "none"))
    play, control = staged(stage, policy=policy)
    play.viewer().asks(target, "PURGE", **TOKEN)
    assert [one.path for one in control.asked] == [path]
    control.says(play, PurgeAnswer(503))


def test_where_it_is_not_taken_it_is_a_method_as_any_other(stage: Stage) -> None:
    play = stage()
    play.viewer().asks("/a", "PURGE", **TOKEN).gets(403)
    play = stage(semantics="rfc9111")
    play.viewer().asks("/a", "PURGE", **TOKEN)
    play.origin.hears("/a")
    play.origin.answers(405)
    play.viewer().gets(405)


def test_what_keeps_others_out_keeps_it_out_and_it_is_counted(stage: Stage) -> None:
    play, control = staged(stage, behavior={"viewer_protocol_policy": "https-only"})
    play.viewer().asks("/a", "PURGE", **TOKEN).gets(403)
    limit = RateLimit(name="all", requests_per_s=0.1, burst=1)
    play, control = staged(stage, behavior={"rate_limits": (limit,)})
    play.viewer().asks("/a", "PURGE", **TOKEN)
    control.says(play, PurgeAnswer(200, "I1"))
    play.viewer().gets(202)
    play.viewer().asks("/a", "PURGE", **TOKEN).gets(429)
    assert len(control.asked) == 1


def test_without_control_there_is_nobody_to_ask(stage: Stage) -> None:
    play = stage(behavior={"purge": Purge(access_list=FRIENDS)})
    play.viewer().asks("/a", "PURGE", **TOKEN).gets(503)


@pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
def test_the_page_of_a_refusal_is_fetched_without_the_token(stage: Stage, semantics: str) -> None:
    pages = (CustomErrorResponse(error_code=403, response_page_path="/p", response_code=403),)
    every = OriginRequestPolicy(headers=HeaderSelection(behavior="allViewer"))
    page = Behavior(origin="o", path_pattern="/p", origin_request_policy=every)
    elsewhere = AccessList(
        rules=(AccessRule(number=1, action="allow", sources=("198.51.100.0/24",)),)
    )
    site = {"custom_error_responses": pages, "behaviors": (page,)}
    play, _ = staged(stage, semantics=semantics, behavior={"access_list": elsewhere}, site=site)
    play.viewer().asks("/a", "PURGE", **TOKEN)
    play.origin.hears("/p", authorization=None)
    play.origin.answers(200, "blocked")
    play.viewer().gets(403, "blocked")


def test_a_soft_one_says_so(stage: Stage) -> None:
    play, control = staged(stage, behavior={"purge": Purge(access_list=FRIENDS, soft=True)})
    play.viewer().asks("/a", "PURGE", **TOKEN)
    assert control.asked[0].soft
    control.says(play, PurgeAnswer(503))
