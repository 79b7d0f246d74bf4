"""One request followed through every process: its id, its trace, and what standard error says."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.log_files import log_text
from tests.end_to_end.processes import EDGECACHE, Running, free_ports, start, wait_for
from tests.end_to_end.viewers import curl

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"

CONFIG = """
state_dir = "state"

[tracing]
context = "propagate"

[process]
log_level = "error"

[access_log]
formats = ["json"]

[control]
listen = "127.0.0.1:{control}"

[regional]
disk = {{ bytes_max = "64 MiB", free_bytes_min = 0 }}

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{lhr}"

[[distributions]]
id = "ESITE"
aliases = ["*"]
origins = [{{ id = "o", domain_name = "127.0.0.1", http_port = {origin} }}]

[distributions.default_behavior]
origin = "o"
allowed_methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
"""


class Recorder(ThreadingHTTPServer):
    """An origin that keeps the fields of every request, by its path."""

    def __init__(self) -> None:
        self.heard: dict[str, list[dict[str, str]]] = {}
        super().__init__(("127.0.0.1", 0), Answers)


class Answers(BaseHTTPRequestHandler):
    """Answers everything."""

    protocol_version = "HTTP/1.1"
    server: Recorder

    def do_GET(self) -> None:
        fields = {name.lower(): value for name, value in self.headers.items()}
        self.rfile.read(int(fields.get("content-length", "0")))
        self.server.heard.setdefault(self.path, []).append(fields)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        self.wfile.write(b"ok")

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Followed:
    """An installation of two tiers, and the origin it asks."""

    process: Running
    url: str
    origin: Recorder
    folder: Path

    def logged(self, tier: str, stem: str, count: int = 1) -> list[dict[str, str]]:
        """What a tier has logged for a path, once it is so much."""

        def lines() -> list[dict[str, str]] | None:
            text = log_text(self.folder / "state" / "logs", tier, "json")
            told = [json.loads(line) for line in text.split("\n")[:-1]]
            found = [line for line in told if line["cs-uri-stem"] == stem]
            return found if len(found) >= count else None

        found = wait_for(f"{tier} logs {stem}", lines)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    folder = tmp_path_factory.mktemp("traced")
    origin = Recorder()
    thread = threading.Thread(target=origin.serve_forever, daemon=True)
    thread.start()
    control, lhr = free_ports(2)
    file = folder / "edgecache.toml"
    file.write_text(CONFIG.format(control=control, lhr=lhr, origin=origin.server_address[1]))
    options = ("--json", "--log-level", "info", "--log-format", "json", "--config", str(file))
    process = start((*EDGECACHE, "up", *options), folder, "up")
    process.until("up is ready", lambda: process.stdout.endswith("\n"))
    told = json.loads(process.stdout)
    yield Followed(process, told["locations"]["LHR50"], origin, folder)
    assert process.stop() == 0, process.stderr
    origin.shutdown()
    origin.server_close()


def test_one_id_and_one_trace_through_all_tiers(followed: Followed) -> None:
    parent, state = f"00-{TRACE}-{SPAN}-01", "rojo=00f067aa0ba902b7"
    asked = ("-H", f"traceparent: {parent}", "-H", f"tracestate: {state}")
    answer = curl(f"{followed.url}/traced", *asked)
    assert (answer.status, answer.x_cache) == (200, "Miss")
    assert not {"traceparent", "tracestate"} & answer.fields.keys()
    (heard,) = followed.origin.heard["/traced"]
    assert heard["x-amz-cf-id"] == answer.fields["x-amz-cf-id"]
    found = re.fullmatch(rf"00-{TRACE}-([0-9a-f]{{16}})-01", heard["traceparent"])
    assert found is not None
    assert found[1] != SPAN
    assert heard["tracestate"] == state
    for tier in ("edge-LHR50", "regional"):
        (line,) = followed.logged(tier, "/traced")
        assert (line["x-edge-request-id"], line["trace-id"]) == (heard["x-amz-cf-id"], TRACE)
    another = TRACE.replace("4", "5")
    again = curl(f"{followed.url}/traced", "-H", f"traceparent: 00-{another}-{SPAN}-00")
    assert again.x_cache == "Hit"
    assert [line["trace-id"] for line in followed.logged("edge", "/traced", 2)] == [TRACE, another]
    assert len(followed.origin.heard["/traced"]) == 1


def test_what_brings_no_trace_gets_one_where_it_goes_on(followed: Followed) -> None:
    for method, body in (("GET", ()), ("POST", ("--data", "x"))):
        assert curl(f"{followed.url}/begun", "-X", method, *body).status == 200
    traces = [heard["traceparent"].split("-")[1] for heard in followed.origin.heard["/begun"]]
    assert len(set(traces)) == 2
    for tier in ("edge-LHR50", "regional"):
        assert [line["trace-id"] for line in followed.logged(tier, "/begun", 2)] == traces


def test_standard_error_is_json_and_a_reload_is_no_trouble(followed: Followed) -> None:
    """Every process takes over from another, which holds the disk until then."""
    process = followed.process
    process.signal(signal.SIGUSR2)
    process.await_said("upgraded")

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in process.stderr.splitlines()]

    assert {"time", "level", "process", "pid", "message"} == set(lines()[-1])
    assert {line["process"] for line in lines()} == {"supervisor"}
    assert {line["level"] for line in lines()} == {"info"}, lines()
