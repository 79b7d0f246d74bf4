"""Planned misses give what the general path gives: on the wire, in store, log and counters."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from edgecache.cache.tier import Tier
from edgecache.config.model import Behavior, CachePolicy, Config, Distribution, Origin, Selection
from edgecache.http.dates import format_date
from edgecache.rules.invalidation.items import items_of
from edgecache.rules.routing import compile_routes
from edgecache.store.invalidation import Invalidation
from tests.world.wired import BEGAN, WiredEdge, WiredViewer

IDS = re.compile(rb"[\w-]{54}==")
DATE = format_date(BEGAN)
ASK = b"Host: site.test\r\nUser-Agent: tests\r\n\r\n"
CASES = 60  # of the fuzz, some milliseconds each


def config(**behavior: Any) -> Config:
    """One distribution with two behaviors, which answers to site.test."""
    whole: dict[str, Any] = {"semantics": behavior.pop("semantics", "cloudfront")}
    whole |= behavior.pop("site", {})
    policy = CachePolicy(query_strings=Selection(behavior="all"))
    every: dict[str, Any] = {"origin": "o", "cache_policy": policy} | behavior
    made = Behavior(**every)
    other = Behavior(origin="o", path_pattern="/other/*")
    origin = Origin(id="o", domain_name="origin.test", **whole.pop("origin", {}))
    site = Distribution(
        id="EPLANS", aliases=("site.test",), origins=(origin,), default_behavior=made,
        behaviors=(other,), **whole,
    )  # fmt: skip
    return Config(distributions=(site,))


def response(*lines: bytes, body: bytes = b"body", status: bytes = b"200 OK") -> bytes:
    """A response with a length and a date, and these lines."""
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), b"Date: " + DATE, *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def get(path: str, block: bytes = ASK, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\n".encode() + block


def transcript(
    edge: WiredEdge, steps: Sequence[Callable[[WiredEdge, dict[str, WiredViewer]], None]]
) -> dict[str, object]:
    """All that can be seen of an edge that went through some steps."""
    viewers: dict[str, WiredViewer] = {}
    for step in steps:
        step(edge, viewers)
    edge.advance(1)
    told = {
        "written": {name: IDS.sub(b"ID", bytes(one.received)) for name, one in viewers.items()},
        "ended": {name: one.ended for name, one in viewers.items()},
        "heard": [IDS.sub(b"ID", head) for head in edge.heard],
        "log": IDS.sub(b"ID", bytes(edge.log)).split(b"\n"),
        "stored": stored(edge, edge.tier),
        "memory": edge.tier.store.size_bytes,
    }
    if edge.peered:
        told["inner"] = stored(edge, edge.regional)
    snapshot = edge.counters.snapshot()
    told["counted"] = (snapshot["totals"], snapshot["words"], snapshot["histograms"])
    for viewer in viewers.values():
        edge.inside(viewer.transport.close)
    edge.close()
    return told


def stored(edge: WiredEdge, tier: Tier) -> list[object]:
    """The entries of a store, and what they mean."""
    (site,) = edge.listener.frontend.table.by_id.values()
    route = site.behaviors[-1][1]
    return [
        (one.key, one.head, one.body, one.selected, one.tags, one.mark, one.assessment(route))
        for one in sorted(tier.store, key=lambda entry: entry.key)
    ]


def sends(name: str, data: bytes) -> Callable[[WiredEdge, dict[str, WiredViewer]], None]:
    """A step: the viewer of that name sends bytes; a new one connects."""

    def step(edge: WiredEdge, viewers: dict[str, WiredViewer]) -> None:
        if name not in viewers:
            viewers[name] = edge.viewer(("192.0.2.1", 40_000 + len(viewers)))
        edge.sends(viewers[name], data)

    return step


def same(
    config_of: Callable[[], Config], answer: Callable[[bytes], list[bytes] | None],
    steps: Sequence[Callable[[WiredEdge, dict[str, WiredViewer]], None]], **settings: Any,
) -> tuple[dict[str, object], int]:  # fmt: skip
    """The transcript, which is the same with plans and without; and how many there were."""
    with_plans = WiredEdge(config_of(), answer, plans=True, **settings)
    told = transcript(with_plans, steps)
    assert told == transcript(WiredEdge(config_of(), answer, plans=False, **settings), steps)
    return told, with_plans.plans.begun


@pytest.mark.parametrize("peered", [False, True])
@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
def test_what_is_stored_is_what_the_general_path_stores(
    *, semantics: str, extended: bool, peered: bool
) -> None:
    def answer(head: bytes) -> list[bytes]:
        number = head.split(b" ")[1][1:]
        return [response(b"Cache-Control: max-age=60", b'ETag: "%b"' % number, body=b"x" + number)]

    steps = [sends("a", get(f"/{n}")) for n in range(6)]
    steps += [sends("b", get(f"/{n}")) for n in range(8)]
    told, begun = same(
        lambda: config(semantics=semantics),
        answer,
        steps,
        memo=False,
        extended=extended,
        peered=peered,
    )
    assert begun == 6  # the first two teach it
    assert len(told["stored"]) == 8  # type: ignore[arg-type]


LINES: tuple[bytes, ...] = (
    b"Cache-Control: max-age=60", b"Cache-Control: no-store", b"Cache-Control: private",
    b"Cache-Control: max-age=0, must-revalidate", b"cache-control:  s-maxage=9 ", b"Vary: Accept",
    b"Vary: *", b"Set-Cookie: a=b", b"Set-Cookie: c=d", b"Content-Type: text/html",
    b"Content-Type: image/png", b'ETag: "1"', b'ETag: W/"2"', b"Etag: odd",
    b"Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT", b"Last-Modified: never", b"Age: 5",
    b"Age: x", b"Expires: 0", b"Expires: Fri, 15 Jan 2027 09:00:00 GMT", b"Via: 1.1 other",
    b"Connection: keep-alive", b"Connection: close", b"Connection: x-one", b"X-One: 1",
    b"Keep-Alive: timeout=9", b"Server: it", b"X-Cache: Hit from other", b"Date: Thu",
    b"Content-Encoding: gzip", b"Content-Length: 3", b"Content-Length: 4", b"X-Request-Id: 7",
    b"X-Request-Id: 8", b"Cache-Tag: a,b", b"Edgecache-Mark: 1", b"X-Amz-Cf-Id: theirs",
    b"Warning: 110 - x", b"Pragma: no-cache", b"Accept-Ranges: bytes", b"Trailer: x",
    b"Transfer-Encoding: chunked", b"bad line", b"Bad\x00: x", b"Folded: a\r\n b", b"X: \xff\xfe",
    b"Content-Disposition: attachment; filename=%s%d", b"CDN-Cache-Control: max-age=3",
    b"Surrogate-Control: max-age=2", b"Cache-Status: other; hit", b"Traceparent: 00-1-1-01",
    b"Alt-Svc: h3", b"Link: </a>; rel=preload", b"X-Long: " + b"y" * 600,
    b"X-Commas: " + b"a," * 40,
)  # fmt: skip
STATUSES = (b"200 OK",) * 8 + (
    b"200 ", b"200 Fine", b"203 Other", b"204 No Content", b"206 Partial Content", b"301 Moved",
    b"302 Found", b"304 Not Modified", b"404 Not Found", b"410 Gone", b"416 Range", b"500 Error",
    b"503 Busy", b"999 Odd",
)  # fmt: skip


def odd_response(chance: random.Random, lines: Sequence[bytes]) -> list[bytes]:
    """A response with some of the lines, in pieces."""
    body = b"b" * chance.choice((0, 1, 4, 1_500, 40_000))
    picked = [chance.choice(lines) for _ in range(chance.randrange(5))]
    whole = response(*picked, body=body, status=chance.choice(STATUSES))
    if chance.randrange(8) == 0:
        whole = whole.replace(b"Date: " + DATE + b"\r\n", b"")
    if chance.randrange(10) == 0:
        whole = b"HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n" + whole
    if chance.randrange(12) == 0:
        whole += b"more"
    if chance.randrange(12) == 0:
        whole = whole[: chance.randrange(1, len(whole))]
    pieces, at = [], 0
    for place in sorted(
        chance.randrange(len(whole)) for _ in range(chance.choice((0, 0, 0, 1, 4)))
    ):
        pieces.append(whole[at:place])
        at = place
    return [piece for piece in (*pieces, whole[at:]) if piece]


@pytest.mark.parametrize("seed", range(CASES))
def test_any_response_cut_anywhere_comes_to_the_same(seed: int) -> None:
    chance = random.Random(seed)
    lines = [chance.choice(LINES) for _ in range(6)]  # so that forms come again
    kept = b"Cache-Control: max-age=60"
    replies = [
        [response(kept)],
        [response(kept)],
        *[odd_response(chance, lines) for _ in range(10)],
    ]
    scene: dict[str, Any] = {"semantics": chance.choice(("cloudfront", "rfc9111"))}
    if chance.randrange(3) == 0:
        scene["compress"] = True
    extended = chance.randrange(2) == 0
    paths = [
        chance.choice((f"/{n}", f"/other/{n}", f"/{n}?q={n}", f"/{n}%20x", f"//{n}", "/a"))
        for n in range(len(replies))
    ]
    steps = [sends("a", get("/one")), sends("a", get("/two"))]
    for n, path in enumerate(paths):
        steps.append(sends(chance.choice("abc") + str(n // 4), get(path)))

    def answers() -> Callable[[bytes], list[bytes]]:
        left = [[response(kept)], [response(kept)], *replies]
        return lambda _: left.pop(0) if left else [response()]

    settings: dict[str, Any] = {"extended": extended, "peered": chance.randrange(3) == 0}
    one = WiredEdge(config(**scene), answers(), plans=True, **settings)
    other = WiredEdge(config(**scene), answers(), plans=False, **settings)
    assert transcript(one, steps) == transcript(other, steps)


KEPT = b"Cache-Control: max-age=60"
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
