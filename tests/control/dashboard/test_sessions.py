"""Sessions: what a cookie has to be, what ends one, and that no secret is in it."""

from __future__ import annotations

import base64
import os
from itertools import pairwise

import pytest

from edgecache.cluster.tokens import Tokens
from edgecache.control.cloudfront.authentication import CallerAuthentication
from edgecache.control.dashboard import sessions
from edgecache.control.dashboard.sessions import (
    COOKIE_BYTES_MAX,
    SESSION_S_MAX,
    Sessions,
)

SECRETS = {"k1": "a" * 32, "k2": "b" * 32}


class World:
    """Sessions of an installation of two operators, and their clock."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.tokens = Tokens([*SECRETS.values()], self.clock)
        self.callers = CallerAuthentication(SECRETS, self.tokens, self.clock, self.clock)
        self.sessions = Sessions(SECRETS, self.callers, self.clock, os.urandom)

    def clock(self) -> float:
        return self.now

    def begun(self, which: int = 0) -> str:
        key = self.callers.derived[which]
        made = self.sessions.of_key(key.access_key_id, key.secret_access_key)
        assert made is not None
        return made[0]

    def use(self, **secrets: str) -> None:
        self.tokens.use([*secrets.values()])
        self.callers.use(secrets)
        self.sessions.use(secrets)


@pytest.fixture
def world() -> World:
    return World()


def test_a_session_lasts_for_a_working_day(world: World) -> None:
    cookie = world.begun()
    for later, is_good in ((0.0, True), (SESSION_S_MAX - 1, True), (1.0, False)):
        world.now += later
        assert (world.sessions.verify(cookie) is not None) == is_good


def test_one_from_the_future_is_none(world: World) -> None:
    cookie = world.begun()
    world.now -= 29
    assert world.sessions.verify(cookie) is not None
    world.now -= 2
    assert world.sessions.verify(cookie) is None


def test_every_change_of_a_cookie_spoils_it(world: World) -> None:
    cookie = world.begun()
    for at in range(len(cookie)):
        other = "A" if cookie[at] != "A" else "B"
        changed = cookie[:at] + other + cookie[at + 1 :]
        if at != len(cookie) - 1:  # whose last bits are none of the signature
            assert world.sessions.verify(changed) is None, at
    for odd in ("", ".", "a.b", cookie + "x", cookie[:-2], "é", "x" * (COOKIE_BYTES_MAX + 1)):
        assert world.sessions.verify(odd) is None


def test_who_holds_an_access_key_can_make_no_cookie(world: World) -> None:
    key = world.callers.derived[0]
    forged = Sessions({"k1": key.secret_access_key}, world.callers, world.clock, os.urandom)
    made = forged.of_key(key.access_key_id, key.secret_access_key)
    assert made is not None
    assert world.sessions.verify(made[0]) is None


def test_a_cookie_holds_no_secret(world: World) -> None:
    cookie = world.begun()
    content = base64.urlsafe_b64decode(cookie.partition(".")[0] + "==").decode()
    key = world.callers.derived[0]
    assert key.access_key_id in content
    for secret in (*SECRETS.values(), key.secret_access_key):
        assert secret not in content
    made = world.sessions.of_token(world.tokens.issue("me"))
    assert made is not None
    assert made[1].csrf not in base64.urlsafe_b64decode(made[0].partition(".")[0] + "==").decode()


def test_a_dropped_operators_secret_ends_what_it_gave(world: World) -> None:
    of_first, of_second = world.begun(0), world.begun(1)
    made = world.sessions.of_token(Tokens([SECRETS["k1"]], world.clock).issue("me"))
    assert made is not None
    world.use(k2=SECRETS["k2"])
    assert world.sessions.verify(of_first) is None
    assert world.sessions.verify(made[0]) is None
    assert world.sessions.verify(of_second) is not None
    world.use(k2=SECRETS["k2"], k3="c" * 32)  # and a new one ends none
    assert world.sessions.verify(of_second) is not None


def test_another_control_of_the_same_secrets_takes_it(world: World) -> None:
    other = Sessions(SECRETS, world.callers, world.clock, os.urandom)
    assert other.verify(world.begun()) is not None


def test_a_token_that_is_over_begins_none(world: World) -> None:
    token = world.tokens.issue("me")
    world.now += 3_601
    assert world.sessions.of_token(token) is None


def test_a_logged_out_session_admits_nobody(world: World) -> None:
    cookie, other = world.begun(), world.begun()
    session = world.sessions.verify(cookie)
    assert session is not None
    world.sessions.end(session)
    assert world.sessions.verify(cookie) is None
    assert world.sessions.verify(other) is not None


def test_log_outs_are_bounded_and_none_is_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "ENDED_MAX", 16)
    ended = []
    for _ in range(17):
        session = world.sessions.verify(world.begun())
        assert session is not None
        ended.append(session)
    kept, last = world.begun(), world.begun()
    for session in ended:
        world.sessions.end(session)
    assert world.sessions.size_bytes <= 100 * 16
    assert world.sessions.verify(kept) is None  # rather than that one of the others came back
    assert world.sessions.verify(last) is None
    world.now += 1
    assert world.sessions.verify(world.begun()) is not None


def test_sessions_and_their_values_are_all_different(world: World) -> None:
    made = sorted(world.begun() for _ in range(50))
    assert all(one != two for one, two in pairwise(made))
    values = {session.csrf for one in made if (session := world.sessions.verify(one))}
    assert len(values) == 50
