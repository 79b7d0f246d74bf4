"""Names by DNS: viewers of two continents, each with a resolver of its own, reach the closest edge.

The viewers are network namespaces with unbound and a resolv.conf; the name server is asked by dig
and kdig as well.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import pytest

from edgecache.config.dns import made_label
from edgecache.server.dev_certificate import ca_file, development_certificate
from tests.end_to_end.dns_files import FILE, RECORDS, SECRET
from tests.end_to_end.machines import Machine, make_machine, remove_machine
from tests.end_to_end.other_name_servers import NAMED, start_resolver
from tests.end_to_end.processes import EDGECACHE, Running, free_ports, run, start, wait_for
from tests.end_to_end.zones import route53_client, upsert
from tests.node.mmdb import database

EUROPE, ASIA = 0, 1
ASKED = 12  # each from a port of its own, and so of both workers
NAME = f"{made_label('ESITE')}.cdn.test"


@dataclass(frozen=True, slots=True)
class World:
    """Everything here, and two viewers elsewhere."""

    folder: Path
    machines: tuple[Machine, ...]
    ports: tuple[int, int]  # of edges: of HTTP, and of HTTPS
    dns: int
    secondary: int
    control: int
    checked: int  # where nobody listens
    up: Running
    anchors: dict[str, str] = field(default_factory=dict)  # DS records by zone

    def command(self, *arguments: str) -> tuple[int, str, str]:
        return run(*arguments, "--config", str(self.folder / "edgecache.toml"), folder=self.folder)

    def dig(self, *question: str, port: int = 0) -> str:
        """What dig prints."""
        command = (
            "dig",
            "@127.0.0.1",
            "-p",
            str(port or self.dns),
            "+tries=3",
            "+time=5",
            *question,
        )
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout

    def ds(self, zone: str) -> str:
        """The DS record that the zone's parent is to have."""
        if zone not in self.anchors:
            code, told, problem = self.command("dns", "ds", zone)
            assert code == 0, problem
            self.anchors[zone] = told.strip()
        return self.anchors[zone]

    def resolved(self, machine: Machine, *question: str) -> str:
        """What dig prints of the resolver there."""
        command = (*machine.prefix, "dig", "@127.0.0.1", "+dnssec", "+tries=3", *question)
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout

    def validated(self, anchor: str, *question: str) -> str:
        """What delv prints, which trusts a key of the CDN's zone: `anchor` as in a DS record."""
        tag, algorithm, digest_type, digest = anchor.split()
        key = f'cdn.test. static-ds {tag} {algorithm} {digest_type} "{digest}";'
        (self.folder / "anchors").write_text(f"trust-anchors {{ {key} }};\n")
        at = ("delv", "@127.0.0.1", "-p", str(self.dns), "-a", str(self.folder / "anchors"))
        done = subprocess.run(
            (*at, "+root=cdn.test", *question), capture_output=True, text=True, timeout=60
        )
        return done.stdout + done.stderr

    def closest(self, machine: Machine) -> str:
        """The addresses that clients of the machine's network are given, by whichever worker."""
        subnet = machine.address.rpartition(".")[0] + ".0/24"
        told = self.dig(f"+subnet={subnet}", "+short", *[NAME] * ASKED)
        return " ".join(sorted({*told.split()}))

    def served_by(self, machine: Machine, name: str = NAME, *, tls: bool = False) -> str:
        """The location that a viewer there is served by, by a name of the distribution."""
        curl = ("curl", "-q", "-s", "--noproxy", "*", "--max-time", "20", "-o", "/dev/null")
        trusts = ("--cacert", str(ca_file(self.folder / "authority")))
        url = f"https://{name}:{self.ports[1]}/" if tls else f"http://{name}:{self.ports[0]}/"
        told = ("-w", "%header{x-amz-cf-pop} %{remote_ip}", url)
        done = subprocess.run(
            (*machine.prefix, *curl, *trusts, *told), capture_output=True, text=True, timeout=60
        )
        return done.stdout.partition(" ")[0]

    def is_served_by(self, machine: Machine, location: str) -> bool:
        return self.served_by(machine).startswith(location)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    for program in ("unbound", "dig", "kdig", "named", "delv"):
        if shutil.which(program) is None and not Path("/usr/sbin", program).exists():
            pytest.skip(f"{program} is not installed")
    with ExitStack() as stack:
        machines = []
        for number in (EUROPE, ASIA):
            machines.append(make_machine(number))
            stack.callback(remove_machine, machines[-1])
        folder = tmp_path_factory.mktemp("dns")
        (folder / "bucket").mkdir()
        (folder / "bucket" / "index.html").write_text("hello")
        write_places(folder / "places.mmdb", machines)
        made = development_certificate(folder / "authority", ["*.cdn.test"], datetime.now(UTC))
        shutil.copy(made, folder / "cdn.pem")
        control, bucket, port, dns, secondary, checked, tls = free_ports(7)
        text = FILE.format(
            control=control, bucket=bucket, port=port, dns=dns, secondary=secondary, folder=folder,
            checked=checked, tls=tls,
            europe=machines[EUROPE].gateway, asia=machines[ASIA].gateway,
            records=RECORDS.format(www="192.0.2.1"),
        )  # fmt: skip
        (folder / "edgecache.toml").write_text(text)
        (folder / "key").write_text(SECRET)
        up = start((*EDGECACHE, "up", "--json"), folder, "up")
        stack.callback(up.stop)
        up.until("all answer", lambda: up.stdout.endswith("\n"))
        ports = (port, tls)
        world = World(folder, tuple(machines), ports, dns, secondary, control, checked, up)
        anchors = [world.ds(zone) for zone in ("cdn.test", "site.test")]
        for machine in machines:
            start_resolver(machine, folder / machine.name, dns, anchors, stack)
        yield world


def write_places(file: Path, machines: list[Machine]) -> None:
    """A GeoIP file in which each machine is of its own continent."""
    places = {"DE": machines[EUROPE], "JP": machines[ASIA]}
    networks = {
        machine.address.rpartition(".")[0] + ".0/24": {"country": {"iso_code": country}}
        for country, machine in places.items()
    }
    file.write_bytes(database(networks))


def test_a_viewer_reaches_the_closest_location_by_its_resolver(world: World) -> None:
    for machine, location in zip(world.machines, ("FRA1", "NRT1"), strict=True):
        wait_for(f"{location} serves it", partial(world.is_served_by, machine, location))


def test_the_name_works_by_https_with_the_certificate_of_the_zone(world: World) -> None:
    for machine, location in zip(world.machines, ("FRA1", "NRT1"), strict=True):
        assert world.served_by(machine, tls=True) == location
    assert world.served_by(world.machines[EUROPE], "site.test", tls=True) == ""  # not of the zone


def test_an_alias_at_a_user_s_apex_leads_there_too(world: World) -> None:
    for machine, location in zip(world.machines, ("FRA1", "NRT1"), strict=True):
        assert world.served_by(machine, "site.test") == location


def test_a_resolver_that_validates_believes_what_is_there_and_what_is_not(world: World) -> None:
    for machine in world.machines:
        for question in ((NAME, "A"), ("site.test", "A"), ("cdn.test", "SOA")):
            told = world.resolved(machine, *question)
            assert "status: NOERROR" in told, told
            assert " ad;" in told, told
            assert "RRSIG" in told
        assert world.resolved(machine, NAME, "+short").startswith(machine.gateway)
        for question in (("nothing.cdn.test", "A"), (NAME, "TXT"), ("x.site.test", "AAAA")):
            told = world.resolved(machine, *question)
            assert " ad;" in told, told
            assert "ANSWER: 0" in told


def test_delv_validates_by_the_key_that_the_parent_is_told(world: World) -> None:
    anchor = world.ds("cdn.test").partition(" DS ")[2]
    assert "; fully validated\n" in world.validated(anchor, NAME, "A")
    assert "; negative response, fully validated" in world.validated(anchor, NAME, "MX")
    assert "; negative response, fully validated" in world.validated(anchor, "nothing.cdn.test")
    wrong = anchor[:-64] + "00" * 32
    assert "fully validated" not in world.validated(wrong, NAME, "A")


def test_a_secondary_takes_a_zone_and_what_changes_of_it(world: World) -> None:
    folder = world.folder / "named"
    folder.mkdir()
    text = NAMED.format(folder=folder, port=world.secondary, secret=SECRET, dns=world.dns)
    (folder / "named.conf").write_text(text)
    command = ("/usr/sbin/named", "-g", "-c", str(folder / "named.conf"))
    named = start(command, folder, "named")

    def has(address: str) -> bool:
        return world.dig("www.users.test", "+short", port=world.secondary).strip() == address

    try:
        named.until("the zone is there", lambda: has("192.0.2.1"))
        assert "2001:db8::25" in world.dig("mx.users.test", "AAAA", port=world.secondary)
        assert "Transfer failed" in world.dig("users.test", "AXFR")  # without the key
        signed = ("-y", f"hmac-sha256:key:{SECRET}")
        assert world.dig("users.test", "AXFR", "+onesoa", *signed).count("\tIN\t") == 5
        file = world.folder / "edgecache.toml"
        file.write_text(file.read_text().replace('"192.0.2.1"', '"192.0.2.7"'))
        assert world.command("reload")[0] == 0
        named.until("it is told of the change", lambda: has("192.0.2.7"))
        assert named.stderr.count("Transfer status: success") == 2
        serial = world.dig("users.test", "SOA", "+short").split()[2]
        difference = world.dig("users.test", f"IXFR={int(serial) - 1}", *signed)
        assert "192.0.2.1" in difference  # what was removed
        assert "192.0.2.7" in difference
    finally:
        named.stop()


def test_what_locations_find_down_is_not_given(world: World) -> None:
    """A changed check is asked anew within a second, which spares waiting for its interval."""

    def given() -> str:
        return world.dig("www.checks.test", "+short").strip()

    wait_for("the secondary is given", lambda: given() == "192.0.2.62")
    with urlopen(f"http://127.0.0.1:{world.control}/health-checks/web", timeout=60) as answer:
        found = json.load(answer)
    assert found["health_check"] | {"endpoint": ""} == {
        "id": "web", "type": "TCP", "endpoint": "", "healthy": False, "percent_healthy": 0.0,
        "inverted": False, "disabled": False,
    }  # fmt: skip
    assert [one["said"] for one in found["checkers"]] == ["Failure: connection refused"] * 2
    assert [one["healthy"] for one in found["history"]] == [False, True]
    _, told, _ = world.command("dns", "explain", "www.checks.test", "--from", "203.0.113.7")
    assert "www.checks.test. A (failover): second; not up: first" in told
    with socket.create_server(("127.0.0.1", world.checked)):
        file = world.folder / "edgecache.toml"
        file.write_text(file.read_text().replace("interval_s = 30", "interval_s = 10"))
        assert world.command("reload")[0] == 0
        wait_for("the primary is given", lambda: given() == "192.0.2.61")
        _, told, _ = world.command("dns", "health-checks")
        assert told.split()[-5:-1] == ["web", "healthy", "100", "TCP"]


def test_real_clients_are_answered_by_udp_and_tcp(world: World) -> None:
    europe = world.machines[EUROPE]
    subnet = europe.address.rpartition(".")[0] + ".0/24"
    told = world.dig(NAME.upper(), f"+subnet={subnet}")
    assert "status: NOERROR" in told
    assert "flags: qr aa rd;" in told
    assert f"CLIENT-SUBNET: {subnet}/24" in told
    assert f"{NAME.upper()}." in told  # the question's case is kept
    assert world.dig(NAME, "AAAA", "+tcp", "+short").strip() == "2001:db8::1"
    assert "status: NXDOMAIN" in world.dig("nothing.cdn.test")
    assert "status: REFUSED" in world.dig("example.org")
    assert "RFC8482" in world.dig("cdn.test", "ANY")
    assert "NSID" not in world.dig("cdn.test", "SOA", "+nsid")
    at = ("kdig", "@127.0.0.1", "-p", str(world.dns), "+tcp", "+keepopen")
    told = subprocess.run(
        (*at, NAME, "cdn.test", "NS"), capture_output=True, text=True, timeout=60
    ).stdout
    assert told.count("status: NOERROR") == 2


def test_a_drained_location_is_given_to_nobody(world: World) -> None:
    europe, asia = world.machines
    assert world.command("drain", "FRA1")[0] == 0
    wait_for("it has left", lambda: world.closest(europe) == asia.gateway)
    assert world.command("undrain", "FRA1")[0] == 0
    wait_for("it is back", lambda: world.closest(europe) == europe.gateway)


def test_a_zone_made_over_the_api_is_answered_once_it_is_in_sync(world: World) -> None:
    client = route53_client(world.folder / "state", world.control)
    made = client.create_hosted_zone(Name="api.test", CallerReference="one")
    zone, changed = made["HostedZone"]["Id"], made["ChangeInfo"]["Id"]

    def is_in_sync() -> bool:
        return bool(client.get_change(Id=changed)["ChangeInfo"]["Status"] == "INSYNC")

    wait_for("the zone is everywhere", is_in_sync)
    serial = world.dig("api.test", "SOA", "+short").split()[2]
    nodes = json.loads(world.up.stdout)["nodes"]
    servers = [one["pid"] for one in nodes if one["role"] == "nameserver"]
    assert len(servers) == 2
    subprocess.run(("kill", "-STOP", str(servers[0])), check=True)
    try:
        changed = upsert(client, zone, "www.api.test", "192.0.2.33")
        assert not is_in_sync()  # it was waited for
    finally:
        subprocess.run(("kill", "-CONT", str(servers[0])), check=True)
    wait_for("the record is everywhere", is_in_sync)
    told = world.dig("+short", *["www.api.test"] * ASKED)
    assert {*told.split()} == {"192.0.2.33"}
    assert int(world.dig("api.test", "SOA", "+short").split()[2]) > int(serial)


def test_a_killed_location_leaves_and_names_are_answered_without_control(world: World) -> None:
    europe, asia = world.machines
    nodes = {one["name"]: one["pid"] for one in json.loads(world.up.stdout)["nodes"]}
    subprocess.run(("kill", "-STOP", str(nodes["edge-NRT1-1"])), check=True)
    try:
        wait_for("it has left", lambda: world.closest(asia) == europe.gateway)
        subprocess.run(("kill", "-STOP", str(nodes["control"])), check=True)
        try:
            assert world.closest(asia) == europe.gateway
            assert world.closest(europe) == europe.gateway
        finally:
            subprocess.run(("kill", "-CONT", str(nodes["control"])), check=True)
    finally:
        subprocess.run(("kill", "-CONT", str(nodes["edge-NRT1-1"])), check=True)
    wait_for("it is back", lambda: world.closest(asia) == asia.gateway)
