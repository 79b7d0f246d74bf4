"""What follows from a change is what composition from scratch gives, at the price of the change."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgecache.cluster.log_entries import LogEntryKind, read_page
from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.control.state import log
from edgecache.control.state.compose import NotComposedError, compose
from edgecache.control.state.resources import Resource, ResourceKind
from edgecache.node.followed_configuration import FollowedConfiguration, read_configuration
from tests.control.state.resource_rows import (
    Kept,
    cache_policy,
    distribution,
    function,
    kept,
    key_group,
    public_key,
    runs,
    trusts,
)
from tests.measurements import tell
from tests.server.test_calls import Counted

FILE = """
state_dir = "state"

[control]
canary_s = 1
allow_private_origins = true

[[locations]]
name = "LHR50"
listen = "127.0.0.1:8080"

[[distributions]]
id = "EFILE"
aliases = ["file.test"]
origins = [{ id = "o", domain_name = "127.0.0.1" }]
default_behavior = { origin = "o" }

[[distributions]]
id = "EZFILE"
origins = [{ id = "o", domain_name = "127.0.0.1" }]
default_behavior = { origin = "o" }
"""
CODE = "function handler(event) { return event.request; }"


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Kept]:
    file = tmp_path / "edgecache.toml"
    file.write_text(FILE)
    with kept(tmp_path, load(file)) as made:
        yield made


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Grows by one with each composition from scratch."""
    seen: list[bool] = []

    def counted(*given: Any) -> Any:
        seen.append(True)
        return compose(*given)

    monkeypatch.setattr("edgecache.control.state.catalog.compose", counted)
    return seen


def put(control: Kept, *rows: Resource) -> None:
    with control.catalog.changing():
        for one in rows:
            control.catalog.put(one)


def remove(control: Kept, kind: ResourceKind, id: str) -> None:
    with control.catalog.changing():
        control.catalog.remove(kind, id)


def undone(control: Kept, change: Callable[[], None]) -> None:
    """A change in a transaction that fails after it."""
    with contextlib.suppress(KeyError), control.state.writing():
        change()
        raise KeyError


def is_from_scratch(control: Kept) -> bool:
    """Whether a control that starts now publishes the same, which is no news for nodes."""
    before = control.log.generation
    other = control.restarted()
    same = (other.catalog.published, other.catalog.refused) == (
        control.catalog.published,
        control.catalog.refused,
    )
    return same and other.log.generation == before


class Follower:
    """A node, and what of the log it applies; one of a former release knows no changes."""

    def __init__(self, *, is_former: bool = False) -> None:
        self.kinds: list[str] = []
        self.config = Config()
        self._is_former = is_former
        self._after, self._followed = 0, FollowedConfiguration()

    def follow(self, control: Kept) -> None:
        held = 0 if self._is_former else self._followed.held
        page = read_page(msgspec.json.encode(control.log.live.after(self._after, held=held)))
        for entry in page.entries:
            self.kinds.append(entry.kind)
            told = self._followed.read(entry)
            self.config = read_configuration(told)
            self._followed.was_applied(told)
        self._after = page.upto


SHARED: list[Callable[[random.Random], Resource]] = [
    lambda draw: cache_policy(f"p{draw.randrange(3)}", draw.choice([1, 2, 3, 1_000])),  # > MaxTTL
    lambda draw: public_key(f"K{draw.randrange(2)}"),
    lambda draw: key_group(f"g{draw.randrange(2)}", [f"K{draw.randrange(3)}"]),
    lambda draw: function(f"f{draw.randrange(2)}", draw.choice([CODE, CODE + " ", ""])),
]
DEFAULTS: list[Callable[[random.Random], dict[str, Any]]] = [
    lambda draw: {},
    lambda draw: {},
    lambda draw: {"policy": f"p{draw.randrange(4)}"},
    lambda draw: trusts(f"g{draw.randrange(3)}"),
    lambda draw: runs(f"f{draw.randrange(3)}"),
    lambda draw: {"TargetOriginId": draw.choice(["o", "nobody"])},
    lambda draw: {"MinTTL": 5},  # of no cache policy
]


def some_distribution(draw: random.Random) -> Resource:
    names = [f"n{draw.randrange(12)}.test" for _ in range(draw.randrange(3))]
    names += draw.choice([[], [], [], ["file.test"], ["no name"]])
    id = f"E{draw.choice('ABCDEFGH')}" if draw.random() < 0.97 else "EZFILE"
    return distribution(id, names, draw.randrange(3), **draw.choice(DEFAULTS)(draw))


def change_something(control: Kept, draw: random.Random) -> None:
    """One change of one or two resources, which may be refused."""
    with control.catalog.changing():
        for _ in range(draw.choice([1, 1, 1, 2])):
            chance = draw.random()
            if chance < 0.25:
                control.catalog.remove(ResourceKind.DISTRIBUTION, f"E{draw.choice('ABCDEFGH')}")
            elif chance < 0.85:
                control.catalog.put(some_distribution(draw))
            elif chance < 0.87:
                control.catalog.releases.cut("EA", "/*", 1.0)
            elif chance < 0.89:
                control.catalog.adopt("EFILE")
            elif chance < 0.91:
                control.catalog.give_back("EFILE")
            else:
                one = draw.choice(SHARED)(draw)
                if draw.random() < 0.3:
                    control.catalog.remove(one.kind, one.id)
                else:
                    control.catalog.put(one)


@pytest.mark.parametrize("seed", range(4))
def test_any_sequence_of_changes_gives_what_is_composed_from_scratch(
    control: Kept, composed: list[bool], seed: int
) -> None:
    draw, refused, accepted, stepped = random.Random(seed), 0, 0, 0
    node, former, late = Follower(), Follower(is_former=True), Follower()
    for _ in range(50):
        before, composed[:] = (control.catalog.published, control.log.last_seq), []
        try:
            change_something(control, draw)
        except NotComposedError:
            refused += 1
            assert (control.catalog.published, control.log.last_seq) == before
        else:
            accepted += 1
            stepped += not composed
            assert is_from_scratch(control)
        node.follow(control)
        former.follow(control)
        if draw.random() < 0.2:
            late.follow(control)
            assert late.config == control.catalog.published
        assert node.config == former.config == control.catalog.published
    assert set(former.kinds) == {LogEntryKind.CONFIG}
    assert node.kinds.count(LogEntryKind.CONFIG_CHANGE) > 2
    tell(f"seed {seed}: {accepted} changes accepted, {stepped} of them as steps, {refused} refused")
    assert refused > 5
    assert stepped > 10


def test_changes_are_told_until_they_are_as_much_as_the_whole(
    control: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So what is read of the disk when control starts has a bound."""
    monkeypatch.setattr(log, "CHANGED_BYTES_MIN", 0)
    node = Follower()
    for number in range(20):
        put(control, distribution("EA", [f"a{number}.test"]))
        node.follow(control)
    assert [*node.kinds[:4], node.kinds[-1]] != [LogEntryKind.CONFIG] * 5
    assert LogEntryKind.CONFIG in node.kinds[1:]
    assert is_from_scratch(control)
    assert node.config == control.catalog.published


def test_what_changes_nothing_for_nodes_is_not_told(control: Kept) -> None:
    put(control, distribution("EA"))
    before, numbers = control.log.generation, control.log.last_seq
    put(control, replace(distribution("EA"), reference="another"))
    assert (control.log.generation, control.log.last_seq) == (before, numbers + 1)


def test_a_change_is_listed_with_what_differs(control: Kept) -> None:
    put(control, distribution("EA", ["a.test"]))
    put(control, distribution("EA", ["b.test"]))
    listed = control.catalog.changes.page(0, "", 2)
    assert [one.kind for one in listed] == ["config", "config"]
    found, _ = control.catalog.changes.differences(listed[0])
    assert [(one.path, one.before, one.after) for one in found] == [
        ("distributions[EA].aliases", '["a.test"]', '["b.test"]')
    ]
    found, _ = control.catalog.changes.differences(listed[1])
    assert {one.path.partition(".")[0] for one in found} == {"distributions[EA]"}


def test_a_change_that_is_undone_leaves_nothing_behind(control: Kept, composed: list[bool]) -> None:
    """The transaction fails after its composition was made, and another one comes."""
    put(control, distribution("EA", ["a.test"]))
    before = control.catalog.published
    undone(control, lambda: put(control, distribution("EB", ["b.test"])))
    assert control.catalog.published == before
    put(control, distribution("EC", ["b.test"]))
    assert is_from_scratch(control)
    composed.clear()
    put(control, distribution("ED"))
    assert not composed


def test_what_is_put_and_removed_in_one_change_was_never_there(control: Kept) -> None:
    with control.catalog.changing():
        control.catalog.put(distribution("EA"))
        control.catalog.remove(ResourceKind.DISTRIBUTION, "EA")
    assert control.catalog.get(ResourceKind.DISTRIBUTION, "EA") is None
    assert is_from_scratch(control)


def test_two_changes_of_one_transaction_both_count(control: Kept) -> None:
    with control.state.writing():
        put(control, distribution("EA", ["a.test"]))
        put(control, distribution("EB", ["b.test"]))
    assert is_from_scratch(control)
    with control.state.writing():
        put(control, cache_policy("p", 1))
        put(control, distribution("EC", policy="p"))
    assert is_from_scratch(control)


def test_a_name_can_move_in_one_change_and_is_nobody_elses(control: Kept) -> None:
    put(control, distribution("EA", ["a.test"]), distribution("EB"))
    with pytest.raises(NotComposedError, match=r"A\.test"):
        put(control, distribution("EC", ["A.test"]))
    put(control, distribution("EA"), distribution("EB", ["a.test"]))
    assert is_from_scratch(control)


CHANGES: dict[str, Callable[[Kept], None]] = {
    "create": lambda control: put(control, distribution("EM", ["m.test"], 5)),
    "change": lambda control: put(control, distribution("E0004", ["another.test"], 5)),
    "delete": lambda control: remove(control, ResourceKind.DISTRIBUTION, "E0005"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_costs_the_same_among_few_and_many(
    tmp_path: Path, control: Kept, composed: list[bool], name: str
) -> None:
    """In calls of this package's functions: of all distributions lists are copied, no more."""
    calls = []
    for first, last in ((0, 10), (10, 100)):
        put(control, *(distribution(f"E{n:04}", [f"w{n}.test"], 5) for n in range(first, last)))
        put(control, distribution("EWARM"))  # a step: what is asked of all is asked once
        composed.clear()
        with Counted() as counted:
            undone(control, partial(CHANGES[name], control))
        put(control, distribution("EWARM"))  # the one that was undone is forgotten
        calls.append(counted.calls)
    tell(f"{name} a distribution among 10 and 100: {calls} calls")
    assert calls[1] <= calls[0] * 1.02
