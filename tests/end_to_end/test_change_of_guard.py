"""An edge that runs alone is upgraded, drained and let in again under load; no request is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.end_to_end.installation import make_installation, start_up
from tests.end_to_end.lone_edge import (
    COMMAND,
    HOST,
    LoneEdge,
    start_lone_edge,
    start_origin,
    write_lone_edge,
)
from tests.end_to_end.processes import (
    DEADLINE_S,
    Running,
    children,
    free_ports,
    listens,
    run,
    start,
    wait_for,
)
from tests.end_to_end.traffic import Plan, Traffic
from tests.end_to_end.viewers import curl

PAGES = ("/small?300", "/page?20000")
LARGE = "/large?3000000"


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[LoneEdge]:
    origin, port = start_origin(tmp_path)
    made = start_lone_edge(tmp_path, port, 64)
    yield made
    assert made.process.stop() == 0, made.process.stderr
    origin.stop()


def body(edge: LoneEdge, target: str) -> bytes:
    return curl(f"http://127.0.0.1:{edge.plain}{target}", "-H", f"Host: {HOST}").body


def plan(edge: LoneEdge) -> Plan:
    pages = {target: body(edge, target) for target in PAGES}
    large = sha256(body(edge, LARGE)).hexdigest()
    return Plan((edge.plain,), pages, 200, 0.2, LARGE, large, 2, host=HOST)


def ask(process: Running, *arguments: str) -> str:
    """What a command says that asks for this edge; AssertionError when it failed."""
    code, said, wrong = run(*arguments, "--config", "edge.toml", folder=process.out.parent)
    assert code == 0, wrong
    return said.strip()


def ready(edge: LoneEdge) -> tuple[int, set[str]]:
    """The status of /ready, and the words of its reasons."""
    answer = curl(f"http://127.0.0.1:{edge.health}/ready")
    return answer.status, {one["reason"] for one in json.loads(answer.body)["reasons"]}


def test_a_drain_loses_nothing_and_is_taken_back(edge: LoneEdge) -> None:
    assert ready(edge) == (200, set())
    with Traffic(plan(edge)) as traffic:
        traffic.more(50)
        assert ask(edge.process, "drain", "LHR50", "--local", "--no-wait") == "LHR50: drains"
        assert ready(edge) == (503, {"draining"})
        wait_for("an answer is the last on its connection", lambda: closes(edge))
        traffic.more(50)
        code, _, wrong = run(
            *("health", "--config", "edge.toml", f"127.0.0.1:{edge.health}"),
            folder=edge.process.out.parent,
        )
        assert (code, "an operator drains it (draining)" in wrong) == (1, True), wrong
        assert ask(edge.process, "upgrade") == "edge-LHR50: upgraded: 1 processes"
        assert ready(edge)[0] == 503, "a successor drains, too"
        traffic.more(50)
    assert traffic.failures == []
    assert ask(edge.process, "drain", "LHR50", "--local") == "LHR50: drained"
    assert ask(edge.process, "undrain", "LHR50", "--local") == "LHR50: takes viewers again"
    wait_for("it is ready again", lambda: ready(edge) == (200, set()))
    wait_for("connections are kept again", lambda: not closes(edge))


def closes(edge: LoneEdge) -> bool:
    answer = curl(f"http://127.0.0.1:{edge.plain}{PAGES[0]}", "-H", f"Host: {HOST}")
    return answer.fields.get("connection") == "close"


@pytest.mark.long
def test_a_drain_by_control_outlives_an_upgrade(tmp_path: Path) -> None:
    installation = make_installation(tmp_path, workers=1)
    (health,) = free_ports(1)
    text = installation.config.read_text()
    told = f'name = "LHR50"\nhealth_listen = "127.0.0.1:{health}"'
    installation.config.write_text(text.replace('name = "LHR50"', told))
    up = start_up(installation)
    url = f"http://127.0.0.1:{health}/ready"
    wait_for("it is ready", lambda: curl(url).status == 200)
    wait_for("all is well", lambda: installation.run("health")[0] == 0)
    code, said, wrong = installation.run("drain", "LHR50")
    assert (code, said) == (0, "LHR50: drained\n"), wrong
    assert curl(url).status == 503
    assert installation.run("health")[0] == 0, "it is what the operator asked for"
    assert installation.run("upgrade")[0] == 0
    assert curl(url).status == 503
    assert installation.run("undrain", "LHR50")[0] == 0
    wait_for("it is ready again", lambda: curl(url).status == 200)
    assert installation.run("drain", "LHR51")[0] == 1
    assert up.process.stop() == 0, up.process.stderr


def test_control_tells_of_a_regional_cache_that_is_not_there(tmp_path: Path) -> None:
    installation = make_installation(tmp_path, workers=1)
    control = installation.start("control")
    control.until("control listens", lambda: listens(installation.ports.control))
    edge = installation.start("edge", "--location", "LHR50")
    edge.until("it listens", lambda: listens(installation.ports.lhr))

    def told() -> bool:
        code, _, wrong = installation.run("health")
        return code == 1 and "the regional cache at unix:" in wrong

    wait_for("health tells of it", told)
    assert edge.stop() == control.stop() == 0


def test_systemd_hears_how_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hears:
        hears.bind(str(tmp_path / "notify"))
        hears.settimeout(DEADLINE_S)
        with monkeypatch.context() as patch:
            patch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
            patch.setenv("WATCHDOG_USEC", "60000000")
            edge = start_lone_edge(tmp_path, 1, 16)

        def heard(word: str) -> str:
            while word not in (said := hears.recv(4_096).decode()):
                pass
            return said

        assert f"MAINPID={edge.process.pid}" in heard("READY=1")
        edge.process.signal(signal.SIGUSR2)
        heard("RELOADING=1")
        heard("READY=1")
        assert edge.process.stop() == 0
        heard("STOPPING=1")
        assert "NOTIFY_SOCKET" not in edge.process.stderr


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="no systemd here")
def test_systemd_s_sockets_are_taken_over(tmp_path: Path) -> None:
    plain, tls, health = write_lone_edge(tmp_path, 1, 16, workers=2)
    activate = ["systemd-socket-activate", "-E", f"PATH={os.environ['PATH']}"]
    activate += [f"--listen=127.0.0.1:{plain}", f"--listen=127.0.0.1:{tls}"]
    process = start([*activate, "--fdname=web:web", *COMMAND], tmp_path, "edge")
    process.until("systemd listens", lambda: "Listening on" in process.stderr)
    answer = curl(f"http://127.0.0.1:{plain}/", "-H", f"Host: {HOST}")  # it starts who serves this
    assert answer.status == 502, "the origin is not there"
    edge = LoneEdge(process, plain, tls, health)
    wait_for("both workers serve", lambda: ready(edge) == (200, set()))
    assert ask(process, "upgrade") == "edge-LHR50: upgraded: 2 processes"
    assert curl(f"http://127.0.0.1:{plain}/", "-H", f"Host: {HOST}").status == 502
    assert process.stop() == 0, process.stderr


def test_an_edge_that_runs_alone_is_upgraded(edge: LoneEdge) -> None:
    before = edge.worker
    with Traffic(plan(edge)) as traffic:
        traffic.more(50)
        assert ask(edge.process, "upgrade") == "edge-LHR50: upgraded: 1 processes"
        traffic.more(50)
    assert traffic.failures == []
    assert traffic.downloaded
    wait_for("the former process is gone", lambda: before not in children(edge.process.pid))
    assert edge.worker != before
