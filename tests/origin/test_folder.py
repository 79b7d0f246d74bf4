"""The folder: which path names which key, and that nothing outside is ever opened."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.origin import folder as folder_module
from edgecache.origin.errors import S3ErrorCode
from edgecache.origin.folder import Folder, OpenObject, key_of

SECRET = b"not for everybody"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a neighbor whose name begins alike, a secret beside it, and links to both."""
    top = tmp_path_factory.mktemp("top")
    site = top / "static"
    (site / "a").mkdir(parents=True)
    (top / "static-old").mkdir()
    for path in (top / "secret", top / "static-old" / "x", top / "passwd"):
        path.write_bytes(SECRET)
    (site / "a" / "b.txt").write_bytes(b"public")
    (site / "100%.txt").write_bytes(b"public")
    (site / "%2e%2e").write_bytes(b"public")
    (site / "é+ .txt").write_bytes(b"public")
    (site / "inside").symlink_to(site / "a" / "b.txt")
    (site / "outside").symlink_to(top / "secret")
    (site / "up").symlink_to(top)
    (site / "beside").symlink_to(top / "static-old")
    (site / "loop").symlink_to(site / "loop")
    (site / "nowhere").symlink_to(site / "absent")
    os.mkfifo(site / "pipe")
    return site


def content_at(site: Path, raw_path: bytes) -> bytes | S3ErrorCode:
    found = Folder(site).open(raw_path)
    if isinstance(found, S3ErrorCode):
        return found
    with found.file:
        return found.read(0, 1000)


@pytest.mark.parametrize(
    ("raw_path", "key"),
    [
        (b"/", ""),
        (b"/a/b.txt", "a/b.txt"),
        (b"/a%2Fb.txt", "a/b.txt"),
        (b"/100%25.txt", "100%.txt"),
        (b"/%252e%252e", "%2e%2e"),
        (b"/%zz", "%zz"),
        (b"/%C3%A9+%20.txt", "é+ .txt"),
        (b"/...", None),
        (b"/.git/config", None),
        (b"/%2Egit/config", None),
        (b"/a/.env", None),
        (b"/.well-known/.env", None),
        (b"/a/.well-known/x", None),
        (b"/.well-knownx", None),
        (b"/a.b/c.", "a.b/c."),
        (b"/.well-known/x", ".well-known/x"),
        (b"/" + b"k" * 1024, "k" * 1024),
        (b"/" + b"k" * 1025, None),
        (b"", None),
        (b"a", None),
        (b"/a/", None),
        (b"//", None),
        (b"//a", None),
        (b"/a//b", None),
        (b"/.", None),
        (b"/./a", None),
        (b"/a/..", None),
        (b"/%2e%2E/a", None),
        (b"/a\\b", None),
        (b"/%5ca", None),
        (b"/a%00", None),
        (b"/a%0a", None),
        (b"/%7f", None),
        (b"/%ff", None),
        (b"/%c0%ae%c0%ae/a", None),  # an overlong spelling of two dots
    ],
)
def test_keys(raw_path: bytes, key: str | None) -> None:
    assert key_of(raw_path) == key


@pytest.mark.parametrize(
    ("raw_path", "expected"),
    [
        (b"/a/b.txt", b"public"),
        (b"/100%25.txt", b"public"),
        (b"/%252e%252e", b"public"),
        (b"/%C3%A9+%20.txt", b"public"),
        (b"/inside", b"public"),
        (b"/", S3ErrorCode.ACCESS_DENIED),
        (b"/outside", S3ErrorCode.ACCESS_DENIED),
        (b"/up/secret", S3ErrorCode.ACCESS_DENIED),
        (b"/up/static-old/x", S3ErrorCode.ACCESS_DENIED),
        (b"/beside/x", S3ErrorCode.ACCESS_DENIED),
        (b"/up/static/a/b.txt", b"public"),  # out and in again ends inside
        (b"/absent", S3ErrorCode.NO_SUCH_KEY),
        (b"/a", S3ErrorCode.NO_SUCH_KEY),
        (b"/a/", S3ErrorCode.NO_SUCH_KEY),
        (b"/a/b.txt/c", S3ErrorCode.NO_SUCH_KEY),
        (b"/loop", S3ErrorCode.NO_SUCH_KEY),
        (b"/nowhere", S3ErrorCode.NO_SUCH_KEY),
        (b"/pipe", S3ErrorCode.NO_SUCH_KEY),
        (b"/" + b"k" * 1000, S3ErrorCode.NO_SUCH_KEY),
    ],
)
def test_what_opens(site: Path, raw_path: bytes, expected: bytes | S3ErrorCode) -> None:
    assert content_at(site, raw_path) == expected


HOSTILE = [  # CVE-2021-41773, CVE-2021-42013 and their kin
    b"/../../etc/passwd",
    b"/%2e%2e/%2e%2e/etc/passwd",
    b"/..%5c..%5cetc/passwd",
    b"/%252e%252e/etc/passwd",
    b"//etc/passwd",
    b"/static../passwd",
    b"/.%2e/passwd",
    b"/..%2fpasswd",
    b"/a/../../passwd",
    b"/%2e%2e%2fpasswd%00.txt",
    b"/..;/passwd",
    b"/%u002e%u002e/passwd",
]


@pytest.mark.parametrize("raw_path", HOSTILE)
def test_hostile_paths_open_nothing(site: Path, raw_path: bytes) -> None:
    assert content_at(site, raw_path) in (S3ErrorCode.ACCESS_DENIED, S3ErrorCode.NO_SUCH_KEY)


STEPS = ["/", "..", ".", "%2e", "%2f", "%5c", "\\", "%00", "%252e", "%c0%ae", ";"]
NAMES = ["static", "static-old", "secret", "passwd", "up", "a", "x", "etc"]
PIECES = st.sampled_from([*STEPS, *NAMES])


@given(pieces=st.lists(PIECES, max_size=12))
def test_no_path_leaves_the_folder(site: Path, pieces: list[str]) -> None:
    assert content_at(site, ("/" + "".join(pieces)).encode()) != SECRET


@given(raw_path=st.binary(max_size=60))
def test_any_bytes_are_answered(site: Path, raw_path: bytes) -> None:
    assert isinstance(content_at(site, raw_path), bytes | S3ErrorCode)
    assert isinstance(content_at(site, b"/" + raw_path), bytes | S3ErrorCode)


def test_a_folder_may_itself_be_a_link(site: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(site)
    assert content_at(tmp_path / "link", b"/a/b.txt") == b"public"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of every file that was read for its ETag."""
    sizes: list[int] = []
    real = folder_module._md5

    def counted(descriptor: int, size: int) -> str:
        sizes.append(size)
        return real(descriptor, size)

    monkeypatch.setattr(folder_module, "_md5", counted)
    return sizes


def etag_of(folder: Folder) -> str:
    found = folder.open(b"/x")
    assert isinstance(found, OpenObject)
    found.file.close()
    return found.etag


def test_the_etag_is_the_content_s_and_read_once(tmp_path: Path, hashed: list[int]) -> None:
    path, folder = tmp_path / "x", Folder(tmp_path)
    path.write_bytes(b"one")
    first = etag_of(folder)
    assert first == '"f97c5d29941bfb1b2fdab0874906ab82"'
    assert etag_of(folder) == first
    assert hashed == [3]
    os.utime(path, (1, 1))
    assert etag_of(folder) == first  # the same content, whenever it was written
    path.write_bytes(b"three")
    assert etag_of(folder) != first
    assert hashed == [3, 3, 5]


def test_who_asks_together_reads_once(tmp_path: Path, hashed: list[int]) -> None:
    (tmp_path / "x").write_bytes(b"x" * 100_000)
    folder, together, etags = Folder(tmp_path), threading.Barrier(8), list[str]()

    def ask() -> None:
        together.wait(10)
        etags.append(etag_of(folder))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(etags) == 8
    assert len(set(etags)) == 1
    assert hashed == [100_000]


def test_a_file_that_changes_while_it_is_read_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(b"one")
    folder = Folder(tmp_path)
    real: Callable[[int, int], str] = folder_module._md5

    def interrupted(descriptor: int, size: int) -> str:
        (tmp_path / "x").write_bytes(b"one, two")
        return real(descriptor, size)

    monkeypatch.setattr(folder_module, "_md5", interrupted)
    etag_of(folder)
    assert not folder._etags
