"""A viewer who must come over https is sent there, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.cache.frontend import FrontendEnvironment
from edgecache.config.listen import ViewerPorts
from tests.world.play import Play

Stage = Callable[..., Play]
REDIRECTS = {"viewer_protocol_policy": "redirect-to-https"}


@pytest.mark.parametrize(
    ("method", "status"),
    [("GET", 301), ("HEAD", 301), ("DELETE", 307), ("OPTIONS", 307), ("POST", 307), ("PUT", 307)],
)
def test_http_is_redirected(stage: Stage, method: str, status: int) -> None:
    play = stage(behavior=REDIRECTS)
    fields = {"x_forwarded_host": "evil.test", "x_forwarded_proto": "https"}
    got = play.viewer().asks("//evil.test/%2f..?a=b", method, **fields).gets(status)
    assert got.field("location") == "https://site.test//evil.test/%2f..?a=b"
    assert got.field("x-cache") == "Redirect from cloudfront"
    assert got.field("server") == "CloudFront"
    assert b"evil" not in got.body
    play.origin.hears_nothing()
    assert play.counters.requests["Redirect"] == 1
    assert list(play.counters.refusals.values()) == [1]


def test_the_connection_goes_on_after_a_redirect(stage: Stage) -> None:
    play = stage(behavior=REDIRECTS)
    for _ in range(3):
        play.viewer().asks("/a").gets(301)
    assert not play.viewer().transport.closed


def test_a_body_that_is_not_read_ends_the_connection(stage: Stage) -> None:
    play = stage(behavior=REDIRECTS)
    got = play.viewer().asks("/a", "POST", "body").gets(307)
    assert got.field("connection") == "close"
    assert play.viewer().transport.closed


def test_the_root_is_redirected_as_it_was_asked_for(stage: Stage) -> None:
    play = stage(behavior=REDIRECTS, site={"default_root_object": "index.html"})
    got = play.viewer().asks("/").gets(301)
    assert got.field("location") == "https://site.test/"


@pytest.mark.parametrize(
    ("host", "redirect_port", "authority"),
    [
        ("site.test:8080", 0, "site.test:8443"),  # our own plain port: reached without a proxy
        ("site.test", 0, "site.test"),  # 80 is somebody's that leads here; 443 is then, too
        ("site.test:81", 0, "site.test"),
        ("site.test", 8444, "site.test:8444"),
        ("site.test:8080", 443, "site.test"),
    ],
)
def test_the_port_of_https_is_named_to_who_named_the_one_of_http(
    stage: Stage, host: str, redirect_port: int, authority: str
) -> None:
    world = FrontendEnvironment(ports=ViewerPorts(8080, 8443, redirect_port))
    play = stage(behavior=REDIRECTS, world=world)
    got = play.viewer().asks("/a", host=host).gets(301)
    assert got.field("location") == f"https://{authority}/a"


def test_an_unknown_host_is_not_redirected(stage: Stage) -> None:
    play = stage(behavior=REDIRECTS)
    got = play.viewer().asks("/a", host="evil.test").gets(403, x_cache="Error")
    assert got.field("location") is None


def test_over_https_nothing_is_redirected(stage: Stage) -> None:
    play = stage(behavior=REDIRECTS)
    play.listener.scheme = b"https"
    play.viewer().asks("/a")
    play.origin.answers(200, "one")
    play.viewer().gets(200, "one")


def test_https_only_refuses_http(stage: Stage) -> None:
    play = stage(behavior={"viewer_protocol_policy": "https-only"})
    play.viewer().asks("/a").gets(403, x_cache="Error")
    play.origin.hears_nothing()
