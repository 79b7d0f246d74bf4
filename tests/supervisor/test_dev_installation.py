"""Installation of dev mode: its values, its folder, what it refuses, and its ready folder."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.config.listen import TcpAddress, UnixAddress
from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.sources import SET_ENV
from edgecache.runtime.dev_mode import make_dev_mode
from edgecache.supervisor.child import Child
from edgecache.supervisor.dev_installation import (
    DevInstallation,
    DevOptions,
    DevOptionsError,
    ReadyFolder,
    addresses_told,
    install,
    production_settings,
    write_whole,
)

FREE = "127.0.0.1:0"


@pytest.fixture
def closed() -> Iterator[list[DevInstallation]]:
    """Installations whose sockets are closed in the end."""
    made: list[DevInstallation] = []
    yield made
    for one in made:
        for sockets in one.sockets.values():
            for bound in sockets:
                bound.close()


def loaded(
    options: DevOptions, closed: list[DevInstallation], monkeypatch: pytest.MonkeyPatch
) -> Config:
    made, file, assignments = install(options)
    closed.append(made)
    monkeypatch.setenv(SET_ENV, json.dumps(assignments))
    return load(file)


def test_what_runs_without_any_option_but_ports(
    tmp_path: Path, closed: list[DevInstallation], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = DevOptions(tmp_path, FREE, (FREE, FREE))
    config = loaded(options, closed, monkeypatch)
    control = config.control
    assert control is not None
    assert control.allow_private_origins
    assert [one.name for one in config.locations] == ["LHR50", "NRT57"]
    assert config.regional is not None
    assert config.distributions == ()
    ports = {control.listen, *(one.listen for one in config.locations)}
    assert {str(address) for address in closed[0].sockets} == ports
    assert len(ports) == 3
    assert [*production_settings(config)] == []


def test_the_usual_addresses_and_names_of_one_s_own(
    tmp_path: Path, closed: list[DevInstallation], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = DevOptions(tmp_path, locations=("A", "B", "C"), names=("edgecache",))
    config = loaded(options, closed, monkeypatch)
    assert config.control is not None
    assert (config.control.listen, config.control.names) == ("127.0.0.1:8090", ("edgecache",))
    listen = [one.listen for one in config.locations]
    assert listen == ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082"]


def test_a_document_of_cloudfront_s_is_a_distribution_by_the_name_of_its_file(
    tmp_path: Path, closed: list[DevInstallation], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {
        "CallerReference": "r",
        "Comment": "",
        "Enabled": True,
        "Origins": {
            "Quantity": 1,
            "Items": [
                {
                    "Id": "web",
                    "DomainName": "127.0.0.1",
                    "CustomOriginConfig": {
                        "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only",
                    },
                }
            ],
        },
        "DefaultCacheBehavior": {
            "TargetOriginId": "web",
            "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        },
    }  # fmt: skip
    file = tmp_path / "my shop.json"
    file.write_text(json.dumps(document))
    config = loaded(DevOptions(tmp_path, load=str(file)), closed, monkeypatch)
    assert [one.id for one in config.distributions] == ["myshop"]
    config = loaded(DevOptions(tmp_path, load=f"E1={file}"), closed, monkeypatch)
    assert [one.id for one in config.distributions] == ["E1"]


def test_a_file_of_ours_keeps_what_it_says_of_sites_alone(
    tmp_path: Path, closed: list[DevInstallation], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "site.toml"
    file.write_text(
        'state_dir = "elsewhere"\n[control]\nlisten = "127.0.0.1:1"\n'
        '[[locations]]\nname = "X"\nlisten = "0.0.0.0:1"\n'
        '[[distributions]]\nid = "E1"\norigins = [{ id = "o", domain_name = "o.test" }]\n'
        'default_behavior = { origin = "o" }\n'
    )
    config = loaded(DevOptions(tmp_path, load=str(file)), closed, monkeypatch)
    assert [one.id for one in config.distributions] == ["E1"]
    assert [one.name for one in config.locations] == ["LHR50", "NRT57"]
    assert config.state_dir == str((tmp_path / "dev" / "state").resolve())


TEMPLATES = Path(__file__).resolve().parents[1] / "templates"


def test_a_template_of_cloudformation_is_imported(
    tmp_path: Path, closed: list[DevInstallation], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):  # anew at each start
        file = TEMPLATES / "api-with-cache-policy.json"
        config = loaded(DevOptions(tmp_path, load=str(file)), closed, monkeypatch)
        (site,) = config.distributions
        assert site.default_behavior.cache_policy is not None
        assert [one.name for one in config.locations] == ["LHR50", "NRT57"]


def test_what_a_template_lacks_is_told_with_its_logical_id(tmp_path: Path) -> None:
    file = tmp_path / "site.template"
    origin = {"Id": "o", "DomainName": {"Ref": "Nobody"}}
    distribution = {"DistributionConfig": {"Enabled": True, "Origins": [origin]}}
    resource = {"Type": "AWS::CloudFront::Distribution", "Properties": distribution}
    file.write_text(json.dumps({"Resources": {"Site": resource}}))
    with pytest.raises(DevOptionsError) as error:
        install(DevOptions(tmp_path, load=str(file)))
    assert error.value.lines[0].startswith("site.template: nothing is imported")
    assert "Nobody" in str(error.value)
    assert error.value.lines[-1].endswith("then --load DIR/edgecache.toml")


def test_it_starts_empty_in_a_folder_of_its_own(
    tmp_path: Path, closed: list[DevInstallation]
) -> None:
    closed.append(install(DevOptions(tmp_path))[0])
    (tmp_path / "dev" / "state").mkdir()
    (tmp_path / "dev" / "state" / "control.sqlite").write_text("of before")
    closed.append(install(DevOptions(tmp_path))[0])
    assert [one.name for one in (tmp_path / "dev").iterdir()] == ["dev.toml"]


def test_a_folder_of_somebody_else_s_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    kept = tmp_path / "dev" / "thesis.txt"
    kept.write_text("years of work")
    with pytest.raises(DevOptionsError, match=r"is not empty, and has no dev\.toml"):
        install(DevOptions(tmp_path))
    assert kept.read_text() == "years of work"


def test_every_option_that_cannot_be_used_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DevOptionsError) as told:
        install(DevOptions(tmp_path, "8090", ("127.0.0.1:99999",)))
    assert told.value.lines == [
        "--listen: 1 addresses for 2 locations (LHR50, NRT57)",
        "--listen-control: 8090 is not HOST:PORT or unix:NAME",
        "--listen: 127.0.0.1:99999 has a port outside 1 to 65535",
    ]


SITE = """
[[distributions]]
id = "E1"
origins = [{ id = "o", domain_name = "o.test" }]
default_behavior = { origin = "o" }
"""
PLAIN = '[control]\nlisten = "127.0.0.1:8090"\n[[locations]]\nname = "A"\nlisten = "127.0.0.1:80"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"[[{PLAIN.partition('[[')[2]}{SITE}", "there is no [control]"),
        (PLAIN.replace('8090"', '8090"\ndatabase = "env:DB"'), "control.database: is for more"),
        (f'certificates = "acme"\n{PLAIN}', "certificates: no authority"),
        (PLAIN.replace('127.0.0.1:80"', '0.0.0.0:80"'), "locations[0].listen: 0.0.0.0:80 is not"),
        (f'{PLAIN}[process]\nuser = "www"\n', "process.user"),
    ],
)
def test_settings_of_production_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "edgecache.toml").write_text(text)
    lines = [*production_settings(load(tmp_path / "edgecache.toml"))]
    assert len(lines) == 1
    assert lines[0].startswith(said)


def test_other_machines_may_reach_what_is_public(tmp_path: Path) -> None:
    (tmp_path / "edgecache.toml").write_text(PLAIN.replace('127.0.0.1:80"', '0.0.0.0:80"'))
    assert [*production_settings(load(tmp_path / "edgecache.toml"), public=True)] == []


def test_where_everything_is_is_written_whole(tmp_path: Path) -> None:
    children = [
        Child("control", "control", (), TcpAddress("127.0.0.1", 8090)),
        Child("regional", "regional", (), UnixAddress("/s/regional.sock")),
        Child("edge-A-1", "edge", (), TcpAddress("127.0.0.1", 8080), "A"),
    ]
    told = addresses_told(children)
    assert told == {
        "control": "http://127.0.0.1:8090",
        "locations": {"A": "http://127.0.0.1:8080"},
        "regional": "unix:/s/regional.sock",
    }
    write_whole(tmp_path / "ports.json", told)
    assert json.loads((tmp_path / "ports.json").read_text()) == told
    assert [one.name for one in tmp_path.iterdir()] == ["ports.json"]


def run_ready_folder(folder: Path, **environment: str) -> tuple[ReadyFolder, bool]:
    """The folder once its programs have run, and whether all was stopped."""
    done, mode = threading.Event(), make_dev_mode()
    stopped: list[bool] = []
    made = ReadyFolder(folder, mode, environment)
    prepared = mode.prepared

    class Mode:
        def prepared(self) -> None:
            prepared()
            done.set()

    made.mode = Mode()  # type: ignore[assignment]

    def stop() -> None:
        stopped.append(True)
        done.set()

    made.start(stop)
    assert done.wait(60)
    assert mode.is_prepared is not bool(stopped)
    return made, bool(stopped)


def test_programs_run_in_the_order_of_their_names(tmp_path: Path) -> None:
    log = tmp_path / "log"
    folder = tmp_path / "ready.d"
    folder.mkdir()
    (folder / "2.py").write_text(f"import os\nopen({str(log)!r}, 'a').write(os.environ['WHERE'])")
    (folder / "1.sh").write_text(f'printf "first " >> "{log}"')
    (folder / "3.txt").write_text("not a program")
    made, stopped = run_ready_folder(folder, WHERE="here")
    assert (log.read_text(), stopped, made.problem) == ("first here", False, "")


def test_where_one_fails_nothing_is_ready(tmp_path: Path) -> None:
    (tmp_path / "1.sh").write_text("exit 3")
    (tmp_path / "2.sh").write_text(f'touch "{tmp_path}/second"')
    made, stopped = run_ready_folder(tmp_path)
    assert (stopped, made.problem) == (True, f"{tmp_path}/1.sh: exited with 3")
    assert not (tmp_path / "second").exists()
