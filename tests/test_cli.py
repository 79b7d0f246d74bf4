"""Commands as they are typed: their words, their exit codes, and how little they import."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgecache import __version__
from edgecache.cli.main import app

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("httpx", "rich", "starlette", "uvicorn", "uvloop", "cryptography", "prometheus_client")
COMMANDS = (
    *("up", "serve", "init", "edge", "regional", "control", "origin", "check", "reload", "health"),
    *("explain", "sign-url", "sign-cookies", "explain-signature"),
)


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    result = CliRunner().invoke(app, arguments, prog_name="edgecache")
    return result.exit_code, result.stdout, result.stderr


def test_the_version() -> None:
    assert run("--version") == (0, f"edgecache {__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "Example" in out
    assert f"edgecache {command}" in out
    assert "--worker " not in out


@pytest.mark.parametrize("command", ["up", "serve", "edge", "regional", "control", "origin"])
@pytest.mark.parametrize("option", ["--log-level", "--log-format"])
def test_what_is_no_level_or_format_is_refused(command: str, option: str) -> None:
    code, out, err = run(command, option, "loud")
    assert (code, out) == (2, "")
    assert f"Invalid value for '{option}'" in err
    assert "'loud' is not one of" in err


def test_help_lists_every_command() -> None:
    code, out, _ = run("--help")
    assert code == 0
    for command in COMMANDS:
        assert f"  {command} " in out


def test_a_good_file_is_told_so() -> None:
    file = str(ROOT / "config" / "single.toml")
    assert run("check", file) == (0, f"{file}: no problems (distributions: 1, locations: 1)\n", "")


def test_what_is_hardly_meant_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    single = (ROOT / "config" / "single.toml").read_text()
    start, table, rest = single.partition("[distributions.default_behavior]\n")
    lines = [line for line in rest.splitlines() if not line.startswith("cache_policy")]
    policy = 'cache_policy = "UseOriginCacheControlHeaders"'
    file.write_text("\n".join([start + table + policy, *lines]))
    code, out, _ = run("check", str(file))
    assert code == 0
    place = r"x\.toml:\d+:1: distributions\[0\]\.default_behavior\.cache_policy\.cookies: "
    assert re.match(f"warning: {place}", out)


def test_every_problem_of_a_bad_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("zzz = 1\n[limits]\nfields_max = 0\n")
    for command in (["check", str(file)], ["up", "-c", str(file)], ["control", "-c", str(file)]):
        assert run(*command) == (
            2,
            "",
            f"edgecache: {file}: 2 problems\n"
            "  x.toml:1:1: zzz: unknown key\n"
            "  x.toml:3:1: limits.fields_max: 0 is outside 8 to 1000 fields\n",
        )


@pytest.mark.parametrize(
    "command",
    [
        ["up", "-c"],
        ["check"],
        ["edge", "--location", "A", "-c"],
        ["reload", "-c"],
    ],
    ids=lambda command: str(command[0]),
)
def test_a_missing_file_is_one_line(command: list[str]) -> None:
    line = "edgecache: /nonexistent.toml: no such file or directory\n"
    assert run(*command, "/nonexistent.toml") == (2, "", line)


def test_without_a_file_who_asks_control_is_told_of_the_environment() -> None:
    code, _, err = run("health", "-c", "/nonexistent.toml")
    line = "edgecache: /nonexistent.toml: no such file or directory; without a file, set "
    assert (code, err.count("\n"), err.startswith(line)) == (2, 1, True)
    assert "EDGECACHE_CONTROL" in err


def test_settings_are_printed_with_bounds_and_reason() -> None:
    code, out, _ = run("check", "--settings")
    assert code == 0
    assert out.startswith(
        "limits.head_bytes_max = 32 KiB (1 KiB to 1 MiB)\n    CloudFront's quota for"
    )


@pytest.mark.parametrize(
    "url",
    [
        "h",
        "ftp://h",
        "http://",
        "http://h:0",
        "http://h:x",
        "http://u@h",
        "http://h/p?",
        "http://h?q",
    ],
)
def test_serve_wants_an_origin(url: str) -> None:
    line = (
        f"edgecache: ORIGIN: {url} is not http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]\n"
    )
    assert run("serve", url) == (2, "", line)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("https://h", "--ca-file", "/nowhere/ca.pem"),
            "--ca-file: no such file: /nowhere/ca.pem",
        ),
        (("https://h", "--server-name", "a..b"), '--server-name: "a..b" is not a host name'),
        (
            ("http://h", "--server-name", "a.test"),
            '--server-name: not used with protocol_policy "http-only"',
        ),
        (("http://h/a b",), 'ORIGIN.path: "/a b" has characters no path has'),
    ],
)
def test_serve_says_what_of_its_origin_cannot_be(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    told = run("serve", *arguments, "--state-dir", str(tmp_path))
    assert told == (2, "", f"edgecache: {said}\n")


def test_serve_wants_an_address() -> None:
    line = "edgecache: --listen: 8080 is not HOST:PORT or unix:NAME\n"
    assert run("serve", "http://127.0.0.1:8000", "--listen", "8080") == (2, "", line)


def test_health_is_an_exit_code() -> None:
    assert run("health", "127.0.0.1:1") == (1, "", "edgecache: 127.0.0.1:1: no answer\n")


def test_reload_needs_a_supervisor_or_control(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('state_dir = "none"\n')
    nobody = f"nothing of this installation runs here: no {tmp_path}/none/up.sock"
    assert run("reload", "-c", str(file)) == (
        2,
        "",
        f"edgecache: {nobody}, and there is no [control] to ask\n",
    )
    assert run("upgrade", "-c", str(file)) == (1, "", f"edgecache: {nobody}\n")


def test_reload_tells_that_control_is_down(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('[control]\nlisten = "127.0.0.1:1"\n')
    code, out, err = run("reload", "-c", str(file))
    assert (code, out) == (1, "")
    assert err.startswith("edgecache: control at http://127.0.0.1:1: ")


def test_start_up_imports_nothing_heavy() -> None:
    program = f"import sys, edgecache.cli.main; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
