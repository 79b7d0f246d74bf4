"""What a process has logged of one request: remembered, in its files, and bounded."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from edgecache.observe.log_history import PIECE_BYTES, REMEMBERED_BYTES, LogHistory
from edgecache.observe.log_record import COLUMNS, HEADER, JSON_FIELDS, JsonLines, standard_line
from tests.observe.test_log_reader import line

ID, PATH, REASON = (COLUMNS[name] for name in ("x-edge-request-id", "cs-uri-stem", "reason"))
AS_JSON = JsonLines(JSON_FIELDS, "edge-A-1")
HOUR = "2024-01-01-12"


def history(folder: Path) -> LogHistory:
    return LogHistory(folder, "edge-A-1", "u1")


def found(made: LogHistory, id: str) -> list[tuple[bytes, bytes]]:
    return [(row[PATH], row[REASON]) for row in made.find(id)]


def test_what_was_written_last_is_remembered(tmp_path: Path) -> None:
    made = history(tmp_path)
    made.remember([line(b"/a", id="a=="), line(b"/b", id="b=="), line(b"/a==", id="c==")])
    made.remember([line(b"/d", id="d==", extras=None)])
    assert found(made, "a==") == [(b"/a", b"absent")]
    assert found(made, "d==") == [(b"/d", b"-")]
    assert found(made, "e==") == []


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    made = history(tmp_path)
    for number in range(300):
        made.remember([line(b"/" + b"a" * 900, id=f"n{number}==")] * 10)
        assert made.size_bytes <= REMEMBERED_BYTES
    assert len(made.find("n299==")) == 10
    assert made.find("n0==") == []


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("kind", "reason"), [("log", b"-"), ("json", b"absent")])
def test_its_files_are_looked_into(tmp_path: Path, packed: bool, kind: str, reason: bytes) -> None:
    lines = [line(b"/n%d" % n, id=f"n{n}==") for n in range(6_000)]
    if kind == "log":
        text = HEADER + b"".join(map(standard_line, lines))
    else:
        text = AS_JSON(lines)
    assert len(text) > PIECE_BYTES
    if packed:
        name = {"log": "gz", "json": "json.gz"}[kind]
        (tmp_path / f"edge-A-1.{HOUR}.u1.{name}").write_bytes(gzip.compress(text, 1))
    else:
        (tmp_path / f"edge-A-1.{HOUR}.u1.{kind}").write_bytes(text)
    made = history(tmp_path)
    for number in (0, 2_345, 5_999):
        assert found(made, f"n{number}==") == [(b"/n%d" % number, reason)]
    assert found(made, "n1=") == []


def test_the_newest_file_comes_first_and_json_before_others(tmp_path: Path) -> None:
    (tmp_path / "edge-A-1.2024-01-01-11.u1.gz").write_bytes(b"not whole")
    (tmp_path / f"edge-A-1.{HOUR}.u1.log").write_bytes(standard_line(line(id="a==")))
    (tmp_path / f"edge-A-1.{HOUR}.u1.json").write_bytes(AS_JSON([line(id="a==")]) + b"{}\n[a==]\n")
    assert found(history(tmp_path), "a==") == [(b"/", b"absent")]
    assert found(history(tmp_path), "b==") == []


@pytest.mark.parametrize(
    "name",
    [
        f"edge-A-1.{HOUR}.u2.log",
        f"edge-A-11.{HOUR}.u1.log",
        f"edge-A-1.{HOUR}.u1.txt",
        "edge-A-1.x",
    ],
)
def test_files_of_others_are_not(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(standard_line(line(id="a==")))
    assert found(history(tmp_path), "a==") == []


def test_a_line_that_is_cut_is_none(tmp_path: Path) -> None:
    whole = standard_line(line(id="a=="))
    (tmp_path / f"edge-A-1.{HOUR}.u1.log").write_bytes(whole[40:] + b"\ta==\t\n" + whole[:-9])
    assert found(history(tmp_path), "a==") == []


def test_without_a_folder_it_remembers(tmp_path: Path) -> None:
    made = LogHistory(None, "edge-A-1", "u1")
    assert made.find("a==") == []
    made.remember([line(id="a==")])
    assert len(made.find("a==")) == 1
