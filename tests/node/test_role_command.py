"""The command lines of a supervisor's children: the form it writes, and no other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgecache.config.load import load
from edgecache.node.role_command import RoleCommand, parse_role_command, run_role_command
from edgecache.supervisor.topology import fleet

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "config" / "demo.toml"


def test_every_process_of_a_configuration_is_started_in_this_form() -> None:
    children = fleet(load(FILE), FILE)
    asked = [parse_role_command(child.command[3:]) for child in children]
    assert all(child.command[1:3] == ("-m", "edgecache") for child in children)
    told = {(child.role, child.location) for child in children}
    assert {(one.role, one.name) for one in asked if one is not None} == told
    assert None not in asked
    assert {role for role, _ in told} == {"control", "edge", "origin", "regional"}


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("control --config a.toml", RoleCommand("control", Path("a.toml"))),
        ("origin --config a.toml", RoleCommand("origin", Path("a.toml"))),
        ("regional --config a.toml", RoleCommand("regional", Path("a.toml"))),
        ("regional --config a.toml --name eu-1", RoleCommand("regional", Path("a.toml"), "eu-1")),
        (
            "edge --config a.toml --location LHR50 --worker 2",
            RoleCommand("edge", Path("a.toml"), "LHR50", 2),
        ),
        ("", None),
        ("up --config a.toml", None),
        ("control", None),
        ("control --help", None),
        ("control --config", None),
        ("control -c a.toml", None),
        ("control --config a.toml --set control.listen=1", None),
        ("control --config a.toml --log-level debug", None),
        ("regional --name eu-1 --config a.toml", None),
        ("regional --config a.toml --name", None),
        ("edge --config a.toml --location LHR50", None),
        ("edge --config a.toml --location LHR50 --worker 0", None),
        ("edge --config a.toml --location LHR50 --worker -1", None),
        ("edge --config a.toml --worker 1 --location LHR50", None),
        ("edge --config a.toml --location LHR50 --worker 1 --no-memo", None),
    ],
)
def test_any_other_form_is_for_the_command_line(line: str, command: RoleCommand | None) -> None:
    assert parse_role_command(line.split()) == command


@pytest.mark.parametrize(
    "line",
    [
        "control --config missing.toml",
        "edge --config {file} --location NOT-THERE --worker 1",
        "regional --config {file} --name not-there",
    ],
)
def test_what_is_wrong_with_the_file_is_left_to_the_command_line(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECACHE_PARENT_FD", "3")
    assert run_role_command(line.format(file=FILE).split()) is None


def test_without_a_supervisor_it_is_for_the_command_line() -> None:
    assert run_role_command(["control", "--config", str(FILE)]) is None


def test_a_role_does_without_the_library_of_the_command_line() -> None:
    program = (
        "import sys, edgecache.__main__, edgecache.node.service_roles, edgecache.node.roles;"
        "print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"typer", "starlette", "botocore"} & {*loaded}
    assert not [name for name in loaded if name.startswith(("edgecache.cli", "edgecache.control"))]


def test_control_and_the_bucket_do_without_the_modules_of_nodes() -> None:
    program = "import sys, edgecache.node.service_roles; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"edgecache.node.node", "edgecache.node.build", "httpx"} & {*loaded}
