"""Access lists of behaviors: who is let in, whatever is cached, remembered or under way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from edgecache.config.model import AccessList, AccessRule, Behavior, CustomErrorResponse, IpSet
from edgecache.config.networks import AddressRanges, read_networks
from edgecache.rules.routing import RuleFiles, compile_routes
from tests.world.play import Play, config_of

Stage = Callable[..., Play]
INSIDE, OUTSIDE = "192.0.2.9", "198.51.100.7"
OFFICE = AccessList(rules=(AccessRule(number=100, action="allow", sources=("192.0.2.0/24",)),))
BLOCKED = AccessList(
    default="allow", rules=(AccessRule(number=1, action="deny", sources=("set:bad",)),)
)


def office(stage: Stage, **scene: object) -> Play:
    return stage(behavior={"access_list": OFFICE}, **scene)


def stored(play: Play, path: str = "/a", body: str = "one") -> None:
    """Have an object stored that a viewer of the office asked for, and asked for again."""
    play.address = INSIDE
    play.viewer("in").asks(path)
    play.origin.hears(path)
    play.origin.answers(200, body, cache="max-age=60", etag='"1"')
    play.viewer("in").gets(200, body, x_cache="Miss")
    for _ in range(3):
        play.viewer("in").asks(path).gets(200, body, x_cache="Hit")
    play.address = OUTSIDE


def test_who_is_not_listed_gets_403(stage: Stage) -> None:
    play = office(stage)
    play.address = OUTSIDE
    got = play.viewer().asks("/a").gets(403, x_cache="Error")
    assert b"Request blocked." in got.body
    assert got.field("content-type") == "text/html"
    assert not play.viewer().transport.closed  # it may ask for what is open to it
    play.origin.hears_nothing()
    play.advance(0)
    assert b"\tInvalidRequestBlocked\t" in play.log
    denied = play.counters.labeled["access_denied"]
    assert denied.labels("EPLAY *", "behavior").value == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PURGE"])
def test_every_method_is_refused(stage: Stage, method: str) -> None:
    play = office(stage)
    stored(play)
    play.viewer("out").asks("/a", method).gets(403)
    play.origin.hears_nothing()


def test_options_of_all_are_of_the_default_behavior(stage: Stage) -> None:
    play = office(stage)
    play.address = OUTSIDE
    play.viewer().asks("*", "OPTIONS").gets(403)


def test_a_hit_and_a_range_and_a_condition_are_for_who_is_listed(stage: Stage) -> None:
    play = office(stage)
    stored(play)
    viewer = play.viewer("out")
    for _ in range(3):
        viewer.asks("/a").gets(403)
        viewer.asks("/a", range="bytes=0-1").gets(403)
        viewer.asks("/a", if_none_match='"1"').gets(403)
    play.viewer("in").asks("/a").gets(200, "one", x_cache="Hit")
    play.origin.hears_nothing()


def test_what_is_under_way_is_joined_by_who_is_listed(stage: Stage) -> None:
    play = office(stage)
    play.address = INSIDE
    play.viewer("in").asks("/a")
    play.origin.hears("/a")
    play.address = OUTSIDE
    play.viewer("out").asks("/a").gets(403)
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer("in").gets(200, "one")


def test_a_websocket_is_for_who_is_listed(stage: Stage) -> None:
    play = office(stage)
    play.address = OUTSIDE
    play.viewer().asks(
        "/ws",
        connection="Upgrade",
        upgrade="websocket",
        sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==",
        sec_websocket_version="13",
    ).gets(403)
    play.origin.hears_nothing()


def test_who_is_refused_may_get_a_page_of_the_distribution(stage: Stage) -> None:
    page = CustomErrorResponse(error_code=403, response_page_path="/sorry", response_code=403)
    play = office(stage, site={"custom_error_responses": (page,)})
    play.address = OUTSIDE
    play.viewer().asks("/a")
    play.origin.hears("/sorry")
    play.origin.answers(200, "sorry", cache="max-age=60")
    play.viewer().gets(403, "sorry", x_cache="Error")


def test_a_list_is_asked_before_redirects(stage: Stage) -> None:
    play = stage(
        behavior={"access_list": OFFICE, "viewer_protocol_policy": "redirect-to-https"},
    )
    play.address = OUTSIDE
    play.viewer("out").asks("/a").gets(403)
    play.address = INSIDE
    play.viewer("in").asks("/a").gets(301)


def test_an_ipv4_address_in_an_ipv6_one_is_the_ipv4_address(stage: Stage) -> None:
    play = office(stage)
    play.address = f"::ffff:{INSIDE}"
    play.viewer("in").asks("/a")
    play.origin.answers(200, "one")
    play.viewer("in").gets(200, "one")
    play.address = f"::ffff:{OUTSIDE}"
    play.viewer("out").asks("/a").gets(403)


@pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
@pytest.mark.parametrize("regional", [False, True])
def test_a_list_is_the_edges_under_both_semantics(
    stage: Stage, semantics: str, regional: bool
) -> None:
    """A hit, a stale copy and a miss, with one tier and with two: the list is the viewer's."""
    play = office(stage, semantics=semantics, regional=regional)
    stored(play)
    viewer = play.viewer("out")
    for method in ("GET", "HEAD", "GET"):
        viewer.asks("/a", method).gets(403)
        play.viewer("in").asks("/a", method).gets(200, x_cache="Hit")
    viewer.asks("/a", cache_control="no-cache").gets(403)
    play.advance(61)
    viewer = play.viewer("out, later")
    viewer.asks("/a").gets(403)
    viewer.asks("/b").gets(403)
    play.origin.hears_nothing()
    play.address = INSIDE
    play.viewer("in, later").asks("/a")
    play.origin.hears("/a")
    viewer.asks("/a").gets(403)
    play.origin.answers(304, "", cache="max-age=60", etag='"1"')
    play.viewer("in, later").gets(200, "one", x_cache="RefreshHit")
    viewer.asks("/a").gets(403)
    denied = play.counters.labeled["access_denied"]
    assert denied.labels("EPLAY *", "behavior").value == 8


def put_set(play: Play, found: AddressRanges | None) -> None:
    """Have the file of the set `bad` hold these, as a node does when it has changed."""
    files = RuleFiles() if found is None else RuleFiles(ip_sets={"/bad": found})
    whole = replace(config_of(play.scene), ip_sets=(IpSet(name="bad", file="/bad"),))
    table = play.listener.frontend.table
    play.listener.frontend.table = compile_routes(whole, {}, table, files)


def test_a_set_that_changes_counts_for_the_next_request_on_a_connection(stage: Stage) -> None:
    play = stage(behavior={"access_list": BLOCKED})
    put_set(play, read_networks("203.0.113.1\n"))
    stored(play)
    play.viewer("out").asks("/a").gets(200, "one", x_cache="Hit")
    put_set(play, read_networks(f"{OUTSIDE}\n"))
    for _ in range(2):
        play.viewer("out").asks("/a").gets(403)
        play.viewer("in").asks("/a").gets(200, "one", x_cache="Hit")
    put_set(play, read_networks("# nobody\n"))
    play.viewer("out").asks("/a").gets(200, "one", x_cache="Hit")


def test_a_set_of_which_nothing_is_known_lets_nobody_in(stage: Stage) -> None:
    play = stage(behavior={"access_list": BLOCKED})
    play.address = INSIDE
    put_set(play, None)
    play.viewer().asks("/a").gets(403)


def test_two_lists_are_two_answers_on_one_connection(stage: Stage) -> None:
    """What one list let in is not let in by the other, whatever is remembered of the hit."""
    open_to_all = Behavior(path_pattern="/open/*", origin="o")
    play = office(stage, site={"behaviors": (open_to_all,)})
    stored(play, "/open/a", "open")
    stored(play, "/a", "closed")
    for _ in range(3):
        play.viewer("out").asks("/open/a").gets(200, "open", x_cache="Hit")
        play.viewer("out").asks("/a").gets(403)
        play.viewer("in").asks("/open/a").gets(200, "open", x_cache="Hit")
        play.viewer("in").asks("/a").gets(200, "closed", x_cache="Hit")
    if play.head_cache is not None:
        assert len(play.head_cache) == 2  # which both are
    play.origin.hears_nothing()


def test_a_list_that_let_in_one_viewer_of_a_proxy_has_let_in_no_other(stage: Stage) -> None:
    """Not either who is known from what is open to it, by a hit that is remembered."""
    open_to_all = Behavior(path_pattern="/open/*", origin="o")
    proxy = "10.1.2.3"
    play = office(stage, site={"behaviors": (open_to_all,)}, trusted_proxies=(proxy,))
    stored(play, "/open/a", "open")
    stored(play, "/a", "closed")
    play.address = proxy
    for _ in range(3):
        for address in (INSIDE, OUTSIDE):
            play.viewer("proxy").asks("/open/a", x_forwarded_for=address).gets(200, x_cache="Hit")
        play.viewer("proxy").asks("/a", x_forwarded_for=INSIDE).gets(200, x_cache="Hit")
        play.viewer("proxy").asks("/a", x_forwarded_for=OUTSIDE).gets(403)
    play.origin.hears_nothing()
