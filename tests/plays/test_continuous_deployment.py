"""Continuous deployment: two distributions behind one name, and what is remembered of either."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from edgecache.cache.frontend import FrontendEnvironment
from edgecache.cache.outcome import FetchErrand
from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    ContinuousDeploymentPolicy,
    Distribution,
    Origin,
    OriginRequestPolicy,
    Selection,
    SessionStickiness,
)
from edgecache.http.message import first_value
from edgecache.rules.routing import compile_routes
from tests.rules.pieces import asks
from tests.world.play import Play

Stage = Callable[..., Play]
STICKY = SessionStickiness(idle_ttl_s=300, maximum_ttl_s=900)
DRAWS = 10_000


class Chance:
    """Draws that a test says beforehand, the last for ever."""

    def __init__(self, *draws: float) -> None:
        self.draws = [*draws]

    def __call__(self) -> float:
        return self.draws.pop(0) if len(self.draws) > 1 else self.draws[0]


def site(name: str, **more: object) -> Distribution:
    everything = Selection(behavior="all")
    return Distribution(
        id=name.upper(),
        domain_name=f"{name}.cloudfront.net",
        origins=(Origin(id=name, domain_name=f"{name}.origin.test"),),
        default_behavior=Behavior(
            origin=name,
            cache_policy=CachePolicy(cookies=everything),
            origin_request_policy=OriginRequestPolicy(cookies=everything),
        ),
        **more,  # type: ignore[arg-type]
    )


def deploys(play: Play, staging: bool = True, enabled: bool = True, **traffic: Any) -> None:
    """The listener serves a primary at www.test and its staging distribution."""
    policy = ContinuousDeploymentPolicy(
        id="next",
        staging_distribution="new.cloudfront.net",
        enabled=enabled,
        **traffic,
    )
    sites = (
        site("old", aliases=("www.test",), continuous_deployment_policy="next"),
        site("new", staging=True, enabled=staging),
    )
    config = Config(distributions=sites, continuous_deployment_policies=(policy,))
    play.listener.frontend.table = compile_routes(config)


def staged(stage: Stage, *draws: float, regional: bool = True, **traffic: Any) -> Play:
    world = FrontendEnvironment(chance=Chance(*draws or (0.5,)))
    play = stage(regional=regional, world=world)
    deploys(play, **traffic)
    return play


def served(play: Play, viewer: str = "v", **fields: str) -> str:
    """Who serves `/a`: stored, or asked of its origin, once for each."""
    play.viewer(viewer).asks("/a", host="www.test", **fields)
    if any(not future.done() for _, future in play.origin._open):
        name = play.origin.hears("/a").route.origin.id
        play.origin.answers(200, name, cache="max-age=60")
        play.viewer(viewer).gets(200, name, x_cache="Miss")
        return name
    return play.viewer(viewer).gets(200, x_cache="Hit").body.decode()


def test_a_header_leads_to_staging_whatever_is_remembered(stage: Stage) -> None:
    play = staged(stage, header="aws-cf-cd-next", value="yes")
    for _ in range(4):
        assert served(play) == "old"
        assert served(play, aws_cf_cd_next="yes") == "new"
        assert served(play, aws_cf_cd_next="no") == "old"
        assert served(play, "w", aws_cf_cd_next="yes") == "new"


def test_each_request_is_drawn_by_itself(stage: Stage) -> None:
    draws = (0.5, 0.05, 0.9, 0.099, 0.1, 0.0, 0.3)
    each = [draw for one in draws for draw in (one, 0.5)]  # the other is for Server-Timing
    play = staged(stage, *each, weight=0.1)
    assert [served(play) for _ in draws] == ["old", "new", "old", "new", "old", "new", "old"]


def test_a_session_stays_and_its_cookie_is_nobodys(stage: Stage) -> None:
    play = staged(stage, 0.05, 0.9, weight=0.1, session_stickiness=STICKY)
    play.viewer().asks("/a", host="www.test", cookie="a=1")
    assert play.origin.hears("/a").route.origin.id == "new"
    play.origin.answers(200, "new", cache="max-age=3600")
    got = play.viewer().gets(200, "new", x_cache="Miss")
    cookie = str(got.field("set-cookie")).partition(";")[0]
    assert cookie.startswith("aws-cf-cd-session=s.")
    for _ in range(3):  # the key has all cookies, but this one
        play.viewer().asks("/a", host="www.test", cookie=f"{cookie}; a=1")
        hit = play.viewer().gets(200, "new", x_cache="Hit")
        assert str(hit.field("set-cookie")).startswith("aws-cf-cd-session=s.")
    play.viewer().asks("/b", host="www.test", cookie=f"a=1; {cookie}")
    heard = play.origin.hears("/b")
    assert heard.route.origin.id == "new"
    assert first_value(heard.request.fields, b"cookie") == b"a=1"
    play.origin.answers(200, "b", cache="no-store")
    play.viewer().gets(200, "b")
    play.advance(300)
    play.viewer("later").asks("/a", host="www.test", cookie=f"{cookie}; a=1")
    assert play.origin.hears("/a").route.origin.id == "old"
    play.origin.answers(200, "old", cache="max-age=60")
    late = play.viewer("later").gets(200, "old")
    assert str(late.field("set-cookie")).startswith("aws-cf-cd-session=p.")


def test_staging_is_reached_by_its_primary_alone(stage: Stage) -> None:
    play = staged(stage, 0.0, weight=0.1)
    play.viewer().asks("/a", host="new.cloudfront.net").gets(403)
    play.origin.hears_nothing()


def test_what_is_off_leaves_all_to_the_primary(stage: Stage) -> None:
    for off in ({"enabled": False}, {"staging": False}):
        play = staged(stage, 0.0, weight=0.1, **off)
        assert [served(play) for _ in range(3)] == ["old"] * 3


def test_a_change_of_the_policy_is_met_at_once(stage: Stage) -> None:
    play = staged(stage, header="aws-cf-cd-next", value="yes")
    for _ in range(3):
        served(play)
        served(play, aws_cf_cd_next="yes")
    deploys(play, header="aws-cf-cd-next", value="other")
    assert [served(play, aws_cf_cd_next="yes") for _ in range(3)] == ["old"] * 3
    assert served(play, aws_cf_cd_next="other") == "new"


def test_log_and_counters_name_who_served(stage: Stage) -> None:
    play = staged(stage, header="aws-cf-cd-next", value="yes")
    for _ in range(4):
        served(play)
        served(play, aws_cf_cd_next="yes")
    play.advance(0)
    play.access_log.flush()
    lines = [line.split(b"\t") for line in bytes(play.log).splitlines() if b"\tGET\t" in line]
    assert [line[6] for line in lines] == [b"old.cloudfront.net", b"new.cloudfront.net"] * 4
    play.listener.settle()
    counted = play.counters.distributions
    assert [sum(counted[id].statuses) for id in ("OLD", "NEW")] == [4, 4]


def test_shares_of_ten_thousand_requests(stage: Stage) -> None:
    world = FrontendEnvironment(chance=Random(27).random)
    play = stage(world=world)
    deploys(play, weight=0.15)
    request, now = asks("/a", host=b"www.test"), play.clock()
    conclusions = [play.listener.frontend.decide(request, now) for _ in range(DRAWS)]
    new = sum(
        one.route.distribution.id == "NEW" for one in conclusions if isinstance(one, FetchErrand)
    )
    assert abs(new / DRAWS - 0.15) <= 0.02 * 0.15 + 0.003
