"""Commands of DNS: zone files in and out, which records a client is given and why, and shares."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    fail,
    load_config,
    print_result,
    print_rows,
    refuse,
)

if TYPE_CHECKING:
    from edgecache.config.model import Config
    from edgecache.dns.closeness import DnsClient
    from edgecache.dns.responder import Responder
    from edgecache.dns.routing import RecordGroup, RoutingChoice, RoutingWorld

ROUNDS_MAX = 1_000_000

app = typer.Typer(no_args_is_help=True, help="Names by DNS: zones, answers and why.")
RecordTypeOption = Annotated[str, typer.Option("--type", help="The type of the records.")]


@app.command("import", epilog="Example: edgecache dns import example.org.zone --zone example.org")
def import_zone(
    file: Annotated[Path, typer.Argument(help="A zone file (RFC 1035 §5).")],
    zone: Annotated[str, typer.Option(help="The name of the zone.")],
    as_json: AsJson = False,
) -> None:
    """Print a zone file as tables of a configuration, to be put into one (or into conf.d)."""
    from edgecache.config.problems import BrokenLinesError
    from edgecache.config.zone_records import DnsExtraMissingError, read_zone_file

    try:
        records = read_zone_file(file.read_text(), zone.rstrip(".") + ".")
    except BrokenLinesError as error:
        refuse([f"{file}:{number}: {why}" for number, why in error.lines])
    except (OSError, UnicodeDecodeError, DnsExtraMissingError) as error:
        fail(f"{file}: {error}")
    rows = [{"name": one.name, "type": one.type, "ttl_s": one.ttl_s, "values": one.values}
            for one in records]  # fmt: skip
    print_result({"name": zone, "records": rows}, _tables(zone, rows), as_json=as_json)


def _tables(zone: str, rows: Iterable[dict[str, Any]]) -> str:
    from edgecache.config.site_file import toml

    lines = ["[[dns.zones]]", f"name = {toml(zone)}"]
    for row in rows:
        values = ", ".join(map(toml, row["values"]))
        lines += ["", "[[dns.zones.records]]", f"name = {toml(row['name'])}"]
        lines += [f"type = {toml(row['type'])}", f"ttl_s = {row['ttl_s']}", f"values = [{values}]"]
    return "\n".join(lines)


@app.command("export", epilog="Example: edgecache dns export example.org > example.org.zone")
def export_zone(
    zone: Annotated[str, typer.Argument(help="Which of the file's zones.")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Print a zone of the configuration as a zone file, with its SOA and NS records.

    A zone with aliases or routing policies has none: no other server could decide as ours does.
    """
    from edgecache.dns.names import absolute_wire
    from edgecache.node.zone_transfer import zone_rows

    loaded = load_config(config)
    wanted = zone.rstrip(".").lower()
    settings = loaded.dns
    known = [] if settings is None else [one.name.rstrip(".").lower() for one in settings.zones]
    if settings is None or wanted not in known:
        refuse([f"{zone} is no zone of {config} (known: {', '.join(known) or 'none'})"])
    named = [one for one in settings.zones if one.name.rstrip(".").lower() == wanted]
    held = min(named, key=lambda one: one.clients)  # the public one, where there is
    decided = [one for one in held.records if one.alias is not None or one.policies]
    if decided:
        refuse([f"{zone}: {decided[0].name} is an alias or has a routing policy: ours alone"])
    (made,) = (
        zone
        for zone in _responder(loaded).zones
        if (zone.apex, zone.clients) == (absolute_wire(wanted), held.clients)
    )
    rows = sorted(zone_rows(made), key=_soa_first)
    lines = [(_owner(owner), ttl_s, *_value(type, data)) for owner, type, ttl_s, data in rows]
    text = "\n".join(f"{name} {ttl} IN {type} {value}" for name, ttl, type, value in lines)
    print_result({"zone": wanted, "file": text + "\n"}, text, as_json=as_json)


@app.command(epilog="Example: edgecache dns ds example.org")
def ds(
    zone: Annotated[str, typer.Argument(help="A zone with dnssec = true, the CDN's or another.")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Print the DS records of a signed zone, which its parent is to have.

    The secret that keys are made of is made first where there is none. Run it where control is.
    """
    import os

    from edgecache.config.secrets import SecretsError, add_zone_secret
    from edgecache.dns.names import absolute_wire
    from edgecache.dns.records import DS
    from edgecache.dns.zone_signer import KEY_TTL_S, SignatureMemo
    from edgecache.node.zone_keys import zone_signer

    loaded = load_config(config)
    wanted = zone.rstrip(".").lower()
    settings = loaded.dns
    signed = set() if settings is None else {one.name for one in settings.zones if one.dnssec}
    if settings is not None and settings.dnssec:
        signed.add(settings.zone)
    known = sorted(name.rstrip(".").lower() for name in signed)
    if wanted not in known:
        refuse([f"{zone} is no zone with dnssec = true (those are: {', '.join(known) or 'none'})"])
    try:
        secrets = add_zone_secret(loaded.state_dir, os.environ)
    except SecretsError as error:
        refuse([str(error)])
    signer = zone_signer(absolute_wire(wanted), secrets, SignatureMemo(float, float))
    values = [_value(DS, data)[1] for data in signer.ds_values()]
    text = "\n".join(f"{wanted}. {KEY_TTL_S} IN DS {value}" for value in values)
    print_result({"zone": wanted, "ttl_s": KEY_TTL_S, "values": values}, text, as_json=as_json)


def _soa_first(row: tuple[bytes, int, int, bytes]) -> tuple[bool, bytes, int]:
    return row[1] != 6, row[0], row[1]


def _owner(name: bytes) -> str:
    """A name as zone files have it: their escapes are decimal, and a `*` needs none."""
    import dns.name

    return dns.name.from_wire(name, 0)[0].to_text()


def _value(type: int, data: bytes) -> tuple[str, str]:
    import dns.rdata
    import dns.rdatatype

    rdata = dns.rdata.from_wire("IN", dns.rdatatype.RdataType(type), data, 0, len(data))
    return dns.rdatatype.to_text(dns.rdatatype.RdataType(type)), rdata.to_text()


@app.command(epilog="Example: edgecache dns explain www.example.org --from 203.0.113.7")
def explain(
    name: Annotated[str, typer.Argument(help="The name that is asked for.")],
    client: Annotated[str, typer.Option("--from", help="An address, or ADDRESS/BITS.")],
    type: RecordTypeOption = "A",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Tell which records a client is given for a name, and why, as locations are now."""
    responder, world = _asked(config)
    asker = _client(client, responder)
    group = _group(responder, name, type, client)
    choice = _choose(group, asker, world)
    told = {
        "name": name,
        "type": type,
        "client": _client_facts(asker),
        "down": sorted(world.down),
        "steps": [
            {"group": step.group or f"{name} {type}", "policy": step.policy.value,
             "chosen": step.chosen, "passed_over": step.passed_over,
             "regardless": step.regardless}
            for step in choice.steps or ()
        ],
        "values": _values(choice),
    }  # fmt: skip
    print_result(told, "\n".join(_explained(told)), as_json=as_json)


def _explained(told: dict[str, Any]) -> Iterable[str]:
    facts = ", ".join(f"{name} {value}" for name, value in told["client"].items() if value)
    yield f"client: {facts}"
    for step in told["steps"]:
        line = f"{step['group']} ({step['policy']}): {step['chosen'] or 'the record'}"
        if step["regardless"]:
            line += " although nothing is up" if step["chosen"] else " for no such client"
        elif step["passed_over"]:
            line += f"; not up: {', '.join(step['passed_over'])}"
        yield line
    yield f"answer: {', '.join(told['values']) or 'no records'}"


@app.command(epilog="Example: edgecache dns simulate www.example.org --clients clients.txt")
def simulate(
    name: Annotated[str, typer.Argument(help="The name that is asked for.")],
    clients: Annotated[Path, typer.Option(help="A file with an address or ADDRESS/BITS a line.")],
    type: RecordTypeOption = "A",
    rounds: Annotated[
        int, typer.Option(min=1, max=ROUNDS_MAX, help="How often each client asks.")
    ] = 100,
    seed: Annotated[int, typer.Option(help="Of what is chosen by chance.")] = 1,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Tell the shares of the records that a list of clients would be given for a name."""
    responder, world = _asked(config, seed)
    try:
        lines = [line.strip() for line in clients.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{clients}: {error}")
    if len(lines) * rounds > ROUNDS_MAX:
        refuse([f"{len(lines)} clients, {rounds} times each, are more than {ROUNDS_MAX}"])
    counted: Counter[str] = Counter()
    for line in lines:
        asker, group = _client(line, responder), _group(responder, name, type, line)
        for _ in range(rounds):
            counted[", ".join(_values(_choose(group, asker, world))) or "no records"] += 1
    total = max(1, counted.total())
    shares = {value: count / total for value, count in counted.most_common()}
    if as_json:
        print_result({"name": name, "type": type, "shares": shares}, "", as_json=True)
        return
    print_rows(("records", "share"), [(one, f"{share:.1%}") for one, share in shares.items()])


def _asked(config: Path, seed: int = 1) -> tuple[Responder, RoutingWorld]:
    """What answers by the file, and which locations are down, as control says where it answers."""
    from edgecache.dns.routing import RoutingWorld

    loaded = load_config(config)
    responder = _responder(loaded)
    down = _down(loaded)
    world = RoutingWorld(random.Random(seed).random, down, responder.world.latencies)
    return responder, world


def _responder(config: Config) -> Responder:
    from edgecache.config.zone_records import DnsExtraMissingError
    from edgecache.dns.cdn_zone import latency_table
    from edgecache.dns.responder import Responder, ResponderWorld
    from edgecache.node.dns_zones import zones_of
    from edgecache.node.geoip import geo_lookup

    if config.dns is None:
        refuse(["there is no [dns] in the configuration"])
    try:
        place_of = geo_lookup(config.geo_database)
        responder = Responder(ResponderWorld(random.random, place_of, latency_table(config.dns)))
        responder.use(zones_of(config, 1))
    except (OSError, ValueError, DnsExtraMissingError) as error:
        fail(str(error))
    return responder


def _down(config: Config) -> set[str]:
    """What is down: locations and health checks; nothing where control does not answer."""
    import asyncio

    import msgspec

    from edgecache.cluster.client import ask_control
    from edgecache.cluster.control_access import control_access
    from edgecache.control.nodes.registry import ALIVE_S, closed_locations
    from edgecache.dns.cdn_zone import what_is_down

    if config.control is None:
        return set()

    async def ask() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        access = control_access(config)
        _, nodes = await ask_control(access, "/nodes")
        _, checks = await ask_control(access, "/health-checks")
        read = partial(msgspec.json.decode, type=dict[str, Any])
        return read(nodes)["nodes"], read(checks)["health_checks"]

    try:
        nodes, checks = asyncio.run(ask())
        drained = {one["location"] for one in nodes if one.get("drain")}
        closed = closed_locations(config, nodes, drained, ALIVE_S)
        unhealthy = [one["id"] for one in checks if not one["healthy"]]
    except (OSError, msgspec.DecodeError, KeyError):
        typer.echo("control does not answer: as if all were up", err=True)
        return set()
    return what_is_down(closed or (), unhealthy)


def _client(text: str, responder: Responder) -> DnsClient:
    from edgecache.dns.closeness import DnsClient

    try:
        if "/" in text:
            network = ip_network(text, strict=False)
            address, bits = network.network_address, network.prefixlen
        else:
            address = ip_address(text)
            bits = address.max_prefixlen
    except ValueError:
        refuse([f"{text} is not an address, or ADDRESS/BITS"])
    return DnsClient(address.packed, bits, responder.world.place_of(str(address)))


def _client_facts(client: DnsClient) -> dict[str, str]:
    place = client.place
    address = f"{ip_address(client.address)}/{client.bits}"
    coordinates = f"{place.latitude}, {place.longitude}" if place.latitude else ""
    return {"address": address, "country": place.country, "subdivision": place.region,
            "coordinates": coordinates}  # fmt: skip


def _group(responder: Responder, name: str, type: str, client: str) -> RecordGroup:
    """What a client sees of a name: private zones are chosen by its address."""
    from edgecache.dns.names import absolute_wire
    from edgecache.dns.records import TYPES

    if type.upper() not in TYPES:
        refuse([f"--type: {type} is not one of {', '.join(TYPES)}"])
    try:
        wire = absolute_wire(name)
    except ValueError as error:
        refuse([f"{name} {error}"])
    zone = responder.view_of(client.partition("/")[0]).zone_of(wire)
    if zone is None:
        refuse([f"{name} is in no zone of ours"])
    held, _ = zone.find(wire)
    if held is None or TYPES[type.upper()] not in held.groups:
        refuse([f"{name} has no {type.upper()} records"])
    return held.groups[TYPES[type.upper()]]


def _choose(group: RecordGroup, client: DnsClient, world: RoutingWorld) -> RoutingChoice:
    from edgecache.dns.routing import choose

    return choose(group, client, world, explains=True)


def _values(choice: RoutingChoice) -> Sequence[str]:
    """The values of an answer: addresses as they are, others as in a zone file."""
    from edgecache.dns.records import AAAA, A

    found = []
    for data in choice.data:
        for value in data.values:
            found.append(
                str(ip_address(value)) if data.type in (A, AAAA) else _value(data.type, value)[1]
            )
    return sorted(found)
