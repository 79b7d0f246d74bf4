"""A real nginx: an origin that serves folders, and writes down each request it gets."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.processes import Running, free_ports, listens, start

_CONFIG = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  log_format asked '$request_method $request_uri';
  access_log {folder}/access.log asked;
  client_body_temp_path {folder}/temporary;
  proxy_temp_path {folder}/temporary;
  fastcgi_temp_path {folder}/temporary;
  uwsgi_temp_path {folder}/temporary;
  scgi_temp_path {folder}/temporary;
  default_type application/octet-stream;
  server {{
    listen 127.0.0.1:{port}{tls};
    root {root};
    {more}
    add_header Cache-Control "public, max-age=3600";
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """The origin: its port, and the log of what was asked of it."""

    process: Running
    port: int
    log: Path

    def asked(self) -> list[str]:
        """`METHOD target` of every request answered so far."""
        return self.log.read_text().splitlines()


def installed(name: str, package: str) -> str:
    """The path of a program; skips the test where it is missing, but fails it on CI."""
    program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        missing = f"{name} is not installed (apt-get install {package})"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return program


def start_nginx(folder: Path, root: Path, *, tls: bool = False, more: str = "") -> Nginx:
    """nginx serving `root`, with `more` for its server. Ended by whoever calls this."""
    program = installed("nginx", "nginx-light")
    (port,) = free_ports(1)
    # Its workers would otherwise be another user, who cannot enter the folders of the tests.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "temporary").mkdir()
    file = folder / "nginx.conf"
    values = {"user": user, "folder": folder, "port": port, "root": root, "more": more}
    file.write_text(_CONFIG.format(**values, tls=" ssl" if tls else ""))
    process = start([program, "-c", str(file), "-p", str(folder), "-e", "stderr"], folder, "nginx")
    process.until("nginx listens", lambda: listens(port))
    return Nginx(process, port, folder / "access.log")
