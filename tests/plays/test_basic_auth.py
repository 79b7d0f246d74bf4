"""Passwords in front of a cache: who is let in, what is remembered, and what nobody else sees."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from edgecache.cache.frontend import FrontendEnvironment
from edgecache.config.htpasswd import Htpasswd
from edgecache.config.model import (
    BasicAuth,
    Behavior,
    CustomErrorResponse,
    HeaderSelection,
    OriginRequestPolicy,
)
from edgecache.node.password_checks import PasswordChecks
from edgecache.rules.routing import RuleFiles, compile_routes
from tests.world.play import Play, config_of

Stage = Callable[..., Play]
BOTH = pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
SHA1 = b"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="  # of "password"
STAFF = Htpasswd({b"a": SHA1, b"b": SHA1}, SHA1)
RULE = BasicAuth(file="/staff", realm="Staff")
EVERY = OriginRequestPolicy(headers=HeaderSelection(behavior="allViewer"))


def basic(user: str, password: str = "password") -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


class Checks:
    """Passwords, whose checks the play lets run."""

    def __init__(self) -> None:
        self.held = False
        self.waiting: list[tuple[Callable[[], bool], asyncio.Future[bool]]] = []
        self.asked = 0
        self.passwords = PasswordChecks(self.run, b"k" * 32)

    def run(self, work: Callable[[], bool]) -> asyncio.Future[bool]:
        self.asked += 1
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self.held:
            self.waiting.append((work, future))
        else:
            future.set_result(work())
        return future

    def go(self, play: Play) -> None:
        waiting, self.waiting = self.waiting, []
        for work, future in waiting:
            future.set_result(work())
        play.loop.settle()


def use(play: Play, users: Htpasswd | None) -> None:
    """As a node does when the file has changed."""
    files = RuleFiles(htpasswd={} if users is None else {"/staff": users})
    front = play.listener.frontend
    front.table = compile_routes(config_of(play.scene), {}, front.table, files)


def staged(
    stage: Stage, users: Htpasswd | None = STAFF, rule: BasicAuth = RULE, **more: Any
) -> tuple[Play, Checks]:
    checks = Checks()
    behavior = {"basic_auth": rule, **more.pop("behavior", {})}
    world = FrontendEnvironment(passwords=checks.passwords)
    play = stage(world=world, behavior=behavior, **more)
    use(play, users)
    return play, checks


def refused(play: Play, target: str = "/a", name: str = "a", **fields: str) -> None:
    got = play.viewer(name).asks(target, **fields).gets(401, x_cache="Error")
    assert got.fields("www-authenticate") == ['Basic realm="Staff", charset="UTF-8"']
    assert got.field("cache-control") == "no-store"


@BOTH
def test_who_has_no_good_password_gets_nothing_that_is_stored(stage: Stage, semantics: str) -> None:
    play, checks = staged(stage, semantics=semantics)
    refused(play)
    play.origin.hears_nothing()
    play.viewer().asks("/a", **basic("a"))
    play.origin.answers(200, "secret", cache="max-age=1000")
    play.viewer().gets(200, "secret")
    for _ in range(3):
        play.viewer().asks("/a", **basic("a")).gets(200, "secret", x_cache="Hit")
        play.viewer().asks("/a", **basic("b")).gets(200, "secret", x_cache="Hit")  # is shared
        refused(play)
        refused(play, **basic("a", "guess"))
        refused(play, **basic("c"))
        refused(play, authorization="Bearer password")
        play.viewer().asks("/a", "HEAD").gets(401)
        got = play.viewer().asks("/a", range="bytes=0-1").gets(401)
        assert got.field("content-range") is None
        assert play.viewer().asks("/a", range="bytes=0-1", **basic("a")).gets(206).body == b"se"
    assert checks.asked == 4  # each was checked once
    play.origin.hears("/a", authorization=None)
    play.origin.hears_nothing()


@BOTH
def test_what_opens_is_no_part_of_the_key_and_goes_no_further(stage: Stage, semantics: str) -> None:
    play, _ = staged(stage, semantics=semantics, request_policy=EVERY)
    play.viewer().asks("/a", "POST", "body", **basic("a"))
    play.origin.hears("/a", authorization=None)
    play.origin.answers(200, "done")
    play.viewer().gets(200, "done")
    play.viewer().asks("/a", **basic("a"))
    play.origin.hears("/a", authorization=None)
    play.origin.answers(200, "one", cache="max-age=1000")
    play.viewer().gets(200, "one")
    play.viewer().asks("/a", **basic("b")).gets(200, "one", x_cache="Hit")


def test_what_opens_is_forwarded_where_that_is_wanted(stage: Stage) -> None:
    rule = structs.replace(RULE, forward_authorization=True)
    play, _ = staged(stage, rule=rule, semantics="rfc9111")
    for _ in range(2):  # what answers credentials is nobody else's (RFC 9111 §3.5)
        play.viewer().asks("/a", **basic("a"))
        play.origin.hears("/a", authorization=basic("a")["authorization"])
        play.origin.answers(200, "one", cache="max-age=1000")
        play.viewer().gets(200, "one")


def test_a_changed_file_counts_at_once_for_hits_too(stage: Stage) -> None:
    play, _ = staged(stage)
    play.viewer().asks("/a", **basic("a"))
    play.origin.answers(200, "one", cache="max-age=1000")
    play.viewer().gets(200, "one")
    for _ in range(3):
        play.viewer().asks("/a", **basic("a")).gets(200, "one", x_cache="Hit")
    use(play, Htpasswd({b"b": SHA1}, SHA1))
    refused(play, **basic("a"))
    play.viewer().asks("/a", **basic("b")).gets(200, "one", x_cache="Hit")
    use(play, Htpasswd({}))
    refused(play, **basic("b"))


def test_a_file_that_was_never_read_lets_nobody_in(stage: Stage) -> None:
    play, checks = staged(stage, None)
    for _ in range(2):
        got = play.viewer().asks("/a", **basic("a")).gets(503)
        assert got.field("www-authenticate") is None
    assert checks.asked == 0
    use(play, STAFF)
    refused(play)


def test_a_check_is_waited_for_while_others_are_served(stage: Stage) -> None:
    open_one = Behavior(origin="o", path_pattern="/open")
    play, checks = staged(stage, site={"behaviors": (open_one,)})
    checks.held = True
    play.viewer("a").asks("/a", **basic("a"))
    play.viewer("b").asks("/a", **basic("a"))
    play.viewer("c").asks("/a", **basic("a", "guess"))
    play.viewer("a").gets_nothing()
    assert len(checks.waiting) == 2  # the same is checked once
    play.viewer("d").asks("/open")
    play.origin.answers(200, "open")
    play.viewer("d").gets(200, "open")
    refused(play, name="e")
    play.viewer("b").leaves()
    checks.go(play)
    play.origin.answers(200, "one", cache="max-age=1000")
    play.viewer("a").gets(200, "one")
    play.viewer("c").gets(401)


def test_a_check_that_fails_is_answered_and_lets_nobody_in(stage: Stage) -> None:
    """Without an answer the next response on the connection would be taken for this one's."""
    open_one = Behavior(origin="o", path_pattern="/open")
    play, checks = staged(stage, site={"behaviors": (open_one,)})
    checks.held = True
    play.viewer().asks("/a", **basic("a"))
    play.viewer().asks("/open")
    ((_, future),) = checks.waiting
    future.set_exception(ValueError("Invalid salt"))
    play.loop.settle()
    got = play.viewer().gets(500, x_cache="Error")
    assert got.field("connection") == "close"
    play.origin.hears_nothing()


def test_who_wants_too_much_checked_is_told_to_come_again(stage: Stage) -> None:
    play, checks = staged(stage)
    checks.held = True
    for n in range(4):
        play.viewer(f"v{n}").asks("/a", **basic("a", f"guess{n}"))
    got = play.viewer("late").asks("/a", **basic("a")).gets(503)
    assert got.fields("retry-after") == ["1"]
    checks.go(play)
    for n in range(4):
        play.viewer(f"v{n}").gets(401)
    play.origin.hears_nothing()


def test_a_body_of_who_is_refused_ends_the_connection(stage: Stage) -> None:
    play, checks = staged(stage)
    got = play.viewer("a").asks("/a", "POST", "body").gets(401)
    assert got.field("connection") == "close"
    checks.held = True
    play.viewer("b").asks("/a", "POST", "body", **basic("a", "guess"))
    checks.go(play)
    got = play.viewer("b").gets(401)
    assert got.field("connection") == "close"
    assert play.viewer("b").transport.closed
    play.origin.hears_nothing()


def test_a_body_of_who_is_let_in_goes_on(stage: Stage) -> None:
    play, checks = staged(stage)
    checks.held = True
    play.viewer().asks("/a", "POST", "body", **basic("a"))
    checks.go(play)
    call = play.origin.hears("/a")
    assert call.body is not None
    play.origin.answers(200, "done")
    play.viewer().gets(200, "done")


@pytest.mark.parametrize(
    "target",
    ["/staff/a", "//staff/a", "/open/%2e%2e/staff/a", "/open/../staff/a", "/%73taff/a",
     "/staff;x/a", "/./staff/a", "/staff%2fa"],
)  # fmt: skip
def test_no_spelling_of_a_path_leads_around_the_question(stage: Stage, target: str) -> None:
    staff = Behavior(origin="o", path_pattern="/staff/*", basic_auth=RULE)
    checks = Checks()
    world = FrontendEnvironment(passwords=checks.passwords)
    play = stage(world=world, site={"behaviors": (staff,)})
    use(play, STAFF)
    got = play.viewer().asks(target).got()
    assert got is not None
    assert got.head.status in (400, 401)
    play.origin.hears_nothing()


def test_the_page_of_an_error_is_fetched_without_what_opened(stage: Stage) -> None:
    pages = (CustomErrorResponse(error_code=404, response_page_path="/p", response_code=404),)
    page = Behavior(origin="o", path_pattern="/p", origin_request_policy=EVERY)
    site = {"custom_error_responses": pages, "behaviors": (page,)}
    play, _ = staged(stage, site=site)
    play.viewer().asks("/a", **basic("a"))
    play.origin.hears("/a")
    play.origin.answers(404)
    play.origin.hears("/p", authorization=None)
    play.origin.answers(200, "gone")
    play.viewer().gets(404, "gone")


def test_the_page_of_an_error_that_has_users_is_fetched_without_what_opens_it(stage: Stage) -> None:
    pages = (CustomErrorResponse(error_code=404, response_page_path="/p", response_code=404),)
    page = Behavior(origin="o", path_pattern="/p", origin_request_policy=EVERY, basic_auth=RULE)
    open_one = Behavior(origin="o", path_pattern="/open")
    site = {"custom_error_responses": pages, "behaviors": (page, open_one)}
    play, _ = staged(stage, site=site)
    play.viewer().asks("/open", **basic("a"))
    play.origin.hears("/open")
    play.origin.answers(404)
    play.origin.hears("/p", authorization=None)
    play.origin.answers(200, "gone")
    play.viewer().gets(404, "gone")
