"""Tables: in a pipe each row is one whole line whose fields can be counted."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from edgecache.cli.options import plain_lines, print_rows, printable

LONG = "q" * 300
ROWS = [("E1", True, "", LONG), ("E22", False, datetime(2026, 11, 30, tzinfo=UTC), "a\n\x1b[1mb")]


def test_in_a_pipe_nothing_is_cut_or_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(("id", "on", "at", "comment"), ROWS)
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "on", "at", "comment"]
    assert first.split() == ["E1", "yes", "-", LONG]
    assert second == r"E22  no   2026-11-30 00:00:00  a\x0a\x1b[1mb"


def test_a_terminal_gets_it_drawn_and_folded() -> None:
    out = io.StringIO()
    print_rows(
        ("id", "on", "at", "comment"), ROWS, Console(file=out, width=60, force_terminal=True)
    )
    assert out.getvalue().count("q") == len(LONG)
    assert "─" in out.getvalue()
    assert r"\x1b[1mb" in out.getvalue()


def test_figures_end_in_line() -> None:
    lines = plain_lines(("node", "bytes"), [("a", "7"), ("bb", "1234")], ["bytes"])
    assert [*lines] == ["node  bytes", "a         7", "bb     1234"]


def test_what_a_terminal_would_obey_is_shown() -> None:
    assert printable("a\x1b[2J\tb") == r"a\x1b[2J\x09b"
