"""Every command that asks control, from an empty folder, by what the environment says alone."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgecache.server.dev_certificate import ca_file, development_certificate
from tests.end_to_end.installation import Installation, Ports, Up, start_up
from tests.end_to_end.processes import DEADLINE_S, EDGECACHE, free_ports, wait_for

SITES = """
[control]
listen = "127.0.0.1:{control}"
allow_private_origins = true
{more}

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{lhr}"
memory_bytes = "64 MiB"

[[distributions]]
id = "ESITE"
aliases = ["localhost"]
origins = [{{ id = "o", domain_name = "127.0.0.1", http_port = 1 }}]
default_behavior = {{ origin = "o" }}

[[distributions]]
id = "EOTHER"
aliases = ["other.test"]
origins = [{{ id = "o", domain_name = "127.0.0.1", http_port = 1 }}]
default_behavior = {{ origin = "o" }}
"""
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
ROOT_PAGE = "http://localhost/"

ALL = """
import json, sys
from typer.testing import CliRunner
from edgecache.cli.main import app
for command in json.loads(sys.argv[1]):
    result = CliRunner().invoke(app, command, prog_name="edgecache")
    if result.exit_code:
        print(*command, result.exit_code, result.stderr, repr(result.exception))
"""  # in one process: what each imports anew would be most of the time

# Each sequence is run in order, one beside the other.
SEQUENCES: tuple[tuple[tuple[str, ...], ...], ...] = (
    (
        ("health",),
        ("stats",),
        ("objects",),
        ("explain", ROOT_PAGE),
        ("invalidate", "ESITE", "/*"),
        ("invalidate", "ESITE", "/*", "--dry-run"),
        ("invalidations", "ESITE"),
        ("release", "cut", "ESITE"),
        ("release", "list", "ESITE"),
        ("release", "cut", "ESITE"),
        ("release", "activate", "ESITE", "0"),
        ("release", "delete", "ESITE", "1"),
        ("reload",),
        ("drain", "LHR50"),
        ("undrain", "LHR50"),
    ),
    (
        ("distributions", "list"),
        ("distributions", "get", "ESITE"),
        ("diff", "ESITE", "control#EOTHER"),
        ("diff", "control", "control", "--exit-code"),
        ("adopt", "ESITE"),
        ("distributions", "disable", "ESITE"),
        ("distributions", "enable", "ESITE"),
        ("tags", "set", "ESITE", "stage=test"),
        ("tags", "list", "ESITE"),
        ("tags", "remove", "ESITE", "stage"),
    ),
    (
        ("policies", "list", "--custom"),
        ("policies", "get", CACHING_OPTIMIZED),
        ("keys", "list"),
        ("access-keys", "create", "made-from-afar", "--only", "read"),
        ("access-keys", "list"),
        ("access-keys", "delete", "made-from-afar"),
        ("nodes", "list"),
        ("changes", "--limit", "3"),
        ("token", "--aws"),
    ),
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody in an empty folder, whose environment is all there is."""

    folder: Path
    env: dict[str, str]

    def runs(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of one command."""
        return self.starts(*EDGECACHE, *arguments, **more)

    def starts(self, *command: str, **more: str) -> tuple[int, str, str]:
        """The same of any program."""
        clean = {name: value for name, value in os.environ.items() if "EDGECACHE" not in name}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=clean | self.env | more,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
        return done.returncode, done.stdout, done.stderr


def key_lines(text: str) -> dict[str, str]:
    """What `access-keys create` prints."""
    return dict(line.split("=", 1) for line in text.splitlines())


def made_key(up: Up, name: str, *limits: str) -> dict[str, str]:
    code, out, err = up.installation.run("access-keys", "create", name, *limits)
    assert code == 0, err
    return key_lines(out)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    started = start_up(installation(tmp_path_factory.mktemp("anywhere")))
    yield started
    assert started.process.stop() == 0, started.process.stderr


def installation(folder: Path, more: str = "") -> Installation:
    control, lhr = free_ports(2)
    ports = Ports(control, 1, lhr, 1)
    made = Installation(folder, ports, template=SITES.replace("{more}", more))
    made.write()
    return made


@pytest.fixture
def nowhere(tmp_path: Path, up: Up) -> Caller:
    """A caller without a key."""
    return Caller(tmp_path, {"EDGECACHE_CONTROL": up.installation.control.removeprefix("http://")})


def failures(caller: Caller, commands: Sequence[Sequence[str]]) -> str:
    """A line for each command that failed, run one after the other."""
    code, out, err = caller.starts(sys.executable, "-c", ALL, json.dumps(commands))
    assert code == 0, err
    return out


def test_every_command_runs_by_the_environment_alone(up: Up, nowhere: Caller) -> None:
    caller = Caller(nowhere.folder, nowhere.env | made_key(up, "all"))
    with ThreadPoolExecutor(len(SEQUENCES)) as pool:
        said = [*pool.map(lambda commands: failures(caller, commands), SEQUENCES)]
    assert "".join(said) == ""
    assert [*nowhere.folder.iterdir()] == []


def test_what_was_done_is_told_with_who_did_it(up: Up, nowhere: Caller) -> None:
    caller = Caller(nowhere.folder, nowhere.env | made_key(up, "editor"))
    for command in (("adopt", "EOTHER"), ("distributions", "disable", "EOTHER")):
        assert caller.runs(*command)[0] == 0
    code, out, err = caller.runs("changes", "--author", "editor", "--json")
    assert code == 0, err
    listed = json.loads(out)
    assert [one["summary"] for one in listed] == [
        "UpdateDistribution EOTHER", "adopt_distribution EOTHER",
    ]  # fmt: skip
    code, out, err = caller.runs("changes", "--diff", str(listed[0]["number"]))
    assert code == 0, err
    assert out.splitlines()[1:] == ["distributions[EOTHER].enabled", "  - (default)", "  + false"]

    def reported() -> bool:
        told = json.loads(up.installation.run("nodes", "list", "--json")[1])
        (node,) = told["nodes"]
        assert (node["name"], node["location"], node["drain"]) == ("edge-LHR50-1", "LHR50", False)
        current: bool = node["generation"] == listed[0]["number"]
        return current and 0 < node["lease_s"] <= 3.2

    wait_for("the node runs on it, by a lease", reported)


def test_a_key_that_purges_one_site_does_nothing_else(up: Up, nowhere: Caller) -> None:
    limits = ("--only", "invalidate", "--distribution", "ESITE")
    caller = Caller(nowhere.folder, nowhere.env | made_key(up, "deploy", *limits))
    code, out, err = caller.runs("invalidate", "ESITE", "/*", "--json")
    assert (code, json.loads(out)["status"]) == (0, "Completed"), err
    beyond = (("invalidate", "EOTHER", "/*"), ("distributions", "get", "ESITE"))
    for command in beyond:
        code, _, err = caller.runs(*command)
        assert (code, err.count("\n")) == (1, 1), command
        assert "AccessDenied: deploy: " in err
    assert up.installation.run("access-keys", "delete", "deploy")[0] == 0
    code, _, err = caller.runs("invalidate", "ESITE", "/*")
    assert (code, err.count("\n")) == (1, 1)
    assert "InvalidClientTokenId" in err


def test_a_token_does_and_nothing_is_told_what_would_do(up: Up, nowhere: Caller) -> None:
    token = up.installation.run("token")[1].strip()
    assert nowhere.runs("invalidations", "ESITE", EDGECACHE_TOKEN=token)[0] == 0
    for more in ({}, {"EDGECACHE_TOKEN": "bad"}):
        code, _, err = nowhere.runs("invalidations", "ESITE", **more)
        assert (code, err.count("\n")) == (1, 1)
        assert "token" in err.lower()
    (port,) = free_ports(1)
    code, _, err = nowhere.runs("health", EDGECACHE_CONTROL=f"127.0.0.1:{port}")
    assert (code, err.count("\n")) == (1, 1)


def certificate(folder: Path) -> tuple[bytes, Path]:
    """PEM of a new certificate for localhost and its key; a file of who issued it."""
    made = development_certificate(folder, ["localhost"], datetime.now(UTC))
    return made.read_bytes(), ca_file(folder)


def test_control_over_tls_and_its_renewed_certificate(tmp_path: Path) -> None:
    folder, empty = tmp_path / "control", tmp_path / "empty"
    folder.mkdir()
    empty.mkdir()
    (old, old_ca), (new, new_ca) = (certificate(tmp_path / name) for name in ("old", "new"))
    pem = folder / "control.pem"
    pem.write_bytes(old)
    tls = 'certificate_file = "control.pem"\nkey_file = "control.pem"'
    started = start_up(installation(folder, tls))
    port = started.installation.ports.control
    assert started.told["control"] == f"https://127.0.0.1:{port}"
    key = made_key(started, "all")
    caller = Caller(empty, {"EDGECACHE_CONTROL": f"https://localhost:{port}", **key})
    code, _, err = caller.runs("distributions", "list", EDGECACHE_CA_FILE=str(old_ca))
    assert code == 0, err
    code, _, err = caller.runs("invalidate", "ESITE", "/*")
    assert (code, err.count("\n"), "its certificate is not trusted" in err) == (1, 1, True)
    code, _, err = caller.runs("health", EDGECACHE_CONTROL=f"http://localhost:{port}")
    assert (code, err.count("\n"), "say https://" in err) == (1, 1, True)

    def shown(ca: Path) -> bool:
        context = ssl.create_default_context(cafile=str(ca))
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
                context.wrap_socket(plain, server_hostname="localhost").close()
        except ssl.SSLCertVerificationError:
            return False
        return True

    assert shown(old_ca)
    pem.write_bytes(new[: len(new) // 2])  # as it is while it is written
    assert shown(old_ca)
    pem.write_bytes(new)
    wait_for("the renewed certificate", lambda: shown(new_ca))
    assert started.process.stop() == 0, started.process.stderr
