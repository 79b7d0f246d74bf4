"""`--json`: every command that tells something can tell it as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from edgecache.cli.main import app

WITHOUT_JSON = {
    **dict.fromkeys(
        ("edge", "regional", "control", "origin", "nameserver"), "run until they are stopped"
    ),
    "help": "text for people",
    "man": "writes files for man(1)",
    **dict.fromkeys(
        ("distributions get", "policies get", "bucket policy", "secrets origin", "secrets edge"),
        "print JSON in any case",
    ),
}
CONFIG = """
state_dir = "state"
[bucket]
listen = "127.0.0.1:1"
folder = "site"
versions_max = 5
[[locations]]
name = "A"
listen = "127.0.0.1:2"
[[distributions]]
id = "E1"
aliases = ["a.test"]
origins = [{ id = "o", domain_name = "o.test" }]
default_behavior = { origin = "o" }
"""


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))
    if not hasattr(group, "commands"):
        yield " ".join(path), group


ALL = dict(commands(get_command(app)))


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_it_or_a_reason(name: str) -> None:
    has = any("--json" in parameter.opts for parameter in ALL[name].params)
    assert has is (name not in WITHOUT_JSON), "give it --json (cli/options.py:print_result)"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "edgecache.toml").write_text(CONFIG)
    (tmp_path / "site").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(*words: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*words, "--json"], prog_name="edgecache", input="x")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_a_check_that_passes_and_one_that_does_not(folder: Path) -> None:
    assert told("check")["problems"] == []
    (folder / "site").rmdir()
    (line,) = told("check", "-c", "edgecache.toml", code=2)["problems"]
    assert re.match(r"edgecache\.toml:\d+:1: bucket\.folder: no such folder: ", line)
    assert told("check", "--no-files")["problems"] == []
    (folder / "edgecache.toml").write_text("zzz = 1")
    assert told("check", code=2)["problems"] == ["edgecache.toml:1:1: zzz: unknown key"]


def test_every_number() -> None:
    first = told("check", "--settings")[0]
    assert first["place"] == "limits.head_bytes_max"
    assert (first["low"], first["unit"]) == (1_024, "bytes")


def test_the_bucket() -> None:
    version = told("bucket", "put", "-", "a.txt")["version"]
    (listed,) = told("bucket", "versions")
    assert (listed["version"], listed["key"], listed["bytes"]) == (version, "a.txt", 1)
    assert told("bucket", "restore", "a.txt", version)["key"] == "a.txt"


def test_keys_and_signatures() -> None:
    made = told("keys", "generate", "team", "--type", "ecdsa")
    assert made["private"] == "team.private.pem"
    made = told("keys", "generate", "k9", "--type", "native")
    assert made["id"] == "k9"
    url = "http://a.test/x"
    assert told("sign-url", url)["url"].startswith(url)
    assert len(told("sign-cookies", url)["cookies"]) == 1
    assert told("explain-signature", url)["opens"] is True
    assert told("keys", "store", "s", "--access-key-id", "AKIA")["name"] == "s"
    assert {row["kind"] for row in told("secrets", "show")} >= {"peers", "viewers", "stores"}
    assert told("secrets", "rotate", "peers", "--step", "add")["steps"] == ["add"]


def test_failures_are_told_as_json_too() -> None:
    assert told("health", "127.0.0.1:1", code=1)["healthy"] is False
