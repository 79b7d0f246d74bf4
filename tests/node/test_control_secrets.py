"""Control's secrets: what is made of them, and that it changes with the files."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecache.cluster.credentials import AUTH_SCHEME, control_message
from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Config
from edgecache.config.secrets import add_zone_secret, change_keys, load_operators, load_secrets
from edgecache.node import control_secrets
from edgecache.node.control_connection import peer_uid
from edgecache.node.control_secrets import ControlSecrets
from edgecache.runtime.environment import wall_clock
from tests.world.credentials import signer

TARGET = b"/log?after=0"
FORMER = ("peer", "identity", "operator")


@pytest.fixture
def secrets(tmp_path: Path) -> ControlSecrets:
    return ControlSecrets(str(tmp_path), {}, lambda: 0.0)


def scope(authorization: str) -> dict[str, Any]:
    """The head of a request for the log."""
    path, query = TARGET.split(b"?")
    return {
        "type": "http", "method": "GET", "path": path.decode(), "raw_path": path,
        "query_string": query, "headers": [(b"authorization", authorization.encode())],
    }  # fmt: skip


def signed(folder: Path, name: str = "edge-A-1") -> str:
    keys = dict(load_secrets(folder, {}).peer)
    made = signer(name, "control", wall_clock, keys).sign(control_message("GET", TARGET, ""))
    return f"{AUTH_SCHEME} {made.decode()}"


def test_nodes_and_operators_prove_themselves_each_by_its_own(
    tmp_path: Path, secrets: ControlSecrets
) -> None:
    token = Tokens([*load_operators(tmp_path, {}).values()], wall_clock).issue("me")
    assert secrets.proves(scope(f"Bearer {token}"))
    head = scope(signed(tmp_path))
    assert secrets.proves(head)
    assert secrets.proves(head), "it is found out once"
    assert not secrets.proves(scope(signed(tmp_path))), "the same run and number again"
    assert not secrets.proves(scope(signed(tmp_path, "control")))
    forged = Tokens([*load_secrets(tmp_path, {}).peer.values()], wall_clock).issue("me")
    for nothing in (f"Bearer {forged}", f"{AUTH_SCHEME} {token}", "", "Basic eDp5"):
        assert not secrets.proves(scope(nothing))


def test_what_changes_counts_and_what_cannot_be_read_does_not(
    tmp_path: Path, secrets: ControlSecrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = [*load_operators(tmp_path, {}).values()]

    class Over(Exception):
        """The look after the last."""

    changes: Iterator[Callable[[], object]] = iter([
        lambda: change_keys(tmp_path, {}, "operator", lambda _: {"k2": "o" * 32}),
        lambda: change_keys(tmp_path, {}, "peer", lambda _: {"k2": "p" * 32}),
        lambda: (tmp_path / "operators.json").unlink(),
        lambda: (tmp_path / "secrets.json").write_text("{"),
    ])  # fmt: skip

    async def pause(_seconds: float) -> None:
        change = next(changes, None)
        if change is None:
            raise Over
        change()

    before = secrets.signer("edge-A").sign(b"")
    monkeypatch.setattr(asyncio, "sleep", pause)
    with pytest.raises(Over):
        asyncio.run(secrets.watch())
    assert before.startswith(b"1.k1.control.")
    assert secrets.signer("edge-A").sign(b"").startswith(b"1.k2.control.")
    assert secrets.signer("edge-B").sign(b"").startswith(b"1.k2.control.")
    assert not (tmp_path / "operators.json").exists(), "it is made at a start alone"
    assert not secrets.proves(scope(f"Bearer {Tokens(old, wall_clock).issue('me')}"))
    assert secrets.proves(scope(f"Bearer {Tokens(['o' * 32], wall_clock).issue('me')}"))


def test_a_file_that_could_not_be_read_is_tried_until_it_can_and_told_of_once(
    tmp_path: Path, secrets: ControlSecrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(control_secrets, "warn", said.append)
    path = tmp_path / "secrets.json"
    change_keys(tmp_path, {}, "peer", lambda _: {"k2": "p" * 32})
    content, ours = path.read_text(), secrets.signer("edge-A")

    class Over(Exception):
        """The look after the last."""

    def readable_by_others() -> None:
        path.write_text(content)
        path.chmod(0o644)

    changes: Iterator[Callable[[], object]] = iter([
        path.unlink,
        lambda: None,
        readable_by_others,
        lambda: None,
        lambda: path.chmod(0o600),
    ])  # fmt: skip

    async def pause(_seconds: float) -> None:
        change = next(changes, None)
        if change is None:
            raise Over
        assert ours.sign(b"").startswith(b"1.k1.control.")
        change()

    monkeypatch.setattr(asyncio, "sleep", pause)
    with pytest.raises(Over):
        asyncio.run(secrets.watch())
    assert ours.sign(b"").startswith(b"1.k2.control.")
    assert [line.partition(": ")[2] for line in said] == [
        f"{path}: No such file or directory",
        f"{path}: others can use it (mode 0644); run: chmod 600 {path}",
    ]


def test_a_file_of_a_former_release_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(control_secrets, "warn", said.append)
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({kind: {"k1": "s" * 32} for kind in FORMER}))
    path.chmod(0o600)
    made = ControlSecrets(str(tmp_path), {}, lambda: 0.0)
    assert said == [f"{path} holds operators' secrets; run: edgecache secrets split"]
    assert made.proves(scope(f"Bearer {Tokens(['s' * 32], wall_clock).issue('me')}"))
    assert not (tmp_path / "operators.json").exists()


def test_the_user_of_a_socket_is_known_with_no_descriptor_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = socket.socketpair()
    with one, other:
        monkeypatch.setattr(os, "dup", _no_descriptor)
        assert peer_uid(one.fileno()) == os.geteuid()
        one.send(b"x")
        assert other.recv(1) == b"x"  # it was not closed


def _no_descriptor(*_: object) -> int:
    raise OSError(errno.EMFILE, "Too many open files")


def test_name_servers_alone_are_given_what_zones_are_signed_by(
    tmp_path: Path, secrets: ControlSecrets
) -> None:
    made = dict(add_zone_secret(tmp_path, {}))
    given = {place: json.loads(secrets.part(place, Config()))
             for place in ("nameserver", "edge-LHR50", "regional")}  # fmt: skip
    assert given["nameserver"]["dnssec"] == made
    assert not given["nameserver"]["identity"]
    assert "dnssec" not in given["edge-LHR50"]
    assert "dnssec" not in given["regional"]
