"""Two machines that serve one location, and control on a third: each of them counts, and is met."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.machines import Machine, make_machine, remove_machine
from tests.end_to_end.processes import EDGECACHE, Running, free_ports, listens, run, start, wait_for
from tests.end_to_end.viewers import Answer, curl

PORT = 8080  # of every edge: each has its machine to itself
ROUNDS = 15
# No ping of ours is a hit.
COUNTER = 'edgecache_requests_total{distribution="ESITE",location="M2",result="hit",'
FILE = """
state_dir = "state"

[control]
listen = "0.0.0.0:{control}"
advertise = "{control_address}:{control}"

[cluster]
mutual_tls = false

[regional]
listen = "0.0.0.0:{regional}"
advertise = "{control_address}:{regional}"

[bucket]
listen = "0.0.0.0:{bucket}"
folder = "bucket"
hosts = ["{control_address}"]

[[locations]]
name = "M2"
listen = "0.0.0.0:8080"

[[distributions]]
id = "ESITE"
aliases = ["*"]
default_behavior = {{ origin = "bucket" }}
origins = [
  {{ id = "bucket", domain_name = "{control_address}", http_port = {bucket}, access = "identity" }}
]
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Control and the bucket here, an edge on each of two machines: one file for all."""

    folder: Path
    control: int
    machines: tuple[Machine, ...]
    edges: dict[str, Running]

    def command(self, *arguments: str) -> tuple[int, str, str]:
        return run(*arguments, "--config", str(self.folder / "edgecache.toml"), folder=self.folder)

    def asked(self, path: str) -> Any:
        return json.loads(self.told(path))

    def told(self, path: str) -> bytes:
        local = str(self.folder / "state" / "control.sock")
        answer = curl(f"http://localhost{path}", "--unix-socket", local)
        assert answer.status == 200, answer
        return answer.body

    def hits(self) -> float:
        """What is counted of the location."""
        lines = self.told("/metrics").decode().splitlines()
        counted = [line for line in lines if line.startswith(COUNTER)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in counted)

    def start_edge(self, machine: Machine) -> None:
        folder = self.folder.parent / machine.name
        if not folder.exists():
            folder.mkdir()
            shutil.copy(self.folder / "edgecache.toml", folder)
            (folder / "state").mkdir(mode=0o700)
            shutil.copy(self.folder / "state" / "secrets.json", folder / "state")
        command = (*machine.prefix, *EDGECACHE, "edge", "--location", "M2")
        self.edges[machine.name] = start(command, folder, "edge")

    def stop_edge(self, machine: Machine) -> int:
        return self.edges[machine.name].stop()

    def get(self, machine: Machine, path: str = "/a.txt") -> Answer:
        return curl(f"http://{machine.address}:{PORT}{path}")

    def alive(self) -> list[dict[str, Any]]:
        nodes = self.asked("/nodes")["nodes"]
        return [node for node in nodes if node["alive"] and node["role"] == "edge"]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with ExitStack() as stack:
        machines = []
        for number in (1, 2):
            machines.append(make_machine(number))
            stack.callback(remove_machine, machines[-1])
        folder = tmp_path_factory.mktemp("fleet") / "control"
        (folder / "bucket").mkdir(parents=True)
        for name in ("a.txt", "b.txt"):
            (folder / "bucket" / name).write_text("one")
        control, regional, bucket = free_ports(3)
        ports = {"control": control, "regional": regional, "bucket": bucket}
        text = FILE.format(**ports, control_address=machines[0].gateway)
        (folder / "edgecache.toml").write_text(text)
        roles = {}
        for role in ("control", "origin", "regional"):
            roles[role] = start((*EDGECACHE, role), folder, role)
            stack.callback(roles[role].stop)
        roles["control"].until("control listens", lambda: listens(control))
        roles["control"].until("its socket file", (folder / "state" / "control.sock").exists)
        made = Fleet(folder, control, tuple(machines), {})
        for machine in machines:
            made.start_edge(machine)
            stack.callback(made.stop_edge, machine)
        for running in made.edges.values():
            running.until("all report", lambda: len(made.asked("/nodes")["nodes"]) == 3)
        yield made


def test_each_machine_is_listed_and_met(fleet: Fleet) -> None:
    one, two = fleet.machines
    nodes = fleet.alive()
    assert [node["name"] for node in nodes] == ["edge-M2-1"] * 2
    assert {node["address"] for node in nodes} == {f"{x.address}:{PORT}" for x in (one, two)}
    assert len({node["machine"] for node in nodes}) == 2
    assert fleet.get(one).status == 200  # and is in the memory of this one alone
    for path in ("/stats", "/objects?prefix=/a.txt"):
        *places, regional = fleet.asked(path)
        assert (regional["name"], len(regional["nodes"])) == ("regional", 1)
        assert [(len(place["nodes"]), place["problem"]) for place in places] == [(1, "")] * 2
        assert {place["machine"] for place in places} == {node["machine"] for node in nodes}
    assert sorted(len(place["nodes"][0]["objects"]) for place in places) == [0, 1]
    code, told, _ = fleet.command("explain", "http://any.test/a.txt", "--json")
    assert code == 0
    found = {place["address"]: len(place["nodes"]) for place in json.loads(told)["places"]}
    assert set(found.values()) == {1}
    assert found.keys() >= {node["address"] for node in nodes}
    _, table, _ = fleet.command("stats")
    for node in nodes:
        assert f"edge-M2-1 on {node['machine']}" in table


def test_the_sum_of_the_counters_is_what_viewers_were_told(fleet: Fleet) -> None:
    one, two = fleet.machines
    counted = fleet.hits()

    def asks(machine: Machine, times: int) -> int:
        answers = [fleet.get(machine, "/b.txt") for _ in range(times)]
        assert {answer.status for answer in answers} == {200}
        return [answer.x_cache for answer in answers].count("Hit")

    for _ in range(ROUNDS):
        counted += asks(one, 2) + asks(two, 1)
    assert counted >= 3 * ROUNDS - 2
    wait_for("all are counted", lambda: fleet.hits() >= counted)
    assert fleet.hits() == counted
    assert fleet.stop_edge(two) == 0  # it says how it ends, and is listed no more
    assert [node["address"] for node in fleet.alive()] == [f"{one.address}:{PORT}"]
    assert fleet.hits() == counted
    fleet.start_edge(two)
    fleet.edges[two.name].until("it reports", lambda: len(fleet.alive()) == 2)
    counted += asks(two, 3)
    wait_for("its own are counted", lambda: fleet.hits() >= counted)
    assert fleet.hits() == counted


def test_what_is_completed_is_so_on_both(fleet: Fleet) -> None:
    page = fleet.folder / "bucket" / "a.txt"
    for version in ("two", "three"):
        for machine in fleet.machines:
            fleet.get(machine)
            assert fleet.get(machine).x_cache == "Hit"
        page.write_text(version)
        code, told, error = fleet.command("invalidate", "ESITE", "/*")
        assert (code, "Completed" in told) == (0, True), error
        assert [fleet.get(machine).body for machine in fleet.machines] == [version.encode()] * 2


def test_a_wildcard_is_reached_by_any_name_with_a_token(fleet: Fleet) -> None:
    code, token, _ = fleet.command("token")
    assert code == 0
    url = f"http://127.0.0.1:{fleet.control}/nodes"
    bearer = ("-H", f"Authorization: Bearer {token.strip()}")
    other = ("-H", f"Host: edgecache:{fleet.control}")
    assert curl(url, *other, *bearer).status == 200
    refused = curl(url, *other)
    assert (refused.status, b"control.names" in refused.body) == (403, True)
    assert curl(url, "-H", f"Host: {socket.gethostname()}:{fleet.control}").status == 200
    # From another machine by control's address, which is not in `listen`.
    there = (*fleet.machines[1].prefix, "curl", "-q", "-s", "--noproxy", "*", *bearer)
    address = f"http://{fleet.machines[1].gateway}:{fleet.control}/nodes"
    done = subprocess.run((*there, address), capture_output=True, timeout=60)
    assert len(json.loads(done.stdout)["nodes"]) == 3


def test_who_is_refused_says_so_and_is_listed(fleet: Fleet) -> None:
    code, _, error = fleet.command("health")
    assert (code, error) == (0, "")
    machine, folder = fleet.machines[1], fleet.folder.parent / "stranger"
    (folder / "state").mkdir(parents=True, mode=0o700)
    text = (fleet.folder / "edgecache.toml").read_text()
    text = text.replace("0.0.0.0:8080", "0.0.0.0:8081").replace("M2", "M3")
    (folder / "edgecache.toml").write_text(text)
    stranger = start((*machine.prefix, *EDGECACHE, "edge", "--location", "M3"), folder)
    try:
        stranger.await_said("refuses this node (edge-M3-1)")
        assert f"copy secrets.json of control's machine to {folder}/state" in stranger.stderr
        (refused,) = fleet.asked("/nodes")["refused"]
        who = (refused["name"], refused["address"], refused["reason"])
        assert who in [
            ("edge-M3-1", machine.address, reason) for reason in ("unknown-key", "bad-signature")
        ]
        code, _, error = fleet.command("health")
        assert (code, f"control refuses edge-M3-1 at {machine.address}" in error) == (1, True)
        newer = folder / "state" / "newer"
        shutil.copy(fleet.folder / "state" / "secrets.json", newer)
        newer.replace(folder / "state" / "secrets.json")
        stranger.await_said("well again")
        wait_for("three report", lambda: len(fleet.alive()) == 3)
        wait_for("its next report", lambda: fleet.command("health") == (0, "", ""))
        assert stranger.stderr.count("refuses this node") == 1
    finally:
        stranger.stop()
