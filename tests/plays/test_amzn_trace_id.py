"""X-Amzn-Trace-Id: told to origins by a load balancer's rules, in no key and in nothing stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edgecache.config.model import SemanticsName, Tracing
from edgecache.upstream.interface import Call
from edgecache.upstream.origin_request import wire_request
from tests.world.peers import PeeredPlay
from tests.world.play import Play, Scene

Tiers = Callable[..., Play]
NAME = "x-amzn-trace-id"
ROOT = "Root=1-58337262-36d228ad5d99923122bbe354"
OWN = r"1-[0-9a-f]{8}-[0-9a-f]{24}"
BOTH = pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])


@pytest.fixture(params=["one-tier", "one-tier-no-memo", "two-tiers", "two-tiers-no-memo"])
def tiers(request: pytest.FixtureRequest) -> Iterator[Tiers]:
    """Makes a play whose edge tells origins of it; every one is closed."""
    plays: list[Play] = []
    two, memo = request.param.startswith("two"), not request.param.endswith("no-memo")

    def make(semantics: SemanticsName = "cloudfront", *, on: bool = True, **more: Any) -> Play:
        whole = {"tracing": Tracing(amzn_trace_id=on)}
        scene = Scene(semantics=semantics, regional=two, memo=memo, whole=whole, **more)
        plays.append(PeeredPlay(scene) if two else Play(scene))
        return plays[-1]

    yield make
    for play in plays:
        play.close()


def told(play: Play, target: str) -> str:
    """What the origin of the next request is sent of it, on the wire."""
    call: Call = play.origin.hears(target)
    assert NAME.encode() not in dict(call.request.fields)
    lines = wire_request(call, b"us", None).head.decode().split("\r\n")
    (value,) = [line.partition(": ")[2] for line in lines if line.lower().startswith(NAME)]
    return value


@BOTH
def test_an_origin_is_told_once_for_all_tiers(tiers: Tiers, semantics: SemanticsName) -> None:
    play = tiers(semantics)
    for path, said, wanted in (
        ("/none", {}, rf"Root={OWN}"),
        ("/root", {NAME: ROOT}, rf"Self={OWN};{ROOT}"),
        ("/more", {NAME: f"{ROOT};Self=1-2-3;a=b"}, rf"Self={OWN};{ROOT};a=b"),
    ):
        play.viewer().asks(path, **said)
        assert re.fullmatch(wanted, told(play, path))
        play.origin.answers(200, "", cache="no-store")
        play.viewer().gets(200)


@BOTH
def test_it_has_no_say_in_what_is_given_and_is_not_stored(
    tiers: Tiers, semantics: SemanticsName
) -> None:
    play = tiers(semantics)
    play.viewer().asks("/a", **{NAME: ROOT})
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60", x_amzn_trace_id="Root=1-2-3")
    play.viewer().gets(200, "one")
    for said in ({}, {NAME: "Root=1-1-1"}, {NAME: "\\"}):
        for _ in range(3):
            got = play.viewer().asks("/a", **said).gets(200, "one", x_cache="Hit")
            assert got.field(NAME) is None
    play.origin.hears_nothing()


def test_what_is_validated_behind_a_viewers_back_has_one_too(tiers: Tiers) -> None:
    play = tiers("rfc9111")
    play.viewer().asks("/a")
    told(play, "/a")
    play.origin.answers(200, "one", cache="max-age=10, stale-while-revalidate=60", etag='"e"')
    play.viewer().gets(200, "one")
    play.advance(20)
    play.viewer().asks("/a").gets(200, "one")
    assert re.fullmatch(rf"Root={OWN}", told(play, "/a"))
    play.origin.answers(304, "", cache="max-age=10")


def test_off_it_is_a_field_like_any(tiers: Tiers) -> None:
    play = tiers("rfc9111", on=False)
    play.viewer().asks("/a", **{NAME: ROOT})
    call = play.origin.hears("/a")
    assert dict(call.request.fields)[NAME.encode()] == ROOT.encode()
    play.origin.answers(200, "", cache="no-store")
    play.viewer().gets(200)
