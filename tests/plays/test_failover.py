"""An origin group: the second member answers where the first fails, and viewers see one site."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.config.model import (
    Behavior,
    Config,
    CustomErrorResponse,
    Distribution,
    Origin,
    OriginGroup,
)
from edgecache.rules.routing import compile_routes
from edgecache.upstream.faults import Fault
from tests.world.play import EVERY_METHOD, Play

Stage = Callable[..., Play]


def staged(stage: Stage, *, regional: bool = False, remember_s: float = 0) -> Play:
    """A play whose distribution asks `first`, and `second` on 404, 503 and 504."""
    play = stage(regional=regional)
    group = OriginGroup(
        id="g", members=("first", "second"), status_codes=(404, 503, 504), remember_s=remember_s
    )
    site = Distribution(
        id="EPLAY",
        aliases=("site.test",),
        origins=tuple(Origin(id=name, domain_name=f"{name}.test") for name in group.members),
        origin_groups=(group,),
        default_behavior=Behavior(origin="g", allowed_methods=EVERY_METHOD),
        custom_error_responses=(
            CustomErrorResponse(error_code=503, response_page_path="/sorry", response_code=503),
        ),
    )
    play.listener.frontend.table = compile_routes(Config(distributions=(site,)))
    return play


def asked(play: Play, target: str = "/a") -> str:
    """Which member hears of it next."""
    return play.origin.hears(target).route.origin.id


@pytest.mark.parametrize("regional", [False, True], ids=["one-tier", "two-tiers"])
def test_the_second_answers_and_its_answer_is_kept(stage: Stage, regional: bool) -> None:
    play = staged(stage, regional=regional)
    play.viewer().asks("/a")
    assert asked(play) == "first"
    play.origin.answers(503, "down")
    assert asked(play) == "second"
    play.viewer().gets_nothing()
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer().gets(200, "two", x_cache="Miss")
    play.viewer("b").asks("/a").gets(200, "two", x_cache="Hit")
    play.origin.hears_nothing()
    assert play.counters.failovers == 1


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.NAME, Fault.RESPONSE_TIMEOUT])
def test_a_first_that_cannot_be_had_is_passed_over(stage: Stage, fault: Fault) -> None:
    play = staged(stage)
    play.viewer().asks("/a")
    assert asked(play) == "first"
    play.origin.fails(fault)
    assert asked(play) == "second"
    play.origin.answers(200, "two")
    play.viewer().gets(200, "two")


def test_the_first_is_asked_on_every_miss(stage: Stage) -> None:
    play = staged(stage)
    for target in ("/a", "/b"):
        play.viewer().asks(target)
        assert asked(play, target) == "first"
        play.origin.answers(404)
        assert asked(play, target) == "second"
        play.origin.answers(200, "two")
        play.viewer().gets(200, "two")


def test_with_memory_the_second_is_asked_first_for_a_while(stage: Stage) -> None:
    play = staged(stage, remember_s=10)
    play.viewer().asks("/a")
    play.origin.fails()
    play.origin.answers(200, "two")
    play.viewer().gets(200, "two")
    assert [call.route.origin.id for call in play.origin.heard] == ["first", "second"]
    play.viewer().asks("/b")
    play.origin.answers(200, "two")
    play.viewer().gets(200)
    assert play.origin.heard[-1].route.origin.id == "second"
    play.advance(10)
    play.viewer().asks("/c")
    play.origin.answers(200, "one")
    play.viewer().gets(200, "one")
    assert play.origin.heard[-1].route.origin.id == "first"


def test_everyone_who_waits_gets_what_the_second_says(stage: Stage) -> None:
    play = staged(stage)
    for name in ("a", "b", "c"):
        play.viewer(name).asks("/a")
    assert asked(play) == "first"
    play.origin.fails()
    assert asked(play) == "second"
    play.origin.hears_nothing()
    play.origin.answers(200, "two", cache="max-age=60")
    for name in ("a", "b", "c"):
        play.viewer(name).gets(200, "two")


def test_a_stale_entry_is_validated_at_the_first_then_at_the_second(stage: Stage) -> None:
    play = staged(stage)
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=10", etag='"v1"')
    asked(play)
    play.viewer().gets(200)
    play.advance(11)
    play.viewer().asks("/a")
    assert play.origin.hears("/a", if_none_match='"v1"').route.origin.id == "first"
    play.origin.answers(503)
    assert play.origin.hears("/a", if_none_match='"v1"').route.origin.id == "second"
    play.origin.answers(304, cache="max-age=10", etag='"v1"')
    play.viewer().gets(200, "one", x_cache="RefreshHit")


def test_the_custom_page_comes_after_both_failed(stage: Stage) -> None:
    play = staged(stage)
    play.viewer().asks("/a")
    assert asked(play) == "first"
    play.origin.answers(503, "first is down")
    assert asked(play) == "second"
    play.origin.answers(503, "second is down")
    assert asked(play, "/sorry") == "first"
    play.origin.answers(200, "sorry")
    play.viewer().gets(503, "sorry", x_cache="Error")


def test_a_post_is_for_the_first_alone(stage: Stage) -> None:
    play = staged(stage)
    play.viewer().asks("/a", "POST", "body")
    assert asked(play) == "first"
    play.origin.answers(404, "no")
    play.viewer().gets(404, "no")
    play.origin.hears_nothing()
