"""What we forward is read the same by real servers: none sees two requests where we saw one."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.end_to_end.nginx import installed
from tests.end_to_end.processes import free_ports, listens, start
from tests.hostile.message import attempt, stage
from tests.hostile.recorder import echo
from tests.hostile.rows_cache import DECEPTION, HOPS, KEYS, POISON
from tests.hostile.rows_framing import CHUNKS, FRAMING, PIPELINED
from tests.hostile.rows_target import TARGETS
from tests.hostile.stage import HostilePlay
from tests.hostile.story import Story
from tests.hostile.strict import Answered, Seen, Violation, read_request, read_responses
from tests.world.play import Scene

pytestmark = pytest.mark.end_to_end
MARKER = b"GET /marker HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n"
WAIT_S = 20.0
GUNICORN = "23.0.0"

_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit; {user}
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/t; proxy_temp_path {folder}/t;
  fastcgi_temp_path {folder}/t; uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  large_client_header_buffers 8 64k;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "$request_method $request_uri"; }} }}
}}
"""
_NODE = """
require("http").createServer((asked, answer) => {
  asked.resume();
  asked.on("end", () => answer.end(asked.method + " " + asked.url));
}).listen(PORT, "127.0.0.1");
"""
_MODULES = "/usr/lib/apache2/modules"
_APACHE = """
ServerRoot {folder}
ServerName site.test
Listen 127.0.0.1:{port}
PidFile {folder}/httpd.pid
ErrorLog /dev/stderr
LogLevel crit
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LimitRequestFieldSize 65536
LimitRequestLine 65536
ErrorDocument 403 "%{{THE_REQUEST}}"
ErrorDocument 404 "%{{THE_REQUEST}}"
ErrorDocument 405 "%{{THE_REQUEST}}"
DocumentRoot {folder}/nothing
AllowEncodedSlashes NoDecode
"""
Command = Callable[[Path, int], Sequence[str]]


def _nginx(folder: Path, port: int) -> Sequence[str]:
    file = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    file.write_text(_NGINX.format(folder=folder, port=port, user=user))
    program = installed("nginx", "nginx-light")
    return [program, "-c", str(file), "-p", str(folder), "-e", "stderr"]


def _apache(folder: Path, port: int) -> Sequence[str]:
    program = installed("apache2", "apache2-bin")
    (folder / "nothing").mkdir()
    user = "User #65534\nGroup #65534" if os.geteuid() == 0 else ""
    file = folder / "httpd.conf"
    file.write_text(_APACHE.format(folder=folder, port=port, user=user, modules=_MODULES))
    return [program, "-X", "-f", str(file)]


def _gunicorn(_folder: Path, port: int) -> Sequence[str]:
    root = Path(__file__).resolve().parents[2]
    folder = root / "var" / f"gunicorn-{GUNICORN}"
    program = folder / "bin" / "gunicorn"
    if not program.exists():
        _install(folder, f"gunicorn=={GUNICORN}")
    options = ["--threads", "2", "--keep-alive", "5", "--log-level", "critical"]
    place = ["--bind", f"127.0.0.1:{port}", "--chdir", str(root)]
    return [str(program), *options, *place, "tests.hostile.echo_wsgi:app"]


def _install(folder: Path, package: str) -> None:
    """A virtual environment of its own, once; without the index the test is skipped."""
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin" / "pip"), "install", "--quiet", package],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode:
            pytest.skip(f"{package} cannot be installed: {done.stderr.strip().splitlines()[-1]}")


def _node(_folder: Path, port: int) -> Sequence[str]:
    script = _NODE.replace("PORT", str(port))
    return [installed("node", "nodejs"), "--max-http-header-size=65536", "-e", script]


def _uvicorn(kind: str) -> Command:
    app = ["tests.hostile.echo_app:app", "--log-level", "critical", "--http", kind]
    root = str(Path(__file__).resolve().parents[2])
    return lambda _folder, port: [
        sys.executable, "-m", "uvicorn", *app, "--app-dir", root, "--port", str(port),
    ]  # fmt: skip


def _split(raw: bytes) -> list[tuple[Seen, bytes]]:
    found = []
    try:
        while (parsed := read_request(raw)) is not None:
            seen, rest = parsed
            found.append((seen, raw[: len(raw) - len(rest)]))
            raw = rest
    except Violation:
        pass  # behind a request that was broken off
    return found


def _raw_of(story: Story) -> bytes:
    play = HostilePlay(Scene(**story.scene), echo)
    try:
        for number, step in enumerate(story.steps):
            play.client(f"c{number}").sends([step.data])
    finally:
        play.close()
    return play.recorder.raw


def vectors() -> list[tuple[Seen, bytes]]:
    """Every different request the rows make us forward, as parsed and as bytes."""
    found: dict[bytes, tuple[Seen, bytes]] = {}
    raws = []
    for row in (*FRAMING, *PIPELINED, *CHUNKS, *TARGETS):
        if row.origin:
            play = stage(True)
            try:
                attempt(play, row, [row.data])
            finally:
                play.close()
            raws.append(play.recorder.raw)
    raws += [_raw_of(story) for story in (*HOPS, *POISON, *DECEPTION, *KEYS) if story.id != "K10"]
    for raw in raws:
        for seen, data in _split(raw):
            kept = tuple(field for field in seen.fields if field[0] != b"x-amz-cf-id")
            found.setdefault(
                repr((seen.method, seen.target, kept, seen.body)).encode(), (seen, data)
            )
    return list(found.values())


@pytest.fixture(scope="module")
def forwarded() -> list[tuple[Seen, bytes]]:
    return vectors()


@pytest.mark.parametrize(
    "command",
    [_nginx, _apache, _node, _gunicorn, _uvicorn("h11"), _uvicorn("httptools")],
    ids=["nginx", "apache", "node", "gunicorn", "uvicorn-h11", "uvicorn-httptools"],
)
def test_a_real_server_sees_one_request_for_each(
    command: Command, forwarded: list[tuple[Seen, bytes]], tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    process = start(command(tmp_path, port), tmp_path)
    try:
        process.until("the server listens", lambda: listens(port))
        assert len(forwarded) > 80
        for seen, data in forwarded:
            _compare(port, seen, data, in_turn=command is _gunicorn)
    finally:
        process.stop()


def _compare(port: int, seen: Seen, data: bytes, *, in_turn: bool) -> None:
    """`in_turn`: the marker follows the first answer, for a server that does not pipeline."""
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as client:
        output = b""
        client.sendall(data if in_turn else data + MARKER)
        if in_turn:
            output = _first(client, seen.method)
            with contextlib.suppress(ConnectionError):  # refused, and closed
                client.sendall(MARKER)
        while part := _received(client):
            output += part
    answers = read_responses(output, [seen.method])
    if len(answers) == 1 and answers[0].status in (400, 431):
        return  # stricter than we are, and it read no second request
    assert len(answers) == 2, (data, output)
    expected = (seen.method + b" " + seen.target).removesuffix(b"?")  # ASGI has no empty query
    if seen.method != b"HEAD":
        assert _told(answers[0]) == expected, (data, output)
    assert _told(answers[1]) == b"GET /marker", (data, output)


def _told(answer: Answered) -> bytes:
    """Method and target, as the server read them."""
    return answer.body.strip().removesuffix(b" HTTP/1.1").removesuffix(b"?")


def _first(client: socket.socket, method: bytes) -> bytes:
    output = b""
    while part := _received(client):
        output += part
        try:
            if any(answer.whole for answer in read_responses(output, [method])):
                break
        except Violation:
            pass  # the head is still on its way
    return output


def _received(client: socket.socket) -> bytes:
    try:
        return client.recv(65_536)
    except ConnectionResetError:
        return b""
