"""Planned misses in plays: viewers that leave and share, origins that fail, what comes between."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.rules.invalidation.items import items_of
from edgecache.rules.routing import compile_routes
from edgecache.store.invalidation import Invalidation
from tests.world.transcripts import ASK, KEPT, config, get, response, same, sends
from tests.world.wired import WiredEdge, WiredViewer

TAUGHT = [sends("teacher", get("/teach/1")), sends("teacher", get("/teach/2"))]
Step = Callable[[WiredEdge, dict[str, WiredViewer]], None]


def at_once(head: bytes) -> list[bytes] | None:
    """The origin answers what teaches, and lets the rest wait."""
    return [response(KEPT)] if b"/teach/" in head else None


def answers(*parts: bytes) -> Step:
    """The origin answers the oldest request that waits, whoever still does."""

    def step(edge: WiredEdge, _viewers: dict[str, WiredViewer]) -> None:
        connection = edge.held.popleft()
        if connection in edge.origins:
            edge.inside(lambda: connection.send(list(parts)))

    return step


def leaves(name: str) -> Step:
    return lambda edge, viewers: edge.inside(viewers[name].transport.abort)


def half_closes(name: str) -> Step:
    return lambda edge, viewers: edge.inside(viewers[name].transport.write_eof)


def waits(seconds: float) -> Step:
    return lambda edge, _: edge.advance(seconds)


def origin_closes(edge: WiredEdge, _viewers: dict[str, WiredViewer]) -> None:
    connection = edge.held.popleft()
    edge.inside(connection.transport.close)


def rest_closes(edge: WiredEdge, _viewers: dict[str, WiredViewer]) -> None:
    """What the origin keeps open ends, unknown to the edge until it is used."""
    for connection in list(edge.origins):
        edge.inside(connection.transport.close)


def invalidates(edge: WiredEdge, _viewers: dict[str, WiredViewer]) -> None:
    number = edge.marks.last + 1
    items = items_of(["/*"])
    edge.marks.apply(Invalidation(number, edge.clock(), "EPLANS", items))


def drains(edge: WiredEdge, _viewers: dict[str, WiredViewer]) -> None:
    edge.inside(edge.listener.hand_over)


def reconfigures(edge: WiredEdge, _viewers: dict[str, WiredViewer]) -> None:
    changed = config(site={"comment": "changed"})
    edge.listener.frontend.table = compile_routes(changed)


REPLY = response(KEPT, b'ETag: "e"')
PLAYS: dict[str, list[Step]] = {
    "one": [sends("a", get("/a")), answers(REPLY), sends("a", get("/b")), answers(REPLY)],
    "late": [sends("a", get("/a")), waits(3), answers(REPLY), waits(2), sends("b", get("/a"))],
    "cut in the head": [sends("a", get("/a")), answers(REPLY[:40], REPLY[40:])],
    "cut in the body": [sends("a", get("/a")), answers(REPLY[:-2], REPLY[-2:])],
    "two share": [sends("a", get("/a")), sends("b", get("/a")), answers(REPLY)],
    "two share what is not kept": [
        sends("a", get("/a")), sends("b", get("/a")), answers(response(b"Cache-Control: no-store")),
        answers(REPLY),
    ],
    "two share what comes in parts": [
        sends("a", get("/a")), answers(REPLY[:-2]), sends("b", get("/a")), waits(1),
        sends("c", get("/a")),
    ],
    "the first of two leaves": [
        sends("a", get("/a")), sends("b", get("/a")), leaves("a"), answers(REPLY), answers(REPLY),
    ],
    "a viewer leaves": [sends("a", get("/a")), leaves("a"), sends("b", get("/a")), answers(REPLY),
                        answers(REPLY)],
    "a viewer half-closes": [sends("a", get("/a")), half_closes("a"), waits(1), answers(REPLY)],
    "a viewer half-closes and waits": [sends("a", get("/a")), half_closes("a"), waits(300)],
    "two at once": [sends("a", get("/a") + get("/b")), answers(REPLY), answers(REPLY)],
    "the next comes before": [
        sends("a", get("/a")), sends("a", get("/b")), answers(REPLY), answers(REPLY),
    ],
    "the origin closes": [sends("a", get("/a")), origin_closes, waits(1), answers(REPLY)],
    "the origin closes after some": [
        sends("a", get("/a")), lambda edge, _: edge.inside(lambda: edge.held[0].send([REPLY[:30]])),
        origin_closes,
    ],
    "the origin had closed": [rest_closes, sends("a", get("/a")), answers(REPLY)],
    "the origin is silent": [sends("a", get("/a")), sends("b", get("/a")), waits(31), waits(31),
                             waits(31), waits(31)],
    "the body stops": [sends("a", get("/a")), answers(REPLY[:-2]), waits(31)],
    "invalidated in flight": [
        sends("a", get("/a")), invalidates, answers(REPLY), sends("b", get("/a")), answers(REPLY),
    ],
    "invalidated in flight, and asked for": [
        sends("a", get("/a")), invalidates, sends("b", get("/a")), answers(REPLY), answers(REPLY),
    ],
    "drained in flight": [sends("a", get("/a")), drains, answers(REPLY), sends("a", get("/b"))],
    "drained": [drains, sends("a", get("/a")), answers(REPLY)],
    "reconfigured in flight": [
        sends("a", get("/a")), reconfigures, answers(REPLY), sends("a", get("/b")), answers(REPLY),
    ],
    "interim": [
        sends("a", get("/a")), answers(b"HTTP/1.1 103 Early\r\nLink: </b>\r\n\r\n", REPLY),
    ],
    "conditions": [
        sends("a", get("/a", b"If-None-Match: \"e\"\r\n" + ASK)), answers(REPLY),
        sends("a", get("/b", b"Range: bytes=1-2\r\n" + ASK)), answers(REPLY),
    ],
    "other methods": [
        sends("a", get("/a", method="HEAD")), answers(REPLY[:-4]),
    ],
    "two places": [
        sends("a", get("/a")), answers(REPLY), sends("a", get("/other/a?x=1")), answers(REPLY),
        sends("a", get("//other/b")), answers(REPLY), sends("a", get("/%6fther/b")), answers(REPLY),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("semantics", "peered"), [("cloudfront", False), ("rfc9111", False), ("cloudfront", True)]
)
@pytest.mark.parametrize("play", PLAYS)
def test_a_play_is_the_same(*, play: str, semantics: str, peered: bool) -> None:
    steps = [*TAUGHT, *PLAYS[play]]
    same(lambda: config(semantics=semantics), at_once, steps, extended=True, peered=peered)
