"""A PROXY header that names nobody: whatever comes behind it is told by no trusted proxy."""

from __future__ import annotations

from collections.abc import Callable

from tests.plays.test_trusted_proxies import ADDRESS, ONE, PROXY, TRUSTED, told
from tests.world.play import Play

Stage = Callable[..., Play]


def test_a_proxy_header_that_names_nobody_makes_its_sender_no_proxy(stage: Stage) -> None:
    """UNKNOWN may stand for a viewer, whose fields come through as they were sent."""
    play = stage(behavior={"viewer_protocol_policy": "redirect-to-https"}, **TRUSTED)
    play.listener.proxied = True
    play.address = PROXY
    claim = {"x_forwarded_for": ONE, "x_forwarded_proto": "https"}
    play.viewer("unknown").asks("/a", **claim).gets(301)
    play.source = (PROXY, 51_000)
    play.viewer("cdn").asks("/a", **claim)
    play.origin.answers(200, "body", cache="max-age=1000")
    play.viewer("cdn").gets(200, "body")
    play.source = None
    for name in ("unknown", "again"):
        play.viewer(name).asks("/a", **claim).gets(301)
    assert [*told(play, ADDRESS)] == [(PROXY,), (ONE,), (PROXY,), (PROXY,)]
