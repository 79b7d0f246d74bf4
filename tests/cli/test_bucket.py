"""The bucket's commands: what they change in the folder, and what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgecache.cli.main import app
from edgecache.config.origins import canonical_user_id

TEXT = """
state_dir = "state"
[bucket]
listen = "127.0.0.1:1"
folder = "site"
versions_max = %d
[[origin_access_identities]]
id = "EGIVEN"
s3_canonical_user_id = "%s"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "edgecache.toml").write_text(TEXT % (5, "ab" * 32))
    (tmp_path / "site").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*arguments: str, code: int = 0, given: bytes | None = None) -> str:
    result = CliRunner().invoke(app, ["bucket", *arguments], input=given)
    assert result.exit_code == code, result.output
    return result.output.strip()


def test_an_object_is_put_listed_and_restored(folder: Path) -> None:
    (folder / "new.txt").write_text("first")
    first = ran("put", "new.txt", "a/b.txt")
    second = ran("put", "-", "a/b.txt", given=b"second")
    assert (folder / "site" / "a" / "b.txt").read_bytes() == b"second"
    lines = ran("versions", "a/b.txt").splitlines()
    assert [line.split()[0] for line in lines] == [second, first]
    assert lines[1].endswith('5  "8b04d5e3775d298e78455efc5ca404d5"  a/b.txt')
    third = ran("restore", "a/b.txt", first)
    assert (folder / "site" / "a" / "b.txt").read_bytes() == b"first"
    assert [line.split()[0] for line in ran("versions").splitlines()] == [third, second, first]


def test_what_cannot_be_done_is_told(folder: Path) -> None:
    assert "No such file" in ran("put", "absent", "a", code=1)
    assert '"../a" is not the name of an object' in ran("put", "-", "../a", code=1, given=b"")
    assert '"a" has no version x' in ran("restore", "a", "x", code=1)
    (folder / "edgecache.toml").write_text(TEXT % (0, "ab" * 32))
    assert ran("put", "-", "a", given=b"x") == ""
    assert "no versions are kept" in ran("versions", code=2)
    (folder / "edgecache.toml").write_text("")
    assert "has no [bucket]" in ran("policy", "E1", code=2)


@pytest.mark.parametrize(
    ("identity", "canonical"), [("EGIVEN", "ab" * 32), ("E2", canonical_user_id("E2"))]
)
def test_a_policy_for_an_identity(folder: Path, identity: str, canonical: str) -> None:
    made = json.loads(ran("policy", identity))
    assert made["Statement"][0]["Principal"] == {"CanonicalUser": canonical}
    assert made["Statement"][0]["Resource"] == "arn:aws:s3:::demo/*"
