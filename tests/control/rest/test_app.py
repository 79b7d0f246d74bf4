"""The control API: who may ask what, what is answered, and errors as JSON."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from edgecache import __version__
from edgecache.cluster.credentials import AUTH_SCHEME, content_digest, control_message
from edgecache.cluster.log_entries import OURS, PROTOCOL
from edgecache.cluster.node_status import NodeStatus
from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Config
from edgecache.config.problems import ConfigError, Problem
from edgecache.control.cloudfront.authentication import CallerAuthentication
from edgecache.control.nodes.barrier import Barrier
from edgecache.control.nodes.control_group import ControlGroup
from edgecache.control.nodes.refusals import NodeAdmission
from edgecache.control.nodes.registry import NodeRegistry
from edgecache.control.rest.access_keys import KeyAdmission
from edgecache.control.rest.app import ControlServices, control_app
from edgecache.control.rest.auth import LOCAL_PEER
from edgecache.control.rest.drain import DrainedNodes
from edgecache.control.state.database_thread import StateRun, StateThread, run_inline
from edgecache.control.state.log import ControlLog, publish_config
from edgecache.control.state.sqlite import SqliteDatabase
from edgecache.observe.counters import Counters
from tests.world.counting import Counted, count
from tests.world.credentials import signer, verifier

BASE = "http://127.0.0.1:8090"
LOOPBACK, ELSEWHERE = "127.0.0.1", "192.0.2.7"


class Place:
    """A control plane on a database of its own, its clock and its configuration file."""

    def __init__(self, folder: Path) -> None:
        self.now = 1_700_000_000.0
        self.file: Config | ConfigError = Config()
        self.state = SqliteDatabase(folder)
        self.log = ControlLog(self.state, self.clock)
        self.tokens = Tokens(["k" * 32], self.clock)
        self.barrier = Barrier(self.state, self.clock)
        self._runs = iter(range(256))
        self.serve(run_inline)

    def serve(self, run: StateRun, group: ControlGroup | None = None) -> None:
        self.control = control = ControlServices(
            self.log,
            NodeRegistry(self.clock),
            self.barrier,
            self.load,
            self.tokens,
            NodeAdmission(verifier("control", self.clock).verify, self.clock),
            partial(publish_config, self.log),
            run=run,
            file="/etc/edgecache.toml",
            drained=DrainedNodes(self.state),
            wall=self.clock, group=group,
        )  # fmt: skip
        callers = CallerAuthentication({"k1": "k" * 32}, self.tokens, self.clock, self.clock)
        self.app = control_app(control, ["control.test:8090"], KeyAdmission(callers))

    def clock(self) -> float:
        return self.now

    def load(self) -> Config:
        if isinstance(self.file, ConfigError):
            raise self.file
        return self.file

    def token(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens.issue('me')}"}

    def signed(
        self, method: str, target: str, content: bytes = b"", node: str = "regional"
    ) -> dict[str, str]:
        """What a node says who asks so; each time as a process that has just started."""
        run = bytes([next(self._runs)])
        made = signer(node, "control", self.clock, random_bytes=lambda count: run * count)
        digest = content_digest(content)
        credential = made.sign(control_message(method, target.encode(), digest)).decode()
        headers = {"authorization": f"{AUTH_SCHEME} {credential}"}
        return headers | {"content-digest": digest} if digest else headers

    def hear(
        self, method: str, target: str, content: bytes = b"", node: str = "regional"
    ) -> httpx.Response:
        """The answer to a node."""
        return self.ask(method, target, self.signed(method, target, content, node), content)

    def ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        content: bytes = b"",
        peer: str = LOCAL_PEER,
    ) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, False, client=(peer, 40000))
            async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
                return await client.request(method, path, headers=headers, content=content)

        answer = asyncio.run(once())
        if path != "/metrics" and method != "HEAD":
            assert answer.headers["content-type"] == "application/json"
        return answer


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.state.close()


def told(**changes: Any) -> bytes:
    sample = count(Counters(), Counted("Hit", 2)).snapshot()
    fields = {"role": "edge", "location": "LHR50", "pid": 5, "generation": 1, "sample": sample}
    return msgspec.json.encode(fields | changes)


def test_health(place: Place) -> None:
    answer = place.ask("GET", "/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_a_report_is_listed_and_counted(place: Place) -> None:
    publish_config(place.log, Config())
    answer = place.hear("POST", "/nodes/edge-a-1", told(), "edge-a-1")
    assert answer.json() == {"generation": 1, "drain": False}
    place.now += 2
    (node,) = place.ask("GET", "/nodes").json()["nodes"]
    assert node == {"name": "edge-a-1", "role": "edge", "location": "LHR50", "pid": 5} | {
        "instance": "",
        "machine": "",
        "address": "",
        "generation": 1,
        "applied": 0,
        "release": "",
        "alive": True,
        "seen_s_ago": 2.0,
        "ready": True,
        "unready": {},
        "connections": 0,
        "disk_failing": False,
    } | {"clock_off_s": 0.0, "region": "", "lease_s": 0.0, "drain": False}
    text = place.ask("GET", "/metrics")
    assert text.headers["content-type"].startswith("text/plain")
    series = 'edgecache_requests_total{distribution="ESITE",location="LHR50",result="hit",'
    assert f'{series}result_type="Hit",tier="edge"}} 2.0' in text.text


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[]", 400),
        (told(pid=-1), 400),
        (told(sample={}), 400),
        (told(role="x" * 65), 400),
        (b" " * (1024 * 1024 + 1), 413),
    ],
)
def test_a_bad_report_is_refused(place: Place, content: bytes, status: int) -> None:
    answer = place.hear("POST", "/nodes/edge-a-1", content, "edge-a-1")
    assert answer.status_code == status
    assert answer.json()["error"]
    assert place.ask("GET", "/nodes").json()["nodes"] == []


def test_a_node_speaks_for_itself_only(place: Place) -> None:
    assert place.hear("POST", "/nodes/edge-b-1", told(), "edge-a-1").status_code == 403


@pytest.mark.parametrize(("method", "path"), [("GET", "/log?after=0"), ("POST", "/nodes/edge-a-1")])
def test_nodes_need_a_credential_in_time(place: Place, method: str, path: str) -> None:
    late = place.signed(method, path, told(), "edge-a-1")
    place.now += 61
    now = place.signed(method, path, told(), "edge-a-1")["authorization"].split()[1]
    others = [{"authorization": f"{scheme} {now}"} for scheme in ("Basic", "Bearer")]
    control = place.signed(method, path, told(), "control")
    for headers in ({}, late, place.token(), control, *others, {"authorization": AUTH_SCHEME}):
        answer = place.ask(method, path, headers, told())
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == AUTH_SCHEME


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/nodes/edge-a-1", b"{}"),  # another body
        ("POST", "/nodes/edge-a-1?x", told()),
        ("POST", "/nodes/edge-a-1/leave", told()),
        ("GET", "/log?after=0", told()),
    ],
)
def test_a_nodes_credential_is_for_one_request_and_once(
    place: Place, method: str, path: str, content: bytes
) -> None:
    good = place.signed("POST", "/nodes/edge-a-1", told(), "edge-a-1")
    assert place.ask(method, path, good, content).status_code == 401
    good = place.signed("POST", "/nodes/edge-a-1", told(), "edge-a-1")
    assert place.ask("POST", "/nodes/edge-a-1", good, told()).status_code == 200
    assert place.ask("POST", "/nodes/edge-a-1", good, told()).status_code == 401


def test_a_release_that_control_does_not_work_with_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecache.cluster.log_entries.refusal.__defaults__", (OURS, 2))
    answer = place.hear("GET", "/log?after=0&protocol=1&release=0.0.9")
    assert answer.status_code == 409
    assert answer.json()["error"].endswith(
        f" runs 0.0.9 (protocol 1), and {OURS} takes 2 and later: upgrade regional first"
    )
    assert "regional" not in place.barrier.waiting_for(1)


def test_the_log_is_followed(place: Place) -> None:
    place.log.append("config", {"n": 1})
    place.log.append("config", {"n": 2})
    (mark,) = place.state.execute("SELECT mark FROM changes WHERE seq = 2").fetchone()
    log = {"last_seq": 2, "upto": 2, "epoch": place.log.epoch, "floor": 0, "mark": mark}
    log |= {"entries": [{"seq": 2, "at": place.now, "kind": "config", "body": {"n": 2}}]}
    log |= {"protocol": PROTOCOL, "release": __version__}
    assert place.hear("GET", "/log?after=1").json() == log
    assert not place.hear("GET", "/log?after=2").json()["entries"]


def test_numbers_of_another_log_acknowledge_nothing(place: Place) -> None:
    place.log.append("config", {"n": 1})
    place.hear("GET", "/log?after=0&instance=i")
    place.log.append("config", {"n": 2})
    place.hear("GET", "/log?after=9&instance=i&epoch=lost")
    assert "regional" in place.barrier.waiting_for(2)
    place.hear("GET", f"/log?after=2&instance=i&epoch={place.log.epoch}")
    assert "regional" not in place.barrier.waiting_for(2)


def test_a_poll_is_answered_when_an_entry_comes(place: Place) -> None:
    async def play() -> httpx.Response:
        transport = httpx.ASGITransport(place.app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            target = "/log?after=0&wait_s=9999"
            poll = client.get(target, headers=place.signed("GET", target))
            waiting = asyncio.create_task(poll)
            await client.get("/health")
            place.log.append("config", {})
            return await asyncio.wait_for(waiting, 20)

    assert [entry["seq"] for entry in asyncio.run(play()).json()["entries"]] == [1]


@pytest.mark.parametrize(
    "query",
    ["after=x", "after=-1", "after=1.5", f"after={2**63}", "wait_s=nan", "wait_s=-1", "wait_s="],
)
def test_a_bad_question_is_refused(place: Place, query: str) -> None:
    answer = place.hear("GET", f"/log?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(query.split("=")[0])


def test_reload_publishes_a_change_once(place: Place) -> None:
    answers = [place.ask("POST", "/reload").json() for _ in range(2)]
    place.file = Config(brand="other")
    answers.append(place.ask("POST", "/reload").json())
    assert answers == [
        {"generation": 1, "changed": True, "file": "/etc/edgecache.toml"},
        {"generation": 1, "changed": False, "file": "/etc/edgecache.toml"},
        {"generation": 2, "changed": True, "file": "/etc/edgecache.toml"},
    ]
    assert place.ask("GET", "/nodes").json()["generation"] == 2


def test_a_bad_file_changes_nothing_and_says_why(place: Place) -> None:
    place.ask("POST", "/reload")
    problems = [Problem("a.b", "is wrong"), Problem("", "is missing")]
    place.file = ConfigError(Path("x.toml"), problems)
    answer = place.ask("POST", "/reload")
    assert answer.status_code == 400
    assert answer.json() == {"problems": ["a.b: is wrong", "is missing"]}
    assert place.log.generation == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/health/", 404), ("POST", "/health", 405), ("GET", "/x%00", 404)],
)
def test_errors_are_json(place: Place, method: str, path: str, status: int) -> None:
    answer = place.ask(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_a_failing_disk_is_an_error_and_publishes_nothing(place: Place) -> None:
    place.state.execute("PRAGMA query_only = ON")
    answer = place.ask("POST", "/reload")
    assert (answer.status_code, answer.json()) == (500, {"error": "internal error"})
    assert place.log.last_seq == 0
    with pytest.raises(sqlite3.Error):
        place.log.append("config", {})


def test_a_lock_of_another_process_keeps_nobody_but_who_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecache.control.state.sqlite.BUSY_S_MAX", 0.02)
    place = Place(tmp_path)
    thread = StateThread(place.state)
    place.serve(thread.run)
    publish_config(place.log, Config())
    other = sqlite3.connect(place.state.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert place.hear("GET", "/log?after=1&instance=i").json()["upto"] == 1
    assert "regional" in place.barrier.waiting_for(9)  # it has its lease
    for path in ("/health", "/nodes", "/metrics"):
        assert place.ask("GET", path).status_code == 200
    place.file = Config(brand="other")
    serving = "/log?after=1&instance=i&serves=1"
    for method, path, headers in (
        ("POST", "/reload", None),
        ("GET", serving, place.signed("GET", serving, node="edge-serving-1")),
    ):
        answer = place.ask(method, path, headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "another process" in answer.json()["error"]
    assert "edge-serving-1" not in place.barrier.waiting_for(9)  # a restart would not know it
    other.close()
    assert place.ask("POST", "/reload").json()["generation"] == 2
    thread.close()
    place.state.close()


def test_a_status_travels_as_told() -> None:
    status = msgspec.json.decode(told(), type=NodeStatus)
    assert msgspec.json.decode(msgspec.json.encode(status), type=NodeStatus) == status
