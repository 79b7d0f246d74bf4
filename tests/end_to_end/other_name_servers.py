"""Name servers and resolvers of others beside ours: BIND as a secondary, unbound in a machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from tests.end_to_end.machines import Machine
from tests.end_to_end.processes import start

NAMED = """
options {{
  directory "{folder}"; pid-file none; session-keyfile none; recursion no;
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  dnssec-validation no; notify no;
}};
controls {{ }};
key "key" {{ algorithm hmac-sha256; secret "{secret}"; }};
zone "users.test" {{
  type secondary; masterfile-format text; file "users.zone"; min-retry-time 1;
  primaries {{ 127.0.0.1 port {dns} key "key"; }};
}};
"""
UNBOUND = """
server:
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  interface: 127.0.0.1
  module-config: "validator iterator"
{anchors}
  local-zone: "test." nodefault
  cache-max-ttl: 1
  cache-max-negative-ttl: 0
stub-zone:
  name: "cdn.test"
  stub-addr: {server}
stub-zone:
  name: "site.test"
  stub-addr: {server}
remote-control:
  control-enable: no
"""


def start_resolver(
    machine: Machine, folder: Path, dns: int, anchors: Iterable[str], stack: ExitStack
) -> None:
    """unbound in a machine, which its resolv.conf names; it trusts the keys of these DS records."""
    folder.mkdir()
    server = f"{machine.gateway}@{dns}"
    trusted = "\n".join(f'  trust-anchor: "{one}"' for one in anchors)
    text = UNBOUND.format(folder=folder, server=server, anchors=trusted)
    (folder / "unbound.conf").write_text(text)
    names = Path("/etc/netns", machine.name)
    names.mkdir(parents=True)
    stack.callback(shutil.rmtree, names)
    (names / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    command = ("/usr/sbin/unbound", "-d", "-p", "-c", str(folder / "unbound.conf"))
    running = start((*machine.prefix, *command), folder, "unbound")
    stack.callback(running.stop)
