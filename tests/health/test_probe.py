"""One question to an endpoint, in virtual time and memory: what passes, and what does not."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import zlib
from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from edgecache.config.health_checks import HealthCheck
from edgecache.health.probe import (
    BODY_BYTES_MAX,
    HEAD_BYTES_MAX,
    ForbiddenEndpointError,
    ProbeAnswer,
    ProbeOutcome,
    probe,
)
from edgecache.runtime.environment import pause
from edgecache.testing.memory_network import MemoryTransport, connect
from edgecache.testing.virtual_loop import VirtualLoop

WEB = HealthCheck(id="w", type="HTTP", address="192.0.2.1", host="a.test", port=8080, path="/up?x")
MATCH = replace(WEB, type="HTTP_STR_MATCH", search_string="well")
OK = b"HTTP/1.1 200 OK\r\n"
Script = Sequence[tuple[float, bytes | None]]
"""What an endpoint sends and when, in seconds after the request came; None: it closes."""


class Endpoint(asyncio.Protocol):
    """Who answers by a script, in pieces of `cut` bytes."""

    def __init__(self, loop: VirtualLoop, script: Script, cut: int = 0) -> None:
        self._loop, self._script, self._cut = loop, script, cut
        self.transport: MemoryTransport
        self.request = b""
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, MemoryTransport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.request += data
        for after_s, sent in self._script:
            if sent is None:
                self._loop.call_later(after_s, self.transport.close)
                continue
            for place in range(0, len(sent), self._cut or len(sent)):
                piece = sent[place : place + (self._cut or len(sent))]
                self._loop.call_later(after_s, self.transport.write, piece)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


def asked(
    check: HealthCheck, script: Script = (), *, cut: int = 0, takes_s: float = 0.0,
    error: Exception | None = None,
) -> tuple[ProbeAnswer, Endpoint, float]:  # fmt: skip
    """The answer, who was asked, and how long that took."""
    loop = VirtualLoop()
    far = Endpoint(loop, script, cut)

    async def opened(
        _: HealthCheck, protocol: Callable[[], asyncio.Protocol]
    ) -> asyncio.BaseTransport:
        await pause(takes_s)
        if error is not None:
            raise error
        return connect(loop, protocol(), far)

    def played() -> tuple[ProbeAnswer, float]:
        task = loop.create_task(probe(check, opened))
        loop.run_until_true(task.done, 60)
        took_s = loop.now
        loop.run_until(took_s + 60)
        return task.result(), took_s

    answer, took_s = loop.inside(played)
    assert loop.failures == []
    return answer, far, took_s


def test_the_request_is_that_of_the_check() -> None:
    answer, far, _ = asked(WEB, [(0.1, OK + b"\r\n")])
    assert answer == ProbeAnswer(ProbeOutcome.HEALTHY, "Success: HTTP Status Code 200, OK")
    assert far.request == (
        b"GET /up?x HTTP/1.1\r\nHost: a.test:8080\r\nUser-Agent: edgecache-health-check\r\n"
        b"Accept: */*\r\nConnection: close\r\n\r\n"
    )
    assert far.lost  # nobody waits for the rest


@pytest.mark.parametrize(
    ("changes", "host"),
    [
        ({"port": None}, b"a.test"),
        ({"port": 80}, b"a.test"),
        ({"port": 443}, b"a.test:443"),
        ({"type": "HTTPS", "port": 443}, b"a.test"),
        ({"type": "HTTPS", "port": 80}, b"a.test:80"),
        ({"host": ""}, b"192.0.2.1:8080"),
        ({"host": "", "address": "2001:db8::1"}, b"[2001:db8::1]:8080"),
    ],
)
def test_the_host_is_as_route_53_sends_it(changes: dict[str, object], host: bytes) -> None:
    _, far, _ = asked(replace(WEB, **changes), [(0.0, OK + b"\r\n")])
    assert b"\r\nHost: %b\r\n" % host in far.request


@pytest.mark.parametrize(
    ("head", "outcome"),
    [
        (b"HTTP/1.1 200 OK", "healthy"),
        (b"HTTP/1.0 204 No Content", "healthy"),
        (b"HTTP/1.1 302 Found\r\nLocation: /elsewhere", "healthy"),
        (b"HTTP/1.1 399 Odd", "healthy"),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK",
            "healthy",
        ),
        (b"HTTP/1.1 101 Switching Protocols", "status"),
        (b"HTTP/1.1 400 Bad Request", "status"),
        (b"HTTP/1.1 404 Not Found", "status"),
        (b"HTTP/1.1 503 Service Unavailable", "status"),
        (b"SSH-2.0-OpenSSH_9.2", "message"),
        (b"HTTP/1.1 200 OK\r\nno field", "message"),
        (b"HTTP/1.1 200 OK\r\nbad name: x", "message"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * HEAD_BYTES_MAX, "message"),
        (b"a" * (HEAD_BYTES_MAX + 1), "message"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000 + b"HTTP/1.1 200 OK", "message"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue", "timeout"),
    ],
)
@pytest.mark.parametrize("cut", [0, 1_024])
def test_what_counts_is_the_status(head: bytes, outcome: str, cut: int) -> None:
    answer, _, took_s = asked(WEB, [(0.5, head + b"\r\n\r\n")], cut=cut)
    assert answer.outcome == outcome, answer
    assert answer.said.startswith("Success: " if outcome == "healthy" else "Failure: ")
    assert took_s == (2.0 if outcome == "timeout" else 0.5)


@pytest.mark.parametrize(
    ("takes_s", "script", "check", "outcome"),
    [
        (3.9, [(1.9, OK + b"\r\n")], WEB, "healthy"),
        (4.1, [(0.0, OK + b"\r\n")], WEB, "timeout"),
        (0.0, [(2.1, OK + b"\r\n")], WEB, "timeout"),
        (0.0, [(1.9, OK), (2.1, b"\r\n")], WEB, "timeout"),
        (0.0, [(1.9, OK + b"\r\n"), (3.8, b"all is well")], MATCH, "healthy"),
        (0.0, [(1.9, OK + b"\r\n"), (4.0, b"all is well")], MATCH, "timeout"),
        (0.0, [(0.0, OK + b"\r\nall is w"), (1.0, None)], MATCH, "string"),
        (0.0, [(1.0, None)], WEB, "message"),
        (9.9, [], replace(WEB, type="TCP", host="", path="/"), "healthy"),
        (10.1, [], replace(WEB, type="TCP", host="", path="/"), "timeout"),
    ],
)
def test_each_step_has_its_time(
    takes_s: float, script: Script, check: HealthCheck, outcome: str
) -> None:
    assert asked(check, script, takes_s=takes_s)[0].outcome == outcome


@pytest.mark.parametrize(
    ("error", "outcome", "said"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connect", "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "name", "DNS resolution failed"),
        (ssl.SSLError(1, "wrong version number"), "tls", "TLS: "),
        (ForbiddenEndpointError("10.0.0.1 is a private address"), "forbidden", "not asked"),
        (OSError("x" * 1_000), "connect", "x" * 100),
    ],
)
def test_why_there_is_no_connection_is_said(error: Exception, outcome: str, said: str) -> None:
    answer = asked(WEB, error=error)[0]
    assert answer.outcome == outcome
    assert said in answer.said
    assert len(answer.said) <= 200


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b"all is well", "healthy"),
        (b"a" * (BODY_BYTES_MAX - 4) + b"well", "healthy"),
        (b"a" * (BODY_BYTES_MAX - 3) + b"well", "string"),
        (b"a" * BODY_BYTES_MAX * 4 + b"well", "string"),
        (b"", "string"),
    ],
)
@pytest.mark.parametrize("cut", [0, 700])
def test_the_string_is_looked_for_in_the_first_bytes(body: bytes, outcome: str, cut: int) -> None:
    plain = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
    pieces = [body[i : i + 97] for i in range(0, len(body), 97)]
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    chunked += b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n"
    squeezed = gzip.compress(body)
    packed = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(squeezed) + squeezed
    deflated = OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(body)
    for sent in (plain, chunked, packed, deflated):
        answer = asked(MATCH, [(0.1, sent), (0.2, None)], cut=cut)[0]
        assert answer.outcome == outcome, sent[:80]


def test_a_body_that_cannot_be_read_is_a_failure() -> None:
    broken = [
        b"Content-Encoding: gzip\r\n\r\nnot compressed",
        b"Transfer-Encoding: chunked\r\n\r\nnot a size\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nwell",
    ]
    for rest in broken:
        assert asked(MATCH, [(0.1, OK + rest)])[0].outcome == "message", rest
    assert asked(MATCH, [(0.1, b"HTTP/1.1 503 Busy\r\n\r\nwell")])[0].outcome == "status"


def test_a_bomb_takes_no_more_than_the_first_bytes() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    answer = asked(MATCH, [(0.1, OK + b"Content-Encoding: gzip\r\n\r\n" + bomb)])[0]
    assert answer.outcome == "string"
