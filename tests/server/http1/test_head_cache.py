"""The memo knows heads by line and by what bears of their fields, within its bounds."""

from __future__ import annotations

import pytest

from edgecache.config.model import Behavior, Config, Distribution, Origin
from edgecache.http.head import parse_request_head
from edgecache.http.message import HeadLimits
from edgecache.rules.routing import RouteTable, compile_routes
from edgecache.server.http1 import head_cache as memo_module
from edgecache.server.http1.head_cache import (
    CachedHit,
    FieldBlock,
    HeadCache,
)
from edgecache.server.http1.head_cache_fields import (
    BLOCK_BYTES_MAX,
    LINE_BYTES_MAX,
    worth_remembering,
)
from edgecache.server.http1.rendered_hit import RenderedHitLease
from edgecache.server.request_log import LineTemplate
from edgecache.store.entry import Entry
from edgecache.store.eviction import REPRIEVES_MAX
from tests.rules.pieces import NOW, lines
from tests.server.http1.test_rendered_hit import answered

ORIGINS = (Origin(id="o", domain_name="origin.test"),)
PUBLIC = Behavior(origin="o")
PRIVATE = Behavior(origin="o", path_pattern="/private/*", trusted_native_keys=("k",))


def table_of(*behaviors: Behavior) -> RouteTable:
    site = Distribution(
        id="E", origins=ORIGINS, default_behavior=PUBLIC, behaviors=behaviors, aliases=("*",)
    )
    return compile_routes(Config(distributions=(site,)))


TABLE = table_of()
NO_PARTS = LineTemplate(b"", b"", b"", b"", b"", b"", b"", b"")
LIMIT = HeadLimits().head_bytes_max


def head(target: str = "/a", *fields: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: site.test", *fields, "", ""]).encode()


def learn(memo: HeadCache, data: bytes, table: RouteTable = TABLE, place: int = 0) -> CachedHit:
    found = memo.lines(parse_request_head(data, HeadLimits()), None, table)
    answer = answered()
    known = CachedHit.of(RenderedHitLease(answer, NOW + 55, answer), NO_PARTS)
    memo.add_line(data[: data.find(b"\r\n")], found[place], known)
    memo.add_block(data, FieldBlock(found, None, b"", b"", b""))
    return known


def recalled(memo: HeadCache, data: bytes) -> CachedHit | None:
    cut = data.find(b"\r\n")
    block = memo.blocks.get(data[cut:])
    found = () if block is None else block.lines
    return next((lines[data[:cut]] for lines in found if data[:cut] in lines), None)


def test_browsers_that_differ_in_nothing_that_bears_share_their_lines() -> None:
    memo = HeadCache()
    one, other = ("User-Agent: one", "Cookie: a=1"), ("Cookie: b=2", "User-Agent: other")
    known = learn(memo, head("/a", *one))
    assert recalled(memo, head("/a", *one)) is known
    assert recalled(memo, head("/a", *other)) is None  # not read yet
    second = learn(memo, head("/b", *other))
    assert recalled(memo, head("/a", *other)) is known
    assert recalled(memo, head("/b", *one)) is second
    assert recalled(memo, head("/A", *one)) is None


def test_what_bears_on_one_route_only_parts_nobody_on_the_others() -> None:
    memo, table = HeadCache(), table_of(PRIVATE)
    routes = {each.behavior.path_pattern: each for each in table.routes()}
    learn(memo, head("/other", "Cookie: b=2"), table)
    public, private = memo.place(routes["*"]), memo.place(routes["/private/*"])
    assert public != private
    learn(memo, head("/a", "Cookie: a=1"), table, public)
    learn(memo, head("/private/a", "Cookie: a=1"), table, private)
    assert recalled(memo, head("/a", "Cookie: b=2")) is not None
    assert recalled(memo, head("/private/a", "Cookie: a=1")) is not None
    assert recalled(memo, head("/private/a", "Cookie: b=2")) is None


@pytest.mark.parametrize(
    "line", ["If-None-Match: *", "Range: bytes=0-1", "Cache-Control: no-cache", "Origin: x"]
)
def test_what_bears_parts_them(line: str) -> None:
    memo = HeadCache()
    learn(memo, head("/a", "Accept: 1"))
    learn(memo, head("/b", line))
    assert recalled(memo, head("/a", line)) is None
    assert recalled(memo, head("/b", "Accept: 1")) is None


def test_another_configuration_forgets_all() -> None:
    memo = HeadCache()
    learn(memo, head("/a"))
    learn(memo, head("/b"), table_of())
    assert recalled(memo, head("/a")) is None
    assert len(memo) == 1


def test_it_is_bounded_and_the_oldest_goes_first() -> None:
    memo = HeadCache(answers_max=3, blocks_max=2)
    for number in range(5):
        learn(memo, head(f"/{number}"))
    assert [bool(recalled(memo, head(f"/{n}"))) for n in range(5)] == [False] * 2 + [True] * 3
    learn(memo, head("/4"))
    assert len(memo) == 3, "learning a line again forgets no other"
    for agent in "xyz":
        learn(memo, head("/4", f"User-Agent: {agent}"))
    assert len(memo.blocks) == 2
    assert recalled(memo, head("/4", "User-Agent: y")) is not None


def test_what_was_repeated_since_its_turn_outlives_what_was_not() -> None:
    memo = HeadCache(answers_max=3)
    first, second = learn(memo, head("/0")), learn(memo, head("/1"))
    first.times, second.used = 1, True  # not counted yet, and counted
    for number in range(2, 5):
        learn(memo, head(f"/{number}"))
    assert [bool(recalled(memo, head(f"/{n}"))) for n in range(5)] == [
        True, False, False, True, True,
    ]  # fmt: skip
    assert not first.used


def test_it_is_full_when_something_must_go() -> None:
    memo = HeadCache(answers_max=2)
    told = [memo.full]
    for number in range(3):
        learn(memo, head(f"/{number}"))
        told.append(memo.full)
    assert told == [False, False, True, True]


def test_where_all_are_repeated_somebody_goes_nevertheless() -> None:
    memo = HeadCache(answers_max=2 * REPRIEVES_MAX)
    for number in range(2 * REPRIEVES_MAX + 1):
        learn(memo, head(f"/{number}")).times = 1
    assert len(memo) == 2 * REPRIEVES_MAX


def test_kinds_are_bounded_too() -> None:
    memo = HeadCache(blocks_max=2)
    for number in range(9):
        learn(memo, head("/a", f"Range: bytes={number}-"))
    assert len(memo._kinds) == 2


def test_a_sweep_lets_go_of_what_the_store_has_given_up() -> None:
    memo = HeadCache()
    gone, kept = learn(memo, head("/gone")), learn(memo, head("/kept"))
    gone.answer.entry.alive = False
    memo.sweep()
    assert list(memo) == [kept]
    assert recalled(memo, head("/gone")) is None
    memo.sweep()
    assert len(memo) == 1


def test_sweeps_come_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo_module, "SWEPT_AT_ONCE", 4)
    memo = HeadCache()
    known = [learn(memo, head(f"/{number}")) for number in range(10)]
    for gone in known[::3]:
        gone.answer.entry.alive = False
    lengths = []
    for _ in range(3):
        memo.sweep()
        lengths.append(len(memo))
    assert lengths == [8, 7, 6]
    known[1].answer.entry.alive = False
    memo.sweep()
    assert len(memo) == 5


def test_variants_that_differ_in_what_does_not_bear_are_not_for_it() -> None:
    memo = HeadCache()
    learn(memo, head())
    plain = Entry(b"k", answered().entry.head, b"")
    by_coding = Entry(b"k", plain.head, b"", lines("accept-encoding: br"))
    by_agent = Entry(b"k", plain.head, b"", lines("user-agent: x"))
    assert memo.covers(0, (plain, by_coding))
    assert not memo.covers(0, (plain, by_agent))


@pytest.mark.parametrize(
    ("data", "limit", "worth"),
    [
        (head(), LIMIT, True),
        (head("/" + "x" * LINE_BYTES_MAX), LIMIT, False),
        (head("/a", "Cookie: " + "x" * BLOCK_BYTES_MAX), LIMIT, False),
        (head("http://site.test/a"), LIMIT, False),
        (head("/a", "EDGECACHE-Peer: x"), LIMIT, False),
        (head(), LINE_BYTES_MAX + BLOCK_BYTES_MAX - 1, False),
    ],
    ids=["plain", "long line", "many fields", "absolute-form", "a tier of ours", "strict limits"],
)
def test_what_is_worth_remembering(data: bytes, limit: int, worth: bool) -> None:
    assert worth_remembering(data, limit) is worth
