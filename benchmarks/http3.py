"""S18: hits of 1 KiB by HTTP/3, beside `gtlsserver` (Debian's ngtcp2-server) and its files.

Law: the client is `gtlsclient` (ngtcp2-client), which tells no status: so each client keeps what it
was answered last, and that is compared, and before and after one keeps all. Each has a connection,
asks as many streams at once as it may, and is followed by another when it has asked for all of its
own, until the time is over; handshakes count among the requests' CPU, one for REQUESTS of them.
"""

from __future__ import annotations

import subprocess
import time
from itertools import count
from pathlib import Path

from benchmarks.mixes import HOT
from benchmarks.processes import CLIENT_CORE, START_S_MAX, BenchmarkError, Server, program
from benchmarks.results import Figure
from benchmarks.stage import HTTP3, Stage

CLIENTS, REQUESTS = 4, 2_000
CLIENT_S_MAX = 60
_folders = count(1)


class Http3Load:
    """What clients ask of one server."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage = stage
        self._server: Server = stage.server(HTTP3, name)
        self._port = self._server.tls_port

    def measured(self, seconds: int) -> Figure:
        """The server's CPU for each answer. BenchmarkError when one was not right."""
        self._arrive()
        began, before, requests = time.monotonic(), self._server.cpu_s(), 0
        while time.monotonic() - began < seconds:
            clients = [self._client(REQUESTS) for _ in range(CLIENTS)]
            for client, folder in clients:
                self._check(client, folder)
            requests += CLIENTS * REQUESTS
        took_s, cpu_s = time.monotonic() - began, self._server.cpu_s() - before
        return Figure(
            requests_per_s=requests / took_s,
            bytes_per_s=requests * len(self._stage.files[HOT]) / took_s,
            cpu_us_per_request=cpu_s / requests * 1_000_000,
            rss_mib=self._server.rss_bytes() / 1_048_576,
            checked=requests // REQUESTS,
        )

    def _arrive(self) -> None:
        """Until it answers rightly; nothing else says that a UDP port is served."""
        deadline = time.monotonic() + START_S_MAX
        while True:
            try:
                self._check(*self._client(1))
                return
            except BenchmarkError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _client(self, requests: int) -> tuple[subprocess.Popen[bytes], Path]:
        """One that asks so many times, and the folder of what it was answered."""
        folder = self._stage.folder / f"http3-{next(_folders)}"
        folder.mkdir()
        command = [program("taskset"), "-c", str(CLIENT_CORE), program("gtlsclient"), "-q"]
        command += ["--exit-on-all-streams-close", f"--nstreams={requests}"]
        command += [f"--download={folder}", "127.0.0.1", str(self._port)]
        command.append(f"https://localhost:{self._port}{HOT}")
        out = subprocess.DEVNULL
        return subprocess.Popen(command, stdout=out, stderr=out), folder

    def _check(self, client: subprocess.Popen[bytes], folder: Path) -> None:
        """The answer it kept is the right one."""
        code, kept = client.wait(CLIENT_S_MAX), folder / HOT[1:]
        got = kept.read_bytes() if kept.exists() else b""
        if code or got != self._stage.files[HOT]:
            raise BenchmarkError(f"{self._server.name}: gtlsclient ended with {code}, {len(got)} B")
        kept.unlink()
        folder.rmdir()
