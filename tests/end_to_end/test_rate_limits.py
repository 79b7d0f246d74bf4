"""Rate limits under load: address by address, the 200s are what its bucket allows, whoever answers.

Of a location with two workers, from many addresses of loopback at once, over several connections
each; what was refused is what the nodes have counted.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.end_to_end.installation import Installation, Ports, Up, start_up
from tests.end_to_end.processes import free_ports, wait_for
from tests.end_to_end.viewers import curl
from tests.measurements import tell

RATE, BURST = 20, 60  # an empty bucket is full after 3 s: a viewer that halts for 2 loses nothing
ASKS_S = 1.5
ADDRESSES = [f"127.0.0.{number}" for number in range(10, 22)]
CONNECTIONS = 4  # of each address: by chance both workers have some
MIB = 1024 * 1024
BODY_BYTES = MIB + MIB // 2
TEMPLATE = """
[control]
listen = "127.0.0.1:{control}"
allow_private_origins = true

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{lhr}"
workers = {workers}

[[locations]]
name = "NRT57"
listen = "127.0.0.1:{nrt}"
rate_limits = [{{ name = "location", requests_per_s = 0.01, burst = 2 }}]

[bucket]
listen = "127.0.0.1:{bucket}"
folder = "bucket"
cache_control = "public, max-age=300"

[[distributions]]
id = "ESITE"
aliases = ["127.0.0.1"]

[[distributions.origins]]
id = "bucket"
domain_name = "127.0.0.1"
http_port = {bucket}
access = "identity"

[distributions.default_behavior]
origin = "bucket"
rate_limits = [{{ name = "viewers", requests_per_s = 20, burst = 60 }}]

[[distributions.behaviors]]
path_pattern = "/paced/*"
origin = "bucket"
limit_rate = {{ bytes_per_s = "1 MiB", after_bytes = "512 KiB" }}

[[distributions.behaviors]]
path_pattern = "/login/*"
origin = "bucket"
rate_limits = [
  {{ name = "keys", key = "header:X-Api-Key", requests_per_s = 0.01, burst = 3 }},
  {{ name = "logins", key = "path:1", requests_per_s = 0.01, burst = 5 }},
]
"""


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("limited")
    for path, size in (("page", 1_000), ("login/form", 10), ("paced/body", BODY_BYTES)):
        file = folder / "bucket" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * size)
    made = Installation(folder, Ports(*free_ports(4)), 2, TEMPLATE)
    made.write()
    running = start_up(made)
    yield running
    assert running.process.stop() == 0, running.process.stderr
    assert "Traceback" not in running.process.stderr, running.process.stderr
    assert not made.left_running()


@dataclass(slots=True)
class Asker:
    """One address that asks as fast as it is answered; its first request and its last answer."""

    address: str
    statuses: Counter[int] = field(default_factory=Counter)
    began: float = 0.0
    ended: float = 0.0

    async def ask(self, port: int, until: float) -> None:
        """Over one connection, until that instant (monotonic)."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=(self.address, 0)
        )
        self.began = self.began or time.monotonic()
        while time.monotonic() < until:
            writer.write(b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
            assert length is not None
            await reader.readexactly(int(length[1]))
            self.statuses[int(head[9:12])] += 1
            self.ended = time.monotonic()
            if head[9:12] == b"429":
                assert re.search(rb"\r\nretry-after: 1\r\n", head, re.IGNORECASE)
        writer.transport.abort()


async def ask_all(port: int) -> list[Asker]:
    askers = [Asker(address) for address in ADDRESSES]
    until = time.monotonic() + ASKS_S
    async with asyncio.TaskGroup() as group:
        for asker in askers:
            for _ in range(CONNECTIONS):
                group.create_task(asker.ask(port, until))
    return askers


def limited_requests(up: Up) -> Counter[str]:
    """What the nodes have counted, by limit."""
    text = curl(f"{up.installation.control}/metrics").body.decode()
    found: Counter[str] = Counter()
    for line in text.splitlines():
        match = re.match(r'edgecache_rate_limited_total\{.*limit="([^"]*)".*\} ([0-9.]+)', line)
        if match:
            found[match[1]] += int(float(match[2]))
    return found


def test_each_address_is_given_what_its_bucket_allows(limited: Up) -> None:
    port = limited.installation.ports.lhr
    assert curl(f"{limited.lhr}/page").status == 200  # 127.0.0.1 has a bucket of its own
    wrk = subprocess.Popen(
        ["wrk", "-t1", "-c8", "-d2s", f"{limited.lhr}/page"], stdout=subprocess.PIPE, text=True
    )
    began = time.monotonic()
    askers = asyncio.run(ask_all(port))
    said, _ = wrk.communicate(timeout=60)
    wrk_s = time.monotonic() - began
    for asker in askers:
        given = asker.statuses[200]
        allowed = BURST + RATE * (asker.ended - asker.began)
        assert allowed - 5 <= given <= allowed + 2, (asker, allowed)
        assert set(asker.statuses) == {200, 429}
    asked = int(re.findall(r"(\d+) requests in", said)[0])
    refused = int(re.findall(r"Non-2xx or 3xx responses: (\d+)", said)[0])
    assert BURST / 2 <= asked - refused <= BURST + RATE * wrk_s + 8  # some on their way at the end
    seen = sum(asker.statuses[429] for asker in askers)
    counted = wait_for(
        "all are counted", lambda: _at_least(limited_requests(limited)["viewers"], seen + refused)
    )
    assert counted <= seen + refused + 8
    total = sum(asker.statuses.total() for asker in askers)
    tell(f"{len(askers)} addresses: {total} asked, {seen} refused; wrk: {asked}, {refused}")


def _at_least(found: int, wanted: int) -> int:
    return found if found >= wanted else 0


def test_a_key_is_one_bucket_for_all_workers(limited: Up) -> None:
    """Curl connects anew each time; the limit by path comes after that by key."""
    url = f"{limited.lhr}/login/form"
    statuses = [curl(url, "-H", "X-Api-Key: one").status for _ in range(8)]
    assert statuses == [200] * 3 + [429] * 5
    statuses = [curl(url, "-H", "X-Api-Key: two").status for _ in range(4)]
    assert statuses == [200] * 2 + [429] * 2, "the path's five are gone"
    refused = curl(url, "-H", "X-Api-Key: two")
    assert refused.fields["retry-after"].isdecimal()
    assert 1 < int(refused.fields["retry-after"]) <= 100


def test_workers_that_die_forget_nothing(limited: Up) -> None:
    url = f"{limited.lhr}/login/form"
    assert curl(url, "-H", "X-Api-Key: one").status == 429
    for worker in (1, 2):
        os.kill(limited.pid(f"edge-LHR50-{worker}"), signal.SIGKILL)
    said = wait_for("an answer", lambda: curl(url, "-H", "X-Api-Key: one").status)
    assert said == 429


def test_a_limit_of_a_location_is_for_all_that_is_asked_there(limited: Up) -> None:
    statuses = [curl(f"{limited.nrt}{path}").status for path in ("/page", "/none", "/page")]
    assert statuses == [200, 404, 429]
    assert curl(f"{limited.lhr}/none").status == 404


def test_a_body_is_sent_at_its_rate(limited: Up) -> None:
    url = f"{limited.lhr}/paced/body"
    for what in ("miss", "hit"):
        began = time.monotonic()
        answer = curl(url)
        took_s = time.monotonic() - began
        assert (answer.status, len(answer.body)) == (200, BODY_BYTES)
        tell(f"limit_rate, {what}: {took_s:.2f} s, 1.00 by the rate")
        assert took_s > 0.9
    began = time.monotonic()
    assert len(curl(url, "-r", f"0-{MIB // 2 - 1}").body) == MIB // 2
    tell(f"limit_rate, what is free: {time.monotonic() - began:.2f} s")
