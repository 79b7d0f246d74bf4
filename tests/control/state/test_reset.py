"""State of control as at its start: what the API has made is gone, the file's is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecache.cluster.log_entries import LogEntryKind
from edgecache.control.state.database import Authorship
from edgecache.control.state.reset import StateReset
from edgecache.control.state.resources import ResourceKind, ResourceSource
from tests.control.cloudfront.desk import Desk, open_desk, site

BY = Authorship("test", "reset")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as made:
        yield made


@pytest.fixture
def reset(desk: Desk) -> StateReset:
    return StateReset(desk.state, desk.log, desk.catalog, desk.keys, lambda: None)


def rows(desk: Desk, table: str) -> int:
    count: int = desk.state.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return count


def made(desk: Desk) -> list[str]:
    """What the API has made, of every kind."""
    return [
        one.id
        for kind in ResourceKind
        for one in desk.catalog.of(kind)
        if one.source is ResourceSource.API
    ]


def fill(desk: Desk) -> Any:
    """One of everything, and what the client was answered of the distribution."""
    client = desk.client()
    distribution = client.create_distribution(DistributionConfig=site("r"))["Distribution"]
    client.create_key_group(KeyGroupConfig={"Name": "g", "Items": ["KFILE"]})
    store = client.create_key_value_store(Name="values")["KeyValueStore"]
    assert store["Name"] == "values"
    paths = {"Quantity": 1, "Items": ["/*"]}
    client.create_invalidation(
        DistributionId=distribution["Id"],
        InvalidationBatch={"Paths": paths, "CallerReference": "1"},
    )
    desk.made_key("ci")
    with desk.catalog.changing():
        desk.catalog.releases.cut("EFILE", "*", desk.now)
    return distribution


def test_nothing_that_was_made_is_left(desk: Desk, reset: StateReset) -> None:
    published = desk.catalog.published
    fill(desk)
    assert len(made(desk)) == 3
    seq = reset.start_over(BY, back=False)
    assert made(desk) == []
    assert [rows(desk, table) for table in ("invalidations", "releases", "access_keys")] == [0] * 3
    assert rows(desk, "key_values") == rows(desk, "key_value_stores") == 0
    assert desk.catalog.published == published
    newest = desk.log.newest(LogEntryKind.RESET)
    assert newest is not None
    assert (newest.seq, newest.body) == (seq, {"back": False})
    assert desk.log.live.after(0).last_seq == seq


def test_a_distribution_of_the_file_that_was_adopted_is_the_file_s_again(
    desk: Desk, reset: StateReset
) -> None:
    answer = desk.asks("POST", "/distributions/EFILE/adoption", headers=desk.token())
    assert answer.status_code == 200, answer.text
    assert made(desk) != []
    reset.start_over(BY, back=False)
    (one,) = desk.catalog.of(ResourceKind.DISTRIBUTION)
    assert (one.id, one.source) == ("EFILE", ResourceSource.FILE)


def test_nodes_are_told_the_newest_of_each_alone(desk: Desk, reset: StateReset) -> None:
    for _ in range(3):
        reset.start_over(BY, back=True)
        last = reset.tell_clock(BY)
    kinds = [entry.kind for entry in desk.log.live.after(0).entries]
    assert (kinds.count("reset"), kinds.count("clock")) == (1, 1)
    assert desk.log.live.after(0).entries[-1].seq == last
    count = "SELECT count(*) FROM log WHERE kind IN ('reset', 'clock')"
    assert desk.state.execute(count).fetchone()[0] == 2


def test_ids_begin_anew_with_it(desk: Desk) -> None:
    restarted: list[int] = []
    reset = StateReset(desk.state, desk.log, desk.catalog, desk.keys, lambda: restarted.append(1))
    reset.start_over(BY, back=False)
    assert restarted == [1]
