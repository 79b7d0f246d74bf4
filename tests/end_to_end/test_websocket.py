"""WebSockets through one tier and through two, with and without TLS, to a real echo server."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from tests.end_to_end.conftest import start_serve
from tests.end_to_end.installation import PLAYED
from tests.end_to_end.processes import wait_for
from tests.end_to_end.secure import Secure, start_secure
from tests.end_to_end.viewers import ANSWER_S_MAX, RawViewer

CHAT = Subprotocol("chat")
BIG = bytes(range(256)) * 2_000  # eight times what waits in one of our buffers


def echo(connection: ServerConnection) -> None:
    for message in connection:
        if message == "bye":
            connection.close(4_001, "as you wish")
            return
        connection.send(message)


@pytest.fixture(scope="module")
def echo_port() -> Iterator[int]:
    with serve(echo, "127.0.0.1", 0, subprotocols=[CHAT], max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join(ANSWER_S_MAX)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, echo_port: int) -> Iterator[Secure]:
    running = start_secure(tmp_path_factory.mktemp("websocket"), echo_port)
    yield running
    assert running.up.process.stop() == 0, running.up.process.stderr


@pytest.fixture(scope="module")
def one_tier(tmp_path_factory: pytest.TempPathFactory, echo_port: int) -> Iterator[int]:
    process, port = start_serve(tmp_path_factory.mktemp("websocket-serve"), echo_port)
    yield port
    assert process.stop() == 0, process.stderr


def opened(url: str, port: int, ca: Path | None = None) -> ClientConnection:
    context = None if ca is None else ssl.create_default_context(cafile=ca)
    return connect(
        url,
        sock=socket.create_connection(("127.0.0.1", port), ANSWER_S_MAX),
        ssl=context,
        subprotocols=[CHAT],
        max_size=None,
        proxy=None,
        close_timeout=ANSWER_S_MAX,
        open_timeout=ANSWER_S_MAX,
    )


@pytest.fixture(params=["one tier", "two tiers", "two tiers, TLS"])
def chat(request: pytest.FixtureRequest) -> Iterator[ClientConnection]:
    """A WebSocket to the echo server."""
    if request.param == "one tier":
        port = request.getfixturevalue("one_tier")
        connection = opened("ws://localhost/chat", port)
    else:
        secure: Secure = request.getfixturevalue("secure")
        if request.param == "two tiers":
            connection = opened(f"ws://{PLAYED}/chat", secure.up.installation.ports.lhr)
        else:
            connection = opened(f"wss://{PLAYED}/chat", secure.port, secure.ca)
    with connection:
        yield connection


def test_messages_come_back(chat: ClientConnection) -> None:
    assert chat.subprotocol == CHAT
    for message in ("hello", b"\x00\xff", "", BIG, "é" * 100_000):
        chat.send(message)
        assert chat.recv(ANSWER_S_MAX) == message
    assert chat.ping().wait(ANSWER_S_MAX)


def test_many_at_once_come_back_in_order(chat: ClientConnection) -> None:
    def send() -> None:
        for number in range(200):
            chat.send(str(number) * 1_000)

    sending = threading.Thread(target=send)
    sending.start()
    received = [chat.recv(ANSWER_S_MAX) for _ in range(200)]
    sending.join(ANSWER_S_MAX)
    assert received == [str(number) * 1_000 for number in range(200)]


def test_the_origins_farewell_arrives(chat: ClientConnection) -> None:
    chat.send("bye")
    with pytest.raises(ConnectionClosedError) as ended:
        chat.recv(ANSWER_S_MAX)
    assert (chat.close_code, chat.close_reason) == (4_001, "as you wish"), ended.value


def test_it_is_logged_when_it_has_ended(secure: Secure) -> None:
    with opened(f"wss://{PLAYED}/logged", secure.port, secure.ca) as chat:
        chat.send("12345")
        assert chat.recv(ANSWER_S_MAX) == "12345"

    def record() -> list[str]:
        logs = (secure.up.installation.state / "logs").glob("edge-LHR50*")
        lines = [line for log in logs for line in log.read_text().splitlines()]
        return next((line.split("\t") for line in lines if "\t/logged\t" in line), [])

    logged = wait_for("the record", record)
    assert (logged[8], logged[13], logged[16]) == ("101", "Miss", "wss")


def test_a_stopping_worker_ends_it(tmp_path: Path, echo_port: int) -> None:
    process, port = start_serve(tmp_path, echo_port)
    with opened("ws://localhost/", port) as chat:
        chat.send("x")
        assert chat.recv(ANSWER_S_MAX) == "x"
        assert process.stop() == 0, process.stderr


def test_a_plain_request_to_it_is_the_origins_to_refuse(secure: Secure) -> None:
    with RawViewer(secure.up.installation.ports.lhr) as viewer:
        viewer.ask("/chat", PLAYED)
        assert viewer.head()[0] == 426
