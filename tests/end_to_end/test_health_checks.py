"""An endpoint stops, and within its interval neither names lead to it nor origin groups ask it.

It takes as long as the shortest interval does, which is why it is no test of every run.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import dns.message
import pytest

from tests.end_to_end.processes import EDGECACHE, free_ports, start, wait_for

pytestmark = pytest.mark.long

INTERVAL_S = 10.0
LOAD_S = 3.0  # what a machine that does other things too may add
FILE = """
state_dir = "state"

[control]
listen = "127.0.0.1:{control}"

[[locations]]
name = "FRA1"
listen = "127.0.0.1:{edge}"

[[locations]]
name = "NRT1"
listen = "127.0.0.2:{edge}"

[dns]
listen = ["127.0.0.1:{dns}"]
name_servers = ["ns1.test"]
locations = [
  {{ name = "FRA1", addresses = ["127.0.0.1"] }},
  {{ name = "NRT1", addresses = ["127.0.0.2"] }},
]

[[dns.health_checks]]
id = "first"
type = "HTTP_STR_MATCH"
address = "127.0.0.1"
port = {first}
search_string = "first"
failure_threshold = 1
interval_s = 10

[[dns.zones]]
name = "checks.test"

[[dns.zones.records]]
name = "www"
type = "A"
values = ["192.0.2.1"]
id = "first"
failover = "primary"
health_check = "first"

[[dns.zones.records]]
name = "www"
type = "A"
values = ["192.0.2.2"]
id = "second"
failover = "secondary"

[[distributions]]
id = "ESITE"
aliases = ["*"]
default_behavior = {{ origin = "group" }}
origins = [
  {{ id = "one", domain_name = "127.0.0.1", http_port = {first}, health_check = "first" }},
  {{ id = "two", domain_name = "127.0.0.1", http_port = {second} }},
]
origin_groups = [{{ id = "group", members = ["one", "two"], status_codes = [503] }}]
"""


@contextmanager
def endpoint(port: int, body: bytes) -> Iterator[None]:
    """A web server that answers everything with `body`."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def given(port: int) -> str:
    """The address that a name server gives; "" where it does not answer."""
    query = dns.message.make_query("www.checks.test", "A")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as way:
        way.sendall(struct.pack("!H", len(query.to_wire())) + query.to_wire())
        answer = way.recv(4_096)[2:]
    sets = dns.message.from_wire(answer).answer if answer else []
    return sets[0][0].to_text() if sets else ""


def asked(url: str) -> bytes:
    with urlopen(url, timeout=20) as answer:
        return bytes(answer.read())


def failovers(control: int) -> float:
    lines = asked(f"http://127.0.0.1:{control}/metrics").decode().splitlines()
    counted = [line for line in lines if line.startswith("edgecache_failovers_total")]
    return sum(float(line.rpartition(" ")[2]) for line in counted)


def test_what_stops_is_left_within_an_interval_and_a_second(tmp_path: Path) -> None:
    control, edge, dns_port, first, second = free_ports(5)
    ports = {"control": control, "edge": edge, "dns": dns_port, "first": first, "second": second}
    (tmp_path / "edgecache.toml").write_text(FILE.format(**ports))
    site = f"http://127.0.0.1:{edge}/"
    with endpoint(second, b"the second"):
        with endpoint(first, b"the first"):
            up = start((*EDGECACHE, "up", "--json"), tmp_path, "up")
            try:
                up.until("all answer", lambda: up.stdout.endswith("\n"))
                wait_for("it is healthy", lambda: given(dns_port) == "192.0.2.1")
                assert asked(f"{site}a") == b"the first"
                # What is known at once need not be what control says: it waits for all nodes.
                wait_for("locations have asked", lambda: _opinions(control) == 2)
            except BaseException:
                up.stop()
                raise
        try:
            stopped_at = time.monotonic()
            wait_for("names lead elsewhere", lambda: given(dns_port) == "192.0.2.2")
            took_s = time.monotonic() - stopped_at
            print(f"left after {took_s:.2f} s")
            assert took_s <= INTERVAL_S + 1 + LOAD_S
            wait_for("the group asks the second first", lambda: _asks_second_first(site, control))
        finally:
            up.stop()


def _opinions(control: int) -> int:
    told = asked(f"http://127.0.0.1:{control}/health-checks/first")
    return told.count(b'"said":"Success: HTTP Status Code 200, OK"')


_number = iter(range(1_000))


def _asks_second_first(site: str, control: int) -> bool:
    """Whether a miss is answered by the second without another's failure before."""
    before = failovers(control)
    assert asked(f"{site}{next(_number)}") == b"the second"
    timer = threading.Event()
    timer.wait(1.5)  # a report comes each second
    return failovers(control) == before
