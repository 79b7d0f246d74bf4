"""`python -m benchmarks.dns`: CPU of a name server per answer, beside NSD and PowerDNS in one run.

Each server is asked by dnsperf from the other core at one rate, so that all are equally busy; what
is counted is user and system time of its processes. Of edgecache: a plain answer, the closest of
eight locations, a tree of three levels (latency, failover, weighted), and signed answers. Bound:
the tree costs 1.5 times the plain answer.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from subprocess import PIPE

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

NAMES = 1_000
LOCATIONS = 8
TREE_RATIO_MAX = 1.5
SUBNET = "8:00011800cb0071"  # 203.0.113.0/24 (RFC 7871)
CONFIG = """
state_dir = "state"
[[locations]]
name = "L0"
listen = "127.0.0.1:0"
{locations}
[dns]
listen = ["127.0.0.1:{port}"]
zone = "cdn.test"
name_servers = ["ns.bench.test"]
responses_per_s = 0
{places}
[[dns.zones]]
name = "bench.test"
file = "bench.zone"
[[dns.zones]]
name = "signed.test"
file = "bench.zone"
dnssec = true
[[dns.zones]]
name = "tree.test"
{tree}
[[distributions]]
id = "ESITE"
default_behavior = {{ origin = "o" }}
origins = [{{ id = "o", domain_name = "origin.test" }}]
"""
NSD = """
server:
  server-count: 1
  ip-address: 127.0.0.1@{port}
  username: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "bench.test"
  zonefile: "bench.zone"
"""


@dataclass(frozen=True, slots=True)
class Question:
    """What is measured: of which server, which names, and with which words for dnsperf."""

    title: str
    server: str
    names: tuple[str, ...]
    words: tuple[str, ...] = ()


def questions() -> Iterator[Question]:
    """The rows of the table, a plain answer of ours first."""
    plain = tuple(f"n{n}.bench.test" for n in range(NAMES))
    edns = ("-E", SUBNET)
    yield Question("two addresses", "edgecache", plain, edns)
    yield Question("closest of eight", "edgecache", (closest_name(),), edns)
    yield Question("tree of three levels", "edgecache", ("www.tree.test",), edns)
    signed = tuple(f"n{n}.signed.test" for n in range(NAMES))
    yield Question("two addresses, signed", "edgecache", signed, ("-D",))
    yield Question("two addresses", "NSD", plain, edns)
    yield Question("two addresses", "PowerDNS", plain, edns)


def closest_name() -> str:
    """The name of the distribution in the CDN's zone."""
    from edgecache.config.dns import made_label

    return f"{made_label('ESITE')}.cdn.test"


def zone_file() -> str:
    """A zone whose names have two addresses each."""
    lines = ["$TTL 300", "@ IN SOA ns.bench.test. hostmaster.bench.test. 1 7200 900 1209600 900"]
    lines += ["@ IN NS ns.bench.test."]
    for n in range(NAMES):
        lines += [f"n{n} IN A 192.0.2.{n % 250 + 1}", f"n{n} IN A 198.51.100.{n % 250 + 1}"]
    return "\n".join(lines) + "\n"


def tree() -> str:
    """Two regions by latency, each a failover of two weighted groups of four."""
    lines = []

    def record(**facts: str) -> None:
        lines.append("[[dns.zones.records]]")
        lines.extend(f"{name} = {value}" for name, value in facts.items())

    for region in ("eu-central-1", "us-east-1"):
        for part in ("primary", "secondary"):
            for n in range(4):
                record(name=f'"{part}.{region}"', type='"A"', id=f'"{n}"', weight="10",
                       values=f'["192.0.2.{n + 1}"]')  # fmt: skip
            alias = f'{{ name = "{part}.{region}", evaluate_target_health = true }}'
            record(name=f'"{region}"', type='"A"', id=f'"{part}"', failover=f'"{part}"',
                   alias=alias)  # fmt: skip
        alias = f'{{ name = "{region}", evaluate_target_health = true }}'
        record(name='"www"', type='"A"', id=f'"{region}"', region=f'"{region}"', alias=alias)
    return "\n".join(lines)


def start_edgecache(folder: Path) -> Server:
    """One worker of a name server, without control."""
    port = free_port()
    locations = "\n".join(
        f'[[locations]]\nname = "L{n}"\nlisten = "127.0.0.1:{free_port()}"'
        for n in range(1, LOCATIONS)
    )
    places = "\n".join(
        f'[[dns.locations]]\nname = "L{n}"\naddresses = ["192.0.2.{n + 1}"]\n'
        f"coordinates = [{n * 10}, {n * 12}]"
        for n in range(LOCATIONS)
    )
    text = CONFIG.format(port=port, locations=locations, places=places, tree=tree())
    (folder / "edgecache.toml").write_text(text.replace("127.0.0.1:0", f"127.0.0.1:{free_port()}"))
    command = (sys.executable, "-m", "edgecache")
    subprocess.run((*command, "dns", "ds", "signed.test"), cwd=folder, check=True, stdout=PIPE)
    return _started("edgecache", (*command, "nameserver"), folder, port)


def start_nsd(folder: Path) -> Server:
    """NSD with one server process."""
    port = free_port()
    (folder / "nsd.conf").write_text(NSD.format(port=port, folder=folder))
    return _started("NSD", (program("nsd"), "-d", "-c", str(folder / "nsd.conf")), folder, port)


def start_powerdns(folder: Path) -> Server:
    """PowerDNS with its bind backend, one receiver, and its caches."""
    port = free_port()
    (folder / "named.conf").write_text(
        f'zone "bench.test" {{ type master; file "{folder}/bench.zone"; }};\n'
    )
    command = (
        program("pdns_server"), f"--config-dir={folder}", f"--socket-dir={folder}",
        "--launch=bind", f"--bind-config={folder}/named.conf", "--local-address=127.0.0.1",
        f"--local-port={port}", "--daemon=no", "--guardian=no", "--receiver-threads=1",
        "--edns-subnet-processing=no", "--loglevel=3",
    )  # fmt: skip
    return _started("PowerDNS", command, folder, port)


def _started(name: str, command: Sequence[str], folder: Path, port: int) -> Server:
    popen = start(name, command, folder, SERVER_CORE)
    wait_until_listening(name, popen, port, folder / f"{name}.err")
    return Server(name, port, (popen,))


def measure(server: Server, question: Question, rate: int, seconds: float, folder: Path) -> float:
    """Microseconds of CPU per answer. BenchmarkError: fewer answers came than queries were sent."""
    file = folder / "questions.txt"
    file.write_text("".join(f"{name} A\n" for name in question.names))
    command = [
        program("taskset"), "-c", str(CLIENT_CORE), program("dnsperf"), "-s", "127.0.0.1",
        "-p", str(server.port), "-d", str(file), "-l", f"{seconds:g}", "-Q", str(rate), "-c", "8",
        "-q", "200", *question.words,
    ]  # fmt: skip
    before = server.cpu_s()
    told = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60).stdout
    used_s = server.cpu_s() - before
    sent, done = (int(_found(rf"Queries {what}:\s+(\d+)", told)) for what in ("sent", "completed"))
    good = int(_found(r"NOERROR (\d+)", told))
    if not done or good < done or done < sent * 0.999:
        raise BenchmarkError(f"{server.name}: {sent} sent, {done} answered, {good} with NOERROR")
    return used_s / done * 1e6


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise BenchmarkError(f"dnsperf said:\n{text}")
    return found[1]


STARTS: dict[str, Callable[[Path], Server]] = {
    "edgecache": start_edgecache, "NSD": start_nsd, "PowerDNS": start_powerdns,
}  # fmt: skip


def main() -> None:
    """Measure all in turn, so often, and print the medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=4.0)
    options.add_argument("--rate", type=int, default=10_000, help="queries a second")
    given = options.parse_args()
    rows = [*questions()]
    found: dict[Question, list[float]] = {row: [] for row in rows}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-dns-")))
        (folder / "bench.zone").write_text(zone_file())
        servers = {}
        for name, begin in STARTS.items():
            servers[name] = begin(folder)
            stack.callback(servers[name].stop)
        for _ in range(given.rounds):
            for row in rows:
                server = servers[row.server]
                found[row].append(measure(server, row, given.rate, given.seconds, folder))
    load = os.getloadavg()[0]
    print(f"{time.strftime('%Y-%m-%d')}, {given.rate} queries/s, load {load:.1f}")
    plain = median(found[rows[0]])
    for row in rows:
        figures = found[row]
        spread = f"{min(figures):.1f} to {max(figures):.1f}"
        ratio = median(figures) / plain
        print(f"{row.server:10} {row.title:24} {median(figures):6.1f} µs ({spread}) {ratio:5.2f}")
    tree_ratio = median(found[rows[2]]) / plain
    if tree_ratio > TREE_RATIO_MAX:
        raise SystemExit(
            f"the tree costs {tree_ratio:.2f} plain answers, more than {TREE_RATIO_MAX}"
        )


if __name__ == "__main__":
    main()
