"""Planned misses give what the general path gives: on the wire, in store, log and counters."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from edgecache.cache.fetch_plan import FetchPlan
from edgecache.rules.routing import compile_routes
from edgecache.server.http1.miss_plans import FORMS_MIN, MissPlan
from edgecache.store.memory_account import MemoryHolding
from tests.world.transcripts import (
    ASK,
    DATE,
    KEPT,
    config,
    get,
    response,
    same,
    sends,
    transcript,
)
from tests.world.wired import WiredEdge

CASES = 60  # of the fuzz, some milliseconds each


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
        whole = whole.replace(b"HTTP/1.1", b"HTTP/1.0", 1)
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


def test_a_header_of_tags_is_read_whatever_it_is_called() -> None:
    def answer(head: bytes) -> list[bytes]:
        return [response(KEPT, b"ETag: of-%b" % head.split(b" ")[1][1:])]

    steps = [sends("a", get(f"/{n}")) for n in range(5)]
    told, _ = same(lambda: config(site={"cache_tag_header": "ETag"}), answer, steps)
    entries: Any = told["stored"]
    assert [entry[4] for entry in entries] == [(b"of-%d" % n,) for n in range(5)]


def test_what_no_form_comes_again_of_is_planned_no_more() -> None:
    count = iter(range(1_000))

    def answer(_head: bytes) -> list[bytes]:
        return [response(KEPT, b"X-Own: %d" % next(count))]

    edge = WiredEdge(config(), answer)
    viewer = edge.viewer()
    for number in range(60):
        edge.sends(viewer, get(f"/{number}"))
    assert edge.plans.begun == FORMS_MIN + 1
    assert viewer.received.count(b"200 OK") == 60
    edge.inside(viewer.transport.close)
    edge.close()


def test_plans_keep_to_their_bytes_and_give_them_back() -> None:
    edge = WiredEdge(config(), lambda _: [response(KEPT)])
    edge.plans._bytes_max = 60_000
    viewer = edge.viewer()
    for number in range(40):
        block = b"User-Agent: %d\r\n" % (number % 20) + ASK
        for path in ("a", "b", "other/c"):
            edge.sends(viewer, get(f"/{path}/{number}", block))
        held = edge.plans._size_bytes
        assert 0 <= held <= 60_000
        assert held == sum(
            plan.size_bytes for one in edge.plans._blocks.values() for plan in one.plans.values()
        )
    assert 1 < len(edge.plans._blocks) < 20
    edge.advance(1)
    assert edge.account.held[MemoryHolding.REMEMBERED] >= edge.plans.size_bytes > held
    edge.listener.frontend.table = compile_routes(config())
    edge.advance(1)
    assert edge.plans._size_bytes == 0
    edge.inside(viewer.transport.close)
    edge.close()


def test_a_fault_of_our_own_is_handed_over_or_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("of our own")

    for place, answered in (("template", 3), ("fetch.conclude", 2)):
        edge = WiredEdge(config(), lambda _: [response(KEPT)])
        viewer = edge.viewer()
        for number in range(2):
            edge.sends(viewer, get(f"/{number}"))
        kind = MissPlan if place == "template" else FetchPlan
        with monkeypatch.context() as patch:
            patch.setattr(kind, place.rpartition(".")[2], fails)
            edge.sends(viewer, get("/last"))
        assert viewer.received.count(b"200 OK") == answered
        assert viewer.ended == (answered == 2)
        edge.inside(viewer.transport.close)
        edge.close()
