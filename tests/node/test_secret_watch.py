"""A process reads its own secrets: what it finds, what it does without, and when it looks again."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgecache.config.model import Behavior, Config, Distribution
from edgecache.config.origins import Origin, OriginAccessControl
from edgecache.config.secrets import (
    KeyPair,
    SecretsError,
    change_keys,
    load_secrets,
    put_key_pair,
)
from edgecache.node.secret_watch import (
    VALUE_BYTES_MAX,
    WATCH_S,
    SecretWatch,
    WatchedIdentity,
    missing_key_pairs,
    missing_values,
    secret_value,
)
from edgecache.upstream.faults import UpstreamError
from edgecache.upstream.origin_auth import RequestToSign
from tests.world.clock import FakeClock

NOW = 1_800_000_000.0
ASKED = RequestToSign(b"GET", b"o.test", b"/", ((b"host", b"o.test"),))


def config(folder: Path, *controls: OriginAccessControl, **settings: Any) -> Config:
    origin = Origin(id="o", domain_name="o.test", **settings)
    site = Distribution(id="E1", origins=(origin,), default_behavior=Behavior(origin="o"))
    return Config(
        state_dir=str(folder), distributions=(site,), origin_access_controls=tuple(controls)
    )


class Secretive:
    """Secrets of a configuration, and how often certificates were renewed."""

    def __init__(self, found: Config, env: Mapping[str, str] | None = None) -> None:
        self.renewed = 0
        self.own = SecretWatch(found, env or {}, lambda: NOW, self._renew)
        self._origin = found.distributions[0].origins[0]

    def _renew(self) -> None:
        self.renewed += 1

    def proof(self, name: bytes) -> bytes:
        fields = self.own.proofs.prove(self._origin, ASKED)
        return next((value for held, value in fields if held == name), b"")


def test_a_header_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("from a file\n")
    headers = {"x-a": "env:V", "x-b": f"file:{tmp_path}/v.txt"}
    found = Secretive(config(tmp_path, secret_headers=headers), {"V": "from the environment"})
    assert found.proof(b"x-a") == b"from the environment"
    assert found.proof(b"x-b") == b"from a file"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not the value of a header"),
        (b"\n", "is not the value of a header"),
        (b"a\nb", "is not the value of a header"),
        (b"\xc3\xa9", "is not the value of a header"),
        (b" padded", "is not the value of a header"),
        (b"x" * (VALUE_BYTES_MAX + 1), "is not the value of a header"),
    ],
)
def test_what_is_no_value_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(ValueError, match=problem):
        secret_value(f"file:{tmp_path}/v.txt", {})


def test_what_is_missing_is_told_with_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    control = OriginAccessControl(id="E2", name="minio")
    headers = {"x-a": "env:V", "x-b": f"file:{tmp_path}/none"}
    wanted = config(tmp_path, control, secret_headers=headers, access_control_id="E2")
    assert [*missing_values(wanted, {})] == [
        "distributions[0].origins[0].secret_headers.x-a: env:V: is not set",
        f"distributions[0].origins[0].secret_headers.x-b: file:{tmp_path}/none: "
        "no such file or directory",
    ]
    with caplog.at_level(logging.ERROR):
        found = Secretive(wanted)
    path = tmp_path / "secrets.json"
    line = (
        f'origin_access_controls[0].credential: no key pair "minio" in {path}; '
        "run: edgecache keys store minio"
    )
    assert [*missing_key_pairs(wanted, found.own.secrets, path)] == [line]
    assert f"requests are not sent: {line}" in caplog.messages
    with pytest.raises(UpstreamError):
        found.proof(b"x-a")


def test_nobody_misses_a_key_pair_that_nothing_signs_with(tmp_path: Path) -> None:
    secrets = load_secrets(tmp_path, {})
    unused = config(tmp_path, OriginAccessControl(id="E2"))
    never = OriginAccessControl(id="E2", signing_behavior="never")
    for wanted in (unused, config(tmp_path, never, access_control_id="E2")):
        assert not [*missing_key_pairs(wanted, secrets, tmp_path)]


def test_a_key_pair_comes_changes_and_goes(tmp_path: Path) -> None:
    control = OriginAccessControl(id="E2")
    wanted = config(tmp_path, control, access_control_id="E2")
    found = Secretive(wanted)
    for pair in (KeyPair("FIRST", "s1"), KeyPair("SECOND", "s2")):
        put_key_pair(tmp_path, {}, "E2", pair)
        assert found.own.changed()
        found.own.use(wanted)
        assert not found.own.changed()
        assert pair.access_key_id.encode() in found.proof(b"authorization")
    put_key_pair(tmp_path, {}, "E2", None)
    found.own.use(wanted)
    with pytest.raises(UpstreamError):
        found.proof(b"authorization")


def test_a_file_that_cannot_be_read_leaves_what_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    value = tmp_path / "v.txt"
    value.write_text("first")
    wanted = config(tmp_path, secret_headers={"x-a": f"file:{value}"})
    found = Secretive(wanted)
    value.unlink()
    secrets = tmp_path / "secrets.json"
    known = found.own.secrets
    secrets.write_text("{}")
    assert found.own.changed()
    found.own.use(wanted)
    assert found.proof(b"x-a") == b"first"
    assert found.own.secrets == known
    assert any("secrets were not read anew" in line for line in caplog.messages)
    value.write_text("second")
    assert found.own.changed()
    found.own.use(wanted)
    assert found.proof(b"x-a") == b"second"


def test_certificates_are_renewed_when_a_file_has_changed(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    certificate.write_text("c")
    key.write_text("k")
    files = {"client_certificate_file": str(certificate), "client_key_file": str(key)}
    wanted = config(tmp_path, protocol_policy="https-only", **files)
    found = Secretive(wanted)
    before = found.renewed
    found.own.use(wanted)
    assert found.renewed == before
    os.utime(key, ns=(1, 1))
    assert found.own.changed()
    found.own.use(wanted)
    assert found.renewed == before + 1


def test_viewers_secrets_are_read_with_the_rest(tmp_path: Path) -> None:
    wanted = config(tmp_path)
    found = Secretive(wanted)
    path = tmp_path / "secrets.json"
    content = json.loads(path.read_text())
    content["viewer"] = {"k9": "v" * 32}
    path.write_text(json.dumps(content))
    assert found.own.use(wanted) == {"k9": "v" * 32}


def test_peers_are_told_of_changes_and_what_is_no_use_leaves_what_there_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = config(tmp_path)
    watch = Secretive(found).own
    told: list[list[str]] = []

    def user(keys: Mapping[str, str]) -> None:
        if "bad" in keys:
            raise ValueError("a part of another place")
        told.append([*keys])

    watch.tell_peers(user)
    change_keys(tmp_path, {}, "peer", lambda keys: {"k2": "s" * 32, **keys})
    assert watch.changed()
    watch.use(found)
    assert told == [["k1"], ["k2", "k1"]]
    change_keys(tmp_path, {}, "peer", lambda keys: {"bad": "s" * 32, **keys})
    watch.use(found)
    assert "secrets.json: peer: a part of another place" in caplog.text
    with pytest.raises(SecretsError, match="peer: a part of another place"):
        Secretive(found).own.tell_peers(user)


def test_without_an_identity_an_origin_that_wants_it_is_sent_nothing(tmp_path: Path) -> None:
    load_secrets(tmp_path, {})
    change_keys(tmp_path, {}, "identity", lambda _: {})
    with pytest.raises(UpstreamError):
        Secretive(config(tmp_path, access="identity")).proof(b"x-edgecache-identity")
    assert Secretive(config(tmp_path)).proof(b"x-edgecache-identity") == b""


def replaced(folder: Path, kind: str, mode: int = 0o600) -> Path:
    """`secrets.json` anew, whole at once, with a key k9 of `kind`."""
    path = folder / "secrets.json"
    content = json.loads(path.read_text())
    content[kind] = {"k9": "n" * 32}
    new = path.with_name("new")
    new.write_text(json.dumps(content))
    new.chmod(mode)
    new.replace(path)
    return path


def test_a_file_counts_once_its_rights_are_as_the_log_asks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted, clock = config(tmp_path), FakeClock()
    found, watched = Secretive(wanted).own, WatchedIdentity(str(tmp_path), {}, clock)
    path = replaced(tmp_path, "identity", 0o644)
    for _ in range(3):
        clock.now += WATCH_S
        assert [*watched.keys()] == ["k1"]
        found.use(wanted)
    assert not found.changed()
    said = [line for line in caplog.messages if "run: chmod 600" in line]
    assert len(said) == 2, "once by each"
    path.chmod(0o600)
    clock.now += WATCH_S
    assert [*watched.keys()] == ["k9"]
    assert found.changed()
    found.use(wanted)
    assert [*found.secrets.identity] == ["k9"]
    assert not found.changed()


def test_what_could_not_be_opened_once_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    value = tmp_path / "v.txt"
    value.write_text("first")
    wanted, clock = config(tmp_path, secret_headers={"x-a": f"file:{value}"}), FakeClock()
    made, watched = Secretive(wanted), WatchedIdentity(str(tmp_path), {}, clock)
    found = made.own
    replaced(tmp_path, "identity")
    value.write_text("second")

    def no_descriptor(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    clock.now += WATCH_S
    with monkeypatch.context() as short:
        short.setattr(os, "open", no_descriptor)
        short.setattr("builtins.open", no_descriptor)
        for _ in range(2):
            found.use(wanted)
            assert not found.changed()
            assert [*watched.keys()] == [*found.secrets.identity] == ["k1"]
            assert made.proof(b"x-a") == b"first"
            clock.now += WATCH_S
    assert sum("secrets were not read anew" in line for line in caplog.messages) == 2
    assert [*watched.keys()] == ["k9"]
    assert found.changed()
    found.use(wanted)
    assert [*found.secrets.identity] == ["k9"]
    assert made.proof(b"x-a") == b"second"
    assert not found.changed()


def test_a_file_that_is_away_is_not_made_anew(tmp_path: Path) -> None:
    wanted, clock = config(tmp_path), FakeClock()
    found, watched = Secretive(wanted).own, WatchedIdentity(str(tmp_path), {}, clock)
    path, known = tmp_path / "secrets.json", found.secrets
    path.rename(tmp_path / "away")
    clock.now += WATCH_S
    assert found.changed()
    found.use(wanted)
    assert watched.keys() == known.identity
    assert found.secrets == known
    assert not path.exists()
    (tmp_path / "away").rename(path)
    replaced(tmp_path, "identity")
    clock.now += WATCH_S
    assert [*watched.keys()] == ["k9"]


def test_a_process_is_one_signer_to_gates_whatever_is_published(tmp_path: Path) -> None:
    wanted = config(tmp_path, access="identity")
    found = Secretive(wanted)
    keys = {"k1": "s" * 32}
    made = []

    def replace_keys(held: Mapping[str, str]) -> None:
        change_keys(tmp_path, {}, "identity", lambda _: held)

    for held in (keys, keys, {}, {**keys, "k2": "t" * 32}):
        replace_keys(held)
        found.own.use(wanted)
        if held:
            made.append(found.proof(b"x-edgecache-identity").split(b"."))
    runs, numbers, ids = ([parts[n] for parts in made] for n in (2, 3, 0))
    assert len({*runs}) == 1
    assert numbers == [b"1", b"2", b"3"]
    assert ids == [b"k1", b"k1", b"k2"]


def test_a_gate_here_learns_keys_without_a_restart(tmp_path: Path) -> None:
    clock = FakeClock()
    watched = WatchedIdentity(str(tmp_path), {}, clock)
    before = watched.keys()
    assert watched.keys() is before
    change_keys(tmp_path, {}, "identity", lambda keys: {"k2": "s" * 32, **keys})
    assert watched.keys() is before, "it was looked at a moment ago"
    clock.now += WATCH_S
    assert [*watched.keys()] == ["k2", "k1"]
    (tmp_path / "secrets.json").write_text("{")
    clock.now += WATCH_S
    assert [*watched.keys()] == ["k2", "k1"]
