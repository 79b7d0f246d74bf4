"""Three regional caches of two regions: one place for an object, the next while that is away."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from tests.end_to_end.installation import Installation, Ports, Up, start_up
from tests.end_to_end.processes import free_ports, wait_for
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.scripted_origin import Scene as OriginScene
from tests.end_to_end.traffic import Plan, Traffic
from tests.end_to_end.viewers import Answer, curl
from tests.measurements import tell

pytestmark = pytest.mark.alone

CONFIG = """
state_dir = "state"

[control]
listen = "127.0.0.1:{control}"

[[regional_caches]]
name = "eu-1"
region = "eu"

[[regional_caches]]
name = "eu-2"
region = "eu"

[[regional_caches]]
name = "us-1"
region = "us"

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{lhr}"
region = "eu"
workers = 2

[[locations]]
name = "NRT57"
listen = "127.0.0.1:{nrt}"
region = "us"

[[distributions]]
id = "EPLAYED"
aliases = ["played.test"]
origins = [{{ id = "played", domain_name = "127.0.0.1", http_port = {played} }}]
[distributions.default_behavior]
origin = "played"
allowed_methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
[distributions.default_behavior.cache_policy]
accept_encoding_gzip = true
headers = {{ behavior = "whitelist", items = ["X-Color"] }}

[[distributions]]
id = "ESHIELD"
aliases = ["shield.test"]
default_behavior = {{ origin = "played" }}
[[distributions.origins]]
id = "played"
domain_name = "127.0.0.1"
http_port = {played}
origin_shield = {{ region = "us" }}
"""
EU = {"eu-1", "eu-2"}
PAGES = {f"/passes/{number}": f"page {number}".encode() * 20 for number in range(40)}
OBJECTS = 24


class Scene(NamedTuple):
    """What runs, and the origin."""

    up: Up
    origin: PlayedOrigin

    def ask(self, path: str, *options: str, at: str = "lhr", host: str = "played.test") -> Answer:
        return curl(f"{getattr(self.up, at)}{path}", "-H", f"Host: {host}", *options)

    def place(self, path: str, *options: str, at: str = "lhr") -> str:
        """The regional cache that had a request which no edge could answer."""
        return tiers(self.ask(path, *options, at=at))[0]

    def pid(self, cache: str) -> int:
        return int(self.up.node(f"regional-{cache}")["pid"])

    def kill(self, cache: str) -> None:
        os.kill(self.pid(cache), signal.SIGKILL)


def tiers(answer: Answer) -> list[str]:
    """Who told of an answer in Cache-Status, the one nearest to the origin first."""
    return re.findall(r"(?:^|, )\"?([A-Za-z0-9-]+)", answer.fields["cache-status"])


def page(body: bytes, control: str) -> OriginScene:
    async def play(exchange: Exchange) -> None:
        await exchange.answer(len(body), control)
        await exchange.send(body)

    return play


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    control, lhr, nrt, played = free_ports(4)
    installation = Installation(
        tmp_path_factory.mktemp("regional"),
        Ports(control=control, bucket=1, lhr=lhr, nrt=nrt, played=played),
        template=CONFIG,
    )
    installation.config.write_text(CONFIG.format(control=control, lhr=lhr, nrt=nrt, played=played))
    origin = PlayedOrigin(played)
    for path, body in PAGES.items():
        origin.plays(path, page(body, "no-store"))
    for number in range(OBJECTS):
        origin.plays(f"/o/{number}", page(b"x" * 1000, "max-age=600"))
    origin.start()
    running = start_up(installation)
    yield Scene(running, origin)
    assert running.process.stop() == 0, running.process.stderr
    origin.stop()
    assert "Traceback" not in running.process.stderr, running.process.stderr
    assert not installation.left_running()


@pytest.fixture(scope="module")
def traffic(scene: Scene) -> Iterator[Traffic]:
    """Requests that no edge can answer, at both locations."""
    ports = scene.up.installation.ports
    plan = Plan((ports.lhr, ports.nrt), PAGES, per_s=150, host="played.test")
    with Traffic(plan) as running:
        running.well(100)
        yield running
    assert running.wrong == []


@contextlib.contextmanager
def without_failure(traffic: Traffic) -> Iterator[None]:
    before = len(traffic.failures)
    yield
    assert traffic.failures[before:] == []


def test_all_of_an_object_is_at_one_cache_of_the_region(scene: Scene) -> None:
    found = set()
    for number in range(OBJECTS):
        path = f"/o/{number}"
        first = scene.place(path)
        variants = [
            scene.place(path, "-H", "X-Color: red"),
            scene.place(path, "-H", "X-Color: blue", "-H", "Accept-Encoding: gzip"),
            scene.place(path, "-H", "X-Color: green", "-r", "0-9"),
        ]
        assert {*variants} == {first}
        found.add(first)
    assert found == EU
    assert {scene.place(f"/o/{number}", at="nrt") for number in range(4)} == {"us-1"}


def test_one_question_for_many_viewers_of_all_workers(scene: Scene) -> None:
    gate = scene.origin.gate()

    async def play(exchange: Exchange) -> None:
        await gate.passed()
        await exchange.answer(4)
        await exchange.send(b"once")

    scene.origin.plays("/once", play)
    with ThreadPoolExecutor(12) as viewers:
        answers = [viewers.submit(scene.ask, "/once") for _ in range(12)]
        wait_for("the origin is asked", lambda: scene.origin.asked["/once"])
        gate.open()
        assert {one.result().body for one in answers} == {b"once"}
    assert scene.origin.asked["/once"] == 1


def test_a_shield_asks_the_origin_for_all_regions(scene: Scene) -> None:
    for number in range(OBJECTS, OBJECTS + 4):
        scene.origin.plays(f"/o/{number}", page(b"y", "max-age=600"))
    answer = scene.ask("/o/24", host="shield.test")
    nearest, between, edge = tiers(answer)
    assert (nearest, between in EU, edge) == ("us-1", True, "LHR50")
    answer = scene.ask("/o/24", host="shield.test", at="nrt")
    assert tiers(answer)[0] == "us-1"
    assert scene.origin.asked["/o/24"] == 1
    assert tiers(scene.ask("/o/25", host="shield.test", at="nrt")) == ["us-1", "NRT57"]


def test_a_killed_one_leaves_its_objects_to_the_next(scene: Scene, traffic: Traffic) -> None:
    with without_failure(traffic):
        for cache in ("eu-1", "us-1"):
            before = scene.pid(cache)
            scene.kill(cache)
            wait_for(f"{cache} is back", lambda: scene.pid(cache) != before)  # noqa: B023
            traffic.more(100)


@pytest.mark.long
def test_a_stopped_one_is_left_and_comes_back(scene: Scene, traffic: Traffic) -> None:
    path = next(one for one in PAGES if scene.place(one) == "eu-2")
    pid = scene.pid("eu-2")
    os.kill(pid, signal.SIGSTOP)
    try:
        with without_failure(traffic):
            assert scene.place(path) == "eu-1"
            traffic.more(100)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for("eu-2 is asked again", lambda: scene.place(path) == "eu-2")
    tell(f"the slowest answer while a regional cache was stopped: {max(traffic.late_ms):.0f} ms")


def test_a_drained_one_is_left(scene: Scene, traffic: Traffic) -> None:
    path = next(one for one in PAGES if scene.place(one) == "eu-1")
    with without_failure(traffic):
        code, _, error = scene.up.installation.run("drain", "eu-1")
        assert code == 0, error
        wait_for("eu-1 is left", lambda: scene.place(path) == "eu-2")
        traffic.more(50)
        code, _, error = scene.up.installation.run("undrain", "eu-1")
        assert code == 0, error
        wait_for("eu-1 is asked again", lambda: scene.place(path) == "eu-1")


def test_what_is_invalidated_is_nowhere(scene: Scene) -> None:
    asked = scene.origin.asked["/o/0"]
    scene.ask("/o/0")
    assert scene.origin.asked["/o/0"] == asked, "it is stored"
    code, _, error = scene.up.installation.run("invalidate", "EPLAYED", "/o/*")
    assert code == 0, error
    scene.ask("/o/0")
    assert scene.origin.asked["/o/0"] == asked + 1
