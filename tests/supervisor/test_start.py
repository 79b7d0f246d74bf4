"""From a command to processes: what is refused beforehand, and one whole run of stand-ins."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from edgecache.cluster.control_access import control_url
from edgecache.config.listen import TcpAddress, UnixAddress
from edgecache.config.model import (
    Behavior,
    Config,
    Control,
    Distribution,
    Location,
    Origin,
    RegionalCache,
)
from edgecache.config.secrets import load_operators
from edgecache.control.cloudfront.authentication import access_keys
from edgecache.supervisor import start
from edgecache.supervisor.banner import as_json, print_table, to_call, to_try
from edgecache.supervisor.child import Child
from edgecache.supervisor.topology import fleet, inner

SHIPPED = Path(__file__).resolve().parents[2] / "config"
STAND_IN = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_OPTIONS(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


def site(*aliases: str) -> Distribution:
    return Distribution(
        id="E1",
        aliases=aliases,
        origins=(Origin(id="web", domain_name="h"),),
        default_behavior=Behavior(origin="web"),
    )


def config(tmp_path: Path, port: int = 8080, workers: int = 1) -> Config:
    return Config(
        state_dir=str(tmp_path / "state"),
        locations=(Location(name="LHR50", listen=f"127.0.0.1:{port}", workers=workers),),
        distributions=(site("*"),),
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def untold(children: Sequence[Child], pids: Mapping[str, int]) -> None:
    raise AssertionError("nothing was to start")


def test_the_demo_is_six_processes_in_order() -> None:
    from edgecache.config.load import load

    path = SHIPPED / "demo.toml"
    loaded = load(path)
    children = fleet(loaded, path)
    assert [(child.name, child.role, str(child.address)) for child in children] == [
        ("control", "control", "127.0.0.1:8090"),
        ("origin", "origin", "127.0.0.1:8070"),
        ("regional", "regional", f"unix:{loaded.state_dir}/regional.sock"),
        ("edge-LHR50-1", "edge", "127.0.0.1:8080"),
        ("edge-LHR50-2", "edge", "127.0.0.1:8080"),
        ("edge-NRT57-1", "edge", "127.0.0.1:8081"),
    ]
    program = (sys.executable, "-m", "edgecache")
    assert children[0].command == (*program, "control", "--config", str(path))
    assert children[4].command == (
        *(*program, "edge", "--config", str(path)),
        *("--location", "LHR50", "--worker", "2"),
    )


def test_json_tells_every_process_on_one_line() -> None:
    children = [
        Child("control", "control", (), TcpAddress("0.0.0.0", 8090)),
        Child("regional", "regional", (), UnixAddress("/s/r.sock")),
        Child("edge-A-1", "edge", (), TcpAddress("127.0.0.1", 8080), "A"),
        Child("edge-A-2", "edge", (), TcpAddress("127.0.0.1", 8080), "A"),
    ]
    pids = {child.name: number for number, child in enumerate(children, 11)}
    line = as_json(children, pids)
    assert "\n" not in line
    told = json.loads(line)
    assert told["control"] == "http://127.0.0.1:8090"
    assert told["locations"] == {"A": "http://127.0.0.1:8080"}
    assert told["nodes"][1] == {
        "role": "regional",
        "name": "regional",
        "address": "unix:/s/r.sock",
        "pid": 12,
    }


def test_the_table_names_every_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = config(tmp_path)
    children = fleet(wanted, Path("x.toml"))
    print_table(wanted, Path("my.toml"), children, {"edge-LHR50-1": 4242})
    printed = capsys.readouterr().out
    for word in ("edge-LHR50-1", "127.0.0.1:8080", "4242", "curl -i http://127.0.0.1:8080/"):
        assert word in printed


@pytest.mark.parametrize(
    ("aliases", "lines"),
    [
        (("*",), ["curl -i http://127.0.0.1:8080/"] * 2),
        (
            ("www.example",),
            ["curl -i -H 'Host: www.example' http://127.0.0.1:8080/"] * 2,
        ),
        (
            ("*.example",),
            ["curl -i -H 'Host: www.example' http://127.0.0.1:8080/"] * 2,
        ),
    ],
)
def test_commands_to_try_reach_a_distribution(
    tmp_path: Path, aliases: tuple[str, ...], lines: list[str]
) -> None:
    location = Location(name="LHR50", listen="127.0.0.1:8080")
    wanted = Config(state_dir=str(tmp_path), locations=(location,), distributions=(site(*aliases),))
    assert to_try(wanted, fleet(wanted, Path("x.toml"))) == lines


def test_a_port_in_use_starts_nothing(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(start.StartRefusedError) as caught:
            start.up(config(tmp_path, port), tmp_path / "x.toml", untold)
        line = f"127.0.0.1:{port} (location LHR50): address already in use"
        assert caught.value.lines == [line]
        for workers in (1, 2):
            with pytest.raises(start.StartRefusedError) as caught:
                start.edge(config(tmp_path, port, workers), tmp_path / "x.toml", "LHR50", 0)
            assert caught.value.lines == [line]


def test_nothing_to_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(start.StartRefusedError) as caught:
        start.up(Config(state_dir=str(tmp_path)), Path("x.toml"), untold)
    assert caught.value.lines == [
        "x.toml: nothing to run: no control, regional, bucket or locations"
    ]


def test_a_part_that_is_not_configured_is_told(tmp_path: Path) -> None:
    with pytest.raises(start.StartRefusedError) as caught:
        start.regional(config(tmp_path), Path("x.toml"), "")
    assert caught.value.lines == ["x.toml: there is no [regional] to run"]


@pytest.mark.parametrize(("names", "asked", "line"), [
    (("eu-1", "eu-2"), "eu-3", "--name: eu-3 is not in x.toml (known: eu-1, eu-2)"),
    (("eu-1", "eu-2"), "", "--name: missing (known: eu-1, eu-2)"),
    (("",), "eu-1", "--name: eu-1 is not in x.toml (known: none: there is one, without a name)"),
])  # fmt: skip
def test_which_regional_cache_has_to_be_said(
    tmp_path: Path, names: tuple[str, ...], asked: str, line: str
) -> None:
    caches = tuple(RegionalCache(name=name) for name in names)
    form = {"regional_caches": caches} if names[0] else {"regional": caches[0]}
    several = Config(state_dir=str(tmp_path), **form)
    with pytest.raises(start.StartRefusedError) as caught:
        start.regional(several, Path("x.toml"), asked)
    assert caught.value.lines == [line]


def test_each_regional_cache_is_a_process_by_its_name() -> None:
    caches = tuple(
        RegionalCache(name=name, listen=f"unix:{name}.sock") for name in ("eu-1", "eu-2")
    )
    children = [*inner(Config(state_dir="/s", regional_caches=caches), Path("x.toml"))]
    assert [(one.name, one.role, one.node) for one in children] == [
        ("regional-eu-1", "regional", "eu-1"),
        ("regional-eu-2", "regional", "eu-2"),
    ]
    assert children[0].command[-4:] == ("--config", "x.toml", "--name", "eu-1")
    (alone,) = inner(Config(regional=RegionalCache()), Path("x.toml"))
    assert (alone.name, alone.node, "--name" in alone.command) == ("regional", "regional", False)


def test_an_unknown_location_is_told(tmp_path: Path) -> None:
    with pytest.raises(start.StartRefusedError) as caught:
        start.edge(config(tmp_path), Path("x.toml"), "NRT57", 0)
    assert caught.value.lines == ["--location: NRT57 is not in x.toml (known: LHR50)"]


def test_control_is_reached_on_loopback(tmp_path: Path) -> None:
    assert control_url(config(tmp_path)) == ""
    everywhere = Config(control=Control(listen="0.0.0.0:8090"))
    assert control_url(everywhere) == "http://127.0.0.1:8090"


def test_up_tells_once_all_answer_and_stops_cleanly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    told: list[dict[str, int]] = []

    def stand_ins(config: Config, path: Path) -> list[Child]:
        command = (sys.executable, "-I", "-c", STAND_IN, str(port))
        return [Child("edge-LHR50-1", "edge", command, TcpAddress("127.0.0.1", port), "LHR50")]

    def tell(children: Sequence[Child], pids: Mapping[str, int]) -> None:
        told.append(dict(pids))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(start, "fleet", stand_ins)
    assert start.up(config(tmp_path, port), tmp_path / "x.toml", tell) == 0
    assert list(told[0]) == ["edge-LHR50-1"]
    with pytest.raises(ProcessLookupError):
        os.kill(told[0]["edge-LHR50-1"], 0)


def test_how_to_call_the_api_holds_the_key_on_a_terminal_alone(tmp_path: Path) -> None:
    config = Config(state_dir=str(tmp_path), control=Control(listen="127.0.0.1:8090"))
    (hidden,) = to_call(config, Path("my.toml"), {}, shown=False)
    key = access_keys(load_operators(tmp_path, {}))[-1]
    assert key.secret_access_key not in hidden
    assert hidden.startswith('eval "$(edgecache token --aws --config my.toml)"; aws ')
    (shown,) = to_call(config, Path("my.toml"), {}, shown=True)
    assert f"AWS_SECRET_ACCESS_KEY={key.secret_access_key} " in shown
    assert shown.endswith("--endpoint-url http://127.0.0.1:8090")
    assert to_call(Config(), Path("my.toml"), {}, shown=True) == []
