"""The installation under attack: control, two locations, a regional cache, two sites, and `serve`.

Budgets are small and disks are on, so that what a large installation meets in weeks is met here in
seconds. Each site has a port of the origin to itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from socket import SO_REUSEADDR, SOL_SOCKET, socket

from edgecache.config.secrets import load_secrets
from tests.adversary.actions import Ask, SiteName
from tests.adversary.signatures import NATIVE_KEY, Keys
from tests.end_to_end.installation import Installation, Ports, Up, start_up
from tests.end_to_end.processes import EDGECACHE, Running, free_ports, start, stop_all

MIB = 1024 * 1024
BUDGETS = {"LHR50": 48 * MIB, "NRT57": 48 * MIB, "regional": 48 * MIB}
BUDGETS["edgecache"] = 256 * MIB  # the location of `serve`
IDS: dict[SiteName, str] = {"cf": "ECF", "rfc": "ERFC"}
_PARTS = """
[control]
listen = "127.0.0.1:{control}"
allow_private_origins = true

[regional]
memory_bytes = "48 MiB"
disk = {{ bytes_max = "256 MiB", free_bytes_min = 0 }}

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{lhr}"
listen_tls = "127.0.0.1:{nrt_tls}"
memory_bytes = "48 MiB"
disk = {{ bytes_max = "64 MiB", free_bytes_min = 0 }}

[[locations]]
name = "NRT57"
listen = "127.0.0.1:{nrt}"
memory_bytes = "48 MiB"

[limits]
head_s_max = 3
body_idle_s_max = 5
write_idle_s_max = 5
idle_s_max = 20
object_bytes_max = "4 MiB"

[[public_keys]]
id = "KADVERSARY0001"
pem_file = "key.pem"

[[key_groups]]
id = "team"
keys = ["KADVERSARY0001"]
"""
_SITE = """
[[distributions]]
id = "E{upper}"
aliases = ["{name}.test"]
semantics = "{semantics}"
cache_tag_header = "Cache-Tag"

[[distributions.origins]]
id = "o"
domain_name = "127.0.0.1"
http_port = {port}
read_timeout_s = 2
connection_timeout_s = 3
connections_max = 32
keepalive_timeout_s = 1
{circuit}

[distributions.default_behavior]
origin = "o"
allowed_methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
{policy}
{behaviors}"""
_BEHAVIOR = """
[[distributions.behaviors]]
path_pattern = "{pattern}"
origin = "o"
allowed_methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
{policy}
"""
# The key has Authorization and the query; under /cookie/ it has the cookies, too.
_OF_KEY = (
    'cache_policy = {{ ttl_s_default = 5, query_strings = {{ behavior = "all" }}, '
    'headers = {{ behavior = "whitelist", items = ["Authorization"] }}{more} }}'
)
_COOKIES = ', cookies = { behavior = "all" }'
_PRIVATE = 'trusted_key_groups = ["team"]\ntrusted_native_keys = ["k1"]'
_PASSES = """
cache_policy = { query_strings = { behavior = "all" } }
[distributions.default_behavior.origin_request_policy]
headers = { behavior = "allViewer" }
cookies = { behavior = "all" }
query_strings = { behavior = "all" }
"""


def template(ports: dict[SiteName, int]) -> str:
    """The configuration, with ports of listeners left open."""
    plain, cookies = _OF_KEY.format(more=""), _OF_KEY.format(more=_COOKIES)
    private = _BEHAVIOR.format(pattern="/private/*", policy=f"{plain}\n{_PRIVATE}")
    private_rfc = _BEHAVIOR.format(pattern="/private/*", policy=_PRIVATE)
    texts = [
        _SITE.format(
            upper="CF", name="cf", semantics="cloudfront", port=ports["cf"], policy=plain,
            behaviors=private + _BEHAVIOR.format(pattern="/cookie/*", policy=cookies),
            circuit="circuit_breaker = true",
        ),
        _SITE.format(
            upper="RFC", name="rfc", semantics="rfc9111", port=ports["rfc"], policy=_PASSES,
            behaviors=private_rfc, circuit="",
        ),
    ]  # fmt: skip
    return _PARTS + "".join(text.replace("{", "{{").replace("}", "}}") for text in texts)


@dataclass(frozen=True, slots=True)
class Target:
    """What is attacked: it runs."""

    folder: Path
    up: Up
    serve: Running
    serve_port: int
    origins: dict[SiteName, socket]
    keys: Keys

    def port(self, ask: Ask) -> int:
        """Where a viewer of that action connects."""
        if ask.site == "serve":
            return self.serve_port
        ports = self.up.installation.ports
        return {"lhr": ports.lhr, "nrt": ports.nrt, "tls": ports.nrt_tls}[ask.at]

    def processes(self) -> dict[int, str]:
        """Pids and command lines of every process that runs now."""
        pids = self.up.installation.left_running() + _family(self.serve.pid)
        return {pid: line for pid in pids if (line := _command(pid))}

    def said(self) -> str:
        """All that the processes wrote to standard error."""
        return self.serve.stderr + self.up.process.stderr


@contextmanager
def target(folder: Path) -> Iterator[Target]:
    """It runs while the context lasts."""
    control, lhr, nrt, tls, serve_port, serve_control, *own = free_ports(9)
    names: tuple[SiteName, ...] = ("serve", "cf", "rfc")
    origins = dict(zip(names, own, strict=True))
    listening = {site: _listening(port) for site, port in origins.items()}
    keys = Keys()
    try:
        (folder / "key.pem").write_text(keys.ours.public_pem)
        ports = Ports(control, 1, lhr, nrt, nrt_tls=tls)
        made = replace(Installation(folder, ports), template=template(origins))
        made.write()
        up = start_up(made)
        keys.native = load_secrets(str(made.state), {}).viewer.get(NATIVE_KEY, "")
        url = f"http://127.0.0.1:{origins['serve']}"
        command = (*EDGECACHE, "serve", url, f"--listen=127.0.0.1:{serve_port}")
        more = (f"--state-dir={folder / 'serve-state'}", f"--control=127.0.0.1:{serve_control}")
        serve = start((*command, *more), folder, "serve")
        serve.until("serve answers", lambda: "is served at" in serve.stdout)
        yield Target(folder, up, serve, serve_port, listening, keys)
    finally:
        stop_all()
        for one in listening.values():
            one.close()


def _listening(port: int) -> socket:
    """The origin's port, taken at once: others look for free ports, too."""
    taken = socket()
    taken.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    taken.listen(1024)
    return taken


def _family(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += _family(int(child))
    return found


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return " ".join(word.decode() for word in words[3:] if word and b"/" not in word)
