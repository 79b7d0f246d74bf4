"""The live log of real processes: every request of a known load, trees, rankings, slow readers."""

from __future__ import annotations

import itertools
import json
import re
import signal
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import EDGECACHE, Running, start, wait_for
from tests.end_to_end.viewers import curl, curling

REQUESTS = 30
_numbers = itertools.count()


STREAM = """
[[realtime_log_streams]]
stream = "site"
to = "unix:{socket}"

[[realtime_logs]]
name = "all"
stream = "site"
fields = ["x-edge-request-id", "sc-status", "cs-uri-stem", "timestamp"]

"""
BEHAVIOR = 'default_behavior = {{ origin = "bucket" }}'


class Taker:
    """Who reads real-time log lines from a Unix socket, of any number of processes."""

    def __init__(self, path: Path) -> None:
        self.rows: list[list[str]] = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    outer.rows.append(line.decode().rstrip("\n").split("\t"))

        self.server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def taker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taker]:
    made = Taker(tmp_path_factory.mktemp("taker") / "logs.sock")
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def up(taker: Taker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Two locations, one of two workers, and a regional cache."""
    made = make_installation(tmp_path_factory.mktemp("live"))
    logged = BEHAVIOR.replace(" }}", ', realtime_log = "all" }}')
    installation = replace(made, template=made.template.replace(BEHAVIOR, logged))
    installation.write(more=STREAM.replace("{socket}", str(taker.server.server_address)))
    running = start_up(installation)
    yield running
    assert running.process.stop() == 0, running.process.stderr


def test_a_real_time_log_has_a_line_for_each_request(up: Up, taker: Taker) -> None:
    """First of all: every request so far is in it."""
    answers = [curl(f"{url}/index.html?{n}") for n in range(10) for url in (up.lhr, up.nrt)]
    ids = sorted(answer.fields["x-amz-cf-id"] for answer in answers)
    wait_for("a line for each", lambda: len(taker.rows) >= len(ids))
    assert sorted(row[3] for row in taker.rows) == ids
    assert {(status, path) for _, status, path, _ in taker.rows} == {("200", "/index.html")}
    assert all(float(stamp) > 1_700_000_000 for stamp, *_ in taker.rows)


def reading(up: Up, *arguments: str) -> Running:
    """`edgecache log`, under way."""
    installation = up.installation
    command = (*EDGECACHE, "log", *arguments, "--config", str(installation.config))
    return start(command, installation.folder, f"log-{next(_numbers)}")


def end(reader: Running) -> None:
    """Ctrl-C ends it, as one that has done what it was asked."""
    reader.signal(signal.SIGINT)
    assert reader.ended() == 0, reader.stderr


def rows(reader: Running) -> list[dict[str, str]]:
    lines = reader.stdout.splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def begin(up: Up, *arguments: str) -> Running:
    """A reader that every process has heard of: each of them has sent a request of ours."""
    reader = reading(up, "-f", "--json", *arguments)
    workers = {"edge-LHR50-1", "edge-LHR50-2", "edge-NRT57-1"}

    def heard() -> bool:
        for url in (up.lhr, up.lhr, up.nrt):
            curl(f"{url}/began")
        return {row["node"] for row in rows(reader) if row["cs-uri-stem"] == "/began"} >= workers

    wait_for("every process sends lines", heard)
    return reader


def of_load(reader: Running, path: str = "/index.html") -> list[dict[str, str]]:
    return [row for row in rows(reader) if row["cs-uri-stem"] == path]


def test_every_request_is_shown_and_every_tenth_is_found_whole(up: Up) -> None:
    reader = begin(up)
    urls = (up.lhr, up.nrt)
    answers = [curl(f"{urls[n % 2]}/assets/site.css?n={n}") for n in range(REQUESTS)]
    ids = [answer.fields["x-amz-cf-id"] for answer in answers]

    def came() -> bool:
        return len(of_load(reader, "/assets/site.css")) >= REQUESTS

    wait_for("a line for each request", came)
    told = of_load(reader, "/assets/site.css")
    assert sorted(row["x-edge-request-id"] for row in told) == sorted(ids)
    assert {row["sc-status"] for row in told} == {"200"}
    misses = [row for row in told if row["x-edge-result-type"] == "Miss"]
    assert {row["reason"] for row in misses} == {"absent"}
    found = [whole(up, answer.fields["x-amz-cf-id"]) for answer in answers[::10]]
    for answer, tiers in zip(answers[::10], found, strict=True):
        missed = answer.fields["x-cache"].startswith("Miss")
        assert [one["tier"] for one in tiers] == (["edge", "regional"] if missed else ["edge"])
    assert [(one["origin-id"], one["origin-status"]) for one in found[0]] == [
        ("regional", "200"),
        ("bucket", "200"),
    ]
    assert all(float(one["origin-fbl"]) <= float(one["time-taken"]) for one in found[0])
    end(reader)
    assert "more are not shown" not in reader.stderr


def whole(up: Up, id: str) -> list[dict[str, Any]]:
    """What `--request-id` tells of a request."""
    code, out, err = up.installation.run("log", "--request-id", id, "--json")
    assert (code, err) == (0, ""), err
    found: list[dict[str, Any]] = json.loads(out)
    assert {one["x-edge-request-id"] for one in found} == {id}
    return found


def test_a_tree_is_for_people_and_what_is_not_there_is_said(up: Up) -> None:
    id = curl(f"{up.lhr}/nothing-here").fields["x-amz-cf-id"]
    code, out, _ = up.installation.run("log", "--request-id", id)
    assert code == 0
    assert out.splitlines()[0] == id
    assert "└─ edge edge-LHR50-" in out
    assert "   └─ regional regional  " in out
    code, _, err = up.installation.run("log", "--request-id", "none==")
    assert (code, "no process has none==" in err) == (1, True)


def test_a_filter_chooses_and_hostile_text_is_text(up: Up) -> None:
    reader = reading(up, "-f", "--fields", "path,agent", 'agent~"evil" and path~"^/n"')

    def came() -> bool:
        curl(f"{up.lhr}/index.html", "-A", "evil")
        curl(f"{up.lhr}/n%1b%5b2J", "-A", "evil\x9b2J")
        return reader.stdout.count("\n") >= 2

    wait_for("lines", came)
    lines = reader.stdout.splitlines()
    assert {*lines} == {"/n%1b%5b2J\tevil\\x9b2J"}
    end(reader)
    code, _, err = up.installation.run("log", "-f", "staus=1")
    assert (code, err.splitlines()[-2:]) == (1, ["  staus=1", "  ^"])


def test_rankings_are_those_of_the_load(up: Up) -> None:
    top = up.installation.start("top", "--json", "--seconds", "4", 'agent="load"')
    sent = 0
    while top.alive():
        curl(f"{up.lhr}/index.html", f"{up.nrt}/none", "-A", "load")
        sent += 2
    assert top.ended() == 0, top.stderr
    told = json.loads(top.stdout)
    objects = {
        one["name"].partition("/")[2]: one["at_least"] for one in told["rankings"]["objects"]
    }
    assert 0 < told["requests"] <= sent
    assert sum(objects.values()) == told["requests"]
    assert {*objects} == {"index.html", "none"}
    assert told["viewers"] == 1


class DashboardPage:
    """What a page of the dashboard asks, with the cookie of a session."""

    def __init__(self, up: Up) -> None:
        code, out, err = up.installation.run("token", "--aws")
        assert code == 0, err
        found = dict(re.findall(r"export (AWS_[A-Z_]+)=(\S+)", out))
        self.control = up.installation.control
        secrets = {
            "access_key_id": found["AWS_ACCESS_KEY_ID"],
            "secret_access_key": found["AWS_SECRET_ACCESS_KEY"],
        }
        self.jar = str(up.installation.folder / "cookies")
        kind = ("-H", "content-type: application/json")
        self.session = self.asks("/session", "-c", self.jar, *kind, "-d", json.dumps(secrets))

    def asks(self, path: str, *options: str) -> Any:
        answer = curl(f"{self.control}{path}", "-b", self.jar, *options)
        assert answer.status in (200, 201), answer
        return json.loads(answer.body)

    def state(self) -> dict[str, Any]:
        """The first state that a stream brings."""
        url = f"{self.control}/dashboard/live"
        with curling(url, "-b", self.jar) as stream:

            def events() -> list[bytes]:
                content = stream.body.read_bytes() if stream.body.exists() else b""
                return content.split(b"\n\n")[:-1]  # the last one is not whole yet

            wait_for("a state", lambda: len(events()) > 2)  # behind `retry` and the history
            document: dict[str, Any] = json.loads(events()[-1].partition(b"data: ")[2])
        return document

    def requests(self) -> int:
        """What edges were asked in the last five minutes, once two reports brought nothing new."""
        told: list[tuple[float, int]] = []

        def is_quiet() -> bool:
            state = self.state()
            told.append((state["time"], state["total"]["requests"]))
            return any(told[-1][0] - at > 2.2 for at, count in told if count == told[-1][1])

        wait_for("nothing more is told", is_quiet)
        return told[-1][1]


def test_the_dashboard_counts_what_was_sent(up: Up) -> None:
    page = DashboardPage(up)
    page.asks("/dashboard/ranks?seconds=60")  # from now on nodes look
    reader = begin(up)  # and each of them has heard of it
    before = page.requests()
    urls = [f"{(up.lhr, up.nrt)[n % 2]}/{'index.html' if n % 3 else 'gone'}" for n in range(18)]
    answers = [curl(url, "-A", "Mozilla/5.0 (iPhone) Mobile", "-e", "<i>x") for url in urls]
    states: list[dict[str, Any]] = []

    def is_counted() -> bool:
        states.append(page.state())
        return int(states[-1]["total"]["requests"]) >= before + 18

    wait_for("all are counted", is_counted)
    state = states[-1]
    assert state["total"]["requests"] == before + 18
    edges = [one for one in state["locations"] if one["name"] != "regional"]
    assert sum(one["requests"] for one in edges) == before + 18
    site = state["distributions"][0]["name"]
    (behavior,) = [one for one in state["behaviors"] if one["name"] == f"{site} *"]
    assert behavior["requests"] >= 18
    assert {one["name"] for one in state["nodes"] if one["alive"]} >= {"edge-NRT57-1", "regional"}
    assert [one["state"] for one in state["origins"]][-1] == "healthy"
    ranked: dict[str, Any] = {}

    def looked_at() -> bool:
        ranked.update(page.asks("/dashboard/ranks?seconds=60")["ranks"])
        return count_of(ranked, "referrers", "%3Ci%3Ex") >= 18

    wait_for("the log's threads have told", looked_at)
    assert count_of(ranked, "referrers", "%3Ci%3Ex") == count_of(ranked, "devices", "mobile") == 18
    gone = sum(answer.status == 404 for answer in answers)
    hosts = [row["object"] for row in ranked["errors"]["rows"] if row["object"].endswith("/gone")]
    assert sum(count_of(ranked, "errors", f"404 {host}") for host in {*hosts}) == gone == 6
    series = page.asks("/dashboard/series?range=5m&by=distribution")["series"]
    assert site in [one["name"] for one in series]
    end(reader)


def count_of(ranked: dict[str, Any], ranking: str, name: str) -> int:
    return sum(row["count"] for row in ranked[ranking]["rows"] if row["name"] == name)


def test_a_stopped_reader_changes_nothing(up: Up) -> None:
    reader = begin(up)
    reader.signal(signal.SIGSTOP)
    answers = [curl(f"{up.lhr}/index.html") for _ in range(20)]
    assert {answer.status for answer in answers} == {200}
    reader.signal(signal.SIGCONT)
    wait_for("it goes on", lambda: len(of_load(reader)) >= 20)
    end(reader)
