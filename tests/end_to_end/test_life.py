"""Processes die and come back, configurations change under load; viewers notice nothing."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import DEADLINE_S, wait_for
from tests.end_to_end.viewers import curl, wait_until_regional_is_asked


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """An installation of its own, since these tests wear it out."""
    running = start_up(make_installation(tmp_path_factory.mktemp("life")))
    yield running
    assert running.process.stop() == 0, running.process.stderr
    assert not running.installation.left_running()


def kill(up: Up, name: str) -> int:
    """kill -9 one process; its pid."""
    pid = int(up.node(name)["pid"])
    os.kill(pid, signal.SIGKILL)
    return pid


def back(up: Up, name: str, pid: int) -> None:
    """Wait until another process under that name is alive."""
    up.process.await_said(f"{name} (pid {pid}) was killed by SIGKILL; starting it again in")

    def is_back() -> bool:
        node = up.node(name)
        return bool(node["alive"]) and node["pid"] != pid

    wait_for(f"{name} is back", is_back)


@pytest.mark.parametrize("name", ["edge-LHR50-1", "edge-NRT57-1"])
def test_a_worker_that_dies_is_started_again_and_said_so(life: Up, name: str) -> None:
    back(life, name, kill(life, name))
    url = life.lhr if "LHR" in name else life.nrt
    wait_for("the location answers", lambda: curl(f"{url}/").status == 200)


def test_without_regional_edges_go_to_the_origin(life: Up) -> None:
    known = curl(f"{life.nrt}/")
    assert known.status == 200
    pid = kill(life, "regional")
    again = curl(f"{life.nrt}/")
    unknown = curl(f"{life.nrt}/assets/site.css")
    assert (again.status, again.x_cache, again.body) == (200, "Hit", known.body)
    assert (unknown.status, unknown.x_cache) == (200, "Miss")
    back(life, "regional", pid)
    wait_until_regional_is_asked(life.nrt)


@dataclass(slots=True)
class Load:
    """Viewers that ask again and again over connections they keep; `failures` says what broke."""

    ports: tuple[int, ...]
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        for port in self.ports:
            thread = threading.Thread(target=self._ask, args=(port,))
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)

    def more(self, count: int) -> None:
        """Wait until that many more were answered."""
        enough = self.answered + count
        wait_for("more answers", lambda: self.answered >= enough or self.failures)

    def _ask(self, port: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                connection.request("GET", "/" if number % 2 else f"/about.html?{number}")
                answer = connection.getresponse()
                if answer.status != 200 or not answer.read():
                    self.failures.append(f"status {answer.status}")
                self.answered += 1
            except Exception as error:
                self.failures.append(repr(error))
                return
        connection.close()


def on_generation(up: Up, generation: int) -> bool:
    told = up.asked_control("/nodes")
    nodes = {node["generation"] for node in told["nodes"] if node["alive"]}
    return nodes == {generation} and told["generation"] == generation


def page(up: Up, name: str) -> bytes:
    return Path(up.installation.folder, "bucket", name).read_bytes()


def test_reload_switches_every_node_without_a_failed_request(life: Up) -> None:
    installation, ports = life.installation, life.installation.ports
    before = int(life.asked_control("/nodes")["generation"])
    with Load((ports.lhr, ports.lhr, ports.nrt)) as load:
        load.more(100)
        installation.write(root_object="about.html")
        assert installation.run("reload") == (0, f"generation {before + 1}\n", "")
        wait_for("every node has it", lambda: on_generation(life, before + 1))
        load.more(100)
        for _ in range(8):  # new connections, so that both workers of LHR50 are met
            assert curl(f"{life.lhr}/").body == page(life, "about.html")
        assert curl(f"{life.nrt}/").body == page(life, "about.html")
        installation.write(root_object="index.html")
        life.process.signal(signal.SIGHUP)
        life.process.await_said(f"generation {before + 2}")
        wait_for("every node has the next", lambda: on_generation(life, before + 2))
        load.more(100)
    assert load.failures == []
    assert curl(f"{life.nrt}/").body == page(life, "index.html")


def test_a_bad_file_changes_nothing_and_says_why(life: Up) -> None:
    installation = life.installation
    before = int(life.asked_control("/nodes")["generation"])
    good = installation.config.read_text()
    try:
        installation.config.write_text(good.replace('origin = "bucket"', 'origin = "bukket"'))
        code, out, err = installation.run("reload")
        assert (code, out) == (2, "")
        assert "bukket" in err
        life.process.signal(signal.SIGHUP)
        life.process.await_said("not reloaded")
    finally:
        installation.config.write_text(good)
    assert on_generation(life, before)
    assert curl(f"{life.lhr}/").status == 200
    assert installation.run("reload") == (0, f"generation {before} (unchanged)\n", "")
