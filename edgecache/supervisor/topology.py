"""Process topology of a configuration: names, commands and order of its processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecache.cluster.control_access import control_socket
from edgecache.cluster.credentials import NAME_SERVER
from edgecache.config.listen import (
    TcpAddress,
    dns_addresses,
    parse_listen,
    quic_address,
    speaks_tls,
    tcp_address,
)
from edgecache.config.model import Bucket, Config, Control, Location, RegionalCache
from edgecache.supervisor.child import Child

_PROGRAM = (sys.executable, "-m", "edgecache")


@dataclass(frozen=True, slots=True)
class Part:
    """What one supervisor runs of a configuration: all of it (`name` is empty), or one role.

    Each function is of a configuration: `processes` to run, a line for each thing `missing`.
    """

    name: str
    processes: Callable[[Config], Sequence[Child]]
    missing: Callable[[Config], Sequence[str]]

    @property
    def said(self) -> str:
        """What a line about it begins with."""
        return f"{self.name}: " if self.name else ""


def fleet(config: Config, path: Path) -> list[Child]:
    """Every process of a configuration, which came from `path`; what others need comes first."""
    children = (
        *inner(config, path),
        *(worker for place in config.locations for worker in workers(place, path)),
        *name_servers(config, path),
    )
    return with_log_target(children, config)


def with_log_target(children: Iterable[Child], config: Config) -> list[Child]:
    """The children, those with an access log set to put it where the configuration says."""
    stdout = config.access_log.target == "stdout"
    return [
        replace(child, logs_to_stdout=stdout and child.role in ("edge", "regional"))
        for child in children
    ]


def inner(config: Config, path: Path) -> Iterator[Child]:
    """The processes behind the edges: control, the bucket, and the regional caches."""
    parts = [("control", config.control), ("origin", config.bucket)]
    for role, part in parts:
        if part is not None:
            address = parse_listen(part.listen, config.state_dir)
            local = control_socket(config) if role == "control" else None
            health = _health_address(part)
            secured = not isinstance(part, Bucket) and speaks_tls(part, config)
            secured |= isinstance(part, Control) and bool(part.certificate_file)
            command = (*_PROGRAM, role, "--config", str(path))
            yield Child(role, role, command, address, local=local, health=health, secured=secured)
    yield from (_regional_cache(one, config, path) for one in config.regional_tier)


def _regional_cache(cache: RegionalCache, config: Config, path: Path) -> Child:
    """The process of a regional cache."""
    named = ("--name", cache.name) if cache.name else ()
    return Child(
        cache.place,
        "regional",
        (*_PROGRAM, "regional", "--config", str(path), *named),
        parse_listen(cache.listen, config.state_dir),
        health=_health_address(cache),
        secured=speaks_tls(cache, config),
    )


def name_servers(config: Config, path: Path) -> list[Child]:
    """The worker processes of the name server: they share its addresses."""
    command = (*_PROGRAM, "nameserver", "--config", str(path))
    addresses = tuple(dns_addresses(config))
    return [
        Child(
            f"{NAME_SERVER}-{number}",
            NAME_SERVER,
            (*command, "--worker", str(number)),
            dns=addresses,
        )
        for number in range(1, 1 + (0 if config.dns is None else config.dns.workers))
    ]


def _health_address(part: Control | RegionalCache | Bucket | Location) -> TcpAddress | None:
    text = "" if isinstance(part, Bucket) else part.health_listen
    return tcp_address(text) if text else None


def workers(location: Location, path: Path) -> list[Child]:
    """The worker processes of a location: they share its address."""
    command = (*_PROGRAM, "edge", "--config", str(path), "--location", location.name)
    return [
        Child(
            f"edge-{location.name}-{number}",
            "edge",
            (*command, "--worker", str(number)),
            tcp_address(location.listen),
            location.name,
            tcp_address(location.listen_tls) if location.listen_tls else None,
            quic=quic_address(location),
            health=_health_address(location),
            proxied=location.proxy_protocol == "required",
        )
        for number in range(1, location.workers + 1)
    ]
