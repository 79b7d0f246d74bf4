"""Scripted origins: they answer as a test says, count and record what they are asked.

Law: what is scripted is sent, but for what HTTP has an origin decide itself: no body goes with the
answer to a HEAD, and a condition that holds is answered 304 (RFC 9110 §13).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from edgecache.config.units import parse_duration
from edgecache.http.message import Fields, Request, field_values, first_value

REQUESTS_KEPT = 10_000  # of one origin; a test reads a few
BODY_BYTES_MAX = 64 * 1024 * 1024  # `limits.object_bytes_max`: what is larger is not stored
SCRIPTS_MAX = 1_000
DELAY_S_MAX = 3_600.0


def seconds(value: float | str, what: str) -> float:
    """Seconds of a number or of `"1h 30m"`. ValueError: it is neither, or below zero."""
    try:
        found = float(parse_duration(value) if isinstance(value, str) else value)
    except (TypeError, ValueError):
        raise ValueError(f'{what}: {value!r} is neither seconds nor a duration like "5m"') from None
    if not 0 <= found < float("inf"):
        raise ValueError(f"{what}: {value!r} is below zero, or no number of seconds")
    return found


@dataclass(frozen=True, slots=True)
class OriginRequest:
    """A request as an origin got it. `headers`: names in lower case, several values joined."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the first `?`; empty where nothing does."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class OriginAnswer:
    """An answer of an origin. `body` None: the target, and a line end. `cut`: bytes of the body
    after which the connection ends. `delay_s` is between request and answer.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    delay_s: float = 0.0
    cut: int | None = None

    @property
    def fields(self) -> Fields:
        return tuple((name.lower().encode(), value.encode()) for name, value in self.headers)


@dataclass(slots=True)
class _Script:
    """What is answered for a path (None: for any), so many times (None: always)."""

    path: str | None
    answer: OriginAnswer
    left: int | None

    def takes(self, request: OriginRequest) -> bool:
        return self.left != 0 and self.path in (None, request.path, request.target)


@dataclass(slots=True, eq=False)
class ScriptedOrigin:
    """An origin of a test. `usual` is what it answers where nothing else is scripted."""

    name: str
    usual: OriginAnswer = OriginAnswer()
    is_down: bool = False
    at_change: set[Callable[[], None]] = field(default_factory=set)  # told of `down` and `up`
    requests: deque[OriginRequest] = field(default_factory=lambda: deque(maxlen=REQUESTS_KEPT))
    _scripts: list[_Script] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)  # on a port it is asked by several threads

    def answers(
        self, path: str | None = None, *, times: int | None = None, **answer: Any
    ) -> ScriptedOrigin:
        """From now on answer `path` (any path when None) so, for the next `times` requests.

        `answer`: see `origin_answer`. What was scripted before counts again after so many times.
        A path with a query is that target alone. The origin itself, so that calls can be chained.
        """
        if times is not None and (isinstance(times, bool) or times < 1):
            raise ValueError(f"times: {times!r} is no number of requests")
        if len(self._scripts) >= SCRIPTS_MAX:
            raise ValueError(f"{self.name}: more than {SCRIPTS_MAX} answers are scripted")
        made = origin_answer(**answer)
        with self._lock:
            self._scripts.append(_Script(path, made, times))
        return self

    def down(self) -> None:
        """Break off connections, and refuse new ones from now on."""
        self._turn(is_down=True)

    def up(self) -> None:
        """Take connections again."""
        self._turn(is_down=False)

    def _turn(self, *, is_down: bool) -> None:
        self.is_down = is_down
        for tell in list(self.at_change):
            tell()

    def count(self, path: str | None = None, method: str | None = None) -> int:
        """How many requests came, for a path (or a target with its query) and by a method.

        Of the last 10,000; `requests` has them, the oldest first.
        """
        with self._lock:
            return sum(
                path in (None, one.path, one.target) and method in (None, one.method)
                for one in self.requests
            )

    def forget(self) -> None:
        """Let go of the requests that were recorded."""
        with self._lock:
            self.requests.clear()

    def answer_to(self, head: Request, body: bytes) -> OriginAnswer:
        """What is answered now; the request is recorded."""
        request = _recorded(head, body)
        with self._lock:
            self.requests.append(request)
            script = next((one for one in reversed(self._scripts) if one.takes(request)), None)
            if script is not None and script.left is not None:
                script.left -= 1
                if not script.left:
                    self._scripts.remove(script)
        answer = self.usual if script is None else script.answer
        if answer.body is None:
            answer = replace(answer, body=f"{request.target}\n".encode())
        return _unchanged(answer) if _has_it_already(head, answer) else answer


def origin_answer(
    *,
    status: int = 200,
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    delay: float | str = 0,
    cut: int | None = None,
    **fields: str,
) -> OriginAnswer:
    """An answer as a test describes it. `fields` are headers, too: `cache_control="max-age=60"`.

    `delay`: seconds, or text like `"2s"`. ValueError names everything that cannot be sent.
    """
    problems: list[str] = []
    listed = {**(headers or {}), **{name.replace("_", "-"): one for name, one in fields.items()}}
    for name, value in listed.items():
        problems += _field_problems(name, value)
    data = body.encode() if isinstance(body, str) else body
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        problems.append(f"status: {status!r} is not a final status, 200 to 599")
    if data is not None and len(data) > BODY_BYTES_MAX:
        problems.append(f"body: {len(data)} bytes are more than {BODY_BYTES_MAX}")
    if cut is not None and (isinstance(cut, bool) or not isinstance(cut, int) or cut < 0):
        problems.append(f"cut: {cut!r} is no number of bytes")
    delay_s = 0.0
    try:
        delay_s = seconds(delay, "delay")
    except ValueError as error:
        problems.append(str(error))
    if delay_s > DELAY_S_MAX:
        problems.append(f"delay: {delay!r} is longer than {DELAY_S_MAX:g} seconds")
    if problems:
        raise ValueError("\n".join(problems))
    return OriginAnswer(status, tuple(listed.items()), data, delay_s, cut)


_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})


def _field_problems(name: str, value: object) -> list[str]:
    if not isinstance(value, str):
        return [f"headers[{name}]: {value!r} is no text"]
    token = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    if not token or any(ord(letter) < 32 and letter != "\t" for letter in value):
        return [f"headers[{name}]: no name and value of a header"]
    if name.lower() in _FRAMING:
        return [f"headers[{name}]: is made of the body"]
    return []


def _recorded(head: Request, body: bytes) -> OriginRequest:
    headers: dict[str, str] = {}
    for name, value in head.fields:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return OriginRequest(
        head.method.decode("latin-1"), head.target.decode("latin-1"), headers, body
    )


def _has_it_already(head: Request, answer: OriginAnswer) -> bool:
    """Whether the condition of a request holds (RFC 9110 §13.1.2, §13.1.3)."""
    if answer.status != 200 or head.method not in (b"GET", b"HEAD"):
        return False
    tags = field_values(head.fields, b"if-none-match")
    etag, date = (first_value(answer.fields, name) for name in (b"etag", b"last-modified"))
    if tags:
        listed = [one.strip() for value in tags for one in value.split(b",")]
        weak = [one.removeprefix(b"W/") for one in listed]
        return b"*" in listed or (etag is not None and etag.removeprefix(b"W/") in weak)
    return date is not None and date == first_value(head.fields, b"if-modified-since")


def _unchanged(answer: OriginAnswer) -> OriginAnswer:
    return replace(answer, status=304, body=b"", cut=None)
