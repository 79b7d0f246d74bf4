"""What runs where, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from edgecache.config.listen import TcpAddress
from edgecache.config.model import Config
from edgecache.server.process import Child


def as_json(children: Sequence[Child], pids: Mapping[str, int]) -> str:
    """One line: `nodes` (role, name, address, pid), `control` (its URL), `locations` (URLs)."""
    nodes = [
        {
            "role": child.role,
            "name": child.name,
            "address": str(child.address or ""),
            "pid": pids.get(child.name, 0),
        }
        for child in children
    ]
    control = next((_url(child) for child in children if child.role == "control"), "")
    locations = {child.location: _url(child) for child in children if child.location}
    return json.dumps({"nodes": nodes, "control": control, "locations": locations})


def print_table(config: Config, children: Sequence[Child], pids: Mapping[str, int]) -> None:
    """A table, and three commands to try."""
    from rich.console import Console
    from rich.table import Table

    table = Table("role", "name", "address", "pid", title="edgecache", title_justify="left")
    for child in children:
        table.add_row(
            child.role, child.name, str(child.address or ""), str(pids.get(child.name, ""))
        )
    console = Console(soft_wrap=True)
    console.print(table)
    for line in to_try(config, children):
        console.print(line, markup=False, highlight=False)
    console.print("Ctrl-C stops it all.", markup=False, highlight=False)


def to_try(config: Config, children: Sequence[Child]) -> list[str]:
    """curl lines that show something in this installation: a miss, a hit, another location."""
    edges = list(dict.fromkeys(_url(child) for child in children if child.role == "edge"))
    control = [f"curl -s {_url(child)}/nodes" for child in children if child.role == "control"]
    host = _host_option(config)
    first = [f"curl -i{host} {url}/" for url in edges[:1] * 2 + edges[1:2]]
    return [*first, *control][:3]


def _host_option(config: Config) -> str:
    """Nothing when a distribution answers to the address itself, else the Host to send."""
    names = [name for x in config.distributions for name in (x.domain_name, *x.aliases) if name]
    if not names or any(name in ("*", "127.0.0.1", "localhost") for name in names):
        return ""
    return f" -H 'Host: {names[0].replace('*', 'www')}'"


def _url(child: Child) -> str:
    return child.address.url if isinstance(child.address, TcpAddress) else ""
