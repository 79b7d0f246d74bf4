"""Real balancers in front of locations: HAProxy and nginx, as `docs/balancers.md` sets them up."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from edgecache.server.dev_certificate import ca_file, development_certificate
from tests.end_to_end.installation import Installation, Ports, Up, start_up
from tests.end_to_end.log_files import log_records
from tests.end_to_end.nginx import installed
from tests.end_to_end.processes import Running, free_ports, listens, start

PARTS = """
[control]
listen = "127.0.0.1:{control}"
allow_private_origins = true

[regional]

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{lhr}"
listen_tls = "127.0.0.1:{lhr_tls}"
proxy_protocol = "required"
trusted_proxies = ["127.0.0.1"]
workers = 2

[[locations]]
name = "NRT57"
listen = "127.0.0.1:{nrt}"
listen_tls = "127.0.0.1:{nrt_tls}"
trusted_proxies = ["127.0.0.1"]

[[distributions]]
id = "EECHO"
aliases = ["localhost"]
origins = [{{ id = "echo", domain_name = "127.0.0.1", http_port = {origin} }}]
default_behavior = {{ origin = "echo" }}

[[distributions.behaviors]]
path_pattern = "/secure/*"
origin = "echo"
viewer_protocol_policy = "redirect-to-https"
"""

HAPROXY = """
global
  stats socket {folder}/haproxy.sock
defaults
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen version1
  mode tcp
  bind 127.0.0.1:{version1}
  server edge 127.0.0.1:{lhr} send-proxy
listen version2
  mode tcp
  bind 127.0.0.1:{version2}
  server edge 127.0.0.1:{lhr} send-proxy-v2 check check-send-proxy
listen passes_tls
  mode tcp
  bind 127.0.0.1:{passes_tls}
  server edge 127.0.0.1:{lhr_tls} send-proxy-v2
frontend http
  mode http
  bind 127.0.0.1:{http}
  bind 127.0.0.1:{https} ssl crt {pem}
  option forwardfor
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
  default_backend edge
backend edge
  mode http
  http-reuse always
  server edge 127.0.0.1:{nrt}
"""

NGINX = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/temporary;
  proxy_temp_path {folder}/temporary;
  fastcgi_temp_path {folder}/temporary;
  uwsgi_temp_path {folder}/temporary;
  scgi_temp_path {folder}/temporary;
  upstream edge {{ server 127.0.0.1:{nrt_tls}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{nginx};
    location / {{
      proxy_pass https://edge;
      proxy_http_version 1.1;
      proxy_ssl_server_name on;
      proxy_ssl_name localhost;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
}}
"""


class EchoHandler(BaseHTTPRequestHandler):
    """Answers with the fields it was sent, as JSON; what is under /stored/ may be kept."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        kept = self.path.startswith("/stored/")
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=600" if kept else "no-store")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Balanced:
    """An installation behind HAProxy and nginx; `ports` by what stands there."""

    up: Up
    ports: dict[str, int]
    ca: Path
    haproxy: Running
    nginx: Running
    origin: ThreadingHTTPServer

    def lines(self, place: str) -> list[list[str]]:
        """The access log of a location so far."""
        return log_records(self.up.installation.state / "logs", f"edge-{place}-")

    def stop(self) -> None:
        for process in (self.haproxy, self.nginx):
            process.stop()
        assert self.up.process.stop() == 0, self.up.process.stderr
        self.origin.shutdown()
        self.origin.server_close()


def start_balanced(folder: Path) -> Balanced:
    """Origin, installation and both balancers."""
    haproxy, nginx = installed("haproxy", "haproxy"), installed("nginx", "nginx-light")
    origin = ThreadingHTTPServer(("127.0.0.1", 0), EchoHandler)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    names = ("control", "lhr", "lhr_tls", "nrt", "nrt_tls")
    fronts = ("version1", "version2", "passes_tls", "http", "https", "nginx")
    ports = dict(zip((*names, *fronts), free_ports(len(names) + len(fronts)), strict=True))
    text = PARTS.format(origin=origin.server_port, **ports)
    held = Ports(ports["control"], 1, ports["lhr"], ports["nrt"])
    installation = Installation(folder, held, template=text.replace("{", "{{").replace("}", "}}"))
    installation.write()
    up = start_up(installation)
    pem = development_certificate(installation.state, ["localhost"], datetime.now(UTC))
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "temporary").mkdir()
    values = {"folder": folder, "user": user, "pem": pem, **ports}
    (folder / "haproxy.cfg").write_text(HAPROXY.format(**values))
    (folder / "nginx.conf").write_text(NGINX.format(**values))
    first = start([haproxy, "-db", "-f", "haproxy.cfg"], folder, "haproxy")
    file = str(folder / "nginx.conf")
    second = start([nginx, "-c", file, "-p", str(folder), "-e", "stderr"], folder, "nginx")
    first.until("HAProxy listens", lambda: all(listens(ports[name]) for name in fronts[:-1]))
    second.until("nginx listens", lambda: listens(ports["nginx"]))
    return Balanced(up, ports, ca_file(installation.state), first, second, origin)
