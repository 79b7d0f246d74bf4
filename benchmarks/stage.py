"""The servers of a run, started from `peers/`: an origin, and caches in front of it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.comparison import BEFORE, NGINX_WRITES, command_of
from benchmarks.mixes import site
from benchmarks.processes import (
    CLIENT_CORE,
    SERVER_CORE,
    BenchmarkError,
    Server,
    free_port,
    program,
    start,
    wait_until_listening,
)
from edgecache.cli.keys import generate_private_key, write_key_pair
from edgecache.server.dev_certificate import development_certificate

HERE = Path(__file__).resolve().parent
ONE_TIER, TWO_TIERS, HTTP3 = "one tier", "two tiers", "HTTP/3"
WITH_FUNCTIONS = "with functions"
SENDFILE = "sendfile on; tcp_nopush on;"
VARNISH_LOG = (
    "%t\t%O\t%h\t%m\t%{Host}i\t%U\t%s\t%{Referer}i\t%{User-Agent}i\t%q\t%{Varnish:handling}x\t"
    "%{X-Request-Id}o\t%I\t%T\t%H\t%{Content-Type}o\t%{Content-Length}o"
)


@dataclass(slots=True)
class Stage:
    """What is running. Files of all servers are in `folder`, in memory."""

    folder: Path
    stack: ExitStack
    files: dict[str, bytes] = field(default_factory=site)
    origin: int = field(default_factory=free_port)
    cache_mib: int = 2_048  # that each cache may take
    before: Path | None = None  # a checkout of the commit that is compared
    _servers: dict[tuple[str, str], Server] = field(default_factory=dict)

    def server(self, kind: str, name: str) -> Server:
        """A server of that kind (`one tier`, `two tiers`), started when it is first asked for."""
        if (kind, name) not in self._servers:
            makers = {
                (ONE_TIER, "edgecache"): self._edgecache,
                (ONE_TIER, BEFORE): lambda: self._edgecache(BEFORE, self.before),
                (ONE_TIER, "nginx"): self._nginx,
                (ONE_TIER, NGINX_WRITES): lambda: self._nginx(NGINX_WRITES, "sendfile off;"),
                (ONE_TIER, "varnish"): self._varnish,
                (TWO_TIERS, "edgecache"): self._edgecache_two_tiers,
                (WITH_FUNCTIONS, "edgecache"): self._edgecache_with_functions,
                (TWO_TIERS, "nginx"): self._nginx_two_tiers,
                (HTTP3, "edgecache"): self._edgecache_http3,
                (HTTP3, "gtlsserver"): self._gtlsserver,
            }
            self._servers[kind, name] = makers[kind, name]()
        return self._servers[kind, name]

    def serve(self, name: str, *, bare: bool = False) -> tuple[Server, float]:
        """A server of its own beside the others, and when it was executed; the caller stops it.

        `bare`: ours without a configuration file, by `edgecache serve`.
        """
        values = self.values(name=f"{name}-{time.monotonic_ns()}", port=free_port())
        if name == "edgecache" and bare:
            command = [*command_of(None), "serve", f"http://127.0.0.1:{self.origin}"]
            command += [f"--listen=127.0.0.1:{values['port']}"]
            command += [f"--state-dir={self.folder / values['name']}"]
        elif name == "edgecache":
            command = self.edge_command({**values, "tls_port": str(free_port())})
        elif name == "nginx":
            command = self._nginx_command("nginx", values)
        else:
            command = self._varnish_command(values)
        began = time.monotonic()
        started = [start(values["name"], command, self.folder, SERVER_CORE)]
        if name == "varnish":
            started.append(self._varnish_log(values["name"]))
        return Server(name, int(values["port"]), tuple(started)), began

    def start_origin(self) -> None:
        """Write the files, and serve them."""
        for path, data in self.files.items():
            file = self.folder / "site" / path[1:]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        signed = self.folder / "site" / "signed"
        signed.mkdir()
        (signed / "hot").write_bytes(self.files["/hot"])
        values = self.values(name="origin", port=self.origin)
        self._start("origin", self._nginx_command("origin", values), self.origin, CLIENT_CORE)

    def _edgecache(self, name: str = "edgecache", tree: Path | None = None) -> Server:
        port, tls_port = free_port(), free_port()
        command = self.edge_command(self.values(name=name, port=port, tls_port=tls_port), tree)
        return Server(name, port, (self._start(name, command, port),), tls_port)

    def edge_command(self, values: dict[str, str], tree: Path | None = None) -> list[str]:
        """How an edge of ours is started."""
        if not (self.folder / "signer.private.pem").exists():
            write_key_pair(str(self.folder / "signer"), generate_private_key("ecdsa"))
        config = self._written("edgecache.toml", values)
        return [*command_of(tree), "edge", "--location=LHR50", f"--config={config}"]

    def _edgecache_with_functions(self) -> Server:
        port = free_port()
        values = self.values(name="with-functions", port=port)
        config = self._written("edgecache-functions.toml", values)
        command = [*command_of(None), "edge", "--location=LHR50", f"--config={config}"]
        return Server("edgecache", port, (self._start("with-functions", command, port),))

    def _edgecache_two_tiers(self) -> Server:
        port, other = free_port(), free_port()
        config = self._written("edgecache-two-tiers.toml", self.values(port=port, other_port=other))
        command = [*command_of(None), "up", f"--config={config}"]
        started = self._start("edgecache-two-tiers", command, other)
        wait_until_listening("edge", started, port, self.folder / "edgecache-two-tiers.err")
        return Server("edgecache", port, (started,), other_port=other)

    def _edgecache_http3(self) -> Server:
        name, port, tls_port = "edgecache-http3", free_port(), free_port()
        config = self._written(
            "edgecache-http3.toml", self.values(name=name, port=port, tls_port=tls_port)
        )
        command = [*command_of(None), "edge", "--location=LHR50", f"--config={config}"]
        return Server("edgecache", port, (self._start(name, command, port),), tls_port)

    def _gtlsserver(self) -> Server:
        """Serves the origin's files from its folder, by UDP alone."""
        port = free_port()
        pem = development_certificate(self.folder / "gtls-tls", ("localhost",), datetime.now(UTC))
        command = [program("gtlsserver"), "-q", "-d", str(self.folder / "site"), "127.0.0.1"]
        popen = start(
            "gtlsserver", [*command, str(port), str(pem), str(pem)], self.folder, SERVER_CORE
        )
        server = Server("gtlsserver", 0, (popen,), port)
        self.stack.callback(server.stop)
        return server

    def _nginx(self, name: str = "nginx", sendfile: str = SENDFILE) -> Server:
        port, tls_port = free_port(), free_port()
        pem = development_certificate(self.folder / "nginx-tls", ("127.0.0.1",), datetime.now(UTC))
        tls = (
            f"listen 127.0.0.1:{tls_port} ssl http2 backlog=4096; ssl_protocols TLSv1.3; "
            f"ssl_certificate {pem}; ssl_certificate_key {pem}; ssl_session_tickets on;"
        )
        values = self.values(name=name, port=port, tls=tls, sendfile=sendfile)
        command = self._nginx_command("nginx", values)
        return Server(name, port, (self._start(name, command, port),), tls_port)

    def _nginx_two_tiers(self) -> Server:
        inner, port, other = free_port(), free_port(), free_port()
        started = []
        for name, at, origin in (
            ("nginx-regional", inner, self.origin),
            ("nginx-edge", port, inner),
            ("nginx-other-edge", other, inner),
        ):
            values = self.values(name=name, port=at, origin=origin)
            started.append(self._start(name, self._nginx_command("nginx", values), at))
        return Server("nginx", port, tuple(started), other_port=other)

    def _varnish(self) -> Server:
        values = self.values(name="varnish", port=free_port())
        port = int(values["port"])
        varnish = self._start("varnish", self._varnish_command(values), port)
        logging = self._varnish_log("varnish")
        self.stack.callback(Server("varnishncsa", 0, (logging,)).stop)
        return Server("varnish", port, (varnish, logging))

    def _varnish_log(self, name: str) -> subprocess.Popen[bytes]:
        """Who writes the access log of a varnishd; it waits until that is there."""
        command = [program("varnishncsa"), "-n", str(self.folder / name), "-F", VARNISH_LOG]
        command += ["-w", str(self.folder / f"{name}.log")]
        return start(f"{name}-log", command, self.folder, SERVER_CORE)

    def values(self, **more: object) -> dict[str, str]:
        """What the templates of `peers/` leave open."""
        # nginx's workers would otherwise be another user, who cannot enter a private folder.
        user = "user root;" if os.geteuid() == 0 else ""
        values: dict[str, object] = {
            "folder": self.folder,
            "origin": self.origin,
            "user": user,
            "tls": "",
        }
        values |= {"sendfile": SENDFILE, "cache_mib": self.cache_mib, **more}
        return {name: str(value) for name, value in values.items()}

    def _written(self, template: str, values: dict[str, str]) -> Path:
        text = (HERE / "peers" / template).read_text()
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        file = self.folder / f"{values.get('name', 'the')}.{template}"
        file.write_text(text)
        return file

    def _nginx_command(self, template: str, values: dict[str, str]) -> list[str]:
        file = self._written(f"{template}.conf", values)
        return [program("nginx"), "-p", str(self.folder), "-c", str(file), "-e", "stderr"]

    def _varnish_command(self, values: dict[str, str]) -> list[str]:
        vcl = self._written("varnish.vcl", values)
        command = [program("varnishd"), "-F", "-n", str(self.folder / values["name"])]
        command += [
            "-a",
            f"127.0.0.1:{values['port']}",
            "-f",
            str(vcl),
            "-s",
            f"malloc,{self.cache_mib}m",
        ]
        if os.geteuid() == 0:
            command += ["-j", "none"]  # as above: another user could not enter
        for parameter in ("thread_pools=1", "thread_pool_min=100", "thread_pool_max=1000"):
            command += ["-p", parameter]
        return [
            *command,
            "-p",
            "timeout_idle=600",
            "-p",
            "ban_lurker_age=3600",
            "-p",
            "nuke_limit=100000",
        ]  # else what finds no room is cut short

    def _start(
        self, name: str, command: list[str], port: int, core: int = SERVER_CORE
    ) -> subprocess.Popen[bytes]:
        popen = start(name, command, self.folder, core)
        self.stack.callback(Server(name, port, (popen,)).stop)
        wait_until_listening(name, popen, port, self.folder / f"{name}.err")
        return popen


@contextmanager
def staged(more: Mapping[str, bytes] | None = None, cache_mib: int = 2_048) -> Iterator[Stage]:
    """A stage with its origin, which has `more` files; what it started is stopped in the end."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=memory)))
        stage = Stage(folder, stack, {**site(), **(more or {})}, cache_mib=cache_mib)
        stage.start_origin()
        yield stage


def installed(name: str) -> bool:
    """Whether the server of that name can be started here."""
    try:
        if name.startswith("edgecache"):
            return True
        return bool(program("varnishd" if name == "varnish" else name.partition("-")[0]))
    except BenchmarkError:
        return False
