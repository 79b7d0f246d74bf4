"""A stand-in for a container engine: as much of Docker's Engine API as starting a container takes.

A container is a process of this machine: what the image's entry point would run, its addresses
on free ports of loopback. Docker Engine API v1.43.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

ID = "e" * 64
STOP_S_MAX = 20.0


class ContainerEngine:
    """The engine, at `url`; `asked` are the requests it got. It knows one container."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.made: dict[str, Any] = {}
        self.ports: dict[str, int] = {}  # of this machine, by those of the container
        self.process: subprocess.Popen[bytes] | None = None
        self._folder = folder
        engine = self

        class Handler(_EngineHandler):
            def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
                engine.asked.append(f"{method} {path}")
                return engine.answer(method, path, body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._stop()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        if path == "/version":
            return 200, {"ApiVersion": "1.43", "MinAPIVersion": "1.24", "Version": "24.0"}
        if method == "GET" and path.startswith("/images/"):
            return 200, {"Id": "sha256:1", "RepoTags": ["edgecache:latest"]}
        if (method, path) == ("POST", "/containers/create"):
            self.made = body
            return 201, {"Id": ID, "Warnings": []}
        if (method, path) == ("POST", f"/containers/{ID}/start"):
            self._start()
            return 204, None
        if (method, path) == ("GET", "/containers/json"):
            return 200, [self._state()]
        if (method, path) == ("GET", f"/containers/{ID}/json"):
            return 200, self._state()
        if (method, path) == ("DELETE", f"/containers/{ID}"):
            self._stop()
            return 204, None
        return 404, {"message": f"no such thing: {method} {path}"}

    def _start(self) -> None:
        self.ports = {name: _free_port() for name in self.made["ExposedPorts"]}
        words = [re.sub(r"^0\.0\.0\.0:(\d+)$", self._here, word) for word in self.made["Cmd"]]
        words = [word for word in words if word != "--public"]  # none is but loopback's
        command = [sys.executable, "-m", "edgecache", *words, "--folder", str(self._folder)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )

    def _here(self, match: re.Match[str]) -> str:
        return f"127.0.0.1:{self.ports[f'{match[1]}/tcp']}"

    def _state(self) -> dict[str, Any]:
        running = self.process is not None and self.process.poll() is None
        places = {
            name: [{"HostIp": "0.0.0.0", "HostPort": str(port)}]
            for name, port in self.ports.items()
        }
        return {
            "Id": ID,
            "Image": "sha256:1",
            "State": {"Status": "running" if running else "exited", "Running": running},
            "Config": self.made,
            "NetworkSettings": {"Ports": places},
        }

    def _stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(STOP_S_MAX)


class _EngineHandler(BaseHTTPRequestHandler):
    """Requests and answers as JSON."""

    protocol_version = "HTTP/1.1"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        raise NotImplementedError

    def _handle(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        data = self.rfile.read(length)
        path = re.sub(r"^/v1\.\d+", "", urlsplit(self.path).path)
        status, answer = self.answer(self.command, path, json.loads(data) if data else None)
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _handle

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
