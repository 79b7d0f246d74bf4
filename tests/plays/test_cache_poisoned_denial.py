"""A viewer whose odd fields make an origin fail does so for itself (cache-poisoned denial)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgecache.config.model import HeaderSelection, OriginRequestPolicy
from edgecache.upstream.faults import Fault
from tests.world.play import Play

Stage = Callable[..., Play]
ODD: list[dict[str, str]] = [
    {"x_forwarded_for": "127.0.0.1"},
    {"x_forwarded_for": "${jndi}"},
    {"cdn_loop": "a; b=1"},
]
BY_POLICY = {"x_odd": "%"}


def site(stage: Stage, **more: Any) -> Play:
    listed = HeaderSelection(behavior="whitelist", items=("X-Odd",))
    return stage(request_policy=OriginRequestPolicy(headers=listed), **more)


@pytest.mark.parametrize("regional", [False, True])
@pytest.mark.parametrize("odd", [ODD[0], ODD[2], BY_POLICY])
@pytest.mark.parametrize("fault", [Fault.RESPONSE_TIMEOUT, Fault.CLOSED, Fault.MALFORMED, None])
def test_no_failure_of_theirs_is_remembered(
    stage: Stage, fault: Fault | None, odd: dict[str, str], regional: bool
) -> None:
    play = site(stage, regional=regional)
    play.viewer("mallory").asks("/a", **odd)
    play.origin.hears("/a")
    if fault is None:
        play.origin.answers(500, "broken by what you say")
    else:
        play.origin.fails(fault)
    got = play.viewer("mallory").got()
    assert got is not None
    assert got.head.status >= 500
    play.viewer("bob").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "fine")
    play.viewer("bob").gets(200, "fine", x_cache="Miss")


@pytest.mark.parametrize("odd", [*ODD, BY_POLICY])
def test_nor_where_a_stale_copy_stood_in(stage: Stage, odd: dict[str, str]) -> None:
    play = site(stage)
    play.viewer().asks("/a")
    play.origin.answers(200, "old", cache="max-age=1")
    play.viewer().gets(200)
    play.advance(2)
    play.viewer().asks("/a", **odd)
    play.origin.answers(500)
    play.viewer().gets(200, "old")
    play.viewer("b").asks("/a")
    assert len(play.origin.heard) == 3
    play.origin.answers(200, "new")
    play.viewer("b").gets(200, "new")


@pytest.mark.parametrize("odd", ODD)
def test_a_404_that_its_origin_wants_kept_is(stage: Stage, odd: dict[str, str]) -> None:
    play = site(stage)
    play.viewer().asks("/a", **odd)
    play.origin.answers(404, "none", cache="max-age=60")
    play.viewer().gets(404)
    play.viewer("b").asks("/a").gets(404, "none")
    play.viewer().asks("/b", **odd)
    play.origin.answers(404, "none")
    play.viewer().gets(404)
    play.viewer("b").asks("/b")
    assert len(play.origin.heard) == 3
    play.origin.answers(200, "some")
    play.viewer("b").gets(200, "some")


@pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
def test_what_is_not_of_its_grammar_reaches_no_origin(stage: Stage, semantics: str) -> None:
    play = stage(semantics=semantics)
    play.viewer().asks("/a", x_forwarded_for="${jndi:x}", cdn_loop="<script>, ok; v=1")
    call = play.origin.hears("/a", x_forwarded_for=None)
    fields = dict(call.request.fields)
    assert fields[b"cdn-loop"] == b"ok; v=1"
    play.origin.answers(200)
    play.viewer().gets(200)
