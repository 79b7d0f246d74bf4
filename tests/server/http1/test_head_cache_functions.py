"""Hits behind functions, found by the bytes that ask: the functions run for each, once.

By HTTP/1.1 and by HTTP/2, where bytes are those of the head that is made of a header list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from edgecache.config.model import AccessList, AccessRule, CachePolicy, HeaderSelection
from edgecache.functions.interface import KeyValueReader
from edgecache.observe.counters import Counters
from edgecache.server.http1.head_cache_functions import FunctionHeadCache
from edgecache.store.key_values import KeyValueStore
from tests.world.functions import associated
from tests.world.play import Play, Scene

INDEX = """function handler(event) {
    event.request.uri += 'index.html';
    return event.request;
}"""
FRAMES = """function handler(event) {
    event.response.headers['x-frame-options'] = { value: 'DENY' };
    return event.response;
}"""
Make = Callable[..., Play]


@pytest.fixture(params=[False, True], ids=["http1", "http2"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Plays whose head caches are on; each is proved clean in the end."""
    plays: list[Play] = []

    def made(**scene: object) -> Play:
        plays.append(Play(Scene(**scene, http2=request.param)))  # type: ignore[arg-type]
        return plays[-1]

    yield made
    for play in plays:
        play.close()


def fill(play: Play, target: str = "/", body: str = "one", age: str = "max-age=600") -> None:
    play.viewer().asks(target)
    play.origin.answers(200, body, cache=age)
    play.viewer().gets(200, body, x_cache="Miss")


def cache_of(play: Play) -> FunctionHeadCache:
    listener = play.listener
    cache = listener.http2_function_heads if play.scene.http2 else listener.function_heads
    assert isinstance(cache, FunctionHeadCache)
    return cache


def runs(counters: Counters) -> int:
    return sum(series.value for _, series in counters.labeled["function_runs"].items())


@contextmanager
def decided(play: Play) -> Iterator[list[bytes]]:
    """The paths of requests that the frontend decides meanwhile."""
    frontend, seen = play.listener.frontend, list[bytes]()
    decide = frontend.decide

    def watched(request: object, now: float, **more: object) -> object:
        seen.append(request.path)  # type: ignore[attr-defined]
        return decide(request, now, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frontend, "decide", watched)
        yield seen


@pytest.mark.parametrize("codes", [(INDEX, ""), ("", FRAMES), (INDEX, FRAMES)])
def test_a_hit_is_given_by_its_bytes_once_its_functions_have_run(
    make: Make, codes: tuple[str, str]
) -> None:
    play = make(**associated(*codes))
    fill(play)
    first = play.viewer().asks("/").gets(200, "one", x_cache="Hit")
    before, lines = runs(play.counters), play.log.count(b"\n")
    with decided(play) as seen:
        again = play.viewer().asks("/").gets(200, "one", x_cache="Hit")
    assert seen == []
    assert runs(play.counters) - before == sum(map(bool, codes))
    play.access_log.flush()
    assert play.log.count(b"\n") > lines
    assert again.field("x-frame-options") == first.field("x-frame-options")
    assert again.field("x-amz-cf-id") != first.field("x-amz-cf-id")


def test_what_a_function_has_not_said_before_is_decided_and_it_ran_once(make: Make) -> None:
    code = """function handler(event) {
        event.request.headers['x-now'] = { value: String(Date.now()) };
        return event.request;
    }"""
    play = make(**associated(code))
    fill(play)
    for count in range(2, 8):
        play.clock.now += 0.5
        with decided(play) as seen:
            play.viewer().asks("/").gets(200, "one", x_cache="Hit")
        assert seen == [b"/"]
        assert runs(play.counters) == count


def test_two_objects_behind_one_head_are_told_apart_each_time(make: Make) -> None:
    """What a store says is no part of a request's bytes."""
    store = KeyValueStore({"page": "/a"}, 0.0, 0.0)

    def store_of(_id: str) -> KeyValueReader:
        return store

    code = """import cf from 'cloudfront';
    async function handler(event) {
        event.request.uri = await cf.kvs().get('page');
        return event.request;
    }"""
    play = make(**associated(code, key_value_stores=("s",)), stores=store_of)
    for path in ("/a", "/b"):
        store.update({"page": path}, (), 1, 0.0)
        fill(play, body=path)
    for path in "/a", "/b", "/a", "/b":
        store.update({"page": path}, (), 1, 0.0)
        play.viewer().asks("/").gets(200, path, x_cache="Hit")
    before = runs(play.counters)
    with decided(play) as seen:
        for path in "/a", "/b":
            store.update({"page": path}, (), 1, 0.0)
            play.viewer().asks("/").gets(200, path, x_cache="Hit")
    assert (seen, runs(play.counters) - before) == ([], 2)


def test_the_address_of_a_viewer_is_its_own(make: Make) -> None:
    code = """function handler(event) {
        event.response.headers['x-ip'] = { value: event.viewer.ip };
        return event.response;
    }"""
    play = make(**associated(response=code))
    fill(play)
    for _ in range(3):
        for name, address in (("a", "192.0.2.1"), ("b", "192.0.2.7")):
            play.address = address
            got = play.viewer(name).asks("/").gets(200, "one", x_cache="Hit")
            assert got.field("x-ip") == address


def test_an_invalidated_hit_is_fetched_and_its_functions_ran_once(make: Make) -> None:
    play = make(**associated(INDEX, FRAMES))
    fill(play)
    for _ in range(2):
        play.viewer().asks("/").gets(200, "one", x_cache="Hit")
    play.operator.invalidates("/index.html")
    before = runs(play.counters)
    play.viewer().asks("/")
    assert runs(play.counters) - before == 1
    play.origin.answers(200, "two", cache="max-age=600")
    play.viewer().gets(200, "two", x_cache="Miss")
    assert runs(play.counters) - before == 2
    for _ in range(2):
        play.viewer().asks("/").gets(200, "two", x_cache="Hit")


def test_a_hit_that_has_expired_is_not_given(make: Make) -> None:
    play = make(**associated(INDEX))
    fill(play, age="max-age=5")
    for _ in range(2):
        play.viewer().asks("/").gets(200, "one", x_cache="Hit")
    play.advance(6)
    play.viewer().asks("/")
    play.origin.hears("/index.html")
    play.origin.answers(200, "two", cache="max-age=5")
    play.viewer().gets(200, "two")


def test_who_is_not_let_in_makes_no_function_run(make: Make) -> None:
    rule = AccessRule(number=1, action="allow", sources=("192.0.2.1",))
    play = make(**associated(INDEX, behavior={"access_list": AccessList(rules=(rule,))}))
    fill(play)
    for _ in range(2):
        play.viewer().asks("/").gets(200, "one", x_cache="Hit")
    before = runs(play.counters)
    play.address = "192.0.2.9"
    play.viewer("stranger").asks("/").gets(403)
    assert runs(play.counters) == before
    with decided(play) as seen:
        play.viewer().asks("/").gets(200, "one", x_cache="Hit")
    assert seen == []


def test_what_is_logged_is_logged_for_each(make: Make) -> None:
    code = INDEX.replace("return", "console.log(event.request.uri); return")
    play = make(**associated(code))
    fill(play)
    ids = set()
    for _ in range(3):
        got = play.viewer().asks("/").gets(200, "one", x_cache="Hit")
        ids.add(got.field("x-amz-cf-id"))
    assert [one.lines for one in play.function_logs] == [("/index.html",)] * 4
    assert {one.request_id for one in play.function_logs[1:]} == ids


def test_a_function_that_fails_now_is_told_and_ran_once(make: Make) -> None:
    code = """function handler(event) {
        if (Date.now() % 2000 >= 1000) throw new Error('now');
        return event.request;
    }"""
    play = make(**associated(code))
    play.clock.now = 1_000_000.0
    fill(play)
    for _ in range(2):
        play.viewer().asks("/").gets(200, "one", x_cache="Hit")
    before = runs(play.counters)
    play.clock.now += 1
    play.viewer().asks("/").gets(503)
    assert runs(play.counters) - before == 1
    errors = play.counters.labeled["function_errors"].items()
    assert [(key, series.value) for key, series in errors] == [
        ("at-viewer-request\tFunctionExecutionError", 1)
    ]
    play.clock.now += 1
    play.viewer().asks("/").gets(200, "one", x_cache="Hit")


def test_a_header_of_the_viewers_place_keeps_a_head_out(make: Make) -> None:
    """Two viewers of the same bytes are in two countries."""
    policy = CachePolicy(
        headers=HeaderSelection(behavior="whitelist", items=("CloudFront-Is-Mobile-Viewer",))
    )
    play = make(**associated(INDEX), policy=policy)
    fill(play)
    for _ in range(3):
        play.viewer().asks("/").gets(200, "one", x_cache="Hit")
    assert len(cache_of(play)) == 0


def test_what_is_kept_is_bounded_and_let_go(make: Make) -> None:
    play = make(**associated(INDEX, FRAMES))
    cache = type(cache_of(play))(40_000)
    kind = "http2_function_heads" if play.scene.http2 else "function_heads"
    setattr(play.listener, kind, cache)
    for number in range(20):
        fill(play, f"/{number}/")
        play.viewer().asks(f"/{number}/").gets(200, "one", x_cache="Hit")
        assert 0 < cache.size_bytes <= 40_000
    assert 1 <= len(cache) == len(list(cache)) < 20
    for number in range(20):
        play.operator.invalidates(f"/{number}/*")
        play.viewer().asks(f"/{number}/")
        play.origin.answers(200, "two", cache="no-store")
        play.viewer().gets(200, "two")
    cache.sweep()
    assert (len(cache), cache.size_bytes) == (0, 0)
