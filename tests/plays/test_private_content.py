"""Signed URLs and cookies in front of a cache: what opens, what is kept, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace as with_fields

from edgecache.cache.frontend import FrontendEnvironment
from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    CustomErrorResponse,
    KeyGroup,
    PublicKey,
    Selection,
)
from edgecache.rules.private.key_ring import MESSAGES
from edgecache.rules.private.native_token import TokenGrant, issued, native_signer
from edgecache.rules.routing import compile_routes
from tests.rules.private.signers import EC, RSA, Signer, in_cookies, in_url
from tests.world.play import Play, Scene, config_of

Stage = Callable[..., Play]
SECRET = "s" * 32
PRIVATE = {"trusted_key_groups": ("team",), "trusted_native_keys": ("n1",)}
HOST = "http://site.test"


def trusting(scene: Scene, *signers: Signer) -> Config:
    keys = tuple(PublicKey(id=signer.key_id, pem=signer.public_pem) for signer in signers)
    group = KeyGroup(id="team", keys=tuple(key.id for key in keys))
    return with_fields(config_of(scene), public_keys=keys, key_groups=(group,))


@pytest.fixture
def shut(stage: Stage) -> Stage:
    """A stage whose only behavior trusts two key pairs and one native key."""

    def make(**more: Any) -> Play:
        play = stage(behavior=PRIVATE, **more)
        config = trusting(play.scene, RSA, EC)
        play.listener.frontend.table = compile_routes(config, {"n1": SECRET})
        return play

    return make


def canned(play: Play, target: str, seconds: float = 100, signer: Signer = RSA) -> str:
    url = in_url(signer, HOST + target, int(play.clock.now + seconds))
    return url.removeprefix(HOST)


def refused(play: Play, code: str) -> None:
    got = play.viewer().gets(403, x_cache="Error")
    message = next(text for fault, text in MESSAGES.items() if fault == code)
    assert got.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    )
    assert got.field("content-type") == "text/xml"
    assert got.field("server") == "CloudFront"
    play.origin.hears_nothing()


def filled(play: Play, target: str = "/a", cache: str = "max-age=1000") -> None:
    play.viewer("filler").asks(canned(play, target, 1000))
    play.origin.hears(target)
    play.origin.answers(200, "body", cache=cache)
    play.viewer("filler").gets(200, "body", x_cache="Miss")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_every_method_needs_a_signature(shut: Stage, method: str) -> None:
    play = shut()
    filled(play)
    play.viewer().asks("/a", method)
    if method == "HEAD":
        assert play.viewer().gets(403).body == b""
        play.origin.hears_nothing()
    else:
        refused(play, "MissingKey")


@pytest.mark.parametrize("signer", [RSA, EC])
def test_two_signatures_one_object(shut: Stage, signer: Signer) -> None:
    play = shut()
    filled(play, "/a?x=1")
    for seconds in (10, 20, 20):
        play.viewer().asks(canned(play, "/a?x=1", seconds, signer)).gets(200, x_cache="Hit")
    play.viewer().asks(canned(play, "/a?x=1", 9, signer), range="bytes=1-2").gets(206, "od")
    play.viewer().asks("/a?x=1")
    refused(play, "MissingKey")
    play.origin.hears_nothing()


def test_a_hit_ends_with_its_signature(shut: Stage) -> None:
    play = shut()
    filled(play)
    url = canned(play, "/a", 10)
    for _ in range(3):
        play.viewer().asks(url).gets(200, x_cache="Hit")
        play.advance(3)
    play.advance(0.9)
    play.viewer().asks(url).gets(200, x_cache="Hit")
    play.advance(0.1)
    play.viewer().asks(url)
    refused(play, "AccessDenied")


def test_signatures_share_an_answer_and_each_ends_in_its_time(shut: Stage) -> None:
    play = shut()
    filled(play)
    urls = [canned(play, "/a", seconds) for seconds in (5, 8, 12)]
    for _ in range(2):
        for url in urls:
            play.viewer().asks(url).gets(200, x_cache="Hit")
    memo = play.head_cache
    if memo is not None:
        assert len({id(known.answer) for known in memo}) == 1
        assert len({known.until for known in memo}) == len(memo) == 3
    for passed in (5, 3, 4):
        play.advance(passed)
        play.viewer().asks(urls.pop(0))
        refused(play, "AccessDenied")
        for url in urls:
            play.viewer().asks(url).gets(200, x_cache="Hit")


def test_the_wall_clock_counts_and_a_step_of_it_is_seen(shut: Stage) -> None:
    ahead = [0.0]
    play: Play
    play = shut(world=FrontendEnvironment(wall_clock=lambda: play.clock.now + ahead[0]))
    filled(play)
    url = canned(play, "/a", 500)
    play.viewer().asks(url).gets(200, x_cache="Hit")
    ahead[0] = 600
    play.advance(60)
    play.viewer().asks(url)
    refused(play, "AccessDenied")


def test_what_one_address_may_have_is_not_remembered(shut: Stage) -> None:
    play = shut()
    filled(play)
    policy = RSA.policy(f"{HOST}/*", int(play.clock.now + 100), address="192.0.2.0/24")
    url = in_url(RSA, f"{HOST}/a", policy=policy).removeprefix(HOST)
    play.viewer().asks(url).gets(200, x_cache="Hit")
    play.viewer().asks(url).gets(200, x_cache="Hit")
    assert not play.head_cache


def test_a_key_taken_away_opens_nothing_at_once(shut: Stage) -> None:
    play = shut()
    filled(play)
    url = canned(play, "/a")
    play.viewer().asks(url).gets(200, x_cache="Hit")
    play.listener.frontend.table = compile_routes(trusting(play.scene, EC))
    play.viewer().asks(url)
    refused(play, "InvalidKey")
    play.viewer().asks(canned(play, "/a", signer=EC)).gets(200, x_cache="Hit")


def test_a_download_goes_on_after_its_key_is_gone(shut: Stage) -> None:
    play = shut()
    play.viewer().asks(canned(play, "/a", 5))
    play.origin.answers(200, None)
    play.origin.sends("four")
    play.advance(10)
    play.listener.frontend.table = compile_routes(trusting(play.scene, EC))
    play.origin.sends("more")
    play.origin.ends()
    play.viewer().gets(200, "fourmore")


def test_cookies_open_and_go_no_further(shut: Stage) -> None:
    play = shut(policy=everything())
    policy = RSA.policy(f"{HOST}/*", int(play.clock.now + 100))
    cookies = in_cookies(RSA, policy=policy)
    play.viewer().asks("/a", cookie=f"mine=1; {cookies}")
    play.origin.hears("/a", cookie="mine=1")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one", x_cache="Miss")
    play.viewer().asks("/a", cookie=f"{cookies}; mine=1").gets(200, x_cache="Hit")
    play.viewer().asks("/a", cookie="mine=1")
    refused(play, "MissingKey")
    play.viewer().asks("/a?Expires=1", cookie=cookies)  # the URL decides
    refused(play, "MissingKey")


def everything() -> CachePolicy:
    every = Selection(behavior="all")
    return CachePolicy(query_strings=every, cookies=every)


def test_a_native_token_opens_and_goes_no_further(shut: Stage) -> None:
    play = shut(policy=everything())
    grant = TokenGrant(int(play.clock.now + 50), "site.test", "/v/", prefix=True)
    token = issued(grant, "n1", native_signer(SECRET)).decode()
    play.viewer().asks(f"/v/a?edgecache-token={token}&x=1")
    play.origin.hears("/v/a?x=1")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one", x_cache="Miss")
    play.viewer().asks("/v/a?x=1", cookie=f"Edgecache-Token={token}").gets(200, x_cache="Hit")
    play.viewer().asks("/w/a", cookie=f"Edgecache-Token={token}")
    refused(play, "AccessDenied")
    play.advance(50)
    play.viewer().asks("/v/a?x=1", cookie=f"Edgecache-Token={token}")
    refused(play, "AccessDenied")


def test_a_page_may_stand_for_the_refusal(shut: Stage) -> None:
    page = CustomErrorResponse(error_code=403, response_page_path="/login", response_code=403)
    play = shut(site={"custom_error_responses": (page,)})
    play.viewer().asks("/a")
    play.origin.hears("/login")
    play.origin.answers(200, "log in", cache="max-age=60")
    play.viewer().gets(403, "log in", x_cache="Error")


@pytest.mark.parametrize("regional", [False, True])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 403),
        ("//", 403),
        ("/%2F", 403),
        ("/./", 400),
        ("/public/..;/", 400),
        ("/public/..%5cindex.html", 400),
        ("/public/..%252findex.html", 400),
        ("/index.html;x", 403),
        ("/%69ndex.html", 403),
        ("/public/a", 200),
        ("/public/a%20b;c", 200),
    ],
)
def test_a_private_root_object_has_no_other_name(
    stage: Stage, path: str, status: int, regional: bool
) -> None:
    root = Behavior(path_pattern="/index.html", origin="o", trusted_native_keys=("n1",))
    play = stage(
        site={"behaviors": (root,), "default_root_object": "index.html"}, regional=regional
    )
    play.listener.frontend.table = compile_routes(config_of(play.scene), {"n1": SECRET})
    play.viewer().asks(path)
    if status == 200:
        play.origin.hears(path)
        play.origin.answers(200, "open")
    play.origin.hears_nothing()
    play.viewer().gets(status)
    assert not play.origin.heard or status == 200
