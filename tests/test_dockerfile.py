"""The Dockerfile, as far as it can be checked without an engine: sources, shell, user, command."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from edgecache.config.load import load
from tests.packages.dockerfile import instructions

ROOT = Path(__file__).resolve().parent.parent


FILE = instructions((ROOT / "Dockerfile").read_text())
STAGES = [rest.split(" AS ")[-1] for name, rest in FILE if name == "FROM"]
RUNS = [rest for name, rest in FILE if name == "RUN"]
COPIES = [shlex.split(rest) for name, rest in FILE if name == "COPY"]
SOURCES = [s for words in COPIES if not words[0].startswith("--") for s in words[:-1]]


def last(name: str) -> str:
    """The arguments of the last instruction of this name in the final stage."""
    final = len(FILE) - [found for found, _ in reversed(FILE)].index("FROM")
    return [rest for found, rest in FILE[final:] if found == name][-1]


def test_every_instruction_is_one() -> None:
    known = {"FROM", "RUN", "COPY", "WORKDIR", "ENV", "USER", "VOLUME", "EXPOSE"}
    assert {name for name, _ in FILE} <= known | {"ARG", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


def test_both_stages_have_one_base_that_may_be_named_by_its_digest() -> None:
    assert [rest.split()[0] for name, rest in FILE if name == "FROM"] == ["${BASE}"] * 2
    assert FILE[0][0] == "ARG"


def pins(name: str) -> dict[str, str]:
    """Name and version of what a lock file pins, its markers left out."""
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, re.MULTILINE))


def extras() -> list[str]:
    """Of the package, that the image is made with."""
    (found,) = (match for run in RUNS for match in re.findall(r"whl\)\[([a-z0-9,]+)\]", run))
    return str(found).split(",")


def test_the_image_speaks_every_protocol_and_runs_functions() -> None:
    """What a configuration may ask of an edge or of control, but for certificates by ACME."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    known = project["project"]["optional-dependencies"].keys()
    assert {*extras()} == known - {"acme", "bench", "chart", "containers", "dev", "docs", "testing"}


def test_what_the_image_installs_and_is_built_by_is_pinned_by_hashes() -> None:
    image, everything = pins("requirements-image.lock"), pins("requirements.lock")
    assert image.items() <= everything.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for extra in extras():
        wanted += project["project"]["optional-dependencies"][extra]
    assert {re.split(r"[<>=\[]", one)[0] for one in wanted} <= image.keys()
    entries = re.split(r"\n(?=[a-z])", (ROOT / "requirements-image.lock").read_text())
    assert all("--hash=sha256:" in entry for entry in entries if not entry.startswith("#"))


def test_the_image_installs_nothing_but_wheels_of_known_hashes() -> None:
    """From the network they come by their hashes, and all else is installed from those."""
    calls = [call for run in RUNS for call in run.split("&&") if "/pip " in call]
    fetching = [call for call in calls if "--no-index" not in call]
    assert len(fetching) == 1
    assert "--require-hashes" in fetching[0]
    assert "--only-binary :all:" in fetching[0]
    assert all("--no-build-isolation" in call for call in calls if "pip wheel" in call)


def test_the_unit_bounds_memory_and_tasks() -> None:
    unit = (ROOT / "config" / "edgecache.service").read_text()
    for line in ("MemoryMax=", "TasksMax=", "OOMPolicy=continue"):
        assert re.search(f"^{line}", unit, re.MULTILINE)


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_copied_is_kept_in_git(source: str) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--", source], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert listed.stdout, f"{source} is not in git"


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_copied_is_sent_to_the_engine(source: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert f"!{source}" in ignored


@pytest.mark.parametrize("words", [words for words in COPIES if words[0].startswith("--")])
def test_a_stage_copies_from_one_before_it(words: list[str]) -> None:
    assert words[0].removeprefix("--from=") in STAGES[:-1]


@pytest.mark.parametrize("run", RUNS)
def test_run_lines_are_plain_shell(run: str) -> None:
    assert not run.startswith(("[", "--", "<<"))
    checked = subprocess.run(["sh", "-n", "-c", run], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_last_stage_runs_as_a_user_it_made() -> None:
    user = last("USER")
    assert int(user) >= 1000
    assert any(f"--uid {user} " in run for run in RUNS)


def test_the_command_is_ours() -> None:
    (program,) = json.loads(last("ENTRYPOINT"))
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    health = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert program in scripts
    assert health[0] == program
    source = "".join(p.read_text() for p in (ROOT / "edgecache" / "cli").glob("*.py"))
    for command in (json.loads(last("CMD"))[0], health[1]):
        assert re.search(rf"^def {command}\(", source, re.MULTILINE), command


def test_the_state_is_on_the_volume() -> None:
    volume = last("VOLUME")
    assert any(f"mkdir -p {volume} " in run for run in RUNS)
    assert any(f'state_dir = "{volume}"' in run for run in RUNS)


def test_the_demo_s_configuration_is_made_fit_for_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = (run for run in RUNS if run.startswith("sed "))
    path = tmp_path / "demo.toml"
    path.write_text((ROOT / "config" / "demo.toml").read_text())
    (tmp_path / "bucket").mkdir()
    subprocess.run(["sh", "-c", run.replace("/etc/edgecache", str(tmp_path))], check=True)
    config = load(path)
    ports = {location.listen.rpartition(":")[2] for location in config.locations}
    assert config.state_dir == last("VOLUME")
    assert all(location.listen.startswith("0.0.0.0:") for location in config.locations)
    assert config.bucket is not None
    assert config.bucket.listen.startswith("127.0.0.1:")
    assert config.control is not None
    assert config.control.listen == "127.0.0.1:8090"
    assert {*ports, "8090"} == set(last("EXPOSE").split())
    assert f"EDGECACHE_HEALTH=http://{config.locations[0].health_listen}/ready" in last("ENV")
    monkeypatch.setenv("EDGECACHE_CONTROL_LISTEN", "0.0.0.0:8090")
    opened = load(path).control
    assert opened is not None
    assert opened.listen == "0.0.0.0:8090"
