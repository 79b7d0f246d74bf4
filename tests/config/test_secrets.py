"""The secrets' file: how it comes to be, who may read it, and what is refused."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from edgecache.config.secrets import (
    ENV,
    KeyPair,
    Secrets,
    SecretsError,
    add_viewer_secret,
    change_keys,
    has_former_operators,
    load_operators,
    load_secrets,
    operators_path,
    put_key_pair,
    secrets_path,
    split_operators,
)
from edgecache.origin.identity import IdentitySigner, host_keys

LONG = "0123456789abcdef0123456789abcdef"
GOOD = {kind: {"k1": LONG} for kind in ("peer", "identity")}
FORMER = {**GOOD, "operator": {"k1": LONG}}


def written(path: Path, content: Any, mode: int = 0o600) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def counting() -> Callable[[int], bytes]:
    """Randomness that never repeats itself, and is the same every time."""
    drawn = iter(range(256))
    return lambda count: bytes([next(drawn)]) * count


def test_a_missing_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    state_dir = tmp_path / "var" / "demo"
    made = load_secrets(state_dir, {}, counting())
    path = state_dir / "secrets.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in state_dir.iterdir()] == ["secrets.json"]
    assert load_secrets(state_dir, {}) == made
    drawn = {made.peer["k1"], made.identity["k1"], made.viewer["k1"]}
    assert len(drawn) == 3
    assert made.peer["k1"] == "A" * 43


def test_the_usual_randomness_is_not_constant(tmp_path: Path) -> None:
    assert load_secrets(tmp_path / "a", {}) != load_secrets(tmp_path / "b", {})


def test_the_environment_may_name_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.json", GOOD)
    env = {ENV: str(path)}
    assert secrets_path(tmp_path / "state", env) == path
    assert load_secrets(tmp_path / "state", env).peer == {"k1": LONG}
    assert not (tmp_path / "state").exists()


def test_a_named_file_is_made_only_in_a_folder_that_exists(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    assert load_secrets(tmp_path / "state", {ENV: str(path)}) == load_secrets(
        tmp_path, {ENV: str(path)}
    )
    nowhere = tmp_path / "nowhere" / "mine.json"
    with pytest.raises(SecretsError) as caught:
        load_secrets(tmp_path, {ENV: str(nowhere)})
    assert str(caught.value) == f"{nowhere}: No such file or directory"


def test_who_starts_together_agrees(tmp_path: Path) -> None:
    together = threading.Barrier(8)
    found: list[Secrets] = []

    def start() -> None:
        together.wait(10)
        found.append(load_secrets(tmp_path, {}))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert all(one == found[0] for one in found)
    assert [entry.name for entry in tmp_path.iterdir()] == ["secrets.json"]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"

    def random(count: int) -> bytes:
        written(path, GOOD)
        return bytes(count)

    assert load_secrets(tmp_path, {}, random).peer == {"k1": LONG}
    assert [entry.name for entry in tmp_path.iterdir()] == ["secrets.json"]


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o620, 0o610, 0o660, 0o441, 0o666])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "secrets.json", GOOD, mode)
    with pytest.raises(SecretsError) as caught:
        load_secrets(tmp_path, {})
    assert (
        str(caught.value) == f"{path}: others can use it (mode {mode:04o}); run: chmod 600 {path}"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "Input data was truncated"),
        ("{", "Input data was truncated"),
        ("[]", "Expected `object`, got `array`"),
        ({"peer": {}}, "Object missing required field `identity`"),
        ({**GOOD, "extra": {}}, "Object contains unknown field `extra`"),
        ({**GOOD, "peer": {"k1": 7}}, "Expected `str`, got `int` - at `$.peer[...]`"),
        ({**GOOD, "peer": {}}, "peer: 0 keys, expected 1 to 16"),
        ({**GOOD, "peer": {f"k{i}": LONG for i in range(17)}}, "peer: 17 keys, expected 1 to 16"),
        ({**GOOD, "identity": {"a.b": LONG}}, "identity: id 0: expected 1-64 of A-Z a-z 0-9 _ -"),
        (
            {**GOOD, "identity": {"k1": f"hosts:{LONG}"}},
            "identity.k1: not keys of hosts (hosts:NAME=KEY,...)",
        ),
        (
            {**GOOD, "identity": {"k1": host_keys(LONG, ["a.test", "b.test"]) + ","}},
            "identity.k1: not keys of hosts (hosts:NAME=KEY,...)",
        ),
        ({**GOOD, "operator": {"k1": LONG[1:]}}, "operator.k1: shorter than 32 characters"),
        ("x" * 70_000, "more than 65536 bytes"),
    ],
)
def test_other_forms_are_refused_in_one_line(tmp_path: Path, content: Any, problem: str) -> None:
    path = written(tmp_path / "secrets.json", content)
    with pytest.raises(SecretsError) as caught:
        load_secrets(tmp_path, {})
    assert str(caught.value) == f"{path}: {problem}"
    assert LONG[1:] not in str(caught.value)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_only_a_regular_file_is_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "secrets.json"
    make(path)
    with pytest.raises(SecretsError, match=r"regular file|Is a directory"):
        load_secrets(tmp_path, {})


def test_keys_of_hosts_are_an_identity_too(tmp_path: Path) -> None:
    keys = {"k1": host_keys(LONG, ["a.test", "[::1]", "127.0.0.1"])}
    written(tmp_path / "secrets.json", {**GOOD, "identity": keys})
    assert load_secrets(tmp_path, {}).identity == keys
    assert IdentitySigner(keys, lambda: 0.0).sign(b"GET", b"[::1]:80", b"/")


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_change_that_fails_leaves_no_secrets_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    path = written(tmp_path / "secrets.json", GOOD)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(SecretsError, match="No space left"):
        change_keys(tmp_path, {}, "peer", lambda keys: {"k0": LONG, **keys})
    assert [*tmp_path.iterdir()] == [path]
    assert json.loads(path.read_text()) == GOOD


def test_the_order_of_the_file_is_kept(tmp_path: Path) -> None:
    keys = {"z": LONG, "a": LONG, "m": LONG}
    written(tmp_path / "secrets.json", {**GOOD, "identity": keys})
    assert [*load_secrets(tmp_path, {}).identity] == ["z", "a", "m"]


def test_secrets_are_not_shown_and_not_changed(tmp_path: Path) -> None:
    written(tmp_path / "secrets.json", GOOD)
    loaded = load_secrets(tmp_path, {})
    assert repr(loaded) == str(loaded)
    kinds = "peer=['k1'], identity=['k1'], viewer=[]"
    assert repr(loaded) == f"Secrets({kinds}, origin=[], dnssec=[])"
    with pytest.raises(FrozenInstanceError):
        loaded.peer = {}  # type: ignore[misc]
    with pytest.raises(TypeError):
        loaded.peer["k2"] = LONG  # type: ignore[index]


def test_a_secret_is_added_and_the_others_stay(tmp_path: Path) -> None:
    path = written(tmp_path / "secrets.json", GOOD)
    assert add_viewer_secret(tmp_path, {}, "k1", counting()) == path
    add_viewer_secret(tmp_path, {}, "k2", counting())
    found = load_secrets(tmp_path, {})
    assert [*found.viewer] == ["k1", "k2"]
    assert found.peer == {"k1": LONG}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secrets.json"]


@pytest.mark.parametrize(
    ("key_id", "problem"),
    [("k1", "viewer.k1: is there already"), ("a.b", "viewer: id 1: expected 1-64 of A-Z")],
)
def test_what_cannot_be_added(tmp_path: Path, key_id: str, problem: str) -> None:
    path = written(tmp_path / "secrets.json", {**GOOD, "viewer": {"k1": LONG}})
    before = path.read_bytes()
    with pytest.raises(SecretsError, match=problem):
        add_viewer_secret(tmp_path, {}, key_id)
    assert path.read_bytes() == before


def test_key_pairs_of_stores_come_and_go(tmp_path: Path) -> None:
    path = written(tmp_path / "secrets.json", GOOD)
    pair = KeyPair("AKID", LONG)
    assert put_key_pair(tmp_path, {}, "minio", pair, counting()) == path
    assert put_key_pair(tmp_path, {}, "other", KeyPair("AKID2", LONG, "token"), counting()) == path
    found = load_secrets(tmp_path, {})
    assert found.origin == {"minio": pair, "other": KeyPair("AKID2", LONG, "token")}
    assert found.peer == {"k1": LONG}
    assert LONG not in repr(found) + repr(found.origin)
    put_key_pair(tmp_path, {}, "minio", KeyPair("AKID3", LONG), counting())
    put_key_pair(tmp_path, {}, "other", None, counting())
    assert load_secrets(tmp_path, {}).origin == {"minio": KeyPair("AKID3", LONG)}
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SecretsError, match=r"origin\.other: is not there"):
        put_key_pair(tmp_path, {}, "other", None, counting())


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        ({"a b": KeyPair("A", LONG)}, "origin: name 0: expected 1-64 of A-Z a-z 0-9 _ . -"),
        ({"s": KeyPair("A/B", LONG)}, "origin.s.access_key_id: not 1-128 printable characters"),
        ({"s": KeyPair("A,B", LONG)}, "origin.s.access_key_id: not 1-128 printable characters"),
        (
            {"s": KeyPair("A", "a b")},
            "origin.s.secret_access_key: not 1-4096 printable characters without blanks",
        ),
        (
            {"s": KeyPair("A", "b", "\n")},
            "origin.s.session_token: not 1-4096 printable characters without blanks",
        ),
        ({f"s{n}": KeyPair("A", "b") for n in range(101)}, "origin: 101 are more than 100"),
    ],
)
def test_what_is_no_key_pair_is_refused(
    tmp_path: Path, pairs: dict[str, KeyPair], problem: str
) -> None:
    content = {**GOOD, "origin": {name: structs.asdict(pair) for name, pair in pairs.items()}}
    written(tmp_path / "secrets.json", content)
    with pytest.raises(SecretsError) as caught:
        load_secrets(tmp_path, {})
    assert caught.value.problem == problem


def test_operators_have_a_file_of_their_own_that_no_node_asks_for(tmp_path: Path) -> None:
    load_secrets(tmp_path, {})
    assert not operators_path(tmp_path, {}).exists()
    made = load_operators(tmp_path, {}, counting())
    path = tmp_path / "operators.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_operators(tmp_path, {}) == made == {"k1": "A" * 43}
    assert "operator" not in json.loads((tmp_path / "secrets.json").read_text())


def test_a_file_of_a_former_release_is_read_and_split_when_asked(tmp_path: Path) -> None:
    former = written(tmp_path / "secrets.json", {**FORMER, "viewer": {"v": LONG}})
    assert load_secrets(tmp_path, {}).viewer == {"v": LONG}
    assert load_operators(tmp_path, {}) == {"k1": LONG}
    assert has_former_operators(tmp_path, {})
    assert [entry.name for entry in tmp_path.iterdir()] == ["secrets.json"]
    assert split_operators(tmp_path, {})
    assert json.loads(former.read_text()) == {**GOOD, "viewer": {"v": LONG}}
    assert json.loads((tmp_path / "operators.json").read_text()) == {"operator": {"k1": LONG}}
    assert load_operators(tmp_path, {}) == {"k1": LONG}
    assert not has_former_operators(tmp_path, {})
    assert not split_operators(tmp_path, {})


def test_what_a_node_reads_has_no_operators_in_it(tmp_path: Path) -> None:
    written(tmp_path / "secrets.json", {**FORMER, "operator": {"k1": LONG[::-1]}})
    loaded = load_secrets(tmp_path, {})
    assert not hasattr(loaded, "operator")
    assert LONG[::-1] not in str([loaded.peer, loaded.identity, loaded.viewer, loaded.origin])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({}, "Object missing required field `operator`"),
        ({"operator": {}}, "operator: 0 keys, expected 1 to 16"),
        ({"operator": {"k1": "short"}}, "operator.k1: shorter than 32 characters"),
        (GOOD, "Object contains unknown field `peer`"),
    ],
)
def test_bad_files_of_operators_are_refused_in_one_line(
    tmp_path: Path, content: Any, problem: str
) -> None:
    path = written(tmp_path / "operators.json", content)
    with pytest.raises(SecretsError) as caught:
        load_operators(tmp_path, {})
    assert str(caught.value) == f"{path}: {problem}"


def test_keys_of_a_kind_are_changed_and_the_others_stay(tmp_path: Path) -> None:
    path = written(tmp_path / "secrets.json", FORMER)
    assert change_keys(tmp_path, {}, "peer", lambda keys: {"k0": LONG, **keys}) == path
    assert [*load_secrets(tmp_path, {}).peer] == ["k0", "k1"]
    assert load_operators(tmp_path, {}) == {"k1": LONG}
    changed = change_keys(tmp_path, {}, "operator", lambda keys: {**keys, "k2": LONG})
    assert changed == tmp_path / "operators.json"
    assert [*load_operators(tmp_path, {})] == ["k1", "k2"]
    assert not has_former_operators(tmp_path, {})
