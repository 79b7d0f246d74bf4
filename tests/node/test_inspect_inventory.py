"""What a store holds, told to our own and to nobody else, without a trace."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgecache.cluster.inspection import OBJECTS, STATS, InventoryQuery, ObjectOrder
from edgecache.node.inspect import Inspector, store_objects, store_stats
from tests.world.credentials import sent_by
from tests.world.play import Play, Scene

WHO = ("edge-LHR50-1", "edge", "LHR50")
BODIES = {"/img/a": 10, "/img/b": 3_000, "/img/c": 200, "/page": 900}


@pytest.fixture
def play() -> Any:
    made = Play(Scene())
    made.listener.explains = Inspector(*WHO, made.listener.frontend, sent_by(good="control")).reply
    for path, size in BODIES.items():
        made.viewer().asks(path)
        made.origin.hears(path)
        made.origin.answers(200, "x" * size, cache="max-age=60")
        made.viewer().gets(200)
    for path in ("/img/a", "/img/a", "/img/c"):
        made.viewer().asks(path).gets(200)
    yield made
    made.close()


def listed(play: Play, *wanted: Any) -> list[str]:
    found = store_objects(WHO, play.edge.store, InventoryQuery(*wanted), play.clock())
    return [one.target for one in found.objects]


def test_the_largest_or_the_most_used_under_a_prefix(play: Play) -> None:
    assert listed(play) == ["/img/b", "/page", "/img/c", "/img/a"]
    assert listed(play, "/img/", ObjectOrder.LARGEST, 2) == ["/img/b", "/img/c"]
    assert listed(play, "/", ObjectOrder.MOST_USED, 2) == ["/img/a", "/img/c"]
    assert listed(play, "/mg") == []
    assert listed(play, "/none") == []


def test_each_is_told_with_its_figures(play: Play) -> None:
    play.advance(20)
    found = store_objects(WHO, play.edge.store, InventoryQuery("/img/a"), play.clock())
    (one,) = found.objects
    assert (one.distribution, one.target, one.uses) == ("EPLAY", "/img/a", 2)
    assert (one.age_s, one.ttl_left_s) == (20, 40)
    assert 10 < one.size_bytes < 1_500
    assert (found.looked_at, found.held) == (4, 4)


def test_the_figures_of_the_store(play: Play) -> None:
    play.advance(7)
    play.listener.sweep()
    told = store_stats(WHO, play.edge, play.clock())
    assert (told.node, told.role, told.location) == WHO
    assert told.sample["gauges"]["store_objects"] == 4
    assert told.sample["gauges"]["store_bytes"] == play.edge.store.size_bytes
    assert told.sample["words"]["misses"] == {"absent": 4}
    assert told.sample["words"]["requests"]["Hit"] == 3
    assert told.oldest_s == 7
    for entry in list(play.edge.store):
        play.edge.store.remove(entry.key)
    assert store_stats(WHO, play.edge, play.clock()).oldest_s is None


@pytest.mark.parametrize("wanted", [STATS, InventoryQuery().spell()])
def test_over_the_wire_only_to_our_own(play: Play, wanted: bytes) -> None:
    head = b"GET / HTTP/1.1\r\nEdgecache-Peer: %b\r\nHost: site.test\r\n%b: %b\r\n\r\n"
    viewer = play.viewer().sends(head % (b"good", b"Edgecache-Explain", wanted))
    answer, _, body = bytes(viewer.transport.written).partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(body)["node"] == WHO[0]
    stranger = play.viewer("stranger")
    stranger.sends(head % (b"bad", b"Edgecache-Explain", wanted))
    assert b"edge-LHR50-1" not in stranger.transport.written
    play.origin.hears("/")
    play.origin.answers(200, "")
    assert play.counters.requests["Hit"] == 3, "a look was counted"


def test_looking_is_no_use(play: Play) -> None:
    before = [entry.uses for entry in play.edge.store]
    listed(play)
    store_stats(WHO, play.edge, play.clock())
    assert [entry.uses for entry in play.edge.store] == before


@pytest.mark.parametrize(
    ("prefix", "spelled"),
    [
        ("img", OBJECTS + b":largest:1"),
        ("/a b", OBJECTS + b":largest:1"),
        ("/\x1b", OBJECTS + b":largest:1"),
        ("/", OBJECTS + b":smallest:1"),
        ("/", OBJECTS + b":largest:0"),
        ("/", OBJECTS + b":largest:1001"),
        ("/", OBJECTS + b":largest:x"),
        ("/", OBJECTS + b":largest"),
        ("/", OBJECTS + b"\xff"),
    ],
)
def test_what_cannot_be_wanted(prefix: str, spelled: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        InventoryQuery.read(prefix, spelled)


def test_what_is_spelled_is_read() -> None:
    wanted = InventoryQuery("/img", ObjectOrder.MOST_USED, 7)
    assert InventoryQuery.read("/img", wanted.spell()) == wanted
