"""Every role as a command of its own, without a supervisor: what is down stays down."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.installation import PLAYED, Installation, make_installation
from tests.end_to_end.processes import Running, kill, listens, wait_for
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.viewers import Answer, curl

BODY = b"short-lived"


@dataclass(frozen=True, slots=True)
class Alone:
    """The roles of an installation, each started by itself."""

    installation: Installation
    roles: dict[str, Running]

    def ask(self, port: int, path: str, host: str = "127.0.0.1") -> Answer:
        return curl(f"http://127.0.0.1:{port}{path}", "-H", f"Host: {host}")


def stale_when_down(installation: Installation) -> None:
    """The same installation, but edges do not go around a regional cache that is down."""
    text = installation.config.read_text()
    text = text.replace("[regional]\n", '[regional]\nwhen_down = "stale"\n')
    installation.config.write_text(text)


@pytest.fixture
def alone(tmp_path: Path, played: PlayedOrigin) -> Iterator[Alone]:
    """Origin and regional of one file; LHR50 goes to the origin, NRT57 serves what it has."""
    installation = make_installation(tmp_path, played=played.port, workers=1)
    ports = installation.ports
    roles = {role: installation.start(role) for role in ("control", "origin", "regional")}
    roles["origin"].until("origin listens", lambda: listens(ports.bucket))
    socket = installation.state / "regional.sock"
    roles["regional"].until("regional listens", socket.exists)
    roles["LHR50"] = installation.start("edge", "--location", "LHR50")
    roles["LHR50"].until("LHR50 listens", lambda: listens(ports.lhr))
    stale_when_down(installation)
    roles["NRT57"] = installation.start("edge", "--location", "NRT57")
    roles["NRT57"].until("NRT57 listens", lambda: listens(ports.nrt))
    yield Alone(installation, roles)
    for role in reversed(roles.values()):
        assert role.stop() in (0, -signal.SIGKILL), role.stderr
    assert not installation.left_running()


def test_an_edge_that_the_regional_cache_does_not_know(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its viewers get our 502, never the 403 that was meant for it; its operator a line."""
    secrets = json.loads((alone.installation.state / "secrets.json").read_text())
    secrets["peer"] = {name: value[::-1] for name, value in secrets["peer"].items()}
    other = alone.installation.folder / "other.json"
    other.write_text(json.dumps(secrets))
    other.chmod(0o600)
    assert alone.roles["NRT57"].stop() == 0
    with monkeypatch.context() as patch:
        patch.setenv("EDGECACHE_SECRETS", str(other))
        alone.roles["NRT57"] = alone.installation.start("edge", "--location", "NRT57")
    nrt = alone.installation.ports.nrt
    alone.roles["NRT57"].until("NRT57 listens", lambda: listens(nrt))
    for path in ("/", "/robots.txt", "/"):
        answer = alone.ask(nrt, path)
        assert (answer.status, answer.x_cache) == (502, "Error"), answer
        assert "edgecache-fault" not in answer.fields
    assert alone.roles["NRT57"].stderr.count("the regional cache refuses this edge") == 1
    assert alone.ask(alone.installation.ports.lhr, "/").status == 200


async def short_lived(exchange: Exchange) -> None:
    await exchange.answer(len(BODY), "max-age=1")
    await exchange.send(BODY)


def test_when_regional_is_down(alone: Alone, played: PlayedOrigin) -> None:
    ports = alone.installation.ports
    played.plays("/short-lived", short_lived)
    assert alone.ask(ports.lhr, "/").status == 200
    again = alone.ask(ports.nrt, "/")
    assert (again.status, again.x_cache) == (200, "Hit")
    assert alone.ask(ports.nrt, "/short-lived", PLAYED).body == BODY
    asked = played.asked["/short-lived"]

    kill(alone.roles["regional"])
    direct = alone.ask(ports.lhr, "/robots.txt")
    assert (direct.status, direct.x_cache) == (200, "Miss")
    assert "regional" not in direct.fields["cache-status"]
    assert alone.ask(ports.nrt, "/robots.txt").status == 502
    assert alone.ask(ports.nrt, "/").x_cache == "Hit"

    def stale() -> bool:
        answer = alone.ask(ports.nrt, "/short-lived", PLAYED)
        assert (answer.status, answer.body) == (200, BODY)
        return "stale" in answer.fields["cache-status"]

    wait_for("the short-lived object is served stale", stale)
    assert played.asked["/short-lived"] == asked
