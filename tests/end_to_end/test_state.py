"""Control's state is lost and comes back: nodes start without it, a backup is restored, 0 stale."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.control.cloudfront.desk import site
from tests.end_to_end.installation import Installation, Ports
from tests.end_to_end.processes import free_ports, listens, wait_for
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.viewers import Answer, curl

CONFIG = """
[control]
listen = "127.0.0.1:{control}"
allow_private_origins = true

[regional]
memory_bytes = "128 MiB"
disk = {{ bytes_max = "1 GiB", free_bytes_min = 0 }}

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{lhr}"
memory_bytes = "128 MiB"
"""


@dataclass(slots=True)
class Site:
    """One location, a regional cache with a disk, and `mine.test`, which the API made."""

    installation: Installation
    id: str = ""
    body: bytes = b"version one"
    asked: list[str] = field(default_factory=list)

    def ask(self, path: str = "/page") -> Answer:
        port = self.installation.ports.lhr
        return curl(f"http://127.0.0.1:{port}{path}", "-H", "Host: mine.test")

    async def answer(self, exchange: Exchange) -> None:
        await exchange.answer(len(self.body))
        await exchange.send(self.body)

    def create(self, origin: int) -> None:
        """Make it over the API."""
        document = self.installation.folder / "mine.json"
        config = site("mine", Aliases={"Quantity": 1, "Items": ["mine.test"]})
        config["Origins"]["Items"][0]["CustomOriginConfig"]["HTTPPort"] = origin
        document.write_text(json.dumps(config))
        code, said, wrong = self.installation.run("distributions", "create", str(document))
        assert code == 0, wrong
        self.id = said.split()[0]

    @contextlib.contextmanager
    def changing(self) -> Iterator[list[str]]:
        """Configurations published one after another; changes that were refused.

        No invalidations: marks of what is stored stay below all that come after the backup.
        """
        over, failures = threading.Event(), list[str]()
        transport = httpx.HTTPTransport(uds=str(self.installation.socket))

        def write() -> None:
            with httpx.Client(transport=transport, base_url="http://localhost") as client:
                releases = f"/distributions/{self.id}/releases"
                client.post(releases, json={"path": "/none/*"})
                while not over.is_set():
                    wanted = {"path": "/none/*", "number": len(self.asked) % 2}
                    answer = client.post(f"{releases}/active", json=wanted)
                    if not answer.is_success:
                        failures.append(answer.text)
                    self.asked.append(answer.text)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            yield failures
        finally:
            over.set()
            writer.join()


@pytest.fixture
def mine(tmp_path: Path, played: PlayedOrigin) -> Iterator[Site]:
    control, lhr = free_ports(2)
    installation = Installation(tmp_path, Ports(control, 1, lhr, 1), 1, CONFIG)
    installation.write()
    found = Site(installation)
    for path in ("/page", "/later"):
        played.plays(path, found.answer)
    yield found
    assert not installation.left_running()


def test_state_is_lost_and_restored(mine: Site, played: PlayedOrigin, tmp_path: Path) -> None:
    installation = mine.installation
    up = installation.start("up")
    up.until("up is ready", lambda: "Ctrl-C" in up.stdout)
    mine.create(played.port)
    assert mine.ask().body == b"version one"
    wait_for("hits", lambda: mine.ask().x_cache == mine.ask("/later").x_cache == "Hit")
    backup = tmp_path / "backup.tar"
    with mine.changing() as failures:
        wait_for("writes", lambda: len(mine.asked) > 20)
        code, said, wrong = installation.run("backup", str(backup))
        enough = len(mine.asked) + 20
        wait_for("more writes", lambda: len(mine.asked) > enough)
    assert (code, failures) == (0, []), wrong
    assert "control.sqlite" in said
    assert up.stop() == 0

    mine.body = b"version two"  # invalidated while the nodes are away, and after the backup
    control = installation.start("control")
    control.until("control listens", lambda: listens(installation.ports.control))
    code, said, wrong = installation.run("invalidate", mine.id, "/*")
    assert (code, "Completed" in said) == (0, True), wrong
    assert control.stop() == 0

    database = installation.state / "control.sqlite"
    database.write_bytes(b"not a database" * 1_000)
    up = installation.start("up")
    up.until("up is ready", lambda: "Ctrl-C" in up.stdout)
    for _ in range(5):  # what the API made is served, and no hit without a look upstream
        answer = mine.ask()
        assert (answer.status, answer.body) == (200, b"version two"), answer
        assert answer.x_cache != "Hit"
    assert up.stderr.count("control.sqlite: file is not a database; bring back a backup") == 1
    assert up.stderr.count("control is not started again") == 1
    assert installation.run("health")[0] == 1

    code, said, wrong = installation.run("restore", str(backup))
    assert code == 0, wrong
    code, said, wrong = installation.run("upgrade")
    assert code == 0, wrong
    for path in ["/later", "/page"] * 5:  # the first was asked by nobody since
        assert mine.ask(path).body == b"version two", path
    wait_for("a hit again", lambda: mine.ask().x_cache == "Hit")
    mine.body = b"version three"
    assert installation.run("invalidate", mine.id, "/*")[0] == 0
    assert mine.ask().body == b"version three"
    assert installation.run("restore", str(backup))[0] == 2
    assert up.stop() == 0
    assert "Traceback" not in up.stderr
