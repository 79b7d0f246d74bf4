"""Keys change in three steps; what is shown of them is no value."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgecache.cli.main import app
from edgecache.cli.secrets import (
    LASTS_S,
    RotationStep,
    SecretKind,
    age_of,
    signing_with_new_key,
    with_new_key,
    without_old_keys,
)
from edgecache.cluster.credentials import AGE_S_MAX, SKEW_S_MAX, part_of
from edgecache.cluster.tokens import AGE_S_MAX as TOKEN_S_MAX
from edgecache.config.secrets import add_zone_secret, load_operators, load_secrets
from edgecache.origin.identity import WINDOW_S, host_keys

LONG = "0123456789abcdef0123456789abcdef"
CONFIG = """
state_dir = "state"

[regional]
when_down = "stale"

[[locations]]
name = "LHR50"
listen = "127.0.0.1:1"

[[distributions]]
id = "E1"
aliases = ["site.test"]
origins = [{ id = "o", domain_name = "origin.test" }]
default_behavior = { origin = "o" }
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("EDGECACHE_SECRETS", raising=False)
    (tmp_path / "edgecache.toml").write_text(CONFIG)
    (tmp_path / "state").mkdir()
    former = {kind: {"k1": f"{kind}-{LONG}"} for kind in ("peer", "identity", "operator")}
    path = tmp_path / "state" / "secrets.json"
    path.write_text(json.dumps(former))
    path.chmod(0o600)
    return tmp_path


def run(place: Path, *arguments: str) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["secrets", *arguments, "-c", str(place / "edgecache.toml")])
    return answer.exit_code, answer.output


def state(place: Path) -> Path:
    return place / "state"


def test_the_steps_of_a_change() -> None:
    added = with_new_key({"a": "1", "b": "2"}, "c", "3")
    assert [*added] == ["c", "a", "b"], "the old one signs"
    assert [*signing_with_new_key(added)] == ["a", "b", "c"]
    assert without_old_keys(signing_with_new_key(added)) == {"c": "3"}
    with pytest.raises(ValueError, match="no key was added"):
        signing_with_new_key({"a": "1"})
    with pytest.raises(ValueError, match="is there already"):
        with_new_key({"a": "1"}, "a", "2")


def test_the_step_that_signs_is_not_taken_back_by_taking_it_twice() -> None:
    first, second = "k20261130T000000Z", "k20261130T000001Z"
    signing = signing_with_new_key(with_new_key({"k1": "1"}, first, "2"))
    with pytest.raises(ValueError, match=f"{first}, the newer one, signs already"):
        signing_with_new_key(signing)
    signing = signing_with_new_key(with_new_key(without_old_keys(signing), second, "3"))
    assert [*signing] == [first, second]
    with pytest.raises(ValueError, match=f"{second}, the newer one, signs already"):
        signing_with_new_key(signing)


def test_what_was_signed_has_ended_when_its_key_goes() -> None:
    assert LASTS_S[SecretKind.PEERS] >= AGE_S_MAX + SKEW_S_MAX
    assert LASTS_S[SecretKind.IDENTITY] >= 2 * WINDOW_S
    assert LASTS_S[SecretKind.OPERATORS] > TOKEN_S_MAX


@pytest.mark.parametrize("kind", SecretKind)
def test_each_kind_changes_by_steps(place: Path, kind: SecretKind) -> None:
    def keys() -> list[str]:
        if kind is SecretKind.OPERATORS:
            return [*load_operators(state(place), {})]
        found = load_secrets(state(place), {})
        return [*getattr(found, {SecretKind.PEERS: "peer"}.get(kind, kind))]

    if kind is SecretKind.DNSSEC:
        assert (run(place, "rotate", kind, "--step", "drop", "--now")[0], not keys()) == (2, True)
        add_zone_secret(state(place), {})
    assert run(place, "rotate", kind, "--step", "add")[0] == 0
    new, old = keys()
    assert old == "k1"
    assert run(place, "rotate", kind, "--step", "sign")[0] == 0
    assert keys() == ["k1", new]
    code, said = run(place, "rotate", kind, "--step", "drop")
    assert (code, "was changed lately: wait " in said) == (2, True)
    assert run(place, "rotate", kind, "--step", "drop", "--now")[0] == 0
    assert keys() == [new]


def test_operators_of_a_former_release_are_not_dropped_early_either(place: Path) -> None:
    path = state(place) / "secrets.json"
    former = json.loads(path.read_text())
    former["operator"] = {"k0": f"older-{LONG}", **former["operator"]}
    path.write_text(json.dumps(former))
    code, said = run(place, "rotate", "operators", "--step", "drop")
    assert (code, f"{path} was changed lately: wait " in said) == (2, True), said
    os.utime(path, (1, 1))
    assert run(place, "rotate", "operators", "--step", "drop")[0] == 0
    assert [*load_operators(state(place), {})] == ["k1"]


def test_what_was_signed_long_ago_needs_no_word_to_be_dropped(place: Path) -> None:
    os.utime(state(place) / "secrets.json", (1, 1))
    assert run(place, "rotate", "peers", "--step", "drop")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("rotate", "operators"), "operators' tokens last an hour"),
        (("rotate", "peers", "--step", "sign"), "rotate peers --step sign: no key was added"),
        (("edge", "NRT57"), 'there is no location "NRT57"'),
    ],
)
def test_mistakes_are_one_line(place: Path, arguments: tuple[str, ...], line: str) -> None:
    code, said = run(place, *arguments)
    assert (code, line in said, said.count("\n")) == (2, True, 1), said


def test_all_steps_at_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("edgecache.cli.secrets.time.sleep", waited.append)
    code, said = run(place, "rotate", "peers")
    assert code == 0
    assert [line.split(":")[0] for line in said.splitlines()] == [*RotationStep]
    assert waited == [3.0, LASTS_S[SecretKind.PEERS]]


def test_ids_and_ages_are_shown_and_no_value(place: Path) -> None:
    code, said = run(place, "show")
    assert code == 0
    assert LONG not in said
    for kind in ("peers", "identity", "operators"):
        assert any(kind in line and "k1" in line for line in said.splitlines())


@pytest.mark.parametrize(
    ("key_id", "age"),
    [
        ("k1", "unknown"),
        ("k20270115T080000Z", "0 h 0 min"),
        ("k20270115T063000Z", "1 h 30 min"),
        ("k20270101T080000Z", "14 d"),
        ("k20280101T080000Z", "0 h 0 min"),
        ("k20271399T999999Z", "unknown"),
    ],
)
def test_the_age_of_a_key_is_in_its_id(key_id: str, age: str) -> None:
    assert age_of(key_id, 1_800_000_000.0) == age


def test_operators_are_split_off(place: Path) -> None:
    assert "are in" in run(place, "split")[1]
    assert "were already in" in run(place, "split")[1]
    assert "operator" not in json.loads((state(place) / "secrets.json").read_text())


def test_an_application_gets_the_keys_of_its_hosts(place: Path) -> None:
    code, said = run(place, "origin", "app.internal")
    assert code == 0
    assert json.loads(said) == {"k1": host_keys(f"identity-{LONG}", ["app.internal"])}


def test_a_machine_of_one_location_gets_its_part(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = run(place, "edge", "LHR50")
    assert code == 0
    own = json.loads(said)
    assert own["peer"] == {"k1": part_of(f"peer-{LONG}", "edge-LHR50")}
    assert own["identity"] == {}, "it asks no origins when the regional cache is down"
    assert "operator" not in own
    path = place / "own.json"
    path.write_text(said)
    path.chmod(0o600)
    assert load_secrets("", {"EDGECACHE_SECRETS": str(path)}).peer == own["peer"]
    monkeypatch.setenv("EDGECACHE_SECRETS", str(path))
    code, said = run(place, "rotate", "peers", "--step", "add")
    assert (code, "change them where those are from" in said) == (2, True)
