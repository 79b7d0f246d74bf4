"""Rule files: read at the start and when they change; what is broken leaves what was good."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from edgecache.config.model import AccessList, AccessRule, Behavior, Config, Distribution, IpSet
from edgecache.config.origins import Origin
from edgecache.node.rule_files import KINDS, RuleFileWatch, read_rule_file, unread_rule_files
from edgecache.rules.routing import compile_routes


def config(*paths: Path) -> Config:
    sets = tuple(IpSet(name=f"s{n}", file=str(path)) for n, path in enumerate(paths))
    rules = tuple(
        AccessRule(number=n + 1, action="deny", sources=(f"set:s{n}",)) for n in range(len(paths))
    )
    behavior = Behavior(origin="o", access_list=AccessList(default="allow", rules=rules))
    site = Distribution(
        id="E1",
        domain_name="a.test",
        origins=(Origin(id="o", domain_name="o.test"),),
        default_behavior=behavior,
    )
    return Config(distributions=(site,), ip_sets=sets)


def admits(watch: RuleFileWatch, found: Config, address: str) -> bool:
    table = compile_routes(found, files=watch.contents)
    access_list = next(table.routes()).access_list
    assert access_list is not None
    return access_list.admits(address)


def settled(watch: RuleFileWatch) -> bool:
    """Whether a change was taken over, once it has stood from one look to the next."""
    return any([watch.look(), watch.look()])


def test_a_changed_file_counts_once_it_stands_still(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_text("10.0.0.1\n")
    found = config(path)
    watch = RuleFileWatch(found)
    assert not admits(watch, found, "10.0.0.1")
    assert not watch.look()
    path.write_text("10.0.0.2  # another\n")
    assert not watch.look()  # it may be half of what it will be
    assert watch.look()
    assert admits(watch, found, "10.0.0.1")
    assert not admits(watch, found, "10.0.0.2")
    assert not watch.look()


@pytest.mark.parametrize("broken", ["10.0.0.1\nten\neleven\n", "", "missing"])
def test_a_broken_file_leaves_what_was_read_and_says_so_once(
    tmp_path: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "bad.txt"
    path.write_text("10.0.0.1\n")
    found = config(path)
    watch = RuleFileWatch(found)
    path.unlink()
    if broken != "missing":
        path.write_text(broken)
    why = {
        "": f"{path}:1: the file is empty; write a comment if nobody is meant",
        "missing": f"no such file or directory: {path}",
    }.get(broken, f"{path}:2: 'ten' is neither an address nor a network (and 1 more)")
    for _ in range(5):
        assert not watch.look()
    assert not admits(watch, found, "10.0.0.1")
    line = f"ip_sets[0].file: {why}; what was read of it before stays in force"
    assert [record.getMessage() for record in caplog.records] == [line]
    caplog.clear()
    path.write_text("10.0.0.2\n")
    assert settled(watch)
    assert not admits(watch, found, "10.0.0.2")
    assert caplog.messages == [f"ip_sets[0].file: {path} is read again"]


def test_a_set_that_was_never_read_lets_nobody_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "none.txt"
    found = config(path)
    with caplog.at_level(logging.ERROR):
        watch = RuleFileWatch(found)
    assert not admits(watch, found, "10.0.0.9")
    (line,) = caplog.messages
    assert line.endswith("; until it can be read, nobody is let in by what names it")
    assert not watch.look()  # and nothing is said again
    assert len(caplog.messages) == 1
    path.write_text("10.0.0.1\n")
    assert settled(watch)
    assert admits(watch, found, "10.0.0.9")


def test_files_come_and_go_with_the_configuration(tmp_path: Path) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("10.0.0.1\n")
    second.write_text("10.0.0.2\n")
    watch = RuleFileWatch(config(first))
    watch.use(config(second))
    assert set(watch.contents.ip_sets) == {str(first), str(second)}  # the former is in force yet
    watch.use(config(second))
    assert set(watch.contents.ip_sets) == {str(second)}
    watch.use(config())
    watch.use(config())
    assert not watch.contents.ip_sets
    assert not watch.look()


def test_what_cannot_be_read_is_told_before_a_start(tmp_path: Path) -> None:
    broken, folder = tmp_path / "broken.txt", tmp_path / "folder"
    broken.write_text("10.0.0.0/8\n10.0.0.1/8\nx\n")
    folder.mkdir()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert unread_rule_files(config(broken, folder, tmp_path / "none", pipe)) == [
        f"ip_sets[0].file: {broken}:2: '10.0.0.1/8' has bits beyond its prefix: "
        "10.0.0.0/8 is the network",
        f"ip_sets[0].file: {broken}:3: 'x' is neither an address nor a network",
        f"ip_sets[1].file: is a directory: {folder}",
        f"ip_sets[2].file: no such file or directory: {tmp_path / 'none'}",
        f"ip_sets[3].file: is not a file: {pipe}",
    ]


def test_a_file_beyond_its_bound_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_text("#" * 100)
    with pytest.raises(ValueError, match="is larger than 99 bytes"):
        read_rule_file(KINDS[0]._replace(bytes_max=99), str(path))
