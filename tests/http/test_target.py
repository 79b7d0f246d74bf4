"""Readings of a path: what origins of many makes take it for, and what none may get around."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.http.target import (
    READINGS_MAX,
    holds_in_every_reading,
    normalized_path,
    readings,
    without_dot_segments,
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b.c", ["/a/b.c"]),
        ("*", ["*"]),
        ("/a//b", ["/a/b"]),
        ("/a%20b", ["/a%20b", "/a b"]),
        ("/a%2520b", ["/a%2520b", "/a%20b", "/a b"]),
        ("/a;b/c", ["/a;b/c", "/a/c"]),
        ("/a;b%2Fc/%64", ["/a;b%2Fc/%64", "/a;b/c/d", "/a/%64", "/a/c/d", "/a/d"]),
        ("/a\\b", ["/a\\b", "/a/b"]),
        ("/a%3Fb", ["/a%3Fb", "/a?b", "/a"]),
        ("/%ZZ%", ["/%ZZ%"]),
    ],
)
def test_readings(path: str, expected: list[str]) -> None:
    assert readings(path.encode()) == tuple(map(str.encode, expected))


@pytest.mark.parametrize(
    ("path", "resolved"),
    [("/a//../b", "/a/b"), ("/a/./b/", "/a/b/"), ("/..", "/"), ("/a/b/..", "/a/")],
)
def test_empty_segments_stay_where_a_reference_is_resolved(path: str, resolved: str) -> None:
    assert without_dot_segments(path.encode()) == resolved.encode()


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/files/", "/files/a", True),
        ("/files/", "/files/a%20b;c", True),
        ("/fi%20les/", "/fi%20les/a", True),
        ("/files;v=1", "/files;v=1/a", True),
        ("/files", "/filed", False),
        ("/files/", "/files/..;/s", False),
        ("/files/", "/files/%252e%252e/s", False),
        ("/secret;x", "/secret;xyz", True),
        ("/secret;x/public/", "/secret;x/public/a", True),
    ],
)
def test_a_pattern_holds_in_every_reading_or_not_at_all(
    pattern: str, path: str, expected: bool
) -> None:
    def begins(pattern: bytes, path: bytes) -> bool:
        return path.startswith(pattern)

    assert holds_in_every_reading(begins, pattern.encode(), path.encode()) is expected


@given(st.text("/.%;\\25aefc0?# ", max_size=60))
def test_readings_are_few_normalized_and_begin_with_the_path_itself(rest: str) -> None:
    path = ("/" + rest).encode()
    found = readings(path)
    if found is None:
        return
    assert found[0] == normalized_path(path)
    assert len(found) <= READINGS_MAX
    for reading in found:
        assert not {b".", b".."} & set(reading.split(b"/"))
        assert reading == normalized_path(reading)


# Origins, each as its documentation or its best known advisories have it.


def resolved(path: bytes) -> bytes:
    return posixpath.normpath(re.sub(rb"/+", b"/", path).decode("latin-1")).encode("latin-1")


def nginx(path: bytes) -> bytes:
    return resolved(unquote_to_bytes(path))


def twice(path: bytes) -> bytes:  # two of them, one behind the other
    return nginx(nginx(path))


def whatwg(path: bytes) -> bytes:  # node: `new URL(request.url)`, special scheme
    path = re.sub(rb"[\t\n\r]", b"", path).replace(b"\\", b"/")
    path = re.sub(rb"[?#].*", b"", path, flags=re.DOTALL)
    dots = re.sub(rb"%2e", b".", path, flags=re.IGNORECASE)
    return unquote_to_bytes(resolved(dots))


def tomcat(path: bytes) -> bytes:
    return resolved(unquote_to_bytes(re.sub(rb";[^/]*", b"", path)))


def iis(path: bytes) -> bytes:
    path = re.sub(rb"%u00(..)", rb"%\1", path)
    decoded = unquote_to_bytes(path).replace(b"\xc0\xaf", b"/").replace(b"\xc0\xae", b".")
    return resolved(decoded.replace(b"\\", b"/"))


def in_c(path: bytes) -> bytes:
    return resolved(unquote_to_bytes(path).partition(b"\0")[0])


def parses_anew(path: bytes) -> bytes:
    return whatwg(unquote_to_bytes(path))


ORIGINS: list[Callable[[bytes], bytes]] = [
    nginx, twice, whatwg, tomcat, iis, in_c, parses_anew,
]  # fmt: skip
SECRET = b"/private/s"
SPELLED = {
    "/": ["/", "//", "/./", "%2F", "%252f", "\\", "%5c", "%255C", "%c0%af", "%u002f", ";x/", ";/",
          "/x/../", "/x/..;/", "/x/%2e%2e/", "/x/%252e%252e/", "/x/..\\", "/x/..%5c", "/x/.%09./"],
    **{letter: [letter, f"%{ord(letter):02x}", f"%25{ord(letter):02X}", f"%u{ord(letter):04x}"]
       for letter in "private"},
    "s": ["s", "%73", "s;a=b", "s%00", "s%3fx", "s%00.jpg", "s%23", "s/.", "s;/"],
}  # fmt: skip


@st.composite
def spellings(draw: st.DrawFn) -> bytes:
    start = draw(st.sampled_from(["", "/public", "/public/x", "/public/..;", "/public\\.."]))
    spelled = [draw(st.sampled_from(SPELLED[letter])) for letter in SECRET.decode()]
    return (start + "".join(spelled)).encode()


@given(spellings())
def test_no_origin_reads_the_private_path_where_we_do_not(path: bytes) -> None:
    served = any(origin(path) == SECRET for origin in ORIGINS)
    found = readings(path)
    ours = found is None or any(reading.startswith(b"/private/") for reading in found)
    assert ours or not served, found
