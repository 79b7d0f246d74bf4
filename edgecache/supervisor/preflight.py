"""Checks before a start: is every address free, every file and secret there?

Workers share a port (SO_REUSEPORT), and so would a stranger's worker without a word; a moment of
exclusive binding beforehand is what finds out.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from edgecache.cluster.control_access import control_socket
from edgecache.cluster.credentials import part_place
from edgecache.config.checks.site import INSTALL
from edgecache.config.dns import DnsSettings
from edgecache.config.listen import (
    Address,
    UdpAddress,
    UnixAddress,
    dns_addresses,
    names_no_machine,
    parse_listen,
    quic_address,
    tcp_address,
)
from edgecache.config.model import (
    Bucket,
    Config,
    Control,
    Location,
    LogBucket,
    Origin,
    RegionalCache,
    ViewerCertificate,
)
from edgecache.config.secrets import (
    SecretsError,
    add_zone_secret,
    load_operators,
    load_secrets,
    secrets_path,
)
from edgecache.config.zone_records import EXTRA as ZONES_EXTRA
from edgecache.config.zone_records import has_extra
from edgecache.node.geoip import database_problem
from edgecache.node.rule_files import unasked_locations, unread_rule_files
from edgecache.node.secret_watch import missing_key_pairs, missing_values
from edgecache.origin.demo import policy_of
from edgecache.server.certificates import CertificateFileError, read_pair
from edgecache.supervisor.child import Child

_CONNECT_S_MAX = 1.0

AskedPart = Literal["control", "regional"]


@dataclass(frozen=True, slots=True)
class Binding:
    """An address to listen on, and whose it is: `control`, `location LHR50`."""

    address: Address
    owner: str


def bindings(config: Config) -> Iterator[Binding]:
    """Every address of a checked configuration."""
    named = [
        ("control", config.control),
        *((_owner_name(one), one) for one in config.regional_tier),
        ("bucket", config.bucket),
        *((f"location {location.name}", location) for location in config.locations),
    ]
    for owner, part in named:
        if part is not None:
            yield Binding(parse_listen(part.listen, config.state_dir), owner)
            health = "" if isinstance(part, Bucket) else part.health_listen
            if health:
                yield Binding(tcp_address(health), f"{owner}, health")
    if config.control is not None:
        yield Binding(control_socket(config), "control")
    for location in config.locations:
        yield from tls_bindings(location)
    yield from (Binding(address, "name server") for address in dns_addresses(config))


def bindings_of(config: Config, children: Iterable[Child]) -> list[Binding]:
    """Those of `children`, with where their supervisor tells how they are."""
    children = [*children]
    wanted = {address for child in children for address in (*child.addresses, child.health)}
    return [binding for binding in bindings(config) if binding.address in wanted]


def unknown_addresses(config: Config, asked: Iterable[AskedPart]) -> list[str]:
    """A line for each part that a role alone has to ask and whose address no file tells.

    `up` has everything on its own machine; a role by itself may be on any.
    """
    parts: dict[str, Control | RegionalCache | None] = {}
    for name in asked:
        parts |= {"control": config.control} if name == "control" else config.regional_parts
    return [
        f"{where}.advertise: missing: {where}.listen is {part.listen}, which names no machine; say"
        f' where others reach it, like "{where.partition("_")[0]}.example:'
        f'{tcp_address(part.listen).port}"'
        for where, part in parts.items()
        if part is not None
        and names_no_machine(part)
        and not (isinstance(part, Control) and part.addresses)
    ]


def _owner_name(cache: RegionalCache) -> str:
    return f"regional cache {cache.name}" if cache.name else "regional"


def tls_bindings(location: Location) -> Iterator[Binding]:
    """The address where a location speaks TLS, if it does."""
    if location.listen_tls:
        yield Binding(tcp_address(location.listen_tls), f"location {location.name}, TLS")
    if (quic := quic_address(location)) is not None:
        yield Binding(quic, f"location {location.name}, HTTP/3")


def occupied_addresses(wanted: Iterable[Binding]) -> list[str]:
    """A line for each address that cannot be listened on; socket files left behind are removed."""
    lines = []
    for binding in wanted:
        try:
            if isinstance(binding.address, UnixAddress):
                _clear_path(binding.address.path)
            elif isinstance(binding.address, UdpAddress):
                _bind_briefly(binding.address.host, binding.address.port, socket.SOCK_DGRAM)
            else:
                _bind_briefly(binding.address.host, binding.address.port)
        except OSError as error:
            lines.append(f"{binding.address} ({binding.owner}): {error_reason(error)}")
    return lines


def missing_files(config: Config) -> list[str]:
    """A line for each folder or file that a start needs and is not there; makes the state's."""
    lines = [*missing_extras(config), *unopened_files(config), *broken_functions(config)]
    lines += broken_hooks(config)
    lines += broken_lambda_functions(config)
    return lines + unusable_state_dir(config.state_dir)


def missing_extras(config: Config) -> list[str]:
    """A line for each setting that needs a library which is not installed."""
    lines = []
    database = config.control is not None and config.control.database
    if database and importlib.util.find_spec("psycopg") is None:
        from edgecache.control.state.postgresql_connection import EXTRA  # edges come by here, too

        lines.append(f"control.database needs an extra that is not installed; run: {EXTRA}")
    if config.certificates == "acme" and importlib.util.find_spec("acme") is None:
        lines.append(f'certificates: "acme" needs an extra that is not installed; run: {INSTALL}')
    if config.dns is not None and config.dns.zones and not has_extra():
        lines.append(f"dns.zones need an extra that is not installed; run: {ZONES_EXTRA}")
    if importlib.util.find_spec("aioquic") is None:
        lines += [
            f"locations[{index}].protocols: h3 needs an extra; run: pip install 'edgecache[http3]'"
            for index, location in enumerate(config.locations)
            if quic_address(location) is not None
        ]
    return lines


def broken_functions(config: Config) -> list[str]:
    """A line for each function that could not be run."""
    if not config.functions:
        return []
    from edgecache.functions.context import EngineMissingError, engine
    from edgecache.functions.source_check import source_problems

    try:
        return source_problems(config, engine())
    except EngineMissingError as error:
        return [f"functions: {error}"]


def broken_hooks(config: Config) -> list[str]:
    """A line for each Python hook that cannot be imported; the others are, here."""
    if not config.python_hooks:
        return []
    from edgecache.functions.python_hooks import imported_hook

    lines = []
    for index, hook in enumerate(config.python_hooks):
        try:
            imported_hook(hook)
        except ValueError as error:
            lines.append(f"python_hooks[{index}]: {error}")
    return lines


def broken_lambda_functions(config: Config) -> list[str]:
    """A line for each Lambda function that could not be run on this machine."""
    if not config.lambda_functions:
        return []
    from edgecache.functions.source_check import NODE, handler_problem

    lines = []
    for index, function in enumerate(config.lambda_functions):
        where = f"lambda_functions[{index}]"
        if function.runtime == "nodejs" and shutil.which(NODE) is None:
            lines.append(f"{where}.runtime: nodejs needs `{NODE}` on the PATH")
        elif problem := handler_problem(function):
            lines.append(f"{where}.handler: {problem}")
    return lines


def unopened_files(config: Config) -> list[str]:
    """A line for each folder or file that a checked configuration names and cannot be used."""
    lines = []
    if config.bucket and not Path(config.bucket.folder).is_dir():
        lines.append(f"bucket.folder: no such folder: {config.bucket.folder}")
    try:
        policy_of(config)
    except (OSError, ValueError) as error:
        problem = error_reason(error) if isinstance(error, OSError) else str(error)
        lines.append(
            f"bucket.policy_file: {problem}: {config.bucket and config.bucket.policy_file}"
        )
    for i, distribution in enumerate(config.distributions):
        for j, origin in enumerate(distribution.origins):
            lines += _unopened_origin_files(origin, f"distributions[{i}].origins[{j}]")
        place = f"distributions[{i}].viewer_certificate"
        lines += _unopened_pair(distribution.viewer_certificate, place)
    if config.control is not None:
        lines += _unopened_pair(config.control, "control")
        lines += _unreadable({"control.acme.ca_file": config.control.acme.ca_file})
    if config.dns is not None:
        lines += _unopened_pair(config.dns, "dns")
    lines += unread_rule_files(config) or unasked_locations(config)
    for index, log_bucket in enumerate(config.log_delivery.buckets):
        lines += _unusable_log_bucket(log_bucket, f"log_delivery.buckets[{index}]")
    if config.reserve is not None:
        lines += _unreadable({"reserve.ca_file": config.reserve.ca_file})
    lines += _unreadable({"tracing.otlp_ca_file": config.tracing.otlp_ca_file})
    for name in ("geo_database", "asn_database"):
        path = getattr(config, name)
        if path and (problem := database_problem(path)):
            lines.append(f"{name}: {problem}: {path}")
    return lines


def missing_secrets(config: Config, *, spare: bool = False) -> list[str]:
    """A line for each secret that origins want and this machine does not have.

    `spare`: in dev mode, where a key pair of ours signs for those that are not there.
    """
    lines = [*missing_values(config, os.environ)]
    path = secrets_path(config.state_dir, os.environ)
    try:
        secrets = load_secrets(config.state_dir, os.environ)
        lines += [] if spare else missing_key_pairs(config, secrets, path)
        if config.control is not None:
            load_operators(config.state_dir, os.environ)
    except SecretsError as error:
        lines.append(str(error))
    return lines


def missing_zone_secret(config: Config, *, at_control: bool) -> list[str]:
    """A line where zones are signed and there is no secret to do it by; control makes one."""
    if config.dns is None or not config.dns.signs:
        return []
    try:
        secrets = load_secrets(config.state_dir, os.environ)
        if at_control and not any(map(part_place, secrets.peer.values())):
            secrets = replace(secrets, dnssec=add_zone_secret(config.state_dir, os.environ))
    except SecretsError as error:
        return [str(error)]
    if secrets.dnssec:
        return []
    path = secrets_path(config.state_dir, os.environ)
    way_out = "copy the file from control's machine, or enroll this one anew"
    if config.control is None:
        way_out = "run: edgecache dns ds ZONE"
    return [f"{path}: no secret of dnssec, by which zones are signed; {way_out}"]


def unusable_state_dir(state_dir: str) -> list[str]:
    """Make the state folder; a line when that fails or it cannot be written."""
    try:
        Path(state_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return [f"state_dir: {error_reason(error)}: {state_dir}"]
    if not os.access(state_dir, os.W_OK | os.X_OK):
        return [f"state_dir: not writable: {state_dir}"]
    return []


def error_reason(error: OSError) -> str:
    """The system's words for an error, in lower case: `address already in use`."""
    words = error.strerror or str(error)
    if error.errno and not isinstance(error, socket.gaierror):
        words = os.strerror(error.errno)
    return words[:1].lower() + words[1:]


def _bind_briefly(host: str, port: int, wanted: int = socket.SOCK_STREAM) -> None:
    candidates = socket.getaddrinfo(host, port, type=wanted, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, address in candidates:
        with socket.socket(family, kind, protocol) as bound:
            if wanted == socket.SOCK_STREAM:  # for datagrams it would mean: share the port
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)


def _clear_path(path: str) -> None:
    """Remove a socket nobody listens on. OSError when it is in use, or no socket at all."""
    try:
        mode = Path(path).lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(None, "is there and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(_CONNECT_S_MAX)
        try:
            caller.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink(missing_ok=True)
            return
    raise OSError(None, "address already in use")


def _unusable_log_bucket(bucket: LogBucket, where: str) -> list[str]:
    """A folder is not made: what is to be mounted there may not be mounted yet."""
    if bucket.folder and not Path(bucket.folder).is_dir():
        return [f"{where}.folder: no such folder: {bucket.folder}"]
    return _unreadable({f"{where}.ca_file": bucket.ca_file})


def _unopened_origin_files(origin: Origin, where: str) -> list[str]:
    """A line for each file an origin names that cannot be opened."""
    names = ("ca_file", "client_certificate_file", "client_key_file")
    return _unreadable({f"{where}.{name}": getattr(origin, name) for name in names})


def _unopened_pair(part: ViewerCertificate | Control | DnsSettings, place: str) -> list[str]:
    pair = part.certificate_file, part.key_file
    places = f"{place}.certificate_file", f"{place}.key_file"
    lines = _unreadable(dict(zip(places, pair, strict=True)))
    if lines or not all(pair):
        return lines
    try:
        read_pair(pair)
    except CertificateFileError as error:
        return [f"{place}: {error}"]
    return []


def _unreadable(files: Mapping[str, str]) -> list[str]:
    """A line for each file, by its place in the configuration, that cannot be opened."""
    lines = []
    for where, path in files.items():
        try:
            if path:
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
                if not Path(path).is_file():
                    lines.append(f"{where}: not a file: {path}")
        except FileNotFoundError:
            lines.append(f"{where}: no such file: {path}")
        except OSError as error:
            lines.append(f"{where}: {error_reason(error)}: {path}")
    return lines
