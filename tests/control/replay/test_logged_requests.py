"""Requests of logs: every form gives the same, and what is broken is counted and shown."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from edgecache.control.replay.logged_requests import LogFiles, LoggedRequest
from edgecache.observe.log_record import HEADER

AT = 1_764_583_200.0
NAMES = (
    "date time x-edge-location sc-bytes cs-method cs(Host) cs-uri-stem sc-status cs-uri-query"
    " x-edge-result-type x-host-header cs-protocol sc-content-len"
)
VALUES = (
    "2025-12-01\t10:00:00\tLHR50\t512\tGET\td1.cloudfront.net\t/a%2520b\t200\tq=1\tHit\t"
    "WWW.example.org\thttps\t100"
)
COMBINED = '192.0.2.1 - - [01/Dec/2025:10:00:00 +0000] "GET /a%20b?q=1 HTTP/1.1" 200 512 "-" "x y"'


def read(
    tmp_path: Path, text: str | bytes, name: str = "log"
) -> tuple[LogFiles, list[LoggedRequest]]:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    files = LogFiles([path])
    return files, [*files]


def as_json() -> str:
    pairs = zip(NAMES.split(), VALUES.split("\t"), strict=True)
    return "{" + ",".join(f'"{name}":"{value}"' for name, value in pairs) + "}"


def test_both_forms_of_cloudfront_say_the_same(tmp_path: Path) -> None:
    tabs = f"#Version: 1.0\n#Fields: {NAMES}\n{VALUES}\n"
    _, (one,) = read(tmp_path, tabs)
    assert one == LoggedRequest(
        AT, b"GET", b"/a%20b", b"q=1", 200, 512, 100, b"www.example.org", b"d1.cloudfront.net",
        b"https", "LHR50", "Hit",
    )  # fmt: skip
    assert read(tmp_path, as_json())[1] == [one]
    assert read(tmp_path, gzip.compress(tabs.encode()))[1] == [one]


def test_a_combined_line(tmp_path: Path) -> None:
    files, (one,) = read(tmp_path, COMBINED)
    assert one == LoggedRequest(AT, b"GET", b"/a%20b", b"q=1", 200, 512, agent=b"x y")
    missing = dict(files.missing)
    assert "x-host-header" in missing
    assert "x-edge-result-type" in missing
    assert "cs-uri-query" not in missing


def test_our_own_header_is_read(tmp_path: Path) -> None:
    names = HEADER.decode().splitlines()[1].removeprefix("#Fields: ").split()
    known = dict(zip(NAMES.split(), VALUES.split("\t"), strict=True))
    line = "\t".join(known.get(name, "-") for name in names)
    files, (one,) = read(tmp_path, HEADER + line.encode() + b"\n")
    assert one.path == b"/a%20b"
    assert "x-edge-location" not in dict(files.missing)


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        VALUES.replace("\t200\t", "\tsoon\t"),
        VALUES.replace("10:00:00", "25:00:00"),
        VALUES.replace("/a", "a"),
        VALUES + "\tmore",
        VALUES.partition("\t")[2],
        "x" * 300_000,
    ],
)
def test_a_broken_line_is_counted_and_shown(tmp_path: Path, line: str) -> None:
    files, requests = read(tmp_path, f"#Fields: {NAMES}\n{line}\n{VALUES}\n" + f"{line}\n" * 9)
    assert len(requests) == 1
    assert files.requests == 1
    assert files.broken >= 10
    assert len(files.shown) == 5
    assert files.shown[0].startswith("log:2: ")


@pytest.mark.parametrize("line", ["{", "{}", '{"date": 1}', "[" * 100_000])
def test_json_that_is_no_record_is_broken(tmp_path: Path, line: str) -> None:
    files, requests = read(tmp_path, line)
    assert (files.broken, requests) == (1, [])
