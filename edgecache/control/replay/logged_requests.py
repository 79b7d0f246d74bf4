"""Requests of access logs: CloudFront's (tabs and JSON), our own of both forms, and combined ones.

Law: a line that cannot be read is counted and never guessed at; the first ones are kept to be
shown. CloudFront Developer Guide, "Standard log file format"; Apache's "combined" format.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

from msgspec import Struct

LINE_BYTES_MAX = 256 * 1024  # our own are below 200 KB
BROKEN_SHOWN = 5
BROKEN_CHARS = 200
_COMBINED = re.compile(
    r'(\S+) \S+ \S+ \[([^\]]+)\] "([A-Z]+) (\S+) HTTP/[0-9.]+" (\d{3}) (\d+|-)'
    r'(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?'
)
_WANTED = {  # columns, and what it means when a log has none
    "x-host-header": "requests are taken to be of the one distribution, or of --host",
    "cs-protocol": "http and https are taken to be one",
    "cs-uri-query": "all queries of a path are taken to be one object",
    "x-edge-result-type": "there is no hit ratio there to compare with",
    "x-edge-location": "all of it is taken to be one location's",
    "sc-content-len": "sizes are what viewers were sent: heads count, parts are taken as wholes",
    "timestamp(ms)": "times are known to the second",
    "cs(Cookie)": "keys by cookies have none: what differs by them is taken to be one object",
    "cs(User-Agent)": "keys by the agent have none",
}
NEVER_LOGGED = (
    "Cache-Control of answers: they live for the default TTL of their policy, or --ttl",
    "request headers but User-Agent, Referer and Cookie: keys by others have none",
    "invalidations, and what origins would have said to conditional requests",
)


class LoggedRequest(Struct, frozen=True, gc=False):
    """One request of a log. `at` in epoch seconds; `content_bytes` None: the column is missing."""

    at: float
    method: bytes
    path: bytes
    query: bytes | None
    status: int
    sent_bytes: int
    content_bytes: int | None = None
    host: bytes = b""
    site: bytes = b""  # the distribution's own name
    scheme: bytes = b""
    location: str = ""
    result: str = ""  # x-edge-result-type; empty: unknown
    agent: bytes = b""
    referer: bytes = b""
    cookie: bytes = b""


class LogFiles:
    """Requests of several files, in their order, and what was in them.

    `broken` counts lines that are none, `shown` has the first of them with their places; `columns`
    are those that every file has.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = [*paths]
        self.requests = self.broken = 0
        self.shown: list[str] = []
        self.columns: frozenset[str] | None = None

    def __iter__(self) -> Iterator[LoggedRequest]:
        for path in self._paths:
            with _opened(path) as file:
                yield from self._of_file(path, file)

    @property
    def missing(self) -> list[tuple[str, str]]:
        """Columns that are not in every file, each with what that means."""
        known = self.columns or frozenset()
        return [(name, said) for name, said in _WANTED.items() if name not in known]

    def _of_file(self, path: Path, file: BinaryIO) -> Iterator[LoggedRequest]:
        names: list[str] = []
        for number, line in enumerate(iter(lambda: file.readline(LINE_BYTES_MAX + 1), b""), 1):
            text = line.decode("latin-1").rstrip("\r\n")
            if text.startswith("#"):
                if text.startswith("#Fields:"):
                    names = text.removeprefix("#Fields:").split()
                continue
            if not text:
                continue
            try:
                if len(line) > LINE_BYTES_MAX:
                    raise ValueError("too long")
                values = _values(text, names)
                request = _request(values)
            except (ValueError, KeyError, RecursionError):
                self._is_broken(f"{path.name}:{number}", text)
                continue
            self._has(frozenset(values))
            self.requests += 1
            yield request

    def _has(self, columns: frozenset[str]) -> None:
        if self.columns != columns:
            self.columns = columns if self.columns is None else self.columns & columns

    def _is_broken(self, place: str, text: str) -> None:
        self.broken += 1
        if len(self.shown) < BROKEN_SHOWN:
            self.shown.append(f"{place}: {text[:BROKEN_CHARS]}")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A file, also one that is compressed (CloudFront's are)."""
    with path.open("rb") as file:
        is_compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not is_compressed:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield unpacked  # type: ignore[misc]


def _values(text: str, names: list[str]) -> Mapping[str, str]:
    """The values of a line by column. ValueError: it is none of any form."""
    if text.startswith("{"):
        found: Any = json.loads(text)
        return {str(name): str(value) for name, value in found.items()}
    if names:
        values = text.split("\t")
        if len(values) != len(names):
            raise ValueError("not as many values as fields")
        return dict(zip(names, values, strict=True))
    match = _COMBINED.match(text)
    if match is None:
        raise ValueError("no form of a log")
    ip, at, method, target, status, size, referer, agent = match.groups()
    stem, mark, query = target.partition("?")
    combined = {
        "c-ip": ip, "time": at, "cs-method": method, "cs-uri-stem": stem, "sc-status": status,
        "sc-bytes": "0" if size == "-" else size, "cs-uri-query": query if mark else "-",
        "combined": "1",
    }  # fmt: skip
    if agent is None:
        return combined
    return combined | {"cs(User-Agent)": agent, "cs(Referer)": referer}


def _request(values: Mapping[str, str]) -> LoggedRequest:
    """The request of a line's values. ValueError, KeyError: it cannot be read of them."""
    raw = "combined" in values
    query = values.get("cs-uri-query", "-")
    length = values.get("sc-content-len")
    path = _text(values["cs-uri-stem"], raw=raw)
    if not path.startswith(b"/"):
        raise ValueError("no path")
    return LoggedRequest(
        at=_time(values),
        method=values["cs-method"].encode("latin-1"),
        path=path,
        query=None if query == "-" else _text(query, raw=raw),
        status=int(values["sc-status"]),
        sent_bytes=int(values["sc-bytes"]),
        content_bytes=None if length in (None, "-") else int(length),
        host=_known(values, "x-host-header").lower(),
        site=_known(values, "cs(Host)").lower(),
        scheme=_known(values, "cs-protocol"),
        location=values.get("x-edge-location", ""),
        result=values.get("x-edge-result-type", "").removeprefix("-"),
        agent=_known(values, "cs(User-Agent)"),
        referer=_known(values, "cs(Referer)"),
        cookie=_known(values, "cs(Cookie)"),
    )


def _time(values: Mapping[str, str]) -> float:
    if values.get("timestamp(ms)", "-") != "-":
        return int(values["timestamp(ms)"]) / 1_000
    if "combined" in values:
        return datetime.strptime(values["time"], "%d/%b/%Y:%H:%M:%S %z").timestamp()
    at = datetime.fromisoformat(f"{values['date']}T{values['time']}")
    return at.replace(tzinfo=UTC).timestamp()


def _known(values: Mapping[str, str], name: str) -> bytes:
    """A value with its escapes undone; empty where there is none."""
    value = values.get(name, "-")
    return b"" if value == "-" else unquote_to_bytes(value)


def _text(value: str, *, raw: bool) -> bytes:
    """A path or query as the viewer sent it: CloudFront encodes it once more."""
    return value.encode("latin-1") if raw else unquote_to_bytes(value)
