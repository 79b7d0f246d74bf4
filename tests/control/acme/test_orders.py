"""Challenges of a folder and of orders: what edges answer, and what never leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgecache.cluster.certificates import CHALLENGES_MAX
from edgecache.control.acme.orders import SUBFOLDER, Challenges


def test_a_folder_and_its_well_known_part_are_read(tmp_path: Path) -> None:
    (tmp_path / SUBFOLDER).mkdir(parents=True)
    (tmp_path / SUBFOLDER / "certbots").write_text("certbots.x\n")
    (tmp_path / "dehydrateds").write_text("dehydrateds.y")
    challenges = Challenges()
    challenges.add("ours", "ours.z")
    found = challenges.answers(str(tmp_path))
    assert found == {"ours": "ours.z", "certbots": "certbots.x", "dehydrateds": "dehydrateds.y"}
    challenges.remove("ours")
    challenges.remove("ours")
    assert challenges.answers("") == {}
    assert challenges.answers(str(tmp_path / "missing")) == {}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("other", b"another.x"),
        ("secret", b"-----BEGIN PRIVATE KEY-----"),
        ("large", b"large." + b"x" * 10_000),
        ("bytes", b"bytes.\xff"),
        ("name.txt", b"name.txt.x"),
        ("a" * 129, b"a" * 129 + b".x"),
    ],
)
def test_what_is_no_challenge_is_passed_over(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert Challenges().answers(str(tmp_path)) == {}


def test_links_folders_and_pipes_are_passed_over(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("link.x")
    folder = tmp_path / "webroot"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    assert Challenges().answers(str(folder)) == {}


def test_of_many_the_newest_are_told(tmp_path: Path) -> None:
    for number in range(CHALLENGES_MAX + 20):
        path = tmp_path / f"token{number}"
        path.write_text(f"token{number}.x")
        os.utime(path, (number, number))
    found = Challenges().answers(str(tmp_path))
    assert [*found] == [f"token{number}" for number in range(CHALLENGES_MAX + 19, 19, -1)]
