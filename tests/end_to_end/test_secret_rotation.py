"""Keys change while every request goes through both tiers and the gate: none is lost."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.cluster.credentials import CredentialSigner
from edgecache.cluster.tokens import Tokens
from edgecache.config.secrets import load_operators, load_secrets
from edgecache.runtime.environment import wall_clock
from edgecache.upstream.peer.heads import signed_head
from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import wait_for
from tests.end_to_end.traffic import Plan, Traffic
from tests.end_to_end.viewers import curl

TAKEN_OVER_S = 1.5  # each process looks twice a second
PAGES = ("/robots.txt", "/index.html")
ROTATED = ("peers", "identity", "operators")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """An installation of whose answers nothing is kept: all of them come from the bucket."""
    made = make_installation(tmp_path_factory.mktemp("rotation"), workers=1)
    text = made.config.read_text().replace("public, max-age=300", "no-store")
    made.config.write_text(text)
    started = start_up(made)
    yield started
    assert started.process.stop() == 0, started.process.stderr


def captured(up: Up, secrets: dict[str, str]) -> bytes:
    """What an edge would send, signed by the newest of `secrets`."""
    signer = CredentialSigner("edge-LHR50-1", "regional", wall_clock, os.urandom)
    signer.use(secrets)
    head = b"GET /robots.txt HTTP/1.1\r\nEdgecache-Id: i\r\nEdgecache-Client: 192.0.2.1\r\n"
    head += b"Host: 127.0.0.1\r\nEdgecache-Distribution: ESITE\r\nEdgecache-Scheme: http\r\n\r\n"
    return signed_head(head, signer.sign)


def told(up: Up, head: bytes) -> bytes:
    """The status line of the regional cache's answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(up.installation.state / "regional.sock"))
        connection.sendall(head)
        return connection.recv(65_536).split(b"\r\n", 1)[0]


def reload_status(up: Up, secret: str) -> int:
    """What an operator with this secret is answered who reloads over TCP."""
    token = Tokens([secret], wall_clock).issue("me")
    url = f"{up.installation.control}/reload"
    return curl(url, "-X", "POST", "-H", f"Authorization: Bearer {token}").status


def step(up: Up, name: str) -> None:
    """A step for every kind, and a moment in which all processes take it over."""
    for kind in ROTATED:
        code, out, error = up.installation.run("secrets", "rotate", kind, "--step", name, "--now")
        assert code == 0, error
        assert out.startswith(f"{name}: "), out
    threading.Event().wait(TAKEN_OVER_S)


def test_no_request_is_lost_and_what_the_old_keys_signed_is_refused_afterwards(up: Up) -> None:
    state = up.installation.state
    before, operators = load_secrets(state, {}), load_operators(state, {})
    assert told(up, captured(up, dict(before.peer))) == b"HTTP/1.1 200 OK"
    assert reload_status(up, operators["k1"]) == 200
    pages = {path: (up.installation.folder / "bucket" / path[1:]).read_bytes() for path in PAGES}
    plan = Plan((up.installation.ports.lhr, up.installation.ports.nrt), pages, per_s=150)
    with Traffic(plan) as traffic:
        for name in ("add", "sign", "drop"):
            step(up, name)
            traffic.more(50)
    assert traffic.failures == []
    assert traffic.answered > 300
    after, successors = load_secrets(state, {}), load_operators(state, {})
    assert not {*before.peer} & {*after.peer}
    assert told(up, captured(up, dict(before.peer))).startswith(b"HTTP/1.1 403 ")
    good = captured(up, dict(after.peer))
    assert told(up, good) == b"HTTP/1.1 200 OK"
    assert told(up, good).startswith(b"HTTP/1.1 403 "), "it was used"
    assert reload_status(up, operators["k1"]) == 401
    assert reload_status(up, [*successors.values()][-1]) == 200
    wait_for("nodes report", lambda: up.node("edge-LHR50-1")["alive"])


def test_the_ids_are_shown_and_no_value(up: Up) -> None:
    code, out, _ = up.installation.run("secrets", "show")
    found = load_secrets(up.installation.state, {})
    assert code == 0
    for kind in (found.peer, found.identity, found.viewer):
        for key_id, secret in kind.items():
            assert key_id in out
            assert secret not in out


def test_a_machine_of_one_edge_needs_no_more_than_its_part(up: Up, tmp_path: Path) -> None:
    installation = up.installation
    code, out, error = installation.run("secrets", "edge", "NRT57")
    assert code == 0, error
    own = json.loads(out)
    found = load_secrets(installation.state, {})
    assert not any(secret in out for secret in found.peer.values())
    assert all(secret not in out for secret in load_operators(installation.state, {}).values())
    assert all(part.startswith("part:edge-NRT57:") for part in own["peer"].values())
