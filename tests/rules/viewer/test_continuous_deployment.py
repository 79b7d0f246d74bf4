"""Which of two distributions serves a request: by header, by chance, by session."""

from __future__ import annotations

from random import Random

import pytest

from edgecache.config.model import ContinuousDeploymentPolicy, SessionStickiness
from edgecache.http.message import Fields
from edgecache.rules.viewer.continuous_deployment import (
    COOKIE,
    ServedSide,
    TrafficRule,
    compile_traffic,
    without_session,
)

NOW = 1_800_000_000.0
DRAWS = 10_000


def never_asked() -> float:
    raise AssertionError("chance decides nothing here")


def rule(weight: float = 0.1, idle_s: int = 300, most_s: int = 900, since: int = 0) -> TrafficRule:
    sessions = SessionStickiness(idle_ttl_s=idle_s, maximum_ttl_s=most_s) if idle_s else None
    policy = ContinuousDeploymentPolicy(
        id="p",
        staging_distribution="S",
        weight=weight,
        session_stickiness=sessions,
        sessions_since=since,
    )
    return compile_traffic(policy)


def cookie_of(fields: Fields) -> Fields:
    """What a viewer sends who was given these fields."""
    ((name, value),) = fields
    assert name == b"set-cookie"
    return ((b"cookie", b"a=1; " + value.partition(b";")[0]),)


@pytest.mark.parametrize(
    ("fields", "staging"),
    [
        ((), False),
        (((b"aws-cf-cd-next", b"yes"),), True),
        (((b"aws-cf-cd-next", b"no"), (b"aws-cf-cd-next", b"yes")), True),
        (((b"aws-cf-cd-next", b"Yes"),), False),
        (((b"aws-cf-cd-other", b"yes"),), False),
    ],
)
def test_a_header_says_it(fields: Fields, staging: bool) -> None:
    policy = ContinuousDeploymentPolicy(
        id="p", staging_distribution="S", header="AWS-CF-CD-Next", value="yes"
    )
    by_header = compile_traffic(policy)
    assert by_header.sends_to_staging(fields, never_asked, NOW) is staging
    assert ServedSide(by_header, staging).session_fields(fields, NOW) == ()


@pytest.mark.parametrize("weight", [0.0, 0.01, 0.05, 0.15])
def test_a_weight_is_a_share_of_all_requests(weight: float) -> None:
    chance = Random(27).random
    by_weight = rule(weight, idle_s=0)
    sent = sum(by_weight.sends_to_staging((), chance, NOW) for _ in range(DRAWS))
    assert abs(sent / DRAWS - weight) <= 0.02 * max(weight, 0.05) + 0.003
    assert bool(sent) is bool(weight)


@pytest.mark.parametrize("staging", [True, False])
def test_a_session_stays_where_it_began(staging: bool) -> None:
    sticky, side = rule(), ServedSide(rule(), staging)
    fields, now = cookie_of(side.session_fields((), NOW)), NOW
    for _ in range(3):
        now += 299
        assert sticky.sends_to_staging(fields, never_asked, now) is staging
        fields = cookie_of(side.session_fields(fields, now))
    now += 4  # 901 seconds after it began
    assert sticky.sends_to_staging(fields, lambda: 0.0, now)
    assert not sticky.sends_to_staging(fields, lambda: 0.99, now)


def test_an_idle_session_is_over() -> None:
    fields = cookie_of(ServedSide(rule(), staging=True).session_fields((), NOW))
    assert rule().sends_to_staging(fields, never_asked, NOW + 299)
    assert not rule().sends_to_staging(fields, lambda: 0.5, NOW + 300)


def test_the_cookie_lasts_no_longer_than_the_session() -> None:
    side = ServedSide(rule(idle_s=600, most_s=900), staging=True)
    ((_, first),) = side.session_fields((), NOW)
    assert b"; Max-Age=600; Path=/; HttpOnly" in first
    ((_, later),) = side.session_fields(cookie_of(((b"set-cookie", first),)), NOW + 500)
    assert b"; Max-Age=400; " in later


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"s",
        b"x.1800000000.1800000000.%b",
        b"s.1800000000.1800000000.00000000",
        b"s.1800000061.1800000061.%b",  # of a clock that is more than a minute ahead
        b"s.1800000000.1799999999.%b",
        b"s.-1.1800000000.%b",
        b"s.1800000000.1800000000.%b ",
        b"s.%b" % (b"9" * 400),
    ],
)
def test_what_is_no_session_is_drawn(value: bytes) -> None:
    sticky = rule()
    value = value.replace(b"%b", sticky.mark)
    fields = ((b"cookie", b"%b=%b;" % (COOKIE, value.rstrip(b" ") + b"!" * value.endswith(b" "))),)
    assert not sticky.sends_to_staging(fields, lambda: 0.5, NOW)
    assert sticky.sends_to_staging(fields, lambda: 0.0, NOW)


def test_a_session_of_before_the_policy_was_enabled_is_over() -> None:
    fields = cookie_of(ServedSide(rule(), staging=True).session_fields((), NOW))
    assert rule(since=int(NOW)).sends_to_staging(fields, never_asked, NOW + 9)
    assert not rule(since=int(NOW) + 1).sends_to_staging(fields, lambda: 0.5, NOW + 9)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((), ()),
        (((b"cookie", b"a=1"),), ((b"cookie", b"a=1"),)),
        (((b"cookie", b"a=1; aws-cf-cd-session=x; b=2"),), ((b"cookie", b"a=1; b=2"),)),
        (((b"host", b"h"), (b"cookie", b"aws-cf-cd-session=x")), ((b"host", b"h"),)),
        (((b"cookie", b"a=aws-cf-cd-session"),), ((b"cookie", b"a=aws-cf-cd-session"),)),
    ],
)
def test_no_key_and_no_origin_sees_the_cookie(before: Fields, after: Fields) -> None:
    assert without_session(before) == after
