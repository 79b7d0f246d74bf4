"""Banner of `edgecache up`: what runs where as a table or JSON, and commands to try."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecache.cluster.control_access import control_socket, control_url
from edgecache.config.listen import TcpAddress, tcp_address
from edgecache.config.model import Config
from edgecache.config.secrets import load_operators
from edgecache.control.cloudfront.authentication import access_keys
from edgecache.server.dev_certificate import ca_file
from edgecache.supervisor.child import Child

WIDTH = 1_000  # of lines where no terminal breaks them


def as_json(
    children: Sequence[Child], pids: Mapping[str, int], config: Config | None = None
) -> str:
    """One line: `nodes` (role, name, address, pid), `control` (its URL), `locations` (URLs).

    With `config` also `secure_locations` (https URLs), and `ca_file` when we made one.
    """
    nodes = [
        {
            "role": child.role,
            "name": child.name,
            "address": shown_address(child),
            "pid": pids.get(child.name, 0),
        }
        for child in children
    ]
    control = _control_url(children, config)
    locations = {child.location: _url(child) for child in children if child.location}
    document = {"nodes": nodes, "control": control, "locations": locations}
    secure = _secure(config) if config else {}
    if config and secure:
        document |= {"secure_locations": secure, "ca_file": development_ca(config)}
    return json.dumps(document)


def shown_address(child: Child) -> str:
    """Where a process listens, by the first address that it has; empty: nowhere."""
    return str(next(iter(child.addresses), ""))


def print_table(
    config: Config, path: Path, children: Sequence[Child], pids: Mapping[str, int]
) -> None:
    """A table, commands to try, and on a terminal the key to call the API with.

    `path` is the file `config` came from.
    """
    from rich.console import Console
    from rich.table import Table

    to_log = config.access_log.target == "stdout"  # whose lines are all there is
    console = Console(soft_wrap=True, stderr=to_log)
    table = Table("role", "name", "address", "pid", title="edgecache", title_justify="left")
    if not console.is_terminal:  # plain rows, whole
        table.box, table.pad_edge, table.title = None, False, None
        console.width = WIDTH
    for child in children:
        table.add_row(child.role, child.name, shown_address(child), str(pids.get(child.name, "")))
    console.print(table)
    lines = (
        *to_try(config, children),
        *to_try_secure(config),
        *to_ask(config),
        *to_call(config, path, os.environ),
    )
    for line in lines:
        console.print(line, markup=False, highlight=False)
    console.print("Ctrl-C stops it all.", markup=False, highlight=False)


def to_try(config: Config, children: Sequence[Child]) -> list[str]:
    """curl lines that show something in this installation: a miss, a hit, another location."""
    edges = list(dict.fromkeys(_url(child) for child in children if child.role == "edge"))
    url = _control_url(children, config)
    control = [f"curl -s {url}/nodes"] if url.startswith("http:") else []
    host = _host_option(config)
    first = [f"curl -i{host} {url}/" for url in edges[:1] * 2 + edges[1:2]]
    return [*first, *control][:3]


def to_try_secure(config: Config) -> list[str]:
    """The curl line for the first location that speaks TLS, with the authority to trust.

    The certificate is chosen by the name in the hello: it must be the site's own.
    """
    urls = [*_secure(config).values()][:1]
    ca = development_ca(config)
    option = f" --cacert {shlex.quote(_relative(ca))}" if ca else ""
    name = _other_name(config)
    if not name:
        return [f"curl -i{option} {url}/" for url in urls]
    places = [url.removeprefix("https://") for url in urls]
    return [
        f"curl -i{option} --connect-to ::{place} https://{name}:{place.rpartition(':')[2]}/"
        for place in places
    ]


def to_ask(config: Config) -> list[str]:
    """How curl asks control without a token: by the socket file, as its owner."""
    if config.control is None:
        return []
    path = shlex.quote(_relative(control_socket(config).path))
    return [f"curl -s --unix-socket {path} http://localhost/distributions"]


def to_call(
    config: Config, path: Path, env: Mapping[str, str], *, shown: bool | None = None
) -> list[str]:
    """How AWS's own tools call the API here.

    The key stands in it when `shown`, by default on a terminal: what is kept in a log must not.
    """
    url = control_url(config)
    if not url:
        return []
    example = f"aws cloudfront list-distributions --endpoint-url {url}"
    if not (sys.stdout.isatty() if shown is None else shown):
        file = shlex.quote(str(path))
        return [f'eval "$(edgecache token --aws --config {file})"; {example}']
    key = access_keys(load_operators(config.state_dir, env))[-1]
    return [
        f"AWS_ACCESS_KEY_ID={key.access_key_id} "
        f"AWS_SECRET_ACCESS_KEY={key.secret_access_key} AWS_DEFAULT_REGION=us-east-1 {example}"
    ]


def development_ca(config: Config) -> str:
    """The certificate of the development authority, empty when there is none."""
    path = ca_file(config.state_dir)
    return str(path) if path.is_file() else ""


def _secure(config: Config) -> dict[str, str]:
    listening = [location for location in config.locations if location.listen_tls]
    addresses = {location.name: tcp_address(location.listen_tls) for location in listening}
    names = {name for one in config.distributions for name in one.aliases}
    return {
        name: f"https://localhost:{address.port}"
        if "localhost" in names and address.host in ("127.0.0.1", "0.0.0.0", "localhost")
        else address.url.replace("http:", "https:", 1)
        for name, address in addresses.items()
    }


def _relative(path: str) -> str:
    """The path relative to the working folder where it lies below that."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def _host_option(config: Config) -> str:
    """curl's option for the Host to send; empty when the address itself is a name."""
    name = _other_name(config)
    return f" -H 'Host: {name}'" if name else ""


def _other_name(config: Config) -> str:
    """The name of a distribution where none answers to this machine's own."""
    names = [name for x in config.distributions for name in (x.domain_name, *x.aliases) if name]
    if not names or any(name in ("*", "127.0.0.1", "localhost") for name in names):
        return ""
    return names[0].replace("*", "www")


def _control_url(children: Sequence[Child], config: Config | None) -> str:
    url = next((_url(child) for child in children if child.role == "control"), "")
    secured = config is not None and control_url(config).startswith("https:")
    return url.replace("http:", "https:", 1) if secured else url


def _url(child: Child) -> str:
    return child.address.url if isinstance(child.address, TcpAddress) else ""
