"""Scripted origins on a port: kept connections, and a port that refuses while it is down."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from edgecache.testing.origin_server import HOST, OriginServer
from edgecache.testing.scripted_origin import ScriptedOrigin, origin_answer

REQUEST = b"GET /a HTTP/1.1\r\nHost: o\r\n\r\n"


@pytest.fixture
def server() -> Iterator[OriginServer]:
    made = OriginServer(ScriptedOrigin("o", origin_answer(body="abc")))
    yield made
    made.close()


def connected(server: OriginServer) -> socket.socket:
    return socket.create_connection((HOST, server.port), timeout=30)


def answer(connection: socket.socket) -> bytes:
    connection.sendall(REQUEST)
    data = b""
    while not data.endswith(b"abc"):
        data += connection.recv(100)
    return data


def test_a_connection_is_kept(server: OriginServer) -> None:
    with closing(connected(server)) as connection:
        assert answer(connection) == answer(connection)
    assert server.url == f"http://{HOST}:{server.port}"


def test_a_port_is_refused_while_it_is_down_and_taken_again(
    server: OriginServer,
) -> None:
    origin = server._origin
    with closing(connected(server)) as before:
        answer(before)
        origin.down()
        assert before.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connected(server)
    origin.up()
    with closing(connected(server)) as connection:
        assert answer(connection).endswith(b"abc")


def test_a_cut_is_an_end_of_the_connection(server: OriginServer) -> None:
    server._origin.answers(body="abcdef", cut=2)
    with closing(connected(server)) as connection:
        connection.sendall(REQUEST)
        data = b""
        while piece := connection.recv(100):
            data += piece
    assert data.endswith(b"\r\n\r\nab")


def test_its_port_is_free_at_the_end(server: OriginServer) -> None:
    server.close()
    with closing(socket.socket()) as other:
        other.bind((HOST, server.port))
