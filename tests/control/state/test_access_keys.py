"""Access keys at rest: sealed, found again, sealed anew when operators' secrets change."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from edgecache.control.state.access_keys import (
    KEYS_MAX,
    AccessKeyList,
    AccessKeys,
    KeyNotMadeError,
)
from edgecache.control.state.database import StateDatabase
from edgecache.control.state.sqlite import SqliteDatabase
from tests.control.conftest import Opener

OLD, NEW = "o" * 32, "n" * 32
ACTIONS, SITES = ["invalidate"], ["E2", "E1"]


def at_once(done: Callable[[], None]) -> None:
    done()


def keys_in(state: StateDatabase, operators: Mapping[str, str] | None = None) -> AccessKeys:
    return AccessKeys(state, operators or {"k1": OLD}, lambda: 1_000.0, os.urandom, at_once)


def test_what_was_made_is_there_after_a_start_and_its_secret_in_no_file(tmp_path: Path) -> None:
    with closing(SqliteDatabase(tmp_path)) as state:
        made = keys_in(state).create("deploy", ACTIONS, SITES)
    assert made.distributions == ("E1", "E2")
    assert made.secret not in repr(made)
    for file in tmp_path.iterdir():
        assert made.secret.encode() not in file.read_bytes()
    with closing(SqliteDatabase(tmp_path)) as state:
        assert keys_in(state).all() == AccessKeyList((made,))


def test_a_change_is_told_with_all_there_is_then(opened: Opener) -> None:
    told: list[AccessKeyList] = []
    with closing(opened()) as state:
        keys = keys_in(state)
        keys.on_change(told.append)
        made = keys.create("deploy", ACTIONS, SITES)
        keys.delete("EDGEOPERATORS")
        keys.delete(made.id)
    gone = frozenset({"EDGEOPERATORS"})
    assert told == [
        AccessKeyList(), AccessKeyList((made,)), AccessKeyList((made,), gone),
        AccessKeyList((), gone),
    ]  # fmt: skip
    with closing(opened()) as state:
        assert keys_in(state).all() == AccessKeyList((), gone)


def made_on_a_full_disk(state: StateDatabase, keys: AccessKeys) -> None:
    with state.writing():
        keys.create("deploy", ACTIONS, SITES)
        raise OSError("the disk is full")


def test_nothing_is_told_that_is_not_on_disk(tmp_path: Path) -> None:
    told: list[AccessKeyList] = []
    with closing(SqliteDatabase(tmp_path)) as state:
        keys = keys_in(state)
        keys.on_change(told.append)
        with pytest.raises(OSError, match="the disk is full"):
            made_on_a_full_disk(state, keys)
        assert keys.all() == AccessKeyList()
    assert told == [AccessKeyList()]


def test_keys_outlive_a_rotation_of_operators(opened: Opener) -> None:
    with closing(opened()) as state:
        keys = keys_in(state)
        secret = keys.create("deploy", ACTIONS, SITES).secret
        keys.seal_anew({"k1": OLD, "k2": NEW})
    with closing(opened()) as state:
        assert keys_in(state, {"k2": NEW}).all().made[0].secret == secret


def test_one_whose_operators_secret_is_gone_has_no_secret(opened: Opener) -> None:
    with closing(opened()) as state:
        keys_in(state).create("deploy", ACTIONS, SITES)
    with closing(opened()) as state:
        keys = keys_in(state, {"k2": NEW})
        keys.seal_anew({"k2": NEW})
        assert keys.all().made[0].secret == ""
    with closing(opened()) as state:  # what cannot be read is left as it is
        assert keys_in(state).all().made[0].secret


def test_a_row_that_was_given_another_keys_secret_does_not_open(opened: Opener) -> None:
    with closing(opened()) as state:
        keys = keys_in(state)
        keys.create("wide", [], [])
        keys.create("narrow", ACTIONS, SITES)
        (sealed,) = state.execute("SELECT sealed FROM access_keys WHERE name = 'narrow'").fetchone()
        state.execute("UPDATE access_keys SET sealed = ? WHERE name = 'wide'", (sealed,))
        assert {one.name: bool(one.secret) for one in keys_in(state).all().made} == {
            "wide": False, "narrow": True,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "1-64 of"),
        ("a" * 65, "1-64 of"),
        ("a b", "1-64 of"),
        ("a\n", "1-64 of"),
        ("taken", "already"),
        ("k1", "already"),
    ],
)
def test_names_that_are_refused(opened: Opener, name: str, words: str) -> None:
    with closing(opened()) as state:
        keys = keys_in(state)
        keys.create("taken", [], [])
        with pytest.raises(KeyNotMadeError, match=words):
            keys.create(name, [], [])


def test_there_is_a_bound(opened: Opener) -> None:
    with closing(opened()) as state:
        keys = keys_in(state)
        for number in range(KEYS_MAX):
            keys.create(f"key{number}", [], [])
        with pytest.raises(KeyNotMadeError, match=f"{KEYS_MAX} access keys"):
            keys.create("more", [], [])


def test_the_last_use_is_kept(opened: Opener) -> None:
    with closing(opened()) as state:
        keys = keys_in(state)
        made = keys.create("deploy", [], [])
        keys.note_use(made.id, 1_234.0)
        assert keys.all().made[0].used_at == 1_234.0
