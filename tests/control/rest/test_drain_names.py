"""Who is drained: by what names, on which machine, and over a restart of control."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from edgecache.control.rest.drain import DrainedNodes, UnknownNodeError
from edgecache.control.state.sqlite import SqliteDatabase

NODE = ("edge-LHR50-1", "LHR50", "vm-1")
KNOWN = ("LHR50", "LHR50@vm-1", "edge-LHR50-1", "edge-LHR50-1@vm-1", "regional")


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("LHR50", True),
        ("LHR50@vm-1", True),
        ("edge-LHR50-1", True),
        ("edge-LHR50-1@vm-1", True),
        ("regional", False),
    ],
)
def test_a_name_means_its_processes(tmp_path: Path, named: str, meant: bool) -> None:
    with closing(SqliteDatabase(tmp_path)) as state:
        drained = DrainedNodes(state)
        drained.change(named, KNOWN, drain=True)
        assert drained.holds(*NODE) == meant
        assert not drained.holds("edge-NRT57-1", "NRT57", "vm-1")


def test_another_machine_of_the_location_goes_on(tmp_path: Path) -> None:
    with closing(SqliteDatabase(tmp_path)) as state:
        drained = DrainedNodes(state)
        drained.change("LHR50@vm-1", KNOWN, drain=True)
        assert not drained.holds("edge-LHR50-1", "LHR50", "vm-2")
        assert not drained.holds("edge-LHR50-1", "LHR50", "")


def test_it_is_kept_until_it_is_taken_back(tmp_path: Path) -> None:
    with closing(SqliteDatabase(tmp_path)) as state:
        DrainedNodes(state).change("LHR50", KNOWN, drain=True)
    with closing(SqliteDatabase(tmp_path)) as state:
        again = DrainedNodes(state)
        assert again.holds(*NODE)
        again.change("LHR50", (), drain=False)  # the location may be gone by now
        assert not again.holds(*NODE)
    with closing(SqliteDatabase(tmp_path)) as state:
        assert not DrainedNodes(state).named


@pytest.mark.parametrize("named", ["LHR51", "", "a b", "LHR50@", "x" * 65, "LHR50@vm-2"])
def test_what_is_no_node_is_refused(tmp_path: Path, named: str) -> None:
    with closing(SqliteDatabase(tmp_path)) as state:
        drained = DrainedNodes(state)
        with pytest.raises(UnknownNodeError, match="known: LHR50, "):
            drained.change(named, KNOWN, drain=True)
        assert not drained.named
