"""Versions of objects: when there is a new one, what is kept, and how one is asked for."""

from __future__ import annotations

import io
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecache.origin import versions as versions_module
from edgecache.origin.bucket import bucket_app
from edgecache.origin.errors import S3ErrorCode
from edgecache.origin.folder import Folder, OpenObject, put_object
from edgecache.origin.versions import ID_CHARS, BeingWrittenError, Version, Versions, is_version_id

Ask = Callable[..., Any]
KEY = "a/b.txt"


class Shelf:
    """A folder with one object, and its versions."""

    def __init__(self, top: Path, kept_max: int = 10) -> None:
        self.top = top
        self.root = top / "site"
        (self.root / "a").mkdir(parents=True)
        self.versions = Versions(top / "versions", kept_max)
        self.folder = Folder(self.root, self.versions)
        self._time = 1_600_000_000

    def write(self, content: bytes, key: str = KEY) -> None:
        """As a plain copy does: in place."""
        self._time += 10
        (self.root / key).write_bytes(content)
        os.utime(self.root / key, (self._time, self._time))

    def opened(
        self, key: str = KEY, version_id: str | None = None
    ) -> tuple[bytes, str] | S3ErrorCode:
        found = self.folder.open(f"/{key}".encode(), version_id)
        if isinstance(found, S3ErrorCode):
            return found
        with found.file:
            return found.read(0, 1_000), found.version_id

    def met(self, content: bytes) -> str:
        self.write(content)
        found = self.opened()
        assert not isinstance(found, S3ErrorCode)
        assert found[0] == content
        return found[1]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_each_content_is_a_version(shelf: Shelf) -> None:
    first, second = shelf.met(b"first"), shelf.met(b"second")
    assert first != second
    assert len(first) == ID_CHARS
    assert shelf.opened(version_id=first) == (b"first", first)
    assert shelf.opened(version_id=second) == (b"second", second)
    listed = shelf.versions.of(KEY)
    assert [(v.id, v.number, v.size) for v in listed] == [(second, 2, 6), (first, 1, 5)]
    assert [v.modified_at for v in listed] == [1_600_000_020, 1_600_000_010]
    assert listed[1].etag == '"8b04d5e3775d298e78455efc5ca404d5"'
    assert shelf.versions.keys() == [KEY]


def test_a_touch_makes_no_version(shelf: Shelf) -> None:
    assert shelf.met(b"same") == shelf.met(b"same")
    assert len(shelf.versions.of(KEY)) == 1


def test_a_content_that_comes_back_is_a_new_version(shelf: Shelf) -> None:
    ids = [shelf.met(content) for content in (b"a", b"b", b"a")]
    assert len({*ids}) == 3


def test_the_same_content_elsewhere_is_another_version(shelf: Shelf) -> None:
    one = shelf.met(b"same")
    shelf.write(b"same", "other.txt")
    other = shelf.opened("other.txt")
    assert not isinstance(other, S3ErrorCode)
    assert other[1] != one
    assert shelf.opened("other.txt", one) is S3ErrorCode.NO_SUCH_VERSION


def test_who_reads_the_folder_again_finds_them(shelf: Shelf) -> None:
    first = shelf.met(b"first")
    again = Folder(shelf.root, Versions(shelf.top / "versions", 10))
    found = again.open(b"/a/b.txt")
    assert isinstance(found, OpenObject)
    found.file.close()
    assert found.version_id == first


def test_the_oldest_are_taken_away(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, kept_max=2)
    ids = [shelf.met(b"%d" % number) for number in range(4)]
    assert [v.id for v in shelf.versions.of(KEY)] == [ids[3], ids[2]]
    assert shelf.opened(version_id=ids[0]) is S3ErrorCode.NO_SUCH_VERSION
    assert shelf.met(b"more") not in ids


def test_a_version_outlives_its_file(shelf: Shelf) -> None:
    first = shelf.met(b"first")
    (shelf.root / KEY).unlink()
    assert shelf.opened() is S3ErrorCode.NO_SUCH_KEY
    assert shelf.opened(version_id=first) == (b"first", first)


def test_what_is_sent_does_not_change_with_the_file(shelf: Shelf) -> None:
    shelf.write(b"first")
    found = shelf.folder.open(b"/a/b.txt")
    assert isinstance(found, OpenObject)
    with found.file:
        shelf.write(b"in place")
        assert found.read(0, 100) == b"first"


@pytest.mark.parametrize(
    ("version_id", "answer"),
    [
        ("nosuchversion", S3ErrorCode.NO_SUCH_VERSION),
        ("", S3ErrorCode.INVALID_ARGUMENT),
        ("a b", S3ErrorCode.INVALID_ARGUMENT),
        ("../../secret", S3ErrorCode.INVALID_ARGUMENT),
        ("x" * 129, S3ErrorCode.INVALID_ARGUMENT),
    ],
)
def test_versions_that_are_not_there(shelf: Shelf, version_id: str, answer: S3ErrorCode) -> None:
    shelf.met(b"first")
    assert shelf.opened(version_id=version_id) is answer


def test_without_versions_only_null_is_one(shelf: Shelf) -> None:
    shelf.write(b"plain")
    plain = Folder(shelf.root)
    found = plain.open(b"/a/b.txt", "null")
    assert isinstance(found, OpenObject)
    found.file.close()
    assert found.version_id == ""
    assert plain.open(b"/a/b.txt", "v1") is S3ErrorCode.NO_SUCH_VERSION


def test_a_copy_taken_away_is_made_again(shelf: Shelf) -> None:
    first = shelf.met(b"first")
    for version in shelf.versions.of(KEY):
        version.path.unlink()
    assert shelf.opened() == (b"first", first)


def test_without_room_an_object_is_served_all_the_same(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_descriptor: int, _to: Path) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(versions_module, "_copy", full)
    shelf.write(b"first")
    with caplog.at_level(logging.ERROR):
        assert shelf.opened() == (b"first", "")
    assert "a/b.txt: no version is kept: [Errno 28] No space left on device" in caplog.messages
    monkeypatch.undo()
    found = shelf.opened()
    assert not isinstance(found, S3ErrorCode)
    assert is_version_id(found[1])


def test_a_file_that_is_being_written_is_no_version(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = iter(range(100))
    monkeypatch.setattr(versions_module, "_mark", lambda _facts: (next(marks), 0))
    shelf.write(b"half")
    with (shelf.root / KEY).open("rb") as file, pytest.raises(BeingWrittenError):
        shelf.versions.keep(KEY, file.fileno())
    assert shelf.opened() == (b"half", "")
    assert shelf.versions.of(KEY) == []


def test_who_meets_it_together_keeps_it_once(shelf: Shelf) -> None:
    shelf.write(b"first")
    together = threading.Barrier(8)
    found: list[Version] = []

    def meet() -> None:
        own = Versions(shelf.top / "versions", 10)
        with (shelf.root / KEY).open("rb") as file:
            together.wait(10)
            found.append(own.keep(KEY, file.fileno()))

    threads = [threading.Thread(target=meet) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert len({version.id for version in found}) == len(shelf.versions.of(KEY)) == 1


def put(shelf: Shelf, content: bytes, key: str = KEY) -> str:
    made = put_object(shelf.root, key, io.BytesIO(content), shelf.versions)
    assert made is not None
    return made.id


def test_what_is_put_is_a_version_and_so_is_what_it_replaces(shelf: Shelf) -> None:
    shelf.write(b"never asked for")
    second = put(shelf, b"second")
    assert shelf.opened() == (b"second", second)
    contents = [version.path.read_bytes() for version in shelf.versions.of(KEY)]
    assert contents == [b"second", b"never asked for"]
    assert [path.name for path in (shelf.root / "a").iterdir()] == ["b.txt"]
    assert (shelf.root / KEY).stat().st_mode & 0o777 == 0o644


def test_an_object_is_put_into_a_new_folder_without_versions(tmp_path: Path) -> None:
    assert put_object(tmp_path, "new/deep/ü.txt", io.BytesIO(b"x")) is None
    assert (tmp_path / "new" / "deep" / "ü.txt").read_bytes() == b"x"


@pytest.mark.parametrize(
    "key", ["", "/a", "a//b", "../a", "a/../../b", "a\\b", "a\nb", "up/a", ".env"]
)
def test_what_is_no_name_is_not_written(tmp_path: Path, key: str) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "up").symlink_to(tmp_path)
    with pytest.raises(ValueError, match=r"is not the name|leads out"):
        put_object(tmp_path / "site", key, io.BytesIO(b"x"))
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_over_http(ask: Ask, shelf: Shelf) -> None:
    app = bucket_app(shelf.root, versions=shelf.versions)
    first, second = shelf.met(b"first"), shelf.met(b"second")
    now = ask(app, b"/a/b.txt")
    assert (now.status, now.body) == (200, b"second")
    assert now.headers[b"x-amz-version-id"] == second.encode()
    target = f"/a/b.txt?x=1&versionId={first}".encode()
    former = ask(app, target)
    assert (former.body, former.headers[b"x-amz-version-id"]) == (b"first", first.encode())
    assert ask(app, target, (b"range", b"bytes=1-2")).body == b"ir"
    unchanged = ask(app, target, (b"if-none-match", former.headers[b"etag"]))
    assert (unchanged.status, unchanged.headers[b"x-amz-version-id"]) == (304, first.encode())


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        (b"versionId=" + b"A" * 32, 404, b"NoSuchVersion"),
        (b"versionId=", 400, b"InvalidArgument"),
        (b"versionId", 400, b"InvalidArgument"),
        (b"versionId=%2e%2e%2f", 400, b"InvalidArgument"),
        (b"versionId=%FF", 400, b"InvalidArgument"),
        (b"versionId=a&versionId=a", 400, b"InvalidArgument"),
        (b"versionId=null", 200, b""),
        (b"versionid=a", 200, b""),
    ],
)
def test_ids_over_http(ask: Ask, shelf: Shelf, query: bytes, status: int, code: bytes) -> None:
    shelf.met(b"first")
    answer = ask(bucket_app(shelf.root, versions=shelf.versions), b"/a/b.txt?" + query)
    assert answer.status == status
    assert code in answer.body
