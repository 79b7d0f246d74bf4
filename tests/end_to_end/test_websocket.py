"""WebSockets through one tier and through two, with and without TLS, to a real echo server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.server import ServerConnection, serve

from tests.end_to_end.conftest import start_serve
from tests.end_to_end.installation import PLAYED
from tests.end_to_end.log_files import log_records
from tests.end_to_end.processes import wait_for
from tests.end_to_end.secure import Secure, start_secure
from tests.end_to_end.viewers import ANSWER_S_MAX, RawViewer
from tests.end_to_end.websocket_client import CHAT, WebSocketClient

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


@pytest.fixture(params=["one tier", "two tiers", "two tiers, TLS"])
def chat(request: pytest.FixtureRequest) -> Iterator[WebSocketClient]:
    """A WebSocket to the echo server."""
    if request.param == "one tier":
        port = request.getfixturevalue("one_tier")
        connection = WebSocketClient("ws://localhost/chat", port)
    else:
        secure: Secure = request.getfixturevalue("secure")
        if request.param == "two tiers":
            connection = WebSocketClient(f"ws://{PLAYED}/chat", secure.up.installation.ports.lhr)
        else:
            connection = WebSocketClient(f"wss://{PLAYED}/chat", secure.port, secure.ca)
    with connection:
        yield connection


def test_messages_come_back(chat: WebSocketClient) -> None:
    assert chat.connection.subprotocol == CHAT
    for message in ("hello", b"\x00\xff", "", BIG, "é" * 100_000):
        chat.send(message)
        assert chat.recv() == message
    chat.ping()


def test_many_at_once_come_back_in_order(chat: WebSocketClient) -> None:
    def send() -> None:
        for number in range(200):
            chat.send(str(number) * 1_000)

    sending = threading.Thread(target=send)
    sending.start()
    received = [chat.recv() for _ in range(200)]
    sending.join(ANSWER_S_MAX)
    assert received == [str(number) * 1_000 for number in range(200)]


def test_the_origins_farewell_arrives(chat: WebSocketClient) -> None:
    chat.send("bye")
    with pytest.raises(ConnectionClosedError) as ended:
        chat.recv()
    assert (chat.connection.close_code, chat.connection.close_reason) == (4_001, "as you wish"), (
        ended.value
    )


def test_it_is_logged_when_it_has_ended(secure: Secure) -> None:
    with WebSocketClient(f"wss://{PLAYED}/logged", secure.port, secure.ca) as chat:
        chat.send("12345")
        assert chat.recv() == "12345"

    def record() -> list[str]:
        lines = log_records(secure.up.installation.state / "logs", "edge-LHR50")
        return next((line for line in lines if "/logged" in line), [])

    logged = wait_for("the record", record)
    assert (logged[8], logged[13], logged[16]) == ("101", "Miss", "wss")


def test_a_stopping_worker_ends_it(tmp_path: Path, echo_port: int) -> None:
    process, port = start_serve(tmp_path, echo_port)
    with WebSocketClient("ws://localhost/", port) as chat:
        chat.send("x")
        assert chat.recv() == "x"
        assert process.stop() == 0, process.stderr


def test_a_plain_request_to_it_is_the_origins_to_refuse(secure: Secure) -> None:
    with RawViewer(secure.up.installation.ports.lhr) as viewer:
        viewer.ask("/chat", PLAYED)
        assert viewer.head()[0] == 426
